//! What was edited in a template survives a save that is killed and then fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use super::images::image_file;
use crate::support::{SMALL, Server, Site, unmount};

const TEMPLATES: &str = "/api/v1.0/education/template/";
/// Saves that are killed, until one is hit between two steps a few milliseconds apart.
const TRIES: u32 = 30;

/// Runs a command of qemu-io on a qcow2 as a guest's writes and reads; `read -P` compares.
#[track_caller]
pub fn qemu_io(disk: &Path, command: &str) {
    let output = Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(disk).output();
    let output = output.expect("qemu-io (package qemu-utils)");
    let said = String::from_utf8_lossy(&output.stdout);
    let good = output.status.success() && !said.contains("failed");
    assert!(good, "{command}: {output:?}");
}

/// The one disk of a template's own machine.
#[track_caller]
pub fn working_disk(storage: &Path, template: &str) -> PathBuf {
    let folder = std::fs::read_dir(storage.join("desktops").join(template));
    let disk = folder.expect("its folder").next().expect("its disk");
    disk.expect("its disk").path()
}

fn layers(storage: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(storage.join("templates")).expect("templates").flatten();
    files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "qcow2"))
        .collect()
}

/// Kills a save when its layer is there and its row does not know. Gives the layer, or nothing when the
/// kill came too late.
fn kill_behind_the_freeze(server: &mut Server, site: &Site, template: &str) -> Option<PathBuf> {
    let storage = server.data_here().join("storage");
    let known = layers(&storage);
    let (admin, uuid) = (site.admin.clone(), template.to_owned());
    let saving = std::thread::spawn(move || {
        let param = json!({"name": "t", "uuid": uuid});
        let save = admin.action(TEMPLATES, "save", param).header("Prefer", "respond-async");
        drop(save.try_send());
    });
    let until = Instant::now() + Duration::from_secs(30);
    let layer = loop {
        let found = layers(&storage).into_iter().find(|layer| !known.contains(layer));
        if let Some(layer) = found {
            break layer;
        }
        assert!(Instant::now() < until, "the save froze nothing");
        std::thread::yield_now();
    };
    server.kill();
    saving.join().expect("join");
    let database = Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let top: String = database
        .query_row("SELECT top FROM template_disks", [], |row| row.get(0))
        .expect("the disk's row");
    (layer.file_stem().and_then(|stem| stem.to_str()) != Some(&top)).then_some(layer)
}

#[test]
fn a_save_killed_behind_the_freeze_and_failed_then_hides_nothing() {
    let mut server = Server::start();
    let mut site = Site::of(&server, SMALL);
    let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
    let template = site.template("t", &image);
    let storage = server.data_here().join("storage");
    let disk = working_disk(&storage, &template);
    let mut tries = 0..TRIES;
    let layer = loop {
        let number = tries.next().expect("no save was killed at the right moment");
        qemu_io(&disk, &format!("write -P {} 0 64k", 100 + number));
        if let Some(layer) = kill_behind_the_freeze(&mut server, &site, &template) {
            break layer;
        }
        server.start_again();
        site.admin = server.admin();
        site.wait_idle();
    };
    let pattern = 100 + tries.start - 1;
    qemu_io(&layer, &format!("read -P {pattern} 0 64k"));
    // As if the kill had come right behind the renaming, and the node cannot go on with it: what is
    // mounted read-only cannot be made root's.
    std::fs::remove_file(&disk).ok();
    let bind = |options: &[&str]| {
        let mounted = Command::new("mount").args(options).arg(&layer).status();
        assert!(mounted.expect("mount").success(), "this test needs root");
    };
    bind(&["--bind", layer.to_str().expect("text")]);
    bind(&["-o", "remount,bind,ro"]);

    server.start_again();
    site.admin = server.admin();
    site.wait_idle();
    unmount(&layer);
    let ended = crate::support::rows(&site.admin.get("/api/v1.0/operations").send());
    let save = ended.iter().find(|operation| operation["kind"] == "template-save");
    assert_eq!(save.expect("the save")["state"], "failed");
    // Nor was there ever an empty disk below the layer, which would be mended as long as it is empty.
    let mended = server.log().matching("an empty disk stood below the layer");
    assert!(mended.is_empty(), "{mended:?}");
    qemu_io(&disk, &format!("read -P {pattern} 0 64k"));

    let param = json!({"name": "t", "uuid": template});
    site.done(site.admin.action(TEMPLATES, "save", param));
    qemu_io(&disk, &format!("read -P {pattern} 0 64k"));
}
