use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::store::NodeId;

/// For what would never come.
const LIMIT: Duration = Duration::from_secs(20);

/// Attendants of nodes that are all up, but for those in `away`; `told` is sent at each change of problems.
fn attendants(told: mpsc::Sender<()>) -> (Attendants, Arc<Mutex<HashMap<NodeId, NodeStatus>>>) {
    let states: Arc<Mutex<HashMap<NodeId, NodeStatus>>> = Arc::default();
    let read = Arc::clone(&states);
    let status =
        move |node| read.lock().expect("states").get(&node).copied().unwrap_or(NodeStatus::Active);
    let told = Mutex::new(told);
    let tell = move || told.lock().expect("told").send(()).unwrap_or_default();
    (Attendants::with_retry(status, tell, Duration::from_millis(1)), states)
}

fn quiet() -> Attendants {
    attendants(mpsc::channel().0).0
}

#[derive(Clone)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn shut() -> Self {
        Self(Arc::default())
    }

    fn pass(&self) {
        let (open, changed) = &*self.0;
        let open = open.lock().expect("gate");
        drop(changed.wait_while(open, |open| !*open).expect("gate"));
    }

    fn open(&self) {
        *self.0.0.lock().expect("gate") = true;
        self.0.1.notify_all();
    }
}

#[tokio::test]
async fn a_node_that_hangs_holds_no_other() {
    let (attendants, gate) = (quiet(), Gate::shut());
    let (sender, done) = mpsc::channel();
    let (held, sender) = (gate.clone(), Mutex::new(sender));
    attendants.attend(Duty::Networks, move |node| {
        if node == NodeId::new(1) {
            held.pass();
        }
        sender.lock().expect("sender").send(node).expect("send");
        Ok(None)
    });
    attendants.arrived(NodeId::new(1));
    attendants.arrived(NodeId::new(2));
    let wait = move || (done.recv().expect("node 2"), done);
    let (first, done) = tokio::task::spawn_blocking(wait).await.expect("join");
    assert_eq!(first, NodeId::new(2));
    gate.open();
    let second = tokio::task::spawn_blocking(move || done.recv()).await.expect("join");
    assert_eq!(second, Ok(NodeId::new(1)));
}

#[tokio::test]
async fn the_duties_of_a_node_are_done_in_turn_and_in_their_order() {
    let attendants = quiet();
    let (sender, done) = mpsc::channel();
    let at_once = Arc::new(AtomicUsize::new(0));
    for duty in [Duty::LeftUploads, Duty::Networks, Duty::SshKeys] {
        let (sender, at_once) = (Mutex::new(sender.clone()), Arc::clone(&at_once));
        attendants.attend(duty, move |_| {
            let others = at_once.fetch_add(1, Ordering::SeqCst);
            sender.lock().expect("sender").send((duty, others)).expect("send");
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok(None)
        });
    }
    attendants.arrived(NodeId::new(1));
    let take = move || (0..3).map(|_| done.recv().expect("done")).collect::<Vec<_>>();
    let taken = tokio::task::spawn_blocking(take).await.expect("join");
    assert_eq!(taken, [(Duty::Networks, 0), (Duty::SshKeys, 0), (Duty::LeftUploads, 0)]);
}

#[tokio::test]
async fn what_is_asked_for_while_it_is_done_is_done_once_more() {
    let (attendants, gate) = (quiet(), Gate::shut());
    let (sender, begun) = mpsc::channel();
    let (held, sender) = (gate.clone(), Mutex::new(sender));
    attendants.attend(Duty::Networks, move |_| {
        sender.lock().expect("sender").send(()).expect("send");
        held.pass();
        Ok(None)
    });
    attendants.arrived(NodeId::new(1));
    let asked = attendants.clone();
    let rounds = tokio::task::spawn_blocking(move || {
        begun.recv().expect("the first round");
        // It has begun: all of these are served by one more round.
        asked.ask_after(Duty::Networks, NodeId::new(1), Duration::ZERO);
        asked.ask_all(Duty::Networks);
        let waiting = {
            let asked = asked.clone();
            thread::spawn(move || asked.ask_and_wait(Duty::Networks, NodeId::new(1)))
        };
        gate.open();
        assert!(matches!(waiting.join().expect("join"), Some(Ok(()))));
        // A round of its own, so that nothing is under way any more.
        assert!(matches!(asked.ask_and_wait(Duty::Networks, NodeId::new(1)), Some(Ok(()))));
        begun.try_iter().count()
    });
    // The second for the three, the third for the last; the second may have begun before the thread asked.
    let rounds = rounds.await.expect("join");
    assert!((2..=3).contains(&rounds), "{rounds}");
}

#[tokio::test]
async fn an_arrival_while_it_works_is_not_missed() {
    let (attendants, gate) = (quiet(), Gate::shut());
    let (sender, begun) = mpsc::channel();
    let (held, sender) = (gate.clone(), Mutex::new(sender));
    attendants.attend(Duty::UnusedLayers, move |_| {
        sender.lock().expect("sender").send(()).expect("send");
        held.pass();
        Ok(None)
    });
    attendants.arrived(NodeId::new(1));
    let first = move || begun.recv().map(|()| begun);
    let begun = tokio::task::spawn_blocking(first).await.expect("join").expect("begun");
    // More than any channel of arrivals ever kept.
    (0..1000).for_each(|_| attendants.arrived(NodeId::new(1)));
    gate.open();
    let again = tokio::task::spawn_blocking(move || begun.recv_timeout(LIMIT));
    again.await.expect("join").expect("once more");
}

#[tokio::test]
async fn a_failure_is_a_problem_until_it_succeeds() {
    let (sender, told) = mpsc::channel();
    let (attendants, _) = attendants(sender);
    let gate = Gate::shut();
    let (mended, attempts) = (gate.clone(), AtomicUsize::new(0));
    attendants.attend(Duty::SshKeys, move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::conflict("system-user-unknown")),
        1 => panic!("broken"),
        _ => {
            mended.pass();
            Ok(None)
        }
    });
    let done = Arc::new(AtomicUsize::new(0));
    let others = Arc::clone(&done);
    attendants.attend(Duty::LeftUploads, move |_| {
        others.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    });
    attendants.arrived(NodeId::new(1));
    let seen = tokio::task::spawn_blocking(move || {
        let problems =
            || attendants.problems(NodeId::new(1)).into_iter().map(|problem| problem.fault.key);
        // One news of each failure; the third attempt waits at the gate.
        told.recv().expect("failed");
        told.recv().expect("panicked");
        let shown: Vec<String> = problems().collect();
        gate.open();
        told.recv().expect("done");
        assert!(matches!(attendants.ask_and_wait(Duty::LeftUploads, NodeId::new(1)), Some(Ok(()))));
        (shown, problems().count())
    });
    assert_eq!(seen.await.expect("join"), (vec!["internal".to_owned()], 0));
    assert!(done.load(Ordering::SeqCst) >= 1);
}

#[tokio::test]
async fn what_a_duty_finds_is_shown_and_no_reason_to_do_it_again() {
    let (sender, told) = mpsc::channel();
    let attendants = attendants(sender).0;
    let (done, finds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (count, found) = (Arc::clone(&done), Arc::clone(&finds));
    attendants.attend(Duty::Domains, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let fault = Fault::from(Error::conflict("strangers-run"));
        Ok((found.load(Ordering::SeqCst) > 0).then_some(fault))
    });
    attendants.arrived(NodeId::new(1));
    let rounds = tokio::task::spawn_blocking(move || {
        told.recv().expect("found");
        let problems = || attendants.problems(NodeId::new(1));
        let shown: Vec<String> = problems().into_iter().map(|it| it.fault.key).collect();
        let next = attendants.state().nodes[&NodeId::new(1)].turns[&Duty::Domains].due;
        assert!(next.is_some_and(|due| due > Instant::now() + LIMIT), "only when it is its time");
        assert!(matches!(attendants.ask_and_wait(Duty::Domains, NodeId::new(1)), Some(Ok(()))));
        finds.store(0, Ordering::SeqCst);
        assert!(matches!(attendants.ask_and_wait(Duty::Domains, NodeId::new(1)), Some(Ok(()))));
        assert!(problems().is_empty());
        shown
    });
    assert_eq!(rounds.await.expect("join"), ["strangers-run"]);
    assert_eq!(done.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_node_that_is_not_here_is_not_asked_and_not_waited_for() {
    let (attendants, states) = attendants(mpsc::channel().0);
    let (sender, done) = mpsc::channel();
    let sender = Mutex::new(sender);
    attendants.attend(Duty::Networks, move |_| {
        sender.lock().expect("sender").send(()).expect("send");
        Ok(None)
    });
    let set = |status| states.lock().expect("states").insert(NodeId::new(1), status);
    // Its agent answers, its hypervisor does not.
    set(NodeStatus::Error);
    attendants.arrived(NodeId::new(1));
    let asked = attendants.clone();
    let waited =
        tokio::task::spawn_blocking(move || asked.ask_and_wait(Duty::Networks, NodeId::new(1)));
    assert!(waited.await.expect("join").is_none());
    assert!(done.try_recv().is_err());
    set(NodeStatus::Active);
    attendants.arrived(NodeId::new(1));
    tokio::task::spawn_blocking(move || done.recv()).await.expect("join").expect("on arrival");
}

#[tokio::test]
async fn who_waits_for_a_node_hears_that_it_went() {
    let (attendants, states) = attendants(mpsc::channel().0);
    let (gate, held) = (Gate::shut(), Gate::shut());
    let (begun, inside) = (gate.clone(), held.clone());
    attendants.attend(Duty::SshKeys, move |_| {
        begun.open();
        inside.pass();
        Ok(None)
    });
    attendants.arrived(NodeId::new(1));
    let asked = attendants.clone();
    let waited =
        tokio::task::spawn_blocking(move || asked.ask_and_wait(Duty::SshKeys, NodeId::new(1)));
    tokio::task::spawn_blocking(move || gate.pass()).await.expect("join");
    states.lock().expect("states").insert(NodeId::new(1), NodeStatus::Shutdown);
    attendants.left();
    assert!(waited.await.expect("join").is_none());
    held.open();
}

#[tokio::test]
async fn the_attendant_of_a_node_that_is_gone_leaves() {
    let attendants = quiet();
    attendants.attend(Duty::Networks, |_| Ok(None));
    attendants.arrived(NodeId::new(1));
    let asked = attendants.clone();
    let done = move || asked.ask_and_wait(Duty::Networks, NodeId::new(1));
    assert!(matches!(tokio::task::spawn_blocking(done).await.expect("join"), Some(Ok(()))));
    attendants.forget(NodeId::new(1));
    while attendants.state().nodes.contains_key(&NodeId::new(1)) {
        tokio::task::yield_now().await;
    }
    assert!(attendants.problems(NodeId::new(1)).is_empty());
}

#[test]
fn pauses_grow_up_to_a_limit() {
    let inner = Attendants::new(|_| NodeStatus::Active, || ()).inner;
    assert_eq!([0, 1, 2].map(|failures| inner.pause(failures).as_secs()), [5, 10, 20]);
    assert_eq!(inner.pause(u32::MAX), RETRY_MAX);
}
