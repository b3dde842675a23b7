//! Three nodes of which one hangs or dies: the others go on, and what it missed is mended when it is back.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::pool::{GROUPS, INSTANCES, LIMIT, OPERATIONS, Pool, WEAK, all_active};
use crate::support::{PASSWORD, rows, wait_for, wait_until};

/// So many that a signal hits in the middle of a node's third.
const MANY: u32 = 240;
const FEW: u32 = 9;

fn all_are(rows: &[Value], status: &str) -> bool {
    rows.iter().all(|row| row["status"] == status)
}

impl Pool {
    /// A class that works from the beginning; gives its desktops that are not on the weak node.
    #[track_caller]
    fn calm_class(&self) -> Vec<Value> {
        self.site.done(self.deploy_request("calm", FEW));
        let elsewhere = self.elsewhere("calm", "node3");
        assert!((1..FEW as usize).contains(&elsewhere.len()), "{elsewhere:#?}");
        elsewhere
    }
}

fn part<'a>(operation: &'a Value, node: &str) -> &'a Value {
    let parts = operation["parts"].as_array().expect("parts");
    let part = parts.iter().find(|part| part["node_name"] == node);
    part.unwrap_or_else(|| panic!("no part of {node}: {operation:#}"))
}

fn total(part: &Value) -> usize {
    usize::try_from(part["total"].as_u64().expect("a total")).expect("a small number")
}

/// Asserts that all were made but for the weak node's share, and that the reason stands with each of those. Gives how
/// many were made.
#[track_caller]
fn assert_partly(operation: &Value, all: u32) -> usize {
    let (all, share) = (all as usize, total(part(operation, "node3")));
    assert_eq!(operation["state"], "partly", "{operation:#}");
    let failed = operation["failed"].as_array().expect("what failed");
    assert_eq!(failed.len(), share, "{operation:#}");
    for item in failed {
        assert!(item["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{item:#}");
    }
    let parts = operation["parts"].as_array().expect("parts");
    for part in parts {
        let state = if part["node_name"] == "node3" { "failed" } else { "succeeded" };
        assert_eq!(part["state"], state, "{operation:#}");
    }
    assert_eq!(parts.iter().map(total).sum::<usize>(), all, "{operation:#}");
    assert!((1..all).contains(&share), "{operation:#}");
    all - share
}

/// Operations that corrected desktops' definitions.
fn corrections(pool: &Pool) -> usize {
    let all = rows(&pool.site.admin.get(OPERATIONS).query("page_size", 100).send());
    all.into_iter().filter(|row| row["kind"] == "desktops-correct").count()
}

#[test]
fn a_class_over_three_nodes_of_which_one_hangs_is_there_in_part_and_completed_later() {
    let mut pool = Pool::start();
    let calm = pool.calm_class();

    pool.server.agent(WEAK).signal(Signal::SIGSTOP);
    let deploy = pool.begin(pool.deploy_request("class", FEW));
    wait_until("the others' parts", LIMIT, || {
        let operation = pool.operation(&deploy);
        let mut parts = operation["parts"].as_array().expect("parts").iter();
        parts.all(|part| part["node_name"] == "node3" || part["state"] == "succeeded")
    });
    // Quick work goes past the slow, on the very nodes that the slow is on.
    pool.site.done(pool.switch("start", "calm", &calm));
    let slow = pool.operation(&deploy);
    assert_eq!(slow["state"], "running", "{slow:#}");
    assert_eq!(part(&slow, "node3")["state"], "running", "{slow:#}");

    // Whose desktops are made can use them, while the third hangs on.
    let end = pool.site.wait_operation(&deploy);
    let count = assert_partly(&end, FEW);
    let class = pool.group_uuid("class");
    let made = pool.site.desktops(&class);
    assert_eq!(made.len(), count);
    pool.site.done(pool.switch("start", "class", &made));
    assert!(all_are(&pool.site.desktops(&class), "active"));
    pool.site.done(pool.switch("stop", "calm", &calm));

    // A node that is known to be away gets nothing.
    let param = json!({
        "desktop_uuid": class, "desktop_name": "class", "desktop_type": 1, "instance_num": 2,
    });
    let add = || pool.site.admin.action(INSTANCES, "create", param.clone());
    pool.site.done(add());
    assert_eq!(pool.elsewhere("class", "node3").len(), count + 2);

    // Limits of those that it has it gets when it is back.
    let limits = format!("/api/v1.0/desktop-groups/{}/limits", pool.group_uuid("calm"));
    let wanted = json!({"disk_mb": 100, "disk_iops": 900, "receive_mbit": 0, "send_mbit": 0});
    pool.site.admin.put(&limits).json(&wanted).send();
    pool.site.wait_idle();
    assert_eq!(pool.site.admin.get(&limits).send().data(), wanted, "not taken back");
    assert_eq!(corrections(&pool), 0);

    pool.server.agent(WEAK).signal(Signal::SIGCONT);
    pool.assert_whole();
    assert_eq!(corrections(&pool), 1);
    // Back in its place it gets its share again.
    pool.site.done(pool.deploy_request("rest", FEW));
    assert!(pool.elsewhere("rest", "node3").len() < FEW as usize);
    let rest = pool.group_uuid("rest");
    pool.site.group_action("start", &rest, "rest");
    assert!(all_are(&pool.site.desktops(&rest), "active"));
    for name in ["calm", "class", "rest"] {
        pool.site.delete_group(&pool.group_uuid(name), name);
    }
    pool.assert_whole();
}

/// Begins a deployment that is caught by `catch` in the middle of the weak node's work.
#[track_caller]
fn deploy_caught(pool: &mut Pool) -> (String, String) {
    for round in 0..8 {
        let name = format!("class{round}");
        let deploy = pool.begin(pool.deploy_request(&name, MANY));
        if pool.hang_in_the_middle(&deploy).is_some() {
            return (deploy, name);
        }
        pool.server.agent(WEAK).signal(Signal::SIGCONT);
        let end = pool.site.wait_operation(&deploy);
        assert_eq!(end["state"], "succeeded", "{end:#}");
        pool.site.delete_group(&pool.group_uuid(&name), &name);
    }
    panic!("no deployment was caught in the middle");
}

#[test]
fn what_a_node_made_before_it_hung_is_cleaned_up_when_it_returns() {
    let mut pool = Pool::start();
    let (deploy, name) = deploy_caught(&mut pool);
    let end = pool.site.wait_operation(&deploy);
    let made = assert_partly(&end, MANY);
    assert_eq!(pool.site.desktops(&pool.group_uuid(&name)).len(), made);
    assert!(!pool.folders_on_weak().is_empty(), "what it made lies there");
    pool.server.agent(WEAK).signal(Signal::SIGCONT);
    pool.assert_whole();
    assert!(pool.folders_on_weak().is_empty());
}

#[test]
fn a_stuck_undo_is_abandoned_and_the_node_cleaned_up_when_it_returns() {
    let mut pool = Pool::start();
    let calm = pool.calm_class();
    let calm_on_weak = FEW as usize - calm.len();
    let (deploy, name) = deploy_caught(&mut pool);
    let group = pool.group_uuid(&name);
    pool.act("cancel", &deploy);
    let stuck = wait_for("a stuck undo", LIMIT, || {
        let operation = pool.operation(&deploy);
        operation["stuck"].is_object().then_some(operation)
    });
    assert_eq!(stuck["state"], "undoing", "{stuck:#}");
    assert!(stuck["stuck"]["reason"].as_str().is_some_and(|text| !text.is_empty()), "{stuck:#}");
    assert_eq!(stuck["stuck"]["abandoned"], false);
    // It holds up nobody else.
    pool.site.done(pool.switch("start", "calm", &calm));

    let who = pool
        .server
        .run(&["admin", "add", "watcher", "--role", "auditor"], &format!("{PASSWORD}\n"));
    assert!(who.status.success(), "{who:?}");
    let watcher = pool.server.client().sign_in("watcher", PASSWORD);
    let param = json!({"uuid": deploy});
    watcher.action(OPERATIONS, "abandon", param).send().expect_status(403);
    assert_eq!(pool.operation(&deploy)["stuck"]["abandoned"], false);

    pool.act("abandon", &deploy);
    let end = pool.site.wait_operation(&deploy);
    assert_eq!(end["state"], "cancelled", "{end:#}");
    assert_eq!(end["stuck"]["abandoned"], true, "{end:#}");
    let audited = "SELECT count(*) FROM audit WHERE action = 'log-operation-abandon' \
         AND user_name = 'admin' AND fault IS NULL";
    assert_eq!(pool.count(audited), 1);
    // Its name and addresses are free again, although the node still hangs.
    assert!(rows(&pool.site.admin.get(GROUPS).query("name", &name).send()).is_empty());
    assert_eq!(
        pool.count(&format!("SELECT count(*) FROM operation_locks WHERE subject = '{group}'")),
        0
    );
    assert!(!pool.folders_on_weak().is_empty(), "what it made lies there");
    pool.site.done(pool.deploy_request(&name, 3));

    pool.server.agent(WEAK).signal(Signal::SIGCONT);
    pool.assert_whole();
    assert_eq!(pool.folders_on_weak().len(), calm_on_weak);
}

#[test]
fn an_agent_that_dies_in_the_middle_and_comes_back_is_cleaned_up() {
    let mut pool = Pool::start();
    let calm_on_weak = FEW as usize - pool.calm_class().len();
    let (deploy, name) = deploy_caught(&mut pool);
    pool.server.agent(WEAK).kill();
    let end = pool.site.wait_operation(&deploy);
    let made = assert_partly(&end, MANY);
    all_active(&pool.site, 2);
    assert!(pool.folders_on_weak().len() > calm_on_weak, "what it made lies there");
    pool.server.agent(WEAK).start_again();
    // What it had before is made anew: the simulator forgets its domains with its process.
    pool.assert_whole();
    assert_eq!(pool.folders_on_weak().len(), calm_on_weak);
    assert_eq!(pool.site.desktops(&pool.group_uuid(&name)).len(), made);
    pool.site.group_action("start", &pool.group_uuid("calm"), "calm");
    assert!(all_are(&pool.site.desktops(&pool.group_uuid("calm")), "active"));
}

#[test]
fn what_one_node_refuses_is_left_out_and_made_by_the_next_request() {
    let mut pool = Pool::start();
    let layer = pool.take_layer_from_weak();
    let deploy = pool.begin(pool.deploy_request("class", FEW));
    let end = pool.site.wait_operation(&deploy);
    let made = assert_partly(&end, FEW);
    let class = pool.group_uuid("class");
    assert_eq!(pool.site.desktops(&class).len(), made);
    pool.assert_whole();

    layer.put_back();
    let param = json!({
        "desktop_uuid": class, "desktop_name": "class", "desktop_type": 1,
        "instance_num": FEW as usize - made,
    });
    pool.site.done(pool.site.admin.action(INSTANCES, "create", param));
    pool.site.group_action("start", &class, "class");
    let desktops = pool.site.desktops(&class);
    assert_eq!(desktops.len(), FEW as usize);
    assert!(all_are(&desktops, "active"));
    // The gaps were filled: the class is as if nothing had been refused.
    let numbers: BTreeSet<&str> = desktops.iter().filter_map(|row| row["name"].as_str()).collect();
    let expected: Vec<String> = (1..=FEW).map(|number| format!("class{number:04}")).collect();
    assert!(numbers.iter().eq(&expected), "{numbers:?}");
    pool.assert_whole();
}

#[test]
fn a_desktop_that_is_up_shows_no_start_that_still_goes_on_elsewhere() {
    let mut pool = Pool::start();
    let up = pool.calm_class();
    let all = pool.site.desktops(&pool.group_uuid("calm"));
    pool.server.agent(WEAK).signal(Signal::SIGSTOP);
    let start = pool.begin(pool.switch("start", "calm", &all));
    let is_up = |row: &Value| up.iter().any(|known| known["uuid"] == row["uuid"]);
    let rows = wait_for("those elsewhere to be up", LIMIT, || {
        let rows = pool.site.desktops(&pool.group_uuid("calm"));
        rows.iter().filter(|row| is_up(row)).all(|row| row["status"] == "active").then_some(rows)
    });
    assert_eq!(pool.operation(&start)["state"], "running");
    for row in &rows {
        match is_up(row) {
            true => assert_eq!(row["working"], Value::Null, "{row:#}"),
            false => assert!(row["working"].is_string(), "{row:#}"),
        }
    }
    pool.server.agent(WEAK).signal(Signal::SIGCONT);
    pool.site.wait_operation(&start);
    pool.assert_whole();
}
