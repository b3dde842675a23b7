//! Which layers desktops of a template get at their next restore: a small file beside the layers, so
//! that a desktop that restarts by itself finds it without asking the controller.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use uuid::Uuid;

use super::Disks;
use crate::error::{Context, Error, Result};
use crate::node::agent::files;
use crate::node::agent::storage::Storage;
use crate::node::agent::stored;
use crate::node::protocol::{FileKind, TemplateLayers};

/// What a TPM keeps is nobody else's.
const MODE: u32 = 0o600;

impl Disks {
    /// From now on desktops of the template get these layers at their next restore or creation. Without any layer the
    /// template is withdrawn.
    ///
    /// # Errors
    /// `layer-missing` when one of the layers is not on this node; `stored-newer` when a newer release published it.
    pub fn publish(&self, template: Uuid, current: &TemplateLayers) -> Result<()> {
        let mut homes = BTreeSet::new();
        for layer in current.disks.values() {
            self.layer_header(layer)?;
            homes.insert(layer.storage.as_str());
        }
        let content = stored::write_published(current)?;
        for storage in self.storages().usable() {
            // Damaged is to be written again; what a newer release wrote is not.
            if let Err(error) = read(&storage, template)
                && error.key() == stored::NEWER
            {
                return Err(error);
            }
        }
        for storage in self.storages().usable() {
            let path = storage.published(template);
            if homes.contains(storage.name().as_str()) {
                files::write_durably(&storage.temporary(), &path, &content, MODE)?;
            } else if files::remove_if_there(&path)? {
                files::sync_parent(&path)?;
            }
        }
        Ok(())
    }

    /// The layers that desktops of this template get now; `None` when it was never published here.
    pub fn published(&self, template: Uuid) -> Result<Option<TemplateLayers>> {
        let mut newest: Option<TemplateLayers> = None;
        for storage in self.storages().usable() {
            if let Some(found) = read(&storage, template)?
                && newest.as_ref().is_none_or(|known| known.version < found.version)
            {
                newest = Some(found);
            }
        }
        Ok(newest)
    }

    /// What is published here, by template, for comparing; of what firmware keeps only the sums. A damaged pointer counts as none: it is to be written again.
    pub fn list_published(&self) -> Result<BTreeMap<Uuid, TemplateLayers>> {
        let mut all = BTreeMap::new();
        for file in self.list_files()?.iter().filter(|file| file.kind == FileKind::Published) {
            match self.published(file.uuid) {
                Ok(Some(current)) => {
                    let state = current.state.without_content();
                    all.insert(file.uuid, TemplateLayers { state, ..current });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(template.uuid = %file.uuid, error = error.detail(), "not read");
                }
            }
        }
        Ok(all)
    }
}

fn read(storage: &Storage, template: Uuid) -> Result<Option<TemplateLayers>> {
    let path = storage.published(template);
    match fs::read(&path) {
        Ok(content) => parse(&content, &path).map(Some),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause).context(format_args!("read {}", path.display())),
    }
}

fn parse(content: &[u8], path: &Path) -> Result<TemplateLayers> {
    let object = path.display();
    let read = match std::str::from_utf8(content) {
        Ok(text) => stored::read_published(text, &object),
        Err(cause) => Err(stored::damaged(&object).because(cause)),
    };
    read.map_err(|error| match error.key() {
        stored::NEWER => error,
        _ => Error::conflict("published-damaged").arg("path", object).because(error),
    })
}
