//! Education desktop groups.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::refused::refused;
use crate::room::{DESKTOPS, INSTANCES, NOBODY, Room, refuse_each};
use crate::support::{PASSWORD, rows, uuid_of};

const TEMPLATES: &str = "/api/v1.0/education/template/";

#[test]
fn a_group_is_deployed_as_told_and_leaves_nothing_when_deleted() {
    let room = Room::start();
    let before = room.server.files();
    let node = room.site.admin.get("/api/v1.0/resource_mgr/controller_nodes").send();
    let node_ip = rows(&node)[0]["ip"].as_str().expect("ip").to_owned();
    let mut param = room.param("pc", 3);
    param["postfix_start"] = json!(9);
    param["postfix"] = json!(2);
    param["create_info"] = json!({node_ip: 3});
    let answer = room.site.admin.action(DESKTOPS, "create", param).send();
    answer.documented("vdi.edu-desktops.create");
    let uuid = uuid_of(&room.site.admin, DESKTOPS, "pc");

    let page = room.site.admin.get(DESKTOPS).query("group", &room.classroom).send();
    let row = &page.documented("vdi.edu-desktops.list")["results"][0];
    assert_eq!(row["template"], room.template.as_str());
    assert_eq!((&row["group"], &row["group_name"]), (&json!(room.classroom), &json!("room")));
    assert_eq!((&row["instance_num"], &row["inactive_count"]), (&json!(3), &json!(3)));
    assert_eq!((&row["active_count"], &row["active"]), (&json!(0), &json!(false)));
    assert_eq!((&row["template_status"], &row["reason"]), (&json!("inactive"), &json!("")));
    assert_eq!(
        (&row["prefix"], &row["postfix"], &row["owner"]),
        (&json!("pc"), &json!(2), &json!("admin"))
    );
    assert_eq!(row["devices"][0], json!({"type": "system", "boot_index": 0, "size": 1}));

    let desktops = room.site.desktops(&uuid);
    let names: Vec<&str> = desktops.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["pc09", "pc10", "pc11"]);
    let mut addresses: Vec<&str> =
        desktops.iter().filter_map(|row| row["ipaddr"].as_str()).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert_eq!(room.overlays().len(), 3);

    room.site.delete_group(&uuid, "pc");
    assert_eq!(room.server.files(), before);
    assert_eq!(rows(&room.site.admin.get(DESKTOPS).send()).len(), 0);
    // The addresses are free again: the next group gets the same ones.
    let again = room.deploy("pd", 3);
    let second = room.site.desktops(&again);
    assert_eq!(second[0]["ipaddr"], desktops[0]["ipaddr"]);
}

#[test]
fn a_group_is_started_and_activated_by_the_deployment_itself() {
    let room = Room::start();
    let mut param = room.param("pc", 3);
    param["start"] = json!(1);
    param["activate"] = json!(1);
    let data = room.site.done(room.site.admin.action(DESKTOPS, "create", param));
    let group = room.group(data["uuid"].as_str().expect("uuid"));
    assert_eq!((&group["active_count"], &group["active"]), (&json!(3), &json!(true)));
    let one = room.site.wait_operation(data["operation_uuid"].as_str().expect("an operation"));
    assert_eq!(one["state"], "succeeded", "{one:#}");
    // Whoever may deploy and not start is told so, and nothing is made.
    let role = json!({"code": "deployer", "name": "Deployer", "permissions": [
        "desktops.manage", "desktops.view", "templates.view", "pools.view", "networks.view", "groups.view"]});
    room.site.admin.post("/api/v1.0/identity/role").json(&role).send().data();
    let user = json!({"name": "lee", "password": PASSWORD, "roles": ["deployer"]});
    room.site.admin.post("/api/v1.0/identity/user").json(&user).send().data();
    let lee = room.server.client().sign_in("lee", PASSWORD);
    let mut param = room.param("pd", 1);
    param["start"] = json!(1);
    lee.action(DESKTOPS, "create", param.clone()).send().expect_status(403);
    param["start"] = json!(0);
    lee.action(DESKTOPS, "create", param).send().data();
    let groups = rows(&room.site.admin.get(DESKTOPS).send());
    assert_eq!(groups.len(), 2, "{groups:#?}");
    assert_eq!(groups[1]["active_count"], 0);
}

#[test]
fn a_group_none_of_which_starts_is_there_and_names_the_starts() {
    let room = Room::start();
    let ask = room.site.admin.get("/api/v1.0/education/desktop/capacity/");
    let ask = ask.query("template_uuid", &room.template).query("network_uuid", &room.site.network);
    let ask = ask.query("subnet_uuid", &room.site.subnet).query("group_uuid", &room.classroom);
    let all = ask.send().data()["nodes"][0]["ram"].as_f64().expect("ram");
    let mut param = room.param("huge", 2);
    // As much as the machine has: some of it is in use.
    param["ram"] = json!((all * 1024.0).floor() / 1024.0);
    param["start"] = json!(1);
    let create = room.site.admin.action(DESKTOPS, "create", param);
    let begun = create.header("Prefer", "respond-async").send().data();
    let end = room.site.wait_operation(begun["operation_uuid"].as_str().expect("an operation"));
    assert_eq!(end["state"], "partly", "{end:#}");
    let failed = end["failed"].as_array().expect("a list");
    let names: Vec<&Value> = failed.iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["huge001", "huge002"], "{end:#}");
    assert!(failed.iter().all(|item| item["reason"].as_str().is_some_and(|why| !why.is_empty())));
    let group = room.group(begun["uuid"].as_str().expect("uuid"));
    assert_eq!((&group["instance_num"], &group["active_count"]), (&json!(2), &json!(0)));
}

#[test]
fn a_deployment_that_starts_goes_on_after_a_kill() {
    let mut room = Room::start();
    let mut param = room.param("pc", 30);
    param["start"] = json!(1);
    param["activate"] = json!(1);
    let deploy =
        room.site.admin.action(DESKTOPS, "create", param).header("Prefer", "respond-async");
    let begun = deploy.send().data();
    room.server.kill_and_start();
    room.site.admin = room.server.admin();
    let operation = begun["operation_uuid"].as_str().expect("an operation");
    let end = room.site.wait_operation(operation);
    assert_eq!(end["state"], "succeeded", "{end:#}");
    let group = room.group(begun["uuid"].as_str().expect("uuid"));
    assert_eq!((&group["active_count"], &group["active"]), (&json!(30), &json!(true)));
}

#[test]
fn what_there_is_for_more_desktops_is_told_before() {
    let room = Room::start();
    let of = |template: &str| {
        let ask = room.site.admin.get("/api/v1.0/education/desktop/capacity/");
        let ask = ask.query("template_uuid", template).query("network_uuid", &room.site.network);
        ask.query("subnet_uuid", &room.site.subnet).query("group_uuid", &room.classroom).send()
    };
    let before = of(&room.template).data();
    assert_eq!(before["obstacle"], "");
    let node = &before["nodes"][0];
    let (ram, free) = (node["ram"].as_f64().expect("ram"), node["free_ram"].as_f64());
    assert!(ram > 0.0 && free.is_none_or(|free| free <= ram), "{node}");
    room.deploy("pc", 5);
    let after = of(&room.template).data();
    let number = |answer: &Value| answer["free_addresses"].as_u64().expect("a number");
    assert_eq!(number(&before) - number(&after), 5);
    // As many as that can be made, and not one more.
    let mut param = room.param("pd", 1);
    param["instance_num"] = json!(number(&after) + 1);
    room.site.admin.action(DESKTOPS, "create", param.clone()).send().expect_status(507);
    param["instance_num"] = json!(number(&after));
    room.site.done(room.site.admin.action(DESKTOPS, "create", param));
    assert_eq!(number(&of(&room.template).data()), 0);
    of(NOBODY).expect_status(404);
}

#[test]
fn a_template_that_no_node_has_is_what_is_named() {
    let room = Room::start();
    let database = Connection::open(room.server.data_here().join("carrel.db")).expect("open");
    let sql = "DELETE FROM layer_copies WHERE layer IN (SELECT uuid FROM template_layers)";
    database.execute(sql, []).expect("no copies");
    let admin = room.site.admin.with_header("Accept-Language", "en");
    let ask = admin.get("/api/v1.0/education/desktop/capacity/");
    let ask = ask.query("template_uuid", &room.template).query("network_uuid", &room.site.network);
    let ask = ask.query("subnet_uuid", &room.site.subnet).query("group_uuid", &room.classroom);
    let told = ask.send().data();
    let why = told["obstacle"].as_str().expect("why");
    assert!(why.contains("version 1 of template \"plain\""), "{told}");
}

#[test]
fn groups_start_reboot_and_stop_together() {
    let room = Room::start();
    let (one, two) = (room.deploy("one", 2), room.deploy("two", 2));
    let both = json!({"desktops": [
        {"uuid": one, "name": "one"}, {"uuid": two, "name": "two"}]});
    let answer = room.site.admin.action(DESKTOPS, "start", both.clone()).send();
    assert_eq!(answer.documented("vdi.edu-desktops.start")["success_num"], 4);
    assert_eq!(room.group(&one)["active_count"], 2);
    assert_eq!(room.group(&two)["inactive_count"], 0);
    let answer = room.site.admin.action(DESKTOPS, "reboot", both.clone()).send();
    assert_eq!(answer.documented("vdi.edu-desktops.reboot")["success_num"], 4);
    let with_ghost = json!({"desktops": [
        {"uuid": one, "name": "one"}, {"uuid": NOBODY, "name": "ghost"}]});
    let answer = room.site.admin.action(DESKTOPS, "stop", with_ghost).send();
    let counts = answer.documented("vdi.edu-desktops.stop");
    assert_eq!((&counts["success_num"], &counts["failed_num"]), (&json!(2), &json!(1)));
    assert_eq!(room.group(&one)["active_count"], 0);
    assert_eq!(room.group(&two)["active_count"], 2);
    // A running group is deleted all the same.
    room.site.delete_group(&two, "two");
    assert_eq!(room.overlays().len(), 2);
}

#[test]
fn a_group_is_activated_and_changed() {
    let room = Room::start();
    let uuid = room.deploy("pc", 1);
    let named = json!({"desktops": [{"uuid": uuid, "name": "pc"}]});
    room.site
        .admin
        .action(DESKTOPS, "active", named.clone())
        .send()
        .documented("vdi.edu-desktops.active");
    assert_eq!(room.group(&uuid)["active"], true);
    room.site
        .admin
        .action(DESKTOPS, "inactive", named)
        .send()
        .documented("vdi.edu-desktops.inactive");
    assert_eq!(room.group(&uuid)["active"], false);

    let change = |name: &str, value: Value| {
        let body = json!({"uuid": uuid, "name": name, "value": value});
        room.site.admin.put(DESKTOPS).json(&body).send()
    };
    change("pc", json!({"name": "pd", "order_num": "3"})).documented("vdi.edu-desktops.update");
    change("pd", json!({"sys_restore": 0, "data_restore": 0}))
        .documented("vdi.edu-desktops.update");
    let row = room.group(&uuid);
    assert_eq!((&row["name"], &row["order_num"]), (&json!("pd"), &json!(3)));
    assert_eq!((&row["sys_restore"], &row["data_restore"]), (&json!(0), &json!(0)));
    change("pc", json!({"order_num": 1})).expect_status(409);
    change("pd", json!({"sys_restore": 2})).expect_status(400);
    room.deploy("pe", 1);
    change("pd", json!({"name": "pe"})).expect_status(409);
    assert_eq!(room.group(&uuid)["name"], "pd");
}

#[test]
fn restoring_is_changed_only_while_nobody_works_on_a_desktop() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    let desktops: Vec<String> = room
        .site
        .desktops(&group)
        .iter()
        .map(|row| row["uuid"].as_str().expect("uuid").to_owned())
        .collect();
    let database = Connection::open(room.server.data_here().join("carrel.db")).expect("open");
    // Somebody's work on the second desktop that lasts: its domain may go at any moment.
    database
        .execute(
            "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, \
             owner_name, run_at, created_at) VALUES (?1, 'desktops-delete', ?2, 'pc002', '{}', \
             '[]', 'scheduled', 'admin', 99999999999, 0)",
            [NOBODY, &desktops[1]],
        )
        .expect("an operation");
    let lock = "INSERT INTO operation_locks (subject, operation_id, name) VALUES (?1, ?2, 'pc002')";
    database.execute(lock, params![desktops[1], database.last_insert_rowid()]).expect("its lock");
    let change = || {
        let body = json!({"uuid": group, "name": "pc", "value": {"name": "pd", "sys_restore": 0}});
        room.site.admin.put(DESKTOPS).json(&body)
    };
    let before = room.group(&group);
    let sentence = refused(&change().send(), 409, "operation-in-the-way");
    assert!(sentence.contains("“pc002”") && sentence.contains("（删除）"), "{sentence}");
    let sentence =
        refused(&change().header("Accept-Language", "en").send(), 409, "operation-in-the-way");
    assert!(sentence.starts_with("\"pc002\" is being worked on (being deleted)."), "{sentence}");
    assert_eq!(room.group(&group), before);
    // one that is held holds up no other
    let group_action = |name: &str| {
        let one = desktops[if name == "pc001" { 0 } else { 1 }].as_str();
        room.act("start", (&group, "pc"), &[(one, name)])
    };
    group_action("pc001").data();
    assert!(refused(&group_action("pc002"), 409, "operation-in-the-way").contains("pc002"));
    let batch = room.site.admin.action(
        DESKTOPS,
        "stop",
        json!({"desktops": [{"uuid": group, "name": "pc"}]}),
    );
    let stopped = batch.send().data();
    assert_eq!((&stopped["success_num"], &stopped["failed_num"]), (&json!(1), &json!(1)));
    assert_eq!(room.group(&group)["active_count"], 0);
    database.execute("DELETE FROM operations WHERE uuid = ?1", [NOBODY]).expect("its end");
    room.site.done(change());
    assert_eq!(room.group(&group)["sys_restore"], 0);
    // The other way round: while it was changed, nobody else could work on any of them.
    let locks: String = database
        .query_row("SELECT locks FROM operations WHERE kind = 'desktop-group-restore'", [], |row| {
            row.get(0)
        })
        .expect("the change");
    assert!(desktops.iter().all(|uuid| locks.contains(uuid)), "{locks}");
}

#[test]
fn wrong_input_is_refused_and_leaves_nothing() {
    let room = Room::start();
    room.deploy("taken", 1);
    let before = room.server.files();
    let wrong = [
        ("name", Value::Null, 400),
        ("name", json!("taken"), 409),
        ("name", json!("x".repeat(300)), 400),
        ("name", json!("../x"), 400),
        ("name", json!("<i>x</i>"), 400),
        ("prefix", json!("a/b"), 400),
        ("group_uuid", json!(NOBODY), 404),
        ("template_uuid", json!(NOBODY), 404),
        ("template_uuid", json!("nonsense"), 400),
        ("pool_uuid", json!(NOBODY), 404),
        ("network_uuid", json!(NOBODY), 404),
        ("subnet_uuid", json!(NOBODY), 404),
        ("vcpu", json!(0), 400),
        ("vcpu", json!("many"), 400),
        ("ram", json!(0), 400),
        ("ram", json!(60_000), 400),
        ("ram", Value::Null, 400),
        ("sys_restore", json!(5), 400),
        ("instance_num", json!(0), 400),
        ("instance_num", json!(-3), 400),
        ("instance_num", json!(100_000), 400),
        // More than the subnet has.
        ("instance_num", json!(900), 507),
        ("postfix", json!(0), 400),
        ("postfix_start", json!(999), 400),
        ("create_info", json!({"203.0.113.9": 2}), 400),
        ("create_info", json!([1]), 400),
    ];
    refuse_each(&room.param("fresh", 2), &wrong, |param| {
        room.site.admin.action(DESKTOPS, "create", param).send()
    });
    let node = room.site.admin.get("/api/v1.0/resource_mgr/controller_nodes").send();
    let node_ip = rows(&node)[0]["ip"].as_str().expect("ip").to_owned();
    let mut param = room.param("fresh", 2);
    param["create_info"] = json!({node_ip: 3});
    room.site.admin.action(DESKTOPS, "create", param).send().expect_status(400);
    room.site.admin.action(DESKTOPS, "explode", json!({})).send().expect_status(400);
    assert_eq!(rows(&room.site.admin.get(DESKTOPS).send()).len(), 1);
    assert_eq!(room.server.files(), before);
}

#[test]
fn more_desktops_than_free_addresses_are_refused_and_leave_nothing() {
    let room = Room::start();
    let admin = room.site.admin.with_header("Accept-Language", "en");
    let subnets =
        format!("/api/v1.0/resource_mgr/data_networks/{}/sub_networks", room.site.network);
    let four = json!({
        "name": "four", "start_ip": "10.66.0.230", "end_ip": "10.66.0.233",
        "netmask": "255.255.255.0", "gateway": "10.66.0.1", "dns1": "10.66.0.1",
    });
    let four = admin.post(&subnets).json(&four).send().data()["uuid"].clone();
    let create = |name: &str, count: u32| {
        let mut param = room.param(name, count);
        param["subnet_uuid"] = four.clone();
        admin.action(DESKTOPS, "create", param).send()
    };
    let before = (room.row_counts(), room.server.files());
    let sentence = refused(&create("five", 5), 507, "subnet-full");
    for word in ["four", "5 needed", "4 free"] {
        assert!(sentence.contains(word), "{sentence}");
    }
    room.site.wait_idle();
    assert_eq!((room.row_counts(), room.server.files()), before);

    // Exactly as many as there are fit; then not one more, neither of that group nor of another.
    create("pc", 4).data();
    let group = uuid_of(&admin, DESKTOPS, "pc");
    let before = (room.row_counts(), room.server.files());
    let add = json!({"desktop_uuid": group, "desktop_name": "pc", "desktop_type": 1,
        "instance_num": 1});
    let answer = admin.action(INSTANCES, "create", add).send();
    assert!(refused(&answer, 507, "subnet-full").contains("0 free"), "{}", answer.body);
    refused(&create("more", 1), 507, "subnet-full");
    let mut param = json!({
        "name": "t", "desc": "", "os_type": "linux", "classify": 1, "pool_uuid": room.site.pool,
        "network_uuid": room.site.network, "subnet_uuid": four, "vcpu": 1, "ram": 0.08,
        "system_disk": {"image_id": room.image, "size": 1}, "data_disks": [],
    });
    let templates = "/api/v1.0/education/template/";
    let template = |param: &Value| admin.action(templates, "create", param.clone()).send();
    refused(&template(&param), 507, "subnet-full");
    param["bind_ip"] = json!("10.66.0.231");
    refused(&template(&param), 409, "address-taken");
    room.site.wait_idle();
    assert_eq!((room.row_counts(), room.server.files()), before);
    assert_eq!(room.group(&group)["instance_num"], 4);
}

#[test]
fn a_deployment_that_fails_on_the_node_leaves_nothing() {
    let room = Room::start();
    // Without its layer the template cannot be built upon.
    let data = room.server.data_here();
    let layers: Vec<_> = room
        .server
        .files()
        .into_iter()
        .filter(|file| {
            file.parent().is_some_and(|folder| folder.ends_with("templates"))
                && file.extension().is_some_and(|ending| ending == "qcow2")
        })
        .collect();
    assert!(!layers.is_empty(), "{:?}", room.server.files());
    for layer in &layers {
        std::fs::rename(data.join(layer), data.join("hidden-layer")).expect("hide the layer");
    }
    let answer = room.site.deploy_request("pc", &room.classroom, &room.template, 3).send();
    assert!(answer.status >= 400, "{}", answer.body);
    room.site.wait_idle();
    assert_eq!(rows(&room.site.admin.get(DESKTOPS).send()).len(), 0);
    assert_eq!(room.overlays().len(), 0, "{:?}", room.overlays());
    std::fs::rename(data.join("hidden-layer"), data.join(&layers[0])).expect("give it back");
    room.deploy("pc", 3);
}

#[test]
fn a_template_with_desktops_is_not_deleted() {
    let room = Room::start();
    room.deploy("pc", 1);
    let templates = "/api/v1.0/education/template/";
    let body = json!({"templates": [{"uuid": room.template, "name": "plain"}]});
    let answer = room.site.admin.delete(templates).json(&body).send();
    answer.expect_status(409);
    assert!(answer.refusal().contains("pc"), "{}", answer.body);
}

#[test]
fn a_teacher_starts_what_only_others_may_delete() {
    let room = Room::start();
    let uuid = room.deploy("pc", 1);
    let named = json!({"desktops": [{"uuid": uuid, "name": "pc"}]});
    let teacher = room.as_role("teacher");
    teacher.action(DESKTOPS, "start", named.clone()).send().expect_status(200);
    teacher.delete(DESKTOPS).json(&named).send().expect_status(403);
    teacher.action(DESKTOPS, "create", room.param("mine", 1)).send().expect_status(403);
    let auditor = room.as_role("auditor");
    auditor.action(DESKTOPS, "stop", named).send().expect_status(403);
    auditor.stranger().get(DESKTOPS).send().expect_status(401);
    assert_eq!(room.group(&uuid)["active_count"], 1);
}

/// A bar that knows its length from the beginning, also while the operation is queued.
#[test]
fn what_is_being_made_says_how_much_there_is_to_do() {
    let room = Room::start();
    let total = |kind: &str| {
        let page = room.site.admin.get("/api/v1.0/operations").query("page_size", 100).send();
        let row = rows(&page).into_iter().find(|row| row["kind"] == kind).expect("the operation");
        row["total"].clone()
    };
    room.site.admin.action(DESKTOPS, "create", room.param("pc", 3)).send().data();
    assert_eq!(total("desktop-group-create"), 3);
    assert_eq!(total("template-create"), 100);
    room.site.wait_idle();
    assert_eq!(total("desktop-group-create"), 3);
}

#[test]
fn a_group_shows_the_disks_that_its_desktops_get() {
    let room = Room::start();
    let group = room.deploy("pc", 1);
    let sizes = |row: &Value| -> Vec<u64> {
        let devices = row["devices"].as_array().expect("devices").iter();
        devices.filter_map(|disk| disk["size"].as_u64()).collect()
    };
    let template = || {
        let single = room.site.admin.get(TEMPLATES).query("searchtype", "single");
        single.query("uuid", &room.template).send().data()
    };
    assert_eq!((sizes(&room.group(&group)), &template()["changed"]), (vec![1], &json!(false)));
    let mut devices = template()["devices"].as_array().expect("devices").clone();
    devices[0]["size"] = json!(2);
    devices.push(json!({"inx": 0, "size": 4}));
    let change = json!({"uuid": room.template, "name": "plain", "value": {"devices": devices}});
    room.site.done(room.site.admin.put(TEMPLATES).json(&change));
    // Of no version yet: desktops get what was saved.
    assert_eq!((sizes(&template()), &template()["changed"]), (vec![2, 4], &json!(true)));
    assert_eq!(sizes(&room.group(&group)), [1]);

    let save = json!({"name": "plain", "uuid": room.template});
    room.site.done(room.site.admin.action(TEMPLATES, "save", save));
    assert_eq!((sizes(&room.group(&group)), &template()["changed"]), (vec![2, 4], &json!(false)));
}
