//! Downloading a template: an action that gives a URL, and the URL.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rocket::Request;
use rocket::Response;
use rocket::data::Data as Body;
use rocket::futures::future::BoxFuture;
use rocket::http::{ContentType, Header, Method};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::{AsyncRead, ReadBuf};
use uuid::Uuid;

use super::named::Named;
use super::templates::{MODULE, PATH};
use crate::api::App;
use crate::api::answer::Data;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Streamed, post, streaming};
use crate::desktops::templates::Download;
use crate::error::Result;
use crate::identity::Permission;

const FILE: &str = "/api/v1.0/downloads/templates/{ticket}";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        post("vdi.templates.download", PATH, download)
            .needs(Permission::TemplatesManage)
            .action("download")
            .audited(MODULE, "log-template-download")
            .summary("Get a URL that downloads a template's system disk once"),
        streaming(Method::Get, "carrel.templates.download-file", FILE, file)
            .public()
            .sends("application/octet-stream")
            .summary("The file behind a download URL: a self-contained qcow2"),
    ]
}

/// Where to fetch the file.
#[derive(Debug, Serialize, JsonSchema)]
struct DownloadView {
    /// Good for one download within an hour; needs no other credential.
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
    _: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let ticket = call.param("ticket")?.to_owned();
        let download = app.templates.download(&ticket).await?;
        let mut response = Response::build();
        response.header(ContentType::Binary);
        response.header(Header::new("Cache-Control", "no-store"));
        response.header(Header::new("Content-Disposition", disposition(&download.file_name)));
        response.streamed_body(Reading(download));
        Ok(Streamed::Response(response.finalize()))
    })
}

/// The name in plain letters, and in full for clients that know RFC 6266.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let full: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

/// The bytes of a download, which ends with them.
struct Reading(Download);

impl AsyncRead for Reading {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut self.0.stream {
            Some(stream) => Pin::new(stream).poll_read(task, into),
            None => Poll::Ready(Ok(())),
        }
    }
}
