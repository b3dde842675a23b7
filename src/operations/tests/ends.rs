//! Ends that are neither success nor undo: commit point, parts, abandon, unknown kinds, no thread.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::operations::audit;
use crate::operations::dispatcher::start_ready;
use crate::store::{NodeId, Topic, Tx};

const COMMITTED: &str = "test-committed";
const NOTHING_LEFT: &str = "test-nothing-left";
const PARTS: &str = "test-parts";
const LOST: &str = "test-lost";

static COMMITTED_ACTIONS: [Action<Diary, Args>; 2] = [
    Action::new("make", |d, _, _| say(d, "make"), |d, _, _| say(d, "undo make")).commits(),
    Action::new("after", step_b, undo_b),
];

/// Stopped while it commits, which it does to the end; then nothing is left.
static NOTHING_LEFT_ACTIONS: [Action<Diary, Args>; 2] = [
    Action::new("ready", |d, args, execution| step_b(d, args, execution).or(Ok(())), undo_b)
        .commits(),
    Action::new("start", nothing, nothing),
];

/// Node 1 does its part; node 2 does not, and with `fail` neither does.
static PARTS_ACTIONS: [Action<Diary, Args>; 1] = [Action::new(
    "parts",
    |_, args, execution| {
        let lost = || Err(Error::unreachable("node-unreachable").into());
        execution.part_begins(NodeId::new(1), 3);
        execution.part_begins(NodeId::new(2), 5);
        execution.part_ends(NodeId::new(1), if args.fail { lost() } else { Ok(()) });
        execution.part_ends(NodeId::new(2), lost());
        execution.some_part()
    },
    |d, _, _| say(d, "undo parts"),
)];

/// Its node never answers: it fails, and so does its undo.
static LOST_ACTIONS: [Action<Diary, Args>; 2] = [
    Action::new("rows", nothing, |d, _, _| say(d, "undo rows")),
    Action::new(
        "domains",
        |_, _, _| Err(Error::unreachable("node-unreachable")),
        |_, _, _| Err(Error::unreachable("node-unreachable").arg("name", "node-2")),
    ),
];

fn bench() -> Bench {
    let bench = Bench::new();
    let operations = &bench.operations;
    let diary = || bench.diary.clone();
    operations.register(COMMITTED, Saga::new(Lane::Quick, diary(), &COMMITTED_ACTIONS));
    operations.register(PARTS, Saga::new(Lane::Quick, diary(), &PARTS_ACTIONS));
    operations.register(LOST, Saga::new(Lane::Quick, diary(), &LOST_ACTIONS));
    bench
}

fn submit(bench: &Bench, kind: &'static str, args: &Args) -> Uuid {
    let new = NewOperation::new(kind, args, Uuid::new_v4(), "thing").expect("new");
    bench
        .operations
        .submit(&Actor::system(), |_| Ok(new.on([(NodeId::new(1), 3)])))
        .expect("submit")
        .0
}

fn until(what: &str, done: impl Fn() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_cancel_behind_the_commit_point_stops_and_keeps() {
    let bench = bench();
    bench.operations.start().expect("start");
    let args = Args { wait_for_cancel: true, ..Args::default() };
    let uuid = submit(&bench, COMMITTED, &args);
    until("it is behind its commit point", || bench.diary.count("b") == 1);
    bench.operations.cancel(uuid).expect("cancel");
    let operation = bench.end(uuid);
    assert_eq!(operation.state, State::Partly);
    assert_eq!(operation.fault.expect("why").kind, Kind::Cancelled);
    assert_eq!(bench.diary.lines(), ["make", "b"], "nothing is undone");
    assert_eq!(bench.locks(), 0);
}

#[test]
fn a_cancel_before_an_action_that_has_nothing_to_do_leaves_it_whole() {
    let bench = bench();
    bench
        .operations
        .register(NOTHING_LEFT, Saga::new(Lane::Quick, bench.diary.clone(), &NOTHING_LEFT_ACTIONS));
    bench.operations.start().expect("start");
    let args = Args { wait_for_cancel: true, ..Args::default() };
    let uuid = submit(&bench, NOTHING_LEFT, &args);
    until("it is before its last action", || bench.diary.count("b") == 1);
    bench.operations.cancel(uuid).expect("cancel");
    let operation = bench.end(uuid);
    assert_eq!((operation.state, operation.fault), (State::Succeeded, None));
}

#[test]
fn a_failure_behind_the_commit_point_takes_nothing_back() {
    let bench = bench();
    bench.operations.start().expect("start");
    let args = Args { fail: true, ..Args::default() };
    let operation = bench.end(submit(&bench, COMMITTED, &args));
    assert_eq!(operation.state, State::Partly);
    assert_eq!(bench.diary.lines(), ["make", "b"]);
}

#[test]
fn a_node_that_fails_makes_it_partly_done_and_all_of_them_undo_it() {
    let bench = bench();
    bench.operations.start().expect("start");
    let partly = bench.end(submit(&bench, PARTS, &Args::default()));
    assert_eq!(partly.state, State::Partly);
    let parts: Vec<_> =
        partly.parts.iter().map(|p| (p.node_id.number(), p.state, p.done, p.total)).collect();
    assert_eq!(parts, [(1, State::Succeeded, 3, 3), (2, State::Failed, 0, 5)]);
    assert_eq!(partly.parts[1].fault.as_ref().expect("why").key, "node-unreachable");
    assert!(bench.diary.lines().is_empty(), "no good node's work is undone");
    let log = audit::list(&bench.store, &ListQuery::default()).expect("the log").results;
    let logged = log[0].fault.as_ref().map(|fault| fault.key.as_str());
    assert_eq!((log[0].action.as_str(), logged), (PARTS, Some("operation-partly")));
    let failed = bench.end(submit(&bench, PARTS, &Args { fail: true, ..Args::default() }));
    assert_eq!(failed.state, State::Failed);
    assert_eq!(bench.diary.lines(), ["undo parts"]);
}

#[test]
fn a_stuck_undo_says_why_and_can_be_abandoned() {
    let bench = bench();
    bench.operations.start().expect("start");
    let uuid = submit(&bench, LOST, &Args::default());
    let find = || bench.operations.find(uuid).expect("find");
    until("the undo is stuck", || find().undo_fault.is_some());
    let stuck = find();
    assert_eq!(stuck.state, State::Undoing);
    assert_eq!(stuck.undo_fault.expect("why").args[0].1, "node-2");
    assert!(stuck.stuck_since.is_some() && stuck.next_try >= stuck.stuck_since);
    let refused = bench.operations.cancel(uuid).expect_err("it is being undone");
    assert_eq!(refused.key(), "operation-undoing");
    bench.operations.abandon(uuid).expect("abandon");
    let ended = bench.end(uuid);
    assert_eq!(ended.state, State::Failed);
    assert!(ended.abandoned && ended.undo_fault.is_some() && ended.next_try.is_none());
    assert_eq!(bench.diary.lines(), ["undo rows"], "what can be undone is");
    assert_eq!(bench.locks(), 0);
    let again = bench.operations.abandon(uuid).expect_err("it is over");
    assert_eq!(again.key(), "operation-not-stuck");
}

#[test]
fn only_a_stuck_undo_can_be_abandoned() {
    let bench = bench();
    let uuid = submit(&bench, LOST, &Args::default());
    assert_eq!(bench.operations.abandon(uuid).expect_err("queued").key(), "operation-not-stuck");
    let unknown = bench.operations.abandon(Uuid::new_v4()).expect_err("unknown");
    assert_eq!(unknown.key(), "operation-unknown");
}

/// As another version of Carrel may leave it.
#[test]
fn what_this_version_does_not_know_is_given_up_and_lets_go() {
    for change in ["kind='test-of-tomorrow'", "action='c2', state='running'", "args_version=9"] {
        let bench = Bench::new();
        let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
        let sql = format!("UPDATE operations SET {change}");
        let change_it = |tx: &Tx<'_>| {
            tx.changed(Topic::Operations);
            Ok(tx.execute(&sql, [])?)
        };
        bench.store.write(change_it).expect("another version");
        bench.operations.start().expect("start");
        let operation = bench.end(uuid);
        assert_eq!(operation.state, State::Failed, "{change}");
        assert_eq!(operation.fault.expect("why").key, "operation-kind-unknown", "{change}");
        assert_eq!(bench.locks(), 0, "{change}");
        assert!(bench.diary.lines().is_empty(), "{change}");
    }
}

#[test]
fn without_a_thread_it_waits_and_runs_later() {
    let bench = Bench::new();
    let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
    let full = Arc::new(AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    let operations = Operations::with_threads(bench.store.clone(), move |work| {
        match is_full.load(Ordering::SeqCst) {
            true => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            false => std::thread::Builder::new().spawn(work).map(drop),
        }
    });
    operations.register(KIND, Saga::new(Lane::Quick, bench.diary.clone(), STEPS));
    start_ready(&operations.inner).expect_err("no thread");
    full.store(false, Ordering::SeqCst);
    start_ready(&operations.inner).expect("a thread");
    assert_eq!(end_of(&operations, uuid).state, State::Succeeded);
}

#[test]
fn many_wait_without_a_thread_each() {
    let bench = Bench::new();
    let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().max_blocking_threads(2).build().expect("runtime");
    let ended = runtime.block_on(async {
        let wait = || bench.operations.wait(uuid, PATIENCE);
        let waits = futures::future::join_all((0..200).map(|_| wait()));
        let start = async {
            tokio::task::yield_now().await;
            bench.operations.start().expect("start");
        };
        futures::join!(waits, start).0
    });
    assert!(ended.iter().all(|one| one.as_ref().is_ok_and(|o| o.state == State::Succeeded)));
}

#[test]
fn what_is_cancelled_before_it_began_waits_for_no_place() {
    const NARROW: &str = "test-narrow";
    let bench = bench();
    bench.operations.register(NARROW, Saga::new(Lane::Quiet, bench.diary.clone(), STEPS));
    bench.operations.start().expect("start");
    let hangs = Args { wait_for_cancel: true, ..Args::default() };
    let running = [(); 2].map(|()| submit(&bench, NARROW, &hangs));
    until("the node has no place left", || bench.diary.count("b") == 2);
    let waiting = submit(&bench, NARROW, &hangs);
    bench.operations.cancel(waiting).expect("cancel");
    assert_eq!(bench.end(waiting).state, State::Cancelled);
    assert_eq!((bench.diary.count("a"), bench.locks()), (2, 2), "it ran nothing and holds nothing");
    for uuid in running {
        bench.operations.cancel(uuid).expect("cancel");
        assert_eq!(bench.end(uuid).state, State::Cancelled);
    }
    assert_eq!(bench.locks(), 0);
}
