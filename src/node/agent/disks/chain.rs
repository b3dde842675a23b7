//! What a template's working disk stands on, compared with what it is to stand on.
//!
//! ```text
//!   edited layer:  base ◄─ 1 ◄─ 2            the rows say: the disk stands on 2
//!   strayed disk:  base ◄─ 1 ◄─ disk         frozen as 3, it would hide what is in 2
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Disks, header};
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::qcow2;
use crate::node::protocol::{DiskSpec, LayerRef};

/// More links than any chain has: one in a circle ends too.
const LINKS: usize = 1000;
const BUFFER: usize = 256 << 10;

impl Disks {
    /// A template's disk that holds nothing of its own and stands further down than `below` is made anew on
    /// it: nothing that was edited stays hidden. One that stands on more than `below` is left alone, as the rows may
    /// not know yet what was frozen. Only for a domain that is off.
    ///
    /// # Errors
    /// As [`Disks::fresh_overlay`].
    pub fn lift_overlay(
        &self,
        disk: &DiskSpec,
        domain: Uuid,
        below: &LayerRef,
        call: &Call,
    ) -> Result<()> {
        let Some(now) = self.overlay_header(disk, domain)? else { return Ok(()) };
        let (layer, overlay) = (self.layer_path(below)?, self.overlay_path(disk, domain)?);
        let Some(backing) = now.backing.filter(|backing| *backing != layer) else { return Ok(()) };
        if below_of(&layer)?.contains(&backing) && adds_nothing(&overlay, &layer, call)? {
            tracing::warn!(domain.uuid = %domain, disk.uuid = %disk.uuid, layer.uuid = %below.uuid,
                "an empty disk stood below the layer it belongs on");
            self.fresh_overlay(disk, domain, below)?;
        }
        Ok(())
    }

    /// # Errors
    /// `disk-strayed` when the layer is not below the disk.
    pub(super) fn require_chain(&self, overlay: &Path, below: &LayerRef) -> Result<()> {
        let layer = self.layer_path(below)?;
        if below_of(overlay)?.contains(&layer) {
            return Ok(());
        }
        Err(strayed(overlay, &layer))
    }
}

/// Whether a disk on something else than `layer` may give way to an empty one on it: nothing was written into it, or
/// exactly that was made the layer.
pub(super) fn adds_nothing(overlay: &Path, layer: &Path, call: &Call) -> Result<bool> {
    Ok(qcow2::is_unwritten(overlay)? || is_copy(overlay, layer, call)?)
}

pub(super) fn strayed(overlay: &Path, layer: &Path) -> Error {
    Error::conflict("disk-strayed").arg("path", overlay.display()).arg("layer", layer.display())
}

/// What a file stands on, from the top.
fn below_of(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut next = path.to_owned();
    while found.len() < LINKS && files::exists(&next)? {
        let Some(backing) = header(&next)?.backing else { break };
        found.push(backing.clone());
        next = backing;
    }
    Ok(found)
}

/// Requires a file and all that it stands on.
///
/// # Errors
/// `layer-missing`
pub(super) fn require_files(top: Option<&Path>) -> Result<()> {
    let mut next = top.map(Path::to_owned);
    for _ in 0..LINKS {
        let Some(path) = next else { break };
        if !files::exists(&path)? {
            return Err(missing(&path));
        }
        next = header(&path)?.backing;
    }
    Ok(())
}

fn missing(path: &Path) -> Error {
    let uuid = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Error::not_found("layer-missing").arg("uuid", uuid).arg("path", path.display())
}

fn is_copy(one: &Path, other: &Path, call: &Call) -> Result<bool> {
    let open = |path: &Path| File::open(path).context(format_args!("open {}", path.display()));
    let length = |path: &Path| {
        path.metadata().map(|meta| meta.len()).context(format_args!("look at {}", path.display()))
    };
    if length(one)? != length(other)? {
        return Ok(false);
    }
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        call.check()?;
        let count = one.read(&mut left).context("compare disks")?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count]).context("compare disks")?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
