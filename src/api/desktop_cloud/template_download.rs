//! Downloading a template: an action that gives a URL, and the URL.

use std::sync::Arc;

use rocket::Request;
use rocket::data::Data as Body;
use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::named::Named;
use super::templates::{MODULE, PATH};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::download::{Wanted, answer};
use crate::api::endpoint::{Endpoint, Streamed, post, streaming};
use crate::error::Result;
use crate::identity::Permission;

const FILE: &str = "/api/v1.0/downloads/templates/{ticket}";

pub fn endpoint() -> Endpoint {
    post("vdi.templates.download", PATH, download)
        .needs(Permission::TemplatesManage)
        .action("download")
        .audited(MODULE, "log-template-download")
        .summary("Get a URL that downloads a template's system disk once")
}

pub fn own_endpoint() -> Endpoint {
    streaming(Method::Get, "carrel.templates.download-file", FILE, file)
        .public()
        .sends("application/octet-stream")
        .summary("The file behind a download URL: a self-contained qcow2")
}

/// Where to fetch the file.
#[derive(Debug, Serialize, JsonSchema)]
struct DownloadView {
    /// Good for one download within an hour, which may break and go on (`Range`); needs no other credential.
    url: String,
    operation_uuid: Uuid,
}

fn download(app: &App, call: &mut Call, given: Named) -> Result<Data<DownloadView>> {
    call.about(given.name);
    let (ticket, operation) = app.templates.export(&call.actor, given.uuid)?;
    let path = FILE.replace("{ticket}", &ticket);
    Ok(Data(DownloadView { url: call.origin.url(&path), operation_uuid: operation.0 }))
}

fn file<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let wanted = Wanted::of(request);
    Box::pin(async move {
        let download = app.templates.download(call.param("ticket")?).await?;
        answer(download, wanted).await
    })
}
