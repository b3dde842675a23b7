//! What is on the node is compared with the rows whenever it arrives. libvirt's simulator forgets its domains with its
//! process, so a new start of the server is a node that lost all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::room::Room;
use crate::support::{Server, wait_for, wait_until};
use crate::three_nodes::{all_active, template_on};

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
fn files_that_no_row_knows_are_set_aside_and_those_of_deleted_rows_go() {
    let mut room = Room::start();
    let group = room.deploy("pc", 2);
    let kept = room.overlays();
    let data = room.server.data_here();
    let desktops = data.join(kept[0].parent().and_then(|own| own.parent()).expect("desktops"));
    let storage = desktops.parent().expect("the storage").to_owned();
    room.server.kill();
    let strays = || {
        [
            format!("desktops/{}/{}.qcow2", uuid::Uuid::new_v4(), uuid::Uuid::new_v4()),
            format!("templates/{}.qcow2", uuid::Uuid::new_v4()),
            format!("base/{}.qcow2", uuid::Uuid::new_v4()),
        ]
    };
    let (strange, deleted) = (strays(), strays());
    let upload = storage.join(format!("uploads/{}.part", uuid::Uuid::new_v4()));
    let files: Vec<PathBuf> =
        strange.iter().chain(&deleted).map(|name| storage.join(name)).collect();
    for file in files.iter().chain([&upload]) {
        fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder");
        fs::write(file, b"somebody's").expect("write a file");
    }
    // As if their node had been away when their rows were deleted.
    let database = rusqlite::Connection::open(data.join("carrel.db")).expect("the database");
    for name in &deleted {
        let owner = name.split('/').nth(1).expect("a name").trim_end_matches(".qcow2");
        database
            .execute("INSERT INTO gone (uuid, at) VALUES (?1, unixepoch())", [owner])
            .expect("a row");
    }
    drop(database);
    let foreign = storage.join("notes.txt");
    fs::write(&foreign, b"not Carrel's").expect("write a foreign file");
    room.server.start_again();
    room.site.admin = room.server.admin();
    wait_until("the end of such files", LIMIT, || {
        files.iter().chain([&upload]).all(|file| !file.exists())
    });
    let kept_aside = lost(&room);
    assert_eq!(kept_aside.len(), strange.len(), "{kept_aside:?}");
    for name in &strange {
        let file = kept_aside.iter().find(|file| file.ends_with(name)).expect("it is in lost");
        assert_eq!(fs::read(data.join(file)).expect("read"), b"somebody's");
    }
    assert!(foreign.exists());
    assert_eq!(
        room.overlays().iter().filter(|file| !kept_aside.contains(file)).count(),
        kept.len()
    );
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

    // From then on all is as ever: what no row knows is set aside, and what was stays.
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
    let mut now = lost(&room);
    now.retain(|file| !file.ends_with(stray.file_name().expect("a name")));
    assert_eq!(now, set_aside);
    // The known one was made anew after each start, as the simulator forgets its domains.
    let remade =
        "SELECT count(*) FROM operations WHERE kind = 'desktops-remake' AND state = 'succeeded'";
    wait_until("the known desktop", LIMIT, || count(&room, remade) == 2);
    room.site.wait_idle();
    room.site.delete_group(&known, "known");
}

#[test]
fn what_was_set_aside_before_a_kill_is_told_after_it() {
    let mut room = Room::start();
    room.server.kill();
    let data = room.server.data_here();
    let storage = data.join("storage");
    let [moved, there] = [(); 2].map(|()| uuid::Uuid::new_v4());
    let file = |uuid: uuid::Uuid| format!("templates/{uuid}.qcow2");
    fs::write(storage.join(file(there)), b"somebody's").expect("write a file");
    let database = rusqlite::Connection::open(data.join("carrel.db")).expect("the database");
    for uuid in [moved, there] {
        let thing = format!("{}/{}", storage.display(), file(uuid));
        let intent = "INSERT INTO setting_aside (node_id, thing, action, subject, layer) \
             SELECT id, ?1, 'log-lost-file', ?1, ?2 FROM nodes";
        database.execute(intent, [thing, uuid.to_string()]).expect("as before the kill");
    }
    drop(database);
    room.server.start_again();
    let told = |uuid: uuid::Uuid| {
        count(
            &room,
            &format!(
                "SELECT count(*) FROM audit WHERE action = 'log-lost-file' AND subject LIKE '%{uuid}%'"
            ),
        )
    };
    wait_until("both are told", LIMIT, || told(moved) + told(there) == 2);
    assert_eq!((told(moved), told(there)), (1, 1), "each once");
    assert!(!storage.join(file(there)).exists() && lost(&room).len() == 1);
    assert_eq!(count(&room, "SELECT count(*) FROM setting_aside"), 0);
    assert_eq!(count(&room, &format!("SELECT count(*) FROM gone WHERE uuid = '{moved}'")), 1);
}

/// The database as it is now, in a file; and back from there, as somebody does who knows no `carrel restore`.
fn copied(server: &Server, to: &Path) {
    settle(server);
    fs::copy(server.data_here().join("carrel.db"), to).expect("copy the database");
}

/// Brings what is in the log of a stopped server's database into it.
fn settle(server: &Server) {
    let database = rusqlite::Connection::open(server.data_here().join("carrel.db")).expect("open");
    let settled = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    assert_eq!(settled, Ok(0_i64));
    database.close().expect("close the database");
}

fn put_back(server: &Server, from: &Path) {
    let data = server.data_here();
    fs::copy(from, data.join("carrel.db")).expect("put the copy back");
    for companion in ["carrel.db-wal", "carrel.db-shm"] {
        drop(fs::remove_file(data.join(companion)));
    }
}

/// Overlays in a storage by their content, those in `lost` too.
fn disks(storage: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![storage.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "qcow2") => {
                    found.push(fs::read(&path).expect("read a disk"));
                }
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_older_database_copied_back_deletes_no_disk_and_ends_no_guest() {
    let server = Server::with().nodes(1).start();
    let mut room = Room::on(server);
    all_active(&room.site.admin, 2);
    let template = template_on(&room.server, &room.site, "node2", "there", &room.image.clone());
    let installation = installation(&room);
    room.server.stop();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let copy = folder.path().join("carrel.db");
    copied(&room.server, &copy);
    room.server.start_again();
    room.site.admin = room.server.admin();
    all_active(&room.site.admin, 2);

    // Two that run and two that do not.
    let site = &room.site;
    let [on, off] = ["on", "off"].map(|name| site.deploy(name, &room.classroom, &template, 2));
    site.group_action("start", &on, "on");
    let named = |group: &str| -> Vec<uuid::Uuid> {
        let rows = site.desktops(group);
        rows.iter()
            .map(|row| row["uuid"].as_str().and_then(|it| it.parse().ok()).expect("uuid"))
            .collect()
    };
    let (running, resting) = (named(&on), named(&off));
    let of_running = addresses(&site.desktops(&on));
    site.wait_idle();
    room.server.stop();
    let storage = room.server.agent(2).storage().to_owned();
    let before = disks(&storage);
    put_back(&room.server, &copy);
    room.server.start_again();
    let admin = room.server.admin().with_header("Accept-Language", "en");
    wait_until("the disks of those that are off in lost", LIMIT, || {
        let lost = storage.join("lost");
        resting.iter().all(|uuid| has(&lost, &uuid.to_string()))
    });
    // A layer may have a second name there.
    let after = disks(&storage);
    assert!(before.iter().all(|disk| after.contains(disk)), "a disk is gone, or is another one");
    // What runs goes on, and its node says so.
    let pools = "/api/v1.0/resource_mgr/resource_pools";
    wait_until("the problem of the node", LIMIT, || {
        let answer = admin.get(&format!("{pools}/{}/nodes", room.site.pool)).send();
        answer.body.contains("guests run on this node that the database does not know")
    });
    let domains = room.server.agent(2).domains(installation);
    for uuid in &running {
        assert!(domains.contains(uuid), "{uuid} is gone");
        assert!(storage.join(format!("desktops/{uuid}")).is_dir());
    }
    for uuid in &resting {
        assert!(!domains.contains(uuid));
    }
    let told = admin.get("/api/v1.0/index/get_operation_log/").send();
    assert!(told.body.contains("Set aside, not known to the database"), "{}", told.body);
    // Their addresses are nobody else's.
    room.site.admin = room.server.admin();
    all_active(&room.site.admin, 2);
    let new = room.site.deploy("new", &room.classroom, &template, 2);
    let given = addresses(&room.site.desktops(&new));
    assert!(of_running.iter().all(|address| !given.contains(address)), "{of_running:?} {given:?}");
}

fn addresses(desktops: &[serde_json::Value]) -> Vec<String> {
    let address = |row: &serde_json::Value| row["ipaddr"].as_str().expect("an address").to_owned();
    desktops.iter().map(address).collect()
}

/// Whether a file or folder of that name is somewhere below.
fn has(folder: &Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        entry.file_name() == name || (entry.path().is_dir() && has(&entry.path(), name))
    })
}

fn installation(room: &Room) -> uuid::Uuid {
    let database = rusqlite::Connection::open(room.server.data_here().join("carrel.db"));
    let uuid: String = database
        .expect("the database")
        .query_row("SELECT uuid FROM installation", [], |row| row.get(0))
        .expect("the installation");
    uuid.parse().expect("a uuid")
}

/// What no page of it is about, and what the page of the desktops is.
#[test]
fn with_a_damaged_database_nothing_is_begun() {
    let mut room = Room::start();
    room.deploy("pc", 3);
    room.server.stop();
    settle(&room.server);
    let database = room.server.data_here().join("carrel.db");
    let whole = fs::read(&database).expect("read");
    let files = room.server.files();
    let root: i64 = {
        let conn = rusqlite::Connection::open(&database).expect("open");
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'desktops'";
        conn.query_row(sql, [], |row| row.get(0)).expect("the page")
    };
    let at = usize::try_from(root - 1).expect("small") * 4096;
    let mut emptied = whole.clone();
    assert_eq!(emptied[at], 13, "one leaf of a table");
    emptied[at + 3..at + 5].fill(0);
    let mut zeroed = whole.clone();
    zeroed[at..at + 4096].fill(0);
    for damaged in [emptied, zeroed] {
        fs::write(&database, &damaged).expect("write");
        let output = room.server.run(&["serve", "--listen", "127.0.0.1:0"], "");
        assert_eq!(output.status.code(), Some(65), "the unit is not started again");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("carrel restore") && text.contains("carrel.db"), "{text}");
        assert!(fs::read(&database).expect("read") == damaged, "the file was touched");
        assert_eq!(room.server.files(), files);
    }
    fs::write(&database, &whole).expect("write");
    room.server.start_again();
    assert_eq!(room.overlays().len(), 3);
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
