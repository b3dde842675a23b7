//! kill -9 while a group of 20 desktops is deployed or deleted, at many different moments.

use std::time::{Duration, Instant};

use crate::support::{LabNode, Server, Site, guest_image, rows};
use crate::whole::assert_whole;

const GROUPS: &str = "/api/v1.0/education/desktop/";
const DESKTOPS: u32 = 20;
/// Kills spread over the time that an undisturbed deployment takes, and a little beyond.
const KILLS: u32 = 12;

#[test]
fn a_killed_deployment_is_whole_or_gone() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");

    let started = Instant::now();
    let group = site.deploy("calm", &classroom, &template, DESKTOPS);
    let calm = started.elapsed();
    site.delete_group(&group, "calm");
    assert_whole(&server, &site);

    let (mut whole, mut gone) = (0, 0);
    for round in 0..KILLS {
        let name = format!("k{round}");
        let (caller, group, room, base) =
            (site.clone(), name.clone(), classroom.clone(), template.clone());
        // the answer may never come: the server is killed under it
        let call = std::thread::spawn(move || {
            let request = caller.deploy_request(&group, &room, &base, DESKTOPS);
            request.header("Prefer", "respond-async").try_send()
        });
        std::thread::sleep(calm * round / (KILLS - 2));
        server.kill();
        let acknowledged =
            matches!(call.join().expect("the caller"), Ok(answer) if answer.status == 200);
        server.start_again();
        site = Site::of_default(&server);
        assert_whole(&server, &site);
        let found = rows(&site.admin.get(GROUPS).query("name", &name).send());
        match found.first() {
            Some(group) => {
                assert_eq!(group["instance_num"], DESKTOPS, "{group:#}");
                whole += 1;
                site.delete_group(group["uuid"].as_str().expect("uuid"), &name);
                assert_whole(&server, &site);
            }
            None => {
                assert!(!acknowledged, "round {round}: it was acknowledged and is gone");
                gone += 1;
            }
        }
    }
    println!(
        "of {KILLS} killed deployments {whole} were finished and {gone} never began ({calm:?} calm)"
    );
}

#[test]
fn a_killed_deletion_is_finished() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    for round in 0..5u32 {
        let name = format!("d{round}");
        let group = site.deploy(&name, &classroom, &template, DESKTOPS);
        let body = serde_json::json!({"desktops": [{"uuid": group, "name": name}]});
        let admin = site.admin.clone();
        let call = std::thread::spawn(move || {
            admin.delete(GROUPS).json(&body).header("Prefer", "respond-async").try_send()
        });
        std::thread::sleep(Duration::from_millis(u64::from(round) * 40));
        server.kill();
        let acknowledged =
            matches!(call.join().expect("the caller"), Ok(answer) if answer.status == 200);
        server.start_again();
        site = Site::of_default(&server);
        assert_whole(&server, &site);
        let found = rows(&site.admin.get(GROUPS).query("name", &name).send());
        assert!(found.is_empty() || !acknowledged, "round {round}: acknowledged and still there");
        for group in found {
            site.delete_group(group["uuid"].as_str().expect("uuid"), &name);
        }
    }
}
