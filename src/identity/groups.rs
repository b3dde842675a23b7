//! User groups: who belongs together, and what all of them may do.

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::permission::Permissions;
use super::roles::may_grant;
use super::store::groups;
use super::{Authority, Identity};
use crate::error::{Error, Result};
use crate::store::list::{ListQuery, Page};
use crate::store::text::{is_hidden, shown};
use crate::store::{UserGroupId, UserId};

pub use super::store::groups::{Group, GroupMembership};

/// Longest name and description, in characters.
const NAME_LIMIT: usize = 64;
const TEXT_LIMIT: usize = 1_000;

/// What is to be changed of a group; `None` stays.
#[derive(Debug, Default)]
pub struct GroupChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub permissions: Option<Permissions>,
}

impl Identity {
    pub fn groups(&self, query: &ListQuery) -> Result<Page<Group>> {
        groups::page(&self.store, query)
    }

    /// Groups of a user, by number.
    pub fn memberships(&self, user_id: UserId) -> Result<Vec<GroupMembership>> {
        self.store.read(|conn| groups::memberships(conn, user_id))
    }

    /// # Errors
    /// `user-group-unknown`
    pub fn group(&self, id: UserGroupId) -> Result<Group> {
        self.store.read(|conn| groups::find(conn, id))
    }

    /// # Errors
    /// `user-group-exists`, `grant-beyond-own`
    pub fn add_group(&self, by: Authority<'_>, new: GroupChange) -> Result<Group> {
        let name = group_name(&new.name.unwrap_or_default())?;
        let description = description(new.description)?;
        let permissions = new.permissions.unwrap_or_default();
        may_grant(by, &permissions)?;
        self.store.write(|tx| {
            let id = groups::insert(tx, &Uuid::new_v4(), &name, &description)?;
            groups::set_permissions(tx, id, &permissions)?;
            groups::find(tx, id)
        })
    }

    /// # Errors
    /// `user-group-unknown`, `group-exists`, `grant-beyond-own`
    pub fn change_group(
        &self,
        by: Authority<'_>,
        id: UserGroupId,
        change: GroupChange,
    ) -> Result<Group> {
        self.store.write(|tx| {
            let group = groups::find(tx, id)?;
            may_grant(by, &group.permissions)?;
            let name = change.name.as_deref().map_or(Ok(group.name), group_name)?;
            let text = match change.description {
                Some(text) => description(Some(text))?,
                None => group.description,
            };
            groups::update(tx, id, &name, &text)?;
            if let Some(permissions) = &change.permissions {
                may_grant(by, permissions)?;
                groups::set_permissions(tx, id, permissions)?;
            }
            groups::find(tx, id)
        })
    }

    /// Deletes a group; its members stay.
    ///
    /// # Errors
    /// `user-group-unknown`, `grant-beyond-own`
    pub fn delete_group(&self, by: Authority<'_>, id: UserGroupId) -> Result<Group> {
        self.store.write(|tx| {
            let group = groups::find(tx, id)?;
            may_grant(by, &group.permissions)?;
            groups::delete(tx, id)?;
            Ok(group)
        })
    }
}

fn group_name(text: &str) -> Result<String> {
    let name = text.trim();
    let wrong = |key| Error::bad_input(key).arg("field", "name").arg("limit", NAME_LIMIT);
    if name.is_empty() {
        return Err(wrong("name-empty"));
    }
    if name.chars().count() > NAME_LIMIT {
        return Err(wrong("name-too-long"));
    }
    let forbidden =
        |c: char| is_hidden(c) || matches!(c, '/' | '\\' | '<' | '>' | '"' | '\'' | '&');
    match name.chars().find(|c| forbidden(*c)) {
        Some(found) => Err(wrong("name-character").arg("found", shown(found))),
        None => Ok(name.nfc().collect()),
    }
}

fn description(text: Option<String>) -> Result<String> {
    let text = text.unwrap_or_default();
    match text.chars().count() > TEXT_LIMIT {
        true => Err(Error::bad_input("text-too-long")
            .arg("field", "description")
            .arg("limit", TEXT_LIMIT)),
        false => Ok(text.trim().to_owned()),
    }
}
