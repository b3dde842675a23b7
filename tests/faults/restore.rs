//! A backup is restored while guests run that were made after it.

use std::fs;
use std::time::Duration;

use crate::support::{LabNode, Server, Site, guest_image, wait_until};
use crate::whole::assert_whole;

const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn guests_made_after_a_restored_backup_are_undefined_and_their_disks_kept() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let known = site.deploy("known", &classroom, &template, 1);
    let backup = format!("{}/yesterday.backup", LabNode::DATA_DIR);
    assert!(server.run(&["backup", &backup], "").status.success());
    // Changed since, too: the known desktop is no longer restored.
    let value = serde_json::json!({"sys_restore": 0, "data_restore": 0});
    let body = serde_json::json!({"uuid": known, "name": "known", "value": value});
    site.done(site.admin.put("/api/v1.0/education/desktop/").json(&body));
    let domain = site.desktops(&known)[0]["uuid"].as_str().expect("uuid").to_owned();
    let restores = || node.virsh(&["dumpxml", "--inactive", &domain]).contains("\"restore\":true");
    assert!(!restores());
    let group = site.deploy("later", &classroom, &template, 2);
    site.group_action("start", &group, "later");
    let later: Vec<String> = site
        .desktops(&group)
        .iter()
        .map(|desktop| desktop["uuid"].as_str().expect("uuid").to_owned())
        .collect();

    server.stop();
    assert!(server.run(&["restore", &backup], "").status.success());
    server.start_again();
    site = Site::of_default(&server);
    let lost = server.data_here().join("storage/lost");
    let time = || fs::read_dir(&lost).ok()?.flatten().next().map(|entry| entry.path());
    let is_lost = |uuid: &String| {
        time().is_some_and(|time| time.join("desktops").join(uuid).join("domain.xml").exists())
    };
    wait_until("the later desktops in lost", LIMIT, || later.iter().all(is_lost));
    wait_until("their domains gone", LIMIT, || {
        let defined = node.virsh(&["list", "--all", "--uuid"]);
        later.iter().all(|uuid| !defined.contains(uuid))
    });
    wait_until("the known desktop restored as its group says", LIMIT, restores);
    assert_whole(&server, &site);

    // The administrator can have one back, beside Carrel.
    let seen = time().expect("lost").join("desktops").join(&later[0]).join("domain.xml");
    let below = seen.strip_prefix(server.data_here()).expect("below the data directory");
    let definition = server.data_dir().join(below);
    node.virsh(&["define", definition.to_str().expect("text")]);
    node.virsh(&["start", &later[0]]);
    server.stop();
    server.start_again();
    Site::of_default(&server).wait_idle();
    assert_eq!(node.domain_state(&later[0]), "running");
    node.virsh(&["destroy", &later[0]]);
    node.virsh(&["undefine", &later[0]]);
}
