//! What files there are, for finding those without an owner.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use uuid::Uuid;

use super::{Disks, runs, seed};
use crate::error::{Context, Error, Fault, Result};
use crate::node::agent::files;
use crate::node::agent::storage::{FORMER, NVRAM, Storage, named};
use crate::node::protocol::{FileKind, LayerKind, LayerRef, StoredFile};

impl Disks {
    /// Every file that the layout knows, in all storages that are there. Work in progress is not among them.
    ///
    /// # Errors
    /// `storage-not-mounted`: half a list says of the rest that it is gone.
    pub fn list_files(&self) -> Result<Vec<StoredFile>> {
        self.storages().require_all()?;
        let mut found = Vec::new();
        for storage in self.storages().usable() {
            for folder in ["base", "templates", "isos", "uploads"] {
                list(&storage, folder, &mut found)?;
            }
            for domain in names(&storage.desktops())? {
                list(&storage, &format!("desktops/{domain}"), &mut found)?;
            }
        }
        Ok(found)
    }

    /// Deletes files that `list_files` has found. An absent one counts as deleted.
    ///
    /// # Errors
    /// `file-name-unknown` for what the layout does not know: nothing is deleted then. `layer-in-use`.
    pub fn remove_files(&self, wanted: &[StoredFile]) -> Result<()> {
        for file in wanted {
            if interpret(&file.path) != Some((file.kind, file.uuid)) {
                return Err(Error::bad_input("file-name-unknown").arg("path", &file.path));
            }
        }
        let layers: Vec<LayerRef> = wanted.iter().filter_map(as_layer).collect();
        // A pointer is deleted before the layers that it keeps.
        for file in wanted.iter().filter(|file| as_layer(file).is_none()) {
            let storage = self.storages().get(&file.storage)?;
            let path = storage.root().join(&file.path);
            files::remove_if_there(&path)?;
            if file.kind == FileKind::Overlay {
                let dir = storage.domain_dir(file.uuid);
                // A domain that has no disk any more does not run, and its firmware has nothing to start.
                let rest = names(&dir)?;
                let goes = |name: &String| {
                    [runs::MARK, NVRAM, seed::NAME].contains(&name.as_str())
                        || name.ends_with(FORMER)
                };
                if rest.iter().all(goes) {
                    for name in rest {
                        files::remove_if_there(&dir.join(name))?;
                    }
                }
                remove_empty_dir(&dir)?;
            }
        }
        let results = self.remove_layers(&layers)?;
        let refused: Option<Fault> = results.into_iter().find_map(|item| item.result.err());
        refused.map_or(Ok(()), |fault| Err(fault.into()))
    }
}

fn as_layer(file: &StoredFile) -> Option<LayerRef> {
    let FileKind::Layer(kind) = file.kind else { return None };
    Some(LayerRef { uuid: file.uuid, kind, storage: file.storage.clone() })
}

fn list(storage: &Storage, folder: &str, found: &mut Vec<StoredFile>) -> Result<()> {
    for name in names(&storage.root().join(folder))? {
        let path = format!("{folder}/{name}");
        if let Some((kind, uuid)) = interpret(&path) {
            found.push(StoredFile { storage: storage.name(), kind, uuid, path });
        }
    }
    Ok(())
}

/// In a fixed order. A folder that went away meanwhile has none.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let doing = || format!("list {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.context(doing())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no text is none of ours.
        names.extend(entry.context(doing())?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// What a path below a storage is in the layout. Only the one spelling that the layout itself would write is known, so
/// what this recognises is safe to use as a path.
pub(super) fn interpret(path: &str) -> Option<(FileKind, Uuid)> {
    let mut parts = path.split('/');
    let (folder, second, third, more) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    if more.is_some() {
        return None;
    }
    match (folder, third) {
        ("base", None) => Some((FileKind::Layer(LayerKind::BaseImage), named(second, ".qcow2")?)),
        ("templates", None) => match named(second, ".current") {
            Some(template) => Some((FileKind::Published, template)),
            None => Some((FileKind::Layer(LayerKind::TemplateVersion), named(second, ".qcow2")?)),
        },
        ("isos", None) => Some((FileKind::Layer(LayerKind::Iso), named(second, ".iso")?)),
        ("uploads", None) => Some((FileKind::Upload, named(second, ".part")?)),
        ("desktops", Some(disk)) => {
            named(disk, ".qcow2")?;
            Some((FileKind::Overlay, named(second, "")?))
        }
        _ => None,
    }
}

fn remove_empty_dir(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(cause)
            if !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) =>
        {
            Err(cause).context(format_args!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
