//! What a desktop group is.

use uuid::Uuid;

use super::spec::Restore;
use super::templates::{Power, TemplateState};
use crate::error::{Error, Result};
use crate::node::protocol::{DiskRole, Limits, Spice};
use crate::store::{DesktopGroupId, EducationGroupId, NetworkId, PoolId, SubnetId, TemplateId};

/// What a desktop group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    Education,
    Personal,
}

impl GroupKind {
    /// Number on the wire (`desktop_type`) and in the store.
    pub const fn number(self) -> i64 {
        match self {
            Self::Education => 1,
            Self::Personal => 2,
        }
    }
}

/// What is being done to a group or desktop as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its disks and domains are being made; gone again if that fails.
    Creating,
    Ready,
    Deleting,
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::Creating, Self::Ready, Self::Deleting];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|stage| stage.word() == word);
        found.ok_or_else(|| Error::internal(format_args!("stage {word} in the database")))
    }
}

/// A group as a row of the list.
#[derive(Debug, Clone)]
pub struct DesktopGroup {
    pub id: DesktopGroupId,
    pub uuid: Uuid,
    pub name: String,
    /// The education group that it belongs to.
    pub group: Option<(Uuid, String)>,
    /// Its row.
    pub education_group: Option<EducationGroupId>,
    pub template_id: TemplateId,
    pub template: Uuid,
    pub template_name: String,
    pub template_state: TemplateState,
    /// Of the template's own machine.
    pub template_power: Power,
    pub template_node_is_down: bool,
    /// Newest version of the template.
    pub template_version: u32,
    pub os_type: String,
    pub pool_id: PoolId,
    pub pool: Uuid,
    pub pool_name: String,
    pub network: Uuid,
    pub network_name: String,
    pub subnet: Uuid,
    pub subnet_name: String,
    /// Rows of network and subnet.
    pub network_ids: (NetworkId, SubnetId),
    pub vcpu: u32,
    pub memory_mib: u64,
    pub restore: Restore,
    /// Whether its desktops have the template's data disks.
    pub has_data_disks: bool,
    pub spice: Spice,
    /// Of each desktop.
    pub limits: Limits,
    pub prefix: String,
    /// Digits of the number in a desktop's name.
    pub digits: u32,
    pub first_number: u32,
    pub is_active: bool,
    pub order_num: i64,
    pub stage: Stage,
    pub owner_name: String,
    pub created_at: i64,
    pub updated_at: Option<i64>,
    pub counts: Counts,
    pub disks: Vec<GroupDisk>,
}

/// Desktops of a group, by what they really are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub total: u64,
    pub running: u64,
    /// On nodes that do not answer.
    pub unknown: u64,
    /// Made of an older version than the template has.
    pub outdated: u64,
    /// Whose first start failed.
    pub first_start_failed: u64,
}

/// A disk that every desktop of a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupDisk {
    pub role: DiskRole,
    pub position: u32,
    /// Bytes.
    pub size: u64,
}

impl DesktopGroup {
    /// What stands in the way of working with the group.
    pub fn obstacle(&self) -> Option<Error> {
        let about = |key| Some(Error::busy(key).arg("name", &self.name));
        match self.stage {
            Stage::Creating => return about("desktop-group-creating"),
            Stage::Deleting => return about("desktop-group-deleting"),
            Stage::Ready => {}
        }
        match self.template_state {
            TemplateState::Ready => None,
            state => Some(template_obstacle(state, &self.template_name)),
        }
    }
}

/// Why nothing can be made or started of a template that is not ready.
pub(super) fn template_obstacle(state: TemplateState, name: &str) -> Error {
    let key = match state {
        TemplateState::Failed => "desktop-template-failed",
        TemplateState::Deleting => "desktop-template-deleting",
        TemplateState::Creating => "desktop-template-creating",
        TemplateState::Ready | TemplateState::Updating => "desktop-template-updating",
    };
    Error::busy(key).arg("name", name)
}

/// The name of seat `seat` (from 1): the prefix and a number of so many digits.
pub(super) fn desktop_name(prefix: &str, digits: u32, first_number: u32, seat: u32) -> String {
    let number = u64::from(first_number) + u64::from(seat) - 1;
    let width = usize::try_from(digits).unwrap_or(1);
    format!("{prefix}{number:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_a_number_of_fixed_width() {
        assert_eq!(desktop_name("pc", 3, 5, 1), "pc005");
        assert_eq!(desktop_name("pc", 3, 5, 2), "pc006");
        assert_eq!(desktop_name("PC", 1, 1, 10), "PC10");
    }

    #[test]
    fn a_template_in_the_works_is_named_as_the_obstacle() {
        let error = template_obstacle(TemplateState::Updating, "win");
        assert_eq!(error.to_string(), "desktop-template-updating (name=win)");
    }
}
