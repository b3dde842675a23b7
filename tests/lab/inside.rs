//! Hardware as the guest finds it: each bus, network card and picture card, BIOS and UEFI, and an installation from a CD.

use serde_json::{Value, json};

use crate::story::{BOOT, DESKTOP_GROUPS, TEMPLATES, boots, mark, text};
use crate::support::{
    ISOS, LabNode, Server, Site, hardware_image, installer_iso, uuid_of, wait_for, wait_until,
};

/// A machine, and what it looks like from inside.
struct Machine {
    hardware: [(&'static str, &'static str); 5],
    /// Vendor and device, as `lspci -n` has them: of the disk's controller, the network card and the picture card.
    cards: [&'static str; 3],
    disk: &'static str,
    driver: &'static str,
}

const MACHINES: [Machine; 4] = [
    Machine {
        hardware: [
            ("firmware", "bios"),
            ("chipset", "q35"),
            ("disk_bus", "virtio"),
            ("nic_model", "virtio"),
            ("video", "virtio"),
        ],
        cards: ["1af4:1042", "1af4:1041", "1af4:1050"],
        disk: "/dev/vda2",
        driver: "virtio_net",
    },
    Machine {
        hardware: [
            ("firmware", "uefi"),
            ("chipset", "q35"),
            ("disk_bus", "virtio-scsi"),
            ("nic_model", "e1000e"),
            ("video", "qxl"),
        ],
        cards: ["1af4:1048", "8086:10d3", "1b36:0100"],
        disk: "/dev/sda2",
        driver: "e1000e",
    },
    Machine {
        hardware: [
            ("firmware", "bios"),
            ("chipset", "q35"),
            ("disk_bus", "sata"),
            ("nic_model", "e1000"),
            ("video", "vga"),
        ],
        cards: ["8086:2922", "8086:100e", "1234:1111"],
        disk: "/dev/sda2",
        driver: "e1000",
    },
    Machine {
        hardware: [
            ("firmware", "bios"),
            ("chipset", "i440fx"),
            ("disk_bus", "ide"),
            ("nic_model", "rtl8139"),
            ("video", "vga"),
        ],
        cards: ["8086:7010", "10ec:8139", "1234:1111"],
        disk: "/dev/sda2",
        driver: "8139cp",
    },
];

pub fn set(site: &Site, template: &str, wanted: &[(&str, &str)]) {
    let path = format!("/api/v1.0/templates/{template}/hardware");
    let mut hardware = site.admin.get(&path).send().data()["hardware"].take();
    for (field, word) in wanted {
        hardware[*field] = json!(word);
    }
    site.done(site.admin.put(&path).json(&hardware));
}

/// GRUB unpacks the kernel of this guest in no less memory.
pub fn template(site: &Site, system: &Value) -> String {
    let mut param = json!({
        "name": "tiny", "os_type": "linux", "classify": 1, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.5,
        "data_disks": [],
    });
    let (param_map, system) = (param.as_object_mut(), system.as_object().cloned());
    param_map.expect("an object").extend(system.expect("an object"));
    site.done(site.admin.action(TEMPLATES, "create", param));
    uuid_of(&site.admin, TEMPLATES, "tiny")
}

pub fn row(site: &Site, template: &str) -> Value {
    let row = site.admin.get(TEMPLATES).query("searchtype", "single").query("uuid", template);
    row.send().data()
}

#[test]
fn a_guest_finds_the_hardware_that_its_template_says() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let image = site.upload("tiny", &hardware_image());
    let template = template(&site, &json!({"system_disk": {"image_id": image, "size": 1}}));
    let address = text(&row(&site, &template), "bind_ip");
    let param = json!({"templates": [{"name": "tiny", "uuid": template}]});
    for Machine { hardware, cards, disk, driver } in MACHINES {
        set(&site, &template, &hardware);
        site.done(site.admin.action(TEMPLATES, "start", param.clone()));
        let inside = wait_for(&format!("the guest on {hardware:?}"), BOOT, || {
            node.ask_guest(&address, "hardware")
        });
        let lines: Vec<&str> = inside.lines().collect();
        let mut wanted: Vec<String> = cards.iter().map(|card| format!("card={card}")).collect();
        wanted.push(format!("disk={disk}"));
        wanted.push(format!("driver={driver}"));
        wanted.push(format!("firmware={}", hardware[0].1));
        for line in wanted {
            assert!(lines.contains(&line.as_str()), "{hardware:?}: no {line} in\n{inside}");
        }
        site.done(site.admin.action(TEMPLATES, "hard_stop", param.clone()));
    }
    // All were starts of one disk.
    site.done(site.admin.action(TEMPLATES, "start", param.clone()));
    wait_until("one more start", BOOT, || boots(&node, &address) == "5");
}

#[test]
fn a_system_is_installed_from_a_cd_and_its_desktops_start_from_the_disk() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    site.upload_iso("installer", &installer_iso());
    let iso = uuid_of(&site.admin, ISOS, "installer");
    let template = template(&site, &json!({"system_disk": {"size": 1}, "iso_uuid": iso}));
    set(&site, &template, &[("firmware", "uefi")]);
    let start = json!({"templates": [{"name": "tiny", "uuid": template}]});
    site.done(site.admin.action(TEMPLATES, "start", start));
    assert_eq!(node.domain_state(&template), "running");
    wait_until("the end of the installation", BOOT, || node.domain_state(&template) == "shut off");
    let save = json!({"name": "tiny", "uuid": template});
    site.done(site.admin.action(TEMPLATES, "save", save));

    let room = site.classroom("room");
    let param = json!({
        "name": "pc", "group_uuid": room, "template_uuid": template, "pool_uuid": site.pool,
        "network_uuid": site.network, "subnet_uuid": site.subnet, "vcpu": 1, "ram": 0.5,
        "sys_restore": 1, "data_restore": 1, "instance_num": 1, "prefix": "pc", "postfix": 3,
        "postfix_start": 1,
    });
    site.done(site.admin.action(DESKTOP_GROUPS, "create", param));
    let group = uuid_of(&site.admin, DESKTOP_GROUPS, "pc");
    site.group_action("start", &group, "pc");
    let desktop = site.desktops(&group).remove(0);
    let address = text(&desktop, "ipaddr");
    assert_eq!(node.guest_status(&address, "boots", BOOT), "1");
    assert_eq!(mark(&node, &address), "installed");
    let hardware = node.ask_guest(&address, "hardware").expect("an answer");
    assert!(hardware.contains("disk=/dev/vda2\nfirmware=uefi"), "{hardware}");
    let discs = node.virsh(&["domblklist", &text(&desktop, "uuid")]);
    assert!(!discs.contains(&iso), "{discs}");
}
