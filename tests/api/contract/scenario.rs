//! Every served operation once, by the calls that the documents show, its answer asserted field by
//! field. The hypervisor is libvirt's simulator; `tests/lab` tells the same story with real guests.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, Client, ISOS, Part, SMALL, Server, Site, assert_json, empty_image, iso, rows, uuid_of,
    wait_until,
};

const MANAGER: &str = "/api/v1.0/resource_mgr";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const GROUPS: &str = "/api/v1.0/education/group/";
const DESKTOPS: &str = "/api/v1.0/education/desktop/";
const INSTANCES: &str = "/api/v1.0/education/instance/";

#[test]
fn main_page() {
    let server = Server::start();
    let admin = server.admin();
    let top = admin.post("/api/v1.0/index/get_top_data/").json(&json!({"statis_period": 15}));
    top.send().documented("vdi.index.top-data");
    let counts = admin.get("/api/v1.0/index/get_resource_statistic/").send();
    let counts = counts.documented("vdi.index.resource-statistic");
    assert_json(&counts, json!({"sum_node_cnt": 1, "resource_pool_cnt": 1}));
    let log =
        admin.get("/api/v1.0/index/get_operation_log/").query("page", 1).query("page_size", 5);
    let log = log.send().documented("vdi.index.operation-log");
    assert!(log["count"].as_i64() > Some(0), "signing in is in the log: {log:#}");
}

#[test]
fn pools_and_the_controller_node() {
    let server = Server::start();
    let admin = server.admin();
    let pools = format!("{MANAGER}/resource_pools");
    let made = admin.post(&pools).json(&json!({"name": "second", "desc": "for tests"})).send();
    let made = made.documented("vdi.resource-pools.create");
    let one = format!("{pools}/{}", text(&made["uuid"]));
    let edit = admin.put(&one).json(&json!({"name": "renamed", "desc": "changed"}));
    edit.send().documented("vdi.resource-pools.edit");
    let list = admin.get(&pools).query("page", 1).query("page_size", 10).send();
    assert_eq!(list.documented("vdi.resource-pools.list")["count"], 2);
    assert_eq!(uuid_of(&admin, &pools, "renamed"), text(&made["uuid"]));
    let delete = admin.delete(&pools).json(&json!({"uuids": [made["uuid"]]}));
    delete.send().documented("vdi.resource-pools.delete");
    assert_eq!(rows(&admin.get(&pools).send()).len(), 1);

    let nodes = format!("{MANAGER}/controller_nodes");
    let list = admin.get(&nodes).send().documented("vdi.controller-nodes.list");
    assert_json(&list, json!({"count": 1, "results": [{"type": 1}]}));
    let node = text(&list["results"][0]["uuid"]);
    let pool = uuid_of(&admin, &pools, "default");
    let in_pool = format!("{pools}/{pool}/nodes");
    let list = admin.get(&in_pool).query("page", 1).query("page_size", 10).send();
    assert_eq!(list.documented("vdi.compute-nodes.list")["results"][0]["uuid"], node.as_str());
    let single = admin.get(&in_pool).query("searchtype", "single").query("uuid", &node).send();
    assert_eq!(single.documented("vdi.compute-nodes.detail")["uuid"], node.as_str());

    let one = format!("{nodes}/{node}");
    let rename = admin.put(&one).json(&json!({"name": "front", "add_compute_function": false}));
    rename.send().documented("vdi.controller-nodes.rename");
    assert_eq!(rows(&admin.get(&nodes).send())[0]["name"], "front");
}

#[test]
fn switches_networks_and_subnets() {
    let server = Server::start();
    let admin = server.admin();
    let switches = format!("{MANAGER}/vswitchs");
    let new = json!({"name": "floor", "type": "vlan", "desc": "second floor", "uplinks": []});
    admin.post(&switches).json(&new).send().documented("vdi.vswitchs.create");
    let switch = uuid_of(&admin, &switches, "floor");
    let edit = json!({"name": "floor 2", "type": "vlan", "desc": "", "uplinks": []});
    admin.put(&format!("{switches}/{switch}")).json(&edit).send().documented("vdi.vswitchs.edit");
    admin.get(&switches).send().documented("vdi.vswitchs.list");

    let networks = format!("{MANAGER}/data_networks");
    let subnet = json!({
        "name": "first", "start_ip": "10.70.0.10", "end_ip": "10.70.0.20",
        "netmask": "255.255.255.0", "gateway": "10.70.0.1", "dns1": "10.70.0.1",
    });
    let new = json!({"name": "vlan 7", "switch_uuid": switch, "vlan_id": 7, "subnet_info": subnet});
    admin.post(&networks).json(&new).send().documented("vdi.data-networks.create");
    let network = uuid_of(&admin, &networks, "vlan 7");
    let one = format!("{networks}/{network}");
    let edit = admin.put(&one).json(&json!({"name": "vlan 8", "vlan_id": 8}));
    edit.send().documented("vdi.data-networks.edit");
    admin.get(&networks).send().documented("vdi.data-networks.list");

    let subnets = format!("{one}/sub_networks");
    let second = json!({
        "name": "second", "start_ip": "10.70.0.30", "end_ip": "10.70.0.40",
        "netmask": "255.255.255.0", "gateway": "10.70.0.1", "dns1": "10.70.0.1", "dns2": "10.70.0.2",
    });
    admin.post(&subnets).json(&second).send().documented("vdi.data-networks.subnet-create");
    let second = uuid_of(&admin, &subnets, "second");
    let edit = json!({
        "name": "second", "start_ip": "10.70.0.30", "end_ip": "10.70.0.50",
        "netmask": "255.255.255.0", "gateway": "10.70.0.1", "dns1": "10.70.0.1",
    });
    let edit = admin.put(&format!("{subnets}/{second}")).json(&edit).send();
    edit.documented("vdi.data-networks.subnet-edit");
    let list = admin.get(&subnets).send().documented("vdi.data-networks.subnets-list");
    assert_eq!(list["count"], 2);
    let delete = admin.delete(&subnets).json(&json!({"uuids": [second]}));
    delete.send().documented("vdi.data-networks.subnets-delete");
    let delete = admin.delete(&networks).json(&json!({"uuids": [network]}));
    delete.send().documented("vdi.data-networks.delete");
    let delete = admin.delete(&switches).json(&json!({"uuids": [switch]}));
    delete.send().documented("vdi.vswitchs.delete");
    assert!(!rows(&admin.get(&switches).send()).iter().any(|row| row["uuid"] == switch.as_str()));
}

#[test]
fn base_images() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let images = format!("{MANAGER}/resource_pools/{}/base_images", site.pool);
    let file = std::fs::File::open(empty_image()).expect("the image");
    let size = file.metadata().expect("the image").len();
    let part = Part::File { name: "file", file_name: "disk.qcow2", size, content: Box::new(file) };
    let upload = admin.post(&images).query("name", "plain").query("os_type", "windows7");
    upload.multipart(vec![part]).send().documented("vdi.base-images.upload");
    let image = uuid_of(admin, &images, "plain");
    let one = format!("{images}/{image}");
    let list = admin.get(&images).query("page", 1).query("page_size", 10).send();
    let list = list.documented("vdi.base-images.list");
    assert_eq!(list["results"][0]["detail"].as_array().map(Vec::len), Some(1), "{list:#}");
    let edit = admin.put(&one).json(&json!({"name": "renamed", "os_type": "win10"}));
    edit.send().documented("vdi.base-images.edit");
    let detail = admin.get(&one).send().documented("vdi.base-images.detail");
    assert_json(&detail, json!({"name": "renamed", "os_type": "Windows 10 bit 64", "count": 1}));
    let node = &detail["detail"][0]["host_uuid"];
    let resync = admin.post(&format!("{one}/resync")).json(&json!({"node_uuid": node}));
    resync.send().documented("vdi.base-images.resync");
    let delete = admin.delete(&images).json(&json!({"uuids": [image]}));
    delete.send().documented("vdi.base-images.delete");
    assert!(rows(&admin.get(&images).send()).is_empty());
}

#[test]
fn isos() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let content = std::fs::read(iso(&server, "setup.exe", b"installs")).expect("the ISO");
    let (size, file) = (content.len() as u64, Box::new(std::io::Cursor::new(content.clone())));
    let part = Part::File { name: "file", file_name: "win7.iso", size, content: file };
    let field = |name, value| Part::Field { name, value };
    let form = vec![part, field("iso_type", "3"), field("os_type", "Windows7(64bit)")];
    admin.post(ISOS).multipart(form).send().documented("vdi.isos.upload");
    let list = admin.get(ISOS).query("name", "win7").query("type", 3).send();
    let list = list.documented("vdi.isos.list");
    assert_json(&list, json!({"count": 1, "results": [{"name": "win7", "type": 3, "status": 0}]}));
    let one = format!("{ISOS}/{}", text(&list["results"][0]["uuid"]));
    let edit = admin.put(&one).json(&json!({"name": "test", "os_type": "xxx"}));
    edit.send().documented("vdi.isos.edit");
    let download = admin.get(&one).send();
    download.documented("vdi.isos.download");
    assert!(download.bytes == content);
    let delete = admin.delete(ISOS).json(&json!({"uuids": [list["results"][0]["uuid"]]}));
    delete.send().documented("vdi.isos.delete");
    assert!(rows(&admin.get(ISOS).send()).is_empty());
}

#[test]
fn templates() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let image = site.upload("plain", &empty_image());
    let new = json!({
        "name": "first", "desc": "for tests", "os_type": "linux", "classify": 1,
        "pool_uuid": site.pool, "network_uuid": site.network, "subnet_uuid": site.subnet,
        "bind_ip": "10.66.0.50", "vcpu": 1, "ram": 0.5,
        "system_disk": {"image_id": image, "size": 1}, "data_disks": [{"inx": 0, "size": 1}],
    });
    admin.action(TEMPLATES, "create", new).send().documented("vdi.templates.create");
    site.wait_idle();
    let uuid = uuid_of(admin, TEMPLATES, "first");
    let this = json!({"name": "first", "uuid": uuid});
    let batch = json!({"templates": [this]});

    let power = |action: &str, id: &str| {
        admin.action(TEMPLATES, action, batch.clone()).send().documented(id);
        site.wait_idle();
    };
    // its state follows from the hypervisor's event, a moment after the operation's end
    let is_on = || rows(&admin.get(TEMPLATES).send())[0]["status"] == "active";
    let wait_on = || wait_until("the template is on", Duration::from_secs(5), is_on);
    power("start", "vdi.templates.start");
    wait_on();
    admin.action(TEMPLATES, "send_key", this.clone()).send().documented("vdi.templates.send-key");
    power("reboot", "vdi.templates.reboot");
    power("hard_reboot", "vdi.templates.hard-reboot");
    wait_on();
    power("reset", "vdi.templates.reset");
    power("stop", "vdi.templates.stop");
    admin.action(TEMPLATES, "edit", this.clone()).send().documented("vdi.templates.edit");
    site.wait_idle();
    power("hard_stop", "vdi.templates.hard-stop");
    admin.action(TEMPLATES, "save", this.clone()).send().documented("vdi.templates.save");
    site.wait_idle();

    let list = admin.get(TEMPLATES).query("searchtype", "all").query("classify", 1);
    let list = list.query("page", 1).query("page_size", 10).send();
    let list = list.documented("vdi.templates.list");
    let found = &list["results"][0];
    assert_json(found, json!({"name": "first", "bind_ip": "10.66.0.50", "owner": "admin"}));
    let disks = found["devices"].as_array().expect("devices");
    assert_eq!(disks.len(), 2, "{found:#}");
    let grown = json!([
        {"uuid": disks[0]["uuid"], "type": "system", "device_name": "vda", "boot_index": 0, "size": 2},
        {"inx": 1, "size": 1},
    ]);
    let value = json!({
        "name": "second", "desc": "", "network_uuid": site.network, "subnet_uuid": site.subnet,
        "bind_ip": "10.66.0.51", "ram": 1, "vcpu": 2, "devices": grown,
    });
    let update = json!({"uuid": uuid, "name": "first", "value": value});
    admin.put(TEMPLATES).json(&update).send().documented("vdi.templates.update");
    site.wait_idle();
    let image_state = admin.get("/api/v1.0/education/template/image/");
    let image_state = image_state.query("pool_uuid", &site.pool).query("template_uuid", &uuid);
    let image_state = image_state.send().documented("vdi.templates.images");
    assert_eq!(image_state["count"], 1);

    let copy = json!({
        "template_uuid": uuid, "name": "copy", "desc": "", "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "bind_ip": "10.66.0.60",
    });
    admin.action(TEMPLATES, "copy", copy).send().documented("vdi.templates.copy");
    site.wait_idle();
    let copied = uuid_of(admin, TEMPLATES, "copy");
    let download = json!({"name": "second", "uuid": uuid});
    let download = admin.action(TEMPLATES, "download", download).send();
    let url = text(&download.documented("vdi.templates.download")["url"]);
    let file = server.client().get(url.trim_start_matches(server.base())).send();
    assert!(file.status == 200 && file.bytes.starts_with(b"QFI\xfb"), "{}", file.status);
    site.wait_idle();
    let both =
        json!({"templates": [{"name": "second", "uuid": uuid}, {"name": "copy", "uuid": copied}]});
    // What the download left behind is swept once it was fetched, and holds the template meanwhile.
    admin.delete(TEMPLATES).json(&both).send().documented("vdi.templates.delete");
    wait_until("an end of both templates", Duration::from_secs(60), || {
        site.wait_idle();
        admin.delete(TEMPLATES).json(&both).send();
        rows(&admin.get(TEMPLATES).send()).is_empty()
    });
}

#[test]
fn classrooms_desktop_groups_and_desktops() {
    let server = Server::start();
    let site = Site::of(&server, SMALL);
    let admin = &site.admin;
    let image = site.upload("plain", &empty_image());
    let template = site.template("plain", &image);
    let room = classroom(&site);
    let group = desktop_group(&site, &room, &template);
    desktops(&site, &group);

    let this = json!({"desktops": [{"name": "renamed", "uuid": group}]});
    admin.delete(DESKTOPS).json(&this).send().documented("vdi.edu-desktops.delete");
    site.wait_idle();
    let delete = admin.delete(GROUPS).json(&json!({"groups": [{"uuid": room, "name": "room 2"}]}));
    delete.send().documented("vdi.edu-groups.delete");
    assert!(rows(&admin.get(GROUPS).send()).is_empty());
    assert!(rows(&admin.get(INSTANCES).send()).is_empty());
}

/// Makes, changes and finds an education group.
fn classroom(site: &Site) -> String {
    let admin = &site.admin;
    let range = |name: &str, end: &str| {
        json!({
            "name": name, "group_type": 1, "desc": "", "network_uuid": site.network,
            "subnet_uuid": site.subnet, "start_ip": "10.66.0.100", "end_ip": end,
        })
    };
    admin
        .post(GROUPS)
        .json(&range("room 1", "10.66.0.110"))
        .send()
        .documented("vdi.edu-groups.create");
    let room = uuid_of(admin, GROUPS, "room 1");
    let update = json!({"uuid": room, "name": "room 1", "value": range("room 2", "10.66.0.120")});
    admin.put(GROUPS).json(&update).send().documented("vdi.edu-groups.update");
    let list = admin.get(GROUPS).query("searchtype", "all").query("group_type", 1);
    list.query("page", 1).query("page_size", 1).send().documented("vdi.edu-groups.list");
    for search in ["all", "contain", "single"] {
        let found = admin.get(GROUPS).query("searchtype", search).query("name", "room 2").send();
        found.documented("vdi.common-query.search");
        assert!(found.body.contains(&room), "{search}: {}", found.body);
    }
    room
}

/// Makes a desktop group of two, switches it and changes its name.
fn desktop_group(site: &Site, room: &str, template: &str) -> String {
    let admin = &site.admin;
    let node = rows(&admin.get(&format!("{MANAGER}/controller_nodes")).send())[0]["ip"].clone();
    let new = json!({
        "name": "desks", "group_uuid": room, "template_uuid": template, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.5,
        "sys_restore": 1, "data_restore": 1, "instance_num": 2, "prefix": "pc", "postfix": 3,
        "postfix_start": 5, "create_info": {text(&node): 2},
    });
    admin.action(DESKTOPS, "create", new).send().documented("vdi.edu-desktops.create");
    site.wait_idle();
    let group = uuid_of(admin, DESKTOPS, "desks");
    let this = json!({"desktops": [{"name": "desks", "uuid": group}]});
    for (action, id) in [
        ("active", "vdi.edu-desktops.active"),
        ("start", "vdi.edu-desktops.start"),
        ("reboot", "vdi.edu-desktops.reboot"),
        ("stop", "vdi.edu-desktops.stop"),
        ("inactive", "vdi.edu-desktops.inactive"),
    ] {
        admin.action(DESKTOPS, action, this.clone()).send().documented(id);
        site.wait_idle();
    }
    let update = json!({"uuid": group, "name": "desks", "value": {"name": "renamed"}});
    admin.put(DESKTOPS).json(&update).send().documented("vdi.edu-desktops.update");
    let list = admin.get(DESKTOPS).query("searchtype", "all").query("group", room).send();
    let list = list.documented("vdi.edu-desktops.list");
    assert_json(
        &list,
        json!({"count": 1, "results": [{
            "name": "renamed", "instance_num": 2, "active": false, "prefix": "pc", "postfix": 3,
        }]}),
    );
    group
}

/// Adds a desktop to the group of two, switches it, opens its screen, and deletes it.
fn desktops(site: &Site, group: &str) {
    let admin = &site.admin;
    let add = json!({
        "desktop_uuid": group, "desktop_name": "renamed", "desktop_type": 1, "instance_num": 1,
    });
    admin.action(INSTANCES, "create", add).send().documented("vdi.edu-instances.create");
    site.wait_idle();
    let list = list_of(admin, group).documented("vdi.edu-instances.list");
    assert_eq!(list["count"], 3);
    let last = &list["results"][2];
    assert_eq!(last["name"], "pc007", "{list:#}");
    let this = json!({"uuid": last["uuid"], "name": last["name"]});
    let batch = json!({
        "desktop_uuid": group, "desktop_name": "renamed", "desktop_type": 1, "instances": [this],
    });
    let act = |action: &str, id: &str| {
        admin.action(INSTANCES, action, batch.clone()).send().documented(id);
        site.wait_idle();
    };
    act("start", "vdi.edu-instances.start");
    list_of(admin, group).documented("vdi.edu-instances.list");
    let console = admin.action(INSTANCES, "get_console", this).send();
    let url = text(&console.documented("vdi.edu-instances.get-console")["websockify_url"]);
    assert!(url.starts_with("ws://"), "{url}");
    act("reboot", "vdi.edu-instances.reboot");
    act("stop", "vdi.edu-instances.stop");
    admin.delete(INSTANCES).json(&batch).send().documented("vdi.edu-instances.delete");
    site.wait_idle();
    assert_eq!(site.desktops(group).len(), 2);
}

fn list_of(admin: &Client, group: &str) -> Answer {
    let list = admin.get(INSTANCES).query("searchtype", "all").query("desktop_uuid", group);
    list.query("page", 1).query("page_size", 10).send()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
