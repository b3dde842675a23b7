//! One request as handlers see it: who asks, in which language, with which parameters.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::language::Language;
use super::note::Note;
use super::origin::Origin;
use crate::desktops::Reach;
use crate::error::{Error, Result};
use crate::identity::{Authority, Caller, Devices, Permission, Visitor};
use crate::operations::Actor;
use crate::store::list::{ListQuery, SearchType};
use crate::store::visible::Visible;

/// Query parameters that are not columns of a list.
const NO_COLUMNS: [&str; 5] = ["page", "page_size", "searchtype", "sort", "action"];

#[derive(Debug)]
pub struct Call {
    /// `None` only on public endpoints.
    pub caller: Option<Caller>,
    /// What the caller may see and reach by the permission that the row needs; nothing where it needs none.
    pub visible: Visible,
    pub actor: Actor,
    pub language: Language,
    pub path: HashMap<&'static str, String>,
    pub query: Vec<(String, String)>,
    /// The JSON body; `Null` when there was none.
    pub body: Value,
    /// The input is the body's `param`, not the body.
    pub in_param: bool,
    /// `Prefer: respond-async` (RFC 7240): do not wait for the operation.
    pub respond_async: bool,
    /// The browser or program, as it names itself.
    pub user_agent: String,
    /// What the browser keeps of those who signed in there.
    pub devices: Devices,
    /// Where the client reaches this server.
    pub origin: Origin,
    /// Path and query as the client sent them.
    pub uri: String,
    /// The line of the audit log.
    pub note: Note,
    /// The session token that came with the request, for signing out.
    pub token: Option<String>,
    /// Of a change of the password that a sign-in forced.
    pub reset_token: Option<String>,
    /// Cookies to be set with the answer.
    pub cookies: Vec<rocket::http::Cookie<'static>>,
}

impl Call {
    pub fn caller(&self) -> Result<&Caller> {
        self.caller.as_ref().ok_or_else(not_signed_in)
    }

    /// What the caller may name in what they make or change by this row.
    pub fn reach(&self) -> Reach {
        let sees = |permission| match &self.caller {
            Some(caller) if caller.may(permission) => Visible::All,
            _ => self.visible.clone(),
        };
        Reach {
            templates: sees(Permission::TemplatesView),
            pools: sees(Permission::PoolsView),
            networks: sees(Permission::NetworksView),
            sees_nodes: self
                .caller
                .as_ref()
                .is_some_and(|caller| caller.may(Permission::NodesView)),
        }
    }

    /// On whose authority people are changed.
    pub fn authority(&self) -> Result<Authority<'_>> {
        self.caller().map(Authority::Caller)
    }

    pub fn visitor(&self) -> Visitor {
        let session = self.caller.as_ref();
        Visitor {
            address: self.actor.address,
            devices: self.devices.clone(),
            session: session.and_then(|caller| Some((caller.user_id, caller.session_id()?))),
            user_agent: self.user_agent.clone(),
        }
    }

    /// A path parameter that is a number. Anything else cannot exist.
    pub fn number(&self, name: &'static str) -> Result<i64> {
        let text = self.param(name)?;
        text.parse().map_err(|_| Error::bad_input("field-not-a-number").arg("field", name))
    }

    /// A path parameter that is a uuid. Anything else cannot exist.
    pub fn uuid(&self, name: &'static str) -> Result<Uuid> {
        let text = self.param(name)?;
        parse_uuid(text)
    }

    pub fn param(&self, name: &'static str) -> Result<&str> {
        let value = self.path.get(name).map(String::as_str);
        value.ok_or_else(|| Error::internal(format_args!("no path parameter {name}")))
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Names what the audit entry is about.
    pub fn about(&mut self, subject: impl Into<String>) {
        self.note.about(subject.into());
    }

    /// What a client asks of a list; parameters come in the query or, for some clients, in a JSON
    /// body of the GET.
    pub fn list_query(&self) -> Result<ListQuery> {
        let mut given = self.query.clone();
        if let Value::Object(body) = &self.body {
            given.extend(
                body.iter().filter_map(|(key, value)| scalar(value).map(|v| (key.clone(), v))),
            );
        }
        let mut query = ListQuery::default();
        for (name, value) in given {
            match name.as_str() {
                "page" => query.page = number(&name, &value)?,
                "page_size" => query.page_size = number(&name, &value)?,
                "searchtype" => query.search = SearchType::parse(&value)?,
                "sort" => query.sort = Some(value),
                _ if NO_COLUMNS.contains(&name.as_str()) || name.is_empty() => {}
                _ => query.filters.push((name, value)),
            }
        }
        Ok(query)
    }
}

/// Names in the subject of an audit entry; more are counted only.
pub const NAMED: usize = 3;

/// The first [`NAMED`] of so many things, for the audit log.
pub fn several<T: std::borrow::Borrow<str>>(names: &[T], all: usize) -> String {
    let told = &names[..names.len().min(NAMED)];
    match all - told.len() {
        0 => told.join(", "),
        more => format!("{} (+{more})", told.join(", ")),
    }
}

pub fn not_signed_in() -> Error {
    Error::new(crate::error::Kind::NotSignedIn, "not-signed-in")
}

/// Reads a uuid that a client sent.
pub fn parse_uuid(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|_| Error::bad_input("uuid-malformed").arg("value", text))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn number(name: &str, value: &str) -> Result<u32> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(0);
    }
    value.parse().map_err(|_| Error::bad_input("field-not-a-number").arg("field", name))
}
