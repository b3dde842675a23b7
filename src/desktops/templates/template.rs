//! What a template is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::desktops::machines::Machine;
use crate::error::{Error, Fault, Result};
use crate::node::protocol::{DiskRole, Hardware, PowerState};
use crate::store::{DiskId, NetworkId, NodeId, PoolId, SubnetId, TemplateId};

/// What a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classify {
    Education,
    Personal,
}

impl Classify {
    /// Number on the wire and in the store.
    pub const fn number(self) -> u8 {
        match self {
            Self::Education => 1,
            Self::Personal => 2,
        }
    }

    pub fn parse(number: i64) -> Result<Self> {
        match number {
            1 => Ok(Self::Education),
            2 => Ok(Self::Personal),
            other => Err(Error::bad_input("template-classify-unknown")
                .arg("field", "classify")
                .arg("value", other)),
        }
    }
}

/// What is being done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateState {
    Creating,
    Ready,
    /// A version is being saved, or its disks are worked on.
    Updating,
    Deleting,
    /// A change ended half way. When that was a save it ends when the node is back; else it can only be deleted.
    Failed,
}

impl TemplateState {
    const ALL: [Self; 5] =
        [Self::Creating, Self::Ready, Self::Updating, Self::Deleting, Self::Failed];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Updating => "updating",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
        }
    }

    pub(in crate::desktops) fn parse(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::internal(format_args!("template state {word} in the database")))
    }
}

/// Power as rows keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power(pub PowerState);

impl Power {
    pub const ALL: [Self; 4] = [
        Self(PowerState::Off),
        Self(PowerState::Running),
        Self(PowerState::Paused),
        Self(PowerState::Crashed),
    ];

    pub const fn word(self) -> &'static str {
        match self.0 {
            PowerState::Running => "running",
            PowerState::Paused => "paused",
            PowerState::Off => "off",
            PowerState::Crashed => "crashed",
        }
    }

    pub fn parse(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|power| power.word() == word);
        found.ok_or_else(|| Error::internal(format_args!("power {word} in the database")))
    }

    /// Whether a guest's disks may be written now.
    pub const fn is_on(self) -> bool {
        matches!(self.0, PowerState::Running | PowerState::Paused)
    }
}

/// A template as its row tells it. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Template {
    pub id: TemplateId,
    /// Also its domain's.
    pub uuid: Uuid,
    pub name: String,
    pub desc: String,
    pub os_type: String,
    pub classify: Classify,
    pub pool_id: PoolId,
    /// Where its own domain is.
    pub node_id: NodeId,
    pub network_id: NetworkId,
    pub subnet_id: SubnetId,
    pub vcpu: u32,
    pub memory_mib: u64,
    /// Of its own machine; desktops get what their version was saved on.
    pub hardware: Hardware,
    /// None of one that was installed from an ISO.
    pub base_image: Option<Uuid>,
    /// Newest saved version; 0 while it is being made.
    pub version: u32,
    pub state: TemplateState,
    /// Why the last change of it failed.
    pub fault: Option<Fault>,
    /// Started for editing and not saved since.
    pub editing: bool,
    /// Its working disks may hold what no version has: it was started since the last save.
    pub changed: bool,
    pub power: Power,
    pub power_reason: String,
    pub owner_name: String,
    pub saved_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: Option<i64>,
}

/// What a template's row says of its working disks.
#[derive(Debug, Serialize, Deserialize)]
pub struct Noted {
    pub template: Uuid,
    pub changed: bool,
    pub editing: bool,
}

/// What was abandoned while a template's node did not answer, and is ended when the node is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Save,
    /// The way back to an older version.
    Revert,
}

impl Left {
    /// Key of the fault of the template until then.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Save => "template-save-abandoned",
            Self::Revert => "template-revert-abandoned",
        }
    }
}

impl Template {
    /// What of it was abandoned, when its node has not been asked since.
    pub fn left(&self) -> Option<Left> {
        let fault = self.fault.as_ref().filter(|_| self.state == TemplateState::Failed)?;
        [Left::Save, Left::Revert].into_iter().find(|left| left.key() == fault.key)
    }

    pub fn machine(&self) -> Machine {
        Machine { uuid: self.uuid, name: self.name.clone(), node_id: self.node_id }
    }
}

/// A disk of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateDisk {
    pub id: DiskId,
    pub uuid: Uuid,
    pub template_id: TemplateId,
    pub role: DiskRole,
    /// 0 is `vda`.
    pub position: u32,
    /// Of the template's own disk; versions saved before it grew are smaller.
    pub size: u64,
    /// Bytes on disk of all its layers, as of the last save.
    pub used: u64,
    /// The layer that the template's own disk stands on.
    pub top: Uuid,
}

/// `vda` for 0.
pub fn device_name(position: u32) -> String {
    let letter = u8::try_from(position).ok().and_then(|p| b'a'.checked_add(p)).unwrap_or(b'z');
    format!("vd{}", char::from(letter))
}
