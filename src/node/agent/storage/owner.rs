//! Whose a storage is: the name of a folder in it.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::PRIVATE;
use crate::error::{Context, Result};
use crate::node::agent::files;

const FOLDER: &str = "installation";

/// What says that a storage is this installation's.
pub fn mark(root: &Path, installation: Uuid) -> PathBuf {
    root.join(FOLDER).join(installation.to_string())
}

/// Marks a storage as this installation's.
pub fn claim(root: &Path, installation: Uuid) -> Result<()> {
    files::make_dir(&root.join(FOLDER), PRIVATE)?;
    files::make_dir(&mark(root, installation), PRIVATE)
}

/// Whether a storage is this installation's: by its mark, or, where a copy of it lost that empty folder, by what it holds.
pub fn is_ours(root: &Path, installation: Uuid) -> bool {
    let holds = |folder: &str| {
        fs::read_dir(root.join(folder)).is_ok_and(|mut entries| entries.next().is_some())
    };
    bears(root, installation) || ["base", "templates", "desktops"].into_iter().any(holds)
}

/// Whether a storage bears the mark of this installation.
pub fn bears(root: &Path, installation: Uuid) -> bool {
    mark(root, installation).is_dir()
}

/// The installation that a storage belongs to: the name of a folder, which is made in one step.
pub fn of(root: &Path) -> Result<Option<Uuid>> {
    let marks = root.join(FOLDER);
    let mut found = match fs::read_dir(&marks) {
        Ok(found) => found,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause).context(format_args!("read {}", marks.display())),
    };
    let Some(mark) = found.next() else { return Ok(None) };
    let mark = mark.context(format_args!("read {}", marks.display()))?.file_name();
    let uuid = mark.to_str().and_then(|name| Uuid::parse_str(name).ok());
    // Whatever else it is, it is not ours.
    Ok(Some(uuid.unwrap_or(Uuid::max())))
}
