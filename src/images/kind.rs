//! What an image is of.

use uuid::Uuid;

use super::Images;
use crate::error::{Error, Result};
use crate::node::protocol::LayerKind;
use crate::store::PoolId;

/// What an image is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// A disk that templates of this pool are made on; every node of the pool has a copy.
    Base(PoolId),
    /// A CD, for templates of all pools; nodes get a copy when a machine of theirs gets it into its drive.
    Iso(IsoType),
}

/// What an ISO is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsoType {
    Software,
    Tools,
    System,
}

/// What an upload shall become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKind {
    /// In the pool of this uuid.
    Base(Uuid),
    Iso(IsoType),
}

/// What the administrator says of an upload.
#[derive(Debug, Clone)]
pub struct NewImage {
    pub kind: NewKind,
    pub name: String,
    pub desc: String,
    pub os_type: String,
    /// Of an OVA: which of its disks, from 1; the one that it starts from when nobody says.
    pub disk: Option<u32>,
}

impl ImageKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base(_) => "base",
            Self::Iso(_) => "iso",
        }
    }

    /// How nodes keep it.
    pub const fn layer(self) -> LayerKind {
        match self {
            Self::Base(_) => LayerKind::BaseImage,
            Self::Iso(_) => LayerKind::Iso,
        }
    }

    /// The message of its kind.
    pub(super) const fn key(self, base: &'static str, iso: &'static str) -> &'static str {
        match self {
            Self::Base(_) => base,
            Self::Iso(_) => iso,
        }
    }

    pub(super) const fn pool(self) -> Option<PoolId> {
        match self {
            Self::Base(pool) => Some(pool),
            Self::Iso(_) => None,
        }
    }

    pub const fn iso_type(self) -> Option<IsoType> {
        match self {
            Self::Base(_) => None,
            Self::Iso(of) => Some(of),
        }
    }
}

impl IsoType {
    /// Document 002's: 1 software, 2 tools, 3 operating system.
    pub const fn number(self) -> u8 {
        match self {
            Self::Software => 1,
            Self::Tools => 2,
            Self::System => 3,
        }
    }

    /// # Errors
    /// `iso-type-unknown`
    pub fn parse(number: i64) -> Result<Self> {
        match number {
            1 => Ok(Self::Software),
            2 => Ok(Self::Tools),
            3 => Ok(Self::System),
            other => Err(Error::bad_input("iso-type-unknown").arg("value", other)),
        }
    }
}

impl Images {
    /// # Errors
    /// `pool-unknown`
    pub(super) fn kind(&self, new: NewKind) -> Result<ImageKind> {
        match new {
            NewKind::Base(pool) => Ok(ImageKind::Base(self.inventory.pool(pool)?.id)),
            NewKind::Iso(of) => Ok(ImageKind::Iso(of)),
        }
    }
}
