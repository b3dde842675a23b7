//! What guests say of themselves, honest ones and others.

use serde_json::{Value, json};

use crate::story::{BOOT, DESKTOP_GROUPS, act, desktops_of, group_param, text};
use crate::support::{Client, LabNode, Server, Site, guest_image, wait_for};

fn told(admin: &Client, desktop: &Value) -> Value {
    let path = format!("/api/v1.0/desktops/{}/guest", text(desktop, "uuid"));
    admin.get(&path).send().data().clone()
}

/// What the page shows as soon as libvirt knows that the agent is there, or not any more.
#[track_caller]
fn told_then(admin: &Client, desktop: &Value, agent: &str) -> Value {
    wait_for(&format!("a guest agent that is {agent}"), BOOT, || {
        let guest = told(admin, desktop);
        (guest["agent"] == agent).then_some(guest)
    })
}

#[test]
fn a_guest_is_asked_and_never_believed() {
    let node = LabNode::up();
    let server = Server::with().on(&node).start();
    let site = Site::of_default(&server);
    let admin = &site.admin;
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    let group = site.deploy("pc", &classroom, &template, 4);
    let desktops = desktops_of(admin, &group);
    let [honest, liar, noisy, mute] = &desktops[..] else { panic!("{desktops:?}") };
    let nobody = json!({
        "agent": "off", "agent_version": "", "host_name": "", "system": "", "kernel": "",
        "nics": [], "users": [], "filesystems": [],
    });
    assert_eq!(told(admin, honest), nobody);

    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "pc"));
    for (desktop, way) in desktops.iter().zip(["agent", "agent?lies", "agent?noise", "agent?mute"])
    {
        let address = text(desktop, "ipaddr");
        node.guest_status(&address, "boots", BOOT);
        assert_eq!(told(admin, desktop)["agent"], "absent");
        assert_eq!(node.ask_guest(&address, way).as_deref(), Some("ok\n"));
    }

    let guest = told_then(admin, honest, "answers");
    assert_eq!(
        (&guest["agent_version"], &guest["system"]),
        (&json!("7.2.0"), &json!("Tiny guest"))
    );
    assert_ne!(guest["kernel"], "");
    let nic = &guest["nics"][0];
    assert_eq!((&nic["name"], &nic["mac"]), (&json!("eth0"), &honest["mac"]), "{guest:#}");
    let address = nic["addresses"][0].as_str().expect("an address");
    assert_eq!(address.split('/').next(), honest["ipaddr"].as_str());
    assert_eq!(guest["users"][0]["name"], "ana");
    assert_eq!(
        guest["filesystems"],
        json!([{"mountpoint": "/", "type": "vfat", "size": 33_554_432, "used": 16_777_216}])
    );

    let guest = told_then(admin, liar, "answers");
    assert_eq!((&guest["agent_version"], &guest["host_name"]), (&json!(""), &json!("")));
    assert_eq!(guest["system"], "Odd[31m");
    assert_eq!(
        guest["nics"],
        json!([{"name": "<b>eth0</b>", "mac": "", "addresses": ["192.0.2.9/24"]}])
    );
    assert_eq!(guest["users"], json!([]));
    assert_eq!(guest["filesystems"][0]["used"], 10);

    told_then(admin, noisy, "silent");
    told_then(admin, mute, "silent");
    // One that says nothing holds up nobody else.
    assert_eq!(told(admin, honest)["agent"], "answers");
    site.done(admin.action(DESKTOP_GROUPS, "hard_stop", group_param(&group, "pc")));
    assert_eq!(told(admin, honest), nobody);
}
