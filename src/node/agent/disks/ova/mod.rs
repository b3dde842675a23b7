//! A machine of another maker in one file: a tar with an OVF, which describes it, its disks, and a manifest with their
//! sums. One disk is taken out of it.
//!
//! No name in it becomes a path, and of its headers only those are read that are of a fixed size.

mod manifest;
mod ovf;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use manifest::Sum;
use ovf::Descriptor;
pub(super) use ovf::Machine;
use tar::EntryType;

use super::format;
use crate::error::{Context, Error, Result};
use crate::node::agent::call::Call;
use crate::node::agent::files;
use crate::node::agent::storage::Storage;

/// More files than any machine has.
const MEMBERS_LIMIT: usize = 1000;
/// The description of the largest machine, and the sums of its files.
const TEXT_LIMIT: u64 = 1 << 20;
const PIECE: usize = 1 << 20;
/// Disks that a refusal names.
const NAMED: usize = 20;

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

impl Member {
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.name).extension().is_some_and(|its| its.eq_ignore_ascii_case(extension))
    }
}

struct Ova {
    file: File,
    members: Vec<Member>,
}

/// Opens a file that is one; `None` for any other.
fn open(path: &Path) -> Result<Option<Ova>> {
    if !format::is_tar(path)? {
        return Ok(None);
    }
    let file = File::open(path).context(format_args!("read {}", path.display()))?;
    let members = members(&file)?;
    let has_ovf = members.iter().any(|member| member.is("ovf"));
    Ok(has_ovf.then_some(Ova { file, members }))
}

/// What is taken out of an OVA.
pub(super) struct Taken {
    /// A temporary file, which the caller removes.
    pub disk: PathBuf,
    pub machine: Machine,
}

/// Takes the disk of this number out of an OVA, or the one that its machine starts from; `None` when the upload is no OVA.
///
/// # Errors
/// `ova-damaged`, `ova-several-machines`, `ova-no-disk`, `ova-disk-missing`, `ova-file-missing`, `ova-sum-wrong`,
/// `storage-full`, `image-packed`, `image-has-backing-file`
pub(super) fn take_disk(
    storage: &Storage,
    upload: &Path,
    number: Option<u32>,
    call: &Call,
) -> Result<Option<Taken>> {
    let Some(ova) = open(upload)? else { return Ok(None) };
    let mut sums = ova.sums()?;
    let descriptor = ova.descriptor(&mut sums)?;
    let disk = chosen(&descriptor, number)?;
    let member = ova.member(disk)?;
    let sum = sums.remove(disk);
    storage.require_room(member.size)?;
    let temporary = storage.temporary();
    let taken = ova.copy(member, &temporary, sum, call);
    if taken.is_err() {
        files::remove_if_there(&temporary)?;
    }
    taken.map(|()| Some(Taken { disk: temporary, machine: descriptor.machine() }))
}

/// The name of its file.
fn chosen(descriptor: &Descriptor, number: Option<u32>) -> Result<&str> {
    let disks = descriptor.disks()?;
    let at = number.unwrap_or(1).checked_sub(1).and_then(|at| usize::try_from(at).ok());
    let Some(disk) = at.and_then(|at| disks.get(at)) else {
        let error = Error::bad_input("ova-disk-missing").arg("field", "disk");
        let named = disks.iter().map(|disk| ovf::short(descriptor.name(disk)));
        let mut names: Vec<String> = (1..)
            .zip(named)
            .take(NAMED)
            .map(|(number, name)| format!("{number}: {name}"))
            .collect();
        if disks.len() > NAMED {
            names.push("…".to_owned());
        }
        return Err(error.arg("number", number.unwrap_or(1)).arg("disks", names.join(", ")));
    };
    descriptor.file(disk)
}

impl Ova {
    fn descriptor(&self, sums: &mut HashMap<String, Sum>) -> Result<Descriptor> {
        let mut found = self.members.iter().filter(|member| member.is("ovf"));
        match (found.next(), found.next()) {
            (Some(one), None) => {
                let text = self.text(one)?;
                if let Some(sum) = sums.remove(&one.name) {
                    sum.of(text.as_bytes()).require(&one.name)?;
                }
                ovf::parse(&text)
            }
            _ => Err(Error::bad_input("ova-several-machines")),
        }
    }

    fn sums(&self) -> Result<HashMap<String, Sum>> {
        match self.members.iter().find(|member| member.is("mf")) {
            Some(manifest) => Ok(manifest::parse(&self.text(manifest)?)),
            None => Ok(HashMap::new()),
        }
    }

    fn member(&self, name: &str) -> Result<&Member> {
        let found = self.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| Error::bad_input("ova-file-missing").arg("file", ovf::short(name)))
    }

    fn text(&self, member: &Member) -> Result<String> {
        if member.size > TEXT_LIMIT {
            return Err(damaged(format_args!("{} is {} bytes long", member.name, member.size)));
        }
        let mut bytes = vec![0; member.size as usize];
        self.file.read_exact_at(&mut bytes, member.offset).context("read an OVA")?;
        String::from_utf8(bytes).map_err(|_| damaged(format_args!("{} is no text", member.name)))
    }

    fn copy(&self, member: &Member, to: &Path, sum: Option<Sum>, call: &Call) -> Result<()> {
        let mut source = &self.file;
        source.seek(SeekFrom::Start(member.offset)).context("read an OVA")?;
        let target = files::create_new(to, 0o600)?;
        let (mut piece, mut done, mut sum) = (vec![0; PIECE], 0, sum);
        while done < member.size {
            call.check()?;
            let most = piece.len().min(usize::try_from(member.size - done).unwrap_or(PIECE));
            let count = source.read(&mut piece[..most]).context("read an OVA")?;
            if count == 0 {
                return Err(damaged(format_args!("{} ends too early", member.name)));
            }
            if let Some(sum) = &mut sum {
                sum.add(&piece[..count]);
            }
            target
                .write_all_at(&piece[..count], done)
                .map_err(|cause| files::on_storage(to, cause))?;
            done += count as u64;
        }
        sum.map_or(Ok(()), |sum| sum.require(&member.name))
    }
}

/// What is in it: files alone. Of what extends their headers nothing is read.
fn members(file: &File) -> Result<Vec<Member>> {
    let length = file.metadata().context("look at an OVA")?.len();
    let mut archive = tar::Archive::new(file);
    let entries = archive.entries_with_seek().map_err(damaged)?.raw(true);
    let mut members: Vec<Member> = Vec::new();
    for (number, entry) in entries.enumerate() {
        let entry = entry.map_err(damaged)?;
        if number >= MEMBERS_LIMIT {
            return Err(damaged(format_args!("more than {MEMBERS_LIMIT} files")));
        }
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err(damaged(format_args!("{name} ends behind the end of the file")));
        }
        if members.iter().any(|member| member.name == name) {
            return Err(damaged(format_args!("{name} is in it twice")));
        }
        members.push(Member { name, offset, size });
    }
    Ok(members)
}

fn damaged(message: impl std::fmt::Display) -> Error {
    Error::bad_input("ova-damaged").arg("message", message)
}
