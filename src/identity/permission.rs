//! What somebody may do, and the roles that hold it.

use std::collections::BTreeSet;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One right. The word is its name on the wire and in the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

permissions! {
    /// Counts and charts of the first page.
    OverviewView = "overview.view",
    /// The operation log.
    AuditView = "audit.view",
    OperationsView = "operations.view",
    OperationsCancel = "operations.cancel",
    NodesView = "nodes.view",
    /// Adding, renaming, switching off nodes.
    NodesManage = "nodes.manage",
    PoolsView = "pools.view",
    PoolsManage = "pools.manage",
    ImagesView = "images.view",
    ImagesManage = "images.manage",
    NetworksView = "networks.view",
    NetworksManage = "networks.manage",
    TemplatesView = "templates.view",
    TemplatesManage = "templates.manage",
    GroupsView = "groups.view",
    GroupsManage = "groups.manage",
    DesktopsView = "desktops.view",
    /// Deploying, changing and deleting desktops and their groups.
    DesktopsManage = "desktops.manage",
    /// Starting and stopping desktops.
    DesktopsPower = "desktops.power",
    /// Seeing and using screens of others' desktops.
    DesktopsConsole = "desktops.console",
    /// The OpenAPI document and its page.
    ApiView = "api.view",
}

/// The built-in roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Admin,
    Operator,
    Auditor,
    Teacher,
    Analyst,
    /// Signs in and sees what is their own.
    Normal,
}

impl Role {
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Operator, Self::Auditor, Self::Teacher, Self::Analyst, Self::Normal];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Teacher => "teacher",
            Self::Analyst => "analyst",
            Self::Normal => "normal",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    pub fn permissions(self) -> BTreeSet<Permission> {
        use Permission as P;
        let list: &[Permission] = match self {
            Self::Admin => Permission::ALL,
            Self::Operator => &[
                P::OverviewView,
                P::AuditView,
                P::OperationsView,
                P::OperationsCancel,
                P::NodesView,
                P::PoolsView,
                P::ImagesView,
                P::ImagesManage,
                P::NetworksView,
                P::TemplatesView,
                P::TemplatesManage,
                P::GroupsView,
                P::GroupsManage,
                P::DesktopsView,
                P::DesktopsManage,
                P::DesktopsPower,
                P::DesktopsConsole,
                P::ApiView,
            ],
            Self::Auditor => &[
                P::OverviewView,
                P::AuditView,
                P::OperationsView,
                P::NodesView,
                P::PoolsView,
                P::ImagesView,
                P::NetworksView,
                P::TemplatesView,
                P::GroupsView,
                P::DesktopsView,
                P::ApiView,
            ],
            Self::Teacher => &[
                P::OverviewView,
                P::OperationsView,
                P::TemplatesView,
                P::GroupsView,
                P::DesktopsView,
                P::DesktopsPower,
                P::DesktopsConsole,
            ],
            Self::Analyst | Self::Normal => &[P::ApiView],
        };
        list.iter().copied().collect()
    }
}
