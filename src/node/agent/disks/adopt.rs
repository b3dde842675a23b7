//! Makes layers: out of uploads, out of chains, and empty ones.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::format::{self, Format};
use super::freeze::place_layer;
use super::ova::Machine;
use super::overlays::create_empty;
use super::{Disks, as_full_storage, boots, layer_facts, ova, probe, virtio};
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::program::Program;
use crate::node::agent::storage::Storage;
use crate::node::protocol::{ImageFacts, ImageHints, LayerKind, LayerRef};

/// Reading the allocation of a large image from a slow disk.
const MEASURE_PATIENCE: Duration = Duration::from_secs(300);

/// Copying the largest image on the slowest disk.
const CONVERT_PATIENCE: Duration = Duration::from_secs(12 * 3600);

impl Disks {
    /// Makes an upload a layer, once it has been found to be what it is to be: an ISO, which stays as it is, or a disk
    /// image that stands alone. A disk image that is not qcow2 is converted; of an OVA the disk of this number is, or the
    /// one that its machine starts from. A refused upload stays, for the caller to discard.
    ///
    /// # Errors
    /// `upload-missing`, `storage-full`, and why the image is refused: `not-an-iso`, `not-a-disk-image`,
    /// `image-has-backing-file`, `image-has-data-file`, `image-encrypted`, `image-size-absurd`, `upload-damaged`, and those of [`ova::take_disk`].
    pub fn adopt(
        &self,
        upload: Uuid,
        layer: &LayerRef,
        disk: Option<u32>,
        call: &Call,
    ) -> Result<ImageFacts> {
        let (facts, machine) = self.place(upload, layer, disk, call)?;
        if layer.kind == LayerKind::Iso {
            return Ok(facts);
        }
        let (storage, target) = (self.storage_of(layer)?, self.layer_path(layer)?);
        let told = boots::look(&storage, &target, call)?;
        let virtio = match told.may_hold_windows {
            true => virtio::has_driver(&target, call)?,
            false => None,
        };
        let Machine { vcpu, memory_mib, boots } = machine;
        let hints = ImageHints { vcpu, memory_mib, virtio };
        Ok(ImageFacts { boots: told.boots.or(boots), hints, ..facts })
    }

    /// As [`Disks::adopt`] for the copy of a layer, without a look at what is in it.
    pub fn adopt_copy(&self, upload: Uuid, layer: &LayerRef, call: &Call) -> Result<ImageFacts> {
        self.place(upload, layer, None, call).map(|(facts, _)| facts)
    }

    /// Makes an upload the layer that it is to be; with what an OVA says of its machine.
    fn place(
        &self,
        upload: Uuid,
        layer: &LayerRef,
        disk: Option<u32>,
        call: &Call,
    ) -> Result<(ImageFacts, Machine)> {
        let storage = self.storage_of(layer)?;
        let upload = storage.upload(upload);
        let target = storage.layer(layer.kind, layer.uuid);
        let (mut mended, mut machine) = (false, Machine::default());
        if !files::exists(&target)? {
            if !files::exists(&upload)? {
                return Err(Error::not_found("upload-missing").arg("path", upload.display()));
            }
            if layer.kind == LayerKind::Iso {
                format::require_iso(&upload)?;
                place_layer(&upload, &target)?;
            } else if let Some(taken) = ova::take_disk(&storage, &upload, disk, call)? {
                let made = make_image(&storage, &taken.disk, &target, call);
                files::remove_if_there(&taken.disk)?;
                (mended, machine) = (made?, taken.machine);
            } else {
                mended = make_image(&storage, &upload, &target, call)?;
            }
        }
        files::remove_if_there(&upload)?;
        Ok((ImageFacts { mended, ..layer_facts(layer, &target)? }, machine))
    }

    /// Copies a layer with all it stands on into one self-contained layer.
    ///
    /// # Errors
    /// `layer-missing`, `storage-full`.
    pub fn flatten(&self, from: &LayerRef, layer: &LayerRef, call: &Call) -> Result<ImageFacts> {
        let target = self.layer_path(layer)?;
        if !files::exists(&target)? {
            let (source, _) = self.layer_header(from)?;
            convert(&self.storage_of(layer)?, &source, Format::Qcow2, &target, call)?;
        }
        layer_facts(layer, &target)
    }

    /// Makes an empty layer, `size` bytes large or as large as `below` when that is larger.
    ///
    /// # Errors
    /// `layer-missing`, `image-size-absurd`.
    pub fn create_layer(
        &self,
        layer: &LayerRef,
        below: Option<&LayerRef>,
        size: u64,
    ) -> Result<()> {
        let target = self.layer_path(layer)?;
        if files::exists(&target)? {
            return Ok(());
        }
        let _layers = self.0.layers.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let below = below.map(|below| self.layer_header(below)).transpose()?;
        let size = below.as_ref().map_or(size, |(_, header)| size.max(header.virtual_size));
        if size == 0 || size > probe::VIRTUAL_SIZE_LIMIT {
            return Err(Error::bad_input("image-size-absurd").arg("size", size));
        }
        in_progress(&self.storage_of(layer)?, &target, |temporary| {
            create_empty(temporary, below.as_ref().map(|(path, _)| path.as_path()), size)
        })
    }
}

/// Whether it was mended.
fn make_image(storage: &Storage, source: &Path, target: &Path, call: &Call) -> Result<bool> {
    let (format, mended) = probe::probe(source, call)?;
    if format == Format::Qcow2 {
        place_layer(source, target)?;
    } else {
        convert(storage, source, format, target, call)?;
    }
    Ok(mended)
}

/// Makes a file under a temporary name and gives it its own when it is finished.
fn in_progress(
    storage: &Storage,
    target: &Path,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let temporary = storage.temporary();
    let made = make(&temporary).and_then(|()| place_layer(&temporary, target));
    if made.is_err() {
        files::remove_if_there(&temporary)?;
    }
    made
}

/// To a self-contained qcow2.
fn convert(
    storage: &Storage,
    source: &Path,
    format: Format,
    target: &Path,
    call: &Call,
) -> Result<()> {
    let Measure { required, .. } = measure(source, format, call)?;
    storage.require_room(required)?;
    in_progress(storage, target, |temporary| {
        Program::new("qemu-img", CONVERT_PATIENCE)
            .args(["convert", "-p", "-f", format.word(), "-O", "qcow2"])
            .arg(source)
            .arg(temporary)
            .cancel(call.cancel_flag())
            .output_watched(&mut |piece| report(piece, required, call))
            .map(drop)
            .map_err(|error| as_full_storage(error, target))
    })
}

#[derive(Deserialize)]
struct Measure {
    /// Bytes of the qcow2 to come.
    required: u64,
}

fn measure(source: &Path, format: Format, call: &Call) -> Result<Measure> {
    let output = Program::new("qemu-img", MEASURE_PATIENCE)
        .args(["measure", "--output=json", "-f", format.word(), "-O", "qcow2"])
        .arg(source)
        .cancel(call.cancel_flag())
        .output()?;
    serde_json::from_slice(&output).context("read what qemu-img measured")
}

/// Out of `    (12.34/100%)\r`.
fn report(piece: &[u8], total: u64, call: &Call) {
    let text = String::from_utf8_lossy(piece);
    let percent = text
        .rsplit('(')
        .next()
        .and_then(|rest| rest.split('/').next())
        .and_then(|word| word.parse().ok());
    if let Some(percent) = percent.filter(|percent: &f64| (0.0..=100.0).contains(percent)) {
        call.progress((total as f64 * percent / 100.0) as u64, total);
    }
}
