//! Layers that are there: what they are, sending them, removing them.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Disks, layer_facts};
use crate::error::{Context, Error, Fault, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::qcow2;
use crate::node::protocol::{FileKind, ImageFacts, ItemResult, LayerKind, LayerRef};

const BUFFER: usize = 256 << 10;

/// What stands on each layer, by path: files, and templates that publish it.
pub(super) type Users = HashMap<PathBuf, HashSet<PathBuf>>;

impl Disks {
    /// What layers are, in the order asked for. `hash`: also reads each whole file.
    pub fn inspect(&self, layers: &[LayerRef], hash: bool, call: &Call) -> Result<Vec<ImageFacts>> {
        let mut all = Vec::with_capacity(layers.len());
        for layer in layers {
            let path = self.layer_path(layer)?;
            let mut facts = layer_facts(layer, &path)?;
            if hash && facts.exists {
                let mut sha256 = Sha256::new();
                copy(&path, 0, &mut sha256, call)?;
                facts.sha256 = hex::encode(sha256.finalize());
            }
            all.push(facts);
        }
        Ok(all)
    }

    /// Writes the file of a layer into `to`.
    ///
    /// # Errors
    /// `layer-missing`
    pub fn send(
        &self,
        (layer, from): (&LayerRef, u64),
        to: &mut dyn Write,
        call: &Call,
    ) -> Result<()> {
        copy(&self.present_layer(layer)?, from, to, call)
    }

    /// Deletes layers that nothing uses. An absent one counts as removed. Layers of the batch that stand on each other
    /// go from the top.
    ///
    /// # Errors
    /// Of one layer: `layer-in-use`.
    pub fn remove_layers(&self, layers: &[LayerRef]) -> Result<Vec<ItemResult>> {
        let _layers = self.0.layers.write().unwrap_or_else(PoisonError::into_inner);
        let mut users = self.users()?;
        let mut results: Vec<Option<Result<(), Fault>>> = vec![None; layers.len()];
        let mut progress = true;
        while progress {
            progress = false;
            for (layer, result) in
                layers.iter().zip(&mut results).filter(|(_, result)| result.is_none())
            {
                let outcome =
                    self.layer_path(layer).and_then(|path| remove_unused(&path, &mut users));
                // One in use gets its chance again when another of the batch has gone.
                if !matches!(outcome, Ok(false)) {
                    progress = true;
                    *result = Some(outcome.map(drop).map_err(Fault::from));
                }
            }
        }
        let answer = |(layer, result): (&LayerRef, Option<_>)| ItemResult {
            uuid: layer.uuid,
            result: result.unwrap_or_else(|| Err(self.in_use(layer, &users).into())),
        };
        Ok(layers.iter().zip(results).map(answer).collect())
    }

    fn in_use(&self, layer: &LayerRef, users: &Users) -> Error {
        let user =
            self.layer_path(layer).ok().and_then(|path| users.get(&path)?.iter().min().cloned());
        let user = user.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        Error::conflict("layer-in-use").arg("uuid", layer.uuid).arg("user", user)
    }

    /// Reads the header of every file, which takes about 10 µs each.
    pub(super) fn users(&self) -> Result<Users> {
        let mut users = Users::new();
        for file in self.list_files()? {
            let path = Path::new(&file.storage).join(&file.path);
            match file.kind {
                FileKind::Layer(LayerKind::Iso) | FileKind::Upload => {}
                FileKind::Layer(_) | FileKind::Overlay => {
                    if let Some(backing) = backing_of(&path)? {
                        users.entry(backing).or_default().insert(path);
                    }
                }
                FileKind::Published => self.add_published(file.uuid, &path, &mut users)?,
            }
        }
        for path in self.list_lost()? {
            if let Some(backing) = backing_of(&path)? {
                users.entry(backing).or_default().insert(path);
            }
        }
        Ok(users)
    }

    fn add_published(&self, template: Uuid, path: &Path, users: &mut Users) -> Result<()> {
        let layers = self.published(template)?.map(|current| current.disks).unwrap_or_default();
        for layer in layers.values() {
            users.entry(self.layer_path(layer)?).or_default().insert(path.to_owned());
        }
        Ok(())
    }
}

/// A file that goes away while it is looked at uses nothing, nor does one without a header.
fn backing_of(path: &Path) -> Result<Option<PathBuf>> {
    match qcow2::read(path) {
        Ok(header) => Ok(header.and_then(|header| header.backing)),
        Err(_) if !files::exists(path)? => Ok(None),
        Err(error) => Err(error),
    }
}

/// `false` when it is in use. A removed one no longer uses what it stood on.
fn remove_unused(path: &Path, users: &mut Users) -> Result<bool> {
    if users.get(path).is_some_and(|users| !users.is_empty()) {
        return Ok(false);
    }
    if files::remove_if_there(path)? {
        files::sync_parent(path)?;
    }
    for standing in users.values_mut() {
        standing.remove(path);
    }
    Ok(true)
}

fn copy(path: &Path, from: u64, to: &mut dyn Write, call: &Call) -> Result<()> {
    let mut file = File::open(path).context(format_args!("open {}", path.display()))?;
    file.seek(SeekFrom::Start(from)).context(format_args!("read {}", path.display()))?;
    let length = fs::metadata(path).context(format_args!("look at {}", path.display()))?.len();
    let total = length.saturating_sub(from);
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    loop {
        call.check()?;
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause).context(format_args!("read {}", path.display())),
        };
        if let Err(cause) = to.write_all(&buffer[..count]) {
            call.check()?;
            return Err(cause).context("send a layer");
        }
        done += count as u64;
        call.progress(done, total);
    }
}
