//! The hardware of machines, with real libvirt: it is what `virt-install` would choose by osinfo-db, but where a reason is
//! given.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::story::{DESKTOP_GROUPS, STATUS, TEMPLATES};
use crate::support::{LabNode, Server, Site, empty_image, uuid_of, wait_until};

/// What Carrel chooses otherwise than osinfo-db.
struct Otherwise {
    aspect: &'static str,
    ours: &'static str,
    _why: &'static str,
}

const fn otherwise(aspect: &'static str, ours: &'static str, why: &'static str) -> Otherwise {
    Otherwise { aspect, ours, _why: why }
}

/// As a template's `os_type`, and as osinfo-db has it.
const SYSTEMS: [(&str, &str, &[Otherwise]); 9] = [
    (
        "Windows XP",
        "winxp",
        &[otherwise("nic", "rtl8139", "its CD has a driver for this card and none for the e1000")],
    ),
    ("Windows 7", "win7", &[]),
    ("Windows 10", "win10", &[]),
    (
        "Windows 11",
        "win11",
        &[otherwise(
            "video",
            "vga",
            "bochs has no text mode, and what was installed under BIOS needs one",
        )],
    ),
    ("Windows Server 2022", "win2k22", &[]),
    ("Ubuntu 22.04", "ubuntu22.04", &[]),
    (
        "Debian 11",
        "debian11",
        &[otherwise(
            "video",
            "vga",
            "a Linux of any age has a driver for it, and the picture is the same",
        )],
    ),
    (
        "Fedora 37",
        "fedora37",
        &[otherwise(
            "video",
            "vga",
            "a Linux of any age has a driver for it, and the picture is the same",
        )],
    ),
    (
        "CentOS 6",
        "centos6.10",
        &[
            otherwise(
                "chipset",
                "q35",
                "the type of a system does not tell its age; Linux knows q35 since 2.6.32",
            ),
            otherwise("usb", "qemu-xhci", "as the chipset: Linux knows USB 3 since 2.6.31"),
        ],
    ),
];

#[test]
fn machines_are_as_virt_install_would_make_them() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("empty", &empty_image());
    node.exec(&["truncate", "-s", "1G", "/tmp/disk.img"]);
    for (os_type, osinfo, otherwise) in SYSTEMS {
        let uuid = template(&site, &image, osinfo, os_type);
        let ours = aspects(&node.virsh(&["dumpxml", "--inactive", &uuid]));
        let theirs = node.exec(&[
            "virt-install",
            "--connect",
            "qemu:///system",
            "--osinfo",
            osinfo,
            "--name",
            "x",
            "--memory",
            "256",
            "--vcpus",
            "4",
            "--disk",
            "path=/tmp/disk.img,format=raw",
            "--import",
            "--print-xml",
            "--virt-type",
            "qemu",
            "--network",
            "user",
            "--graphics",
            "vnc",
        ]);
        let mut wanted = aspects(&theirs);
        for Otherwise { aspect, ours, .. } in otherwise {
            let theirs = wanted.insert(aspect, (*ours).to_owned());
            assert_ne!(theirs.as_deref(), Some(*ours), "{osinfo}: no difference in {aspect}");
        }
        assert_eq!(ours, wanted, "{osinfo}");
    }
}

#[test]
fn a_node_without_firmware_or_tpm_says_what_to_install() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("empty", &empty_image());
    let uuid = template(&site, &image, "guarded", "Windows 11");
    let param = json!({"templates": [{"name": "guarded", "uuid": uuid}]});
    let act = |action: &str| site.admin.action(TEMPLATES, action, param.clone());
    let off = || drop(site.done(act("hard_stop")));
    let doctor = || String::from_utf8_lossy(&server.run(&["doctor"], "").stdout).into_owned();
    site.done(act("start"));
    assert_eq!(node.domain_state(&uuid), "running");
    assert!(!doctor().contains("swtpm") && !doctor().contains("ovmf"), "{}", doctor());
    off();

    for (path, key, package) in [
        ("/usr/share/qemu/firmware", "firmware-missing", "apt-get install ovmf"),
        ("/usr/bin/swtpm", "tpm-missing", "apt-get install swtpm"),
    ] {
        let hidden = format!("{path}.hidden");
        node.exec(&["mv", path, &hidden]);
        let answer = act("start").send();
        assert!(answer.refusal().contains(package), "{}", answer.body);
        assert_eq!(answer.json()["data"]["error"], key, "{}", answer.body);
        assert!(doctor().contains(package), "{}", doctor());
        node.exec(&["mv", &hidden, path]);
        site.done(act("start"));
        assert_eq!(node.domain_state(&uuid), "running");
        off();
    }
}

#[test]
fn desktops_keep_their_hardware_until_they_are_restored() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("empty", &empty_image());
    let uuid = template(&site, &image, "changing", "Windows 10");
    let room = site.classroom("room");
    let (restoring, desktop) = group(&site, &room, &uuid, "restores", 1);
    let (keeping, kept) = group(&site, &room, &uuid, "keeps", 0);
    let hardware = format!("/api/v1.0/templates/{uuid}/hardware");
    let nic = |machine: &str, how: &[&str]| {
        let xml = node.virsh(&[&["dumpxml"], how, &[machine]].concat());
        aspects(&xml).remove("nic").unwrap_or_default()
    };
    let both = |machine: &str| (nic(machine, &[]), nic(machine, &["--inactive"]));
    let old = ("e1000e".to_owned(), "e1000e".to_owned());
    assert_eq!((both(&desktop), both(&kept)), (old.clone(), old.clone()));

    let mut wanted = site.admin.get(&hardware).send().data()["hardware"].take();
    wanted["nic_model"] = json!("e1000");
    site.done(site.admin.put(&hardware).json(&wanted));
    let save = json!({"name": "changing", "uuid": uuid});
    site.done(site.admin.action(TEMPLATES, "save", save));
    // Written anew for another reason, too.
    for (group, name) in [(&restoring, "restores"), (&keeping, "keeps")] {
        let change = json!({"uuid": group, "name": name, "value": {"vcpu": 2}});
        site.done(site.admin.put(DESKTOP_GROUPS).json(&change));
    }
    assert_eq!((both(&desktop), both(&kept)), (old.clone(), old.clone()));

    for (group, name) in [(&restoring, "restores"), (&keeping, "keeps")] {
        site.group_action("hard_stop", group, name);
        site.group_action("start", group, name);
    }
    let new = ("e1000".to_owned(), "e1000".to_owned());
    assert_eq!((both(&desktop), both(&kept)), (new, old));

    // A guest that runs goes on; from its next start on it is told its group's new name.
    let change = json!({"uuid": keeping, "name": "keeps", "value": {"name": "高一 B"}});
    site.done(site.admin.put(DESKTOP_GROUPS).json(&change));
    let told = |how: &[&str], name: &str| {
        let xml = node.virsh(&[&["dumpxml"], how, &[&kept]].concat());
        xml.contains(&format!("<entry>carrel.group={name}</entry>"))
    };
    wait_until("the new name is told", STATUS * 10, || told(&["--inactive"], "高一 B"));
    assert!(told(&[], "keeps"));
}

/// A group of one desktop that runs. Gives the group and the desktop.
fn group(site: &Site, room: &str, template: &str, name: &str, restore: u8) -> (String, String) {
    let param = json!({
        "name": name, "group_uuid": room, "template_uuid": template, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.25,
        "sys_restore": restore, "data_restore": 1, "instance_num": 1, "prefix": name, "postfix": 3,
        "postfix_start": 1,
    });
    site.done(site.admin.action(DESKTOP_GROUPS, "create", param));
    let group = uuid_of(&site.admin, DESKTOP_GROUPS, name);
    site.group_action("active", &group, name);
    site.group_action("start", &group, name);
    let desktop = site.desktops(&group)[0]["uuid"].as_str().expect("a uuid").to_owned();
    (group, desktop)
}

#[test]
fn a_tpm_begins_as_the_templates_and_goes_with_its_machine() {
    let node = LabNode::up();
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let image = site.upload("empty", &empty_image());
    let uuid = template(&site, &image, "trusted", "Windows 11");
    let act = |action: &str| {
        let param = json!({"templates": [{"name": "trusted", "uuid": uuid}]});
        site.done(site.admin.action(TEMPLATES, action, param));
    };
    act("start");
    act("hard_stop");
    let save = json!({"name": "trusted", "uuid": uuid});
    site.done(site.admin.action(TEMPLATES, "save", save));

    let folder = |machine: &str| format!("/var/lib/libvirt/swtpm/{machine}");
    let state = |machine: &str| format!("{}/tpm2/tpm2-00.permall", folder(machine));
    let room = site.classroom("room");
    let (restoring, desktop) = group(&site, &room, &uuid, "restores", 1);
    let (keeping, kept) = group(&site, &room, &uuid, "keeps", 0);
    let all = [(&restoring, "restores"), (&keeping, "keeps")];
    let switch = |site: &Site, action: &str| {
        all.iter().for_each(|(group, name)| drop(site.group_action(action, group, name)));
    };
    switch(&site, "hard_stop");
    // swtpm starts with nothing that it cannot read: what is made anew is the template's, and of no concern.
    node.exec(&["sh", "-c", &format!("echo broken > {}", state(&desktop))]);
    // Gone with the disk that it was on: made anew as well, with a word.
    node.exec(&["rm", "-r", &folder(&kept)]);
    switch(&site, "start");
    for machine in [&desktop, &kept] {
        assert_eq!(node.domain_state(machine), "running");
        assert!(node.exec(&["stat", "-c", "%U %a", &state(machine)]).contains("600"));
    }
    assert_eq!(server.log().matching("the state of the TPM is gone").len(), 1);
    // It dies below a guest: that goes on, and starts again with what it kept.
    let helper = format!("[s]wtpm socket.*{kept}");
    node.exec(&["pkill", "-KILL", "-f", &helper]);
    wait_until("its end", STATUS * 10, || {
        !node.try_exec(&["pgrep", "-f", &helper]).status.success()
    });
    assert_eq!(node.domain_state(&kept), "running");
    switch(&site, "hard_stop");

    // Variables that are gone, or of another build, are made anew.
    let variables = node.data_here().join("storage/desktops").join(&kept).join("nvram.fd");
    let usual = fs::metadata(&variables).expect("variables").len();
    let (gone, other) =
        ("the variables of UEFI are gone", "the variables of UEFI are of another build");
    for said in [gone, other] {
        match said == gone {
            true => fs::remove_file(&variables).expect("remove"),
            false => fs::write(&variables, [0xff; 128 << 10]).expect("write"),
        }
        switch(&site, "start");
        assert_eq!(node.domain_state(&kept), "running");
        assert_eq!(server.log().matching(said).len(), 1, "{said}");
        assert_eq!(fs::metadata(&variables).expect("variables").len(), usual);
        switch(&site, "hard_stop");
    }
    let keys = |machine: &str| node.exec(&["sha256sum", &state(machine)])[..64].to_owned();
    let own = keys(&kept);

    killed_saves(&mut server, &mut site, &uuid);
    switch(&site, "start");
    switch(&site, "hard_stop");
    assert_eq!(keys(&kept), own, "a desktop that keeps its system keeps its TPM");
    site.delete_group(&restoring, "restores");
    site.delete_group(&keeping, "keeps");
    assert_eq!(node.exec(&["ls", "/var/lib/libvirt/swtpm"]).trim(), uuid);
}

/// Killed at any moment, a save of a machine with UEFI and a TPM is whole or was none, and the template goes on.
fn killed_saves(server: &mut Server, site: &mut Site, template: &str) {
    let version = |site: &Site| {
        let one = site.admin.get(TEMPLATES).query("searchtype", "single").query("uuid", template);
        let row = one.send().data();
        assert_eq!(row["status"], "inactive", "{row:#}");
        row["version"].as_u64().expect("a version")
    };
    for pause in [0, 20, 50, 100, 200] {
        let before = version(site);
        let save = json!({"name": "trusted", "uuid": template});
        let save = site.admin.action(TEMPLATES, "save", save);
        let saving = thread::spawn(move || drop(save.try_send()));
        thread::sleep(Duration::from_millis(pause));
        server.kill();
        saving.join().expect("join");
        server.start_again();
        *site = Site::of_default(server);
        site.wait_idle();
        assert!((before..=before + 1).contains(&version(site)), "after {pause} ms");
    }
}

fn template(site: &Site, image: &str, name: &str, os_type: &str) -> String {
    let param = json!({
        "name": name, "os_type": os_type, "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 4, "ram": 0.25,
        "system_disk": {"image_id": image, "size": 1}, "data_disks": [],
    });
    site.done(site.admin.action(TEMPLATES, "create", param));
    uuid_of(&site.admin, TEMPLATES, name)
}

/// What the two definitions are compared in.
fn aspects(xml: &str) -> BTreeMap<&'static str, String> {
    let xml = xml.replace('\'', "\"");
    let after = |start: &str, attribute: &str| {
        let element = xml.split(start).nth(1).unwrap_or_default();
        let element = element.split('>').next().unwrap_or_default();
        let value = element.split(&format!("{attribute}=\"")).nth(1);
        value.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    };
    let disk = xml.split("device=\"disk\"").nth(1).unwrap_or_default();
    let bus = disk.split("bus=\"").nth(1).and_then(|rest| rest.split('"').next());
    let nic = xml.split("<interface").nth(1).unwrap_or_default();
    let model = nic.split("<model type=\"").nth(1).and_then(|rest| rest.split('"').next());
    let video = xml.split("<video>").nth(1).unwrap_or_default();
    let card = video.split("type=\"").nth(1).and_then(|rest| rest.split('"').next());
    let chipset = if after("<type ", "machine").contains("q35") { "q35" } else { "i440fx" };
    BTreeMap::from([
        ("chipset", chipset.to_owned()),
        ("firmware", after("<os ", "firmware")),
        ("clock", after("<clock", "offset")),
        ("tpm", after("<tpm", "model")),
        ("hyperv", xml.contains("<hyperv").to_string()),
        ("usb", after("<controller type=\"usb\"", "model")),
        ("disk", bus.unwrap_or_default().to_owned()),
        ("nic", model.unwrap_or_default().to_owned()),
        ("video", card.unwrap_or_default().to_owned()),
    ])
}
