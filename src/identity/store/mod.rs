//! Rows of users, sessions, failed sign-ins and the set-up link.

pub mod failures;
pub mod sessions;
pub mod setup;
pub mod users;
