//! No room in the storage: what is refused, that nothing is left of it, and that it works once there is room.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::images::image_file;
use super::save::{qemu_io, working_disk};
use crate::support::{Answer, Part, SMALL, Server, Site, SmallDisk, rows, uuid_of};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const MIB: u32 = 64;
const LIMIT: Duration = Duration::from_secs(30);

struct Bench {
    server: Server,
    site: Site,
    disk: SmallDisk,
}

impl Bench {
    #[track_caller]
    fn start() -> Self {
        let disk = SmallDisk::new(MIB);
        let server = Server::with().env("CARREL_STORAGE", disk.storage().display()).start();
        let site = Site::of(&server, SMALL);
        Self { server, site, disk }
    }

    fn images(&self) -> String {
        format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", self.site.pool)
    }

    /// Uploads a raw disk of that many MiB.
    #[track_caller]
    fn upload(&self, mib: usize, says_length: bool) -> Answer {
        let mut content = vec![0; mib << 20];
        content[510..512].copy_from_slice(&[0x55, 0xaa]);
        let part = Part::File {
            name: "file",
            file_name: "raw",
            size: content.len() as u64,
            content: Box::new(std::io::Cursor::new(content)),
        };
        let request = self.site.admin.post(&self.images()).query("name", "raw");
        let request = request.query("os_type", "linux").header("Accept-Language", "en");
        let request = request.multipart(vec![part]);
        if says_length { request.send() } else { request.without_length().send() }
    }

    /// Refused entries of the audit log.
    fn refusals(&self, action: &str) -> i64 {
        let path = self.server.data_here().join("carrel.db");
        let database = rusqlite::Connection::open(path).expect("the database");
        let sql = "SELECT count(*) FROM audit WHERE action = ?1 AND fault IS NOT NULL";
        database.query_row(sql, [action], |row| row.get(0)).expect("count")
    }
}

#[track_caller]
fn no_room(answer: &Answer, keys: &[&str]) {
    answer.expect_status(507);
    let error = answer.json()["data"]["error"].clone();
    assert!(keys.iter().any(|key| error == *key), "{}", answer.body);
    let message = answer.json()["msg"].clone();
    assert!(
        message.as_str().is_some_and(|text| text.contains("Delete what is not used")),
        "{message}"
    );
}

#[test]
fn an_upload_stops_before_the_disk_is_full() {
    let bench = Bench::start();
    let before = bench.disk.contents();
    // It fits the file system, but not beside what is to stay free.
    let large = MIB as usize - 2;
    no_room(&bench.upload(large, false), &["upload-stopped-for-room"]);
    assert!(bench.disk.contents() == before, "something is left");
    no_room(&bench.upload(large, true), &["upload-no-room", "upload-stopped-for-room"]);
    assert!(bench.disk.contents() == before, "something is left");
    assert_eq!(bench.refusals("log-image-upload"), 2);

    bench.disk.fill();
    no_room(&bench.upload(1, false), &["upload-stopped-for-room"]);
    assert!(bench.disk.contents() == before, "something is left");
    assert_eq!(rows(&bench.site.admin.get(&bench.images()).send()), Vec::<Value>::new());
    bench.disk.empty();
    bench.upload(1, false).data();
    bench.upload(1, true).expect_status(409);
}

#[test]
fn a_template_is_not_saved_on_a_full_disk_and_nothing_of_it_is_lost() {
    let bench = Bench::start();
    let image = bench.site.upload("base", &image_file(&bench.server, "image.qcow2", "64M"));
    let uuid = bench.site.template("t", &image);
    let disk = working_disk(&bench.disk.storage(), &uuid);
    qemu_io(&disk, "write -P 171 0 64k");
    let row = || {
        let single = bench.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &uuid).send().data()
    };
    let save = || {
        let param = json!({"name": "t", "uuid": uuid});
        bench.site.admin.action(TEMPLATES, "save", param).header("Accept-Language", "en")
    };
    let (before, files) = (row(), bench.disk.contents());

    bench.disk.fill();
    no_room(&save().send(), &["storage-ran-full"]);
    bench.site.wait_idle();
    assert!(bench.disk.contents() == files, "something changed");
    let after = row();
    for field in ["version", "status", "devices", "updated_time", "editing"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert!(after["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{after:#}");

    bench.disk.empty();
    bench.site.done(save());
    assert_eq!(row()["version"], 2);
    assert_eq!(row()["reason"], Value::Null);
    let saved = layer_below(&working_disk(&bench.disk.storage(), &uuid));
    qemu_io(&saved, "read -P 171 0 64k");
}

/// From a disk that takes not one row more to one with room for a deployment: wherever it ends, what the answer said is so
/// once there is room.
#[test]
fn what_was_refused_on_a_full_disk_is_not_done_later_and_what_was_taken_is() {
    let disk = SmallDisk::new(MIB);
    let storage = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let server =
        Server::with().data_in(disk.path()).env("CARREL_STORAGE", storage.path().display());
    let server = server.start();
    let site = Site::of(&server, SMALL);
    let image = site.upload("base", &crate::support::small_image(&server));
    let template = site.template("t", &image);
    let room = site.classroom("room");
    let path = server.data_here().join("carrel.db");
    let (mut taken, mut refused) = (0, 0);
    for kib in [0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 1024] {
        let name = format!("group {kib}");
        use_reserve_up(&path);
        disk.fill();
        disk.give_back(kib << 10);
        let answer = site.deploy_request(&name, &room, &template, 1).send();
        disk.empty();
        site.wait_idle();
        let groups = rows(&site.admin.get("/api/v1.0/education/desktop/").send());
        let is_there = groups.iter().any(|group| group["name"] == name.as_str());
        if answer.json()["code"] == 0 {
            taken += 1;
            assert!(is_there, "{name}: {}", answer.body);
        } else {
            refused += 1;
            answer.expect_status(507);
            assert_eq!(answer.json()["data"]["error"], "database-disk-full", "{}", answer.body);
            assert!(!is_there, "{name}: {}", answer.body);
            site.done(site.deploy_request(&name, &room, &template, 1));
        }
        let group = uuid_of(&site.admin, "/api/v1.0/education/desktop/", &name);
        site.delete_group(&group, &name);
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// The free pages in the database are taken, and its log has to be made anew.
fn use_reserve_up(database: &Path) {
    let database = rusqlite::Connection::open(database).expect("the database");
    let free = database.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
    let free = free.expect("a number") * 4080;
    let fill = format!(
        "CREATE TABLE IF NOT EXISTS ballast (room BLOB);
         INSERT INTO ballast VALUES (zeroblob({free}));
         PRAGMA wal_checkpoint(TRUNCATE)"
    );
    database.execute_batch(&fill).expect("fill the database");
}

/// What a disk stands on.
fn layer_below(disk: &Path) -> PathBuf {
    let output = std::process::Command::new("qemu-img")
        .args(["info", "--output=json"])
        .arg(disk)
        .output()
        .expect("qemu-img");
    let info: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    info["backing-filename"].as_str().expect("a backing file").into()
}

/// The disk of the database itself, with nothing else on it.
#[test]
fn on_a_full_disk_people_sign_in_and_the_server_starts() {
    let disk = SmallDisk::new(MIB);
    let server = Server::with().data_in(disk.path()).env("CARREL_LOG", "carrel=debug");
    let mut server = server.start();
    let ready = |line: &str| line.contains("has a reserve for a full disk").then_some(());
    assert!(server.log().wait_for(LIMIT, ready).is_some());
    let beside = server.data_here().join("carrel.reserve");
    assert!(beside.exists());
    disk.fill();
    for _ in 0..50 {
        server.admin();
    }
    let site = Site::of(&server, SMALL);
    site.classroom("made on a full disk");
    // A clean stop takes the log away, and others take its room.
    server.stop();
    disk.fill();
    let log = server.log().len();
    server.start_again();
    assert!(server.log().contains("the disk of the database is full: its reserve is used up"));
    assert!(server.log().wait_from(log, LIMIT, ready).is_some());
    disk.fill();
    assert!(!beside.exists());
    for _ in 0..50 {
        server.admin();
    }
    // Later it is as before.
    server.stop();
    disk.empty();
    server.start_again();
    assert!(beside.exists());
    let rooms = server.admin().get("/api/v1.0/education/group/").send();
    assert!(rooms.body.contains("made on a full disk"), "{}", rooms.body);
}
