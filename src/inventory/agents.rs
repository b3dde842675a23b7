//! How the agents of nodes are reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a node's agent is reached. The form is also that of the node's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It runs inside this process.
    InProcess,
    /// It listens on a UNIX socket of this machine.
    Socket(PathBuf),
}

/// How a node's agent is reached and what it is told. The form is also that of the node's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAgent {
    pub way: Way,
    pub libvirt_uri: String,
    /// `auto`, `kvm` or `qemu`.
    pub virt_type: String,
    /// Absolute paths.
    pub storages: Vec<String>,
}
