//! Disks that are gone, and storages that are not mounted: nothing empty takes their place.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::room::{DESKTOPS, INSTANCES, Room};
use crate::support::{Client, rows, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const NODES: &str = "/api/v1.0/resource_mgr/controller_nodes";
const LIMIT: Duration = Duration::from_secs(30);

fn english(room: &Room) -> Client {
    room.site.admin.with_header("Accept-Language", "en")
}

/// A group that keeps what is written.
fn kept(room: &Room, name: &str) -> (String, Value) {
    let group = room.deploy(name, 1);
    let value = json!({"sys_restore": 0, "data_restore": 0});
    let body = json!({"uuid": group, "name": name, "value": value});
    room.site.done(room.site.admin.put(DESKTOPS).json(&body));
    let desktop = room.site.desktops(&group).remove(0);
    (group, desktop)
}

/// Its disk.
fn disk(room: &Room, desktop: &Value) -> PathBuf {
    let uuid = desktop["uuid"].as_str().expect("uuid");
    let its = room.overlays().into_iter().find(|file| file.to_string_lossy().contains(uuid));
    room.server.data_here().join(its.expect("its disk"))
}

#[test]
fn a_desktop_whose_disk_is_lost_says_so_and_is_not_started_empty() {
    let mut room = Room::start();
    let (group, desktop) = kept(&room, "own");
    room.site.group_action("start", &group, "own");
    room.site.group_action("stop", &group, "own");
    let disk = disk(&room, &desktop);
    let aside = disk.with_extension("aside");
    fs::rename(&disk, &aside).expect("rename");
    let start = json!({"desktops": [{"uuid": group, "name": "own"}]});
    let refused = english(&room).action(DESKTOPS, "start", start.clone()).send();
    assert_ne!(refused.status, 200, "{}", refused.body);
    let file = disk.file_name().expect("a name").to_str().expect("text").to_owned();
    assert!(
        refused.body.contains(&file) && refused.body.contains("is missing"),
        "{}",
        refused.body
    );
    let row = english(&room).get(INSTANCES).query("desktop_uuid", &group).send();
    assert!(rows(&row)[0]["reason"].as_str().expect("why").contains(&file), "{}", row.body);

    // Nor when its domain is gone too, and is made again from the rows: libvirt's simulator forgets it.
    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    room.site.wait_idle();
    assert_ne!(english(&room).action(DESKTOPS, "start", start.clone()).send().status, 200);
    assert!(!disk.exists(), "an empty one took its place");

    let before = made_again(&room);
    fs::rename(&aside, &disk).expect("rename back");
    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    wait_made_again(&room, before);
    room.site.wait_idle();
    room.site.admin.action(DESKTOPS, "start", start).send().expect_status(200);
}

#[test]
fn a_group_with_a_lost_disk_refuses_a_change_of_restoring_and_goes_on() {
    let room = Room::start();
    let (group, desktop) = kept(&room, "own");
    room.site.group_action("start", &group, "own");
    room.site.group_action("stop", &group, "own");
    fs::remove_file(disk(&room, &desktop)).expect("lose the disk");
    let change = |value: Value| {
        let body = json!({"uuid": group, "name": "own", "value": value});
        english(&room).put(DESKTOPS).json(&body)
    };
    let refused = change(json!({"data_restore": 1, "name": "other"})).send();
    assert!(refused.status != 200 && refused.body.contains("is missing"), "{}", refused.body);
    room.site.wait_idle();
    let row = room.group(&group);
    assert_eq!((&row["data_restore"], &row["name"]), (&json!(0), &json!("own")));
    let operations =
        rows(&room.site.admin.get("/api/v1.0/operations").query("page_size", 100).send());
    let changes = operations.iter().filter(|one| one["kind"] == "desktop-group-restore");
    let states: Vec<&Value> = changes.map(|one| &one["state"]).collect();
    assert_eq!(states, ["failed", "succeeded"]);
    // A system disk that is new at each start is the way out.
    room.site.done(change(json!({"sys_restore": 1})));
    room.site.group_action("start", &group, "own");
}

#[test]
fn a_desktop_whose_disk_is_lost_is_tried_once_and_made_as_soon_as_it_is_back() {
    let mut room = Room::start();
    let (group, desktop) = kept(&room, "own");
    room.site.group_action("start", &group, "own");
    room.site.group_action("stop", &group, "own");
    let disk = disk(&room, &desktop);
    let aside = disk.with_extension("aside");
    fs::rename(&disk, &aside).expect("rename");
    let before = remakes(&room).len();
    // libvirt's simulator forgets its domains.
    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    wait_until("it was tried", LIMIT, || {
        remakes(&room).len() == before + 1 && remakes(&room)[0] == "failed"
    });
    let start = || {
        let param = json!({"desktops": [{"uuid": group, "name": "own"}]});
        english(&room).action(DESKTOPS, "start", param).send()
    };
    // Each asks for a look at the node, which does not try what can only fail.
    for _ in 0..3 {
        let refused = start();
        let file = disk.file_name().expect("a name").to_str().expect("text");
        assert!(refused.status != 200 && refused.body.contains(file), "{}", refused.body);
    }
    fs::rename(&aside, &disk).expect("rename back");
    wait_until("it starts", LIMIT, || start().status == 200);
    let tried = remakes(&room);
    assert_eq!(
        (tried.len(), &tried[..2]),
        (before + 2, &["succeeded".into(), "failed".into()][..])
    );
}

#[test]
fn a_storage_that_cannot_be_used_for_a_while_keeps_its_roles() {
    let mut server = crate::support::Server::with().start();
    server.stop();
    let data = server.data_here();
    let broken = data.join("storage");
    let roles = |server: &crate::support::Server| -> Vec<(String, String)> {
        let database = rusqlite::Connection::open(server.data_here().join("carrel.db"));
        let database = database.expect("the database");
        let mut all =
            database.prepare("SELECT path, roles FROM storages ORDER BY id").expect("sql");
        let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("query");
        all.collect::<Result<_, _>>().expect("rows")
    };
    let before = roles(&server);
    assert_eq!(before.len(), 1);
    // It is mounted, but its folders are not there: nothing can be prepared where a file stands in their place.
    fs::remove_dir_all(broken.join("tmp")).expect("take a folder away");
    fs::write(broken.join("tmp"), b"in the way").expect("put a file there");
    server.start_again();
    let admin = server.admin().with_header("Accept-Language", "en");
    let node = || rows(&admin.get(NODES).send()).remove(0);
    wait_until("the node says why", LIMIT, || {
        node()["reason"].as_str().is_some_and(|why| why.contains("storage"))
    });
    assert_eq!(roles(&server), before);
}

/// How making domains again went, the newest first.
fn remakes(room: &Room) -> Vec<Value> {
    let operations =
        rows(&room.site.admin.get("/api/v1.0/operations").query("page_size", 100).send());
    let remakes = operations.into_iter().filter(|one| one["kind"] == "desktops-remake");
    remakes.map(|one| one["state"].clone()).collect()
}

#[test]
fn without_the_image_s_file_nothing_is_made_of_it_and_it_is_shown() {
    let mut room = Room::start();
    let images = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", room.site.pool);
    let image = |room: &Room| rows(&english(room).get(&images).send()).remove(0);
    let template = |room: &Room| {
        let single = english(room).get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &room.template).send().data()
    };
    assert_eq!(image(&room)["status"], 0);
    let path = room.server.data_here().join("storage/base");
    let file = fs::read_dir(&path).expect("images").next().expect("one").expect("entry").path();
    let aside = path.with_extension("aside");
    fs::rename(&file, &aside).expect("rename");
    let name = file.file_name().expect("a name").to_str().expect("text").to_owned();
    let deploy = |room: &Room, name: &str| {
        let param = room.param(name, 1);
        english(room).action(DESKTOPS, "create", param).send()
    };
    // Before anybody looked.
    let refused = deploy(&room, "early");
    assert!(refused.status != 200 && refused.body.contains(&name), "{}", refused.body);

    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    wait_until("the image is shown as lost", LIMIT, || image(&room)["status"] == 2);
    let shown = template(&room);
    assert_eq!(shown["status"], "error", "{shown:#}");
    assert!(shown["reason"].as_str().expect("why").contains(&name), "{shown:#}");
    let refused = deploy(&room, "late");
    assert_ne!(refused.status, 200, "{}", refused.body);
    assert!(room.overlays().is_empty(), "{:?}", room.overlays());

    fs::rename(&aside, &file).expect("rename back");
    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    wait_until("the image is good again", LIMIT, || image(&room)["status"] == 0);
    assert_eq!(template(&room)["status"], "inactive");
    deploy(&room, "again").data();
}

#[test]
fn a_storage_that_is_not_mounted_is_told_and_left_alone() {
    let mut room = Room::start();
    let (group, desktop) = kept(&room, "own");
    room.site.group_action("start", &group, "own");
    room.site.group_action("stop", &group, "own");
    let (storage, disk) = (room.server.data_here().join("storage"), disk(&room, &desktop));
    let elsewhere = storage.with_extension("elsewhere");
    room.server.stop();
    fs::rename(&storage, &elsewhere).expect("unmount");
    fs::create_dir(&storage).expect("a mount point");
    room.server.start_again();
    room.site.admin = room.server.admin();
    let node = |room: &Room| rows(&english(room).get(NODES).send()).remove(0);
    wait_until("the node says why", LIMIT, || node(&room).to_string().contains("not mounted"));
    let doctor = room.server.run(&["doctor"], "");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("mount"), "{doctor}");

    let named = json!({"desktops": [{"uuid": group, "name": "own"}]});
    let admin = english(&room);
    let refused = [
        admin.action(DESKTOPS, "start", named.clone()).send(),
        admin.action(DESKTOPS, "create", room.param("more", 1)).send(),
        admin.delete(DESKTOPS).json(&named).send(),
    ];
    for answer in &refused {
        assert_ne!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(fs::read_dir(&storage).expect("list").count(), 0, "nothing was made there");
    assert_eq!(room.site.desktops(&group).len(), 1);

    let before = made_again(&room);
    fs::remove_dir(&storage).expect("the mount point");
    fs::rename(&elsewhere, &storage).expect("mount");
    wait_until("the node goes on by itself", LIMIT, || node(&room)["reason"].is_null());
    assert!(disk.exists());
    wait_made_again(&room, before);
    room.site.wait_idle();
    room.site.admin.action(DESKTOPS, "start", named).send().expect_status(200);
}

/// How often domains that were missing were made again.
fn made_again(room: &Room) -> usize {
    let operations =
        rows(&room.site.admin.get("/api/v1.0/operations").query("page_size", 100).send());
    let is_done = |one: &&Value| one["kind"] == "desktops-remake" && one["state"] == "succeeded";
    operations.iter().filter(is_done).count()
}

/// Whoever is asked to start meanwhile is locked when it is to be made again.
fn wait_made_again(room: &Room, before: usize) {
    wait_until("it is made again", LIMIT, || made_again(room) > before);
}
