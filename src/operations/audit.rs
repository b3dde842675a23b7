//! The audit log: who did what to what, from where, and how it went.

pub use super::store::audit::{
    CODE_NEEDED, UNKNOWN, close, list, name, older, operation_ended, write, write_in_tx,
};

use crate::error::Fault;
use crate::store::{LineId, UserId};

/// A line to be written.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Message key of what was done, for instance `log-template-delete`.
    pub action: &'a str,
    /// Name of what it was done to.
    pub subject: &'a str,
    /// The part of the product, for filters.
    pub module: &'a str,
    pub fault: Option<&'a Fault>,
}

/// A line as it was written.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: LineId,
    pub at: i64,
    pub user_id: Option<UserId>,
    pub user_name: String,
    pub user_ip: Option<String>,
    pub action: String,
    pub subject: String,
    pub module: String,
    pub fault: Option<Fault>,
    pub request_id: String,
}

impl Line {
    /// `None` as long as it is not known, and for what is neither.
    pub fn succeeded(&self) -> Option<bool> {
        match &self.fault {
            None => Some(true),
            Some(fault) if [UNKNOWN, CODE_NEEDED].contains(&fault.key.as_str()) => None,
            Some(_) => Some(false),
        }
    }
}
