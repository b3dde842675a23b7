//! Base images: what becomes one, what does not, and that nothing is left of what does not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Part, SMALL, Server, Site, rows, wait_until};

const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

/// Runs qemu-img in a folder.
#[track_caller]
pub fn qemu_img(folder: &Path, arguments: &[&str]) {
    let output = Command::new("qemu-img").current_dir(folder).args(arguments).output();
    let output = output.expect("qemu-img (package qemu-utils)");
    assert!(output.status.success(), "qemu-img {arguments:?}: {output:?}");
}

/// A qcow2 of this size in the server's data directory, which no storage counts.
#[track_caller]
pub fn image_file(server: &Server, name: &str, size: &str) -> PathBuf {
    qemu_img(&server.data_here(), &["create", "-q", "-f", "qcow2", name, size]);
    server.data_here().join(name)
}

pub fn path(site: &Site) -> String {
    format!("/api/v1.0/resource_mgr/resource_pools/{}/base_images", site.pool)
}

fn file(content: Vec<u8>) -> Part<'static> {
    let size = content.len() as u64;
    let content = Box::new(std::io::Cursor::new(content));
    Part::File { name: "file", file_name: "../../image.qcow2", size, content }
}

#[track_caller]
pub fn upload(site: &Site, name: &str, content: Vec<u8>) -> Answer {
    let request = site.admin.post(&path(site)).query("name", name).query("os_type", "windows7");
    request.multipart(vec![file(content)]).send()
}

/// Files in the storages.
fn stored(server: &Server) -> Vec<PathBuf> {
    let files = server.files().into_iter();
    files.filter(|file| file.starts_with("storage")).collect()
}

#[test]
fn an_image_is_uploaded_shown_changed_verified_and_deleted() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let content = std::fs::read(image_file(&server, "image.qcow2", "3G")).expect("read");

    let answer = upload(&site, "win", content.clone());
    let uuid = answer.data()["uuid"].as_str().expect("uuid").to_owned();
    answer.documented("vdi.base-images.upload");

    let list = site.admin.get(&path(&site)).query("page", 1).query("page_size", 10).send();
    list.documented("vdi.base-images.list");
    let one = format!("{}/{uuid}", path(&site));
    let detail = site.admin.get(&one).send();
    detail.documented("vdi.base-images.detail");
    let shown = detail.data();
    crate::support::assert_json(
        &shown,
        json!({
            "uuid": uuid, "name": "win", "os_type": "Windows 7 bit 64", "os_type_simple": "win7",
            "md5_sum": md5_of(&server), "size": "0.00", "virtual_size": 3.0, "count": 1,
            "publish_count": 1, "status": 0, "reason": null, "deleted": 0, "created_at": "<time>",
            "detail": [{"host_name": "<text>", "ipaddr": "<text>", "host_uuid": "<uuid>",
                        "progress": 100, "status": 0, "reason": null}],
        }),
    );
    let at = PathBuf::from(shown["path"].as_str().expect("path"));
    assert!(content == std::fs::read(&at).expect("the layer"), "stored as it came");

    let edit =
        site.admin.put(&one).json(&json!({"name": "wîn 10", "os_type": "Windows 10 bit 64"}));
    edit.send().data();
    assert_eq!(site.admin.get(&one).send().data()["os_type_simple"], "win10");

    let node = shown["detail"][0]["host_uuid"].clone();
    let resync =
        || site.admin.post(&format!("{one}/resync")).json(&json!({"node_uuid": node})).send();
    resync().data();
    let events = crate::presence::follow(&site.admin);
    std::fs::remove_file(&at).expect("remove the layer");
    let lost = resync();
    lost.expect_status(409);
    crate::news::tells(&events, 0, "images");
    assert_eq!(lost.json()["data"]["error"], "image-copy-lost");
    let faulty = site.admin.get(&one).send().data();
    assert_eq!((&faulty["status"], &faulty["publish_count"]), (&json!(2), &json!(0)));
    assert!(faulty["reason"].as_str().is_some_and(|reason| !reason.is_empty()));

    let delete = site.admin.delete(&path(&site)).json(&json!({"uuids": [uuid, NOBODY]})).send();
    crate::support::assert_json(&delete.data(), json!({"success_num": 1, "failed_num": 1}));
    assert!(stored(&server).is_empty(), "{:?}", stored(&server));
    site.admin.get(&one).send().expect_status(404);
}

fn md5_of(server: &Server) -> String {
    let output = Command::new("md5sum").arg(server.data_here().join("image.qcow2")).output();
    let text = String::from_utf8(output.expect("md5sum").stdout).expect("text");
    text.split_whitespace().next().expect("a sum").to_owned()
}

#[test]
fn a_deletion_of_which_a_part_fails_is_partly_done() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let file = image_file(&server, "image.qcow2", "1M");
    let [good, stuck] = ["good", "stuck"].map(|name| site.upload(name, &file));
    // A disk that was set aside stands on it.
    let is_its = |path: &&PathBuf| path.ends_with(format!("base/{stuck}.qcow2"));
    let its = server.data_here().join(stored(&server).iter().find(is_its).expect("its file"));
    let lost =
        its.ancestors().nth(2).expect("the storage").join(format!("lost/1/desktops/{NOBODY}"));
    std::fs::create_dir_all(&lost).expect("make the folder");
    let below = its.to_str().expect("text");
    qemu_img(&lost, &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, "disk.qcow2"]);

    let delete = site.admin.delete(&path(&site)).json(&json!({"uuids": [good, stuck]}));
    let answer = delete.send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(1), &json!(1)), "{answer}");
    let end = site.wait_operation(answer["operation_uuid"].as_str().expect("an operation"));
    assert_eq!(end["state"], "partly", "{end:#}");
    let left = rows(&site.admin.get(&path(&site)).send());
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!((&left[0]["name"], &left[0]["uuid"]), (&json!("stuck"), &json!(stuck)));
}

#[test]
fn a_raw_image_is_converted_and_fields_may_come_in_the_form() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let mut raw = vec![0_u8; 2 << 20];
    raw[510..512].copy_from_slice(&[0x55, 0xaa]);
    raw[1 << 20] = 7;
    let field = |name, value| Part::Field { name, value };
    let parts = vec![file(raw.clone()), field("os_type", "linux"), field("name", "after")];
    let uuid = site.admin.post(&path(&site)).multipart(parts).send().data()["uuid"].clone();
    let one = format!("{}/{}", path(&site), uuid.as_str().expect("uuid"));
    let image = site.admin.get(&one).send().data();
    assert_eq!((&image["name"], &image["os_type_simple"]), (&json!("after"), &json!("linux")));
    let at = image["path"].as_str().expect("path");
    let out = server.data_here().join("back.raw");
    qemu_img(&server.data_here(), &["convert", "-O", "raw", at, out.to_str().expect("text")]);
    assert!(std::fs::read(out).expect("read") == raw, "the same disk");
}

#[test]
fn what_is_no_image_is_refused_and_leaves_nothing() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let folder = server.data_here();
    let good = std::fs::read(image_file(&server, "good.qcow2", "64M")).expect("read");
    qemu_img(
        &folder,
        &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "good.qcow2", "backed.qcow2"],
    );
    qemu_img(
        &folder,
        &["create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "outside.qcow2", "1M"],
    );
    let read = |name: &str| std::fs::read(folder.join(name)).expect("read");

    upload(&site, "taken", good.clone()).data();
    let before = (stored(&server), site.admin.get(&path(&site)).send().data());
    let refused = |name: &str, content: Vec<u8>, status: u16, error: &str| {
        let answer = upload(&site, name, content);
        answer.expect_status(status);
        assert!(!answer.refusal().is_empty());
        assert_eq!(answer.json()["data"]["error"], error, "{}", answer.body);
    };
    refused("text", b"no disk image at all".to_vec(), 400, "not-a-disk-image");
    refused("empty", Vec::new(), 400, "not-a-disk-image");
    refused("truncated", good[..good.len() / 2].to_vec(), 400, "upload-damaged");
    refused("backed", read("backed.qcow2"), 400, "image-has-backing-file");
    refused("outside", read("outside.qcow2"), 400, "image-has-data-file");
    refused("taken", good.clone(), 409, "image-name-taken");
    refused("../../etc/passwd", good.clone(), 400, "name-character");
    refused("<img src=x>", good.clone(), 400, "name-character");
    refused(&"x".repeat(300), good.clone(), 400, "name-too-long");
    refused("", good.clone(), 400, "name-empty");

    let post = || site.admin.post(&path(&site));
    let without_type = post().query("name", "a").multipart(vec![file(good.clone())]).send();
    assert_eq!(without_type.json()["data"]["field"], "os_type", "{}", without_type.body);
    let without_name = post().query("os_type", "a").multipart(vec![file(good.clone())]).send();
    assert_eq!(without_name.json()["data"]["field"], "name", "{}", without_name.body);
    let without_file = post().query("name", "a").query("os_type", "b").multipart(vec![]).send();
    assert_eq!(without_file.json()["data"]["field"], "file", "{}", without_file.body);
    let no_form = post().query("name", "a").query("os_type", "b").json(&json!({"file": 1})).send();
    no_form.expect_status(400);
    let nowhere = path(&site).replace(&site.pool, NOBODY);
    let nowhere = site.admin.post(&nowhere).query("name", "a").query("os_type", "b");
    nowhere.multipart(vec![file(good)]).send().expect_status(404);

    assert_eq!(before, (stored(&server), site.admin.get(&path(&site)).send().data()));
}

#[test]
fn an_upload_that_breaks_off_or_is_too_large_leaves_nothing() {
    let server = Server::with().env("CARREL_UPLOAD_LIMIT_GIB", 1).start();
    let site = Site::of(&server, SMALL);
    let token = site.admin.post("/account/").query("action", "login");
    let token = token.form(&[("email", "admin"), ("password", crate::support::PASSWORD)]).send();
    let token = token.data()["access_token"].as_str().expect("token").to_owned();
    let head = format!(
        "POST {}?name=cut&os_type=linux HTTP/1.1\r\nHost: carrel\r\nAuthorization: {token}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 50000000\r\n\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n",
        path(&site)
    );
    let mut stream =
        TcpStream::connect(server.base().trim_start_matches("http://")).expect("connect");
    stream.write_all(head.as_bytes()).expect("send");
    stream.write_all(&vec![1_u8; 4 << 20]).expect("send");
    wait_until("the upload's first bytes", Duration::from_secs(20), || !stored(&server).is_empty());
    drop(stream);
    wait_until("nothing left", Duration::from_secs(20), || stored(&server).is_empty());

    let huge = 2_u64 << 30;
    let part = Part::File {
        name: "file",
        file_name: "huge",
        size: huge,
        content: Box::new(std::io::repeat(0).take(huge)),
    };
    let request = site.admin.post(&path(&site)).query("name", "huge").query("os_type", "linux");
    // The refusal may come before the client has sent everything, which then sees a broken pipe.
    if let Ok(answer) = request.multipart(vec![part]).try_send() {
        assert_eq!(answer.json()["data"]["error"], "upload-too-large", "{}", answer.body);
    }
    assert!(stored(&server).is_empty(), "{:?}", stored(&server));
    assert_eq!(site.admin.get(&path(&site)).send().data()["count"], 0);
}

#[test]
fn a_server_killed_in_the_middle_of_an_upload_finds_its_rest() {
    let mut server = Server::start();
    let site = Site::of(&server, SMALL);
    let mut raw = vec![0_u8; 24 << 20];
    raw[510..512].copy_from_slice(&[0x55, 0xaa]);
    for pause in [5, 20, 60, 120, 250] {
        let (admin, path, content) = (site.admin.clone(), path(&site), raw.clone());
        let sending = std::thread::spawn(move || {
            let request = admin.post(&path).query("name", "u").query("os_type", "linux");
            drop(request.multipart(vec![file(content)]).try_send());
        });
        std::thread::sleep(Duration::from_millis(pause));
        server.kill();
        sending.join().expect("join");
        server.start_again();
        let again = Site { admin: server.admin(), ..site_ids(&site) };
        again.wait_idle();
        let images = rows(&again.admin.get(&self::path(&again)).send());
        wait_until("as many files as images", Duration::from_secs(20), || {
            stored(&server).len() == images.len()
        });
        let uuids: Vec<&Value> = images.iter().map(|image| &image["uuid"]).collect();
        if !uuids.is_empty() {
            let delete = again.admin.delete(&self::path(&again)).json(&json!({"uuids": uuids}));
            again.done(delete);
        }
    }
}

fn site_ids(site: &Site) -> Site {
    Site {
        admin: site.admin.clone(),
        pool: site.pool.clone(),
        network: site.network.clone(),
        subnet: site.subnet.clone(),
    }
}

#[test]
fn images_need_permission() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let stranger = site.admin.stranger();
    stranger.get(&path(&site)).send().expect_status(401);
    let output = server.run(
        &["admin", "add", "eve", "--role", "auditor"],
        &format!("{}\n", crate::support::PASSWORD),
    );
    assert!(output.status.success(), "{output:?}");
    let auditor = server.client().sign_in("eve", crate::support::PASSWORD);
    rows(&auditor.get(&path(&site)).send());
    let upload = auditor.post(&path(&site)).query("name", "a").query("os_type", "linux");
    upload.multipart(vec![file(vec![0; 100])]).send().expect_status(403);
    auditor.delete(&path(&site)).json(&json!({"uuids": []})).send().expect_status(403);
}
