//! Disk images of other programs: how they are read, mended, or refused in words that help.

use std::path::Path;
use std::process::Command;

use crate::images::{image_file, path, qemu_img, upload};
use crate::support::{SMALL, Server, Site};

#[test]
fn a_fixed_vhd_ends_where_its_disk_ends() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let folder = server.data_here();
    let mut raw = vec![0_u8; 4 << 20];
    raw[510..512].copy_from_slice(&[0x55, 0xaa]);
    let end = raw.len() - 8;
    raw[end..].copy_from_slice(b"EFI PART");
    std::fs::write(folder.join("disk.raw"), &raw).expect("write");
    let options = ["-O", "vpc", "-o", "subformat=fixed,force_size=on"];
    qemu_img(
        &folder,
        &[&["convert", "-f", "raw"], &options[..], &["disk.raw", "disk.vhd"]].concat(),
    );
    let vhd = std::fs::read(folder.join("disk.vhd")).expect("read");
    assert_eq!(vhd.len(), raw.len() + 512, "a footer");

    let uuid = upload(&site, "fixed", vhd).data()["uuid"].clone();
    let one = format!("{}/{}", path(&site), uuid.as_str().expect("uuid"));
    let at = site.admin.get(&one).send().data()["path"].clone();
    let at = at.as_str().expect("path");
    qemu_img(&folder, &["convert", "-O", "raw", at, "back.raw"]);
    assert!(std::fs::read(folder.join("back.raw")).expect("read") == raw, "the same disk");
}

#[test]
fn packed_files_are_told_to_be_unpacked() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let folder = server.data_here();
    let good = std::fs::read(image_file(&server, "good.qcow2", "64M")).expect("read");
    let run = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).current_dir(&folder).status().expect(program);
        assert!(done.success(), "{program} {args:?}");
    };
    run("tar", &["-cf", "packed.ova", "good.qcow2"]);
    run("tar", &["--format=ustar", "-cf", "packed.tar", "good.qcow2"]);
    run("gzip", &["-k", "good.qcow2"]);
    run("xz", &["-k", "good.qcow2"]);
    run("bzip2", &["-k", "good.qcow2"]);
    let zip = [b"PK\x03\x04".as_slice(), &good].concat();
    std::fs::write(folder.join("packed.zip"), zip).expect("write");
    let seven = [b"7z\xbc\xaf\x27\x1c".as_slice(), &good].concat();
    std::fs::write(folder.join("packed.7z"), seven).expect("write");
    let english = Site { admin: site.admin.with_header("Accept-Language", "en"), ..site.clone() };
    for (name, kind) in [
        ("packed.ova", "tar"),
        ("packed.tar", "tar"),
        ("good.qcow2.gz", "gzip"),
        ("good.qcow2.xz", "xz"),
        ("good.qcow2.bz2", "bzip2"),
        ("packed.zip", "zip"),
        ("packed.7z", "7z"),
    ] {
        let answer = upload(&english, name, std::fs::read(folder.join(name)).expect("read"));
        assert_eq!(answer.json()["data"]["error"], "image-packed", "{name}: {}", answer.body);
        assert!(answer.body.contains(kind) && answer.body.contains("Unpack"), "{}", answer.body);
    }
    assert_eq!(site.admin.get(&path(&site)).send().data()["count"], 0);
}

/// A qcow2 with `lazy_refcounts` whose writer was killed is whole by design; a wrong count in another is not.
#[test]
fn reference_counts_that_a_killed_writer_left_are_made_anew() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let folder = server.data_here();
    qemu_img(
        &folder,
        &["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", "lazy.qcow2", "64M"],
    );
    let killed = Command::new("qemu-io")
        .args(["-f", "qcow2", "-c", "write -P 7 0 1M", "-c", "sigraise 9", "lazy.qcow2"])
        .current_dir(&folder)
        .output()
        .expect("qemu-io");
    assert!(!killed.status.success(), "it was to be killed");
    let lazy = std::fs::read(folder.join("lazy.qcow2")).expect("read");
    assert_eq!(lazy[79] & 1, 1, "marked as not closed");

    let uuid = upload(&site, "lazy", lazy.clone()).data()["uuid"].clone();
    let one = format!("{}/{}", path(&site), uuid.as_str().expect("uuid"));
    let image = site.admin.get(&one).send().data();
    let at = image["path"].as_str().expect("path").to_owned();
    qemu_img(&folder, &["check", "-q", "-f", "qcow2", &at]);
    qemu_img(&folder, &["convert", "-O", "raw", &at, "back.raw"]);
    let back = std::fs::read(folder.join("back.raw")).expect("read");
    assert!(back[..1 << 20].iter().all(|byte| *byte == 7), "what was written");
    // Its hash is that of the file as it is now: a copy on another node is compared with it.
    let sum = Command::new("sha256sum").arg(&at).output().expect("sha256sum");
    let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().expect("a sum").to_owned();
    let database = rusqlite::Connection::open(folder.join("carrel.db")).expect("open");
    let kept: String =
        database.query_row("SELECT sha256 FROM images", [], |row| row.get(0)).expect("a row");
    assert_eq!(kept, sum);

    let log =
        site.admin.with_header("Accept-Language", "en").get("/api/v1.0/index/get_operation_log/");
    let log = log.query("page_size", 50).send();
    assert!(log.body.contains("Finish the base image lazy"), "it is told: {}", log.body);

    // The same file without the mark says that its counts are right, and they are not.
    let mut wrong = lazy;
    wrong[79] &= !1;
    let answer = upload(&site, "wrong", wrong);
    assert_eq!(answer.json()["data"]["error"], "upload-damaged", "{}", answer.body);
}

#[test]
fn what_qemu_img_refuses_is_told_in_its_words() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let folder = server.data_here();
    // An incompatible feature of a QEMU to come.
    let mut newer = std::fs::read(image_file(&server, "newer.qcow2", "64M")).expect("read");
    newer[78] |= 0x80;
    // A VDI that stands on a parent.
    qemu_img(&folder, &["create", "-q", "-f", "vdi", "child.vdi", "64M"]);
    let mut child = std::fs::read(folder.join("child.vdi")).expect("read");
    child[0x1a8..0x1b8].copy_from_slice(&[7; 16]);
    // A VMDK of a version that nobody knows.
    qemu_img(&folder, &["create", "-q", "-f", "vmdk", "later.vmdk", "64M"]);
    let mut later = std::fs::read(folder.join("later.vmdk")).expect("read");
    later[4] = 9;
    let english = Site { admin: site.admin.with_header("Accept-Language", "en"), ..site.clone() };
    for (name, content, words) in [
        ("newer", newer, "eature"),
        ("child", child, "link UUID"),
        ("later", later, "version"),
        ("log", vhdx_with_log(&folder), "log that needs to be replayed"),
    ] {
        let answer = upload(&english, name, content);
        assert_eq!(answer.json()["data"]["error"], "image-unreadable", "{name}: {}", answer.body);
        assert!(answer.body.contains(words), "{name}: {}", answer.body);
        assert!(!answer.body.contains("uploads/"), "no path of the node: {}", answer.body);
    }
}

/// A VHDX with one entry in its log, as a host leaves it whose power is cut.
fn vhdx_with_log(folder: &Path) -> Vec<u8> {
    const HEADERS: [usize; 2] = [64 << 10, 128 << 10];
    qemu_img(folder, &["create", "-q", "-f", "vhdx", "log.vhdx", "64M"]);
    let mut image = std::fs::read(folder.join("log.vhdx")).expect("read");
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let newest = HEADERS.into_iter().max_by_key(|at| number(&image[at + 8..at + 16])).expect("two");
    let log = number(&image[newest + 72..newest + 80]) as usize;
    let guid = [9_u8; 16];
    // Header: its LogGuid says that the log holds something.
    image[newest + 48..newest + 64].copy_from_slice(&guid);
    seal(&mut image[newest..newest + 4096], 4);
    // Entry: signature, checksum, length, tail, sequence, descriptors, guid, offsets; one block of zeroes at 1 MiB.
    let length = image.len() as u64;
    let mut entry = vec![0_u8; 4096];
    entry[..4].copy_from_slice(b"loge");
    entry[8..12].copy_from_slice(&4096_u32.to_le_bytes());
    entry[16..24].copy_from_slice(&1_u64.to_le_bytes());
    entry[24..28].copy_from_slice(&1_u32.to_le_bytes());
    entry[32..48].copy_from_slice(&guid);
    entry[48..56].copy_from_slice(&length.to_le_bytes());
    entry[56..64].copy_from_slice(&length.to_le_bytes());
    entry[64..68].copy_from_slice(b"zero");
    entry[72..80].copy_from_slice(&4096_u64.to_le_bytes());
    entry[80..88].copy_from_slice(&(length - 4096).to_le_bytes());
    entry[88..96].copy_from_slice(&1_u64.to_le_bytes());
    seal(&mut entry, 4);
    image[log..log + 4096].copy_from_slice(&entry);
    image
}

/// Writes the CRC-32C of a structure into its field at `at`, which counts as zero.
fn seal(structure: &mut [u8], at: usize) {
    structure[at..at + 4].fill(0);
    let mut sum = u32::MAX;
    for byte in structure.iter() {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
    }
    structure[at..at + 4].copy_from_slice(&(!sum).to_le_bytes());
}
