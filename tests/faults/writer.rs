//! There is one writer: nobody holds it while a node is waited for, or while bytes come.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cancel::bench::{Bench, LIMIT};
use crate::cancel::kinds::all;
use crate::support::wait_until;

const GROUPS: &str = "/api/v1.0/education/group/";

/// A server that was just started waits a while for the first connection to a node. Requests that need the node wait
/// with it, others go on.
#[test]
fn nobody_holds_the_writer_while_nodes_connect() {
    let mut bench = Bench::start();
    let kinds = all();
    let more = ["template-delete", "template-copy", "image-delete"];
    let asks_nodes = |name: &str| name.starts_with("desktop") || more.contains(&name);
    let asked = kinds.iter().filter(|kind| !kind.begins_by_itself() && asks_nodes(kind.name));
    for kind in asked {
        let given = bench.prepare(kind);
        bench.hang();
        bench.server.kill_and_start();
        bench.site.admin = bench.server.admin();
        let request = (kind.start)(&bench, &given).header("Prefer", "respond-async");
        let begun = Instant::now();
        let asking = std::thread::spawn(move || request.send());
        let mut longest = Duration::ZERO;
        while !asking.is_finished() {
            let before = Instant::now();
            bench.write();
            longest = longest.max(before.elapsed());
        }
        let all = begun.elapsed();
        let answer = asking.join().expect("an answer");
        println!("{}: {} after {all:?}, the longest write {longest:?}", kind.name, answer.status);
        // It waited for the node, and would have held up one write all the while.
        assert!(longest < all / 2 || all < Duration::from_secs(1), "{}: {longest:?}", kind.name);
        bench.resume();
        bench.all_active();
        bench.site.wait_idle();
    }
}

#[test]
fn an_upload_begins_while_somebody_else_writes() {
    let bench = Bench::start();
    let uploads = bench.storage().join("uploads");
    let database = bench.database();
    database.execute_batch("BEGIN IMMEDIATE").expect("the writer's place");
    let request = bench.upload_request("late");
    let upload = std::thread::spawn(move || request.send());
    wait_until("its first bytes", LIMIT, || {
        std::fs::read_dir(&uploads).is_ok_and(|mut entries| entries.next().is_some())
    });
    database.execute_batch("ROLLBACK").expect("give the place back");
    upload.join().expect("an answer").data();
}

impl Bench {
    /// A change that needs no node.
    #[track_caller]
    fn write(&self) {
        let uuid = self.texts("SELECT uuid FROM education_groups").pop_first().expect("the room");
        let change = json!({"uuid": uuid, "name": "room", "value": {"desc": "changed"}});
        self.site.admin.put(GROUPS).json(&change).send().data();
    }
}
