//! The main job by documented calls alone, with a real guest: image, template, edit and save, a class
//! of desktops, a screen in the browser's protocol, and a clean desktop after a reboot.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    ADMIN, Answer, Client, Console, LabNode, PASSWORD, Part, Server, Site, guest_image, rows,
    uuid_of, wait_for, wait_until,
};

/// A boot takes 5 s on an idle machine and several times that beside other work.
pub const BOOT: Duration = Duration::from_secs(240);
/// What a list shows follows the guest within this.
pub const STATUS: Duration = Duration::from_secs(2);

const API: &str = "/api/v1.0";
pub const TEMPLATES: &str = "/api/v1.0/education/template/";
const GROUPS: &str = "/api/v1.0/education/group/";
pub const DESKTOP_GROUPS: &str = "/api/v1.0/education/desktop/";
pub const INSTANCES: &str = "/api/v1.0/education/instance/";

#[test]
fn a_class_of_desktops_from_image_to_clean_reboot() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let admin = &site.admin;

    let image = upload(&site);
    let template = make_template(&site, &image);
    set_hardware(&site, &template, &[("seed", json!(true))]);
    edit_and_save(&site, &node, &template);

    let classroom = make_classroom(&site);
    let group = deploy(&site, &classroom, &template, "lab", 1);
    let host_names = format!("{API}/desktop-groups/{group}/host-names");
    site.done(admin.put(&host_names).json(&json!({"pattern": "lab-{number:2}"})));
    let second = text(&desktops_of(admin, &group)[1], "uuid");
    wait_until("the node is told the host names", BOOT, || {
        node.virsh(&["dumpxml", &second]).contains("lab-02")
    });
    act(admin, DESKTOP_GROUPS, "active", "vdi.edu-desktops.active", group_param(&group, "lab"));
    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "lab"));
    let desktops = desktops_of(admin, &group);
    assert_eq!(desktops.len(), 2);
    let (first, second) = (&desktops[0], &desktops[1]);

    // each got the address that is reserved for it, and began from the saved template
    for (desktop, number) in desktops.iter().zip(["1", "2"]) {
        let address = text(desktop, "ipaddr");
        assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));
        assert_eq!(node.guest_status(&address, "mark", BOOT), "from-the-template");
        wait_status(admin, &group, desktop, "active");
        // … and is told who it is
        let told = |key: &str| node.guest_status(&address, key, BOOT);
        let name = text(desktop, "name");
        assert_eq!((told("serial"), told("carrel.name")), (name.clone(), name));
        assert_eq!(told("carrel.number"), number);
        assert_eq!(told("carrel.group"), "lab");
    }
    let seeds: Vec<Value> = desktops.iter().map(|desktop| seed(&server, desktop)).collect();
    for (seed, host_name) in seeds.iter().zip(["lab-01", "lab-02"]) {
        assert_eq!(seed["local-hostname"], host_name, "{seed:#}");
    }
    look_at_the_screen(admin, first);
    assert_layers_are_roots(&server);

    // a mark is gone after the guest's own reboot …
    let address = text(first, "ipaddr");
    leave_mark(&node, &address, "homework");
    node.ask_guest(&address, "reboot");
    wait_until("a clean desktop after its own reboot", BOOT, || {
        mark(&node, &address) == "from-the-template"
    });
    // … which is another instance for cloud-init, and the same desktop
    let again = seed(&server, first);
    assert_ne!(again["instance-id"], seeds[0]["instance-id"]);
    assert_eq!(again["carrel"], seeds[0]["carrel"]);
    // … and after stop and start
    leave_mark(&node, &address, "again");
    let one = instance_param(&group, "lab", &[first]);
    act(admin, INSTANCES, "stop", "vdi.edu-instances.stop", one.clone());
    wait_status(admin, &group, first, "inactive");
    act(admin, INSTANCES, "start", "vdi.edu-instances.start", one.clone());
    wait_until("a clean desktop after stop and start", BOOT, || {
        mark(&node, &address) == "from-the-template"
    });
    // … and after a reboot from the console
    leave_mark(&node, &address, "once-more");
    act(admin, INSTANCES, "reboot", "vdi.edu-instances.reboot", one);
    wait_until("a clean desktop after a reboot", BOOT, || {
        mark(&node, &address) == "from-the-template"
    });

    assert_layers_are_roots(&server);

    // what happens behind Carrel's back is shown
    let second_one = instance_param(&group, "lab", &[second]);
    node.virsh(&["suspend", &domain_of(&node, second)]);
    wait_status_within(admin, &group, second, "error", STATUS);
    node.virsh(&["resume", &domain_of(&node, second)]);
    wait_status_within(admin, &group, second, "active", STATUS);
    node.virsh(&["destroy", &domain_of(&node, second)]);
    wait_status_within(admin, &group, second, "inactive", STATUS);
    assert_eq!(reason(admin, &group, second), "It was switched off.");
    // … also a guest that shuts itself down
    act(admin, INSTANCES, "start", "vdi.edu-instances.start", second_one.clone());
    node.guest_status(&text(second, "ipaddr"), "boots", BOOT);
    node.ask_guest(&text(second, "ipaddr"), "poweroff");
    wait_until("the guest is off", BOOT, || node.domain_state(&text(second, "uuid")) == "shut off");
    wait_status_within(admin, &group, second, "inactive", STATUS);
    assert_eq!(reason(admin, &group, second), "It was shut down from inside, by its user.");
    act(admin, INSTANCES, "delete", "vdi.edu-instances.delete", second_one);
    assert_eq!(desktops_of(admin, &group).len(), 1);

    delete(admin, DESKTOP_GROUPS, "vdi.edu-desktops.delete", group_param(&group, "lab"));
    delete(
        admin,
        GROUPS,
        "vdi.edu-groups.delete",
        json!({"groups": [{"uuid": classroom, "name": "room 1"}]}),
    );
    delete(
        admin,
        TEMPLATES,
        "vdi.templates.delete",
        json!({"templates": [{"uuid": template, "name": "tiny"}]}),
    );
    let images = format!("{API}/resource_mgr/resource_pools/{}/base_images", site.pool);
    delete(admin, &images, "vdi.base-images.delete", json!({"uuids": [image]}));
    site.wait_idle();
    assert!(node.domains().is_empty(), "{:?}", node.domains());
    let left: Vec<_> =
        server.files().into_iter().filter(|file| file.starts_with("storage")).collect();
    assert!(left.is_empty(), "left in the storage: {left:?}");
}

#[test]
fn without_restore_a_mark_stays_through_reboot_and_restart() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let admin = &site.admin;
    let image = upload(&site);
    let template = make_template(&site, &image);
    // The kernel of the tests' guest knows CDs on IDE and not on AHCI.
    set_hardware(&site, &template, &[("seed", json!(true)), ("chipset", json!("i440fx"))]);
    act(admin, TEMPLATES, "save", "vdi.templates.save", json!({"name": "tiny", "uuid": template}));
    site.wait_idle();
    let classroom = make_classroom(&site);
    let group = deploy(&site, &classroom, &template, "keep", 0);
    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "keep"));
    let desktop = desktops_of(admin, &group).remove(0);
    let address = text(&desktop, "ipaddr");
    assert_eq!(node.guest_status(&address, "boots", BOOT), "1");
    let read = || -> Value {
        let read = wait_for("the guest reads its CD", BOOT, || node.ask_guest(&address, "seed"));
        serde_json::from_str(&read).unwrap_or_else(|cause| panic!("{cause}: {read}"))
    };
    let first = read();
    assert_eq!(first, seed(&server, &desktop));
    let told = json!({"name": "pc005", "number": 1, "group": "keep", "address": address});
    assert_eq!((&first["carrel"], &first["local-hostname"]), (&told, &Value::Null));
    // Another name is told from the next start on; one as hard to write as they may be.
    let name = "机房 #1: x";
    let path = format!("{API}/desktops/{}", text(&desktop, "uuid"));
    site.done(admin.put(&path).json(&json!({"name": name})));
    let desktop = desktops_of(admin, &group).remove(0);
    leave_mark(&node, &address, "homework");
    node.ask_guest(&address, "reboot");
    wait_until("the second boot", BOOT, || boots(&node, &address) == "2");
    assert_eq!(mark(&node, &address), "homework");
    assert_eq!(read(), first);
    let one = instance_param(&group, "keep", &[&desktop]);
    act(admin, INSTANCES, "stop", "vdi.edu-instances.stop", one.clone());
    wait_status(admin, &group, &desktop, "inactive");
    act(admin, INSTANCES, "start", "vdi.edu-instances.start", one);
    wait_until("the third boot", BOOT, || boots(&node, &address) == "3");
    assert_eq!(mark(&node, &address), "homework");
    let renamed = read();
    assert_eq!(renamed["carrel"]["name"], name);
    assert_eq!(renamed["instance-id"], first["instance-id"], "it kept its system");
}

pub fn set_hardware(site: &Site, template: &str, wanted: &[(&str, Value)]) {
    let path = format!("{API}/templates/{template}/hardware");
    let mut hardware = site.admin.get(&path).send().data()["hardware"].take();
    for (field, value) in wanted {
        hardware[*field] = value.clone();
    }
    site.done(site.admin.put(&path).json(&hardware));
}

/// What stands on a desktop's CD for cloud-init, as it lies beside its disks.
fn seed(server: &Server, desktop: &Value) -> Value {
    let folder = server.data_here().join("storage/desktops").join(text(desktop, "uuid"));
    let image = std::fs::read(folder.join("seed.iso")).expect("its CD");
    let image = String::from_utf8_lossy(&image);
    let (from, to) = (image.find("{\n").expect("JSON"), image.rfind("}\n").expect("its end"));
    serde_json::from_str(&image[from..=to]).expect("JSON")
}

/// QEMU does not run as root, and could change the mode of what is its own.
fn assert_layers_are_roots(server: &Server) {
    use std::os::unix::fs::MetadataExt;
    let of = |folder: &str| -> Vec<(std::path::PathBuf, u32, u32)> {
        let files = server.files().into_iter().filter(|file| file.starts_with(folder));
        files
            .filter(|file| file.extension().is_some_and(|ending| ending == "qcow2"))
            .map(|file| {
                let meta = server.data_here().join(&file).metadata().expect("a disk");
                (file, meta.uid(), meta.mode() & 0o777)
            })
            .collect()
    };
    for folder in ["storage/base", "storage/templates"] {
        let layers = of(folder);
        assert!(!layers.is_empty(), "{folder}");
        assert!(layers.iter().all(|(_, user, mode)| (*user, *mode) == (0, 0o444)), "{layers:?}");
    }
    let disks = of("storage/desktops");
    assert!(disks.iter().all(|(_, user, mode)| *user != 0 && *mode == 0o600), "{disks:?}");
}

pub fn upload(site: &Site) -> String {
    let images = format!("{API}/resource_mgr/resource_pools/{}/base_images", site.pool);
    let path = guest_image();
    let content = std::fs::File::open(&path).expect("the guest's image");
    let size = content.metadata().expect("its size").len();
    let part =
        Part::File { name: "file", file_name: "guest.qcow2", size, content: Box::new(content) };
    let request = site.admin.post(&images).query("name", "tiny linux").query("os_type", "Linux");
    request.multipart(vec![part]).send().documented("vdi.base-images.upload");
    site.wait_idle();
    let uuid = uuid_of(&site.admin, &images, "tiny linux");
    let detail =
        site.admin.get(&format!("{images}/{uuid}")).send().documented("vdi.base-images.detail");
    assert_eq!((&detail["status"], &detail["publish_count"]), (&json!(0), &json!(1)), "{detail:#}");
    assert_eq!(detail["os_type_simple"], "linux");
    uuid
}

pub fn make_template(site: &Site, image: &str) -> String {
    let param = json!({
        "name": "tiny", "desc": "for the class", "os_type": "Linux", "classify": 1,
        "pool_uuid": site.pool, "network_uuid": site.network, "subnet_uuid": site.subnet,
        "vcpu": 1, "ram": 0.125, "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
    });
    act(&site.admin, TEMPLATES, "create", "vdi.templates.create", param);
    site.wait_idle();
    uuid_of(&site.admin, TEMPLATES, "tiny")
}

/// Starts the template, leaves a mark in it, and saves it.
pub fn edit_and_save(site: &Site, node: &LabNode, template: &str) {
    let admin = &site.admin;
    let param = json!({"name": "tiny", "uuid": template});
    act(admin, TEMPLATES, "edit", "vdi.templates.edit", param.clone());
    let row = template_row(admin);
    let address = text(&row, "bind_ip");
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));
    assert_eq!(template_row(admin)["status"], "active");
    // somebody else pauses it: no longer of use, as a desktop in that state
    node.virsh(&["suspend", template]);
    wait_until("the paused template is shown", STATUS, || {
        let row = template_row(admin);
        let (status, power) = (&row["status"], &row["power"]);
        (status, power) == (&json!("error"), &json!("paused")) && row["reason"].is_string()
    });
    node.virsh(&["resume", template]);
    wait_until("it goes on", STATUS, || template_row(admin)["status"] == "active");
    leave_mark(node, &address, "from-the-template");
    act(admin, TEMPLATES, "save", "vdi.templates.save", param);
    site.wait_idle();
    let saved = template_row(admin);
    assert_eq!(saved["status"], "inactive", "{saved:#}");
}

pub fn make_classroom(site: &Site) -> String {
    let new = json!({
        "name": "room 1", "group_type": 1, "desc": "", "network_uuid": site.network,
        "subnet_uuid": site.subnet, "start_ip": "192.0.2.10", "end_ip": "192.0.2.20",
    });
    site.admin.post(GROUPS).json(&new).send().documented("vdi.edu-groups.create");
    uuid_of(&site.admin, GROUPS, "room 1")
}

pub fn deploy(site: &Site, classroom: &str, template: &str, name: &str, restore: u8) -> String {
    let param = json!({
        "name": name, "group_uuid": classroom, "template_uuid": template, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.125,
        "sys_restore": restore, "data_restore": restore, "instance_num": 2, "prefix": "pc",
        "postfix": 3, "postfix_start": 5,
    });
    act(&site.admin, DESKTOP_GROUPS, "create", "vdi.edu-desktops.create", param);
    site.wait_idle();
    let group = uuid_of(&site.admin, DESKTOP_GROUPS, name);
    let names: Vec<String> =
        desktops_of(&site.admin, &group).iter().map(|row| text(row, "name")).collect();
    assert_eq!(names, ["pc005", "pc006"]);
    group
}

/// The console's bytes are those of a VNC server, its token opens once, and it closes when who asked for
/// it signs out.
fn look_at_the_screen(admin: &Client, desktop: &Value) {
    let param = json!({"name": desktop["name"], "uuid": desktop["uuid"]});
    let visitor = admin.stranger().sign_in(ADMIN, PASSWORD);
    let answer = visitor.action(INSTANCES, "get_console", param).send();
    let url = text(&answer.documented("vdi.edu-instances.get-console"), "websockify_url");
    let mut console = Console::open(&url).expect("the console opens");
    let (width, height) = console.handshake();
    assert!(width >= 640 && height >= 400, "{width}×{height}");
    assert!(Console::open(&url).is_err(), "a token opens a console once");
    let uuid = text(desktop, "uuid");
    let picture = admin.get(&format!("{INSTANCES}{uuid}/screen?width=240")).send();
    assert_eq!(picture.header("content-type"), Some("image/png"), "{}", picture.body);
    assert!(picture.bytes.starts_with(b"\x89PNG"));
    visitor.post("/api/account/logout").send().expect_status(204);
    // What came before the end is read first.
    while console.read(1).is_some() {}
}

pub fn act(admin: &Client, path: &str, action: &str, id: &str, param: Value) {
    // deletes of desktops are an HTTP method of their own
    let answer = match action {
        "delete" => admin.delete(path).json(&param).send(),
        _ => admin.action(path, action, param).send(),
    };
    succeed(admin, id, &answer);
}

fn delete(admin: &Client, path: &str, id: &str, body: Value) {
    succeed(admin, id, &admin.delete(path).json(&body).send());
}

fn succeed(admin: &Client, id: &str, answer: &Answer) {
    let data = answer.documented(id);
    assert_eq!(data["failed"].as_array().map_or(0, Vec::len), 0, "{data:#}");
    if let Some(operation) = data["operation_uuid"].as_str() {
        wait_for("the end of the operation", BOOT, || {
            let page = admin.get("/api/v1.0/operations").query("uuid", operation).send();
            let row = rows(&page).remove(0);
            assert_ne!(row["state"], "failed", "{row:#}");
            (row["state"] == "succeeded").then_some(())
        });
    }
}

pub fn template_row(admin: &Client) -> Value {
    let page = admin.get(TEMPLATES).query("searchtype", "all").query("classify", 1).send();
    let data = page.documented("vdi.templates.list");
    data["results"][0].clone()
}

pub fn desktops_of(admin: &Client, group: &str) -> Vec<Value> {
    let page = admin.get(INSTANCES).query("searchtype", "all").query("desktop_uuid", group);
    let data = page.query("page_size", 100).send().documented("vdi.edu-instances.list");
    data["results"].as_array().expect("rows").clone()
}

pub fn wait_status(admin: &Client, group: &str, desktop: &Value, status: &str) {
    wait_status_within(admin, group, desktop, status, BOOT);
}

pub fn wait_status_within(
    admin: &Client,
    group: &str,
    desktop: &Value,
    status: &str,
    limit: Duration,
) {
    wait_until(&format!("{} is {status}", desktop["name"]), limit, || {
        let rows = desktops_of(admin, group);
        rows.iter().any(|row| row["uuid"] == desktop["uuid"] && row["status"] == status)
    });
}

/// Why a desktop does not run, in English.
pub fn reason(admin: &Client, group: &str, desktop: &Value) -> String {
    let rows = desktops_of(&admin.with_header("Accept-Language", "en"), group);
    let row = rows.iter().find(|row| row["uuid"] == desktop["uuid"]).expect("its row");
    text(row, "reason")
}

fn domain_of(node: &LabNode, desktop: &Value) -> String {
    // libvirt takes the domain's uuid for its name
    let uuid = text(desktop, "uuid");
    node.virsh(&["domname", &uuid]).trim().to_owned()
}

pub fn leave_mark(node: &LabNode, address: &str, word: &str) {
    let path = format!("mark?{word}");
    let done = wait_for("the guest takes a mark", BOOT, || node.ask_guest(address, &path));
    assert_eq!(done, "ok\n");
}

pub fn mark(node: &LabNode, address: &str) -> String {
    status_word(node, address, "mark")
}

pub fn boots(node: &LabNode, address: &str) -> String {
    status_word(node, address, "boots")
}

/// Empty while the guest does not answer.
fn status_word(node: &LabNode, address: &str, key: &str) -> String {
    let status = node.ask_guest(address, "status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

pub fn group_param(uuid: &str, name: &str) -> Value {
    json!({"desktops": [{"uuid": uuid, "name": name}]})
}

pub fn instance_param(group: &str, name: &str, desktops: &[&Value]) -> Value {
    let instances: Vec<Value> =
        desktops.iter().map(|row| json!({"uuid": row["uuid"], "name": row["name"]})).collect();
    json!({"desktop_uuid": group, "desktop_name": name, "desktop_type": 1, "instances": instances})
}

pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field} in {value:#}")).to_owned()
}
