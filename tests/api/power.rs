//! Power operations over several nodes: some machines fail, all do, somebody stops it.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::room::{DESKTOPS, Room};
use crate::support::{Request, Server, rows, wait_until};
use crate::three_nodes::{all_active, template_on};

const OPERATIONS: &str = "/api/v1.0/operations";
const TEMPLATES: &str = "/api/v1.0/education/template/";
const LIMIT: Duration = Duration::from_secs(30);

/// This machine and `node2`, each with a template and a desktop group of two.
struct Two {
    room: Room,
    /// Uuids of the groups `here` and `there`.
    groups: [String; 2],
    /// Uuids of the templates `plain` and `far`.
    templates: [String; 2],
}

impl Two {
    #[track_caller]
    fn start() -> Self {
        let server = Server::with().nodes(1).start();
        all_active(&server.admin(), 2);
        let room = Room::on(server);
        let far = template_on(&room.server, &room.site, "node2", "far", &room.image);
        let here = room.deploy("here", 2);
        let there = room.site.deploy("there", &room.classroom, &far, 2);
        let templates = [room.template.clone(), far];
        Self { room, groups: [here, there], templates }
    }

    /// A request for both groups.
    fn groups(&self, action: &str) -> Request {
        let [here, there] = &self.groups;
        let param = json!({"desktops": [
            {"uuid": here, "name": "here"}, {"uuid": there, "name": "there"}]});
        self.room.site.admin.action(DESKTOPS, action, param)
    }

    /// A request for both templates.
    fn templates(&self, action: &str) -> Request {
        let [here, there] = &self.templates;
        let param = json!({"templates": [
            {"uuid": here, "name": "plain"}, {"uuid": there, "name": "far"}]});
        self.room.site.admin.action(TEMPLATES, action, param)
    }

    /// Sends it and waits until this machine has done its part while `node2` hangs; gives the operation's uuid.
    #[track_caller]
    fn half_way(&mut self, request: Request) -> String {
        self.room.server.agent(2).signal(Signal::SIGSTOP);
        let data = request.header("Prefer", "respond-async").send().data();
        let uuid = data["operation_uuid"].as_str().expect("an operation").to_owned();
        let admin = &self.room.site.admin;
        wait_until("the part of this machine", LIMIT, || {
            let open = rows(&admin.get(OPERATIONS).query("open", 1).send());
            let row = open.into_iter().find(|row| row["uuid"] == uuid.as_str()).expect("it hangs");
            parts(&row)[0].1 == "succeeded"
        });
        uuid
    }

    /// Sends it, stops it half way, and gives its end.
    #[track_caller]
    fn stopped_half_way(&mut self, request: Request) -> Value {
        let uuid = self.half_way(request);
        let admin = &self.room.site.admin;
        admin.action(OPERATIONS, "cancel", json!({"uuid": uuid})).send().data();
        self.room.site.wait_operation(&uuid)
    }

    /// Sends it, and half way `node2` dies before it has answered; gives the end.
    #[track_caller]
    fn broken_half_way(&mut self, request: Request) -> Value {
        let uuid = self.half_way(request);
        self.room.server.agent(2).kill();
        self.room.site.wait_operation(&uuid)
    }

    /// `node2` is back, with what it had.
    #[track_caller]
    fn mend(&mut self) {
        let from = self.room.server.log().len();
        self.room.server.agent(2).start_again();
        let mended = |line: &str| line.contains("node mended").then_some(());
        assert!(self.room.server.log().wait_from(from, LIMIT, mended).is_some());
        all_active(&self.room.site.admin, 2);
        self.room.site.wait_idle();
    }

    /// Of the desktops of a group: power and why.
    fn power(&self, group: &str) -> Vec<(String, String)> {
        let database = Connection::open(self.room.server.data_here().join("carrel.db"));
        let database = database.expect("open");
        let sql = "SELECT d.power, d.power_reason FROM desktops d \
             JOIN desktop_groups g ON g.id = d.group_id WHERE g.uuid = ?1";
        let mut statement = database.prepare(sql).expect("prepare");
        let found = statement.query_map([group], |row| Ok((row.get(0)?, row.get(1)?)));
        found.expect("query").collect::<Result<_, _>>().expect("read")
    }
}

/// Node and state of each part of an operation.
fn parts(operation: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let parts = operation["parts"].as_array().expect("parts").iter();
    parts.map(|part| (text(&part["node_name"]), text(&part["state"]))).collect()
}

fn states(operation: &Value) -> Vec<String> {
    parts(operation).into_iter().map(|(_, state)| state).collect()
}

/// The newest operation.
fn newest(two: &Two) -> Value {
    rows(&two.room.site.admin.get(OPERATIONS).send()).remove(0)
}

/// Sorted names of an operation's things of this sort.
fn names(operation: &Value, sort: &str) -> Vec<String> {
    let things = operation[sort].as_array().expect("things").iter();
    let mut names: Vec<String> =
        things.map(|thing| thing["name"].as_str().expect("name").to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_stop_that_is_cancelled_ends_cancelled_and_takes_its_word_back() {
    let mut two = Two::start();
    two.room.site.done(two.groups("start"));
    let stop = two.groups("stop");
    let end = two.stopped_half_way(stop);
    assert_eq!(end["state"], "cancelled", "{end:#}");
    assert_eq!(states(&end), ["succeeded", "cancelled"], "{end:#}");
    assert_eq!(names(&end, "cancelled"), ["there001", "there002"]);
    assert_eq!(names(&end, "failed"), Vec::<String>::new());
    // What ends by itself later was not stopped by Carrel; what it stopped was.
    let [here, there] = two.groups.clone();
    let stopped = ("off".to_owned(), "stopped".to_owned());
    assert_eq!(two.power(&here), [stopped.clone(), stopped]);
    let runs = ("running".to_owned(), "running".to_owned());
    assert_eq!(two.power(&there), [runs.clone(), runs]);
    // In the log it stands once, not for each desktop.
    let database = Connection::open(two.room.server.data_here().join("carrel.db")).expect("open");
    let lines = "SELECT count(*) FROM audit WHERE subject LIKE 'there0%'";
    let lines: i64 = database.query_row(lines, [], |row| row.get(0)).expect("count");
    assert_eq!(lines, 0);
    two.room.server.agent(2).signal(Signal::SIGCONT);
}

#[test]
fn a_start_that_is_cancelled_is_no_failed_start() {
    let mut two = Two::start();
    let start = two.groups("start");
    let end = two.stopped_half_way(start);
    assert_eq!(end["state"], "cancelled", "{end:#}");
    assert_eq!(names(&end, "cancelled"), ["there001", "there002"]);
    let here = two.room.site.desktops(&two.groups[0]);
    assert!(here.iter().all(|row| row["status"] == "active"), "{here:#?}");
    let database = Connection::open(two.room.server.data_here().join("carrel.db")).expect("open");
    let faults = "SELECT count(*) FROM desktops WHERE fault IS NOT NULL";
    let faults: i64 = database.query_row(faults, [], |row| row.get(0)).expect("count");
    assert_eq!(faults, 0, "a start that was not tried did not fail");
    two.room.server.agent(2).signal(Signal::SIGCONT);
    // The node goes on, and so do they.
    all_active(&two.room.site.admin, 2);
    two.room.site.wait_idle();
    two.room.site.done(two.groups("start"));
}

#[test]
fn templates_are_cancelled_as_desktops_are() {
    let mut two = Two::start();
    let start = two.templates("start");
    let end = two.stopped_half_way(start);
    assert_eq!(end["state"], "cancelled", "{end:#}");
    assert_eq!(states(&end), ["succeeded", "cancelled"], "{end:#}");
    assert_eq!((names(&end, "cancelled"), names(&end, "failed")), (vec!["far".to_owned()], vec![]));
    let here = two.room.site.admin.get(TEMPLATES).query("searchtype", "single");
    let here = here.query("uuid", &two.templates[0]).send().data();
    assert_eq!(here["power"], "running", "{here:#}");
    two.room.server.agent(2).signal(Signal::SIGCONT);
}

#[test]
fn what_some_nodes_cannot_do_is_partly_done_and_what_none_can_failed() {
    let mut two = Two::start();
    two.room.server.agent(2).kill();
    wait_until("the node to be missed", LIMIT, || {
        two.power(&two.groups[1]).len() == 2 && {
            let rows = two.room.site.desktops(&two.groups[1]);
            rows.iter().all(|row| row["status"] == "error")
        }
    });
    // The documents' answer is the same: counts.
    let answer = two.groups("start").send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(2), &json!(2)), "{answer}");
    let end = newest(&two);
    assert_eq!(end["state"], "partly", "{end:#}");
    assert_eq!(states(&end), ["succeeded", "failed"]);
    assert_eq!(names(&end, "failed"), ["there001", "there002"]);

    let answer = two.templates("start").send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(newest(&two)["state"], "partly");

    let there = json!({"desktops": [{"uuid": two.groups[1], "name": "there"}]});
    two.room.site.admin.action(DESKTOPS, "start", there).send().expect_status(503);
    let end = newest(&two);
    assert_eq!(end["state"], "failed", "{end:#}");
    assert_eq!(states(&end), ["failed"]);
    assert_eq!(names(&end, "failed"), ["there001", "there002"]);
    assert!(end["error"].is_string(), "{end:#}");
    let far = json!({"templates": [{"uuid": two.templates[1], "name": "far"}]});
    two.room.site.admin.action(TEMPLATES, "start", far).send().expect_status(503);
    assert_eq!(newest(&two)["state"], "failed");
}

/// Asserts that what was to be done was done on this machine, and failed with a reason for these of `node2`.
#[track_caller]
fn assert_broken(action: &str, end: &Value, lost: &[&str]) {
    assert_eq!(end["state"], "partly", "{action}: {end:#}");
    assert_eq!(states(end), ["succeeded", "failed"], "{action}: {end:#}");
    assert_eq!(names(end, "failed"), lost, "{action}: {end:#}");
    let failed = end["failed"].as_array().expect("what failed").iter();
    let reasons: Vec<&str> = failed.filter_map(|item| item["reason"].as_str()).collect();
    assert_eq!(reasons.len(), lost.len(), "{action}: {end:#}");
    assert!(reasons.iter().all(|reason| !reason.is_empty()), "{action}: {end:#}");
}

#[test]
fn desktops_whose_nodes_reply_is_lost_failed_and_the_others_did_not() {
    let mut two = Two::start();
    let [here, there] = two.groups.clone();
    for action in ["start", "reboot", "stop"] {
        if action != "start" {
            two.room.site.done(two.groups("start"));
        }
        let request = two.groups(action);
        let end = two.broken_half_way(request);
        assert_broken(action, &end, &["there001", "there002"]);
        let power = if action == "stop" { "off" } else { "running" };
        let states = two.power(&here);
        assert!(states.iter().all(|(state, _)| state == power), "{action}: {states:?}");
        let states = two.power(&there);
        let stopping = |(_, why): &(String, String)| why.starts_with("stopp");
        assert!(!states.iter().any(stopping), "{action}: {states:?}");
        two.mend();
        // Whatever the node did before it died, it can be done again.
        two.room.site.done(two.groups("stop"));
    }
}

#[test]
fn templates_whose_nodes_reply_is_lost_failed_and_the_others_did_not() {
    let mut two = Two::start();
    for action in ["start", "reboot", "stop"] {
        if action != "start" {
            two.room.site.done(two.templates("start"));
        }
        let request = two.templates(action);
        let end = two.broken_half_way(request);
        assert_broken(action, &end, &["far"]);
        let here = two.room.site.admin.get(TEMPLATES).query("searchtype", "single");
        let here = here.query("uuid", &two.templates[0]).send().data();
        let power = if action == "stop" { "off" } else { "running" };
        assert_eq!(here["power"], power, "{action}: {here:#}");
        two.mend();
        two.room.site.done(two.templates("stop"));
    }
}

#[test]
fn what_hangs_is_given_up_and_answered_with_the_counts() {
    let mut two = Two::start();
    two.room.server.agent(2).signal(Signal::SIGSTOP);
    // Without `Prefer: respond-async`. The node is given up after 10 seconds without a sign of life.
    let start = two.groups("start");
    let answer = start.send().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(2), &json!(2)), "{answer}");
    assert_eq!(answer["operation_state"], "partly");
    two.room.server.agent(2).signal(Signal::SIGCONT);
}

/// A node that is alive and slow: one of its files is a pipe for a while.
struct Slow {
    published: PathBuf,
    aside: PathBuf,
    content: Vec<u8>,
    pipe: File,
}

impl Slow {
    fn make(two: &mut Two) -> Self {
        let published = two.room.server.agent(2).storage().join("templates");
        let published = published.join(format!("{}.current", two.templates[1]));
        let (content, aside) =
            (fs::read(&published).expect("what is published"), published.with_extension("aside"));
        fs::rename(&published, &aside).expect("rename");
        nix::unistd::mkfifo(&published, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let pipe = File::options().read(true).write(true).open(&published).expect("open");
        Self { published, aside, content, pipe }
    }

    fn go_on(mut self) {
        fs::rename(&self.aside, &self.published).expect("rename back");
        self.pipe.write_all(&self.content).expect("write");
    }
}

#[test]
fn what_takes_longer_than_other_answers_wait_is_answered_with_the_counts() {
    /// How long an answer waits that promises no counts.
    const OTHERS: Duration = Duration::from_secs(10);
    let mut two = Two::start();
    let slow = Slow::make(&mut two);
    let start = two.templates("start");
    let began = Instant::now();
    let waiting = thread::spawn(move || start.send());
    wait_until("longer than other answers wait", LIMIT, || began.elapsed() > OTHERS * 5 / 4);
    assert!(!waiting.is_finished(), "nothing was in the way");
    slow.go_on();
    let answer = waiting.join().expect("no panic").data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(2), &json!(0)), "{answer}");
}

#[test]
fn what_outlasts_all_patience_is_told_with_counts_and_is_no_success_yet() {
    let mut two = Two::start();
    let slow = Slow::make(&mut two);
    let answer = two.templates("start").send();
    let data = answer.data();
    assert_eq!((&data["operation_state"], &data["failed_num"]), (&json!("running"), &json!(0)));
    assert!(data["success_num"].is_u64(), "{data}");
    let line = || {
        let log = two.room.site.admin.get("/api/v1.0/index/get_operation_log/");
        let log = log.query("action", "log-template-start").header("Accept-Language", "en");
        rows(&log.send())[0].clone()
    };
    assert_eq!(line()["succeeded"], Value::Null, "it is not over");
    slow.go_on();
    let uuid = data["operation_uuid"].as_str().expect("its operation");
    assert_eq!(two.room.site.wait_operation(uuid)["state"], "succeeded");
    assert_eq!(line()["succeeded"], true);
}

#[test]
fn a_reboot_ends_when_its_news_are_in_the_lists() {
    let two = Two::start();
    two.room.site.done(two.groups("start"));
    let times = || {
        let rows = two.room.site.desktops(&two.groups[0]);
        assert!(rows.iter().all(|row| row["status"] == "active"), "{rows:#?}");
        rows.iter().map(|row| row["up_time"].clone()).collect::<Vec<Value>>()
    };
    let before = times();
    // Times are in seconds: a reboot within the same one cannot be told from none.
    let second = || SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let started = second();
    wait_until("another second", LIMIT, || second() > started);
    two.room.site.done(two.groups("reboot"));
    let after = times();
    assert!(before.iter().zip(&after).all(|(old, new)| old != new), "{before:?} {after:?}");
}

#[test]
fn what_one_machine_cannot_do_is_told_and_the_others_go_on() {
    let room = Room::start();
    let group = room.deploy("pc", 2);
    let desktops = room.site.desktops(&group);
    let overlays = |number: usize| {
        let uuid = desktops[number]["uuid"].as_str().expect("uuid").to_owned();
        let is_of = |file: &std::path::PathBuf| file.to_string_lossy().contains(&uuid);
        room.overlays().into_iter().filter(is_of).collect::<Vec<_>>()
    };
    // A folder is in the way of the disk that it gets at each start.
    let block = |number: usize| {
        for file in overlays(number).iter().map(|file| room.server.data_here().join(file)) {
            std::fs::remove_file(&file).expect("remove");
            std::fs::create_dir_all(file.join("not empty")).expect("block");
        }
    };
    block(0);
    let start = json!({"desktops": [{"uuid": group, "name": "pc"}]});
    let start = || room.site.admin.action(DESKTOPS, "start", start.clone()).send();
    let answer = start().data();
    assert_eq!((&answer["success_num"], &answer["failed_num"]), (&json!(1), &json!(1)), "{answer}");
    let end = rows(&room.site.admin.get(OPERATIONS).send()).remove(0);
    assert_eq!((&end["state"], states(&end)), (&json!("partly"), vec!["partly".to_owned()]));
    assert_eq!((&end["done"], &end["total"]), (&json!(1), &json!(2)), "{end:#}");
    assert_eq!(names(&end, "failed"), ["pc001"]);

    room.site.group_action("stop", &group, "pc");
    block(1);
    assert_ne!(start().status, 200);
    let end = rows(&room.site.admin.get(OPERATIONS).send()).remove(0);
    assert_eq!((&end["state"], states(&end)), (&json!("failed"), vec!["failed".to_owned()]));
    assert_eq!(names(&end, "failed"), ["pc001", "pc002"]);
}
