//! `{"uuids": […]}`, by which document 002 names what a deletion is about.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::call::{Call, NAMED, several};
use crate::error::{Error, Result};

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Uuids {
    uuids: Vec<Uuid>,
}

impl Uuids {
    /// The uuids, each once and at least one. The audit entry is about their names, as far as they
    /// have one.
    pub fn about(
        self,
        call: &mut Call,
        name: impl Fn(Uuid) -> Result<String>,
    ) -> Result<Vec<Uuid>> {
        let mut seen = HashSet::new();
        let mut uuids = self.uuids;
        uuids.retain(|uuid| seen.insert(*uuid));
        if uuids.is_empty() {
            return Err(Error::bad_input("batch-empty").arg("field", "uuids"));
        }
        let named = |uuid: &Uuid| name(*uuid).unwrap_or_else(|_| uuid.to_string());
        let names: Vec<String> = uuids.iter().take(NAMED).map(named).collect();
        call.about(several(&names, uuids.len()));
        Ok(uuids)
    }
}
