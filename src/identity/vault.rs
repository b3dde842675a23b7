//! Secrets that have to be read again, sealed with a key that is no part of the database: whoever has
//! a copy of the database, or a backup, can read none of them.
//!
//! The key is the file `secret.key` of the data directory, made when it is first needed. `carrel backup`
//! leaves it out; without it the sealed secrets are lost, and nothing else is.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::token::random_bytes;
use crate::error::{Context, Error, Kind, Result};
use crate::store::files;

/// Name of the key's file in the data directory.
pub const KEY_FILE: &str = "secret.key";
/// Bytes of a nonce, which stands before what is sealed: random ones of this length never repeat.
const NONCE: usize = 24;

type Key = Zeroizing<[u8; 32]>;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    path: PathBuf,
    key: Arc<OnceLock<Key>>,
}

impl Vault {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(KEY_FILE), key: Arc::default() }
    }

    /// Seals `secret`. It can be opened for the same purpose only, so that what is sealed for one
    /// row is of no use in another.
    pub fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let key = match self.key()? {
            Some(key) => key,
            None => {
                make_key(&self.path)?;
                self.key()?.ok_or_else(|| Error::internal("the key vanished"))?
            }
        };
        let random = random_bytes()?;
        let nonce = &random[..NONCE];
        let payload = Payload { msg: secret, aad: purpose.as_bytes() };
        let sealed = cipher(key).encrypt(XNonce::from_slice(nonce), payload);
        let sealed = sealed.map_err(|cause| Error::internal(format_args!("seal: {cause}")))?;
        Ok([nonce, &sealed].concat())
    }

    /// # Errors
    /// `sealed-unreadable` when the key is gone, is another one, or what is sealed was changed.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let unreadable = |why: String| {
            let error = Error::new(Kind::Conflict, "sealed-unreadable");
            error.arg("path", self.path.display()).because(why)
        };
        let Some(key) = self.key()? else { return Err(unreadable("no such file".into())) };
        let Some((nonce, rest)) = sealed.split_at_checked(NONCE) else {
            return Err(unreadable("too short".into()));
        };
        let payload = Payload { msg: rest, aad: purpose.as_bytes() };
        let opened = cipher(key).decrypt(XNonce::from_slice(nonce), payload);
        opened.map(Zeroizing::new).map_err(|cause| unreadable(cause.to_string()))
    }

    /// `None` when there is none yet.
    fn key(&self) -> Result<Option<&Key>> {
        if let Some(key) = self.key.get() {
            return Ok(Some(key));
        }
        let text = match fs::read(&self.path) {
            Ok(text) => Zeroizing::new(text),
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(self.damaged(cause.to_string())),
        };
        let mut key = Zeroizing::new([0; 32]);
        let read = hex::decode_to_slice(text.trim_ascii(), &mut *key);
        read.map_err(|cause| self.damaged(cause.to_string()))?;
        Ok(Some(self.key.get_or_init(|| key)))
    }

    fn damaged(&self, cause: String) -> Error {
        let error = Error::new(Kind::Internal, "secret-key-damaged");
        error.arg("path", self.path.display()).because(cause)
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.as_slice().into())
}

/// Makes the key's file whole or not at all. Of two processes at the same time one does.
fn make_key(path: &Path) -> Result<()> {
    let doing = || format!("make {}", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(KEY_FILE).tempfile_in(dir).context(doing())?;
    let key = Zeroizing::new(random_bytes()?);
    let text = Zeroizing::new(hex::encode(*key));
    file.write_all(text.as_bytes()).context(doing())?;
    file.write_all(b"\n").context(doing())?;
    file.as_file().sync_all().context(doing())?;
    files::protect(file.path())?;
    match file.persist_noclobber(path) {
        Ok(_) => files::sync_dir(dir),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error).context(doing()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_key_opens_and_only_for_its_purpose() {
        let dir = tempfile::tempdir().expect("temp dir");
        let vault = Vault::new(dir.path());
        assert_eq!(vault.open("a", b"x").expect_err("no key").key(), "sealed-unreadable");
        let sealed = vault.seal("a", b"the secret").expect("seal");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        let again = Vault::new(dir.path());
        assert_eq!(**again.open("a", &sealed).expect("open"), *b"the secret");
        assert_ne!(again.seal("a", b"the secret").expect("seal"), sealed, "another nonce");
        for (purpose, sealed) in [("b", &sealed[..]), ("a", &sealed[1..]), ("a", b"")] {
            let error = again.open(purpose, sealed).expect_err("must not open");
            assert_eq!(error.key(), "sealed-unreadable");
        }
        let other = tempfile::tempdir().expect("temp dir");
        let other = Vault::new(other.path());
        other.seal("a", b"makes a key").expect("seal");
        assert_eq!(other.open("a", &sealed).expect_err("other key").key(), "sealed-unreadable");
    }

    #[test]
    fn the_key_is_its_owners_alone_and_never_replaced() {
        let dir = tempfile::tempdir().expect("temp dir");
        let vault = Vault::new(dir.path());
        vault.seal("a", b"x").expect("seal");
        let path = dir.path().join(KEY_FILE);
        let mode = fs::metadata(&path).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = fs::read(&path).expect("read");
        make_key(&path).expect("there is one");
        assert_eq!(fs::read(&path).expect("read"), before);
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1, "nothing beside it");
        fs::write(&path, "not a key").expect("write");
        let error = Vault::new(dir.path()).seal("a", b"x").expect_err("damaged");
        assert_eq!(error.key(), "secret-key-damaged");
    }
}
