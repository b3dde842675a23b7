use super::*;
use crate::node::protocol::Shell;

const ON: Sight = Sight { run: Some(100), life: Some(100), agent: true };

fn plan(host_names: &str, script: &str) -> Plan {
    Plan {
        desktop: Nameable { name: "pc 7".into(), group: "room".into(), number: 7 },
        address: "192.0.2.7".into(),
        host_names: host_names.into(),
        script: StartScript { shell: Shell::Sh, text: script.into(), minutes: 2 },
        row: None,
    }
}

/// As a round does: writes until there is something to ask or nothing to do.
fn decided(plan: &mut Plan, sight: &Sight, now: i64) -> Move {
    for _ in 0..20 {
        match next(plan, sight, now) {
            Move::Write(row) => plan.row = Some(row),
            other => return other,
        }
    }
    panic!("without end: {plan:?}");
}

/// The guest is asked this, which is written, and it answers so.
fn asked(plan: &mut Plan, now: i64, told: Result<GuestTold, Fault>) -> (GuestStep, Next) {
    let Move::Ask(row, step) = decided(plan, &ON, now) else { panic!("nothing to ask: {plan:?}") };
    let (row, next) = take(plan, &row, told, now);
    plan.row = Some(row);
    (step, next)
}

fn fault(key: &'static str) -> Result<GuestTold, Fault> {
    Err(Error::conflict(key).into())
}

fn row(plan: &Plan) -> &FirstStart {
    plan.row.as_ref().expect("a row")
}

fn failure(plan: &Plan) -> &str {
    assert_eq!(row(plan).state, Outcome::Failed, "{plan:?}");
    &row(plan).fault.as_ref().expect("a fault").key
}

fn ended(code: Option<i32>, output: &[u8]) -> Result<GuestTold, Fault> {
    Ok(GuestTold::Ended(GuestEnd { code, output: output.to_vec(), ..GuestEnd::default() }))
}

/// Its script runs since 20.
fn in_script(host_names: &str) -> Plan {
    let mut plan = plan(host_names, "echo hi");
    asked(&mut plan, 10, Ok(GuestTold::Done));
    if !host_names.is_empty() {
        let (step, _) = asked(&mut plan, 11, Ok(GuestTold::Began { pid: 5 }));
        assert_eq!(step, GuestStep::SetHostName { name: "pc007".into() });
        let (step, _) = asked(&mut plan, 12, ended(Some(0), b""));
        assert_eq!(step, GuestStep::Look { pid: 5 });
    }
    let (step, _) = asked(&mut plan, 20, Ok(GuestTold::Began { pid: 6 }));
    let GuestStep::RunScript(script) = step else { panic!("{step:?}") };
    assert_eq!((script.text.as_str(), script.seconds), ("echo hi", 120));
    let variables: Vec<&str> = script.variables.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(variables, ["pc 7", "7", "192.0.2.7", "room"]);
    plan
}

#[test]
fn all_of_it_once_in_each_life() {
    let mut plan = in_script("pc{number:3}");
    assert_eq!(asked(&mut plan, 21, Ok(GuestTold::StillRuns)).1, Next::In(Duration::from_secs(1)));
    assert_eq!(asked(&mut plan, 90, Ok(GuestTold::StillRuns)).1, Next::In(Duration::from_secs(8)));
    assert_eq!(asked(&mut plan, 95, ended(Some(0), b"hi\n\xff")).1, Next::Settled);
    assert_eq!((row(&plan).state, row(&plan).host_name.as_str()), (Outcome::Succeeded, "pc007"));
    assert_eq!((row(&plan).output.as_slice(), row(&plan).exit_code), (&b"hi\n\xff"[..], Some(0)));
    assert_eq!(next(&plan, &ON, 96), Move::Settled);
    // Its guest or its machine is started anew, and the disk is the same.
    assert_eq!(next(&plan, &Sight { run: Some(200), ..ON }, 200), Move::Settled);
    let restored = Sight { run: Some(300), life: Some(300), agent: true };
    assert!(matches!(decided(&mut plan, &restored, 300), Move::Ask(_, GuestStep::SetTime)));
    assert_eq!((row(&plan).life, row(&plan).output.len()), (300, 0));
}

#[test]
fn nothing_is_asked_without_an_agent_or_a_life() {
    let mut plan = plan("", "");
    assert_eq!(decided(&mut plan, &Sight { agent: false, ..ON }, 10), Move::Wait);
    assert_eq!(decided(&mut plan, &Sight { life: None, ..ON }, 10), Move::Settled);
    assert_eq!(decided(&mut plan, &Sight::default(), 10), Move::Settled);
    assert_eq!(plan.row, None);
    // What is asked for again needs none.
    plan.row = Some(FirstStart::again(10));
    let kept = Sight { life: None, ..ON };
    assert!(matches!(decided(&mut plan, &kept, 10), Move::Ask(_, GuestStep::SetTime)));
    assert_eq!(row(&plan).life, 0);
    // An agent that cannot set the time is no fault.
    asked_in(&mut plan, &kept, 10, fault(AGENT_REFUSES));
    assert_eq!(decided(&mut plan, &kept, 11), Move::Settled);
    assert_eq!(row(&plan).state, Outcome::Succeeded);
}

fn asked_in(plan: &mut Plan, sight: &Sight, now: i64, told: Result<GuestTold, Fault>) {
    let Move::Ask(row, _) = decided(plan, sight, now) else { panic!("nothing to ask") };
    plan.row = Some(take(plan, &row, told, now).0);
}

#[test]
fn a_script_is_never_begun_twice_in_a_life() {
    // Killed between the question and the answer: the row says that it was being asked.
    let mut plan = plan("", "x");
    asked(&mut plan, 10, Ok(GuestTold::Done));
    let Move::Ask(before, _) = decided(&mut plan, &ON, 11) else { panic!("a question") };
    plan.row = Some(before);
    assert_eq!(decided(&mut plan, &ON, 12), Move::Settled);
    assert_eq!(failure(&plan), "first-start-lost");
    for (told, key) in [
        (fault(AGENT_SILENT), "first-start-lost"),
        (fault(AGENT_REFUSES), AGENT_REFUSES),
        (Ok(GuestTold::Done), "first-start-lost"),
    ] {
        plan.row = Some(FirstStart::new(100, 100, 10).at(Step::Script, 10));
        assert_eq!(asked(&mut plan, 11, told).1, Next::Settled);
        assert_eq!(failure(&plan), key);
    }
    // Who was not asked is asked when the agent is back, or in the run that is under way by then.
    for key in [AGENT_ABSENT, RUN_ENDED] {
        plan.row = Some(FirstStart::new(100, 100, 10).at(Step::Script, 10));
        assert_eq!(asked(&mut plan, 11, fault(key)).1, Next::Wait);
        assert!(matches!(decided(&mut plan, &ON, 12), Move::Ask(_, GuestStep::RunScript(_))));
    }
    // libvirt went away, perhaps with the answer.
    plan.row = Some(FirstStart::new(100, 100, 10).at(Step::Script, 10));
    asked(&mut plan, 11, fault("libvirt-down"));
    assert_eq!(decided(&mut plan, &ON, 41), Move::Settled);
    assert_eq!(failure(&plan), "first-start-lost");
    // In the other steps nothing is lost with it.
    let mut plan = in_script("");
    assert_eq!(asked(&mut plan, 30, fault("libvirt-down")).1, Next::In(Duration::from_secs(30)));
    assert_eq!(row_state(&plan), Outcome::Running);
}

#[test]
fn what_becomes_of_a_script_is_said() {
    for (now, told, key) in [
        (30, ended(Some(3), b""), "first-start-failed"),
        (30, ended(Some(124), b""), "first-start-failed"),
        (140, ended(Some(124), b""), "first-start-timeout"),
        (30, ended(None, b""), "first-start-killed"),
        (30, Ok(GuestTold::Forgotten), "first-start-restarted"),
        (201, Ok(GuestTold::StillRuns), "first-start-hangs"),
        (201, fault(AGENT_SILENT), "first-start-silent"),
    ] {
        let mut plan = in_script("");
        assert_eq!(asked(&mut plan, now, told).1, Next::Settled);
        assert_eq!(failure(&plan), key);
    }
    let mut plan = in_script("");
    assert_eq!(asked(&mut plan, 199, fault(AGENT_SILENT)).1, Next::Silent(Duration::from_secs(22)));
    assert_eq!(
        asked(&mut plan, 199, Ok(GuestTold::StillRuns)).1,
        Next::In(Duration::from_secs(15))
    );
    let gone = Sight { agent: false, ..ON };
    assert_eq!(decided(&mut plan, &gone, 199), Move::Wait);
    assert_eq!(decided(&mut plan, &gone, 201), Move::Settled);
    assert_eq!(failure(&plan), "first-start-silent");
}

#[test]
fn a_guest_that_goes_off_or_restarts_is_said() {
    let mut plan = in_script("");
    assert_eq!(decided(&mut plan, &Sight::default(), 30), Move::Settled);
    assert_eq!(failure(&plan), "first-start-cut");
    // The disk is kept: the machine was started anew.
    let mut plan = in_script("");
    assert_eq!(decided(&mut plan, &Sight { run: Some(200), ..ON }, 200), Move::Settled);
    assert_eq!(failure(&plan), "first-start-restarted");
    // Before the script there is nothing to lose.
    let mut plan = super::tests::plan("", "x");
    decided(&mut plan, &ON, 10);
    assert!(matches!(
        decided(&mut plan, &Sight { run: Some(200), ..ON }, 200),
        Move::Ask(_, GuestStep::SetTime)
    ));
    assert_eq!(decided(&mut plan, &Sight::default(), 210), Move::Forget);
}

#[test]
fn a_script_that_reboots_a_restored_desktop_ends() {
    let mut plan = in_script("");
    let mut begun = 1;
    for life in [200, 300, 400] {
        let sight = Sight { run: Some(life), life: Some(life), agent: true };
        asked_if(&mut plan, &sight, life, Ok(GuestTold::Done));
        if let Move::Ask(row, GuestStep::RunScript(_)) = decided(&mut plan, &sight, life) {
            begun += 1;
            plan.row = Some(take(&plan, &row, Ok(GuestTold::Began { pid: 9 }), life).0);
        } else {
            break;
        }
    }
    assert_eq!(begun, 2);
    assert_eq!(failure(&plan), "first-start-restarts");
    // Switched on another time it is tried again.
    let later = Sight { run: Some(900), life: Some(900), agent: true };
    asked_if(&mut plan, &later, 900, Ok(GuestTold::Done));
    assert!(matches!(decided(&mut plan, &later, 900), Move::Ask(_, GuestStep::RunScript(_))));
}

#[test]
fn a_script_that_asks_for_a_restart_and_ends_is_not_run_for_ever() {
    let mut plan = plan("", "reboot");
    let mut begun = 0;
    for life in [1000, 1100, 1200] {
        let sight = Sight { run: Some(life), life: Some(life), agent: true };
        asked_if(&mut plan, &sight, life + 40, Ok(GuestTold::Done));
        if let Move::Ask(row, GuestStep::RunScript(_)) = decided(&mut plan, &sight, life + 41) {
            begun += 1;
            plan.row = Some(take(&plan, &row, Ok(GuestTold::Began { pid: 9 }), life + 41).0);
            asked_in(&mut plan, &sight, life + 42, ended(Some(0), b""));
            assert_eq!(row_state(&plan), Outcome::Succeeded);
        }
    }
    assert_eq!((begun, failure(&plan)), (2, "first-start-restarts"));
    // Whoever restarts it later has nothing to do with its script.
    let mut plan = in_script("");
    asked(&mut plan, 30, ended(Some(0), b""));
    let later = Sight { run: Some(300), life: Some(300), agent: true };
    assert!(matches!(decided(&mut plan, &later, 340), Move::Ask(_, GuestStep::SetTime)));
    assert_eq!(row(&plan).restarts, 0);
}

fn row_state(plan: &Plan) -> Outcome {
    row(plan).state
}

#[test]
fn nothing_begins_by_itself_in_the_middle_of_a_lesson() {
    let mut plan = plan("", "x");
    assert_eq!(decided(&mut plan, &ON, 100 + LATE + 1), Move::Settled);
    // The row of an older backup stays, and one that was under way in another life comes to its end.
    let mut plan = in_script("");
    asked(&mut plan, 30, ended(Some(0), b""));
    let other = Sight { run: Some(9000), life: Some(9000), agent: true };
    assert_eq!(decided(&mut plan, &other, 9000 + LATE + 1), Move::Settled);
    assert_eq!(row(&plan).life, 100);
    let mut plan = in_script("");
    assert_eq!(decided(&mut plan, &other, 9000 + LATE + 1), Move::Settled);
    assert_eq!(failure(&plan), "first-start-cut");
    plan.row = Some(FirstStart::new(100, 100, 10));
    assert_eq!(decided(&mut plan, &other, 9000 + LATE + 1), Move::Forget);
    // Its group restores no more.
    assert_eq!(decided(&mut plan, &Sight { life: None, ..other }, 9010), Move::Forget);
    // What is asked for again begins at any time.
    plan.row = Some(FirstStart::again(9000 + LATE));
    let asks = decided(&mut plan, &other, 9000 + LATE + 1);
    assert!(matches!(asks, Move::Ask(_, GuestStep::SetTime)));
}

#[test]
fn an_agent_that_goes_away_is_given_up() {
    let gone = Sight { agent: false, ..ON };
    for (step, key) in [
        (Step::Clock, AGENT_ABSENT),
        (Step::Name, AGENT_ABSENT),
        (Step::NameRuns, AGENT_ABSENT),
        (Step::Script, AGENT_ABSENT),
        (Step::ScriptBegins, "first-start-lost"),
    ] {
        let mut plan = plan("pc", "x");
        plan.row = Some(FirstStart::new(100, 100, 10).at(step, 10));
        assert_eq!(decided(&mut plan, &gone, 10 + SILENCE), Move::Wait);
        assert_eq!(decided(&mut plan, &gone, 11 + SILENCE), Move::Settled);
        assert_eq!(failure(&plan), key);
    }
}

fn asked_if(plan: &mut Plan, sight: &Sight, now: i64, told: Result<GuestTold, Fault>) {
    if let Move::Ask(row, GuestStep::SetTime) = decided(plan, sight, now) {
        plan.row = Some(take(plan, &row, told, now).0);
    }
}

#[test]
fn a_name_that_fails_holds_up_no_script() {
    let mut plan = plan("pc_{number}", "x");
    asked(&mut plan, 10, Ok(GuestTold::Done));
    let (step, _) = asked(&mut plan, 11, Ok(GuestTold::Began { pid: 5 }));
    assert!(matches!(step, GuestStep::RunScript(_)));
    asked(&mut plan, 12, ended(Some(0), b""));
    assert_eq!(failure(&plan), "host-name-letters");
    let mut plan = super::tests::plan("pc{number}", "");
    asked(&mut plan, 10, Ok(GuestTold::Done));
    asked(&mut plan, 11, Ok(GuestTold::Began { pid: 5 }));
    asked(&mut plan, 12, ended(Some(1), b"hostname: denied"));
    assert_eq!(decided(&mut plan, &ON, 13), Move::Settled);
    assert_eq!((failure(&plan), row(&plan).output.len()), ("first-start-name", 16));
}

#[test]
fn an_agent_that_never_answers_is_given_up() {
    let mut plan = plan("", "");
    assert_eq!(asked(&mut plan, 10, fault(AGENT_SILENT)).1, Next::Silent(Duration::from_secs(5)));
    assert_eq!(asked(&mut plan, 600, fault(AGENT_SILENT)).1, Next::Silent(Duration::from_secs(60)));
    assert_eq!(asked(&mut plan, 611, fault(AGENT_SILENT)).1, Next::Settled);
    assert_eq!(failure(&plan), AGENT_SILENT);
    assert_eq!(next(&plan, &ON, 612), Move::Settled);
}
