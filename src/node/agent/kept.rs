//! What the controller told last, kept in a file: an agent that starts while no controller is there, after the machine
//! was switched on perhaps, looks after the same guests and networks as before.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{files, stored};
use crate::error::{Context, Result};
use crate::node::protocol::AgentConfig;

/// Nobody's but the agent's: who writes it says what root works on.
const MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
const NAME: &str = "controller.json";

/// The file in an agent's own folder.
#[derive(Debug)]
pub struct KeptConfig {
    dir: PathBuf,
    path: PathBuf,
}

impl KeptConfig {
    /// `dir` is made when it is needed; the folder above it is there.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), path: dir.join(NAME) }
    }

    /// `None` before the first controller came.
    ///
    /// # Errors
    /// `stored-damaged`, `stored-newer`; when the file cannot be read.
    pub fn read(&self) -> Result<Option<AgentConfig>> {
        let object = self.path.display();
        match fs::read_to_string(&self.path) {
            Ok(content) => stored::read_config(&content, &object).map(Some),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) if cause.kind() == ErrorKind::InvalidData => {
                Err(stored::damaged(&object).because(cause))
            }
            Err(cause) => Err(cause).context(format_args!("read {object}")),
        }
    }

    /// Takes the place of whatever is there, unless that says the same. Durable when it returns.
    ///
    /// # Errors
    /// `storage-ran-full`, `storage-read-only`; the file is as it was then.
    pub fn write(&self, config: &AgentConfig) -> Result<()> {
        // What cannot be read is replaced.
        if self.read().is_ok_and(|kept| kept.as_ref() == Some(config)) {
            return Ok(());
        }
        files::make_dir(&self.dir, DIR_MODE)?;
        let temporary = self.path.with_extension("new");
        // Left by an agent that was killed.
        files::remove_if_there(&temporary)?;
        files::write_durably(&temporary, &self.path, &stored::write_config(config)?, MODE)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::*;

    fn config() -> AgentConfig {
        AgentConfig {
            installation: Uuid::new_v4(),
            libvirt_uri: "test:///default".to_owned(),
            virt_type: "auto".to_owned(),
            storages: vec!["/somewhere".to_owned()],
            known: Vec::new(),
        }
    }

    #[test]
    fn the_last_word_is_kept_and_only_root_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("agent");
        let kept = KeptConfig::new(&dir);
        assert_eq!(kept.read().unwrap(), None);
        let (first, second) = (config(), config());
        kept.write(&first).unwrap();
        // A kill in the middle of the next one.
        fs::write(kept.path.with_extension("new"), "{\"form\":1,\"inst").unwrap();
        assert_eq!(kept.read().unwrap(), Some(first));
        kept.write(&second).unwrap();
        assert_eq!(kept.read().unwrap(), Some(second));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&kept.path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_says_so_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptConfig::new(folder.path());
        for (content, key) in [
            (b"".as_slice(), "stored-damaged"),
            (b"{\"form\":1}", "stored-damaged"),
            (b"\xff\xfe", "stored-damaged"),
            (b"{\"form\":2,\"installation\":\"of a newer release\"}", stored::NEWER),
        ] {
            fs::write(&kept.path, content).unwrap();
            assert_eq!(kept.read().unwrap_err().key(), key);
            let config = config();
            kept.write(&config).unwrap();
            assert_eq!(kept.read().unwrap(), Some(config));
        }
    }
}
