//! The library of ISOs: what becomes one, what does not, and that nothing is left of what does not.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::refused::{NOTHING, auditor, needs_a_right, refused, refuses_bad_names, rows};
use crate::support::{Answer, ISOS, Part, Request, SMALL, Server, Site, iso, wait_until};

struct Library {
    server: Server,
    site: Site,
    content: Vec<u8>,
}

impl Library {
    fn open() -> Self {
        Self::on(Server::start())
    }

    fn on(server: Server) -> Self {
        let site = Site::of(&server, SMALL);
        let content = fs::read(iso(&server, "setup.exe", b"installs")).expect("read");
        Self { server, site, content }
    }

    fn upload_request(&self, name: &str, content: &[u8]) -> Request {
        let request = self.site.admin.post(ISOS).query("name", name).query("os_type", "win7");
        request.query("iso_type", 3).multipart(vec![file(content)])
    }

    #[track_caller]
    fn upload(&self, name: &str) -> String {
        let made = self.upload_request(name, &self.content).send().data();
        made["uuid"].as_str().expect("a uuid").to_owned()
    }

    fn rows(&self) -> Vec<Value> {
        rows(&self.site.admin, ISOS)
    }

    #[track_caller]
    fn row(&self, uuid: &str) -> Value {
        self.site.admin.get(ISOS).query("searchtype", "single").query("uuid", uuid).send().data()
    }

    fn delete(&self, uuids: &[&str]) -> Answer {
        self.site.admin.delete(ISOS).json(&json!({"uuids": uuids})).send()
    }

    /// Files in the storages.
    fn stored(&self) -> Vec<PathBuf> {
        let files = self.server.files().into_iter();
        files.filter(|file| file.starts_with("storage")).collect()
    }
}

fn file(content: &[u8]) -> Part<'static> {
    let size = content.len() as u64;
    let content = Box::new(Cursor::new(content.to_vec()));
    Part::File { name: "file", file_name: "C:\\cds\\Win 7 SP1.ISO", size, content }
}

#[test]
fn an_iso_is_kept_as_it_came_shown_changed_and_deleted() {
    let library = Library::open();
    let uuid = library.upload("installer");
    let row = library.row(&uuid);
    crate::support::assert_json(
        &row,
        json!({
            "uuid": uuid, "name": "installer", "desc": "", "type": 3, "os_type": "Windows 7 bit 64",
            "os_type_simple": "win7", "size": 0.0, "size_bytes": "<int>", "status": 0, "reason": null,
            "md5_sum": "<text>", "sha256_sum": "<text>", "created_at": "<time>",
            "detail": [{"host_uuid": "<uuid>", "progress": 100, "status": 0, "reason": null}],
        }),
    );
    let path = row["path"].as_str().expect("a path");
    assert!(path.ends_with(&format!("/isos/{uuid}.iso")), "{path}");
    assert!(fs::read(path).expect("the file") == library.content);

    // Not an image of any pool, and none of which a template can be made.
    let pool = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", library.site.pool);
    assert!(rows(&library.site.admin, &pool).is_empty());
    refused(&library.site.admin.get(&format!("{pool}/{uuid}")).send(), 404, "image-unknown");
    let by_image = library.site.admin.delete(&pool).json(&json!({"uuids": [uuid]})).send();
    refused(&by_image, 404, "image-unknown");

    // What is left out stays.
    let one = format!("{ISOS}/{uuid}");
    let edit = |fields: Value| library.site.admin.put(&one).json(&fields).send();
    edit(json!({"name": "Windows 7", "desc": "SP1", "type": "1"})).data();
    edit(json!({"os_type": "win10"})).data();
    let row = library.row(&uuid);
    let wanted = json!({"name": "Windows 7", "desc": "SP1", "type": 1, "os_type_simple": "win10"});
    crate::support::assert_json(&row, wanted);

    // The name of its file is its own when it is given none; a pool's images have names of their own.
    let unnamed = library.site.admin.post(ISOS).query("os_type", "linux").query("type", 2);
    unnamed.multipart(vec![file(&library.content)]).send().data();
    let names: Vec<Value> = library.rows().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["Windows 7", "Win 7 SP1"]);
    library.site.upload("Windows 7", &crate::support::small_image(&library.server));

    let answer = library.delete(&[&uuid, NOTHING]).data();
    crate::support::assert_json(&answer, json!({"success_num": 1, "failed_num": 1}));
    assert_eq!(library.rows().len(), 1);
    assert!(!library.stored().iter().any(|file| file.ends_with(format!("isos/{uuid}.iso"))));
}

#[test]
fn what_is_no_iso_is_refused_and_leaves_nothing() {
    let library = Library::open();
    library.upload("taken");
    let before = (library.stored(), library.rows());
    let whole = &library.content;
    let no_iso = |name: &str, content: &[u8]| {
        refused(&library.upload_request(name, content).send(), 400, "not-an-iso");
    };
    no_iso("text", b"no ISO at all");
    no_iso("empty", b"");
    no_iso("cut off before its descriptor", &whole[..32 << 10]);
    let qcow2 = crate::images::image_file(&library.server, "disk.qcow2", "64M");
    no_iso("a disk", &fs::read(qcow2).expect("read"));
    // It says that it has more than arrived.
    let blocks = (whole.len() as u32 + (8 << 20)) / 2048;
    let mut cut = whole.clone();
    cut[(32 << 10) + 80..][..4].copy_from_slice(&blocks.to_le_bytes());
    refused(&library.upload_request("cut", &cut).send(), 400, "iso-truncated");
    refused(&library.upload_request("taken", whole).send(), 409, "iso-name-taken");
    refuses_bad_names(|name| library.upload_request(name, whole));

    let post = || library.site.admin.post(ISOS);
    let named = || post().query("name", "a").query("os_type", "b");
    for kind in ["0", "4", "x", "-1"] {
        let answer = named().query("iso_type", kind).multipart(vec![file(whole)]).send();
        refused(&answer, 400, "iso-type-unknown");
    }
    let lacks = |answer: Answer, field: &str| {
        refused(&answer, 400, "field-missing");
        assert_eq!(answer.json()["data"]["field"], field, "{}", answer.body);
    };
    lacks(named().multipart(vec![file(whole)]).send(), "iso_type");
    let untold = post().query("name", "a").query("iso_type", 1);
    lacks(untold.multipart(vec![file(whole)]).send(), "os_type");
    lacks(named().query("iso_type", 1).multipart(vec![]).send(), "file");
    refused(&named().json(&json!({"file": 1})).send(), 400, "upload-not-multipart");

    let one = format!("{ISOS}/{}", before.1[0]["uuid"].as_str().expect("a uuid"));
    let edit = |fields: Value| library.site.admin.put(&one).json(&fields);
    refuses_bad_names(|name| edit(json!({"name": name})));
    refused(&edit(json!({"type": 4})).send(), 400, "iso-type-unknown");
    library.upload("second");
    refused(&edit(json!({"name": "second"})).send(), 409, "iso-name-taken");
    let second = library.rows()[1]["uuid"].as_str().expect("a uuid").to_owned();
    library.delete(&[&second]).data();
    let nothing = format!("{ISOS}/{NOTHING}");
    let renamed = library.site.admin.put(&nothing).json(&json!({"name": "n"})).send();
    refused(&renamed, 404, "iso-unknown");
    refused(&library.site.admin.get(&nothing).send(), 404, "iso-unknown");
    refused(&library.delete(&[NOTHING]), 404, "iso-unknown");
    assert_eq!(before, (library.stored(), library.rows()));

    let auditor = auditor(&library.server);
    needs_a_right(&auditor, "PUT", &one);
    needs_a_right(&auditor, "DELETE", ISOS);
    auditor.get(ISOS).send().expect_status(200);
}

#[test]
fn what_is_no_iso_is_refused_before_its_last_byte() {
    let library = Library::open();
    let login = library.site.admin.post("/account/").query("action", "login");
    let login = login.form(&[("email", "admin"), ("password", crate::support::PASSWORD)]).send();
    let token = login.data()["access_token"].as_str().expect("a token").to_owned();
    let head = format!(
        "POST {ISOS}?name=x&os_type=linux&iso_type=1 HTTP/1.1\r\nHost: carrel\r\nAuthorization: {token}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
    );
    let address = library.server.base().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.write_all(head.as_bytes()).expect("send");
    stream.write_all(&vec![1_u8; 1 << 20]).expect("send");
    // The other 49 MB do not come.
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains("not-an-iso") {
        let count = stream.read(&mut piece).expect("an answer");
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend(&piece[..count]);
    }
    wait_until("nothing left", Duration::from_secs(30), || library.stored().is_empty());
    assert!(library.rows().is_empty());
}

#[test]
fn an_iso_is_downloaded_whole_and_in_parts() {
    let mut library = Library::open();
    let uuid = library.upload("Schul-CD \u{e4}");
    let one = format!("{ISOS}/{uuid}");
    let admin = library.site.admin.clone();
    let whole = admin.get(&one).send();
    whole.expect_status(200);
    assert!(whole.bytes == library.content);
    let disposition = whole.header("Content-Disposition").expect("a name");
    assert!(disposition.contains("filename=\"Schul-CD__.iso\""), "{disposition}");
    let tag = whole.header("ETag").expect("a tag").to_owned();
    let part = |range: &str| admin.get(&one).header("Range", range).header("If-Range", &tag).send();
    let (first, rest) = (part("bytes=0-40000"), part("bytes=40001-"));
    first.expect_status(206);
    rest.expect_status(206);
    assert!([first.bytes, rest.bytes].concat() == library.content);
    part(&format!("bytes={}-", library.content.len())).expect_status(416);
    refused(&admin.stranger().get(&one).send(), 401, "not-signed-in");

    // For a browser: a URL that is good for one download.
    let ticket = || admin.post(&format!("/api/v1.0/isos/{uuid}/download")).json(&json!({})).send();
    let url = ticket().data()["url"].as_str().expect("a URL").to_owned();
    let path = url.strip_prefix(library.server.base()).expect("this server");
    let stranger = admin.stranger();
    let again = stranger.get(path).header("Range", "bytes=0-9").send();
    again.expect_status(206);
    assert!(stranger.get(path).send().bytes == library.content);
    refused(&stranger.get(path).send(), 404, "download-unknown");
    let nothing = format!("/api/v1.0/isos/{NOTHING}/download");
    refused(&admin.post(&nothing).json(&json!({})).send(), 404, "iso-unknown");

    // What an administrator took away by hand is said.
    let path = library.row(&uuid)["path"].as_str().expect("a path").to_owned();
    fs::remove_file(path).expect("remove");
    refused(&admin.get(&one).send(), 409, "iso-without-copy");
    library.server.kill_and_start();
    library.site.admin = library.server.admin();
    wait_until("the row says it", Duration::from_secs(30), || library.row(&uuid)["status"] == 2);
    assert!(!library.row(&uuid)["reason"].is_null());
    library.delete(&[&uuid]).data();
    assert!(library.rows().is_empty());
}
