//! Uploads in parts, by tus 1.0.0: what goes on, what is refused, and that nothing is left of what does not go on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::refused::{NOTHING, auditor, needs_a_right, refused, rows};
use crate::support::{
    Client, ISOS, PASSWORD, SMALL, Server, Site, UPLOADS, Upload, create_iso, iso, metadata, tus,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);

struct Place {
    server: Server,
    site: Site,
    content: Vec<u8>,
}

impl Place {
    fn open() -> Self {
        let server = Server::start();
        let site = Site::of(&server, SMALL);
        // Larger than what is on its way at a time.
        let noise: Vec<u8> =
            (0..12_u32 << 20).map(|n| (n.wrapping_mul(n >> 7) >> 3) as u8).collect();
        let content = fs::read(iso(&server, "setup.bin", &noise)).expect("read");
        Self { server, site, content }
    }

    fn admin(&self) -> &Client {
        &self.site.admin
    }

    #[track_caller]
    fn begin(&self, name: &str) -> Upload {
        let created = create_iso(self.admin(), name, self.content.len()).send();
        Upload::of(self.admin(), &created)
    }

    /// Of uploads that are no image yet.
    fn parts(&self) -> Vec<PathBuf> {
        let files = self.server.files().into_iter();
        files.filter(|file| file.extension().is_some_and(|it| it == "part")).collect()
    }

    /// The library's row of an ISO, once it is there and whole.
    #[track_caller]
    fn ready(&self, name: &str) -> serde_json::Value {
        let mut found = None;
        wait_until("the ISO in the library", LIMIT, || {
            found = rows(self.admin(), ISOS)
                .into_iter()
                .find(|row| row["name"] == name && row["status"] == 0 && !row["path"].is_null());
            found.is_some()
        });
        found.expect("a row")
    }

    #[track_caller]
    fn is_whole(&self, name: &str) {
        let row = self.ready(name);
        assert_eq!(row["sha256_sum"], hex::encode(Sha256::digest(&self.content)));
        assert_eq!(row["md5_sum"].as_str().map(str::len), Some(32));
        assert!(fs::read(row["path"].as_str().expect("a path")).expect("read") == self.content);
        assert!(self.parts().is_empty(), "{:?}", self.parts());
    }

    fn database(&self) -> Connection {
        Connection::open(self.server.data_here().join("carrel.db")).expect("open")
    }
}

#[test]
fn an_upload_in_parts_becomes_what_it_was_to_be() {
    let place = Place::open();
    let options = place.admin().stranger().request("OPTIONS", UPLOADS).send();
    options.expect_status(204);
    assert_eq!(options.header("Tus-Version"), Some("1.0.0"));
    assert_eq!(options.header("Tus-Extension"), Some("creation,expiration,termination"));
    assert!(options.header("Tus-Max-Size").is_some());

    let upload = place.begin("installer");
    assert_eq!(upload.offset(), 0);
    let part = place.server.data_here().join(&place.parts()[0]);
    let held = fs::metadata(part).expect("its file").blocks() * 512;
    assert!(held >= place.content.len() as u64, "only {held} bytes of room are taken");
    let (first, rest) = place.content.split_at(5_000_001);
    let answer = upload.append(0, first);
    answer.expect_status(204);
    assert_eq!(answer.header("Upload-Offset"), Some("5000001"));
    assert!(answer.header("Upload-Expires").is_some_and(|time| time.ends_with(" GMT")));
    let head = upload.head();
    assert_eq!(head.header("Upload-Offset"), Some("5000001"));
    assert_eq!(head.header("Upload-Length"), Some(place.content.len().to_string().as_str()));
    assert!(head.header("Upload-Metadata").is_some_and(|it| it.contains("kind aXNv")));
    assert_eq!(head.header("Cache-Control"), Some("no-store"));
    let listed = place.admin().get(UPLOADS).send().data();
    let wanted = json!([{
        "uuid": upload.uuid(), "kind": "iso", "name": "installer", "os_type": "Linux", "pool": null,
        "iso_type": 3, "file_name": "a.iso", "fingerprint": "a.iso-1", "size": place.content.len(),
        "received": 5_000_001, "created_at": "<time>", "expires_at": "<time>",
    }]);
    crate::support::assert_json(&listed, wanted);
    assert!(rows(place.admin(), ISOS).is_empty(), "nothing is visible before the last byte");

    // The last bytes come behind a proxy that lets only POST pass.
    let by_post =
        tus(place.admin(), "POST", &upload.path).header("X-HTTP-Method-Override", "PATCH");
    let by_post = by_post.header("Upload-Offset", 5_000_001);
    let answer = by_post.bytes("application/offset+octet-stream", rest.to_vec()).send();
    answer.expect_status(204);
    place.is_whole("installer");
    assert_eq!(place.ready("installer")["uuid"], upload.uuid());

    // Who missed the answer hears that it is whole; it is no upload any more.
    assert_eq!(upload.offset(), place.content.len());
    assert_eq!(place.admin().get(UPLOADS).send().data(), json!([]));
    refused(&upload.append(5_000_001, rest), 409, "upload-offset-wrong");
    refused(&upload.cancel(), 422, "upload-added");
    // Its beginning, its arrival and what came too late are in the log, each once; the newest first.
    let log = place.admin().get("/api/v1.0/index/get_operation_log/").query("subject", "installer");
    let log = log.send().data()["results"].as_array().expect("lines").clone();
    let modules: Vec<_> = log.iter().map(|line| (&line["module"], &line["succeeded"])).collect();
    let (yes, no) = (json!(true), json!(false));
    let (isos, images) = (json!("isos"), json!("images"));
    assert_eq!(modules, [(&images, &no), (&isos, &yes), (&images, &yes)]);
}

#[test]
fn a_base_image_comes_in_parts_too() {
    let place = Place::open();
    let image = fs::read(crate::support::small_image(&place.server)).expect("read");
    let pairs = [
        ("kind", "base_image"),
        ("pool", place.site.pool.as_str()),
        ("name", "disk"),
        ("os_type", "linux"),
    ];
    let created = tus(place.admin(), "POST", UPLOADS).header("Upload-Length", image.len());
    let created = created.header("Upload-Metadata", metadata(&pairs)).send();
    let upload = Upload::of(place.admin(), &created);
    upload.append(0, &image[..100]).expect_status(204);
    upload.append(100, &image[100..]).expect_status(204);
    let images = format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", place.site.pool);
    wait_until("the image", LIMIT, || {
        rows(place.admin(), &images).iter().any(|row| row["name"] == "disk" && row["status"] == 0)
    });
    assert!(place.parts().is_empty());
}

#[test]
fn hostile_requests_are_refused_and_leave_nothing() {
    let place = Place::open();
    let admin = place.admin();
    for length in ["-1", "+5", "1e9", "", "abc", "99999999999999999999999", "18446744073709551615"]
    {
        refused(&create_iso(admin, "x", length).send(), 400, "header-not-a-size");
    }
    refused(&create_iso(admin, "x", 0).send(), 400, "upload-empty");
    refused(&create_iso(admin, "x", 1_u64 << 62).send(), 413, "upload-too-large");
    let about = |length: bool, metadata: &str| {
        let request = tus(admin, "POST", UPLOADS).header("Upload-Metadata", metadata);
        if length { request.header("Upload-Length", 10).send() } else { request.send() }
    };
    refused(&about(false, "kind aXNv"), 400, "upload-length-missing");
    refused(&about(true, ""), 400, "field-missing");
    refused(&about(true, "kind %%%"), 400, "upload-metadata-malformed");
    refused(&about(true, "kind aXNv,kind aXNv"), 400, "upload-metadata-malformed");
    refused(&about(true, "kind /w=="), 400, "text-not-utf8");
    refused(&about(true, &"a".repeat(5000)), 400, "text-too-long");
    refused(&about(true, &metadata(&[("kind", "cat")])), 400, "upload-kind-unknown");
    let image = |pool: &str, more: &[(&str, &str)]| {
        let pairs = [("kind", "base_image"), ("pool", pool), ("name", "n"), ("os_type", "linux")];
        about(true, &metadata(&[pairs.as_slice(), more].concat()))
    };
    refused(&image(NOTHING, &[]), 404, "pool-unknown");
    refused(&image("../x", &[]), 400, "uuid-malformed");
    refused(&image(&place.site.pool, &[("disk", "-1")]), 400, "ova-disk-number");
    let named = |name: &str| create_iso(admin, name, 10).send();
    refused(&named("../../etc/passwd"), 400, "name-character");
    refused(&named(&"x".repeat(300)), 400, "name-too-long");
    place.site.upload_iso("taken", &iso(&place.server, "other", b"other"));
    refused(&named("taken"), 422, "iso-name-taken");
    let unversioned = admin.post(UPLOADS).header("Upload-Length", 10).send();
    refused(&unversioned, 412, "tus-version-unknown");
    assert_eq!(unversioned.header("Tus-Version"), Some("1.0.0"));
    assert!(place.parts().is_empty());

    let upload = place.begin("good");
    let part = |from: &str, kind: &str| upload.part(from).bytes(kind, vec![1; 10]).send();
    let kind = "application/offset+octet-stream";
    for from in ["-1", "x", "99999999999999999999"] {
        refused(&part(from, kind), 400, "header-not-a-size");
    }
    refused(&part("7", kind), 409, "upload-offset-wrong");
    refused(&part("0", "application/octet-stream"), 415, "upload-not-a-part");
    refused(&part(&i64::MAX.to_string(), kind), 413, "upload-too-long");
    let unplaced = tus(admin, "PATCH", &upload.path).bytes(kind, vec![1; 10]).send();
    refused(&unplaced, 400, "upload-offset-missing");
    let other = tus(admin, "POST", &upload.path).header("X-HTTP-Method-Override", "PUT").send();
    refused(&other, 400, "upload-method-unknown");
    assert_eq!(upload.offset(), 0, "none of it was taken");

    // More than was declared, with and without a length that says so.
    let more = [place.content.as_slice(), b"more"].concat();
    refused(&upload.append(0, &more), 413, "upload-too-long");
    upload.append(0, &place.content[..1000]).expect_status(204);
    let rest = upload.part(1000).bytes(kind, vec![7; place.content.len() + (1 << 20)]);
    refused(&rest.without_length().send(), 413, "upload-too-long");
    let there = upload.offset();
    assert!((1000..place.content.len()).contains(&there), "{there}");
    upload.cancel().expect_status(204);
    upload.head().expect_status(404);
    refused(&upload.append(there, b"x"), 404, "upload-unknown");
    refused(&upload.cancel(), 404, "upload-unknown");
    assert!(place.parts().is_empty());
}

#[test]
fn what_is_no_iso_is_thrown_away_where_it_stands() {
    let place = Place::open();
    let upload = place.begin("no ISO");
    refused(&upload.append(0, &vec![1; 1 << 20]), 400, "not-an-iso");
    upload.head().expect_status(404);
    assert!(place.parts().is_empty());
    // In parts so small that its check finds it.
    let created = create_iso(place.admin(), "no ISO", 100_000).send();
    let upload = Upload::of(place.admin(), &created);
    upload.append(0, &[1; 10]).expect_status(204);
    upload.append(10, &[1; 99_990]).expect_status(204);
    wait_until("nothing left", LIMIT, || place.parts().is_empty());
    wait_until("no row", LIMIT, || rows(place.admin(), ISOS).is_empty());
}

#[test]
fn an_upload_is_its_owners_alone() {
    let place = Place::open();
    let upload = place.begin("mine");
    let added = place.server.run(&["admin", "add", "second", "--role", "admin"], PASSWORD);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let second = place.server.client().sign_in("second", PASSWORD);
    let theirs = Upload { client: second.clone(), path: upload.path.clone() };
    theirs.head().expect_status(403);
    refused(&theirs.append(0, b"x"), 403, "upload-of-another");
    refused(&theirs.cancel(), 403, "upload-of-another");
    assert_eq!(second.get(UPLOADS).send().data(), json!([]));
    let auditor = auditor(&place.server);
    needs_a_right(&auditor, "GET", UPLOADS);
    needs_a_right(&auditor, "POST", UPLOADS);
    needs_a_right(&auditor, "PATCH", &upload.path);
    needs_a_right(&auditor, "DELETE", &upload.path);
    assert_eq!(upload.offset(), 0);

    // Each holds its room: there is an end of them.
    let more: Vec<Upload> = (1..16).map(|n| place.begin(&format!("more {n}"))).collect();
    let size = place.content.len();
    refused(&create_iso(place.admin(), "too many", size).send(), 429, "uploads-too-many");
    more[0].cancel().expect_status(204);
    place.begin("one more");
}

#[test]
fn one_writes_at_a_time_and_a_cancel_breaks_it_off() {
    let place = Place::open();
    let upload = place.begin("busy");
    let (request, go_on) = upload.begin_part(0, &place.content, 3 << 20);
    let writer = thread::spawn(move || request.try_send().map(|answer| answer.status));
    wait_until("the first bytes", LIMIT, || upload.offset() > 0);
    refused(&upload.append(upload.offset(), b"x"), 423, "upload-in-use");
    // Of whom nothing comes for a while has lost its network: who goes on takes its place.
    wait_until("the next one's turn", LIMIT, || {
        let from = upload.offset();
        upload.append(from, &place.content[from..from + 10]).status == 204
    });
    drop(go_on);
    assert!(!matches!(writer.join().expect("join"), Ok(204)), "its bytes were not taken");

    let from = upload.offset();
    let (request, go_on) = upload.begin_part(from, &place.content[from..], 1 << 20);
    let writer = thread::spawn(move || request.try_send().map(|answer| answer.status));
    wait_until("more bytes", LIMIT, || upload.offset() > from);
    upload.cancel().expect_status(204);
    drop(go_on);
    assert!(!matches!(writer.join().expect("join"), Ok(204)));
    upload.head().expect_status(404);
    assert!(place.parts().is_empty());
}

#[test]
fn an_upload_goes_on_after_a_kill_and_expires_when_nobody_does() {
    let mut place = Place::open();
    let upload = place.begin("killed");
    let acknowledged = 1 << 20;
    upload.append(0, &place.content[..acknowledged]).expect_status(204);
    let (request, go_on) = upload.begin_part(acknowledged, &place.content[acknowledged..], 6 << 20);
    let writer = thread::spawn(move || request.try_send().map(|answer| answer.status));
    wait_until("more bytes", LIMIT, || upload.offset() > acknowledged);
    place.server.kill_and_start();
    drop(go_on);
    assert!(writer.join().expect("join").is_err(), "its server is gone");
    place.site.admin = place.server.admin();
    let upload = Upload { client: place.site.admin.clone(), path: upload.path.clone() };
    let there = upload.offset();
    assert!(there >= acknowledged, "{there} of what was acknowledged");
    upload.append(there, &place.content[there..]).expect_status(204);
    place.is_whole("killed");

    // Killed behind the last byte, before it went on with it: who asks has it go on.
    let upload = place.begin("last byte");
    let part = place.server.data_here().join(&place.parts()[0]);
    fs::write(part, &place.content).expect("the bytes of a part whose server was killed");
    assert_eq!(upload.offset(), place.content.len());
    place.is_whole("last byte");

    let left = place.begin("left");
    left.append(0, &place.content[..1000]).expect_status(204);
    let kept = place.begin("kept");
    place.server.stop();
    let old = "UPDATE uploads SET expires_at = 0 WHERE name IN ('left', 'killed')";
    assert_eq!(place.database().execute(old, []).expect("update"), 2);
    place.server.start_again();
    place.site.admin = place.server.admin();
    wait_until("the expired one's end", LIMIT, || place.parts().len() == 1);
    let kept = Upload { client: place.site.admin.clone(), path: kept.path.clone() };
    assert_eq!(kept.offset(), 0);
    wait_until("its row's end", LIMIT, || {
        let left = "SELECT count(*) FROM uploads WHERE name IN ('left', 'killed')";
        place.database().query_row(left, [], |row| row.get::<_, u32>(0)).expect("count") == 0
    });
    place.is_whole_but_kept("killed");
}

impl Place {
    /// What became an ISO is none the worse for its upload's expiry.
    #[track_caller]
    fn is_whole_but_kept(&self, name: &str) {
        let path = self.ready(name)["path"].as_str().expect("a path").to_owned();
        assert!(fs::read(path).expect("read") == self.content);
    }
}
