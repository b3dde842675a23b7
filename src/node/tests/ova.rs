//! OVAs, as other makers' programs write them and as somebody with bad intentions would.

use std::fs;

use sha2::Digest;

use super::*;

/// What of an OVA is otherwise than it should be.
#[derive(Default)]
struct Otherwise {
    /// The description's references to files.
    href: Option<&'static str>,
    manifest: Option<String>,
    more: Vec<(&'static str, Vec<u8>)>,
}

/// A machine of a disk for data and one that it starts from, by their order on the controller. Gives the contents.
fn ova(node: &Node, otherwise: Otherwise) -> (PathBuf, [Vec<u8>; 2]) {
    let folder = node.path("ova");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir(&folder).unwrap();
    let mut contents = Vec::new();
    for (name, letter) in [("data", b'd'), ("system", b's')] {
        let raw = node.path("raw");
        let mut content = raw_disk(&raw);
        content[4096..8192].fill(letter);
        fs::write(&raw, &content).unwrap();
        let disk = folder.join(format!("{name}.vmdk"));
        let (from, to) = (raw.to_str().unwrap(), disk.to_str().unwrap());
        let format = "subformat=streamOptimized";
        qemu_img(["convert", "-f", "raw", "-O", "vmdk", "-o", format, from, to]);
        contents.push(content);
    }
    let drive = |disk: &str, place: u32| {
        format!(
            "<Item><rasd:AddressOnParent>{place}</rasd:AddressOnParent>\
             <rasd:HostResource>ovf:/disk/{disk}</rasd:HostResource><rasd:Parent>3</rasd:Parent>\
             <rasd:ResourceType>17</rasd:ResourceType></Item>"
        )
    };
    let href = otherwise.href.unwrap_or("data.vmdk");
    let ovf = format!(
        "<?xml version='1.0'?><Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'>\
         <References><File ovf:id='a' ovf:href='{href}'/><File ovf:id='b' ovf:href='system.vmdk'/></References>\
         <DiskSection><Disk ovf:diskId='da' ovf:fileRef='a'/><Disk ovf:diskId='db' ovf:fileRef='b'/></DiskSection>\
         <VirtualSystem><VirtualHardwareSection>{}{}</VirtualHardwareSection></VirtualSystem></Envelope>",
        drive("da", 1),
        drive("db", 0)
    );
    fs::write(folder.join("m.ovf"), &ovf).unwrap();
    let sum = |name: &str| hex::encode(sha2::Sha256::digest(fs::read(folder.join(name)).unwrap()));
    let files = ["m.ovf", "data.vmdk", "system.vmdk"];
    let lines = files.map(|name| format!("SHA256({name})= {}\n", sum(name)));
    fs::write(folder.join("m.mf"), otherwise.manifest.unwrap_or_else(|| lines.concat())).unwrap();
    for (name, content) in &otherwise.more {
        fs::write(folder.join(name), content).unwrap();
    }
    let path = node.path("machine.ova");
    let names = ["m.ovf", "m.mf", "data.vmdk", "system.vmdk"].into_iter();
    let names = names.chain(otherwise.more.iter().map(|(name, _)| *name));
    let mut tar = Command::new("tar");
    let tar = tar.args(["--format=ustar", "-C"]).arg(&folder).arg("-cf");
    let status = tar_of(tar, &path, names);
    assert!(status.success());
    (path, contents.try_into().unwrap())
}

fn tar_of<'a>(
    tar: &mut Command,
    path: &Path,
    names: impl Iterator<Item = &'a str>,
) -> std::process::ExitStatus {
    tar.arg(path).args(names).status().expect("tar")
}

async fn adopted(node: &Node, path: &Path, disk: Option<u32>) -> Result<ImageFacts> {
    let (upload, received) = node.upload(&fs::read(path).unwrap(), None).await;
    received.unwrap();
    let layer = node.layer();
    let storage = node.storage.clone();
    node.ask(move |client| {
        let cancel = CancelFlag::new();
        let mut watch = Watch { progress: &mut |_| (), cancel: &cancel };
        let adopted = client.adopt_image(upload, layer, disk, &mut watch);
        if adopted.is_err() {
            client.discard(upload, storage)?;
        }
        adopted
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_ova_the_disk_is_taken_that_it_starts_from_or_the_one_that_is_named() {
    let node = Node::start().await;
    let (path, [data, system]) = ova(&node, Otherwise::default());
    for (disk, wanted) in [(None, &system), (Some(1), &system), (Some(2), &data)] {
        let facts = adopted(&node, &path, disk).await.unwrap();
        let back = node.path("back");
        qemu_img(["convert", "-f", "qcow2", "-O", "raw", &facts.path, back.to_str().unwrap()]);
        assert!(fs::read(&back).unwrap().starts_with(wanted), "{disk:?}");
    }
    let left = fs::read_dir(Path::new(&node.storage).join("tmp")).unwrap().count();
    assert_eq!(left, 0, "work in progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ova_that_is_not_whole_or_not_honest_is_refused() {
    let node = Node::start().await;
    let wrong = format!("SHA256(system.vmdk)= {}\n", "0".repeat(64));
    let other = b"<Envelope/>".to_vec();
    let cases = [
        (Otherwise { manifest: Some(wrong), ..Otherwise::default() }, Some(1), "ova-sum-wrong"),
        (
            Otherwise { href: Some("../../etc/passwd"), ..Otherwise::default() },
            Some(2),
            "ova-file-missing",
        ),
        (
            Otherwise { href: Some("/etc/shadow"), ..Otherwise::default() },
            Some(2),
            "ova-file-missing",
        ),
        (
            Otherwise { more: vec![("o.ovf", other)], ..Otherwise::default() },
            None,
            "ova-several-machines",
        ),
        (Otherwise::default(), Some(0), "ova-disk-missing"),
        (Otherwise::default(), Some(3), "ova-disk-missing"),
        // A disk of it is looked at as any other file of a stranger.
        (
            Otherwise {
                href: Some("evil.vmdk"),
                more: vec![("evil.vmdk", b"version=1\nRW 1 FLAT \"/etc/passwd\" 0\n".to_vec())],
                ..Otherwise::default()
            },
            Some(2),
            "not-a-disk-image",
        ),
    ];
    for (otherwise, disk, key) in cases {
        let (path, _) = ova(&node, otherwise);
        assert_eq!(adopted(&node, &path, disk).await.unwrap_err().key(), key);
        node.assert_empty();
    }
    // Its end is missing.
    let (path, _) = ova(&node, Otherwise::default());
    let length = path.metadata().unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    assert_eq!(adopted(&node, &path, None).await.unwrap_err().key(), "ova-damaged");
    node.assert_empty();
    // An archive that describes nothing.
    let plain = node.path("plain.tar");
    let mut tar = Command::new("tar");
    let tar = tar.args(["--format=ustar", "-C"]).arg(node.path("ova")).arg("-cf");
    assert!(tar_of(tar, &plain, ["data.vmdk"].into_iter()).success());
    assert_eq!(adopted(&node, &plain, None).await.unwrap_err().key(), "image-packed");
}
