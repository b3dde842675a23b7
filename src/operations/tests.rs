//! The engine against a real database: undo, resume, cancel, locks, schedule.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inner::Running;
use super::runner::Runner;
use super::{
    Action, Actor, Execution, Lane, NewOperation, Operation, Operations, Saga, State, nothing,
};
use super::{dispatcher, store};
use crate::error::{Error, Kind, Result};
use crate::store::list::ListQuery;
use crate::store::{OperationId, Store, now};

mod audience;
mod batches;
mod ends;

const KIND: &str = "test-work";
const PATIENCE: Duration = Duration::from_secs(20);

/// What the steps did, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|known| *known == line).count()
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Args {
    fail: bool,
    panic: bool,
    wait_for_cancel: bool,
    /// The first undo of step b fails.
    stubborn_undo: bool,
    /// Step b is the second half of the whole.
    second_half: bool,
}

const STEPS: &[Action<Diary, Args>] = &[
    Action::new("a", |d, _, _| say(d, "a"), |d, _, _| say(d, "undo a")),
    Action::new("b", step_b, undo_b),
    Action::new("c", |d, _, _| say(d, "c"), nothing),
];

fn say(diary: &Diary, line: &str) -> Result<()> {
    diary.note(line);
    Ok(())
}

fn step_b(diary: &Diary, args: &Args, execution: &Execution) -> Result<()> {
    diary.note("b");
    if args.second_half {
        execution.span(50, 100);
    }
    execution.progress(1, 2);
    if args.wait_for_cancel {
        loop {
            execution.check_cancelled()?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(!args.panic, "step b panics");
    match args.fail {
        true => Err(Error::bad_input("name-empty").arg("field", "b")),
        false => Ok(()),
    }
}

fn undo_b(diary: &Diary, args: &Args, execution: &Execution) -> Result<()> {
    diary.note("undo b");
    // As a call to a node does, also in the undo of what was cancelled.
    execution.check_cancelled()?;
    match args.stubborn_undo && diary.count("undo b") == 1 {
        true => Err(Error::unreachable("internal")),
        false => Ok(()),
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    diary: Diary,
    operations: Operations,
}

impl Bench {
    /// An engine that is not yet started.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::open(&dir.path().join("test.db")).expect("store");
        let diary = Diary::default();
        let operations = engine(&store, &diary);
        Self { _dir: dir, store, diary, operations }
    }

    fn submit(&self, args: &Args, subject: Uuid) -> Result<Uuid> {
        let new = NewOperation::new(KIND, args, subject, "thing")?;
        Ok(self.operations.submit(&Actor::system(), |_| Ok(new))?.0)
    }

    fn end(&self, uuid: Uuid) -> Operation {
        end_of(&self.operations, uuid)
    }

    fn locks(&self) -> i64 {
        let count = |conn: &rusqlite::Connection| {
            Ok(conn.query_row("SELECT count(*) FROM operation_locks", [], |row| row.get(0))?)
        };
        self.store.read(count).expect("count locks")
    }
}

/// Waits for the end as requests do.
fn end_of(operations: &Operations, uuid: Uuid) -> Operation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let waited = runtime.expect("runtime").block_on(operations.wait(uuid, PATIENCE));
    let operation = waited.expect("wait");
    assert!(operation.state.is_over(), "still {:?}", operation.state);
    operation
}

fn engine(store: &Store, diary: &Diary) -> Operations {
    let operations = Operations::new(store.clone());
    operations.register(KIND, Saga::new(Lane::Quick, diary.clone(), STEPS));
    operations
}

#[test]
fn steps_run_in_order_and_locks_go() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
    assert_eq!(bench.end(uuid).state, State::Succeeded);
    assert_eq!(bench.diary.lines(), ["a", "b", "c"]);
    assert_eq!(bench.locks(), 0);
}

#[test]
fn a_failed_step_and_those_before_it_are_undone() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let args = Args { fail: true, ..Args::default() };
    let operation = bench.end(bench.submit(&args, Uuid::new_v4()).expect("submit"));
    assert_eq!(operation.state, State::Failed);
    assert_eq!(operation.fault.expect("fault").key, "name-empty");
    assert_eq!(bench.diary.lines(), ["a", "b", "undo b", "undo a"]);
    assert_eq!(bench.locks(), 0);
}

#[test]
fn the_total_is_told_from_the_beginning() {
    let bench = Bench::new();
    let new = NewOperation::new(KIND, &Args::default(), Uuid::new_v4(), "thing").expect("new");
    let submitted = bench.operations.submit(&Actor::system(), |_| Ok(new.counting_to(7)));
    let queued = bench.operations.find(submitted.expect("submit").0).expect("find");
    assert_eq!((queued.done, queued.total), (0, 7));
}

#[test]
fn the_progress_of_a_step_is_a_part_of_the_whole() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let args = Args { second_half: true, wait_for_cancel: true, ..Args::default() };
    let uuid = bench.submit(&args, Uuid::new_v4()).expect("submit");
    let told = || bench.operations.find(uuid).expect("find");
    let until = std::time::Instant::now() + PATIENCE;
    while told().total == 0 && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    // The half of the step that comes at once after its beginning may be left out.
    assert!(matches!((told().done, told().total), (50 | 75, 100)), "{:?}", told());
    bench.operations.cancel(uuid).expect("cancel");
    bench.end(uuid);
}

#[test]
fn a_panic_is_a_failure() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let args = Args { panic: true, ..Args::default() };
    let operation = bench.end(bench.submit(&args, Uuid::new_v4()).expect("submit"));
    assert_eq!(operation.state, State::Failed);
    assert_eq!(operation.fault.expect("fault").kind, Kind::Internal);
    assert_eq!(bench.diary.lines(), ["a", "b", "undo b", "undo a"]);
}

#[test]
fn an_undo_that_fails_is_tried_again() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let args = Args { fail: true, stubborn_undo: true, ..Args::default() };
    let operation = bench.end(bench.submit(&args, Uuid::new_v4()).expect("submit"));
    assert_eq!(operation.state, State::Failed);
    assert_eq!(bench.diary.lines(), ["a", "b", "undo b", "undo b", "undo a"]);
}

#[test]
fn cancelling_undoes() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let args = Args { wait_for_cancel: true, ..Args::default() };
    let uuid = bench.submit(&args, Uuid::new_v4()).expect("submit");
    bench.operations.cancel(uuid).expect("cancel");
    assert_eq!(bench.end(uuid).state, State::Cancelled);
    assert_eq!(bench.diary.lines().last().map(String::as_str), Some("undo a"));
    let again = bench.operations.cancel(uuid).expect_err("it is over");
    assert_eq!(again.key(), "operation-over");
}

#[test]
fn the_same_subject_is_worked_on_once() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let subject = Uuid::new_v4();
    let args = Args { wait_for_cancel: true, ..Args::default() };
    let first = bench.submit(&args, subject).expect("submit");
    let refused = bench.submit(&Args::default(), subject).expect_err("must be refused");
    assert_eq!(refused.kind(), Kind::Busy);
    bench.operations.cancel(first).expect("cancel");
    bench.end(first);
    bench.end(bench.submit(&Args::default(), subject).expect("free again"));
}

/// A killed process leaves a row somewhere between its steps; the next one goes on from there.
#[test]
fn every_state_of_a_killed_process_is_taken_up() {
    let cases: [(&str, Option<&str>, &[&str], State); 4] = [
        ("queued", None, &["a", "b", "c"], State::Succeeded),
        ("running", Some("b"), &["b", "c"], State::Succeeded),
        ("running", Some("c"), &["c"], State::Succeeded),
        ("undoing", Some("b"), &["undo b", "undo a"], State::Failed),
    ];
    for (state, action, expected, end) in cases {
        let bench = Bench::new();
        let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
        let killed = |tx: &crate::store::Tx<'_>| {
            tx.changed(crate::store::Topic::Operations);
            tx.execute(
                "UPDATE operations SET state=?1, action=?2",
                rusqlite::params![state, action],
            )?;
            Ok(())
        };
        bench.store.write(killed).expect("as a killed process left it");
        let successor = engine(&bench.store, &bench.diary);
        successor.start().expect("start");
        let operation = end_of(&successor, uuid);
        assert_eq!(operation.state, end, "{state} at {action:?}");
        assert_eq!(bench.diary.lines(), expected, "{state} at {action:?}");
    }
}

#[test]
fn a_scheduled_operation_waits_and_holds_no_lock() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let subject = Uuid::new_v4();
    let new = NewOperation::new(KIND, &Args::default(), subject, "thing").expect("new");
    let new = new.at(now() + 2);
    let uuid = bench.operations.submit(&Actor::system(), |_| Ok(new)).expect("submit").0;
    assert_eq!(bench.operations.find(uuid).expect("find").state, State::Scheduled);
    assert_eq!(bench.locks(), 0);
    assert!(bench.diary.lines().is_empty());
    assert_eq!(bench.end(uuid).state, State::Succeeded);
    assert_eq!(bench.diary.lines(), ["a", "b", "c"]);
}

#[test]
fn a_scheduled_operation_can_be_cancelled_before_its_time() {
    let bench = Bench::new();
    bench.operations.start().expect("start");
    let new = NewOperation::new(KIND, &Args::default(), Uuid::new_v4(), "thing").expect("new");
    let new = new.at(now() + 3_600);
    let uuid = bench.operations.submit(&Actor::system(), |_| Ok(new)).expect("submit").0;
    bench.operations.cancel(uuid).expect("cancel");
    assert_eq!(bench.end(uuid).state, State::Cancelled);
    assert_eq!(bench.diary.count("a"), 0);
}

#[test]
fn a_scheduled_operation_that_waits_for_its_lock_is_cancelled_at_once() {
    let bench = Bench::new();
    let subject = Uuid::new_v4();
    let holds = Args { wait_for_cancel: true, ..Args::default() };
    let holder = bench.submit(&holds, subject).expect("submit");
    let new = NewOperation::new(KIND, &Args::default(), subject, "thing").expect("new");
    let waiting = bench.operations.submit(&Actor::system(), |_| Ok(new.at(now() - 1)));
    let waiting = waiting.expect("submit").0;
    bench.operations.start().expect("start");
    bench.operations.cancel(waiting).expect("cancel");
    assert_eq!(bench.operations.find(waiting).expect("find").state, State::Cancelled);
    let over = bench.operations.cancel(waiting).expect_err("over");
    assert_eq!(over.key(), "operation-over");
    bench.operations.cancel(holder).expect("cancel");
    assert_eq!(bench.end(holder).state, State::Cancelled);
    assert_eq!(bench.diary.count("c"), 0);
}

#[test]
fn a_cancel_between_the_look_at_the_row_and_the_start_is_not_missed() {
    let bench = Bench::new();
    let uuid = bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
    let cancel = || bench.operations.cancel(uuid).expect("cancel");
    run_after(&bench.operations, uuid, cancel).expect("run");
    assert_eq!(bench.operations.find(uuid).expect("find").state, State::Cancelled);
    assert_eq!(bench.diary.lines(), ["undo a"], "no step was begun");
    assert_eq!(bench.locks(), 0);
}

#[test]
fn what_was_unscheduled_when_its_time_came_does_not_run() {
    let bench = Bench::new();
    let subject = Uuid::new_v4();
    let new = NewOperation::new(KIND, &Args::default(), subject, "thing").expect("new");
    let new = new.at(now() - 1);
    let uuid = bench.operations.submit(&Actor::system(), |_| Ok(new)).expect("submit").0;
    let unschedule = || {
        let change = |tx: &crate::store::Tx<'_>| bench.operations.unschedule(tx, KIND, subject);
        bench.store.write(change).expect("unschedule");
    };
    run_after(&bench.operations, uuid, unschedule).expect("run");
    assert_eq!(bench.operations.find(uuid).expect("find").state, State::Cancelled);
    assert!(bench.diary.lines().is_empty(), "{:?}", bench.diary.lines());
    assert_eq!(bench.locks(), 0);
    let log = super::audit::list(&bench.store, &ListQuery::default()).expect("the log").results;
    let lines: Vec<_> = log
        .iter()
        .map(|line| (line.action.as_str(), line.fault.as_ref().map(|f| &*f.key)))
        .collect();
    assert_eq!(lines, [(KIND, Some("operation-replaced"))]);
}

#[test]
fn what_ended_after_it_was_listed_does_not_run_again() {
    let bench = Bench::new();
    bench.submit(&Args::default(), Uuid::new_v4()).expect("submit");
    run_listed(&bench.operations, OperationId::new(1)).expect("run");
    assert_eq!(bench.diary.lines(), ["a", "b", "c"]);
    run_listed(&bench.operations, OperationId::new(1)).expect("nothing to run");
    assert_eq!(bench.diary.lines(), ["a", "b", "c"]);
    let log = super::audit::list(&bench.store, &ListQuery::default()).expect("the log");
    assert_eq!(log.count, 1, "it ended once");
}

/// Takes an operation as the dispatcher does and runs it; what happens `meanwhile` its runner does not know yet.
fn run_after(operations: &Operations, uuid: Uuid, meanwhile: impl FnOnce()) -> Result<()> {
    let inner = &operations.inner;
    let open = inner.store.read(store::work::open)?.into_iter().find(|open| open.uuid == uuid);
    let id = open.expect("still open").id;
    let work = inner.store.read(|conn| store::work::work(conn, id))?.expect("still open");
    let Running { cancel, progress } = dispatcher::running(inner, uuid, false);
    let runner = Runner::new(inner, work, cancel, progress, Duration::ZERO);
    meanwhile();
    runner.run().map(drop)
}

/// Runs what the dispatcher listed a moment ago, whatever became of it since.
fn run_listed(operations: &Operations, id: OperationId) -> Result<()> {
    let inner = &operations.inner;
    let Running { cancel, progress } = dispatcher::running(inner, Uuid::nil(), false);
    dispatcher::run(inner, id, cancel, progress, Duration::ZERO).map(drop)
}
