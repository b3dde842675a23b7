//! Virtual switches.

use uuid::Uuid;

use super::{Networks, Switch, SwitchKind, store};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};

/// Names of users that a refusal lists.
const NAMES_SHOWN: usize = 5;

/// A switch to be made, its fields checked.
#[derive(Debug, Clone)]
pub struct NewSwitch {
    pub name: String,
    pub kind: SwitchKind,
    pub desc: Option<String>,
}

/// What is to change; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct SwitchEdit {
    pub name: Option<String>,
    pub kind: Option<SwitchKind>,
    pub desc: Option<String>,
}

impl Networks {
    pub fn list_switches(&self, query: &ListQuery) -> Result<Page<Switch>> {
        store::switches::list(&self.inner.store, query)
    }

    /// # Errors
    /// `switch-unknown`
    pub fn switch(&self, uuid: Uuid) -> Result<Switch> {
        self.inner.store.read(|conn| store::switches::find(conn, uuid))
    }

    /// # Errors
    /// `switch-name-taken`
    pub fn create_switch(&self, new: &NewSwitch) -> Result<Switch> {
        self.inner.store.write(|tx| {
            let id = store::switches::insert(tx, &new.name, new.kind, new.desc.as_deref(), false)?;
            store::switches::by_id(tx, id)
        })
    }

    /// # Errors
    /// `switch-unknown`, `switch-name-taken`; `switch-in-use` when the type of a switch with networks
    /// is to change.
    pub fn edit_switch(&self, uuid: Uuid, edit: SwitchEdit) -> Result<Switch> {
        self.inner.store.write(|tx| {
            let switch = store::switches::find(tx, uuid)?;
            let kind = edit.kind.unwrap_or(switch.kind);
            if kind != switch.kind {
                refuse_users(&switch, &store::switches::users(tx, switch.id)?)?;
            }
            let (name, desc) = (edit.name.unwrap_or(switch.name), edit.desc.or(switch.desc));
            store::switches::update(tx, switch.id, &name, kind, desc.as_deref())?;
            store::switches::by_id(tx, switch.id)
        })
    }

    /// Deletes a switch without networks and returns its name.
    ///
    /// # Errors
    /// `switch-unknown`, `switch-is-default`, `switch-in-use`
    pub fn delete_switch(&self, uuid: Uuid) -> Result<String> {
        self.inner.store.write(|tx| {
            let switch = store::switches::find(tx, uuid)?;
            if switch.is_default {
                return Err(Error::conflict("switch-is-default").arg("name", switch.name));
            }
            refuse_users(&switch, &store::switches::users(tx, switch.id)?)?;
            store::switches::delete(tx, switch.id)?;
            Ok(switch.name)
        })
    }
}

fn refuse_users(switch: &Switch, users: &[String]) -> Result<()> {
    match users.is_empty() {
        true => Ok(()),
        false => Err(in_use("switch-in-use", &switch.name, users)),
    }
}

/// The refusal that names the first users and how many there are.
pub(super) fn in_use(key: &'static str, name: &str, users: &[String]) -> Error {
    let shown = users[..users.len().min(NAMES_SHOWN)].join(", ");
    Error::conflict(key).arg("name", name).arg("users", shown).arg("count", users.len())
}
