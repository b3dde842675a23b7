//! What was edited in a template survives a save that is killed and then fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::json;

use super::images::image_file;
use crate::support::{SMALL, Server, Site, unmount, wait_until};
use crate::three_nodes::{all_active, template_on};

const TEMPLATES: &str = "/api/v1.0/education/template/";
/// Saves that are killed, until one is hit between two steps a few milliseconds apart.
const TRIES: u32 = 30;
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a command of qemu-io on a qcow2 as a guest's writes and reads; `read -P` compares.
#[track_caller]
pub fn qemu_io(disk: &Path, command: &str) {
    let output = Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(disk).output();
    let output = output.expect("qemu-io (package qemu-utils)");
    let said = String::from_utf8_lossy(&output.stdout);
    let good = output.status.success() && !said.contains("failed");
    assert!(good, "{command}: {output:?}");
}

/// The one disk of a machine; beside it may stand what its node notes of it.
#[track_caller]
pub fn working_disk(storage: &Path, template: &str) -> PathBuf {
    let folder = std::fs::read_dir(storage.join("desktops").join(template));
    let files = folder.expect("its folder").map(|entry| entry.expect("its file").path());
    let mut disks = files.filter(|file| file.extension().is_some_and(|end| end == "qcow2"));
    let disk = disks.next().expect("its disk");
    assert_eq!(disks.next(), None, "several disks, in no order");
    disk
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

/// What comes behind the commit point of a save: its disks are measured, for lists.
#[test]
fn a_save_whose_disks_cannot_be_measured_is_a_save() {
    let mut server = Server::with().nodes(1).start();
    let mut site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let image = site.upload("base", &image_file(&server, "image.qcow2", "1M"));
    let template = template_on(&server, &site, "node2", "t", &image);
    let param = json!({"name": "t", "uuid": template});
    let saved = site.done(site.admin.action(TEMPLATES, "save", param));
    // As a kill leaves it right behind the commit point; and then the node does not come back.
    server.kill();
    server.agent(2).kill();
    let database = Connection::open(server.data_here().join("carrel.db")).expect("the database");
    let behind = "UPDATE operations SET state = 'running', action = 'measure', finished_at = NULL \
         WHERE kind = 'template-save'";
    assert_eq!(database.execute(behind, []).expect("as it was"), 1);
    server.start_again();
    site.admin = server.admin();
    let end = site.wait_operation(saved["operation_uuid"].as_str().expect("an operation"));
    assert_eq!(end["state"], "partly", "{end:#}");
    assert!(end["error"].is_string(), "{end:#}");
    let row = "SELECT version, state FROM templates";
    let row: (u32, String) =
        database.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("the template");
    assert_eq!(row, (2, "ready".to_owned()), "the new version is out");
}

#[test]
fn an_abandoned_save_comes_to_its_end_when_the_node_is_back() {
    let mut server = Server::with().nodes(1).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let image = site.upload("base", &image_file(&server, "image.qcow2", "1M"));
    let template = template_on(&server, &site, "node2", "t", &image);
    let disk = working_disk(server.agent(2).storage(), &template);
    qemu_io(&disk, "write -P 77 0 64k");
    let save = || site.admin.action(TEMPLATES, "save", json!({"name": "t", "uuid": template}));
    server.agent(2).signal(Signal::SIGSTOP);
    let saving = save().header("Prefer", "respond-async").send().data();
    let uuid = saving["operation_uuid"].as_str().expect("an operation").to_owned();
    let operation = |action: &str| {
        site.admin.action("/api/v1.0/operations", action, json!({"uuid": uuid})).send()
    };
    operation("cancel").data();
    wait_until("the undo to be stuck", LIMIT, || operation("abandon").status == 200);
    let end = site.wait_operation(&uuid);
    assert_eq!(end["state"], "cancelled", "{end:#}");
    let row = || {
        let single = site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &template).header("Accept-Language", "en").send().data()
    };
    assert_eq!(row()["status"], "error", "{:#}", row());
    let reason = row()["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("when the node is back"), "{reason}");
    save().send().expect_status(409);

    server.agent(2).signal(Signal::SIGCONT);
    wait_until("the template to be good again", LIMIT, || row()["status"] == "inactive");
    site.done(save());
    qemu_io(&disk, "read -P 77 0 64k");
}
