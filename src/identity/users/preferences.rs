//! What users set for themselves (document 001's settings).

use serde::{Deserialize, Serialize};

use super::unknown;
use crate::error::Result;
use crate::identity::store::preferences;
use crate::identity::{Caller, Identity};

/// What runs when somebody asks for an analysis without saying which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    Aodp,
    Iimi,
    Nuvs,
    #[default]
    PathoscopeBowtie,
}

/// A field that a stored row lacks has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    pub quick_analyze_workflow: Workflow,
    pub show_ids: bool,
    pub show_versions: bool,
    pub skip_quick_analyze_dialog: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            quick_analyze_workflow: Workflow::default(),
            show_ids: true,
            show_versions: true,
            skip_quick_analyze_dialog: true,
        }
    }
}

impl Identity {
    /// The caller's settings.
    ///
    /// # Errors
    /// `user-unknown`, when the account was deleted meanwhile.
    pub fn preferences(&self, caller: &Caller) -> Result<Preferences> {
        let found = self.store.read(|conn| preferences::get(conn, caller.user_id))?;
        found.ok_or_else(|| unknown(&caller.name))
    }

    /// Changes the caller's settings.
    ///
    /// # Errors
    /// `user-unknown`
    pub fn change_preferences(
        &self,
        caller: &Caller,
        change: impl FnOnce(&mut Preferences),
    ) -> Result<Preferences> {
        self.store.write(|tx| {
            let found = preferences::get(tx, caller.user_id)?;
            let mut changed = found.ok_or_else(|| unknown(&caller.name))?;
            change(&mut changed);
            preferences::put(tx, caller.user_id, &changed)?;
            Ok(changed)
        })
    }
}
