//! People whose sign-in is checked elsewhere, by a directory or an identity provider: their accounts here
//! are made at the first sign-in and brought up to date at each.
//!
//! An account belongs to one person at one source, by the id that the source gives for good. It is never
//! found by name or e-mail address: whoever chooses those elsewhere would take over accounts here.

use super::store::{roles, sessions, users};
use super::users::{AccountChange, email_address, insert, is_free, outsider_name, update};
use super::{Authority, Identity, NewAccount, Source, User};
use crate::error::{Error, Kind, Result};
use crate::settings::RoleMap;
use crate::store::{Tx, UserId};

/// Longest full name, in characters.
const TEXT_LIMIT: usize = 100;

/// Somebody who proved at the source to be themselves.
#[derive(Debug, Clone)]
pub struct Outsider {
    pub source: Source,
    /// Given by the source for good.
    pub external_id: String,
    pub name: String,
    pub email: Option<String>,
    pub full_name: String,
    /// Codes, as the mapping of groups says.
    pub roles: Vec<String>,
}

impl Identity {
    /// The account of an outsider, with the roles that the mapping gives now and no others.
    ///
    /// # Errors
    /// `outsider-name-taken` when the name, or one that looks like it, belongs to another account,
    /// `outsider-name-unusable`, `outsider-without-role`
    pub(super) fn admit(&self, outsider: &Outsider) -> Result<User> {
        let user = self.store.write(|tx| {
            let roles = known_roles(tx, &outsider.roles)?;
            match users::by_external(tx, outsider.source, &outsider.external_id)? {
                Some(user) => refresh(tx, &user, outsider, roles),
                None if roles.is_empty() => Ok(None),
                None => make(tx, outsider, roles).map(Some),
            }
        })?;
        // Said after what was taken away is written.
        user.filter(|user| !user.roles.is_empty())
            .ok_or_else(|| Error::forbidden("outsider-without-role").arg("name", &outsider.name))
    }
}

/// Codes of the roles of somebody in these groups, compared as `form` makes them.
pub fn mapped(map: &RoleMap, groups: &[String], form: impl Fn(&str) -> String) -> Vec<String> {
    let groups: Vec<String> = groups.iter().map(|group| form(group)).collect();
    let given = map.of_groups.iter().filter(|(group, _)| groups.contains(&form(group)));
    let mut codes: Vec<String> = given.flat_map(|(_, codes)| codes).cloned().collect();
    if codes.is_empty() {
        codes.extend(map.default.clone());
    }
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Those that there are. One that was deleted here gives nothing.
fn known_roles(tx: &Tx<'_>, codes: &[String]) -> Result<Vec<String>> {
    let mut known = Vec::new();
    for code in codes {
        match roles::by_code(tx, code) {
            Ok(role) => known.push(role.code),
            Err(error) if error.kind() != Kind::Internal => {
                tracing::warn!(role = code, "the settings give a role that does not exist");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

fn make(tx: &Tx<'_>, outsider: &Outsider, roles: Vec<String>) -> Result<User> {
    let name = outsider_name(&outsider.name).map_err(|cause| unusable(outsider, cause))?;
    is_free(tx, &name, None, None).map_err(|taken| name_taken(outsider).because(taken))?;
    let account = NewAccount {
        email: free_email(tx, outsider, &name, None),
        name,
        full_name: full_name(outsider),
        source: outsider.source,
        external_id: Some(outsider.external_id.clone()),
        roles,
        ..NewAccount::default()
    };
    insert(tx, Authority::System, account, None)
}

/// `None` when nothing is left that they may do here: sessions end, the account stays.
fn refresh(
    tx: &Tx<'_>,
    user: &User,
    outsider: &Outsider,
    roles: Vec<String>,
) -> Result<Option<User>> {
    let name = outsider_name(&outsider.name).ok();
    let name = name.filter(|name| is_free(tx, name, None, Some(user.id)).is_ok());
    if name.is_none() {
        tracing::warn!(name = outsider.name, kept = user.name, "the new name cannot be taken over");
    }
    let kept = name.as_deref().unwrap_or(&user.name);
    let email = free_email(tx, outsider, kept, Some(user.id));
    let is_out = roles.is_empty();
    let change = AccountChange {
        email: Some(email.unwrap_or_default()),
        name,
        full_name: Some(full_name(outsider)),
        roles: Some(roles),
        ..AccountChange::default()
    };
    update(tx, Authority::System, user, &change)?;
    if is_out {
        sessions::end_all(tx, user.id, None)?;
        return Ok(None);
    }
    users::by_id(tx, user.id)
}

/// What is wrong with the name is said in words of its own: nobody typed it into a field.
fn unusable(outsider: &Outsider, cause: Error) -> Error {
    let given: String = outsider.name.chars().take(TEXT_LIMIT).collect();
    let error = Error::bad_input("outsider-name-unusable");
    error.arg("given", given.escape_debug()).because(cause)
}

fn name_taken(outsider: &Outsider) -> Error {
    Error::conflict("outsider-name-taken").arg("name", &outsider.name)
}

/// The address, unless it is none or somebody else's.
fn free_email(tx: &Tx<'_>, outsider: &Outsider, name: &str, own: Option<UserId>) -> Option<String> {
    let given = outsider.email.as_deref().filter(|email| !email.is_empty())?;
    let email = email_address(given).ok();
    let free = email.filter(|email| is_free(tx, name, Some(email), own).is_ok());
    if free.is_none() {
        tracing::warn!(name, email = given, "the e-mail address cannot be taken over");
    }
    free
}

fn full_name(outsider: &Outsider) -> String {
    let shown = outsider.full_name.chars().filter(|c| !c.is_control());
    shown.take(TEXT_LIMIT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_give_roles_and_none_the_default() {
        let map = |default: Option<&str>| RoleMap {
            of_groups: [
                ("Staff".to_owned(), vec!["teacher".to_owned(), "normal".to_owned()]),
                ("heads".to_owned(), vec!["admin".to_owned(), "teacher".to_owned()]),
            ]
            .into(),
            default: default.map(str::to_owned),
        };
        let roles = |groups: &[&str], default| {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            mapped(&map(default), &groups, str::to_lowercase)
        };
        assert_eq!(roles(&["staff", "HEADS", "others"], None), ["admin", "normal", "teacher"]);
        assert_eq!(roles(&["staff"], Some("analyst")), ["normal", "teacher"]);
        assert_eq!(roles(&["others"], Some("analyst")), ["analyst"]);
        assert_eq!(roles(&[], None), [""; 0]);
    }
}
