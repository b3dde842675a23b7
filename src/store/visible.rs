//! What of the rows somebody may see and reach: the one place that makes an SQL condition of it.

use crate::store::{EducationGroupId, UserId};
use serde_json::json;

/// What somebody may see and reach of things that belong to education groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// Everything.
    All,
    /// What belongs to one of these education groups, by row.
    Within {
        groups: Vec<EducationGroupId>,
        /// And of operations those that this user began.
        owner: Option<UserId>,
    },
}

impl Visible {
    pub const NOTHING: Self = Self::Within { groups: Vec::new(), owner: None };

    /// The parameter that [`visible_sql`] compares with; `None` (NULL) is everything.
    pub fn parameter(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Within { groups, owner } => {
                Some(json!({"groups": groups, "owner": owner}).to_string())
            }
        }
    }

    /// Whether what belongs to this education group, or to none, is among it.
    pub fn has(&self, group: Option<EducationGroupId>) -> bool {
        match self {
            Self::All => true,
            Self::Within { groups, .. } => group.is_some_and(|group| groups.contains(&group)),
        }
    }
}

/// A condition on the column that holds the row of an education group; the parameter is
/// [`Visible::parameter`].
macro_rules! visible_sql {
    ($column:literal, $parameter:literal) => {
        concat!(
            "(",
            $parameter,
            " IS NULL OR ",
            $column,
            " IN (SELECT value FROM json_each(",
            $parameter,
            ", '$.groups')))"
        )
    };
}
pub(crate) use visible_sql;
