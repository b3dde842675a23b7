//! Disks that do not stand where they belong.

use std::fs;
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

use super::tests::Bench;
use crate::node::agent::call::Call;
use crate::node::protocol::{DiskSpec, LayerKind, LayerRef};

/// Writes into a disk as a guest would.
fn write(path: &Path, pattern: u8) {
    let command = format!("write -P {pattern} 0 64k");
    let output = Command::new("qemu-io").args(["-f", "qcow2", "-c", &command]).arg(path).output();
    let output = output.expect("qemu-io (package qemu-utils)");
    assert!(output.status.success(), "{output:?}");
}

struct Strayed {
    bench: Bench,
    domain: Uuid,
    base: LayerRef,
    edited: LayerRef,
    disk: DiskSpec,
}

impl Strayed {
    /// Its disk belongs on `edited`, which holds something, and stands on `base`.
    fn new() -> Self {
        let bench = Bench::new();
        let base = bench.base();
        let edited = bench.layer(LayerKind::TemplateVersion);
        bench.disks.create_layer(&edited, Some(&base), 0).unwrap();
        write(&bench.disks.layer_path(&edited).unwrap(), 1);
        let disk = bench.disk(&edited);
        let domain = Uuid::new_v4();
        bench.disks.fresh_overlay(&disk, domain, &base).unwrap();
        Self { bench, domain, base, edited, disk }
    }

    fn freeze(&self, layer: &LayerRef) -> crate::error::Result<()> {
        let frozen = self.bench.disks.freeze(self.domain, &self.disk, layer, &Call::unwatched());
        frozen.map(drop)
    }

    fn lift(&self) {
        let call = Call::unwatched();
        self.bench.disks.lift_overlay(&self.disk, self.domain, &self.disk.below, &call).unwrap();
    }

    fn overlay(&self) -> std::path::PathBuf {
        self.bench.disks.overlay_path(&self.disk, self.domain).unwrap()
    }

    fn stands_on(&self) -> std::path::PathBuf {
        let header = self.bench.disks.overlay_header(&self.disk, self.domain).unwrap();
        header.unwrap().backing.unwrap()
    }

    fn path(&self, layer: &LayerRef) -> std::path::PathBuf {
        self.bench.disks.layer_path(layer).unwrap()
    }
}

#[test]
fn a_disk_that_would_hide_what_was_edited_is_not_frozen() {
    let it = Strayed::new();
    let layer = it.bench.layer(LayerKind::TemplateVersion);
    let before = fs::read(it.overlay()).unwrap();
    assert_eq!(it.freeze(&layer).unwrap_err().key(), "disk-strayed");
    assert!(!it.path(&layer).exists());
    assert!(fs::read(it.overlay()).unwrap() == before);
    // Empty as it is, it goes where it belongs and can be frozen then.
    it.lift();
    assert_eq!(it.stands_on(), it.path(&it.edited));
    it.freeze(&layer).unwrap();
    assert_eq!(it.stands_on(), it.path(&layer));
}

#[test]
fn a_disk_with_something_in_it_stays_where_it_is() {
    let it = Strayed::new();
    write(&it.overlay(), 2);
    it.lift();
    assert_eq!(it.stands_on(), it.path(&it.base));
    let layer = it.bench.layer(LayerKind::TemplateVersion);
    assert_eq!(it.freeze(&layer).unwrap_err().key(), "disk-strayed");
}

/// As long as nobody has noted that a disk was frozen, the layer below it is asked for.
#[test]
fn a_disk_on_more_than_asked_for_is_not_taken_down() {
    let mut it = Strayed::new();
    it.bench.disks.fresh_overlay(&it.disk, it.domain, &it.edited).unwrap();
    it.disk.below = it.base.clone();
    it.lift();
    assert_eq!(it.stands_on(), it.path(&it.edited));
    it.freeze(&it.bench.layer(LayerKind::TemplateVersion)).unwrap();
}

#[test]
fn a_repeated_freeze_replaces_only_what_it_has_frozen() {
    let mut it = Strayed::new();
    it.disk.below = it.base.clone();
    write(&it.overlay(), 3);
    let frozen = fs::read(it.overlay()).unwrap();
    let layer = it.bench.layer(LayerKind::TemplateVersion);
    it.freeze(&layer).unwrap();
    // Killed after copying to another file system: the disk is still there.
    fs::write(it.overlay(), &frozen).unwrap();
    it.freeze(&layer).unwrap();
    assert_eq!(it.stands_on(), it.path(&layer));
    // Somebody went on writing into the old disk.
    fs::write(it.overlay(), &frozen).unwrap();
    write(&it.overlay(), 4);
    let written = fs::read(it.overlay()).unwrap();
    assert_eq!(it.freeze(&layer).unwrap_err().key(), "disk-strayed");
    assert!(fs::read(it.overlay()).unwrap() == written);
    assert!(fs::read(it.path(&layer)).unwrap() == frozen);
}
