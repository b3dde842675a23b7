//! The files of `src`.

use std::path::{Path, PathBuf};

pub struct Source {
    pub path: String,
    /// First part of the path below `src`.
    pub room: String,
    pub text: String,
}

impl Source {
    /// Without its unit tests.
    pub fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    pub fn is_store(&self) -> bool {
        self.room == "store" || self.path.contains("/store/") || self.path.ends_with("/store.rs")
    }

    pub fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

/// All files of `src`.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("read a folder of src") {
            let path: PathBuf = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            let room =
                below.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).expect("read a source");
            found.push(Source { path: below, room, text });
        }
    }
    found
}
