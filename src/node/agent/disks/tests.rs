//! With real files and the real `qemu-img`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::node::agent::call::Call;
use crate::node::protocol::{
    DiskRole, DiskSpec, DomainSpec, FileKind, FirmwareState, Hardware, LayerKind, StoredFile,
    TemplateLayers,
};

pub(super) struct Bench {
    pub disks: Disks,
    pub storage: String,
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let storage = dir.path().join("storage").to_str().unwrap().to_owned();
        Self { disks: Disks::open(std::slice::from_ref(&storage)), storage, dir }
    }

    pub fn layer(&self, kind: LayerKind) -> LayerRef {
        LayerRef { uuid: Uuid::new_v4(), kind, storage: self.storage.clone() }
    }

    /// A base image of 64 MiB.
    pub fn base(&self) -> LayerRef {
        let layer = self.layer(LayerKind::BaseImage);
        qemu_img(&[
            "create",
            "-q",
            "-f",
            "qcow2",
            self.disks.layer_path(&layer).unwrap().to_str().unwrap(),
            "64M",
        ]);
        layer
    }

    pub fn disk(&self, below: &LayerRef) -> DiskSpec {
        DiskSpec {
            uuid: Uuid::new_v4(),
            role: DiskRole::System,
            index: 0,
            size: 128 << 20,
            storage: self.storage.clone(),
            below: below.clone(),
            restore: true,
        }
    }
}

pub(super) fn qemu_img(args: &[&str]) -> String {
    let output =
        Command::new("qemu-img").args(args).output().expect("qemu-img (package qemu-utils)");
    assert!(
        output.status.success(),
        "qemu-img {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_copied_overlay_equals_one_of_qemu_img() {
    let bench = Bench::new();
    let base = bench.base();
    let disk = bench.disk(&base);
    let domain = Uuid::new_v4();
    bench.disks.fresh_overlay(&disk, domain, &base).unwrap();
    let ours = bench.disks.overlay_path(&disk, domain).unwrap();

    let theirs = bench.dir.path().join("theirs.qcow2");
    let below = bench.disks.layer_path(&base).unwrap();
    qemu_img(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "qcow2",
        "-b",
        below.to_str().unwrap(),
        theirs.to_str().unwrap(),
        "128M",
    ]);
    assert!(content(&ours) == content(&theirs), "the files differ");
    qemu_img(&["check", "-q", ours.to_str().unwrap()]);
    assert!(qemu_img(&["info", ours.to_str().unwrap()]).contains("backing file format: qcow2"));
}

#[test]
fn an_existing_overlay_is_kept_and_grown() {
    let bench = Bench::new();
    let base = bench.base();
    let mut disk = bench.disk(&base);
    let domain = Uuid::new_v4();
    assert!(bench.disks.ensure_overlay(&disk, domain, &base).unwrap());
    assert!(!bench.disks.ensure_overlay(&disk, domain, &base).unwrap());
    disk.size = 256 << 20;
    assert!(!bench.disks.ensure_overlay(&disk, domain, &base).unwrap());
    assert_eq!(bench.disks.overlay_header(&disk, domain).unwrap().unwrap().virtual_size, 256 << 20);
    bench.disks.remove_overlays(domain).unwrap();
    bench.disks.remove_overlays(domain).unwrap();
    assert!(bench.disks.overlay_header(&disk, domain).unwrap().is_none());
}

#[test]
fn variables_of_another_firmware_go_when_it_is_defined_also_after_a_kill() {
    let bench = Bench::new();
    let spec = DomainSpec::sample(vec![bench.disk(&bench.base())]);
    let nvram = bench.disks.nvram_path(&spec).unwrap();
    fs::create_dir_all(nvram.parent().unwrap()).unwrap();
    for (defined, stays) in [("before", true), ("after", false)] {
        fs::write(&nvram, b"keys").unwrap();
        bench.disks.note_former_nvram(&spec, "after").unwrap();
        // Defined, or not any more, and looked at once more.
        for _ in 0..2 {
            bench.disks.remove_former_nvram(&spec, defined).unwrap();
            assert_eq!(nvram.exists(), stays, "{defined}");
        }
        let left = fs::read_dir(nvram.parent().unwrap()).unwrap().count();
        assert_eq!(left, usize::from(stays), "no mark is left");
    }
}

#[test]
fn an_overlay_without_its_layer_is_refused() {
    let bench = Bench::new();
    let absent = bench.layer(LayerKind::BaseImage);
    let error =
        bench.disks.fresh_overlay(&bench.disk(&absent), Uuid::new_v4(), &absent).unwrap_err();
    assert_eq!(error.key(), "layer-missing");
    let elsewhere = LayerRef { storage: "/etc".into(), ..absent };
    assert_eq!(bench.disks.layer_path(&elsewhere).unwrap_err().key(), "storage-unknown");
}

#[test]
fn freezing_ends_the_same_from_every_point_of_a_kill() {
    let bench = Bench::new();
    let base = bench.base();
    let disk = bench.disk(&base);
    let domain = Uuid::new_v4();
    let layer = bench.layer(LayerKind::TemplateVersion);
    bench.disks.fresh_overlay(&disk, domain, &base).unwrap();
    let overlay = bench.disks.overlay_path(&disk, domain).unwrap();
    let target = bench.disks.layer_path(&layer).unwrap();
    let frozen = content(&overlay);

    let assert_frozen = || {
        let facts = bench.disks.freeze(domain, &disk, &layer, &Call::unwatched()).unwrap();
        assert!(facts.exists && facts.virtual_size == 128 << 20);
        assert!(content(&target) == frozen);
        assert!(fs::metadata(&target).unwrap().permissions().readonly());
        let now = bench.disks.overlay_header(&disk, domain).unwrap().unwrap();
        assert_eq!(now.backing.as_deref(), Some(target.as_path()));
    };
    assert_frozen();
    assert_frozen();
    // Killed after the rename.
    fs::remove_file(&overlay).unwrap();
    assert_frozen();
    // Killed after copying to another file system.
    fs::remove_file(&overlay).unwrap();
    fs::write(&overlay, &frozen).unwrap();
    assert_frozen();
    assert_eq!(fs::read_dir(Path::new(&bench.storage).join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_is_published_is_found_and_withdrawn() {
    let bench = Bench::new();
    let base = bench.base();
    let template = Uuid::new_v4();
    assert_eq!(bench.disks.published(template).unwrap(), None);
    let mut current = TemplateLayers {
        version: 3,
        disks: [(Uuid::new_v4(), base.clone())].into(),
        hardware: Hardware::first(),
        state: FirmwareState::default(),
    };
    bench.disks.publish(template, &current).unwrap();
    assert_eq!(bench.disks.published(template).unwrap(), Some(current.clone()));
    current.disks.clear();
    bench.disks.publish(template, &current).unwrap();
    assert_eq!(bench.disks.published(template).unwrap(), None);
    current.disks.insert(Uuid::new_v4(), bench.layer(LayerKind::TemplateVersion));
    assert_eq!(bench.disks.publish(template, &current).unwrap_err().key(), "layer-missing");
}

#[test]
fn left_work_goes_when_an_agent_starts() {
    let bench = Bench::new();
    let left = bench.disks.storages().get(&bench.storage).unwrap().temporary();
    fs::write(&left, "half").unwrap();
    let Bench { disks, storage, dir: _dir } = bench;
    let other = Disks::open_for(std::slice::from_ref(&storage), &[], Uuid::new_v4()).err().unwrap();
    assert_eq!(other.key(), "storage-taken");
    // The doctor looks on.
    drop(Disks::open_for(std::slice::from_ref(&storage), &[], Uuid::nil()).unwrap());
    assert!(left.exists(), "the other agent still works on it");
    drop(disks);
    Disks::open(std::slice::from_ref(&storage));
    assert!(!left.exists());
}

#[test]
fn layers_in_use_stay_and_a_batch_goes_from_the_top() {
    let bench = Bench::new();
    let base = bench.base();
    let (one, two) =
        (bench.layer(LayerKind::TemplateVersion), bench.layer(LayerKind::TemplateVersion));
    bench.disks.create_layer(&one, Some(&base), 0).unwrap();
    bench.disks.create_layer(&two, Some(&one), 0).unwrap();
    bench.disks.create_layer(&two, Some(&one), 0).unwrap();
    let (domain, template) = (Uuid::new_v4(), Uuid::new_v4());
    bench.disks.fresh_overlay(&bench.disk(&two), domain, &two).unwrap();
    let batch = [base.clone(), one.clone(), two.clone()];
    let keys = |layers: &[LayerRef]| -> Vec<Option<String>> {
        let results = bench.disks.remove_layers(layers).unwrap();
        results.into_iter().map(|item| item.result.err().map(|fault| fault.key)).collect()
    };
    let in_use = Some("layer-in-use".to_owned());
    assert_eq!(keys(&batch), [in_use.clone(), in_use.clone(), in_use.clone()]);

    bench.disks.remove_overlays(domain).unwrap();
    let current = TemplateLayers {
        version: 1,
        disks: [(Uuid::new_v4(), two.clone())].into(),
        hardware: Hardware::first(),
        state: FirmwareState::default(),
    };
    bench.disks.publish(template, &current).unwrap();
    assert_eq!(keys(&[two.clone(), base.clone()]), [in_use.clone(), in_use]);

    bench
        .disks
        .publish(
            template,
            &TemplateLayers {
                version: 2,
                disks: [].into(),
                hardware: Hardware::first(),
                state: FirmwareState::default(),
            },
        )
        .unwrap();
    assert_eq!(keys(&batch), [None, None, None]);
    assert_eq!(keys(&batch), [None, None, None]);
    assert!(bench.disks.list_files().unwrap().is_empty());
}

#[test]
fn a_chain_becomes_one_layer() {
    let bench = Bench::new();
    let base = bench.base();
    let (upper, flat) =
        (bench.layer(LayerKind::TemplateVersion), bench.layer(LayerKind::TemplateVersion));
    bench.disks.create_layer(&upper, Some(&base), 96 << 20).unwrap();
    for _ in 0..2 {
        let facts = bench.disks.flatten(&upper, &flat, &Call::unwatched()).unwrap();
        assert_eq!(facts.virtual_size, 96 << 20);
    }
    assert_eq!(header(&bench.disks.layer_path(&flat).unwrap()).unwrap().backing, None);
    let facts = bench
        .disks
        .inspect(&[flat, bench.layer(LayerKind::BaseImage)], true, &Call::unwatched())
        .unwrap();
    assert!(facts[0].exists && facts[0].sha256.len() == 64);
    assert!(!facts[1].exists);
}

#[test]
fn every_file_of_the_layout_is_listed_and_nothing_else() {
    let bench = Bench::new();
    let base = bench.base();
    let (domain, upload) = (Uuid::new_v4(), Uuid::new_v4());
    let disk = bench.disk(&base);
    bench.disks.fresh_overlay(&disk, domain, &base).unwrap();
    let storage = bench.disks.storages().get(&bench.storage).unwrap();
    fs::write(storage.upload(upload), "part").unwrap();
    fs::write(storage.uploads().join("readme"), "of the administrator").unwrap();
    let mut files = bench.disks.list_files().unwrap();
    let kinds: Vec<_> = files.iter().map(|file| (file.kind, file.uuid)).collect();
    assert_eq!(
        kinds,
        [
            (FileKind::Layer(LayerKind::BaseImage), base.uuid),
            (FileKind::Upload, upload),
            (FileKind::Overlay, domain),
        ]
    );
    for evil in
        ["../../etc/passwd", "uploads/../base/x", "/etc/passwd", "uploads/readme", "desktops/.."]
    {
        let file = StoredFile { path: evil.to_owned(), ..files[1].clone() };
        assert_eq!(
            bench.disks.remove_files(&[file]).unwrap_err().key(),
            "file-name-unknown",
            "{evil}"
        );
    }
    files.reverse();
    bench.disks.remove_files(&files).unwrap();
    bench.disks.remove_files(&files).unwrap();
    assert!(bench.disks.list_files().unwrap().is_empty());
    assert!(!storage.domain_dir(domain).exists());
    assert!(storage.uploads().join("readme").exists());
}

#[test]
fn a_storage_of_another_installation_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("storage").to_str().unwrap().to_owned();
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let own = Disks::open_for(std::slice::from_ref(&path), &[], first).unwrap();
    let stray = dir.path().join(format!("storage/base/{}.qcow2", Uuid::new_v4()));
    std::fs::write(&stray, b"somebody's").unwrap();
    assert_eq!(own.list_files().unwrap().len(), 1);
    drop(own);
    let other = Disks::open_for(std::slice::from_ref(&path), &[], second).unwrap();
    assert!(other.list_files().unwrap().is_empty(), "nothing to be taken for nobody's");
    assert_eq!(other.storages().get(&path).unwrap_err().key(), "storage-foreign");
    drop(other);
    let again = Disks::open_for(std::slice::from_ref(&path), &[], first).unwrap();
    assert_eq!(again.list_files().unwrap().len(), 1);
}

#[test]
fn a_folder_that_was_there_before_keeps_what_is_in_it() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("data");
    let left = root.join("tmp").join(Uuid::new_v4().to_string());
    let theirs = ["tmp/thesis.odt", "tmp/folder/file", "templates/mine.qcow2", "base/mine.qcow2"];
    for path in theirs.iter().map(|path| root.join(path)).chain([left.clone()]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
        }
    }
    let domain = |name: &str| root.join("desktops").join(name);
    let (begun, whole) = (domain(&Uuid::new_v4().to_string()), domain(&Uuid::new_v4().to_string()));
    for folder in [&begun, &whole, &domain("mine")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(whole.join("disk"), "x").unwrap();
    let paths = [root.to_str().unwrap().to_owned()];
    let _disks = Disks::open_for(&paths, &[], Uuid::new_v4()).unwrap();
    assert!(!left.exists() && !begun.exists(), "what an agent left is thrown away");
    assert!(whole.join("disk").exists() && domain("mine").exists());
    for path in theirs {
        let mode = fs::metadata(root.join(path)).expect(path).permissions().mode();
        assert_ne!(mode & 0o200, 0, "{path} was taken for a layer");
    }
}

#[test]
fn what_cannot_be_tidied_does_not_leave_a_storage_unlocked() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("storage");
    fs::create_dir_all(root.join("tmp").join(Uuid::new_v4().to_string())).unwrap();
    let paths = [root.to_str().unwrap().to_owned()];
    let own = Uuid::new_v4();
    let _first = Disks::open_for(&paths, &[], own).unwrap();
    let error = Disks::open_for(&paths, &[], own).err().unwrap();
    assert_eq!(error.key(), "storage-taken");
}
