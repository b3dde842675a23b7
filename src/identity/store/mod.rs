//! Rows of users, roles, groups, sessions, keys, failed sign-ins and the set-up link.

pub mod confirmations;
pub mod failures;
pub mod groups;
pub mod keys;
pub mod policy;
pub mod preferences;
pub mod resets;
pub mod roles;
pub mod sessions;
pub mod setup;
pub mod users;
