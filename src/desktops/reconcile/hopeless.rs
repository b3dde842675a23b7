//! Desktops that cannot be made anew until what they lack is back: a disk that keeps what is written, or a layer. They are
//! tried again when their node has other files of theirs, or other layers.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::error::Fault;
use crate::node::protocol::{FileKind, StoredFile};
use crate::store::NodeId;

/// Keys of what stays as it is until a file comes back.
const FINAL: [&str; 2] = ["disk-lost", "layer-missing"];

/// What was tried, and why it failed. It ends with the server: a new one tries each once.
#[derive(Default)]
pub struct Hopeless(Mutex<HashMap<Uuid, Tried>>);

struct Tried {
    node: NodeId,
    /// A number that other files would not have.
    files: u64,
    fault: Option<Fault>,
}

impl Hopeless {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets desktops of the node that lack nothing any more: all but these.
    pub fn keep_only(&self, node: NodeId, lacking: &HashSet<Uuid>) {
        self.lock().retain(|uuid, tried| tried.node != node || lacking.contains(uuid));
    }

    /// Those of these desktops of the node that are worth a try, which they get now. `files` are what the node has.
    pub fn worth(&self, node: NodeId, desktops: Vec<Uuid>, files: &[StoredFile]) -> Vec<Uuid> {
        let layers = number(files.iter().filter(|file| matches!(file.kind, FileKind::Layer(_))));
        let mut own: HashMap<Uuid, Vec<&StoredFile>> = HashMap::new();
        for file in files.iter().filter(|file| file.kind == FileKind::Overlay) {
            own.entry(file.uuid).or_default().push(file);
        }
        let mut known = self.lock();
        let mut is_worth = |uuid: &Uuid| {
            let own = own.get(uuid).into_iter().flatten().copied();
            let files = layers ^ number(own).rotate_left(1);
            let failed = |tried: &Tried| tried.fault.is_some() && tried.files == files;
            let fails = known.get(uuid).is_some_and(failed);
            if !fails {
                known.insert(*uuid, Tried { node, files, fault: None });
            }
            !fails
        };
        desktops.into_iter().filter(|uuid| is_worth(uuid)).collect()
    }

    /// How the try went.
    pub fn note(&self, desktop: Uuid, result: &Result<(), Fault>) {
        let mut known = self.lock();
        match result {
            Ok(()) => drop(known.remove(&desktop)),
            Err(fault) if FINAL.contains(&fault.key.as_str()) => {
                if let Some(tried) = known.get_mut(&desktop) {
                    tried.fault = Some(fault.clone());
                }
            }
            Err(_) => {}
        }
    }

    /// Why the desktop cannot be made anew.
    pub fn why(&self, desktop: Uuid) -> Option<Fault> {
        self.lock().get(&desktop)?.fault.clone()
    }
}

/// Whatever their order.
fn number<'a>(files: impl Iterator<Item = &'a StoredFile>) -> u64 {
    let one = |file: &StoredFile| {
        let mut hasher = DefaultHasher::new();
        (&file.storage, &file.path).hash(&mut hasher);
        hasher.finish()
    };
    files.fold(0, |sum, file| sum.wrapping_add(one(file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::node::protocol::LayerKind;

    const NODE: NodeId = NodeId::new(1);

    fn file(uuid: Uuid, kind: FileKind, path: &str) -> StoredFile {
        StoredFile { storage: "/s".into(), kind, uuid, path: path.into() }
    }

    #[test]
    fn what_lacks_a_file_is_tried_once_and_again_when_its_files_are_others() {
        let (hopeless, desktop, other) = (Hopeless::default(), Uuid::new_v4(), Uuid::new_v4());
        let lost: Result<(), Fault> = Err(Error::conflict("disk-lost").into());
        let layer = file(Uuid::new_v4(), FileKind::Layer(LayerKind::BaseImage), "base/a");
        let mut files = vec![file(other, FileKind::Overlay, "desktops/b"), layer];
        let worth = |files: &[StoredFile]| hopeless.worth(NODE, vec![desktop], files) == [desktop];
        assert!(worth(&files));
        hopeless.note(desktop, &Err(Error::unreachable("node-link-lost").into()));
        assert!(worth(&files), "that may be over");
        hopeless.note(desktop, &lost);
        assert!(!worth(&files));
        files.reverse();
        files.push(file(other, FileKind::Overlay, "desktops/another of b"));
        assert!(!worth(&files), "nothing of its own");
        assert_eq!(hopeless.why(desktop).map(|fault| fault.key), Some("disk-lost".into()));

        files.push(file(desktop, FileKind::Overlay, "desktops/a"));
        assert!(worth(&files), "its disk may be back");
        hopeless.note(desktop, &lost);
        assert!(!worth(&files));
        files.push(file(
            Uuid::new_v4(),
            FileKind::Layer(LayerKind::TemplateVersion),
            "templates/c",
        ));
        assert!(worth(&files), "a layer may be back");
        hopeless.note(desktop, &Ok(()));
        assert!(hopeless.why(desktop).is_none());

        hopeless.worth(NODE, vec![desktop], &files);
        hopeless.note(desktop, &lost);
        hopeless.keep_only(NodeId::new(2), &HashSet::new());
        assert!(hopeless.why(desktop).is_some());
        hopeless.keep_only(NODE, &HashSet::new());
        assert!(hopeless.why(desktop).is_none(), "it was made, or deleted");
    }
}
