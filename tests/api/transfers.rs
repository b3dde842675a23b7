//! Images on their way to other nodes: no room, a stop in the middle, a kill in the middle.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, Part, SMALL, Server, Site, SmallDisk, rows, uuid_of, wait_for, wait_until,
};
use crate::three_nodes::all_active;

const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
const OPERATIONS: &str = "/api/v1.0/operations";
const LIMIT: Duration = Duration::from_secs(60);

/// A disk image of so many MiB that nothing can make smaller.
fn image(server: &Server, mib: usize) -> PathBuf {
    let raw = server.data_here().join("random.raw");
    let mut random = File::open("/dev/urandom").expect("random bytes").take((mib << 20) as u64);
    std::io::copy(&mut random, &mut File::create(&raw).expect("make a file")).expect("fill it");
    let image = server.data_here().join("random.qcow2");
    let made = Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([&raw, &image])
        .status();
    assert!(made.expect("qemu-img").success());
    std::fs::remove_file(raw).expect("remove a file");
    image
}

fn upload(site: &Site, file: &Path) -> JoinHandle<Answer> {
    let (admin, images) = (site.admin.clone(), format!("{POOLS}/{}/base_images", site.pool));
    let content = File::open(file).expect("the image");
    let size = content.metadata().expect("the image").len();
    std::thread::spawn(move || {
        let content = Box::new(content);
        let part = Part::File { name: "file", file_name: "image.qcow2", size, content };
        let request = admin.post(&images).query("name", "large").query("os_type", "linux");
        request.multipart(vec![part]).send()
    })
}

/// The copy on `node2`.
fn copy(admin: &Client, pool: &str) -> Option<Value> {
    let image = rows(&admin.get(&format!("{POOLS}/{pool}/base_images")).send()).pop()?;
    let copies = image["detail"].as_array()?.clone();
    copies.into_iter().find(|copy| copy["host_name"] == "node2")
}

/// Waits until some of the bytes are on their way, but not all.
fn half_way(admin: &Client, pool: &str) {
    wait_for("an image on its way", LIMIT, || {
        let copy = copy(admin, pool)?;
        assert_ne!(copy["status"], 0, "too fast to see: {copy:#}");
        (1..99).contains(&copy["progress"].as_u64()?).then_some(())
    });
}

fn parts(storage: &Path) -> Vec<String> {
    let out = Command::new("find").arg(storage).args(["-name", "*.part"]).output().expect("find");
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_receiver_without_room_ends_the_transfer_and_says_so() {
    let disk = SmallDisk::new(24);
    let server = Server::with().node_with_storage(disk.storage()).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let file = image(&server, 48);
    let partly = upload(&site, &file).join().expect("an answer").data();
    let end = site.wait_operation(partly["operation_uuid"].as_str().expect("an operation"));
    assert_eq!(end["state"], "partly", "{end:#}");
    let parts_of = end["parts"].as_array().expect("parts").iter();
    let parts_of: Vec<&Value> = parts_of.map(|part| &part["state"]).collect();
    assert_eq!(parts_of, ["succeeded", "failed"], "{end:#}");
    let failed = copy(&site.admin, &site.pool).expect("the row of the copy");
    assert_eq!(failed["status"], 2, "{failed:#}");
    assert!(failed["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{failed:#}");
    assert_eq!(parts(&disk.storage()), Vec::<String>::new());
    // The node goes on.
    site.wait_idle();
    let small = site.upload("small", &crate::support::empty_image());
    // The image that one node lacks is good on the other.
    let large = uuid_of(&site.admin, &format!("{POOLS}/{}/base_images", site.pool), "large");
    site.template("of large", &large);
    site.template("of small", &small);
}

#[test]
fn a_transfer_is_cancelled_while_its_receiver_hangs() {
    let mut server = Server::with().nodes(1).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let uploading = upload(&site, &image(&server, 384));
    half_way(&site.admin, &site.pool);
    server.agent(2).signal(Signal::SIGSTOP);
    let open = rows(&site.admin.get(OPERATIONS).query("open", 1).send());
    let uuid = open[0]["uuid"].as_str().expect("uuid").to_owned();
    site.admin.action(OPERATIONS, "cancel", json!({"uuid": uuid})).send().data();
    let end = site.wait_operation(&uuid);
    server.agent(2).signal(Signal::SIGCONT);
    // The image itself was there before: it stays and is good.
    assert_eq!(end["state"], "partly", "{end:#}");
    let states: Vec<&Value> =
        end["parts"].as_array().expect("parts").iter().map(|part| &part["state"]).collect();
    assert_eq!(states, ["succeeded", "cancelled"], "{end:#}");
    let image = uuid_of(&site.admin, &format!("{POOLS}/{}/base_images", site.pool), "large");
    site.template("made of it", &image);
    let storage = server.agent(2).storage().to_owned();
    wait_until("the unfinished file to go", LIMIT, || parts(&storage).is_empty());
    drop(uploading.join());
}

#[test]
fn what_two_operations_need_on_a_node_is_brought_there_once() {
    let server = Server::with().nodes(1).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let uploading = upload(&site, &image(&server, 384));
    half_way(&site.admin, &site.pool);
    let large = uuid_of(&site.admin, &format!("{POOLS}/{}/base_images", site.pool), "large");
    // As if the pool had no other node for the template.
    let database = Connection::open(server.data_here().join("carrel.db")).expect("open");
    database.busy_timeout(LIMIT).expect("wait for others");
    let roles = |sql: &str| assert_eq!(database.execute(sql, []).expect("change a role"), 1);
    roles("UPDATE nodes SET role = role + 2 WHERE is_local = 1");
    let param = json!({
        "name": "far", "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.08,
        "system_disk": {"image_id": large, "size": 1}, "data_disks": [],
    });
    let create = site.admin.action("/api/v1.0/education/template/", "create", param);
    let created = create.header("Prefer", "respond-async").send().data();
    roles("UPDATE nodes SET role = role - 2 WHERE is_local = 1");
    let adding = rows(&site.admin.get(OPERATIONS).query("open", 1).send());
    let kinds: Vec<&Value> = adding.iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["template-create", "image-add"], "both at the same time");
    for uuid in [&created["operation_uuid"], &adding[1]["uuid"]] {
        let end = site.wait_operation(uuid.as_str().expect("an operation"));
        assert_eq!(end["state"], "succeeded", "{end:#}");
    }
    assert_eq!(copy(&site.admin, &site.pool).expect("the copy")["status"], 0);
    drop(uploading.join());
}

#[test]
fn a_transfer_goes_on_after_the_server_was_killed() {
    let mut server = Server::with().nodes(1).start();
    let site = Site::of(&server, SMALL);
    all_active(&site.admin, 2);
    let uploading = upload(&site, &image(&server, 384));
    half_way(&site.admin, &site.pool);
    server.kill();
    // Its connection broke.
    drop(uploading.join());
    server.start_again();
    let admin = server.admin();
    wait_until("the copy", LIMIT, || {
        copy(&admin, &site.pool).is_some_and(|copy| copy["status"] == 0 && copy["progress"] == 100)
    });
    assert_eq!(parts(server.agent(2).storage()), Vec::<String>::new());
    uuid_of(&admin, &format!("{POOLS}/{}/base_images", site.pool), "large");
}
