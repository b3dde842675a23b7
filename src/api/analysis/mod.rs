//! Document 000, the analysis platform: `/account`, `/role`, `/project`, `/task`, `/config`.

mod accounts;
mod dialect;
mod manager;
mod register;
mod roles;

pub use dialect::DIALECT;

use super::endpoint::Endpoint;

/// Of audit entries about people.
const PEOPLE: &str = "identity";

pub fn endpoints() -> Vec<Endpoint> {
    let parts =
        [accounts::endpoints(), register::endpoints(), manager::endpoints(), roles::endpoints()];
    parts.into_iter().flatten().collect()
}
