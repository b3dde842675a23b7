//! Where layers are: of base images and of template versions.

use uuid::Uuid;

use crate::error::{Error, Fault, Result};
use crate::node::protocol::{LayerKind, LayerRef};
use crate::store::NodeId;

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
