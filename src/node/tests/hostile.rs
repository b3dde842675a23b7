//! Uploads made to have other files of the node opened, read or written.
//!
//! What they name is a FIFO that nobody writes: a program that opens it waits until it is killed, and the
//! upload is then refused for another reason than these.

use std::fs;

use super::*;

fn fifo(node: &Node) -> PathBuf {
    let path = node.path("trap");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

/// With the signature of a boot sector, which alone would make it a raw disk.
fn bootable(mut content: Vec<u8>) -> Vec<u8> {
    content.resize(content.len().max(1 << 20), b'\n');
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    content
}

async fn refused(node: &Node, content: Vec<u8>) -> Error {
    let path = node.path("hostile");
    fs::write(&path, content).unwrap();
    node.refusal(&path).await
}

fn made(node: &Node, format: &str, options: &[&str]) -> Vec<u8> {
    let path = node.path("made");
    let path = path.to_str().unwrap();
    let status = Command::new("qemu-img")
        .args(["create", "-q", "-f", format])
        .args(options)
        .args([path, "1M"])
        .status();
    assert!(status.unwrap().success(), "{format}");
    fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vmdk_descriptor_is_refused_however_it_begins() {
    let node = Node::start().await;
    let trap = fifo(&node);
    for begin in ["# Disk DescriptorFile\n", "#\n\n  # a comment\n", ""] {
        let text = format!(
            "{begin}version=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\
             RW 2048 FLAT \"{}\" 0\n",
            trap.display()
        );
        let error = refused(&node, text.clone().into_bytes()).await;
        assert_eq!(error.key(), "not-a-disk-image", "{text}");
        let error = refused(&node, bootable(text.clone().into_bytes())).await;
        assert_eq!(error.key(), "not-a-disk-image", "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_vmdk_that_names_files_is_refused() {
    let node = Node::start().await;
    let trap = fifo(&node);
    let good = made(&node, "vmdk", &["-o", "subformat=monolithicSparse"]);
    let extent = format!("RW 2048 FLAT \"{}\" 0", trap.display());
    let text = String::from_utf8_lossy(&good).into_owned();
    let own = text.lines().find(|line| line.starts_with("RW ")).unwrap();

    // Without a capacity the descriptor inside counts.
    let at = good.windows(own.len()).position(|part| part == own.as_bytes()).unwrap();
    let mut hostile = good.clone();
    hostile[12..20].fill(0);
    hostile[at..at + extent.len() + 1].copy_from_slice(format!("{extent}\n").as_bytes());
    assert_eq!(refused(&node, hostile).await.key(), "image-has-data-file");

    let parent = format!("parentFileNameHint=\"{}\"\n", trap.display());
    let mut hostile = good.clone();
    hostile[at..at + parent.len()].copy_from_slice(parent.as_bytes());
    let error = refused(&node, hostile).await;
    assert_eq!(error.key(), "image-has-backing-file");
    assert!(error.to_string().contains(trap.to_str().unwrap()), "{error}");

    let mut redo_log = good.clone();
    redo_log[..4].copy_from_slice(b"COWD");
    assert_eq!(refused(&node, redo_log).await.key(), "image-has-data-file");
    assert_eq!(refused(&node, b"KDMV".to_vec()).await.key(), "not-a-disk-image");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_on_other_files_are_refused_in_every_format() {
    let node = Node::start().await;
    let trap = fifo(&node);
    let below = trap.to_str().unwrap();
    let on_trap = ["-u", "-F", "raw", "-b", below];
    let backed = made(&node, "qcow2", &on_trap);
    assert_eq!(refused(&node, backed.clone()).await.key(), "image-has-backing-file");
    let mut beyond = backed;
    beyond[8..16].fill(0x7f);
    assert_eq!(refused(&node, beyond).await.key(), "image-damaged");
    let json = format!("json:{{\"driver\":\"raw\",\"file\":{{\"filename\":\"{below}\"}}}}");
    let named = made(&node, "qcow2", &["-u", "-F", "raw", "-b", &json]);
    assert_eq!(refused(&node, named).await.key(), "image-has-backing-file");
    let backed = bootable(made(&node, "qcow", &on_trap));
    assert_eq!(refused(&node, backed).await.key(), "image-has-backing-file");
    let backed = bootable(made(&node, "qed", &on_trap));
    assert_eq!(refused(&node, backed).await.key(), "not-a-disk-image");
    let old = bootable(made(&node, "qcow", &[]));
    assert_eq!(refused(&node, old).await.key(), "not-a-disk-image");
    let mut differencing = made(&node, "vpc", &[]);
    differencing[60..64].copy_from_slice(&[0, 0, 0, 4]);
    assert_eq!(refused(&node, differencing).await.key(), "image-has-backing-file");
    let mut luks = b"LUKS\xba\xbe\0\x01".to_vec();
    luks.resize(4096, 0);
    assert_eq!(refused(&node, bootable(luks)).await.key(), "image-encrypted");
    let parallels = bootable(made(&node, "parallels", &[]));
    assert_eq!(refused(&node, parallels).await.key(), "not-a-disk-image");
}

/// A guest may write any header into its raw disk: it stays a raw disk.
#[tokio::test(flavor = "multi_thread")]
async fn formats_that_stand_alone_are_taken_in() {
    let node = Node::start().await;
    let raw = node.path("raw");
    let content = raw_disk(&raw);
    let mut iso = vec![0; 2 << 20];
    iso[0x8001..0x8006].copy_from_slice(b"CD001");
    let mut accepted = vec![("raw", content), ("iso", iso)];
    for (format, options) in [
        ("qcow2", ""),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vdi", ""),
        ("vhdx", ""),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed"),
    ] {
        let made = node.path("made");
        let (from, to) = (raw.to_str().unwrap(), made.to_str().unwrap());
        let options = if options.is_empty() { vec![] } else { vec!["-o", options] };
        let status = Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", format])
            .args(options)
            .args([from, to])
            .status();
        assert!(status.unwrap().success(), "{format}");
        accepted.push((format, fs::read(&made).unwrap()));
    }
    for (format, content) in accepted {
        let (upload, received) = node.upload(&content, None).await;
        received.unwrap();
        let facts = node.adopt(upload, node.layer()).await;
        let facts = facts.unwrap_or_else(|error| panic!("{format}: {}", error.detail()));
        assert!(facts.virtual_size >= 2 << 20, "{format}");
    }
}
