//! Asks the guests of one node what comes next for each, and writes what they said.

use std::time::Duration;

use uuid::Uuid;

use super::sights::Sight;
use super::start::{FirstStart, Outcome};
use super::steps::{self, Move, Next, Plan};

use crate::desktops::Desktops;
use crate::desktops::store::first_starts;
use crate::error::{Fault, Kind, Result};
use crate::node::protocol::{GuestStep, GuestTask, GuestTold};
use crate::store::{NodeId, now};

/// Until a node that is away is asked again; its coming back is heard, too.
const AWAY: Duration = Duration::from_secs(30);

/// Until it is looked whether what is under way in a guest whose agent is gone is overdue.
const UNHEARD: Duration = Duration::from_secs(60);

/// What a guest is asked, with its row as it is written before.
struct Question {
    desktop: Uuid,
    run: Option<i64>,
    plan: Plan,
    row: FirstStart,
    step: GuestStep,
}

/// How soon to look at each again.
pub fn round(
    desktops: &Desktops,
    node: NodeId,
    sights: &[(Uuid, Sight)],
) -> Result<Vec<(Uuid, Next)>> {
    let uuids: Vec<Uuid> = sights.iter().map(|(uuid, _)| *uuid).collect();
    let mut plans = desktops.store.read(|conn| first_starts::plans(conn, &uuids))?;
    let (mut nexts, mut writes) = (Vec::new(), Vec::new());
    let (mut forgotten, mut questions) = (Vec::new(), Vec::new());
    let now = now();
    for (desktop, sight) in sights {
        let Some(mut plan) = plans.remove(desktop) else {
            nexts.push((*desktop, Next::Settled));
            continue;
        };
        let before = plan.row.clone();
        let decided = loop {
            match steps::next(&plan, sight, now) {
                Move::Write(row) => plan.row = Some(row),
                decided => break decided,
            }
        };
        if plan.row != before {
            writes.extend(plan.row.clone().map(|row| (*desktop, row)));
        }
        match decided {
            Move::Ask(row, step) => {
                questions.push(Question { desktop: *desktop, run: sight.run, plan, row, step });
            }
            Move::Forget => {
                forgotten.push(*desktop);
                nexts.push((*desktop, Next::Settled));
            }
            Move::Wait => {
                let runs = plan.row.is_some_and(|row| row.state == Outcome::Running);
                nexts.push((*desktop, if runs { Next::In(UNHEARD) } else { Next::Wait }));
            }
            Move::Settled | Move::Write(_) => nexts.push((*desktop, Next::Settled)),
        }
    }
    write(desktops, &writes, &forgotten)?;
    // Of what begins the answer is not to wait for guests that may be silent: a kill would lose it.
    let begins = |question: &Question| matches!(question.step, GuestStep::RunScript(_));
    let (first, others) = questions.into_iter().partition(begins);
    nexts.extend(ask(desktops, node, first)?);
    nexts.extend(ask(desktops, node, others)?);
    Ok(nexts)
}

fn write(desktops: &Desktops, rows: &[(Uuid, FirstStart)], forgotten: &[Uuid]) -> Result<()> {
    if rows.is_empty() && forgotten.is_empty() {
        return Ok(());
    }
    desktops.store.write(|tx| {
        first_starts::write(tx, rows)?;
        first_starts::forget(tx, forgotten)
    })
}

fn ask(desktops: &Desktops, node: NodeId, questions: Vec<Question>) -> Result<Vec<(Uuid, Next)>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    // Before anything is written of what was not asked.
    let client = match desktops.inventory.client_now(node) {
        Err(error) if error.kind() == Kind::NodeUnreachable => {
            let later = questions.into_iter().map(|question| (question.desktop, Next::In(AWAY)));
            return Ok(later.collect());
        }
        client => client?,
    };
    let is_other = |question: &&Question| question.plan.row.as_ref() != Some(&question.row);
    let before = questions.iter().filter(is_other);
    let before: Vec<_> = before.map(|it| (it.desktop, it.row.clone())).collect();
    write(desktops, &before, &[])?;
    let task = |question: &Question| GuestTask {
        domain: question.desktop,
        run: question.run,
        step: question.step.clone(),
    };
    let told: Vec<Result<GuestTold, Fault>> =
        match client.guest_tasks(questions.iter().map(task).collect()) {
            Ok(told) => told,
            Err(error) => {
                let fault = Fault::from(error);
                questions.iter().map(|_| Err(fault.clone())).collect()
            }
        };
    let (mut rows, mut nexts) = (Vec::new(), Vec::new());
    let now = now();
    for (Question { desktop, plan, row, .. }, told) in questions.into_iter().zip(told) {
        let (after, next) = steps::take(&plan, &row, told, now);
        if after != row {
            rows.push((desktop, after));
        }
        nexts.push((desktop, next));
    }
    write(desktops, &rows, &[])?;
    Ok(nexts)
}
