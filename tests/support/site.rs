//! What an administrator does first, by documented calls: image, template, classroom, desktops.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Answer, Client, Part, Request};
use super::server::Server;
use super::wait::wait_for;

/// Longest wait for an operation; deploying hundreds of desktops takes seconds.
const OPERATION_LIMIT: Duration = Duration::from_secs(180);
/// Longest wait for what a fresh installation makes by itself.
const START_LIMIT: Duration = Duration::from_secs(30);
const POOLS: &str = "/api/v1.0/resource_mgr/resource_pools";
pub const ISOS: &str = "/api/v1.0/resource_mgr/isos";
const NODES: &str = "/api/v1.0/resource_mgr/controller_nodes";
const NETWORKS: &str = "/api/v1.0/resource_mgr/data_networks";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const GROUPS: &str = "/api/v1.0/education/group/";
const DESKTOPS: &str = "/api/v1.0/education/desktop/";
const INSTANCES: &str = "/api/v1.0/education/instance/";

/// A subnet to be made: first and last address, mask and gateway.
#[derive(Clone, Copy)]
pub struct Range {
    pub start: &'static str,
    pub end: &'static str,
    pub netmask: &'static str,
    pub gateway: &'static str,
}

/// 200 addresses, enough for most tests.
pub const SMALL: Range = Range {
    start: "10.66.0.20",
    end: "10.66.0.219",
    netmask: "255.255.255.0",
    gateway: "10.66.0.1",
};
/// Some 60,000 addresses.
pub const LARGE: Range = Range {
    start: "10.67.1.0",
    end: "10.67.250.254",
    netmask: "255.255.0.0",
    gateway: "10.67.0.1",
};

/// A disk image of 1 MiB without anything on it.
pub fn small_image(server: &Server) -> PathBuf {
    let path = server.data_here().join("small-image.qcow2");
    let output = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&path)
        .arg("1M")
        .output();
    assert!(output.expect("qemu-img").status.success());
    path
}

/// A CD of ISO 9660 with a file of this name and content.
pub fn iso(server: &Server, name: &str, content: &[u8]) -> PathBuf {
    let folder = server.data_here().join(format!("cd of {name}"));
    fs::create_dir_all(&folder).expect("make the folder");
    fs::write(folder.join(name), content).expect("write");
    let path = server.data_here().join(format!("{name}.iso"));
    let mut made = Command::new("xorrisofs");
    let made = made.args(["-quiet", "-R", "-V", "CARREL", "-o"]).arg(&path).arg(&folder);
    let output = made.output().expect("xorrisofs (package xorriso)");
    assert!(output.status.success(), "{output:?}");
    path
}

/// A server with its default pool and network and a subnet, and who acts on it.
#[derive(Clone)]
pub struct Site {
    pub admin: Client,
    pub pool: String,
    pub network: String,
    pub subnet: String,
}

impl Site {
    /// Adds a subnet to the default network.
    #[track_caller]
    pub fn of(server: &Server, range: Range) -> Self {
        let admin = server.admin();
        let pool = first_uuid(&admin, POOLS);
        let network = first_uuid(&admin, NETWORKS);
        let Range { start, end, netmask, gateway } = range;
        let subnets = format!("{NETWORKS}/{network}/sub_networks");
        let new = json!({
            "name": "tests", "start_ip": start, "end_ip": end, "netmask": netmask,
            "gateway": gateway, "dns1": gateway,
        });
        admin.post(&subnets).json(&new).send().data();
        let subnet = uuid_of(&admin, &subnets, "tests");
        Self { admin, pool, network, subnet }
    }

    /// With the subnet that a fresh installation has, when its node answers.
    #[track_caller]
    pub fn of_default(server: &Server) -> Self {
        Self::of_default_as(server.admin())
    }

    /// As [`Site::of_default`], with whom the administrator is.
    #[track_caller]
    pub fn of_default_as(admin: Client) -> Self {
        let pool = first_uuid(&admin, POOLS);
        let network = first_uuid(&admin, NETWORKS);
        let subnet = first_uuid(&admin, &format!("{NETWORKS}/{network}/sub_networks"));
        wait_for("the node of this machine", START_LIMIT, || {
            let nodes = rows(&admin.get(NODES).send());
            (nodes.first()?["status"] == "active").then_some(())
        });
        Self { admin, pool, network, subnet }
    }

    /// Uploads a disk image and waits until it is on the node. Gives its uuid.
    #[track_caller]
    pub fn upload(&self, name: &str, file: &Path) -> String {
        let images = format!("{POOLS}/{}/base_images", self.pool);
        let content = File::open(file).expect("the image");
        let size = content.metadata().expect("the image").len();
        let part =
            Part::File { name: "file", file_name: "image.qcow2", size, content: Box::new(content) };
        let upload = self.admin.post(&images).query("name", name).query("os_type", "linux");
        self.done(upload.multipart(vec![part]));
        uuid_of(&self.admin, &images, name)
    }

    /// Uploads an ISO. Gives its uuid.
    #[track_caller]
    pub fn upload_iso(&self, name: &str, file: &Path) -> String {
        let content = File::open(file).expect("the ISO");
        let size = content.metadata().expect("the ISO").len();
        let part =
            Part::File { name: "file", file_name: "cd.iso", size, content: Box::new(content) };
        let upload = self.admin.post(ISOS).query("name", name).query("os_type", "linux");
        self.done(upload.query("iso_type", 3).multipart(vec![part]));
        uuid_of(&self.admin, ISOS, name)
    }

    /// Makes a template of a base image, with 80 MiB of memory, and waits until it is there.
    #[track_caller]
    pub fn template(&self, name: &str, image: &str) -> String {
        let param = json!({
            "name": name, "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": self.pool,
            "network_uuid": self.network, "subnet_uuid": self.subnet, "vcpu": 1, "ram": 0.08,
            "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
        });
        self.done(self.admin.action(TEMPLATES, "create", param));
        uuid_of(&self.admin, TEMPLATES, name)
    }

    /// Makes an education group: a classroom.
    #[track_caller]
    pub fn classroom(&self, name: &str) -> String {
        self.classroom_at(name, "192.0.2.10", "192.0.2.200")
    }

    /// As [`Site::classroom`], with these addresses of terminals: those of two classrooms never overlap.
    #[track_caller]
    pub fn classroom_at(&self, name: &str, start: &str, end: &str) -> String {
        let new = json!({
            "name": name, "group_type": 1, "desc": "", "network_uuid": self.network,
            "subnet_uuid": self.subnet, "start_ip": start, "end_ip": end,
        });
        self.admin.post(GROUPS).json(&new).send().data();
        uuid_of(&self.admin, GROUPS, name)
    }

    /// The request that deploys a group of `count` desktops, restored at every start.
    pub fn deploy_request(
        &self,
        name: &str,
        classroom: &str,
        template: &str,
        count: u32,
    ) -> Request {
        let param = json!({
            "name": name, "group_uuid": classroom, "template_uuid": template, "pool_uuid": self.pool,
            "network_uuid": self.network, "subnet_uuid": self.subnet, "vcpu": 1, "ram": 0.08,
            "sys_restore": 1, "data_restore": 1, "instance_num": count, "prefix": name, "postfix": 3,
            "postfix_start": 1,
        });
        self.admin.action(DESKTOPS, "create", param)
    }

    /// Deploys a group of desktops and waits until it is whole. Gives the desktop group's uuid.
    #[track_caller]
    pub fn deploy(&self, name: &str, classroom: &str, template: &str, count: u32) -> String {
        self.done(self.deploy_request(name, classroom, template, count));
        uuid_of(&self.admin, DESKTOPS, name)
    }

    /// `start`, `stop`, `reboot`, `active` or `inactive` of a desktop group, to its end.
    #[track_caller]
    pub fn group_action(&self, action: &str, uuid: &str, name: &str) -> Value {
        let param = json!({"desktops": [{"uuid": uuid, "name": name}]});
        self.done(self.admin.action(DESKTOPS, action, param))
    }

    /// Deletes a desktop group with its desktops, to the end.
    #[track_caller]
    pub fn delete_group(&self, uuid: &str, name: &str) {
        let body = json!({"desktops": [{"uuid": uuid, "name": name}]});
        self.done(self.admin.delete(DESKTOPS).json(&body));
    }

    /// The desktops of a desktop group, a page of at most 1000.
    #[track_caller]
    pub fn desktops(&self, group: &str) -> Vec<Value> {
        let page =
            self.admin.get(INSTANCES).query("searchtype", "all").query("desktop_uuid", group);
        rows(&page.query("page", 1).query("page_size", 1000).send())
    }

    /// Sends a request, asserts success, and waits for the end of the operation that it started, if
    /// any, which must succeed. Gives `data`.
    #[track_caller]
    pub fn done(&self, request: Request) -> Value {
        let data = request.send().data();
        if let Some(operation) = data["operation_uuid"].as_str() {
            let end = self.wait_operation(operation);
            assert_eq!(end["state"], "succeeded", "{end:#}");
            assert_eq!(end["failed"], json!([]), "{end:#}");
        }
        data
    }

    /// Waits until an operation is over, and gives its row.
    #[track_caller]
    pub fn wait_operation(&self, uuid: &str) -> Value {
        wait_for("the end of an operation", OPERATION_LIMIT, || {
            let page = self.admin.get("/api/v1.0/operations").query("page_size", 100).send();
            let row = rows(&page).into_iter().find(|row| row["uuid"] == uuid)?;
            let is_over = row["state"].as_str().is_some_and(|state| {
                ["succeeded", "partly", "failed", "cancelled"].contains(&state)
            });
            is_over.then_some(row)
        })
    }

    /// Waits until no operation is queued or running.
    #[track_caller]
    pub fn wait_idle(&self) {
        wait_for("the end of all operations", OPERATION_LIMIT, || {
            let open = self.admin.get("/api/v1.0/operations").query("open", 1).send();
            rows(&open).is_empty().then_some(())
        });
    }
}

/// The rows of a page.
#[track_caller]
pub fn rows(answer: &Answer) -> Vec<Value> {
    let data = answer.data();
    data["results"].as_array().unwrap_or_else(|| panic!("{}: {data:#}", answer.what)).clone()
}

/// The uuid of what a list calls `name`.
#[track_caller]
pub fn uuid_of(client: &Client, list: &str, name: &str) -> String {
    let page = client.get(list).query("searchtype", "all").query("name", name).send();
    let found = rows(&page);
    let row = found.iter().find(|row| row["name"] == name);
    let uuid = row.and_then(|row| row["uuid"].as_str());
    uuid.unwrap_or_else(|| panic!("{list} has no {name}: {found:#?}")).to_owned()
}

/// The uuid of the first row of a list. The default network is made when the agent of the machine has
/// been asked what is free, a moment after the server is ready.
#[track_caller]
fn first_uuid(client: &Client, list: &str) -> String {
    wait_for(&format!("the first row of {list}"), START_LIMIT, || {
        let found = rows(&client.get(list).send());
        Some(found.first()?["uuid"].as_str()?.to_owned())
    })
}
