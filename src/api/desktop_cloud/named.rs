//! `{name, uuid}`, by which document 002 names what a batch works on.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Names in the subject of an audit entry; more are counted only.
const NAMED: usize = 3;

/// A thing as the caller sees it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Named {
    pub name: String,
    pub uuid: Uuid,
}

/// What the audit entry of a batch is about. An empty batch is refused.
pub fn subject(things: &[Named], field: &'static str) -> Result<String> {
    if things.is_empty() {
        return Err(Error::bad_input("batch-empty").arg("field", field));
    }
    let names: Vec<&str> = things.iter().take(NAMED).map(|thing| thing.name.as_str()).collect();
    let more = things.len().saturating_sub(NAMED);
    let names = names.join(", ");
    Ok(if more == 0 { names } else { format!("{names} (+{more})") })
}
