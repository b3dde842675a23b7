//! Templates on libvirt's simulator: their life, their refusals, and what is left after a kill.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::images::{image_file, qemu_img};
use crate::save::qemu_io;
use crate::support::{Answer, SMALL, Server, Site, assert_json, rows, wait_until};

const TEMPLATES: &str = "/api/v1.0/education/template/";
const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

struct Bench {
    server: Server,
    site: Site,
    image: String,
}

impl Bench {
    #[track_caller]
    fn start() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        let image = site.upload("base", &image_file(&server, "image.qcow2", "64M"));
        Self { server, site, image }
    }

    /// A good `create`.
    fn param(&self, name: &str) -> Value {
        json!({
            "name": name, "desc": "for tests", "os_type": "Windows 7 bit 64", "classify": 1,
            "pool_uuid": self.site.pool, "network_uuid": self.site.network,
            "subnet_uuid": self.site.subnet, "bind_ip": "", "vcpu": 2, "ram": 0.125,
            "system_disk": {"image_id": self.image, "size": 1},
            "data_disks": [{"inx": 1, "size": 3}, {"inx": 0, "size": 2}],
        })
    }

    #[track_caller]
    fn act(&self, action: &str, param: Value) -> Answer {
        self.site.admin.action(TEMPLATES, action, param).send()
    }

    #[track_caller]
    fn create(&self, name: &str) -> String {
        let data = self.site.done(self.site.admin.action(TEMPLATES, "create", self.param(name)));
        data["uuid"].as_str().expect("uuid").to_owned()
    }

    #[track_caller]
    fn save(&self, uuid: &str) {
        let param = json!({"name": "t", "uuid": uuid});
        self.site.done(self.site.admin.action(TEMPLATES, "save", param));
    }

    #[track_caller]
    fn row(&self, uuid: &str) -> Value {
        let single = self.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", uuid).send().data()
    }

    /// Files in the storages.
    fn stored(&self) -> Vec<PathBuf> {
        let files = self.server.files().into_iter();
        files.filter(|file| file.starts_with("storage")).collect()
    }

    fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("open the database")
    }

    fn uuids(&self, sql: &str) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).expect("prepare");
        let found = statement.query_map([], |row| row.get(0)).expect("query");
        let mut uuids = found.collect::<Result<Vec<String>, _>>().expect("read");
        uuids.sort();
        uuids
    }

    /// Every file has its row and every row its file, nothing is under way, and published is what
    /// the row says.
    #[track_caller]
    fn assert_whole(&self) {
        let stored = self.stored();
        let named = |folder: &str, ending: &str| {
            let of = |file: &PathBuf| {
                let folder_of = file.parent()?.file_name()?.to_str()?;
                let stem = file.file_name()?.to_str()?.strip_suffix(ending)?;
                (folder_of == folder).then(|| stem.to_owned())
            };
            let mut stems: Vec<String> = stored.iter().filter_map(of).collect();
            stems.sort();
            stems
        };
        let templates = self.uuids("SELECT uuid FROM templates");
        assert_eq!(
            named("templates", ".qcow2"),
            self.uuids("SELECT uuid FROM template_layers UNION SELECT uuid FROM template_exports")
        );
        assert_eq!(named("templates", ".current"), templates);
        assert_eq!(self.uuids("SELECT owner FROM addresses"), templates);
        let overlay = |file: &&PathBuf| file.starts_with("storage/desktops");
        let disks = self.uuids("SELECT uuid FROM template_disks");
        assert_eq!(stored.iter().filter(overlay).count(), disks.len(), "{stored:?}");
        let states = "SELECT state FROM templates UNION SELECT state FROM layer_copies";
        assert!(self.uuids(states).iter().all(|state| state == "ready"));
        for file in stored.iter().filter(|file| file.extension().is_some_and(|e| e == "qcow2")) {
            let file = self.server.data_here().join(file);
            let path = file.to_str().expect("text");
            qemu_img(&self.server.data_here(), &["info", "--backing-chain", path]);
        }
        for uuid in &templates {
            let path = format!("storage/templates/{uuid}.current");
            let text = std::fs::read(self.server.data_here().join(path)).expect("published");
            let published: Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(published["version"], self.row(uuid)["version"], "{uuid}");
        }
    }
}

fn named(uuid: &str) -> Value {
    json!({"name": "t", "uuid": uuid})
}

fn batch(uuids: &[&str]) -> Value {
    json!({"templates": uuids.iter().map(|uuid| named(uuid)).collect::<Vec<_>>()})
}

#[test]
fn a_template_is_made_shown_and_deleted() {
    let bench = Bench::start();
    let mut param = bench.param("win7 模板");
    param["bind_ip"] = json!("10.66.0.77");
    let made = bench.act("create", param);
    made.documented("vdi.templates.create");
    let uuid = made.data()["uuid"].as_str().expect("uuid").to_owned();
    bench.site.wait_idle();

    let list = bench.site.admin.get(TEMPLATES).query("searchtype", "all").query("classify", 1);
    let list = list.query("pool_uuid", &bench.site.pool).query("page", 1).query("page_size", 10);
    let list = list.send();
    list.documented("vdi.templates.list");
    assert_eq!(list.data()["count"], 1);
    assert_json(
        &rows(&list)[0],
        json!({
            "uuid": uuid, "name": "win7 模板", "desc": "for tests", "host_ip": "<text>",
            "pool_name": "default", "network_name": "default", "subnet_name": "tests",
            "subnet_start_ip": "10.66.0.20", "subnet_end_ip": "10.66.0.219",
            "bind_ip": "10.66.0.77", "vcpu": 2, "ram": 0.125, "os_type": "Windows 7 bit 64",
            "os_type_simple": "win7", "owner": "admin", "desktop_count": 0, "instance_count": 0,
            "status": "inactive", "reason": null, "version": 1, "updated_time": "<time>",
            "devices": [
                {"type": "system", "device_name": "vda", "boot_index": 0, "size": 1, "used": "<number>"},
                {"type": "data", "device_name": "vdb", "boot_index": 1, "size": 2},
                {"type": "data", "device_name": "vdc", "boot_index": 2, "size": 3},
            ],
        }),
    );
    let other = bench.site.admin.get(TEMPLATES).query("classify", 2).send();
    assert_eq!(other.data()["count"], 0);
    let contain =
        bench.site.admin.get(TEMPLATES).query("searchtype", "contain").query("name", "7 模");
    assert_eq!(contain.send().data()["count"], 1);

    let images = bench.site.admin.get("/api/v1.0/education/template/image/");
    let images = images.query("pool_uuid", &bench.site.pool).query("template_uuid", &uuid).send();
    images.documented("vdi.templates.images");
    assert_json(
        &rows(&images)[0]["storages"],
        json!([{"role": 1, "bind_desktop": false, "status": 0}, {"role": 2}, {"role": 2}]),
    );
    bench.assert_whole();

    let image = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", bench.site.pool);
    let refused = bench.site.admin.delete(&image).json(&json!({"uuids": [bench.image]})).send();
    refused.expect_status(409);
    assert!(refused.refusal().contains("win7 模板"), "{}", refused.body);

    let delete = bench.site.admin.delete(TEMPLATES).json(&batch(&[&uuid, NOBODY])).send();
    assert_json(&delete.data(), json!({"success_num": 1, "failed_num": 1}));
    assert_eq!(bench.stored().len(), 1, "the base image alone");
    bench.assert_whole();
}

#[test]
fn machines_are_switched_one_and_many() {
    let bench = Bench::start();
    let (one, two) = (bench.create("one"), bench.create("two"));
    let status = |uuid: &str, wanted: &str| {
        wait_until(wanted, Duration::from_secs(10), || bench.row(uuid)["status"] == wanted);
    };
    let start = bench.act("start", batch(&[&one, &two]));
    start.documented("vdi.templates.start");
    assert_json(&start.data(), json!({"success_num": 2, "failed_num": 0}));
    status(&one, "active");
    status(&two, "active");
    for (action, id) in [
        ("reboot", "vdi.templates.reboot"),
        ("hard_reboot", "vdi.templates.hard-reboot"),
        ("reset", "vdi.templates.reset"),
    ] {
        bench.act(action, batch(&[&one])).documented(id);
        status(&one, "active");
    }
    let key = bench.act("send_key", named(&one));
    key.documented("vdi.templates.send-key");
    bench.act("hard_stop", batch(&[&one])).documented("vdi.templates.hard-stop");
    status(&one, "inactive");
    bench.act("stop", batch(&[&two])).documented("vdi.templates.stop");
    status(&two, "inactive");

    // Of many the others are done; of one the reason is told.
    let mixed = bench.act("start", batch(&[&one, NOBODY]));
    assert_json(
        &mixed.data(),
        json!({"success_num": 1, "failed_num": 1, "failed": [{"uuid": NOBODY, "reason": "<text>"}]}),
    );
    bench.act("start", batch(&[NOBODY])).expect_status(404);
    for action in ["reset", "reboot", "hard_reboot"] {
        bench.act(action, batch(&[&two])).expect_status(409);
        assert_eq!(bench.row(&two)["power"], "off", "{action} of what is off");
    }
    bench.act("send_key", named(&two)).expect_status(409);
    bench.act("start", json!({"templates": []})).expect_status(400);
    bench.act("start", json!({"templates": [{"name": "x", "uuid": "no"}]})).expect_status(400);
    bench.act("explode", batch(&[&one])).expect_status(400);
}

#[test]
fn a_start_that_fails_is_no_editing() {
    let bench = Bench::start();
    let uuid = bench.create("t");
    let noted = || -> (bool, bool) {
        let sql = "SELECT changed, editing FROM templates WHERE uuid = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        bench.database().query_row(sql, [&uuid], read).expect("the row")
    };
    // A folder is in the way of one of its working disks.
    let of_template =
        |file: &&PathBuf| file.to_string_lossy().contains(&format!("desktops/{uuid}"));
    let disk = bench.stored().iter().find(of_template).expect("a disk").clone();
    let disk = bench.server.data_here().join(disk);
    std::fs::remove_file(&disk).expect("remove");
    std::fs::create_dir_all(disk.join("not empty")).expect("block");
    for action in ["edit", "start"] {
        assert_ne!(bench.act(action, named(&uuid)).status, 200, "{action}");
        assert_eq!((noted(), &bench.row(&uuid)["editing"]), ((false, false), &json!(false)));
    }
    std::fs::remove_dir_all(&disk).expect("unblock");
    bench.act("edit", named(&uuid)).data();
    assert_eq!(noted(), (true, true));
}

#[test]
fn saving_makes_versions_and_long_chains_become_one_layer() {
    let bench = Bench::start();
    let uuid = bench.create("t");
    let edit = bench.act("edit", named(&uuid));
    edit.documented("vdi.templates.edit");
    wait_until("it runs", Duration::from_secs(10), || bench.row(&uuid)["status"] == "active");
    assert_eq!(bench.row(&uuid)["editing"], true);
    let put = json!({"uuid": uuid, "name": "t", "value": {"ram": 0.25}});
    bench.site.admin.put(TEMPLATES).json(&put).send().expect_status(409);
    let save = bench.act("save", named(&uuid));
    save.documented("vdi.templates.save");
    bench.site.wait_idle();
    assert_json(
        &bench.row(&uuid),
        json!({"version": 2, "editing": false, "status": "inactive", "updated_time": "<time>"}),
    );
    for _ in 0..7 {
        bench.save(&uuid);
    }
    assert_eq!(bench.row(&uuid)["version"], 9);
    let layers = || {
        bench.uuids("SELECT uuid FROM template_layers WHERE version = 9 AND below IS NULL").len()
    };
    wait_until("the chains are short", Duration::from_secs(60), || layers() == 3);
    bench.site.wait_idle();
    bench.assert_whole();
    bench.save(&uuid);
    assert_eq!(bench.row(&uuid)["version"], 10);
    bench.assert_whole();
}

#[test]
fn a_save_can_be_set_for_a_time() {
    let bench = Bench::start();
    let uuid = bench.create("t");
    let at = |date: &str| bench.act("save", json!({"name": "t", "uuid": uuid, "run_date": date}));
    at("2020-4-19 15:48:15").expect_status(400);
    at("soon").expect_status(400);
    at("2099-4-19 15:48:15").data();
    at("2098-4-19 15:48:15").data();
    let open = || rows(&bench.site.admin.get("/api/v1.0/operations").query("open", 1).send());
    assert_eq!(open().len(), 1, "the second replaces the first");
    let soon = jiff::Zoned::now().checked_add(jiff::SignedDuration::from_secs(3)).expect("time");
    at(&soon.strftime("%Y-%m-%d %H:%M:%S").to_string()).data();
    assert_eq!(bench.row(&uuid)["version"], 1);
    wait_until("it is saved", Duration::from_secs(30), || bench.row(&uuid)["version"] == 2);
    at("2098-4-19 15:48:15").data();
    let delete = bench.site.admin.delete(TEMPLATES).json(&batch(&[&uuid]));
    bench.site.done(delete);
    assert_eq!(open().len(), 0, "nothing is planned for what is gone");
}

#[test]
fn attributes_and_disks_change_and_disks_only_grow() {
    let bench = Bench::start();
    let uuid = bench.create("t");
    let devices = bench.row(&uuid)["devices"].clone();
    let put = |value: Value| {
        let body = json!({"uuid": uuid, "name": "t", "value": value});
        bench.site.admin.put(TEMPLATES).json(&body)
    };
    let mut wanted = devices.as_array().expect("devices").clone();
    wanted[0]["size"] = json!(5);
    wanted.push(json!({"inx": 0, "size": 4}));
    bench.site.done(put(json!({
        "name": "t2", "desc": "", "network_uuid": bench.site.network,
        "subnet_uuid": bench.site.subnet, "bind_ip": "10.66.0.99", "ram": "0.5", "vcpu": 1,
        "devices": wanted,
    })));
    let after = bench.row(&uuid);
    assert_json(
        &after,
        json!({
            "name": "t2", "desc": "", "bind_ip": "10.66.0.99", "ram": 0.5, "vcpu": 1,
            "devices": [{"size": 5}, {"size": 2}, {"size": 3}, {"size": 4, "device_name": "vdd"}],
        }),
    );
    let refused = |value: Value| {
        let answer = put(value.clone()).send();
        answer.expect_status(400);
        assert!(!answer.refusal().is_empty(), "{value}");
    };
    let mut smaller = devices[0].clone();
    smaller["size"] = json!(1);
    refused(json!({"devices": [smaller]}));
    refused(json!({"devices": [{"uuid": NOBODY, "size": 9}]}));
    refused(json!({"devices": [{"size": 9}]}));
    refused(json!({"ram": 1_000_000}));
    refused(json!({"ram": 0}));
    refused(json!({"vcpu": 0}));
    refused(json!({"bind_ip": "10.99.0.1"}));
    refused(json!({"name": ""}));
    refused(json!({"subnet_uuid": bench.site.subnet}));
    let mut now = bench.row(&uuid);
    now["updated_at"] = after["updated_at"].clone();
    assert_eq!(now, after, "nothing changed");
    bench.save(&uuid);
    assert_eq!(bench.uuids("SELECT uuid FROM template_layers WHERE version = 2").len(), 4);
    bench.assert_whole();
}

/// Asks for a file, takes the beginning of the answer and leaves.
fn break_off(base: &str, path: &str) {
    let address = base.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    // Else some kernels take all of it on behalf of who never asks for it.
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::RcvBuf, &65_536)
        .expect("a small buffer");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("ask");
    let mut beginning = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut beginning).expect("the beginning of an answer");
    assert_eq!(&beginning, b"HTTP/1.1 200");
}

#[test]
fn a_copy_stands_alone_and_a_download_is_one_file_for_one_use() {
    let bench = Bench::start();
    let uuid = bench.create("t");
    // More than all buffers between here and there hold: twice 4 MiB to be sent and 32 MiB that came.
    let storage = bench.server.data_here().join("storage");
    let disk = bench.uuids("SELECT uuid FROM template_disks WHERE role = 'system'").remove(0);
    let disk = storage.join("desktops").join(&uuid).join(format!("{disk}.qcow2"));
    qemu_io(&disk, "write -P 171 0 96M");
    bench.save(&uuid);
    let copy = json!({
        "template_uuid": uuid, "name": "copy", "desc": "c", "pool_uuid": bench.site.pool,
        "network_uuid": bench.site.network, "subnet_uuid": bench.site.subnet,
    });
    let made = bench.act("copy", copy.clone());
    made.documented("vdi.templates.copy");
    bench.site.wait_idle();
    bench.act("copy", copy).expect_status(409);

    let url = bench.act("download", named(&uuid)).data()["url"].as_str().expect("url").to_owned();
    let path = url.strip_prefix(bench.server.base()).expect("this server").to_owned();
    let stranger = bench.site.admin.stranger();
    // Who looks at it first, and whose download breaks, has not fetched it.
    let head = stranger.request("HEAD", &path).send();
    head.expect_status(200);
    let size: usize = head.header("Content-Length").expect("a size").parse().expect("a number");
    let tag = head.header("ETag").expect("a tag").to_owned();
    assert_eq!(head.header("Accept-Ranges"), Some("bytes"));
    let part = |range: &str, known: &str| {
        stranger.get(&path).header("Range", range).header("If-Range", known).send()
    };
    let first = part("bytes=0-999", &tag);
    first.expect_status(206);
    assert_eq!(first.header("Content-Range"), Some(format!("bytes 0-999/{size}").as_str()));
    let rest = part("bytes=1000-", &tag);
    rest.expect_status(206);
    assert_eq!(first.bytes.len() + rest.bytes.len(), size);
    let beyond = part(&format!("bytes={size}-"), &tag);
    beyond.expect_status(416);
    assert_eq!(beyond.header("Content-Range"), Some(format!("bytes */{size}").as_str()));
    break_off(bench.server.base(), &path);
    let file = part("bytes=5-", "\"another file\"");
    file.expect_status(200);
    assert_eq!(file.header("Content-Length"), Some(size.to_string().as_str()));
    assert!(file.bytes == [first.bytes, rest.bytes].concat(), "the parts are not the whole");
    let disposition = file.header("Content-Disposition").expect("a name").to_owned();
    assert!(disposition.contains("filename=\"t.qcow2\""), "{disposition}");
    let at = bench.server.data_here().join("downloaded.qcow2");
    std::fs::write(&at, &file.bytes).expect("write");
    qemu_img(&bench.server.data_here(), &["check", "-q", "downloaded.qcow2"]);
    bench.site.admin.get(&path).send().expect_status(404);
    wait_until("the file is gone", Duration::from_secs(20), || {
        bench.uuids("SELECT uuid FROM template_exports").is_empty()
    });

    let delete = bench.site.admin.delete(TEMPLATES).json(&batch(&[&uuid]));
    bench.site.done(delete);
    bench.assert_whole();
    let copied = made.data()["uuid"].as_str().expect("uuid").to_owned();
    let start = bench.site.admin.action(TEMPLATES, "start", batch(&[&copied]));
    bench.site.done(start);
}

#[test]
fn wrong_input_is_refused_and_leaves_nothing() {
    let bench = Bench::start();
    bench.create("taken");
    let before = bench.stored();
    let other = |field: &str, value: Value| {
        let mut param = bench.param("t");
        param[field] = value;
        param
    };
    let disk = |size: Value| json!({"image_id": bench.image, "size": size});
    let cases = [
        (other("name", json!("taken")), 409),
        (other("name", json!("x".repeat(300))), 400),
        (other("name", json!("../t")), 400),
        (other("name", json!("<b>t</b>")), 400),
        (other("name", json!(5)), 400),
        (other("name", Value::Null), 400),
        (other("classify", json!(3)), 400),
        (other("pool_uuid", json!(NOBODY)), 404),
        (other("pool_uuid", json!("default")), 400),
        (other("network_uuid", json!(NOBODY)), 404),
        (other("subnet_uuid", json!(NOBODY)), 404),
        (other("bind_ip", json!("10.66.1.5")), 400),
        (other("bind_ip", json!("300.1.1.1")), 400),
        (other("vcpu", json!(0)), 400),
        (other("vcpu", json!("many")), 400),
        (other("ram", json!(1_000_000)), 400),
        (other("ram", json!(-1)), 400),
        (other("system_disk", disk(json!(0))), 400),
        (other("system_disk", disk(json!(0.05))), 400),
        (other("system_disk", json!({"size": 1})), 400),
        (other("system_disk", json!({"image_id": NOBODY, "size": 1})), 404),
        (other("data_disks", json!([{"inx": 0, "size": 1}, {"inx": 0, "size": 1}])), 400),
        (other("data_disks", json!([{"inx": 0, "size": 0}])), 400),
    ];
    for (param, status) in cases {
        let answer = bench.act("create", param.clone());
        assert_eq!(answer.status, status, "{param}: {}", answer.body);
        assert!(!answer.refusal().is_empty());
    }
    bench.act("save", named(NOBODY)).expect_status(404);
    bench.act("edit", named(NOBODY)).expect_status(404);
    bench.act("download", named(NOBODY)).expect_status(404);
    assert_eq!(rows(&bench.site.admin.get(TEMPLATES).send()).len(), 1);
    assert_eq!(bench.stored(), before);
    bench.assert_whole();

    let output = bench.server.run(
        &["admin", "add", "eve", "--role", "auditor"],
        &format!("{}\n", crate::support::PASSWORD),
    );
    assert!(output.status.success(), "{output:?}");
    let auditor = bench.server.client().sign_in("eve", crate::support::PASSWORD);
    rows(&auditor.get(TEMPLATES).send());
    auditor.action(TEMPLATES, "create", bench.param("t")).send().expect_status(403);
    auditor.stranger().get(TEMPLATES).send().expect_status(401);
}

#[test]
fn after_a_kill_templates_are_whole_or_gone() {
    let mut bench = Bench::start();
    let uuid = bench.create("t");
    for (round, pause) in [0, 15, 40, 80, 130, 200, 300, 450].into_iter().enumerate() {
        let action = ["create", "save", "copy"][round % 3];
        let param = match action {
            "create" => bench.param(&format!("made {round}")),
            "save" => named(&uuid),
            _ => json!({
                "template_uuid": uuid, "name": format!("copy {round}"),
                "pool_uuid": bench.site.pool, "network_uuid": bench.site.network,
                "subnet_uuid": bench.site.subnet,
            }),
        };
        let admin = bench.site.admin.clone();
        let asking = std::thread::spawn(move || {
            drop(admin.action(TEMPLATES, action, param).try_send());
        });
        std::thread::sleep(Duration::from_millis(pause));
        bench.server.kill();
        asking.join().expect("join");
        bench.server.start_again();
        bench.site.admin = bench.server.admin();
        bench.site.wait_idle();
        bench.assert_whole();
    }
    let all = rows(&bench.site.admin.get(TEMPLATES).send());
    let all: Vec<&str> = all.iter().filter_map(|row| row["uuid"].as_str()).collect();
    bench.site.done(bench.site.admin.delete(TEMPLATES).json(&batch(&all)));
    assert_eq!(bench.stored().len(), 1, "the base image alone");
}
