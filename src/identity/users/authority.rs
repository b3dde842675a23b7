//! Whoever makes and changes accounts can neither give more than they have nor touch somebody who may do more than
//! they; the last administrator stays.

use rusqlite::Connection;
use uuid::Uuid;

use super::account::User;
use super::unknown;
use crate::error::{Error, Result};
use crate::identity::Authority;
use crate::identity::groups::GroupMembership;
use crate::identity::permission::{BuiltinRole, Permission, Permissions};
use crate::identity::roles::{ScopedRole, may_grant, may_grant_within};
use crate::identity::store::{groups, roles, scoped, users};
use crate::store::{RoleId, Tx, UserId};

/// Numbers of the roles, if `by` may give them and the permissions.
pub(super) fn grant(
    tx: &Tx<'_>,
    by: Authority<'_>,
    codes: &[String],
    granted: &Permissions,
) -> Result<Vec<RoleId>> {
    may_grant(by, granted)?;
    let give = |code: &String| {
        let role = roles::by_code(tx, code)?;
        may_grant(by, &BuiltinRole::effective(std::slice::from_ref(&role.code), role.permissions))?;
        Ok(role.id)
    };
    codes.iter().map(give).collect()
}

/// Gives roles within education groups; nobody gives more than they have there.
pub(super) fn grant_within(
    tx: &Tx<'_>,
    by: Authority<'_>,
    user: UserId,
    wanted: &[(String, Uuid)],
) -> Result<()> {
    let give = |(code, group): &(String, Uuid)| {
        let (role, group) = (roles::by_code(tx, code)?, scoped::group(tx, *group)?);
        may_grant_within(by, group, &role.permissions)?;
        Ok((role.id, group))
    };
    scoped::set(tx, user, &wanted.iter().map(give).collect::<Result<Vec<_>>>()?)
}

/// Makes these the groups of a user.
pub(super) fn join(
    tx: &Tx<'_>,
    by: Authority<'_>,
    user: UserId,
    memberships: &[GroupMembership],
) -> Result<()> {
    for membership in memberships {
        may_grant(by, &groups::find(tx, membership.group_id)?.permissions)?;
    }
    groups::set_memberships(tx, user, memberships)
}

/// The account, if `by` may change it. Oneself always, but not by an API key: a key with `users.manage` would
/// give its owner a new password and sign in with all that the owner may do.
pub(in crate::identity) fn touchable(
    conn: &Connection,
    by: Authority<'_>,
    id: UserId,
) -> Result<User> {
    let user = users::by_id(conn, id)?.ok_or_else(|| unknown(id))?;
    if by.is_key_of(id) {
        return Err(Error::forbidden("session-needed"));
    }
    let mut powers = user.permissions.clone();
    // Whoever signs in as them adds a key of their own, and is on the nodes.
    if users::signs_in_to_nodes(conn, id)? {
        powers.insert(Permission::SshKeysManage);
    }
    let beyond = |role: &ScopedRole| by.lacks_within(role.group_id, &role.permissions);
    match by.lacks(&powers).or_else(|| user.scoped.iter().find_map(beyond)) {
        Some(lacking) if !by.is(id) => Err(Error::forbidden("user-has-more-rights")
            .arg("name", user.name)
            .arg("permission", lacking.word())),
        _ => Ok(user),
    }
}

/// Refuses what nobody does to themselves.
pub(in crate::identity) fn not_oneself(by: Authority<'_>, user: &User) -> Result<()> {
    match by.is(user.id) {
        true => Err(Error::conflict("own-account").arg("name", &user.name)),
        false => Ok(()),
    }
}

/// After a change of `user`: refuses when nobody is left who may do everything.
pub(super) fn keep_an_administrator(tx: &Tx<'_>, user: &User) -> Result<()> {
    match user.is_administrator() && users::administrators(tx)? == 0 {
        true => Err(Error::conflict("last-administrator").arg("name", &user.name)),
        false => Ok(()),
    }
}

/// Refuses who may not do everything that another may do, everywhere or within a group.
pub fn may_reach(by: Authority<'_>, user: &User) -> Result<()> {
    may_grant(by, &user.permissions)?;
    let within = |role: &ScopedRole| may_grant_within(by, role.group_id, &role.permissions);
    user.scoped.iter().try_for_each(within)
}
