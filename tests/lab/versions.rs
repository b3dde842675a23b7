//! What desktops are made like, changed under real guests: an older version that comes back, other hardware, another
//! network.

use serde_json::json;

use crate::story::{
    BOOT, DESKTOP_GROUPS, TEMPLATES, act, boots, deploy, desktops_of, edit_and_save, group_param,
    instance_param, leave_mark, make_classroom, make_template, mark, template_row, text, upload,
};
use crate::story::{INSTANCES, wait_status};
use crate::support::{LabNode, Server, Site, wait_until};

#[test]
fn the_mark_of_an_older_version_comes_back() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let admin = &site.admin;
    let image = upload(&site);
    let template = make_template(&site, &image);
    // Version 2 is marked `from-the-template`, version 3 `second`.
    edit_and_save(&site, &node, &template);
    let param = json!({"name": "tiny", "uuid": template, "note": "another mark"});
    act(admin, TEMPLATES, "edit", "vdi.templates.edit", json!({"name": "tiny", "uuid": template}));
    let own = text(&template_row(admin), "bind_ip");
    wait_until("the system of version 2", BOOT, || mark(&node, &own) == "from-the-template");
    leave_mark(&node, &own, "second");
    freed_space_returns(&node, &template);
    act(admin, TEMPLATES, "save", "vdi.templates.save", param);
    site.wait_idle();

    let classroom = make_classroom(&site);
    let group = deploy(&site, &classroom, &template, "lab", 1);
    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "lab"));
    let desktop = desktops_of(admin, &group).remove(0);
    let address = text(&desktop, "ipaddr");
    wait_until("the system of version 3", BOOT, || mark(&node, &address) == "second");

    let versions = format!("/api/v1.0/templates/{template}/versions");
    admin.post(&versions).json(&json!({"version": 2, "note": "the first one"})).send().data();
    site.wait_idle();
    assert_eq!(template_row(admin)["version"], 4);
    // Who works with the newer one goes on.
    assert_eq!(mark(&node, &address), "second");
    let one = instance_param(&group, "lab", &[&desktop]);
    act(admin, INSTANCES, "reboot", "vdi.edu-instances.reboot", one);
    wait_until("the system of version 2 again", BOOT, || {
        mark(&node, &address) == "from-the-template"
    });
    wait_status(admin, &group, &desktop, "active");
    assert_eq!(desktops_of(admin, &group)[0]["template_version"], 4);

    // The template's own machine has it, too, and what is saved now stands upon it.
    act(admin, TEMPLATES, "edit", "vdi.templates.edit", json!({"name": "tiny", "uuid": template}));
    wait_until("the template as it was", BOOT, || mark(&node, &own) == "from-the-template");
    let history = admin.get(&versions).send().data();
    let told: Vec<_> = history.as_array().expect("versions").iter().collect();
    assert_eq!((&told[0]["version"], &told[0]["origin"]), (&json!(4), &json!(2)));
    assert_eq!((&told[1]["note"], &told[1]["desktop_count"]), (&json!("another mark"), &json!(1)));
}

/// Has the guest's serial line do it.
fn in_guest(node: &LabNode, tty: &str, what: &str) {
    // Without echo: what the guest says would be said back to it.
    let talk =
        "stty -F \"$0\" raw -echo; exec 3<>\"$0\"; echo \"$1; echo DO''NE\" >&3; grep -m1 DONE <&3";
    node.exec(&["timeout", "60", "bash", "-c", talk, tty, what]);
}

/// What a guest trims, and what it fills with zeroes, takes no room on its node.
fn freed_space_returns(node: &LabNode, domain: &str) {
    let disks = node.virsh(&["domblklist", domain]);
    let path = disks.lines().find_map(|line| line.trim().strip_prefix("vda")).expect("a disk");
    let used = || -> u64 {
        let told = node.exec(&["du", "-k", path.trim()]);
        told.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("KiB")
    };
    let tty = node.virsh(&["ttyconsole", domain]);
    // Behind its partitions.
    let fill =
        |with: &str| format!("dd if=/dev/{with} of=/dev/vda bs=1M seek=40 count=16 conv=fsync");
    let trim = "busybox blkdiscard -o 41943040 -l 16777216 /dev/vda".to_owned();
    let before = used();
    for free in [fill("zero"), trim] {
        for (what, is_full) in [(fill("urandom"), true), (free, false)] {
            in_guest(node, tty.trim(), &what);
            wait_until(&what, BOOT, || (used() >= before + (15 << 10)) == is_full);
        }
        wait_until("all is back", BOOT, || used() < before + (2 << 10));
    }
}

/// That of the only node is all that it has.
fn common_processor(site: &Site, template: &str) {
    let path = format!("/api/v1.0/templates/{template}/hardware");
    let cpu = site.admin.get(&format!("{path}/pool-cpu")).send().data();
    assert!(cpu["cpu_model"].as_str().is_some_and(|name| !name.is_empty()), "{cpu}");
    let mut hardware = site.admin.get(&path).send().data()["hardware"].clone();
    for name in ["cpu_model", "cpu_features"] {
        hardware[name] = cpu[name].clone();
    }
    site.done(site.admin.put(&path).json(&hardware));
    assert_eq!(site.admin.get(&path).send().data()["hardware"], hardware);
}

/// Disks at once. The network where the kernel can, else the reason is told and nothing changed.
fn limits(site: &Site, node: &LabNode, group: &str, desktop: &str) {
    let path = format!("/api/v1.0/desktop-groups/{group}/limits");
    let limits = |disk_mb: u32, receive_mbit: u32| json!({"disk_mb": disk_mb, "disk_iops": 500, "receive_mbit": receive_mbit, "send_mbit": 0});
    site.done(site.admin.put(&path).json(&limits(20, 0)));
    for of in ["--live", "--config"] {
        let told = node.virsh(&["blkdeviotune", desktop, "vda", of]);
        let has = |name: &str, value: &str| {
            told.lines().any(|line| line.replace(' ', "") == format!("{name}:{value}"))
        };
        assert!(has("total_bytes_sec", "20000000") && has("total_iops_sec", "500"), "{told}");
    }
    let answer = site.admin.put(&path).json(&limits(30, 80)).send();
    site.wait_idle();
    let (is, nics) = (site.admin.get(&path).send().data(), node.virsh(&["dumpxml", desktop]));
    if answer.status == 200 && answer.body.contains("\"code\":0") {
        assert!(nics.contains("<inbound average='10000'/>"), "{nics}");
        site.done(site.admin.put(&path).json(&limits(20, 0)));
    } else {
        assert!(answer.body.contains("sch_htb"), "{}", answer.body);
        assert_eq!(is, limits(20, 0), "taken back");
    }
    assert!(!node.virsh(&["dumpxml", desktop]).contains("<bandwidth>"));
    assert!(node.virsh(&["dumpxml", desktop]).contains("<total_bytes_sec>20000000<"));
}

#[test]
fn a_group_runs_on_other_hardware_after_its_restart_and_then_in_another_network() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let admin = &site.admin;
    let image = upload(&site);
    let template = make_template(&site, &image);
    common_processor(&site, &template);
    let classroom = make_classroom(&site);
    let group = deploy(&site, &classroom, &template, "lab", 1);
    let all = group_param(&group, "lab");
    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", all.clone());
    let desktop = desktops_of(admin, &group).remove(0);
    let (uuid, address) = (text(&desktop, "uuid"), text(&desktop, "ipaddr"));
    assert_eq!(node.guest_status(&address, "eth0", BOOT), format!("{address}/24"));
    let change = |value: serde_json::Value| {
        let body = json!({"uuid": group, "name": "lab", "value": value});
        site.done(admin.put(DESKTOP_GROUPS).json(&body));
    };
    // Its system tells what it uses of the 0.125 GiB or so that it has.
    let one = format!("/api/v1.0/desktops/{uuid}");
    let memory = || admin.get(&one).send().data()["memory"].clone();
    wait_until("the guest tells its memory", BOOT, || memory()["guest_used"].is_u64());
    let told = memory();
    let number = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{name}: {told}"));
    assert!((1..number("guest_total")).contains(&number("guest_used")), "{told}");
    assert!(number("guest_total") < 256 << 20 && number("host_used") > 16 << 20, "{told}");
    // Another name reaches the title, and the guest goes on.
    site.done(admin.put(&one).json(&json!({"name": "reception"})));
    let title = node.virsh(&["desc", &uuid, "--title", "--config"]);
    assert_eq!(title.trim(), "reception");
    let desktop = desktops_of(admin, &group).remove(0);
    limits(&site, &node, &group, &uuid);
    assert_eq!(boots(&node, &address), "1");
    change(json!({"vcpu": 2, "ram": 0.1875}));
    let has = |two: bool| {
        let xml = node.virsh(&["dumpxml", &uuid]);
        let memory = xml.contains("<memory unit='KiB'>196608</memory>");
        assert_eq!(xml.contains(">2</vcpu>"), memory, "{xml}");
        assert_eq!(memory, two, "{xml}");
    };
    has(false);
    let one = instance_param(&group, "lab", &[&desktop]);
    act(admin, INSTANCES, "reboot", "vdi.edu-instances.reboot", one);
    wait_until("it is up again", BOOT, || !boots(&node, &address).is_empty());
    has(true);

    act(admin, DESKTOP_GROUPS, "stop", "vdi.edu-desktops.stop", all.clone());
    wait_status(admin, &group, &desktop, "inactive");
    let subnets = format!("/api/v1.0/resource_mgr/data_networks/{}/sub_networks", site.network);
    let new = json!({"name": "more", "start_ip": "10.77.0.10", "end_ip": "10.77.0.20",
                     "netmask": "255.255.255.0", "gateway": "10.77.0.1", "dns1": "10.77.0.1"});
    admin.post(&subnets).json(&new).send().data();
    let more = crate::support::uuid_of(admin, &subnets, "more");
    change(json!({"network_uuid": site.network, "subnet_uuid": more}));
    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", all);
    let moved = text(&desktops_of(admin, &group)[0], "ipaddr");
    assert_eq!(moved, "10.77.0.10");
    assert_eq!(node.guest_status(&moved, "eth0", BOOT), format!("{moved}/24"));
}
