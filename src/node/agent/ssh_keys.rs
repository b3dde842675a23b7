//! `authorized_keys` of the node's system users (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
//!
//! Lines that this installation wrote bear its mark; all others stay as they are, byte for byte. The agent
//! is root and the files lie in folders that their users may change at any moment: it follows no link below
//! a home directory, and what it writes comes into place by a rename.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};
use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::node::protocol::{AuthorizedKey, InstalledKey};

const FOLDER: &str = ".ssh";
const FILE: &str = "authorized_keys";
/// Larger ones are no lists of keys.
const SIZE_LIMIT: u64 = 1 << 20;
/// The first number of people's accounts on common distributions (login.defs(5), UID_MIN).
const FIRST_PERSON: u32 = 1000;
/// Shells of accounts that nobody signs in to.
const NO_SHELLS: [&str; 4] = ["nologin", "false", "sync", "true"];

/// The keys of one installation on this machine.
pub struct SshKeys {
    mark: String,
    /// Where accounts are listed.
    passwd: PathBuf,
}

/// An account of the machine.
struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    home: PathBuf,
}

impl SshKeys {
    pub fn new(installation: Uuid) -> Self {
        Self { mark: format!("carrel:{}:", installation.simple()), passwd: "/etc/passwd".into() }
    }

    /// Every key of root and of people's accounts.
    pub fn list(&self) -> Result<Vec<InstalledKey>> {
        let text = fs::read_to_string(&self.passwd).context("read the accounts of the node")?;
        let mut found = Vec::new();
        for account in text.lines().filter_map(account) {
            // One account's strange folder does not hide the keys of all others.
            match self.of(&account) {
                Ok(keys) => found.extend(keys),
                Err(error) => {
                    tracing::warn!(user = account.name, error = error.detail(), "keys not read");
                }
            }
        }
        Ok(found)
    }

    /// Makes exactly these keys of this installation stand in the file of a system user.
    ///
    /// # Errors
    /// `system-user-unknown`, `system-user-no-login`, `system-user-home` when its folders are not its own
    pub fn set(&self, system_user: &str, keys: &[AuthorizedKey]) -> Result<()> {
        let account = match self.find(system_user)? {
            Some(account) => account,
            // Nothing is wanted of an account that has gone, and nothing is there.
            None if keys.is_empty() => return Ok(()),
            None => return Err(Error::not_found("system-user-unknown").arg("name", system_user)),
        };
        let Some(folder) = open_folder(&account, !keys.is_empty())? else { return Ok(()) };
        let before = read(&folder)?.unwrap_or_default();
        let after = self.rewritten(&before, keys);
        if after == before {
            return Ok(());
        }
        replace(&folder, &account, &after)
    }

    /// An account that [`SshKeys::list`] looks at too: keys anywhere else would never be found again, and stay
    /// when they are taken back.
    fn find(&self, name: &str) -> Result<Option<Account>> {
        let text = fs::read_to_string(&self.passwd).context("read the accounts of the node")?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name));
        let Some(line) = line else { return Ok(None) };
        let no_login = || Error::conflict("system-user-no-login").arg("name", name);
        account(line).map(Some).ok_or_else(no_login)
    }

    fn of(&self, account: &Account) -> Result<Vec<InstalledKey>> {
        let Some(folder) = open_folder(account, false)? else { return Ok(Vec::new()) };
        let bytes = read(&folder)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().filter_map(|line| self.installed(&account.name, line)).collect())
    }

    fn installed(&self, system_user: &str, line: &str) -> Option<InstalledKey> {
        // Options before the key are passed over by looking for the first word that is a type.
        let words: Vec<&str> = line.split_whitespace().collect();
        let first = words.iter().position(|word| is_type(word))?;
        if line.trim_start().starts_with('#') {
            return None;
        }
        let key = format!("{} {}", words.get(first)?, words.get(first + 1)?);
        let comment = words.get(first + 2..).unwrap_or_default().join(" ");
        let owner = comment.strip_prefix(&self.mark).and_then(|rest| Uuid::parse_str(rest).ok());
        Some(InstalledKey { system_user: system_user.to_owned(), owner, key, comment })
    }

    /// The file with our lines replaced.
    fn rewritten(&self, before: &[u8], keys: &[AuthorizedKey]) -> Vec<u8> {
        let mut after = Vec::with_capacity(before.len());
        for line in before.split_inclusive(|byte| *byte == b'\n') {
            if !String::from_utf8_lossy(line).contains(&self.mark) {
                after.extend_from_slice(line);
            }
        }
        if !after.is_empty() && !after.ends_with(b"\n") && !keys.is_empty() {
            after.push(b'\n');
        }
        for AuthorizedKey { owner, key } in keys {
            after.extend_from_slice(format!("{key} {}{}\n", self.mark, owner.simple()).as_bytes());
        }
        after
    }
}

/// Types of keys all begin like one of these.
fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// A line of passwd(5), if people sign in to the account.
fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid: u32 = fields.nth(1)?.parse().ok()?;
    let gid: u32 = fields.next()?.parse().ok()?;
    let (home, shell) = (fields.nth(1)?, fields.next()?);
    let is_person = uid == 0 || uid >= FIRST_PERSON;
    (is_person && may_sign_in(Path::new(shell))).then(|| Account {
        name: name.to_owned(),
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
        home: home.into(),
    })
}

fn may_sign_in(shell: &Path) -> bool {
    shell.file_name().is_none_or(|name| !NO_SHELLS.iter().any(|no| name == *no))
}

/// The folder of the keys, made if wanted; `None` when it is not there.
fn open_folder(account: &Account, make: bool) -> Result<Option<OwnedFd>> {
    let wrong = |cause| {
        let error = Error::conflict("system-user-home").arg("name", &account.name);
        error.arg("path", account.home.join(FOLDER).display()).because(cause)
    };
    let home = match File::open(&account.home) {
        Ok(home) => home,
        Err(cause) if cause.kind() == ErrorKind::NotFound && !make => return Ok(None),
        Err(cause) => return Err(wrong(cause)),
    };
    if make {
        match mkdirat(&home, FOLDER, Mode::S_IRWXU) {
            Ok(()) => {
                let made = open_in(&home).map_err(|errno| wrong(errno.into()))?;
                fchown(&made, Some(account.uid), Some(account.gid)).map_err(|e| wrong(e.into()))?;
            }
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(wrong(errno.into())),
        }
    }
    let folder = match open_in(&home) {
        Ok(folder) => folder,
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(wrong(errno.into())),
    };
    let owner = fstat(&folder).map_err(|errno| wrong(errno.into()))?.st_uid;
    match owner == account.uid.as_raw() || owner == 0 {
        true => Ok(Some(folder)),
        false => Err(wrong(ErrorKind::PermissionDenied.into())),
    }
}

/// The folder itself, never what a link in its place leads to.
fn open_in(home: &File) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(home, FOLDER, flags, Mode::empty())
}

fn read(folder: &OwnedFd) -> Result<Option<Vec<u8>>> {
    // Not to hang on a pipe that somebody put there.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = match openat(folder, FILE, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno).context("open authorized_keys"),
    };
    let metadata = file.metadata().context("look at authorized_keys")?;
    // A second name may be that of a file which its user cannot read.
    if !metadata.is_file() || metadata.nlink() != 1 || metadata.len() > SIZE_LIMIT {
        return Err(Error::conflict("authorized-keys-strange"));
    }
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT).read_to_end(&mut bytes).context("read authorized_keys")?;
    Ok(Some(bytes))
}

/// Writes a new file and puts it in the place of the old one, so that sshd sees either of them.
fn replace(folder: &OwnedFd, account: &Account, content: &[u8]) -> Result<()> {
    let temporary = format!(".{FILE}.{}", Uuid::new_v4().simple());
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let made = openat(folder, temporary.as_str(), flags, mode).context("make authorized_keys")?;
    let written = write(File::from(made), account, content).and_then(|()| {
        renameat(folder.as_fd(), temporary.as_str(), folder.as_fd(), FILE)
            .context("put authorized_keys in place")
    });
    if written.is_err() {
        // The first error is the one to tell; what is left is an empty file of the user's.
        let _ = unlinkat(folder, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    written
}

fn write(mut file: File, account: &Account, content: &[u8]) -> Result<()> {
    fchmod(&file, Mode::S_IRUSR | Mode::S_IWUSR).context("protect authorized_keys")?;
    fchown(&file, Some(account.uid), Some(account.gid)).context("give authorized_keys away")?;
    file.write_all(content).and_then(|()| file.sync_all()).context("write authorized_keys")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2c0sE3KzU0QbV1F7h8e5M2v0mJ2Yk6Yb2l0W3kq9aX";

    fn here(home: &Path) -> Account {
        let metadata = fs::metadata(home).expect("metadata");
        Account {
            name: "someone".into(),
            uid: Uid::from_raw(metadata.uid()),
            gid: Gid::from_raw(metadata.gid()),
            home: home.to_owned(),
        }
    }

    fn put(keys: &SshKeys, account: &Account, wanted: &[AuthorizedKey]) -> Result<()> {
        let Some(folder) = open_folder(account, true)? else { panic!("made") };
        let before = read(&folder)?.unwrap_or_default();
        replace(&folder, account, &keys.rewritten(&before, wanted))
    }

    #[test]
    fn foreign_lines_stay_and_ours_are_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let (keys, account) = (SshKeys::new(Uuid::new_v4()), here(home.path()));
        fs::create_dir(home.path().join(FOLDER)).expect("make");
        let file = home.path().join(FOLDER).join(FILE);
        let foreign = "# mine\nno-pty ssh-rsa AAAAB3 me@home\n\u{fffd}odd line without end";
        fs::write(&file, foreign).expect("write");
        let owner = Uuid::new_v4();
        put(&keys, &account, &[AuthorizedKey { owner, key: KEY.into() }]).expect("put");
        let text = fs::read_to_string(&file).expect("read");
        assert!(text.starts_with(foreign), "{text}");
        assert_eq!(fs::metadata(&file).expect("metadata").permissions().mode() & 0o777, 0o600);
        let found = keys.of(&account).expect("list");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].owner, found[0].comment.as_str()), (None, "me@home"));
        assert_eq!((found[1].owner, found[1].key.as_str()), (Some(owner), KEY));

        let other = SshKeys::new(Uuid::new_v4());
        assert_eq!(other.of(&account).expect("list")[1].owner, None, "of another installation");
        put(&other, &account, &[]).expect("put");
        assert_eq!(keys.of(&account).expect("list").len(), 2);
        put(&keys, &account, &[]).expect("put");
        assert_eq!(fs::read_to_string(&file).expect("read"), format!("{foreign}\n"));
    }

    #[test]
    fn no_link_is_followed() {
        let (home, elsewhere) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another"));
        let (keys, account) = (SshKeys::new(Uuid::new_v4()), here(home.path()));
        let wanted = [AuthorizedKey { owner: Uuid::new_v4(), key: KEY.into() }];
        symlink(elsewhere.path(), home.path().join(FOLDER)).expect("link");
        let error = put(&keys, &account, &wanted).expect_err("a link as the folder");
        assert_eq!(error.key(), "system-user-home");

        fs::remove_file(home.path().join(FOLDER)).expect("remove");
        fs::create_dir(home.path().join(FOLDER)).expect("make");
        let target = elsewhere.path().join("shadow");
        fs::write(&target, "root:x").expect("write");
        symlink(&target, home.path().join(FOLDER).join(FILE)).expect("link");
        put(&keys, &account, &wanted).expect_err("a link as the file");
        assert_eq!(fs::read_to_string(&target).expect("read"), "root:x");
    }

    #[test]
    fn a_second_name_of_a_file_elsewhere_is_not_read() {
        let home = tempfile::tempdir().expect("a folder");
        let (keys, account) = (SshKeys::new(Uuid::new_v4()), here(home.path()));
        fs::create_dir(home.path().join(FOLDER)).expect("make");
        let secret = home.path().join("secret");
        fs::write(&secret, "root:x").expect("write");
        fs::hard_link(&secret, home.path().join(FOLDER).join(FILE)).expect("link");
        let error = put(&keys, &account, &[]).expect_err("a second name");
        assert_eq!(error.key(), "authorized-keys-strange");
    }

    #[test]
    fn keys_go_only_where_they_are_found_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let passwd = dir.path().join("passwd");
        let text = "db:x:114:120::/var/db:/bin/bash\nlee:x:1000:1000::/home/lee:/bin/zsh\n";
        fs::write(&passwd, text).expect("write");
        let keys = SshKeys { passwd, ..SshKeys::new(Uuid::new_v4()) };
        assert!(keys.find("lee").expect("look").is_some());
        assert!(keys.find("nobodyhere").expect("look").is_none());
        assert_eq!(keys.find("db").err().expect("refused").key(), "system-user-no-login");
    }

    #[test]
    fn accounts_of_people_are_told_from_services() {
        let name = |line| account(line).map(|account| account.name);
        assert_eq!(name("root:x:0:0:root:/root:/bin/bash").as_deref(), Some("root"));
        assert_eq!(name("lee:x:1000:1000:Lee,,,:/home/lee:/bin/zsh").as_deref(), Some("lee"));
        assert_eq!(name("www-data:x:33:33:www:/var/www:/usr/sbin/nologin"), None);
        assert_eq!(name("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"), None);
        assert_eq!(name("damaged"), None);
    }
}
