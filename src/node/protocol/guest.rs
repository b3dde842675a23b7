//! What a guest says of itself, and what its agent is asked to do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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

/// Key of the error of a guest whose agent does not do what it is asked.
pub const AGENT_REFUSES: &str = "guest-agent-refuses";

/// Key of the error of what was meant for a run of a guest that has ended: nobody was asked.
pub const RUN_ENDED: &str = "guest-run-ended";

/// Key of the error of what was asked in a run of a guest that ended meanwhile.
pub const RUN_OVER: &str = "guest-run-over";

/// Bytes of what a script in a guest prints that are kept.
pub const SCRIPT_OUTPUT: usize = 64 << 10;

/// Something that the agent in a guest is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestTask {
    pub domain: Uuid,
    /// The start of the domain that it is meant for ([`DomainState::started_at`]); it is not done in another run.
    pub run: Option<i64>,
    pub step: GuestStep,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestStep {
    /// The node's own time.
    SetTime,
    /// Begins to give the guest a host name: letters, digits and hyphens.
    SetHostName { name: String },
    /// Begins a script.
    RunScript(GuestScript),
    /// How far what was begun is.
    Look { pid: i64 },
    /// Writes out what its file systems have in memory, and holds them.
    Freeze,
    /// Lets them go on.
    Thaw,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestScript {
    pub shell: Shell,
    pub text: String,
    /// Of its environment.
    pub variables: Vec<(String, String)>,
    /// After so many seconds the guest ends it.
    pub seconds: u32,
}

/// What a script is written for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shell {
    #[default]
    Sh,
    PowerShell,
}

impl Shell {
    pub const WORDS: [&str; 2] = ["sh", "powershell"];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::PowerShell => "powershell",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Sh, Self::PowerShell].into_iter().find(|shell| shell.word() == word)
    }
}

/// What an agent did, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestTold {
    Done,
    Began {
        pid: i64,
    },
    StillRuns,
    Ended(GuestEnd),
    /// It knows nothing of what was begun: the guest was started anew since.
    Forgotten,
}

/// The end of what was begun in a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestEnd {
    /// `None` for what was killed.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    #[serde(with = "serde_bytes")]
    pub output: Vec<u8>,
    /// It printed more.
    pub is_cut: bool,
}
