//! Public keys with which people sign in to a node by ssh.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A key that is wanted for a system user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuthorizedKey {
    /// The Carrel user whose key it is.
    pub owner: Uuid,
    /// Type and base64 body, as in `authorized_keys` (sshd(8)), without options and comment.
    pub key: String,
}

/// A key that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledKey {
    /// Whose `authorized_keys` it is in.
    pub system_user: String,
    /// `None` for one that this installation did not put there.
    pub owner: Option<Uuid>,
    /// Type and base64 body.
    pub key: String,
    pub comment: String,
}
