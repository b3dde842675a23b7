//! The operation log as filters ask for it, and as a file for a spreadsheet.

use std::sync::Arc;

use bytes::Bytes;
use rocket::futures::future::BoxFuture;
use rocket::futures::{Stream, stream};
use rocket::http::{ContentType, Header, Method};
use rocket::{Data, Request, Response};
use schemars::JsonSchema;
use tokio_util::io::StreamReader;

use super::call::Call;
use super::endpoint::{Endpoint, Streamed, streaming};
use super::input::Listed;
use super::language::{Catalogues, Language};
use super::work::blocking;
use super::{App, time};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::operations::audit::{self, Line};
use crate::store::LineId;
use crate::store::list::{ListQuery, SearchType};

const LOG: &str = "log-audit-export";
const MODULE: &str = "audit";

/// Lines that are read and sent at once: a log of years never stands in memory.
const PIECE: u32 = 1_000;
/// Without it spreadsheets take the file for one in the system's old character set.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Message keys of the first row.
const COLUMNS: [&str; 9] = [
    "audit-column-time",
    "audit-column-user",
    "audit-column-address",
    "audit-column-content",
    "audit-column-subject",
    "audit-column-result",
    "audit-column-succeeded",
    "audit-column-module",
    "audit-column-request",
];

/// Parts of the product that lines are of.
const MODULES: [&str; 12] = [
    "education",
    "templates",
    "images",
    "isos",
    "data_network",
    "vswitch",
    "resource_pool",
    "node",
    "operations",
    "identity",
    "settings",
    "audit",
];

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Get, "carrel.audit.export", "/api/v1.0/audit/export", export)
            .needs(Permission::AuditView)
            .audited(MODULE, LOG)
            .takes::<ExportInput>()
            .sends("text/csv")
            .summary(
                "The operation log as CSV in UTF-8, newest first; filters as of the log itself",
            ),
    ]
}

/// Conditions on lines of the log; all that are given must hold.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
pub struct LogFilters {
    /// `contain`: names, addresses and objects need only hold the text.
    searchtype: Option<Listed<String>>,
    user_name: Option<Listed<String>>,
    user_ip: Option<Listed<String>>,
    /// What it was done to.
    subject: Option<Listed<String>>,
    /// The part of the product, for instance `identity`.
    module: Option<Listed<String>>,
    request_id: Option<Listed<String>>,
    /// 1: only what succeeded, 0: only what failed.
    succeeded: Option<Listed<u8>>,
    /// The first moment, for instance `2026-02-26 18:58:22` in the server's time.
    from: Option<Listed<String>>,
    /// The last moment.
    to: Option<Listed<String>>,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which are read from the query")]
struct ExportInput {
    #[serde(flatten)]
    filters: LogFilters,
    /// Of the words in it, for links, which cannot send `Accept-Language`.
    language: Option<Listed<String>>,
}

/// What the reader asks of the log.
pub fn query(call: &Call) -> Result<ListQuery> {
    let mut query = call.list_query()?;
    for (name, value) in &mut query.filters {
        match name.as_str() {
            "from" => *value = time::parse("from", value)?.to_string(),
            "to" => *value = time::parse("to", value)?.to_string(),
            _ => {}
        }
    }
    Ok(query)
}

/// What was done and how it went.
pub fn words(messages: &Catalogues, language: Language, line: &Line) -> (String, String) {
    let content = messages.text(language, &line.action, &[("name", &line.subject)]);
    let result = match &line.fault {
        None => messages.text(language, "success", &[]),
        Some(fault) => messages.error(language, &Error::from(fault.clone())),
    };
    (content, result)
}

fn export<'r>(
    app: Arc<App>,
    mut call: Call,
    request: &'r Request<'_>,
    _: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let wanted = request.query_value::<&str>("language").and_then(std::result::Result::ok);
    call.language = Language::negotiate(wanted, call.language);
    Box::pin(async move {
        // The first piece is read before anything is sent: what is wrong with it is still an answer.
        let (export, first) = blocking(move || {
            call.about(conditions(&call));
            Export::begin(&app, &call)
        })
        .await?;
        let mut response = Response::build();
        response.header(ContentType::new("text", "csv").with_params(("charset", "utf-8")));
        response.header(Header::new("Cache-Control", "no-store"));
        let name = "attachment; filename=\"carrel-log.csv\"";
        response.header(Header::new("Content-Disposition", name));
        let body = stream::once(async { Ok(first) });
        let body = rocket::futures::StreamExt::chain(body, export.rest());
        response.streamed_body(StreamReader::new(Box::pin(body)));
        Ok(Streamed::Response(response.finalize()))
    })
}

/// What somebody took away: the subject of the line.
fn conditions(call: &Call) -> String {
    let given = call.query.iter().filter(|(name, value)| name != "language" && !value.is_empty());
    let given: Vec<String> = given.map(|(name, value)| format!("{name}={value}")).collect();
    given.join(", ").chars().take(200).collect()
}

/// An export on its way.
struct Export {
    app: Arc<App>,
    language: Language,
    query: ListQuery,
    /// Number of the line that was sent last.
    last: Option<LineId>,
}

impl Export {
    /// The titles and the first lines.
    fn begin(app: &Arc<App>, call: &Call) -> Result<(Self, Bytes)> {
        let mut query = query(call)?;
        query.filters.retain(|(name, _)| name != "language");
        // One row is what a reader of the list asks for, not of a file.
        if query.search == SearchType::Single {
            query.search = SearchType::All;
        }
        let mut export = Self { app: Arc::clone(app), language: call.language, query, last: None };
        let mut head = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        let titles = COLUMNS.map(|key| app.language.text(call.language, key, &[]));
        head.write_record(titles).map_err(Error::internal)?;
        let mut piece = head.into_inner().map_err(Error::internal)?;
        piece.extend_from_slice(&export.next()?);
        Ok((export, piece.into()))
    }

    /// The next lines; nothing at the end.
    fn next(&mut self) -> Result<Bytes> {
        let lines = audit::older(&self.app.store, &self.query, self.last, PIECE)?;
        self.last = lines.last().map(|line| line.id).or(self.last);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in &lines {
            writer.write_record(self.row(line)).map_err(Error::internal)?;
        }
        Ok(writer.into_inner().map_err(Error::internal)?.into())
    }

    fn row(&self, line: &Line) -> [String; COLUMNS.len()] {
        let (content, result) = words(&self.app.language, self.language, line);
        let succeeded =
            line.succeeded().map_or_else(String::new, |good| u8::from(good).to_string());
        let row = [
            time::text(line.at),
            line.user_name.clone(),
            line.user_ip.clone().unwrap_or_default(),
            content,
            line.subject.clone(),
            result,
            succeeded,
            self.module(&line.module),
            line.request_id.clone(),
        ];
        row.map(harmless)
    }

    /// As the console calls it; a word that this version does not know stays.
    fn module(&self, module: &str) -> String {
        match MODULES.contains(&module) {
            true => {
                let key = format!("audit-module-{}", module.replace('_', "-"));
                self.app.language.text(self.language, &key, &[])
            }
            false => module.to_owned(),
        }
    }

    /// Ends with the lines; a failure breaks the connection off, so that nobody takes half a log for whole.
    fn rest(self) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        stream::unfold(Some(self), |export| async {
            let mut export = export?;
            let piece = blocking(move || Ok((export.next(), export))).await;
            match piece {
                Ok((Ok(piece), _)) if piece.is_empty() => None,
                Ok((Ok(piece), export)) => Some((Ok(piece), Some(export))),
                Ok((Err(error), _)) | Err(error) => {
                    tracing::error!(error = error.detail(), "an export of the log broke off");
                    Some((Err(std::io::Error::other("the export broke off")), None))
                }
            }
        })
    }
}

/// Spreadsheets take a cell that begins so for a formula, and what it holds may come from anybody: the
/// name typed at a failed sign-in is in the log.
fn harmless(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{cell}"),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(harmless(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "admin", "1-1", "a=b"] {
            assert_eq!(harmless(cell.to_owned()), cell);
        }
    }
}
