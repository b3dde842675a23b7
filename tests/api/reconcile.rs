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
