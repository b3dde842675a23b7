//! What a guest says of itself.

use serde::{Deserialize, Serialize};

/// Key of the error of a guest in which no agent listens.
pub const AGENT_ABSENT: &str = "guest-agent-absent";

/// Key of the error of a guest whose agent listens and does not answer.
pub const AGENT_SILENT: &str = "guest-agent-silent";

/// What the agent in a guest says of it: the *QEMU Guest Agent Protocol Reference*. Whoever rules the guest rules what
/// it says, so that nothing here may be trusted; texts and lists are cut to what a page can show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFacts {
    /// Version of the agent; empty where it does not tell.
    pub agent: String,
    pub host_name: Option<String>,
    /// Such as `Debian GNU/Linux 12 (bookworm)` or `Windows 10 Pro`.
    pub system: Option<String>,
    pub kernel: Option<String>,
    pub nics: Vec<GuestNic>,
    /// Who is signed in, at the screen or from elsewhere.
    pub users: Vec<GuestUser>,
    pub filesystems: Vec<GuestFilesystem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestNic {
    pub name: String,
    pub mac: Option<String>,
    /// With the length of the prefix, such as `192.0.2.7/24`. Neither loopback nor link-local ones.
    pub addresses: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestUser {
    pub name: String,
    /// Windows' domain.
    pub domain: Option<String>,
    /// Unix seconds, by the guest's clock.
    pub since: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFilesystem {
    /// Such as `/` or `C:\`.
    pub mountpoint: String,
    /// Such as `ext4`.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Bytes, never more than `size`.
    pub used: u64,
}
