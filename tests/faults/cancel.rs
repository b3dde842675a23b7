//! A cancel of every kind of operation: before it began, and while its node hangs in the middle of it. Whether the
//! cancel comes in time or the work was quicker, rows, files, addresses and domains agree afterwards.

pub mod bench;
pub mod kinds;
mod supply;

use std::collections::BTreeSet;

use bench::{Bench, Lane};
use kinds::{After, Kind, all};

/// Kinds without a row in the table below would be cancelled by nobody before people do.
#[test]
fn every_kind_of_operation_has_its_row() {
    let bench = Bench::start();
    let line = bench.server.log().matching("kinds of operations");
    let (_, list) = line[0].split_once("kinds=").expect("the kinds");
    let product: BTreeSet<&str> =
        list.split(['[', ']', ',', ' ', '"']).filter(|kind| !kind.is_empty()).collect();
    let table: BTreeSet<&str> = all().iter().map(|kind| kind.name).collect();
    assert_eq!(product, table, "kinds of the product (left) and of the table (right)");
}

fn each(test: impl Fn(&mut Bench, &Kind), chosen: impl Fn(&Kind) -> bool) {
    let mut bench = Bench::start();
    for kind in all().iter().filter(|kind| chosen(kind)) {
        println!("{}", kind.name);
        test(&mut bench, kind);
        bench.assert_whole();
    }
}

/// All lanes are full of what hangs, so that nothing else begins.
fn before(bench: &mut Bench, kind: &Kind) {
    let given = bench.prepare(kind);
    let snapshot = bench.snapshot();
    let uuid = match kind.lane {
        Lane::Quiet => (kind.schedule)(bench, &given),
        lane => {
            bench.fill(lane);
            let uuid = bench.begin(kind, &given);
            assert_eq!(bench.state(&uuid), "queued", "{}", kind.name);
            uuid
        }
    };
    // One that waits for its lane is asked now; the others were asked before the server was killed, or are asked before
    // their time.
    if !bench.is_asked(&uuid) {
        bench.cancel(&uuid).expect_status(200);
    }
    bench.resume();
    assert_eq!(bench.end(&uuid), "cancelled", "{}", kind.name);
    bench.site.wait_idle();
    bench.assert_as_before(kind, &given, &snapshot, |_| true);
}

fn in_the_middle(bench: &mut Bench, kind: &Kind) {
    let given = bench.prepare(kind);
    let snapshot = bench.snapshot();
    bench.hang();
    let uuid = bench.begin(kind, &given);
    bench.wait_running(&uuid);
    bench.cancel(&uuid).expect_status(200);
    bench.resume();
    let end = bench.end(&uuid);
    println!("  {end}");
    match end.as_str() {
        // The node may have switched some of them before it heard of the cancel; that stays so.
        "cancelled" => {
            bench.assert_as_before(kind, &given, &snapshot, |it| !it.ends_with("/running"))
        }
        // The node had done it before it heard of the cancel.
        "succeeded" => bench.assert_done(kind, &given),
        _ => panic!("{}: {:#}", kind.name, bench.operation(&uuid)),
    }
}

#[test]
fn what_is_cancelled_before_it_began_leaves_nothing() {
    each(before, |kind| kind.lane != Lane::Quiet);
}

#[test]
fn what_nobody_asked_for_is_cancelled_before_it_begins() {
    each(before, |kind| kind.lane == Lane::Quiet);
}

#[test]
fn desktops_are_cancelled_in_the_middle() {
    each(in_the_middle, |kind| kind.in_the_middle && kind.name.starts_with("desktop"));
}

#[test]
fn templates_are_cancelled_in_the_middle() {
    each(in_the_middle, |kind| kind.in_the_middle && kind.name.starts_with("template"));
}

#[test]
fn images_and_networks_are_cancelled_in_the_middle() {
    let other =
        |kind: &Kind| !kind.name.starts_with("desktop") && !kind.name.starts_with("template");
    each(in_the_middle, |kind| kind.in_the_middle && other(kind));
}

/// Whatever waits for one lane, what goes by the others is done.
#[test]
fn a_full_lane_holds_up_no_other() {
    let mut bench = Bench::start();
    let class = bench.class("class", 3);
    let kinds = all();
    let kind = kinds.iter().find(|kind| kind.name == "image-resync").expect("its row");
    let given = bench.prepare(kind);
    bench.fill(Lane::Copy);
    let uuid = bench.begin(kind, &given);
    bench.site.group_action("start", class["uuid"].as_str().expect("uuid"), "class");
    bench.site.group_action("stop", class["uuid"].as_str().expect("uuid"), "class");
    bench.site.done(bench.change_restore(&class, 0));
    assert_eq!(bench.state(&uuid), "queued");
    bench.resume();
    assert_eq!(bench.end(&uuid), "succeeded");
    bench.assert_whole();
}

/// It begins by itself a moment after a save.
#[test]
fn the_copy_of_a_long_chain_is_cancelled_in_the_middle() {
    let mut bench = Bench::start();
    let kinds = all();
    let kind = kinds.iter().find(|kind| kind.name == "template-flatten").expect("its row");
    let given = bench.prepare(kind);
    let uuid = (kind.schedule)(&mut bench, &given);
    bench.hang();
    bench.wait_running(&uuid);
    bench.cancel(&uuid).expect_status(200);
    bench.resume();
    match bench.end(&uuid).as_str() {
        "cancelled" => assert_eq!(kinds::layers_of(&bench, &given), kinds::LONG),
        "succeeded" => assert!(kinds::layers_of(&bench, &given) > 0),
        _ => panic!("{:#}", bench.operation(&uuid)),
    }
    bench.assert_whole();
}

/// Behind its commit point a cancel only stops: what is there already stays.
#[test]
fn what_is_committed_stays() {
    let mut bench = Bench::start();
    // An image that hangs on its way to the second node.
    let image = bench.uploaded_while_the_second_hangs("kept");
    let uuid = bench.newest("image-add");
    bench.wait_running(&uuid);
    bench.cancel(&uuid).expect_status(200);
    let end = bench.end(&uuid);
    bench.resume();
    assert_eq!(end, "partly", "{:#}", bench.operation(&uuid));
    image.join().expect("the upload").data();
    bench.assert_there("SELECT count(*) FROM images WHERE name = 'kept' AND state = 'ready'");
    bench.assert_whole();

    // A template's new version, whose size is still to be measured when the server is killed.
    let template = bench.template("saved");
    bench.save(&template, "saved");
    let uuid = bench.newest("template-save");
    bench.put_back(&uuid, "running", Some("measure"));
    let end = bench.end(&uuid);
    assert_eq!(end, "partly", "{:#}", bench.operation(&uuid));
    bench.assert_there(
        "SELECT count(*) FROM templates WHERE name = 'saved' AND version = 2 AND state = 'ready'",
    );
    bench.assert_whole();
}

impl Bench {
    #[track_caller]
    fn assert_as_before(
        &self,
        kind: &Kind,
        given: &serde_json::Value,
        snapshot: &bench::Snapshot,
        counts: fn(&str) -> bool,
    ) {
        match kind.after {
            After::AsBefore => self.assert_same(kind.name, snapshot, counts),
            After::Is(check) => {
                crate::support::wait_until(kind.name, bench::LIMIT, || check(self, given));
            }
        }
    }

    #[track_caller]
    fn assert_done(&self, kind: &Kind, given: &serde_json::Value) {
        crate::support::wait_until(kind.name, bench::LIMIT, || (kind.done)(self, given));
    }
}
