//! What is on the node is compared with the rows whenever it arrives. libvirt's simulator forgets its domains with its
//! process, so a new start of the server is a node that lost all of them.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::room::Room;
use crate::support::{wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn lost_domains_are_made_anew_and_their_disks_stay() {
    let mut room = Room::start();
    let group = room.deploy("pc", 3);
    room.site.group_action("start", &group, "pc");
    assert_eq!(room.group(&group)["active_count"], 3);
    let overlays = room.overlays();
    room.server.kill_and_start();
    let admin = room.server.admin();
    room.site.admin = admin;
    wait_until("power states as they are", LIMIT, || room.group(&group)["active_count"] == 0);
    room.site.wait_idle();
    assert_eq!(room.overlays(), overlays);
    // They are there again: they can be started.
    wait_for("the start of all", LIMIT, || {
        let param = json!({"desktops": [{"uuid": group, "name": "pc"}]});
        let answer = room.site.admin.action(crate::room::DESKTOPS, "start", param).send();
        (answer.status == 200 && answer.data()["success_num"] == 3).then_some(())
    });
    assert_eq!(room.group(&group)["active_count"], 3);
    room.site.wait_idle();
    room.site.delete_group(&group, "pc");
    assert_eq!(room.overlays().len(), 0);
}

#[test]
fn files_that_nobody_owns_go_and_all_others_stay() {
    let mut room = Room::start();
    let group = room.deploy("pc", 2);
    let kept = room.overlays();
    let data = room.server.data_here();
    let desktops = data.join(kept[0].parent().and_then(|own| own.parent()).expect("desktops"));
    let storage = desktops.parent().expect("the storage").to_owned();
    room.server.kill();
    let stray = uuid::Uuid::new_v4();
    let strays = [
        desktops.join(format!("{stray}/{}.qcow2", uuid::Uuid::new_v4())),
        storage.join(format!("templates/{}.qcow2", uuid::Uuid::new_v4())),
        storage.join(format!("base/{}.qcow2", uuid::Uuid::new_v4())),
        storage.join(format!("uploads/{}.part", uuid::Uuid::new_v4())),
    ];
    for file in &strays {
        fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder");
        fs::write(file, b"nobody's").expect("write a stray file");
    }
    let foreign = storage.join("notes.txt");
    fs::write(&foreign, b"not Carrel's").expect("write a foreign file");
    room.server.start_again();
    room.site.admin = room.server.admin();
    wait_until("the end of stray files", LIMIT, || strays.iter().all(|file| !file.exists()));
    assert!(foreign.exists());
    assert_eq!(room.overlays(), kept);
    // The simulator forgets its domains with the process; they start as soon as they are made anew.
    let param = json!({"desktops": [{"uuid": group, "name": "pc"}]});
    wait_until("a start", LIMIT, || {
        room.site.admin.action("/api/v1.0/education/desktop/", "start", param.clone()).send().status
            == 200
    });
}

#[test]
fn what_was_made_after_a_restored_backup_is_kept_aside() {
    let mut room = Room::start();
    let known = room.deploy("known", 1);
    let known_disks = room.overlays();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let backup = folder.path().join("carrel.backup").to_string_lossy().into_owned();
    assert!(room.server.run(&["backup", &backup], "").status.success());

    room.deploy("later", 2);
    room.site.template("later template", &image_of(&room));
    let save = json!({"name": "plain", "uuid": room.template});
    room.site.done(room.site.admin.action("/api/v1.0/education/template/", "save", save));
    let later_layer = layer_of_version(&room, 2);
    let contents = |room: &Room| -> Vec<Vec<u8>> {
        let read = |file: &std::path::PathBuf| fs::read(room.server.data_here().join(file));
        let mut all: Vec<_> =
            room.overlays().iter().map(|file| read(file).expect("read")).collect();
        all.sort();
        all
    };
    let before = contents(&room);
    assert_eq!(before.len(), 4, "the known one's, two later ones', the later template's");
    room.server.stop();
    assert!(room.server.run(&["restore", &backup], "").status.success());
    room.server.start_again();
    room.site.admin = room.server.admin();

    let disk = |file: &&std::path::PathBuf| {
        file.extension().is_some_and(|ending| ending == "qcow2")
            && file.components().any(|part| part.as_os_str() == "desktops")
    };
    wait_until("the later disks in lost", LIMIT, || lost(&room).iter().filter(disk).count() == 3);
    // Its pointer too; its layer stays where its disk finds it.
    wait_until("the later template's pointer in lost", LIMIT, || {
        lost(&room).iter().any(|file| file.extension().is_some_and(|ending| ending == "current"))
    });
    // Of the known template desktops get the version again that the rows know; the later one is kept.
    let pointer = format!("storage/templates/{}.current", room.template);
    wait_until("the known version", LIMIT, || {
        let text = fs::read(room.server.data_here().join(&pointer)).expect("the pointer");
        let current: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        current["version"] == 1
    });
    assert!(lost(&room).iter().any(|file| file.ends_with(format!("{later_layer}.qcow2"))));
    room.site.wait_idle();
    let mut kept: Vec<Vec<u8>> = lost(&room)
        .iter()
        .filter(disk)
        .chain(&known_disks)
        .map(|file| fs::read(room.server.data_here().join(file)).expect("read"))
        .collect();
    kept.sort();
    assert!(kept == before, "a disk differs");
    for file in lost(&room).iter().filter(disk) {
        let path = room.server.data_here().join(file);
        crate::images::qemu_img(
            &room.server.data_here(),
            &["info", "--backing-chain", path.to_str().expect("text")],
        );
    }
    assert!(count(&room, "SELECT count(*) FROM audit WHERE action LIKE 'log-lost-%'") >= 4);
    assert_eq!(count(&room, "SELECT count(*) FROM restored_nodes"), 0);

    // From then on all is as ever: what nobody owns goes, and what was set aside stays.
    room.server.stop();
    let known_disk = room.server.data_here().join(&known_disks[0]);
    let desktops = known_disk.parent().and_then(|own| own.parent()).expect("desktops");
    let stray = desktops.join(format!("{}/{}.qcow2", uuid::Uuid::new_v4(), uuid::Uuid::new_v4()));
    fs::create_dir_all(stray.parent().expect("a folder")).expect("make the folder");
    fs::write(&stray, b"nobody's").expect("write a stray file");
    let set_aside = lost(&room);
    room.server.start_again();
    room.site.admin = room.server.admin();
    wait_until("the end of the stray file", LIMIT, || !stray.exists());
    room.site.wait_idle();
    assert_eq!(lost(&room), set_aside);
    // The known one was made anew after each start, as the simulator forgets its domains.
    let remade =
        "SELECT count(*) FROM operations WHERE kind = 'desktops-remake' AND state = 'succeeded'";
    wait_until("the known desktop", LIMIT, || count(&room, remade) == 2);
    room.site.wait_idle();
    room.site.delete_group(&known, "known");
}

/// The base image that the room's template is made of.
fn image_of(room: &Room) -> String {
    let images = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", room.site.pool);
    crate::support::uuid_of(&room.site.admin, &images, "small")
}

/// Files that were set aside.
fn lost(room: &Room) -> Vec<std::path::PathBuf> {
    let files = room.server.files().into_iter();
    files.filter(|file| file.starts_with("storage/lost")).collect()
}

/// The layer of a version of the room's template.
fn layer_of_version(room: &Room, version: u32) -> String {
    let database = rusqlite::Connection::open(room.server.data_here().join("carrel.db"));
    let sql = "SELECT l.uuid FROM template_layers l JOIN templates t ON t.id = l.template_id \
         WHERE t.uuid = ?1 AND l.version = ?2";
    let found = database.expect("the database").query_row(
        sql,
        rusqlite::params![room.template, version],
        |row| row.get(0),
    );
    found.expect("the layer")
}

fn count(room: &Room, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(room.server.data_here().join("carrel.db"));
    database.expect("the database").query_row(sql, [], |row| row.get(0)).expect("count")
}
