//! Rows of users, roles, groups, sessions, keys, second factors, failed sign-ins and the set-up link.

pub mod confirmations;
pub mod failures;
pub mod groups;
pub mod imports;
pub mod keys;
pub mod policy;
pub mod preferences;
pub mod resets;
pub mod roles;
pub mod scoped;
pub mod second_factors;
pub mod sessions;
pub mod setup;
pub mod ssh_keys;
pub mod users;
