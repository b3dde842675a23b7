//! What somebody may do.
//!
//! One list for every dialect. A permission's word is its name on the wire and in the store. Document
//! 004 knows permissions by number, document 001 knows eight of them by names of its own: both stand
//! here beside the word, and in the OpenAPI document.

use std::collections::BTreeSet;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $code:literal $(, $document_001:literal)?;)*) => {
        /// One right.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Document 004's `permission_code`. Given once and never to another.
            pub const fn code(self) -> u32 {
                match self { $(Self::$name => $code,)* }
            }

            /// Its name in document 001, for those that the document knows.
            pub fn document_001(self) -> Option<&'static str> {
                match self { $(Self::$name => [$($document_001,)?].first().copied(),)* }
            }
        }
    };
}

permissions! {
    /// Counts and charts of the first page.
    OverviewView = "overview.view", 1;
    /// Making, changing, switching off and deleting users, their sessions and groups.
    UsersManage = "users.manage", 2;
    UsersView = "users.view", 3;
    /// Making, changing and deleting roles.
    RolesManage = "roles.manage", 4;
    /// Installing and removing users' ssh keys on nodes.
    SshKeysManage = "ssh-keys.manage", 5;
    SshKeysView = "ssh-keys.view", 6;
    /// Rules of signing in and other settings of the installation.
    SettingsManage = "settings.manage", 7;
    /// The operation log.
    AuditView = "audit.view", 8;
    OperationsView = "operations.view", 9;
    OperationsCancel = "operations.cancel", 10;
    NodesView = "nodes.view", 11;
    /// Adding, renaming, switching off nodes.
    NodesManage = "nodes.manage", 12;
    PoolsView = "pools.view", 13;
    PoolsManage = "pools.manage", 14;
    ImagesView = "images.view", 15;
    ImagesManage = "images.manage", 16;
    NetworksView = "networks.view", 17;
    NetworksManage = "networks.manage", 18;
    TemplatesView = "templates.view", 19;
    TemplatesManage = "templates.manage", 20;
    GroupsView = "groups.view", 21;
    GroupsManage = "groups.manage", 22;
    DesktopsView = "desktops.view", 23;
    /// Deploying, changing and deleting desktops and their groups.
    DesktopsManage = "desktops.manage", 24;
    /// Starting and stopping desktops.
    DesktopsPower = "desktops.power", 25;
    /// Seeing and using screens of others' desktops.
    DesktopsConsole = "desktops.console", 26;
    /// The OpenAPI document and its page.
    ApiView = "api.view", 27;
    AnalysisCancel = "analysis.cancel", 28, "cancel_job";
    ReferencesCreate = "references.create", 29, "create_ref";
    SamplesCreate = "samples.create", 30, "create_sample";
    ModelsModify = "models.modify", 31, "modify_hmm";
    SubtractionsModify = "subtractions.modify", 32, "modify_subtraction";
    FilesDelete = "files.delete", 33, "remove_file";
    AnalysisDelete = "analysis.delete", 34, "remove_job";
    FilesUpload = "files.upload", 35, "upload_file";
    // the next one goes here with the next number
}

/// Some permissions.
pub type Permissions = BTreeSet<Permission>;

impl Permission {
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.word() == word)
    }

    pub fn by_code(code: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.code() == code)
    }

    /// Whether it means something within one education group. The others concern what belongs to no group.
    pub const fn has_scope(self) -> bool {
        matches!(
            self,
            Self::OverviewView
                | Self::OperationsView
                | Self::OperationsCancel
                | Self::GroupsView
                | Self::GroupsManage
                | Self::DesktopsView
                | Self::DesktopsManage
                | Self::DesktopsPower
                | Self::DesktopsConsole
        )
    }

    /// Whether it gives rights over people, the installation or its machines: who holds it is an administrator.
    pub const fn is_administrative(self) -> bool {
        matches!(
            self,
            Self::UsersManage
                | Self::RolesManage
                | Self::SettingsManage
                | Self::SshKeysManage
                | Self::NodesManage
        )
    }

    /// Those of a list of words, as `group_concat` gives it. Words of a newer Carrel are passed over.
    pub(super) fn parse_all(words: Option<&str>) -> Permissions {
        words.iter().flat_map(|words| words.split(',')).filter_map(Self::parse).collect()
    }
}

/// The roles that every installation has. What they may do is fixed; an administrator makes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltinRole {
    Admin,
    /// Signs in and sees what is their own.
    Normal,
    Operator,
    Auditor,
    Teacher,
    Analyst,
}

impl BuiltinRole {
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Normal, Self::Operator, Self::Auditor, Self::Teacher, Self::Analyst];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Normal => "normal",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Teacher => "teacher",
            Self::Analyst => "analyst",
        }
    }

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// What a user may do: permissions of roles of one's own, of groups and of the user, and what the built-in ones
    /// among the roles hold.
    pub(super) fn effective(codes: &[String], granted: Permissions) -> Permissions {
        let builtin = codes.iter().filter_map(|code| Self::parse(code));
        builtin.flat_map(Self::permissions).chain(granted).collect()
    }

    pub fn permissions(self) -> Permissions {
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
                P::UsersView,
                P::SshKeysView,
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
            Self::Analyst => &[
                P::ApiView,
                P::AnalysisCancel,
                P::ReferencesCreate,
                P::SamplesCreate,
                P::FilesUpload,
            ],
            Self::Normal => &[P::ApiView],
        };
        list.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_codes_and_names_are_given_once() {
        let count = Permission::ALL.len();
        let words: BTreeSet<_> = Permission::ALL.iter().map(|p| p.word()).collect();
        let codes: BTreeSet<_> = Permission::ALL.iter().map(|p| p.code()).collect();
        let names: BTreeSet<_> = Permission::ALL.iter().filter_map(|p| p.document_001()).collect();
        assert_eq!((words.len(), codes.len(), names.len()), (count, count, 8));
        assert!(Permission::ALL.iter().all(|p| Permission::by_code(p.code()) == Some(*p)));
    }
}
