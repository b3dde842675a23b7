//! Who asks and from where, as far as it counts when somebody signs in.

use std::net::IpAddr;

use super::devices::Devices;
use crate::store::{SessionId, UserId};

/// Who asks and from where, for a session that may begin.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    pub address: Option<IpAddr>,
    /// What the browser keeps of those who signed in there.
    pub devices: Devices,
    /// The session that the request came with, and whose it is.
    pub session: Option<(UserId, SessionId)>,
    /// The browser or program, as it names itself.
    pub user_agent: String,
}
