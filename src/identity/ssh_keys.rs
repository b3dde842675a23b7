//! Public ssh keys of users. Where they let somebody in is `inventory`'s matter.

use ssh_key::{HashAlg, PublicKey};
use uuid::Uuid;

use super::Identity;
use super::store::ssh_keys;
use crate::error::{Error, Result};
use crate::store::{UserId, now};

pub use super::store::ssh_keys::SshKey;

/// Longest name, in characters.
const NAME_LIMIT: usize = 64;
/// Longest key, in bytes: RSA of 16,384 bits.
const KEY_LIMIT: usize = 8 << 10;
/// Keys of one user.
const KEYS_LIMIT: u32 = 50;

impl Identity {
    /// Keys of a user, the oldest first.
    pub fn ssh_keys(&self, user_id: UserId) -> Result<Vec<SshKey>> {
        self.store.read(|conn| ssh_keys::of_user(conn, user_id))
    }

    /// Adds a public key, a line as in `~/.ssh/id_ed25519.pub`. Its comment is the name when none is given.
    ///
    /// # Errors
    /// `ssh-key-wrong`, `ssh-key-private`, `ssh-key-weak`, `ssh-key-exists`, `too-many-keys`
    pub fn add_ssh_key(&self, user_id: UserId, name: &str, line: &str) -> Result<SshKey> {
        let parsed = parse(line)?;
        let name = match (name.trim(), parsed.comment().trim()) {
            ("", "") => parsed.algorithm().to_string(),
            ("", comment) => comment.chars().take(NAME_LIMIT).collect(),
            (name, _) => name.to_owned(),
        };
        if name.chars().count() > NAME_LIMIT {
            return Err(Error::bad_input("name-too-long")
                .arg("field", "name")
                .arg("limit", NAME_LIMIT));
        }
        let key = SshKey {
            uuid: Uuid::new_v4(),
            name: name.chars().filter(|c| !c.is_control()).collect(),
            key: without_comment(&parsed)?,
            fingerprint: parsed.fingerprint(HashAlg::Sha256).to_string(),
            created_at: now(),
        };
        self.store.write(|tx| {
            if ssh_keys::count(tx, user_id)? >= KEYS_LIMIT {
                return Err(Error::conflict("too-many-keys").arg("limit", KEYS_LIMIT));
            }
            ssh_keys::insert(tx, user_id, &key)
        })?;
        Ok(key)
    }

    /// # Errors
    /// `ssh-key-unknown`, also for that of somebody else
    pub fn delete_ssh_key(&self, user_id: UserId, uuid: Uuid) -> Result<SshKey> {
        self.store.write(|tx| {
            let keys = ssh_keys::of_user(tx, user_id)?;
            let found = keys.into_iter().find(|key| key.uuid == uuid);
            let key = found.ok_or_else(|| Error::not_found("ssh-key-unknown").arg("name", uuid))?;
            ssh_keys::delete(tx, uuid)?;
            Ok(key)
        })
    }
}

fn parse(line: &str) -> Result<PublicKey> {
    let line = line.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "key");
    if line.contains("PRIVATE KEY") {
        return Err(wrong("ssh-key-private"));
    }
    if line.len() > KEY_LIMIT || line.lines().count() != 1 {
        return Err(wrong("ssh-key-wrong"));
    }
    let parsed =
        PublicKey::from_openssh(line).map_err(|cause| wrong("ssh-key-wrong").because(cause))?;
    match is_weak(&parsed) {
        true => Err(wrong("ssh-key-weak")),
        false => Ok(parsed),
    }
}

/// DSA, and RSA below 2,048 bits: sshd refuses them too.
fn is_weak(key: &PublicKey) -> bool {
    let short = |bytes: Option<&[u8]>| bytes.is_none_or(|bytes| bytes.len() < 256);
    key.algorithm().is_dsa()
        || key.key_data().rsa().is_some_and(|rsa| short(rsa.n.as_positive_bytes()))
}

fn without_comment(key: &PublicKey) -> Result<String> {
    let mut bare = key.clone();
    bare.set_comment("");
    let line =
        bare.to_openssh().map_err(|cause| Error::internal("write an ssh key").because(cause))?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti lee@desk";

    #[test]
    fn public_keys_are_read_without_their_comment() {
        let key = parse(GOOD).expect("a key");
        assert_eq!(key.comment(), "lee@desk");
        assert_eq!(without_comment(&key).expect("write"), GOOD.trim_end_matches(" lee@desk"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let refusal = |line: &str| parse(line).expect_err("refused").key().to_owned();
        assert_eq!(refusal(""), "ssh-key-wrong");
        assert_eq!(refusal("ssh-ed25519 AAAA"), "ssh-key-wrong");
        assert_eq!(refusal(&format!("{GOOD}\n{GOOD}")), "ssh-key-wrong");
        assert_eq!(refusal(&format!("command=\"id\" {GOOD}")), "ssh-key-wrong");
        assert_eq!(refusal("-----BEGIN OPENSSH PRIVATE KEY-----"), "ssh-key-private");
    }
}
