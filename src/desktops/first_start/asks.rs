//! What people ask of first starts, and say about them.

use rusqlite::Connection;
use uuid::Uuid;

use super::names::Pattern;
use super::sights::Heard;
use super::start::{FirstStart, MINUTES, SCRIPT_LIMIT, StartScript};
use crate::desktops::Desktops;
use crate::desktops::group::DesktopGroup;
use crate::desktops::power::{Named, find_seat, ready_name, split};
use crate::desktops::store::{first_starts, groups, seats};
use crate::desktops::templates::Template;
use crate::error::{Error, Fault, Result};
use crate::operations::Item;
use crate::store::now;
use crate::store::visible::Visible;

/// A desktop and the host name that it would get, or why it cannot.
type Proposal = (String, Result<String>);

/// Whether each desktop of a group can have its host name by the group's pattern.
///
/// # Errors
/// That of the pattern, and of the first desktop that cannot.
pub fn check_host_names(conn: &Connection, group: Uuid) -> Result<()> {
    let pattern = first_starts::host_names(conn, group)?;
    if pattern.is_empty() {
        return Ok(());
    }
    let names = Pattern::parse(&pattern)?.names(&first_starts::nameable(conn, group)?);
    names.into_iter().try_for_each(|name| name.map(drop))
}

impl Desktops {
    /// How a desktop's first start went; `None` for one that had none yet.
    ///
    /// # Errors
    /// `desktop-unknown`
    pub fn first_start(&self, visible: &Visible, desktop: Uuid) -> Result<Option<FirstStart>> {
        self.store.read(|conn| {
            seats::seat(conn, visible, desktop)?;
            first_starts::find(conn, desktop)
        })
    }

    /// Begins the first starts of desktops that run again, each as soon as its agent answers.
    ///
    /// # Errors
    /// Of one: `desktop-unknown`, `desktop-renamed`, `desktop-not-running`, `first-start-runs`.
    pub fn first_start_again(&self, visible: &Visible, wanted: &[Named]) -> Result<Vec<Item>> {
        let (uuids, names) = split(wanted);
        let (begun, items) = self.store.write(|tx| {
            let seats = seats::seen(tx, visible, &uuids)?;
            let running = first_starts::running(tx, &uuids)?;
            let mut begun = Vec::new();
            let mut items = Vec::new();
            for (uuid, name) in wanted {
                let may = || {
                    let name = names.get(uuid).copied();
                    let seat = find_seat(&seats, *uuid, name, None)?;
                    ready_name(&seats, *uuid)?;
                    let about = |key| Err(Error::conflict(key).arg("name", &seat.name));
                    match seat.power.is_on() {
                        false => about("desktop-not-running"),
                        true if running.contains(uuid) => about("first-start-runs"),
                        true => Ok(()),
                    }
                };
                let fault = may().err().map(Fault::from);
                if fault.is_none() {
                    begun.push((*uuid, FirstStart::again(now())));
                }
                items.push(Item { uuid: *uuid, name: name.clone(), fault });
            }
            first_starts::write(tx, &begun)?;
            Ok((begun, items))
        })?;
        self.first_starts.tell(Heard::Again(begun.into_iter().map(|(uuid, _)| uuid).collect()));
        Ok(items)
    }

    /// The pattern of a group's host names, empty for none, and what its desktops get by `pattern`, or by that.
    ///
    /// # Errors
    /// `desktop-group-unknown`, `host-names-placeholder`, `host-names-long`
    pub fn host_names(
        &self,
        visible: &Visible,
        group: Uuid,
        pattern: Option<&str>,
    ) -> Result<(String, Vec<Proposal>)> {
        let (stored, desktops) = self.store.read(|conn| {
            groups::find_visible(conn, visible, group)?;
            Ok((first_starts::host_names(conn, group)?, first_starts::nameable(conn, group)?))
        })?;
        let text = pattern.unwrap_or(&stored);
        if text.is_empty() {
            return Ok((stored, Vec::new()));
        }
        let names = Pattern::parse(text)?.names(&desktops);
        Ok((stored, desktops.into_iter().map(|desktop| desktop.name).zip(names).collect()))
    }

    /// From their next first start on the desktops of a group get host names by this pattern; none where it is empty.
    ///
    /// # Errors
    /// `desktop-group-unknown`, and that of the first desktop that could not have its name.
    pub fn set_host_names(
        &self,
        visible: &Visible,
        group: &DesktopGroup,
        pattern: &str,
    ) -> Result<()> {
        let desktops = self.store.write(|tx| {
            groups::find_visible(tx, visible, group.uuid)?;
            first_starts::set_host_names(tx, group.uuid, pattern)?;
            check_host_names(tx, group.uuid)?;
            seats::of_group(tx, group.uuid)
        })?;
        // Definitions name them, for cloud-init.
        self.look_again(&desktops.iter().map(|desktop| desktop.uuid).collect::<Vec<_>>())
    }

    /// What desktops of a template run at their first start.
    pub fn start_script(&self, template: &Template) -> Result<StartScript> {
        self.store.read(|conn| first_starts::script(conn, template.id))
    }

    /// From their next first start on desktops of a template run this.
    ///
    /// # Errors
    /// `first-start-script-long`, `number-out-of-range`
    pub fn set_start_script(&self, template: &Template, script: &StartScript) -> Result<()> {
        if script.text.len() > SCRIPT_LIMIT {
            let error = Error::bad_input("first-start-script-long").arg("field", "script");
            return Err(error.arg("limit", SCRIPT_LIMIT >> 10));
        }
        if script.text.contains('\0') {
            return Err(Error::bad_input("first-start-script-binary").arg("field", "script"));
        }
        if !MINUTES.contains(&script.minutes) {
            let error = Error::bad_input("number-out-of-range").arg("field", "minutes");
            return Err(error.arg("low", MINUTES.start()).arg("high", MINUTES.end()));
        }
        self.store.write(|tx| first_starts::set_script(tx, template.id, script))
    }
}
