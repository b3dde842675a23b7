//! Education groups: a class room's network and the addresses of its terminals.

use std::net::Ipv4Addr;

use rusqlite::Connection;
use uuid::Uuid;

use super::reach::Reach;
use super::{Desktops, store};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::visible::Visible;
use crate::store::{NetworkId, SubnetId, now};

pub use super::store::education::{EducationGroup, NewEducationGroup};

/// Most terminals of a group; more is a slip of the pen.
const TERMINALS: u32 = 65_536;
/// Users of a thing that a refusal names.
const NAMED: usize = 5;

/// What is `None` stays.
#[derive(Debug, Default)]
pub struct EducationGroupChange {
    pub name: Option<String>,
    pub desc: Option<String>,
    pub network: Option<Uuid>,
    pub subnet: Option<Uuid>,
    pub start: Option<Ipv4Addr>,
    pub end: Option<Ipv4Addr>,
}

impl Desktops {
    pub fn create_education_group(&self, new: &NewEducationGroup) -> Result<Uuid> {
        check_range(new.start, new.end)?;
        self.store.write(|tx| {
            let network = self.network_ids(tx, new.network, new.subnet)?;
            check_free(tx, &Visible::All, new, None)?;
            store::education::insert(tx, new, network, now())
        })
    }

    /// `name` is the one that the caller saw: a group that was renamed meanwhile is not changed.
    pub fn change_education_group(
        &self,
        visible: &Visible,
        reach: &Reach,
        uuid: Uuid,
        name: &str,
        change: &EducationGroupChange,
    ) -> Result<()> {
        self.store.write(|tx| {
            let old = store::education::find(tx, visible, uuid, name)?;
            let subnet = match (change.network, change.subnet) {
                (None, None) => (old.network, old.subnet),
                (network, subnet) => (network.unwrap_or(old.network), subnet.unwrap_or(old.subnet)),
            };
            let new = NewEducationGroup {
                name: change.name.clone().unwrap_or(old.name),
                desc: change.desc.clone().unwrap_or(old.desc),
                network: subnet.0,
                subnet: subnet.1,
                start: change.start.unwrap_or(old.start),
                end: change.end.unwrap_or(old.end),
            };
            if (new.network, new.subnet) != (old.network, old.subnet) {
                reach.check_subnet(tx, new.network, new.subnet)?;
            }
            check_range(new.start, new.end)?;
            let network = self.network_ids(tx, new.network, new.subnet)?;
            // Groups of earlier versions may overlap: they can be renamed.
            if (new.start, new.end) != (old.start, old.end) {
                check_free(tx, visible, &new, Some(uuid))?;
            }
            store::education::update(tx, uuid, &new, network, now())
        })
    }

    /// Deletes a group that no desktop group belongs to.
    pub fn delete_education_group(&self, visible: &Visible, uuid: Uuid, name: &str) -> Result<()> {
        self.store.write(|tx| {
            let group = store::education::find(tx, visible, uuid, name)?;
            let users = store::education::users(tx, uuid)?;
            if !users.is_empty() {
                return Err(Error::conflict("education-group-in-use")
                    .arg("name", group.name)
                    .arg("count", users.len())
                    .arg("users", some_names(&users)));
            }
            store::education::delete(tx, uuid)
        })
    }

    /// Row ids of a network and a subnet, which must belong to it.
    pub(super) fn network_ids(
        &self,
        conn: &Connection,
        network: Uuid,
        subnet: Uuid,
    ) -> Result<(NetworkId, SubnetId)> {
        let network = self.networks.find_in(conn, network)?;
        let subnet = self.networks.subnet_in(conn, subnet)?;
        if subnet.network_id != network.id {
            return Err(Error::bad_input("desktop-subnet-elsewhere")
                .arg("field", "subnet_uuid")
                .arg("name", subnet.name)
                .arg("network", network.name));
        }
        Ok((network.id, subnet.id))
    }

    pub fn education_groups(
        &self,
        visible: &Visible,
        query: ListQuery,
    ) -> Result<Page<EducationGroup>> {
        store::education::list(&self.store, &query.seen_by(visible))
    }
}

fn check_range(start: Ipv4Addr, end: Ipv4Addr) -> Result<()> {
    if start > end {
        return Err(Error::bad_input("terminal-range-backwards")
            .arg("field", "end_ip")
            .arg("start", start)
            .arg("end", end));
    }
    if u32::from(end) - u32::from(start) >= TERMINALS {
        return Err(Error::bad_input("terminal-range-too-large")
            .arg("field", "end_ip")
            .arg("limit", TERMINALS));
    }
    Ok(())
}

/// A terminal is known by its address alone, on whatever network: it belongs to one group.
fn check_free(
    conn: &Connection,
    visible: &Visible,
    new: &NewEducationGroup,
    own: Option<Uuid>,
) -> Result<()> {
    let Some(other) = store::education::overlapping(conn, new.start, new.end, own)? else {
        return Ok(());
    };
    let key = match visible.has(Some(other.id)) {
        true => "terminal-range-taken",
        false => "terminal-range-taken-elsewhere",
    };
    let error = Error::conflict(key).arg("field", "start_ip");
    let error = error.arg("start", new.start).arg("end", new.end);
    if !visible.has(Some(other.id)) {
        return Err(error);
    }
    Err(error.arg("name", other.name).arg("taken", format_args!("{} - {}", other.start, other.end)))
}

/// The first few names, for a sentence.
pub(super) fn some_names(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_range_goes_upward_and_has_an_end() {
        let ip = |text: &str| text.parse().expect("address");
        assert!(check_range(ip("10.0.0.1"), ip("10.0.0.1")).is_ok());
        assert!(check_range(ip("10.0.0.2"), ip("10.0.0.1")).is_err());
        assert!(check_range(ip("10.0.0.0"), ip("11.0.0.0")).is_err());
    }

    #[test]
    fn many_names_are_cut_short() {
        let names: Vec<String> = (1..=7).map(|n| format!("g{n}")).collect();
        assert_eq!(some_names(&names), "g1, g2, g3, g4, g5, …");
        assert_eq!(some_names(&names[..2]), "g1, g2");
    }
}
