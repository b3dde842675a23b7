//! What guests say of themselves, honest ones and others.

use serde_json::{Value, json};

use crate::story::{
    BOOT, DESKTOP_GROUPS, INSTANCES, act, desktops_of, group_param, instance_param, reason, text,
    wait_status,
};
use crate::support::{Client, LabNode, Server, Site, guest_image, rows, wait_for, wait_until};

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
    let mut server = Server::with().on(&node).start();
    let mut site = Site::of_default(&server);
    let admin = &site.admin;
    let image = site.upload("tiny", &guest_image());
    let template = site.template("tiny", &image);
    let classroom = site.classroom("room");
    script(admin, &template, SCRIPT);
    let group = site.deploy("pc", &classroom, &template, 5);
    let pattern = json!({"pattern": "Lab-{number:3}"});
    let names = format!("/api/v1.0/desktop-groups/{group}/host-names");
    admin.put(&names).json(&pattern).send().data();
    let desktops = desktops_of(admin, &group);
    let [honest, liar, noisy, mute, _hanging] = &desktops[..] else { panic!("{desktops:?}") };
    let nobody = json!({
        "agent": "off", "agent_version": "", "host_name": "", "system": "", "kernel": "",
        "nics": [], "users": [], "filesystems": [],
    });
    assert_eq!(told(admin, honest), nobody);

    act(admin, DESKTOP_GROUPS, "start", "vdi.edu-desktops.start", group_param(&group, "pc"));
    let ways = ["agent", "agent?lies", "agent?noise", "agent?mute", "agent"];
    for (desktop, way) in desktops.iter().zip(ways) {
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
    first_starts(admin, &node, (&group, &template), &desktops);
    // A controller that dies meanwhile finds its script again, once it has written which one it is.
    let database = server.data_here().join("carrel.db");
    let is_known = "SELECT count(*) FROM first_starts f JOIN desktops d ON d.id = f.desktop_id \
         WHERE d.uuid = ?1 AND f.state = 'running' AND f.pid IS NOT NULL";
    wait_until("the script is known", BOOT, || {
        let database = rusqlite::Connection::open(&database).expect("the database");
        let known = database.query_row(is_known, [text(honest, "uuid")], |row| row.get(0));
        known.is_ok_and(|known: u32| known == 1)
    });
    server.kill_and_start();
    site.admin = server.admin();
    let admin = &site.admin;
    first_starts_go_on(admin, &node, &template, &desktops);
    clock_after_a_pause(admin, &node, &group, honest);
    site.done(admin.action(DESKTOP_GROUPS, "hard_stop", group_param(&group, "pc")));
    assert_eq!(told(admin, honest), nobody);
}

/// Its output is what a terminal would choke on, and more than is kept. On the fifth it never ends.
const SCRIPT: &str = r#"if [ "$CARREL_NUMBER" = 5 ]; then echo begun; sleep 1000; fi
echo "$CARREL_NAME $CARREL_NUMBER $CARREL_ADDRESS $CARREL_GROUP $(hostname)"
clock=$(cat /tmp/clock); echo "clock ${clock%?????????}"
printf '\000\033[31m\377'; head -c 100000 /dev/zero | tr '\000' x
exit 5
"#;

/// As long as a controller takes to come back, and tells how often it ran.
const SLOW: &str = "echo once >>/tmp/ran; sleep 12; cat /tmp/ran";

fn script(admin: &Client, template: &str, text: &str) {
    let path = format!("/api/v1.0/templates/{template}/first-start");
    let script = json!({"shell": "sh", "script": text, "minutes": 1});
    admin.put(&path).json(&script).send().data();
}

fn first_start(admin: &Client, desktop: &Value) -> Value {
    let path = format!("/api/v1.0/desktops/{}/first-start", text(desktop, "uuid"));
    admin.get(&path).header("Accept-Language", "en").send().data().clone()
}

#[track_caller]
fn first_start_ends(admin: &Client, desktop: &Value) -> Value {
    wait_for("the end of a first start", BOOT, || {
        let found = first_start(admin, desktop);
        (!found["ended_at"].is_null()).then_some(found)
    })
}

fn again(admin: &Client, desktop: &Value) {
    let one = json!({"uuid": desktop["uuid"], "name": desktop["name"]});
    admin.post("/api/v1.0/first-starts").json(&json!({"desktops": [one]})).send().data();
}

/// What became of the first starts of guests that are up, an honest one and others.
fn first_starts(
    admin: &Client,
    node: &LabNode,
    (group, template): (&str, &str),
    desktops: &[Value],
) {
    let [honest, liar, noisy, mute, hanging] = desktops else { panic!("{desktops:?}") };
    let address = text(honest, "ipaddr");
    let ended = first_start_ends(admin, honest);
    assert_eq!((&ended["state"], &ended["exit_code"]), (&json!("failed"), &json!(5)), "{ended:#}");
    assert_eq!(ended["message"], "The script ended with code 5.");
    assert_eq!((&ended["host_name"], &ended["output_cut"]), (&json!("Lab-001"), &json!(true)));
    let output = ended["output"].as_str().expect("a text");
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some(format!("pc001 1 {address} pc Lab-001").as_str()));
    let clock = lines.next().and_then(|line| line.strip_prefix("clock ")?.parse::<u64>().ok());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!(clock.is_some_and(|clock| (now - 600..=now).contains(&clock)), "{clock:?}");
    assert!(lines.next().is_some_and(|line| line.starts_with("[31m\u{fffd}xxx")), "{output:.200}");
    assert!((65_000..66_000).contains(&output.len()), "{}", output.len());

    // Who lies says nothing that can be believed, and who is silent is not given up yet.
    assert_eq!(first_start_ends(admin, liar)["state"], "failed");
    for waiting in [noisy, mute] {
        assert_eq!(first_start(admin, waiting)["state"], "running");
    }
    // What hangs has a minute, which may be over by now.
    let of_those = [honest, liar, hanging].map(|desktop| &desktop["name"]);
    let failed = rows(&admin.get("/api/v1.0/desktops").query("first_start", "failed").send());
    assert!((2..=3).contains(&failed.len()), "{failed:#?}");
    assert!(failed.iter().all(|row| of_those.contains(&&row["name"])), "{failed:#?}");
    let row = admin.get(DESKTOP_GROUPS).query("searchtype", "single").query("uuid", group);
    let count = row.send().data()["first_start_failed_count"].as_u64();
    assert!(count.is_some_and(|count| (2..=3).contains(&count)), "{count:?}");

    script(admin, template, SLOW);
    again(admin, honest);
    wait_for("a script that runs", BOOT, || {
        node.ask_guest(&address, "ran").filter(|ran| ran.contains("once"))
    });
}

/// What was begun before the controller was killed, a script that restarts its guest, and one that hangs.
fn first_starts_go_on(admin: &Client, node: &LabNode, template: &str, desktops: &[Value]) {
    let [honest, _, noisy, _, hanging] = desktops else { panic!("{desktops:?}") };
    let address = text(honest, "ipaddr");
    let ended = first_start_ends(admin, honest);
    assert_eq!(
        (&ended["state"], &ended["output"]),
        (&json!("succeeded"), &json!("once\n")),
        "{ended:#}"
    );
    assert_eq!((&ended["message"], &ended["exit_code"]), (&json!(""), &json!(0)));

    // One that restarts its guest, which is restored then: the next life runs it anew.
    script(admin, template, "reboot -f");
    again(admin, honest);
    wait_for("a guest that was restarted", BOOT, || {
        let up = node.ask_guest(&address, "ran")?;
        up.is_empty().then_some(())
    });
    script(admin, template, "echo new");
    // An agent that answers when nobody waits any more: no answer is taken for that to another question.
    assert_eq!(node.ask_guest(&address, "agent?late").as_deref(), Some("ok\n"));
    told_then(admin, honest, "silent");
    assert_eq!(first_start(admin, honest)["state"], "running");
    assert_eq!(node.ask_guest(&address, "agent").as_deref(), Some("ok\n"));
    let guest = told_then(admin, honest, "answers");
    assert_eq!(
        (&guest["system"], &guest["users"][0]["name"]),
        (&json!("Tiny guest"), &json!("ana"))
    );
    let ended = wait_for("the first start of the next life", BOOT, || {
        Some(first_start(admin, honest)).filter(|found| found["output"] == "new\n")
    });
    assert_eq!((&ended["state"], &ended["host_name"]), (&json!("succeeded"), &json!("Lab-001")));

    let ended = first_start_ends(admin, hanging);
    assert_eq!(
        (&ended["state"], &ended["exit_code"]),
        (&json!("failed"), &json!(124)),
        "{ended:#}"
    );
    assert!(text(&ended, "output").starts_with("begun\n"), "{ended:#}");
    let message = ended["message"].as_str().expect("a message");
    assert!(message.contains("ended after one minute."), "{message}");

    // A gigabyte is no answer, and the agent after it is heard.
    let address = text(noisy, "ipaddr");
    assert_eq!(node.ask_guest(&address, "agent?flood").as_deref(), Some("ok\n"));
    told_then(admin, noisy, "silent");
    assert_eq!(node.ask_guest(&address, "agent").as_deref(), Some("ok\n"));
    told_then(admin, noisy, "answers");
    let ended = first_start_ends(admin, noisy);
    assert_eq!((&ended["state"], &ended["output"]), (&json!("succeeded"), &json!("new\n")));
}

/// A guest that stood still is told the time when it goes on.
fn clock_after_a_pause(admin: &Client, node: &LabNode, group: &str, honest: &Value) {
    let clock = || node.ask_guest(&text(honest, "ipaddr"), "clock");
    let before = clock().expect("a clock");
    node.virsh(&["suspend", &text(honest, "uuid")]);
    wait_status(admin, group, honest, "error");
    assert_eq!(reason(admin, group, honest), "It is paused. Start it to let it go on.");
    act(
        admin,
        INSTANCES,
        "start",
        "vdi.edu-instances.start",
        instance_param(group, "pc", &[honest]),
    );
    wait_until("the clock is set", BOOT, || clock().is_some_and(|now| now > before));
}
