//! How much of its node each desktop of a group may use, so that one does not starve the others.

use std::ops::RangeInclusive;

use uuid::Uuid;

use super::Desktops;
use super::change::{Changed, DesktopGroupChange};
use super::group::DesktopGroup;
use super::reach::Reach;
use super::store::groups;
use crate::error::{Error, Result};
use crate::node::protocol::Limits;
use crate::operations::Actor;
use crate::store::visible::Visible;

impl Desktops {
    /// A group with the limits of its desktops.
    ///
    /// # Errors
    /// `desktop-group-unknown`
    pub fn limited(&self, visible: &Visible, group: Uuid) -> Result<DesktopGroup> {
        self.store.read(|conn| groups::find_visible(conn, visible, group))
    }

    /// Gives the desktops of a group limits: those that run at once, those of a node that is away when it is back.
    ///
    /// # Errors
    /// `number-out-of-range`, and those of [`Desktops::change_desktop_group`]
    pub fn limit(
        &self,
        visible: &Visible,
        reach: &Reach,
        actor: &Actor,
        group: &DesktopGroup,
        limits: Limits,
    ) -> Result<Changed> {
        check(limits)?;
        let change = DesktopGroupChange { limits: Some(limits), ..DesktopGroupChange::default() };
        let named = (group.uuid, group.name.clone());
        self.change_desktop_group(visible, reach, actor, &named, &change)
    }
}

fn check(limits: Limits) -> Result<()> {
    let Limits { disk_mb, disk_iops, receive_mbit, send_mbit } = limits;
    let in_range = |field: &str, value: u32, range: RangeInclusive<u32>| match value {
        0 => Ok(()),
        value if range.contains(&value) => Ok(()),
        _ => {
            let error = Error::bad_input("number-out-of-range").arg("field", field);
            Err(error.arg("low", range.start()).arg("high", range.end()))
        }
    };
    in_range("disk_mb", disk_mb, Limits::DISK_MB)?;
    in_range("disk_iops", disk_iops, Limits::DISK_IOPS)?;
    in_range("receive_mbit", receive_mbit, Limits::MBIT)?;
    in_range("send_mbit", send_mbit, Limits::MBIT)
}
