//! What the controller told last, for an agent that starts while none is there.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{form, newer, parse};
use crate::error::{Context, Result};
use crate::node::protocol::AgentConfig;

const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredConfigV1 {
    form: u32,
    installation: Uuid,
    libvirt_uri: String,
    virt_type: String,
    storages: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<String>,
}

/// # Errors
/// `stored-damaged`, `stored-newer`.
pub fn read_config(content: &str, object: &impl Display) -> Result<AgentConfig> {
    match form(content, object)? {
        FORM => parse::<StoredConfigV1>(content, object).map(AgentConfig::from),
        other => Err(newer(object, other, FORM)),
    }
}

/// # Errors
/// A defect.
pub fn write_config(config: &AgentConfig) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(&StoredConfigV1::from(config)).context("write what a controller told")
}

impl From<StoredConfigV1> for AgentConfig {
    fn from(stored: StoredConfigV1) -> Self {
        let StoredConfigV1 { form: _, installation, libvirt_uri, virt_type, storages, known } =
            stored;
        Self { installation, libvirt_uri, virt_type, storages, known }
    }
}

impl From<&AgentConfig> for StoredConfigV1 {
    fn from(config: &AgentConfig) -> Self {
        let AgentConfig { installation, libvirt_uri, virt_type, storages, known } = config.clone();
        Self { form: FORM, installation, libvirt_uri, virt_type, storages, known }
    }
}
