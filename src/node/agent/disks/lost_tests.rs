//! What is set aside can be used again, and keeps what it stands on.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::tests::{Bench, qemu_img};
use crate::node::protocol::{
    FileKind, FirmwareState, Hardware, LayerKind, StoredFile, TemplateLayers,
};

const AT: i64 = 1_800_000_000;

fn lost(bench: &Bench, path: &str) -> std::path::PathBuf {
    Path::new(&bench.storage).join(format!("lost/{AT}")).join(path)
}

#[test]
fn disks_are_moved_with_a_definition_that_names_them() {
    let bench = Bench::new();
    let base = bench.base();
    let (disk, domain) = (bench.disk(&base), Uuid::new_v4());
    bench.disks.fresh_overlay(&disk, domain, &base).unwrap();
    let overlay = bench.disks.overlay_path(&disk, domain).unwrap();
    let xml = format!("<source file='{}'/>", overlay.display());
    // Repeated as after a kill.
    for _ in 0..2 {
        if overlay.exists() {
            bench.disks.keep_definition(AT, domain, &xml).unwrap();
            bench.disks.keep_definition(AT, domain, &xml).unwrap();
        }
        bench.disks.set_aside_overlays(AT, domain).unwrap();
    }
    assert!(!overlay.exists());
    let moved = lost(&bench, &format!("desktops/{domain}/{}.qcow2", disk.uuid));
    let definition = lost(&bench, &format!("desktops/{domain}/domain.xml"));
    let text = fs::read_to_string(definition).unwrap();
    assert_eq!(text, format!("<source file='{}'/>", moved.display()));
    qemu_img(&["info", "--backing-chain", moved.to_str().unwrap()]);

    // What it stands on stays as long as it is there.
    let keys = || -> Vec<Option<String>> {
        let results = bench.disks.remove_layers(std::slice::from_ref(&base)).unwrap();
        results.into_iter().map(|item| item.result.err().map(|fault| fault.key)).collect()
    };
    assert_eq!(keys(), [Some("layer-in-use".to_owned())]);
    fs::remove_dir_all(lost(&bench, "")).unwrap();
    assert_eq!(keys(), [None]);
}

#[test]
fn layers_in_use_stay_and_are_kept_all_the_same() {
    let bench = Bench::new();
    let base = bench.base();
    let layers: Vec<_> = (0..3).map(|_| bench.layer(LayerKind::TemplateVersion)).collect();
    bench.disks.create_layer(&layers[0], Some(&base), 0).unwrap();
    bench.disks.create_layer(&layers[1], Some(&layers[0]), 0).unwrap();
    bench.disks.create_layer(&layers[2], Some(&base), 0).unwrap();
    let (template, domain) = (Uuid::new_v4(), Uuid::new_v4());
    let current = TemplateLayers {
        version: 2,
        disks: [(Uuid::new_v4(), layers[1].clone())].into(),
        hardware: Hardware::first(),
        state: FirmwareState::default(),
    };
    bench.disks.publish(template, &current).unwrap();
    bench.disks.fresh_overlay(&bench.disk(&layers[2]), domain, &layers[2]).unwrap();
    let files = bench.disks.list_files().unwrap();
    let wanted: Vec<StoredFile> = files
        .into_iter()
        .filter(|file| file.uuid != base.uuid && file.kind != FileKind::Overlay)
        .collect();
    for _ in 0..2 {
        bench.disks.set_aside_files(AT, &wanted).unwrap();
    }
    let is_there = |index: usize| bench.disks.layer_path(&layers[index]).unwrap().exists();
    assert_eq!([is_there(0), is_there(1), is_there(2)], [true, false, true]);
    for layer in &layers {
        assert!(lost(&bench, &format!("templates/{}.qcow2", layer.uuid)).exists());
    }
    // One goes when nothing stands on it any more, and is kept by its other name.
    bench.disks.remove_overlays(domain).unwrap();
    let results = bench.disks.remove_layers(&layers).unwrap();
    let gone: Vec<bool> = results.iter().map(|item| item.result.is_ok()).collect();
    assert_eq!(gone, [false, true, true]);
    assert!(lost(&bench, &format!("templates/{}.qcow2", layers[2].uuid)).exists());
    assert!(lost(&bench, &format!("templates/{template}.current")).exists());
    let evil = StoredFile { path: "../../etc/passwd".into(), ..wanted[0].clone() };
    assert_eq!(bench.disks.set_aside_files(AT, &[evil]).unwrap_err().key(), "file-name-unknown");
}
