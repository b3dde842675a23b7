//! One operation on many things, some of which may be refused from the start.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Actor, Item, Lock, NewOperation, Operations, SubmittedOperation, store};
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

/// The things that were asked for, each once, before it is decided which of them are admitted.
pub struct Batch<'t> {
    tx: &'t Tx<'t>,
    uuids: Vec<Uuid>,
    /// Kind of the operation that works on a thing, and name of the thing.
    holders: HashMap<Uuid, (String, String)>,
}

/// Things of a batch that the operation may work on. `T` is what was noted of each.
#[derive(Debug)]
pub struct Admitted<T = (Uuid, String)> {
    pub uuids: Vec<Uuid>,
    /// The same things, to be locked.
    pub locks: Vec<Lock>,
    /// In the order of the uuids; with their names unless something else was noted.
    pub things: Vec<T>,
    /// For the operation's title: the name of the first, and how many more there are.
    pub title: String,
    /// To be noted with [`super::Execution::note_refused`] when the operation runs.
    pub refused: Vec<Item>,
}

impl<'t> Batch<'t> {
    fn of(tx: &'t Tx<'t>, wanted: &[Uuid]) -> Result<Self> {
        let mut seen = HashSet::new();
        let uuids: Vec<Uuid> = wanted.iter().copied().filter(|uuid| seen.insert(*uuid)).collect();
        let holders = store::locks::holders(tx, &uuids)?;
        Ok(Self { tx, uuids, holders })
    }

    /// To read at once what is then asked of each.
    pub fn uuids(&self) -> &[Uuid] {
        &self.uuids
    }

    /// Lets in each thing whose name `admit` gives and that nothing else works on. `admit` may write the thing's
    /// rows; a refusal must leave them alone.
    pub fn admit(self, mut admit: impl FnMut(Uuid) -> Result<String>) -> Result<Admitted> {
        self.admit_noting(|uuid| {
            let name = admit(uuid)?;
            Ok((name.clone(), (uuid, name)))
        })
    }

    /// As [`Batch::admit`]; beside the name `admit` gives what the operation must know of the thing.
    pub fn admit_noting<T>(
        self,
        mut admit: impl FnMut(Uuid) -> Result<(String, T)>,
    ) -> Result<Admitted<T>> {
        let Self { tx, uuids: wanted, holders } = self;
        let (mut locks, mut things, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for uuid in wanted {
            let admitted = match holders.get(&uuid) {
                Some(holder) => Err(held(tx, holder, || admit(uuid))?),
                None => admit(uuid),
            };
            match admitted {
                Ok((name, thing)) => {
                    locks.push(Lock::new(uuid, name));
                    things.push(thing);
                }
                Err(error) if error.kind() == Kind::Internal => return Err(error),
                Err(error) => refused.push(refusal(uuid, &error)),
            }
        }
        let title = match locks.as_slice() {
            [] => String::new(),
            [only] => only.name.clone(),
            [first, more @ ..] => format!("{} (+{})", first.name, more.len()),
        };
        let uuids = locks.iter().map(|lock| lock.uuid).collect();
        Ok(Admitted { uuids, locks, things, title, refused })
    }
}

impl Operations {
    /// Submits one operation on those of `wanted` that `choose` admits, in one transaction with what it and `build`
    /// write. `build` makes the operation, which must lock what was admitted; it is not asked when nothing was. What
    /// takes time, such as asking a node, belongs before the call: everybody else who writes waits meanwhile.
    ///
    /// # Errors
    /// Only of the whole: why single things are refused stands in the items. `batch-empty`
    pub fn submit_batch<T>(
        &self,
        actor: &Actor,
        wanted: &[Uuid],
        choose: impl FnOnce(&Tx<'_>, Batch<'_>) -> Result<Admitted<T>>,
        build: impl FnOnce(&Tx<'_>, Admitted<T>) -> Result<NewOperation>,
    ) -> Result<BatchSubmission> {
        if wanted.is_empty() {
            return Err(Error::bad_input("batch-empty"));
        }
        let inserted = self.store().write(|tx| {
            let admitted = choose(tx, Batch::of(tx, wanted)?)?;
            if admitted.uuids.is_empty() {
                return Ok(Err(admitted.refused));
            }
            let new = build(tx, admitted)?;
            store::insert(tx, &new, actor).map(Ok)
        })?;
        Ok(match inserted {
            Ok(uuid) => BatchSubmission::Running(self.begin(uuid)),
            Err(refused) => BatchSubmission::Refused(refused),
        })
    }
}

/// Why a thing that is being worked on is refused. What would not be found is not told of; whatever `admit` wrote
/// is taken back.
fn held<T>(
    tx: &Tx<'_>,
    (kind, name): &(String, String),
    admit: impl FnOnce() -> Result<T>,
) -> Result<Error> {
    tx.execute_batch("SAVEPOINT held")?;
    let admitted = admit();
    tx.execute_batch("ROLLBACK TO held; RELEASE held")?;
    Ok(match admitted {
        Err(error) if error.kind() == Kind::NotFound => error,
        _ => store::locks::in_the_way(kind, name),
    })
}

fn refusal(uuid: Uuid, error: &Error) -> Item {
    let name = error.args().find(|(name, _)| *name == "name").map(|(_, value)| value.to_owned());
    Item { uuid, name: name.unwrap_or_else(|| uuid.to_string()), fault: Some(error.into()) }
}
