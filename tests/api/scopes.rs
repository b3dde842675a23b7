//! Rights that are held for one education group: its desktops, desktop groups, consoles and operations are
//! seen and worked with, those of another one are not there.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::room::{DESKTOPS, GROUPS, INSTANCES, NOBODY, Room};
use crate::support::{Answer, Client, Console, PASSWORD, Request, rows, uuid_of, wait_until};

const USER: &str = "/api/v1.0/identity/user";
const ROLE: &str = "/api/v1.0/identity/role";
const ALL_DESKTOPS: &str = "/api/v1.0/desktops";
const OPERATIONS: &str = "/api/v1.0/operations";
const STATISTIC: &str = "/api/v1.0/index/get_resource_statistic/";
const EVENTS: &str = "/api/v1.0/events";
const LIMIT: Duration = Duration::from_secs(60);

/// A desktop group with a desktop, and the education group that it is in.
struct Class {
    name: &'static str,
    education: (String, &'static str),
    group: String,
    desktop: (String, String),
}

struct School {
    room: Room,
    /// Of room A, for which rights are given here.
    own: Class,
    other: Class,
}

impl School {
    fn open() -> Self {
        let room = Room::start();
        let admin = &room.site.admin;
        let new = json!({
            "name": "room-b", "group_type": 1, "desc": "", "network_uuid": room.site.network,
            "subnet_uuid": room.site.subnet, "start_ip": "198.51.100.1", "end_ip": "198.51.100.9",
        });
        admin.post(GROUPS).json(&new).send().data();
        let b = uuid_of(admin, GROUPS, "room-b");
        let own = Class::open(&room, "ours", (room.classroom.clone(), "room"));
        let other = Class::open(&room, "theirs", (b, "room-b"));
        Self { room, own, other }
    }

    fn admin(&self) -> &Client {
        &self.room.site.admin
    }

    /// Somebody with this role in room A and no other right.
    fn with_role(&self, name: &str, role: &str) -> Client {
        let scoped = json!([{"role": role, "group_uuid": self.own.education.0}]);
        let new = json!({"name": name, "password": PASSWORD, "roles": [], "scoped_roles": scoped});
        let made = self.admin().post(USER).json(&new).send().data();
        assert_eq!(made["scoped_roles"][0]["group_name"], "room", "{made:#}");
        self.room.server.client().sign_in(name, PASSWORD)
    }

    /// Makes a role that may do everything with desktops and groups.
    fn make_keeper(&self) {
        let all = json!([
            "desktops.view",
            "desktops.manage",
            "desktops.power",
            "desktops.console",
            "groups.view",
            "groups.manage",
            "operations.view",
            "operations.cancel",
            "overview.view",
        ]);
        let role = json!({"code": "keeper", "description": "", "permissions": all});
        self.admin().post(ROLE).json(&role).send().data();
    }
}

impl Class {
    fn open(room: &Room, name: &'static str, education: (String, &'static str)) -> Self {
        let group = room.site.deploy(name, &education.0, &room.template, 1);
        let spice = json!({"uuid": group, "name": name, "value": {"spice": "on"}});
        room.site.admin.put(DESKTOPS).json(&spice).send().data();
        room.site.wait_idle();
        room.site.group_action("start", &group, name);
        let row = room.site.desktops(&group)[0].clone();
        let text = |field: &str| row[field].as_str().expect("text").to_owned();
        Self { name, education, group, desktop: (text("uuid"), text("name")) }
    }

    fn groups(&self) -> Value {
        json!({"desktops": [{"uuid": self.group, "name": self.name}]})
    }

    /// The desktop, as one of any group.
    fn desktops(&self) -> Value {
        json!({"desktops": [{"uuid": self.desktop.0, "name": self.desktop.1}]})
    }

    fn instances(&self) -> Value {
        json!({
            "desktop_uuid": self.group, "desktop_name": self.name, "desktop_type": 1,
            "instances": [{"uuid": self.desktop.0, "name": self.desktop.1}],
        })
    }
}

/// Every row whose permission may be held for an education group, as a call of it on a class. What
/// only lists is called for what it shows of the class.
fn rows_of(caller: &Client, school: &School, class: &Class) -> Vec<(&'static str, Request)> {
    let groups = |action| caller.action(DESKTOPS, action, class.groups());
    let desktops = |action| caller.action(INSTANCES, action, class.instances());
    let any = |action| caller.action(ALL_DESKTOPS, action, class.desktops());
    let (education, education_name) = &class.education;
    let single =
        |list: &str, uuid: &str| caller.get(list).query("searchtype", "single").query("uuid", uuid);
    let screen = format!("{INSTANCES}{}/screen", class.desktop.0);
    let one = format!("{ALL_DESKTOPS}/{}", class.desktop.0);
    let limits = format!("/api/v1.0/desktop-groups/{}/limits", class.group);
    let host_names = format!("/api/v1.0/desktop-groups/{}/host-names", class.group);
    let first_start = format!("{ALL_DESKTOPS}/{}/first-start", class.desktop.0);
    let none = json!({"disk_mb": 0, "disk_iops": 0, "receive_mbit": 0, "send_mbit": 0});
    let mut create = school.room.param("further", 1);
    create["group_uuid"] = education.clone().into();
    let capacity = ["group_uuid", "template_uuid", "network_uuid", "subnet_uuid"]
        .iter()
        .fold(caller.get(&format!("{DESKTOPS}capacity/")), |request, field| {
            request.query(field, create[*field].as_str().expect("a uuid"))
        });
    let console = json!({"uuid": class.desktop.0, "name": class.desktop.1});
    let add = json!({
        "desktop_uuid": class.group, "desktop_name": class.name, "desktop_type": 1, "instance_num": 1,
    });
    let values = |value: Value| json!({"uuid": class.group, "name": class.name, "value": value});
    let terminal = json!({"uuid": education, "name": education_name, "value": {"desc": "changed"}});
    let education = json!({"groups": [{"uuid": education, "name": education_name}]});
    vec![
        ("vdi.edu-groups.list", single(GROUPS, &class.education.0)),
        ("vdi.edu-desktops.list", single(DESKTOPS, &class.group)),
        ("vdi.edu-instances.list", single(INSTANCES, &class.desktop.0)),
        ("carrel.desktops.list", single(ALL_DESKTOPS, &class.desktop.0)),
        ("carrel.desktops.get", caller.get(&one)),
        ("carrel.desktops.guest", caller.get(&format!("{one}/guest"))),
        ("carrel.desktops.viewer", caller.post(&format!("{one}/viewer/spice"))),
        ("carrel.desktops.rename", caller.put(&one).json(&json!({"name": class.desktop.1}))),
        ("carrel.instances.screen", caller.get(&screen)),
        ("vdi.edu-instances.get-console", caller.action(INSTANCES, "get_console", console)),
        ("carrel.edu-desktops.capacity", capacity),
        ("carrel.desktop-group-limits.detail", caller.get(&limits)),
        ("carrel.desktop-group-limits.update", caller.put(&limits).json(&none)),
        ("carrel.desktop-group-host-names.detail", caller.get(&host_names)),
        (
            "carrel.desktop-group-host-names.update",
            caller.put(&host_names).json(&json!({"pattern": ""})),
        ),
        ("carrel.desktops.first-start", caller.get(&first_start)),
        ("vdi.edu-desktops.active", groups("active")),
        ("vdi.edu-desktops.inactive", groups("inactive")),
        ("vdi.edu-desktops.reboot", groups("reboot")),
        ("vdi.edu-desktops.stop", groups("stop")),
        ("vdi.edu-desktops.start", groups("start")),
        ("vdi.edu-instances.reboot", desktops("reboot")),
        ("carrel.edu-instances.hard-reboot", desktops("hard_reboot")),
        ("vdi.edu-instances.stop", desktops("stop")),
        ("carrel.edu-instances.hard-stop", desktops("hard_stop")),
        ("carrel.edu-desktops.hard-stop", groups("hard_stop")),
        ("vdi.edu-instances.start", desktops("start")),
        ("carrel.desktops.reboot", any("reboot")),
        ("carrel.desktops.hard-reboot", any("hard_reboot")),
        ("carrel.desktops.stop", any("stop")),
        ("carrel.desktops.hard-stop", any("hard_stop")),
        ("carrel.desktops.start", any("start")),
        (
            "carrel.desktops.first-start-again",
            caller.post("/api/v1.0/first-starts").json(&class.desktops()),
        ),
        ("vdi.edu-desktops.update", caller.put(DESKTOPS).json(&values(json!({"order_num": 3})))),
        ("vdi.edu-groups.update", caller.put(GROUPS).json(&terminal)),
        ("vdi.edu-desktops.create", caller.action(DESKTOPS, "create", create)),
        ("vdi.edu-instances.create", caller.action(INSTANCES, "create", add)),
        ("carrel.desktops.delete", caller.delete(ALL_DESKTOPS).json(&class.desktops())),
        ("vdi.edu-instances.delete", caller.delete(INSTANCES).json(&class.instances())),
        ("vdi.edu-desktops.delete", caller.delete(DESKTOPS).json(&class.groups())),
        ("vdi.edu-groups.delete", caller.delete(GROUPS).json(&education)),
    ]
}

/// Rows of which this test looks at what they show.
const SHOWN: [&str; 4] = [
    "vdi.index.resource-statistic",
    "carrel.operations.list",
    "carrel.operations.cancel",
    "carrel.operations.abandon",
];

/// What the OpenAPI document says may be held for a part.
fn documented(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let scoped = map.get("x-scope").or_else(|| map.get("scope"));
            let id = map.get("operationId").or_else(|| map.get("id"));
            if let (Some(Value::String(_)), Some(Value::String(id))) = (scoped, id) {
                found.insert(id.clone());
            }
            map.values().for_each(|value| documented(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| documented(value, found)),
        _ => {}
    }
}

/// A list that is asked for one row has none; what acts on a thing knows of none.
#[track_caller]
fn finds_nothing<'a>(id: &str, answer: &'a Answer) -> &'a Answer {
    match id.ends_with(".list") {
        true => assert_eq!((answer.status, answer.data()), (200, Value::Null), "{id}"),
        false => assert_eq!(answer.status, 404, "{id} beyond the group: {}", answer.body),
    }
    answer
}

#[track_caller]
fn works<'a>(id: &str, answer: &'a Answer) -> &'a Answer {
    assert_eq!(answer.status, 200, "{id} within the group: {}", answer.body);
    assert!(!id.ends_with(".list") || !answer.data().is_null(), "{id} finds it: {}", answer.body);
    answer
}

#[test]
fn every_row_works_within_the_group_and_finds_nothing_beyond() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    let teacher = school.with_role("lee", "teacher");

    let mut known = BTreeSet::new();
    documented(&school.admin().get("/api/openapi.json").send().json(), &mut known);
    let tested = rows_of(&keeper, &school, &school.own).into_iter().map(|(id, _)| id);
    let tested: BTreeSet<String> = tested.chain(SHOWN).map(str::to_owned).collect();
    assert_eq!(known, tested, "every row with a scope is tried here");

    for (id, request) in rows_of(&keeper, &school, &school.other) {
        let answer = request.send();
        finds_nothing(id, &answer);
        for secret in ["theirs", "room-b"] {
            let told = answer.body.contains(secret);
            assert!(!told, "{id} tells of {secret}: {}", answer.body);
        }
    }
    // A teacher may neither change nor delete, here or there.
    for (class, is_own) in [(&school.own, true), (&school.other, false)] {
        for (id, request) in rows_of(&teacher, &school, class) {
            let manages = ["create", "update", "rename", "delete", "active", "capacity", "again"]
                .iter()
                .any(|end| id.ends_with(end));
            let answer = request.send();
            match (manages, is_own) {
                (true, _) => answer.expect_status(403),
                (false, true) => works(id, &answer),
                (false, false) => finds_nothing(id, &answer),
            };
            school.room.site.wait_idle();
        }
    }
    for (id, request) in rows_of(&keeper, &school, &school.own) {
        if id == "vdi.edu-groups.delete" {
            let name = school.room.site.desktops(&uuid_of(school.admin(), DESKTOPS, "further"));
            assert_eq!(name.len(), 1, "made in the room");
            school.room.site.delete_group(&uuid_of(school.admin(), DESKTOPS, "further"), "further");
        }
        // Its desktop is deleted twice, each time another one.
        let request = match id {
            "carrel.desktops.delete" => {
                let added = uuid_of(school.admin(), ALL_DESKTOPS, "ours002");
                let body = json!({"desktops": [{"uuid": added, "name": "ours002"}]});
                keeper.delete(ALL_DESKTOPS).json(&body)
            }
            _ => request,
        };
        let answer = request.send();
        works(id, &answer);
        school.room.site.wait_idle();
    }
    let left = school.room.site.desktops(&school.other.group);
    assert_eq!((left.len(), left[0]["power"].as_str()), (1, Some("running")), "{left:#?}");
}

#[test]
fn lists_counts_and_batches_hold_what_is_in_the_group() {
    let school = School::open();
    let teacher = school.with_role("lee", "teacher");
    for (list, name) in [(GROUPS, "room"), (DESKTOPS, "ours"), (INSTANCES, "ours001")] {
        let wider = teacher.get(list).query("seen", "{\"groups\":[1,2]}").send();
        assert_eq!(wider.status, 400, "{list}: {}", wider.body);
        for narrowed in [("page_size", "50"), ("sort", "-name")] {
            let page = teacher.get(list).query(narrowed.0, narrowed.1).send();
            let names: Vec<Value> = rows(&page).iter().map(|row| row["name"].clone()).collect();
            assert_eq!((names, &page.data()["count"]), (vec![json!(name)], &json!(1)), "{list}");
        }
    }
    let counts = teacher.get(STATISTIC).send().data();
    assert_eq!((&counts["sum_instance_cnt"], &counts["sum_node_cnt"]), (&json!(1), &json!(0)));
    assert_eq!(school.admin().get(STATISTIC).send().data()["sum_instance_cnt"], 2);

    let both = json!({"desktops": [
        {"uuid": school.own.group, "name": "ours"}, {"uuid": school.other.group, "name": "theirs"},
    ]});
    let stopped = teacher.action(DESKTOPS, "stop", both).send().data();
    assert_eq!((&stopped["success_num"], &stopped["failed_num"]), (&json!(1), &json!(1)));
    // A desktop of the other room under the name of one's own group.
    let mut mixed = school.own.instances();
    mixed["instances"] = json!([{"uuid": school.other.desktop.0, "name": school.other.desktop.1}]);
    teacher.action(INSTANCES, "stop", mixed).send().expect_status(404);
    assert_eq!(school.room.site.desktops(&school.other.group)[0]["power"], "running");

    // One's own operations and those on what one sees; the log is of everything.
    let subjects: BTreeSet<String> = rows(&teacher.get(OPERATIONS).query("page_size", 100).send())
        .iter()
        .map(|row| row["subject_name"].as_str().expect("name").to_owned())
        .collect();
    assert!(subjects.contains("ours"), "{subjects:?}");
    assert!(
        !subjects.iter().any(|name| name.contains("theirs") || name == "plain"),
        "{subjects:?}"
    );
    teacher.get("/api/v1.0/index/get_operation_log/").send().expect_status(403);
    for path in ["/api/v1.0/resource_mgr/resource_pools", "/api/v1.0/education/template/"] {
        teacher.get(path).send().expect_status(403);
    }
}

#[test]
fn events_tell_of_the_operations_in_the_group_only() {
    let school = School::open();
    let teacher = school.with_role("lee", "teacher");
    let events = teacher.get(EVENTS).follow();
    let hello = |line: &str| line.contains("hello").then_some(());
    assert!(events.wait_for(LIMIT, hello).is_some());
    school.room.site.group_action("stop", &school.other.group, "theirs");
    school.room.site.group_action("stop", &school.own.group, "ours");
    let ours = |line: &str| (line.contains("succeeded") && line.contains("ours")).then_some(());
    assert!(events.wait_for(LIMIT, ours).is_some(), "{}", events.tail(20));
    assert!(!events.contains("theirs"), "{}", events.tail(50));
}

#[test]
fn a_console_closes_when_the_right_for_its_group_is_taken() {
    let school = School::open();
    let teacher = school.with_role("lee", "teacher");
    let ask = json!({"uuid": school.own.desktop.0, "name": school.own.desktop.1});
    let ticket = || {
        let answer = teacher.action(INSTANCES, "get_console", ask.clone()).send().data();
        answer["websockify_url"].as_str().expect("url").to_owned()
    };
    let (held, spare) = (ticket(), ticket());
    let mut console = Console::open(&held).expect("a console");
    let other = json!([{"role": "teacher", "group_uuid": school.other.education.0}]);
    let user = format!("{USER}/{}", uuid_of(school.admin(), USER, "lee"));
    school.admin().put(&user).json(&json!({"scoped_roles": other})).send().data();
    wait_until("the end of the console", LIMIT, || console.read(1).is_none());
    assert!(Console::open(&spare).is_err(), "a ticket from before");
    teacher.action(INSTANCES, "get_console", ask).send().expect_status(404);
    assert_eq!(rows(&teacher.get(DESKTOPS).send())[0]["name"], "theirs");
}

#[test]
fn nobody_gives_more_than_they_hold_in_the_group() {
    let school = School::open();
    school.make_keeper();
    let role =
        json!({"code": "people", "description": "", "permissions": ["users.view", "users.manage"]});
    school.admin().post(ROLE).json(&role).send().data();
    let (a, b) = (&school.own.education.0, &school.other.education.0);
    let scoped = json!([{"role": "keeper", "group_uuid": a}]);
    let new =
        json!({"name": "kim", "password": PASSWORD, "roles": ["people"], "scoped_roles": scoped});
    school.admin().post(USER).json(&new).send().data();
    let kim = school.room.server.client().sign_in("kim", PASSWORD);
    let give = |name: &str, role: &str, group: &String| {
        let scoped = json!([{"role": role, "group_uuid": group}]);
        let new = json!({"name": name, "password": PASSWORD, "roles": [], "scoped_roles": scoped});
        kim.post(USER).json(&new).send()
    };
    give("one", "keeper", a).data();
    give("two", "keeper", b).expect_status(403);
    // A teacher sees templates, which kim does not.
    give("three", "teacher", a).expect_status(403);
    give("four", "keeper", &"00000000-0000-4000-8000-00000000dead".to_owned()).expect_status(404);
    give("five", "nobody", a).expect_status(400);
    // Nor may kim become somebody who holds more there.
    let boss = json!({"name": "boss", "password": PASSWORD, "roles": [],
                      "scoped_roles": [{"role": "keeper", "group_uuid": b}]});
    let boss = school.admin().post(USER).json(&boss).send().data();
    let boss = format!("{USER}/{}", boss["uuid"].as_str().expect("uuid"));
    kim.put(&boss).json(&json!({"password": "another password"})).send().expect_status(403);

    // A key reaches no further than its owner.
    let new = json!({"name": "k", "permissions": ["desktops.view"]});
    let key = kim.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let key =
        school.room.server.client().with_header("Authorization", key["key"].as_str().expect("key"));
    assert_eq!(rows(&key.get(DESKTOPS).send())[0]["name"], "ours");
    assert_eq!(key.get(DESKTOPS).send().data()["count"], 1);
    key.action(DESKTOPS, "stop", school.own.groups()).send().expect_status(403);

    // A role that somebody holds there stays; the group takes what is held for it with it.
    let roles = rows(&school.admin().get(ROLE).send());
    let keeper = roles.iter().find(|role| role["code"] == "keeper").expect("the role");
    let path = format!("{ROLE}/{}", keeper["id"]);
    assert_eq!(keeper["users"], 3, "{keeper:#}");
    school.admin().delete(&path).send().expect_status(409);
    let log = school.admin().get("/api/v1.0/index/get_operation_log/").query("subject", "one");
    assert_eq!(rows(&log.send()).len(), 1, "in the log");
}

#[test]
fn an_operation_over_several_groups_belongs_to_nobody_of_one() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    let events = keeper.get(EVENTS).follow();
    let hello = |line: &str| line.contains("hello").then_some(());
    assert!(events.wait_for(LIMIT, hello).is_some());
    let both = json!({"desktops": [
        {"uuid": school.own.group, "name": "ours"}, {"uuid": school.other.group, "name": "theirs"},
    ]});
    let stopped = school.admin().action(DESKTOPS, "stop", both).send().data();
    let both = stopped["operation_uuid"].as_str().expect("uuid").to_owned();
    school.room.site.group_action("start", &school.own.group, "ours");
    let started = |line: &str| (line.contains("desktops-start")).then_some(());
    assert!(events.wait_for(LIMIT, started).is_some(), "{}", events.tail(20));
    assert!(!events.contains("theirs"), "{}", events.tail(50));

    let page = keeper.get(OPERATIONS).query("page_size", 100).send();
    assert!(!page.body.contains("theirs"), "{}", page.body);
    assert_eq!(page.data()["count"], rows(&page).len(), "{}", page.body);
    let cancel = |uuid: &str| keeper.action(OPERATIONS, "cancel", json!({"uuid": uuid})).send();
    cancel(&both).expect_status(404);
    // On one's own group it is there, and over; also when what it worked on is gone.
    let ours = || {
        let page = keeper.get(OPERATIONS).query("kind", "desktops-delete").send();
        rows(&page).iter().map(|row| row["uuid"].clone()).collect::<Vec<_>>()
    };
    let removed = school.admin().delete(INSTANCES).json(&school.own.instances()).send().data();
    assert_eq!(ours(), [removed["operation_uuid"].clone()]);
    cancel(removed["operation_uuid"].as_str().expect("uuid")).expect_status(409);
}

#[test]
fn what_is_worked_on_elsewhere_is_not_there() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    // Guests of the simulator stop at once; a group is held for as long as a new one is made of 150 desktops.
    let mut held = school.room.param("long", 150);
    held["group_uuid"] = school.other.education.0.clone().into();
    let made = school.admin().action(DESKTOPS, "create", held);
    let made = made.header("Prefer", "respond-async").send().data();
    let group = json!({"desktops": [{"uuid": made["uuid"], "name": "long"}]});
    let answer = keeper.delete(DESKTOPS).json(&group).send();
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(!answer.body.contains("long"), "{}", answer.body);
    school.room.site.wait_idle();
}

#[test]
fn addresses_of_others_are_taken_without_their_name() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    let (uuid, name) = &school.own.education;
    let range = json!({"start_ip": "198.51.100.2", "end_ip": "198.51.100.3"});
    let change = json!({"uuid": uuid, "name": name, "value": range});
    let refused = keeper.put(GROUPS).json(&change).send();
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(!refused.body.contains("room-b"), "{}", refused.body);
    let refused = school.admin().put(GROUPS).json(&change).send();
    assert!(refused.body.contains("room-b"), "{}", refused.body);
}

#[test]
fn who_holds_a_right_elsewhere_keeps_sessions_and_keys_from_others() {
    let school = School::open();
    school.make_keeper();
    let role =
        json!({"code": "people", "description": "", "permissions": ["users.view", "users.manage"]});
    school.admin().post(ROLE).json(&role).send().data();
    let new = json!({"name": "clerk", "password": PASSWORD, "roles": ["people"]});
    school.admin().post(USER).json(&new).send().data();
    let clerk = school.room.server.client().sign_in("clerk", PASSWORD);
    let keeper = school.with_role("kim", "keeper");
    let new = json!({"name": "k", "permissions": ["desktops.view"]});
    let key = keeper.post("/api/v1.0/identity/own/key").json(&new).send().data();
    let keys = "/api/v1.0/identity/key";
    let sessions = "/api/v1.0/identity/session";
    let of_kim = rows(&clerk.get(sessions).query("user_name", "kim").send());
    let of_kim = of_kim[0]["uuid"].as_str().expect("uuid");
    clerk.delete(&format!("{sessions}/{of_kim}")).send().expect_status(403);
    let revoke = clerk.delete(&format!("{keys}/{}", key["id"].as_str().expect("id"))).send();
    revoke.expect_status(403);
    // What means nothing within a group is not offered: the console has no pages for it.
    let held = school.with_role("lee", "teacher").get("/api/v1.0/session").send().data();
    let held = held["permissions"].as_array().expect("permissions").clone();
    assert!(held.contains(&json!("desktops.power")) && !held.contains(&json!("templates.view")));
}

/// Lets an operation over both groups hold what is in them, as long as its time has not come.
fn hold_both(school: &School) {
    let path = school.room.server.data_here().join("carrel.db");
    let database = rusqlite::Connection::open(path).expect("open");
    let (own, other) = (&school.own, &school.other);
    let things = json!([other.desktop.0, own.desktop.0]).to_string();
    let insert = "INSERT INTO operations (uuid, kind, subject, subject_name, args, locks, state, owner_name, \
         created_at, run_at) VALUES (?1, 'desktops-stop', ?2, 'theirs, ours', '{}', ?3, 'scheduled', 'admin', 0, \
         4000000000)";
    let uuid = "00000000-0000-4000-8000-0000000000aa";
    database.execute(insert, [uuid, &other.group, &things]).expect("an operation");
    let id = database.last_insert_rowid();
    for class in [own, other] {
        let lock = "INSERT INTO operation_locks (subject, operation_id, name) VALUES (?1, ?2, ?3)";
        database.execute(lock, (&class.desktop.0, id, &class.desktop.1)).expect("a lock");
        let group = "INSERT INTO operation_groups (operation_id, education_group) VALUES (?1, ?2)";
        database.execute(group, (id, &class.education.0)).expect("a group");
    }
}

#[test]
fn what_stands_in_the_way_does_not_tell_of_other_groups() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    hold_both(&school);
    let (uuid, name) = (&school.own.group, school.own.name);
    let restore = json!({"uuid": uuid, "name": name, "value": {"sys_restore": 0}});
    let requests = [
        keeper.action(DESKTOPS, "stop", school.own.groups()),
        keeper.action(INSTANCES, "stop", school.own.instances()),
        keeper.delete(INSTANCES).json(&school.own.instances()),
        keeper.delete(DESKTOPS).json(&school.own.groups()),
        keeper.put(DESKTOPS).json(&restore),
    ];
    for request in requests {
        let answer = request.send();
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert!(answer.body.contains("ours001"), "it names what is held: {}", answer.body);
        assert!(!answer.body.contains("theirs"), "{}", answer.body);
    }
    let listed = keeper.get(INSTANCES).send().body;
    assert!(!listed.contains("theirs"), "{listed}");
}

#[test]
fn who_deploys_in_one_group_names_only_what_their_groups_use() {
    let school = School::open();
    school.make_keeper();
    let keeper = school.with_role("kim", "keeper");
    let (admin, site) = (school.admin(), &school.room.site);
    let foreign = site.template("foreign", &school.room.image);
    let pool = json!({"name": "far", "desc": ""});
    let pool = admin.post("/api/v1.0/resource_mgr/resource_pools").json(&pool).send().data();
    let try_to = |field: &str, uuid: &Value| {
        let mut create = school.room.param("further", 1);
        create[field] = uuid.clone();
        keeper.action(DESKTOPS, "create", create).send()
    };

    let nowhere = json!(NOBODY);
    let mut words = BTreeSet::new();
    let unseen =
        [("template_uuid", json!(foreign)), ("pool_uuid", pool["uuid"].clone())].into_iter();
    let missing = ["template_uuid", "pool_uuid", "network_uuid", "subnet_uuid"];
    for (field, uuid) in unseen.chain(missing.map(|field| (field, nowhere.clone()))) {
        let refused = try_to(field, &uuid);
        let told = refused.expect_status(404).refusal();
        // In the same words whether it is there or not.
        words.insert(told.replace(uuid.as_str().expect("uuid"), ""));
        assert!(!told.contains("foreign"), "{field}: {told}");
    }
    assert_eq!(words.len(), 1, "{words:?}");
    let elsewhere = json!({
        "uuid": school.own.education.0, "name": "room",
        "value": {"network_uuid": NOBODY, "subnet_uuid": NOBODY},
    });
    keeper.put(GROUPS).json(&elsewhere).send().expect_status(404);
    assert_eq!(rows(&keeper.get(DESKTOPS).send()).len(), 1, "nothing was made");

    // Once the group uses it, it may be named; so may all that one may view.
    let used = site.deploy("used", &school.own.education.0, &foreign, 1);
    try_to("template_uuid", &json!(foreign)).data();
    site.wait_idle();
    site.delete_group(&used, "used");
    site.delete_group(&uuid_of(admin, DESKTOPS, "further"), "further");
    try_to("template_uuid", &json!(foreign)).expect_status(404);
    let viewer = json!({"code": "viewer", "description": "", "permissions": ["templates.view"]});
    admin.post(ROLE).json(&viewer).send().data();
    let user = format!("{USER}/{}", uuid_of(admin, USER, "kim"));
    admin.put(&user).json(&json!({"roles": ["viewer"]})).send().data();
    try_to("template_uuid", &json!(foreign)).data();
    site.wait_idle();
}
