//! Desktops of education desktop groups.

use serde_json::{Value, json};

use crate::room::{INSTANCES, NOBODY, Room};
use crate::support::rows;

/// Uuid and name of each desktop.
fn named(rows: &[Value]) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (text(row, "uuid"), text(row, "name"))).collect()
}

#[test]
fn desktops_say_what_they_are_and_why_they_do_not_run() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let page = room.site.admin.get(INSTANCES).query("desktop_uuid", &group).query("page_size", 2);
    let page = page.header("Accept-Language", "en").send();
    let data = page.documented("vdi.edu-instances.list");
    assert_eq!(data["count"], 3);
    assert!(data["next"].as_str().is_some_and(|next| next.contains("page=2")), "{data}");
    let first = &data["results"][0];
    assert_eq!((&first["status"], &first["active_time"]), (&json!("inactive"), &json!(0)));
    assert_eq!(
        (&first["message"], &first["reason"]),
        (&json!(""), &json!("It was never started."))
    );
    assert_eq!(first["up_time"], Value::Null);
    assert_eq!(first["hostname"], first["host_name"]);

    let all = named(&room.site.desktops(&group));
    let one = [(all[0].0.as_str(), all[0].1.as_str())];
    let started = room.act("start", (&group, "pc"), &one);
    assert_eq!(started.documented("vdi.edu-instances.start")["success_num"], 1);
    let row = room.site.desktops(&group)[0].clone();
    assert_eq!((&row["status"], &row["message"]), (&json!("active"), &json!("")));
    assert!(row["up_time"].is_string(), "{row}");
    let active = room.site.admin.get(INSTANCES).query("status", "active").send();
    assert_eq!(rows(&active).len(), 1);

    room.act("reboot", (&group, "pc"), &one).documented("vdi.edu-instances.reboot");
    room.act("stop", (&group, "pc"), &one).documented("vdi.edu-instances.stop");
    let stopped = room.site.admin.get(INSTANCES).query("uuid", one[0].0);
    let row = rows(&stopped.header("Accept-Language", "en").send())[0].clone();
    assert_eq!(row["status"], "inactive");
    assert_eq!(
        (&row["message"], &row["reason"]),
        (&json!(""), &json!("It was shut down by Carrel."))
    );
    // At once, without a word to the guest.
    room.act("hard_reboot", (&group, "pc"), &one).expect_status(409);
    room.act("start", (&group, "pc"), &one).expect_status(200);
    let operation = |kind: &str| {
        let found = room.site.admin.get("/api/v1.0/operations").query("kind", kind).send();
        rows(&found).first().map(|row| row["state"].clone())
    };
    assert_eq!(room.act("hard_reboot", (&group, "pc"), &one).data()["success_num"], 1);
    assert_eq!(operation("desktops-hard-reboot"), Some(json!("succeeded")));
    assert_eq!(room.site.desktops(&group)[0]["status"], "active");
    assert_eq!(room.act("hard_stop", (&group, "pc"), &one).data()["success_num"], 1);
    assert_eq!(operation("desktops-hard-stop"), Some(json!("succeeded")));
    assert_eq!(room.site.desktops(&group)[0]["status"], "inactive");
    let log = room.site.admin.get("/api/v1.0/index/get_operation_log/").query("subject", one[0].1);
    let log = log.header("Accept-Language", "en").send();
    assert!(log.body.contains("Switch off desktops: pc"), "{}", log.body);
    // Off already: that is what was wanted.
    room.act("stop", (&group, "pc"), &one).expect_status(200);
    room.act("reboot", (&group, "pc"), &one).expect_status(409);
}

#[test]
fn a_batch_counts_what_could_not_be_done() {
    let room = Room::start();
    let (group, other) = (room.deploy("pc", 2), room.deploy("pd", 1));
    let (mine, others) = (named(&room.site.desktops(&group)), named(&room.site.desktops(&other)));
    let (uuid, name) = (mine[0].0.as_str(), mine[0].1.as_str());
    let answer = room.act(
        "start",
        (&group, "pc"),
        &[(uuid, name), (NOBODY, "ghost"), (&others[0].0, &others[0].1), (&mine[1].0, "wrong")],
    );
    let counts = answer.data();
    assert_eq!((&counts["success_num"], &counts["failed_num"]), (&json!(1), &json!(3)), "{counts}");
    assert_eq!(counts["failed"].as_array().map(Vec::len), Some(3));
    assert_eq!(room.group(&other)["active_count"], 0);

    room.act("start", (&group, "pc"), &[(NOBODY, "ghost")]).expect_status(404);
    room.act("start", (NOBODY, "pc"), &[(uuid, name)]).expect_status(404);
    room.act("start", (&group, "wrong"), &[(uuid, name)]).expect_status(409);
    room.act("start", (&group, "pc"), &[]).expect_status(400);
    let param = json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 7,
        "instances": [{"uuid": uuid, "name": name}]});
    room.site.admin.action(INSTANCES, "start", param).send().expect_status(400);
    let param = json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1,
        "instances": [{"uuid": uuid}]});
    room.site.admin.action(INSTANCES, "start", param).send().expect_status(400);
}

#[test]
fn desktops_are_added_and_deleted_and_gaps_are_filled() {
    let room = Room::start();
    let group = room.deploy("pc", 3);
    let all = named(&room.site.desktops(&group));
    room.act("start", (&group, "pc"), &[(&all[1].0, &all[1].1)]).data();
    let body = json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 2,
        "instances": [{"uuid": all[1].0, "name": all[1].1}]});
    let answer = room.site.admin.delete(INSTANCES).json(&body).send();
    assert_eq!(answer.documented("vdi.edu-instances.delete")["success_num"], 1);
    assert_eq!(room.overlays().len(), 2);

    let add = |count: Value| {
        let param = json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1,
            "instance_num": count});
        room.site.admin.action(INSTANCES, "create", param).send()
    };
    add(json!("2")).documented("vdi.edu-instances.create");
    let names: Vec<String> =
        named(&room.site.desktops(&group)).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["pc001", "pc002", "pc003", "pc004"]);
    assert_eq!(room.overlays().len(), 4);
    add(json!(0)).expect_status(400);
    add(json!(500)).expect_status(507);
    add(json!("some")).expect_status(400);
    assert_eq!(room.group(&group)["instance_num"], 4);
}
