//! 主页: counts, charts and the operation log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, get};
use crate::api::{App, time};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::operations::audit;
use crate::store::list::Page;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        get("vdi.index.operation-log", "/api/v1.0/index/get_operation_log/", operation_log)
            .needs(Permission::AuditView)
            .summary("Who did what, newest first"),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which the list mechanism reads by itself")]
struct LogInput {
    page: Option<u32>,
    page_size: Option<u32>,
    user_name: Option<String>,
    module: Option<String>,
}

/// A line of the operation log.
#[derive(Debug, Serialize, JsonSchema)]
struct LogLine {
    id: i64,
    user_id: Option<i64>,
    user_name: String,
    user_ip: Option<String>,
    /// What was done, in the reader's language.
    content: String,
    /// How it went, in the reader's language.
    result: String,
    succeeded: bool,
    module: String,
    request_id: String,
    deleted: u8,
    deleted_at: Option<String>,
    created_at: String,
    /// The same time under the name of the document's table.
    create_at: String,
    updated_at: String,
}

fn operation_log(app: &App, call: &mut Call, _: LogInput) -> Result<Page<LogLine>> {
    let page = audit::list(&app.store, &call.list_query()?)?;
    let language = call.language;
    Ok(page.map(|line| {
        let at = time::text(line.at);
        let succeeded = line.fault.is_none();
        LogLine {
            id: line.id,
            user_id: line.user_id,
            user_name: line.user_name,
            user_ip: line.user_ip,
            content: app.language.text(language, &line.action, &[("name", &line.subject)]),
            result: match line.fault {
                None => app.language.text(language, "success", &[]),
                Some(fault) => app.language.error(language, &Error::from(fault)),
            },
            succeeded,
            module: line.module,
            request_id: line.request_id,
            deleted: 0,
            deleted_at: None,
            created_at: at.clone(),
            create_at: at.clone(),
            updated_at: at,
        }
    }))
}
