//! News of changes: what a committed transaction changed, by topic.
//!
//! A store function that changes rows says so with [`super::Tx::changed`]; [`super::Store::write`] tells those who
//! listen after the commit. [`TABLES`] says which topics each table belongs to. Debug builds check every
//! transaction against it (see `guard.rs`), so that none is forgotten.

use std::collections::BTreeSet;
use std::ops::BitOr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

macro_rules! topics {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// What news are about. The one list of them: the event stream, the console and what else listens take it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic {
            $($(#[doc = $doc])* $name,)*
        }

        impl Topic {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

topics! {
    Pools = "pools",
    /// With network cards and storages.
    Nodes = "nodes",
    /// Base images, and copies of layers on nodes.
    Images = "images",
    /// Switches, data networks, subnets and leases.
    Networks = "networks",
    Templates = "templates",
    /// Education groups.
    Groups = "groups",
    DesktopGroups = "desktop_groups",
    Desktops = "desktops",
    Operations = "operations",
    Audit = "audit",
    Users = "users",
    Roles = "roles",
    UserGroups = "user_groups",
    Sessions = "sessions",
    ApiKeys = "api_keys",
    SshKeys = "ssh_keys",
    SshGrants = "ssh_grants",
    /// What somebody who is signed in may do, or whether they are: not that somebody signed in.
    Rights = "rights",
    /// Whose keys should stand on which node.
    SshAccess = "ssh_access",
}

/// A set of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Topics(u32);

impl Topics {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self((1 << Topic::ALL.len()) - 1);

    const fn of(topics: &[Topic]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < topics.len() {
            set |= 1 << topics[at] as u32;
            at += 1;
        }
        Self(set)
    }

    pub const fn contains(self, topic: Topic) -> bool {
        self.0 & (1 << topic as u32) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.iter().copied().filter(move |topic| self.contains(*topic))
    }

    /// Those that are not in `other`.
    pub fn without(self, other: impl Into<Self>) -> Self {
        Self(self.0 & !other.into().0)
    }
}

impl From<Topic> for Topics {
    fn from(topic: Topic) -> Self {
        Self::of(&[topic])
    }
}

impl From<&[Topic]> for Topics {
    fn from(topics: &[Topic]) -> Self {
        Self::of(topics)
    }
}

impl<T: Into<Self>> BitOr<T> for Topics {
    type Output = Self;

    fn bitor(self, other: T) -> Self {
        Self(self.0 | other.into().0)
    }
}

impl<T: Into<Topics>> BitOr<T> for Topic {
    type Output = Topics;

    fn bitor(self, other: T) -> Topics {
        Topics::from(self) | other
    }
}

/// What a committed transaction changed.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    pub topics: Topics,
}

/// A change of rows that says more than that its table changed.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(debug_assertions),
    expect(dead_code, reason = "columns are looked at by the guard alone")
)]
pub(super) enum Event {
    Delete,
    /// One of these columns got another value.
    Update(&'static [&'static str]),
    /// Any change.
    Any,
}

/// A table, and what its changes are news of.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    pub news: &'static [(Event, Topics)],
}

const fn told(name: &'static str, news: &'static [(Event, Topics)]) -> Table {
    Table { name, news }
}

/// A table whose changes nobody waits for, and why.
const fn quiet(name: &'static str, because: &'static str) -> Table {
    assert!(!because.is_empty());
    Table { name, news: &[] }
}

macro_rules! news {
    ($($event:expr => [$($topic:ident),*]),*) => {
        &[$(($event, Topics::of(&[$(Topic::$topic),*]))),*]
    };
}

use Event::{Any, Delete, Update};

/// Every table of the newest schema.
pub(super) static TABLES: &[Table] = &[
    told("pools", news!(Any => [Pools])),
    told("nodes", news!(Any => [Nodes])),
    told("nics", news!(Any => [Nodes])),
    told("nic_addresses", news!(Any => [Nodes])),
    told("storages", news!(Any => [Nodes])),
    told("images", news!(Any => [Images])),
    told("layer_copies", news!(Any => [Images])),
    told("switches", news!(Any => [Networks])),
    told("networks", news!(Any => [Networks])),
    told("subnets", news!(Any => [Networks])),
    told("addresses", news!(Any => [Networks])),
    told("templates", news!(Any => [Templates])),
    told("template_disks", news!(Any => [Templates])),
    told("template_layers", news!(Any => [Templates])),
    told("template_versions", news!(Any => [Templates])),
    told("template_discs", news!(Any => [Templates])),
    told("bus_switches", news!(Any => [Templates])),
    told("template_exports", news!(Any => [Templates])),
    told("education_groups", news!(Any => [Groups])),
    told("desktop_groups", news!(Any => [DesktopGroups])),
    told("desktops", news!(Any => [Desktops])),
    told("first_starts", news!(Any => [Desktops])),
    told("operations", news!(Any => [Operations])),
    told("operation_locks", news!(Any => [Operations])),
    told("operation_groups", news!(Any => [Operations])),
    told("operation_parts", news!(Any => [Operations])),
    told("audit", news!(Any => [Audit])),
    told(
        "users",
        news!(
            Any => [Users],
            Delete => [Rights, SshAccess],
            Update(&["enabled", "awaits"]) => [Rights, SshAccess]
        ),
    ),
    told("user_roles", news!(Any => [Users, Roles, Rights])),
    told("scoped_roles", news!(Any => [Users, Roles, Rights])),
    told("user_permissions", news!(Any => [Users, Rights])),
    told("user_group_members", news!(Any => [Users, UserGroups, Rights])),
    told("user_groups", news!(Any => [UserGroups])),
    told("user_group_permissions", news!(Any => [UserGroups, Rights])),
    told("roles", news!(Any => [Roles], Update(&["code"]) => [Rights])),
    told("role_permissions", news!(Any => [Roles, Rights])),
    told("sessions", news!(Any => [Sessions], Delete => [Rights])),
    told("api_keys", news!(Any => [ApiKeys], Delete => [Rights])),
    told("api_key_permissions", news!(Any => [ApiKeys, Rights])),
    told("second_factors", news!(Any => [Users])),
    told("ssh_keys", news!(Any => [SshKeys, SshAccess])),
    told("ssh_grants", news!(Any => [SshGrants, SshAccess])),
    quiet("installation", "written once, before anybody listens"),
    quiet("setup_links", "read when somebody comes with the link"),
    quiet("login_failures", "read when somebody signs in"),
    quiet("known_addresses", "read when somebody signs in"),
    quiet("sign_in_policy", "read at each use; its page is opened, not watched"),
    quiet("live_settings", "read at each use; its page is opened, not watched"),
    quiet("password_resets", "read when somebody comes with the token"),
    quiet("gone", "read when a node is looked at"),
    quiet("setting_aside", "read when a node is looked at"),
    quiet("mail_confirmations", "read when somebody comes with the link"),
    quiet("mail_outbox", "the one who writes it sends the mail"),
    quiet("recovery_codes", "their number is asked for by their owner who used one"),
    quiet("restored_nodes", "read when a node arrives"),
    quiet(
        "uploads",
        "asked for when a page is opened; the page that sends one knows how far it is",
    ),
    quiet("user_imports", "read by the operation that makes them"),
];

/// The topics on whose news the answer of a query depends; `None` when it reads a table of which none are told.
pub(super) fn topics_of(sql: &str) -> Option<Topics> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = sql.split(|c: char| !is_word(c)).collect();
    let mut read = TABLES.iter().filter(|table| words.contains(table.name));
    read.try_fold(Topics::NONE, |topics, table| {
        let (_, any) = table.news.iter().find(|(event, _)| matches!(event, Any))?;
        Some(topics | *any)
    })
}

/// How often each topic had news. Equal states of two moments mean equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    counts: [u64; Topic::ALL.len()],
    /// Changes by other processes.
    strangers: u64,
}

impl State {
    /// The part that a query depends on.
    pub fn of(mut self, topics: Topics) -> Self {
        for topic in Topic::ALL.iter().filter(|topic| !topics.contains(**topic)) {
            self.counts[*topic as usize] = 0;
        }
        self
    }

    /// Whether no other process changed anything in between.
    pub fn is_of_same_strangers(self, other: Self) -> bool {
        self.strangers == other.strangers
    }
}

struct Inner {
    state: State,
    /// Between the two, rows may be visible whose news were not counted yet.
    committing: bool,
    /// SQLite's number of the last change by another process.
    data_version: i64,
}

/// Counts and tells news.
pub(super) struct News {
    inner: Mutex<Inner>,
    listeners: broadcast::Sender<Changed>,
}

impl News {
    /// `data_version` is what the writer reads of that pragma.
    pub fn new(data_version: i64) -> Self {
        let (listeners, _) = broadcast::channel(256);
        let inner = Inner { state: State::default(), committing: false, data_version };
        Self { inner: Mutex::new(inner), listeners }
    }

    pub fn listen(&self) -> broadcast::Receiver<Changed> {
        self.listeners.subscribe()
    }

    pub fn state(&self) -> State {
        self.lock().state
    }

    /// The state of the moment at which `look` begins to see rows; `None` while a commit is under way.
    pub fn state_with<T, E>(
        &self,
        look: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<State>, E> {
        let inner = self.lock();
        look()?;
        Ok((!inner.committing).then_some(inner.state))
    }

    /// Runs a commit that makes these changes visible, and tells of them when it succeeds.
    pub fn commit<E>(
        &self,
        topics: Topics,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        if topics.is_empty() {
            return commit();
        }
        self.lock().committing = true;
        let done = commit();
        let mut inner = self.lock();
        inner.committing = false;
        // A commit that failed may be visible all the same.
        inner.state.count(topics);
        drop(inner);
        done?;
        self.tell(topics);
        Ok(())
    }

    /// Notes what the writer reads of `PRAGMA data_version`: it moves with other processes' changes only, and
    /// those may have changed anything.
    pub fn note_strangers(&self, data_version: i64) {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.data_version, data_version) == data_version {
            return;
        }
        inner.state.strangers += 1;
        drop(inner);
        self.tell(Topics::ALL);
    }

    fn tell(&self, topics: Topics) {
        // Nobody listening is fine.
        let _ = self.listeners.send(Changed { topics });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, topics: Topics) {
        for topic in topics.iter() {
            self.counts[topic as usize] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_depends_on_the_tables_that_it_names() {
        let users = topics_of("users u JOIN user_roles r ON r.user_id = u.id");
        assert_eq!(users, Some(Topic::Users | Topic::Roles | Topic::Rights));
        assert_eq!(topics_of("users_of u"), Some(Topics::NONE));
        assert_eq!(topics_of("users u JOIN setup_links"), None);
    }

    #[test]
    fn each_word_is_there_once() {
        let words: BTreeSet<&str> = Topic::ALL.iter().map(|topic| topic.word()).collect();
        assert_eq!(words.len(), Topic::ALL.len());
    }
}
