//! One operation on many things, some of which may be refused from the start.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Actor, Item, NewOperation, Operations, SubmittedOperation, store};
use crate::error::{Error, Kind, Result};
use crate::store::Tx;

/// What became of a request for many things.
#[derive(Debug)]
pub enum BatchSubmission {
    /// Works on those that were admitted; the others are among its items.
    Running(SubmittedOperation),
    /// None was admitted: there is no operation.
    Refused(Vec<Item>),
}

/// Things of a batch that the operation may work on.
#[derive(Debug)]
pub struct Admitted {
    /// With their names.
    pub things: Vec<(Uuid, String)>,
    /// For the operation's title: the name of the first, and how many more there are.
    pub title: String,
    /// To be noted with [`super::Execution::note_refused`] when the operation runs.
    pub refused: Vec<Item>,
}

impl Admitted {
    /// What the operation must lock.
    pub fn uuids(&self) -> Vec<Uuid> {
        self.things.iter().map(|(uuid, _)| *uuid).collect()
    }
}

impl Operations {
    /// Submits one operation on those of `wanted` that `admit` lets in, and that nothing else works
    /// on. `admit` gives the thing's name and may write its rows; a refusal must leave them alone.
    /// `build` makes the operation, which must lock what was admitted.
    ///
    /// # Errors
    /// Only of the whole: why single things are refused stands in the items.
    pub fn submit_batch(
        &self,
        actor: &Actor,
        wanted: &[Uuid],
        mut admit: impl FnMut(&Tx<'_>, Uuid) -> Result<String>,
        build: impl FnOnce(&Tx<'_>, Admitted) -> Result<NewOperation>,
    ) -> Result<BatchSubmission> {
        self.submit_loaded(actor, wanted, |_, _| Ok(()), |tx, (), uuid| admit(tx, uuid), build)
    }

    /// As [`Operations::submit_batch`] for thousands of things: `load` reads at once what `admit` then asks of each,
    /// because everybody else who writes waits meanwhile.
    pub fn submit_loaded<L>(
        &self,
        actor: &Actor,
        wanted: &[Uuid],
        load: impl FnOnce(&Tx<'_>, &[Uuid]) -> Result<L>,
        mut admit: impl FnMut(&Tx<'_>, &L, Uuid) -> Result<String>,
        build: impl FnOnce(&Tx<'_>, Admitted) -> Result<NewOperation>,
    ) -> Result<BatchSubmission> {
        if wanted.is_empty() {
            return Err(Error::bad_input("batch-empty"));
        }
        let mut seen = HashSet::new();
        let wanted: Vec<Uuid> = wanted.iter().copied().filter(|uuid| seen.insert(*uuid)).collect();
        let mut refused = Vec::new();
        let submitted = self.submit_if(actor, |tx| {
            let mut holders = store::holders(tx, &wanted)?;
            let loaded = load(tx, &wanted)?;
            let mut things = Vec::new();
            for uuid in wanted.iter().copied() {
                let admitted = match holders.remove(&uuid) {
                    Some(holder) => Err(held(tx, &holder, |tx| admit(tx, &loaded, uuid))?),
                    None => admit(tx, &loaded, uuid),
                };
                match admitted {
                    Ok(name) => things.push((uuid, name)),
                    Err(error) if error.kind() == Kind::Internal => return Err(error),
                    Err(error) => refused.push(refusal(uuid, &error)),
                }
            }
            let Some((_, first)) = things.first() else { return Ok(None) };
            let title = match things.len() - 1 {
                0 => first.clone(),
                more => format!("{first} (+{more})"),
            };
            let refused = refused.clone();
            build(tx, Admitted { things, title, refused }).map(Some)
        })?;
        Ok(submitted.map_or(BatchSubmission::Refused(refused), BatchSubmission::Running))
    }
}

/// Why a thing that is being worked on is refused. What would not be found is not told of; whatever `admit` wrote
/// is taken back.
fn held(
    tx: &Tx<'_>,
    (kind, name): &(String, String),
    admit: impl FnOnce(&Tx<'_>) -> Result<String>,
) -> Result<Error> {
    tx.execute_batch("SAVEPOINT held")?;
    let admitted = admit(tx);
    tx.execute_batch("ROLLBACK TO held; RELEASE held")?;
    Ok(match admitted {
        Err(error) if error.kind() == Kind::NotFound => error,
        _ => store::in_the_way(kind, name),
    })
}

fn refusal(uuid: Uuid, error: &Error) -> Item {
    let name = error.args().find(|(name, _)| *name == "name").map(|(_, value)| value.to_owned());
    Item { uuid, name: name.unwrap_or_else(|| uuid.to_string()), fault: Some(error.into()) }
}
