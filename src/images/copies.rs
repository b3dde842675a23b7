//! Where layers are: of base images and of template versions.

use std::collections::HashSet;

use rusqlite::Connection;
use uuid::Uuid;

use super::store;
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{LayerKind, LayerRef};
use crate::store::{NodeId, Tx};

/// How a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyState {
    /// On its way, 0 to 100.
    Copying(u8),
    Ready,
    Failed(Fault),
}

impl CopyState {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Copying(_) => "copying",
            Self::Ready => "ready",
            Self::Failed(_) => "failed",
        }
    }

    /// 0 to 100.
    pub const fn progress(&self) -> u8 {
        match self {
            Self::Copying(percent) => *percent,
            Self::Ready => 100,
            Self::Failed(_) => 0,
        }
    }

    /// # Errors
    /// An unknown word is a defect of the database.
    pub fn parse(word: &str, progress: u8, fault: Option<Fault>) -> Result<Self> {
        match (word, fault) {
            ("copying", _) => Ok(Self::Copying(progress)),
            ("ready", _) => Ok(Self::Ready),
            ("failed", Some(fault)) => Ok(Self::Failed(fault)),
            ("failed", None) => Ok(Self::Failed(Error::internal("a copy failed").into())),
            (other, _) => Err(Error::internal(format_args!("copy state {other} in the database"))),
        }
    }
}

/// A layer on a node.
#[derive(Debug, Clone)]
pub struct LayerCopy {
    pub layer: Uuid,
    pub node_id: NodeId,
    /// Path of the storage.
    pub storage: String,
    /// Of the file, as the node told it; empty before that.
    pub path: String,
    pub state: CopyState,
}

impl LayerCopy {
    pub fn layer_ref(&self, kind: LayerKind) -> LayerRef {
        LayerRef { uuid: self.layer, kind, storage: self.storage.clone() }
    }
}

/// Writes a copy's row, or what has become of it. An empty path leaves the known one.
pub fn note_copy(tx: &Tx<'_>, copy: &LayerCopy) -> Result<()> {
    store::copy_put(tx, copy)
}

/// The copy on a node, when it is there and whole.
pub fn ready_copy(conn: &Connection, layer: Uuid, node_id: NodeId) -> Result<Option<LayerCopy>> {
    let copies = store::copies(conn, &[layer])?;
    let ready = |copy: &LayerCopy| copy.node_id == node_id && copy.state == CopyState::Ready;
    Ok(copies.into_iter().find(ready))
}

/// Ids of the nodes on which the copy is whole.
pub fn ready_nodes(conn: &Connection, layer: Uuid) -> Result<HashSet<NodeId>> {
    let ready = |copy: &LayerCopy| copy.state == CopyState::Ready;
    Ok(store::copies(conn, &[layer])?.into_iter().filter(ready).map(|copy| copy.node_id).collect())
}
