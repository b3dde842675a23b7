//! Downloading a template: an action that gives a URL, and the URL.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rocket::Request;
use rocket::Response;
use rocket::data::Data as Body;
use rocket::futures::future::BoxFuture;
use rocket::http::{ContentType, Method, Status};
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
use crate::api::range::{Part, requested};
use crate::desktops::templates::Download;
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
    // A range is of what is fetched; a HEAD fetches nothing.
    let is_head = request.method() == Method::Head;
    let header = |name| request.headers().get_one(name).filter(|_| !is_head);
    let (range, if_range) = (header("Range"), header("If-Range"));
    Box::pin(async move {
        let mut download = app.templates.download(call.param("ticket")?).await?;
        let part = requested(range, if_range, &download.tag, download.size);
        let (status, from, length) = match part {
            Part::Whole => (Status::Ok, 0, download.size),
            Part::Some { from, length } => (Status::PartialContent, from, length),
            Part::Beyond => (Status::RangeNotSatisfiable, 0, 0),
        };
        let mut response = Response::build();
        response.status(status);
        response.header(ContentType::Binary);
        response.raw_header("Cache-Control", "no-store");
        response.raw_header("Accept-Ranges", "bytes");
        response.raw_header("ETag", download.tag.clone());
        response.raw_header("Content-Disposition", disposition(&download.file_name));
        response.raw_header("Content-Length", length.to_string());
        match part {
            Part::Whole => {}
            Part::Some { .. } => {
                let range = format!("bytes {from}-{}/{}", from + length - 1, download.size);
                response.raw_header("Content-Range", range);
            }
            Part::Beyond => {
                response.raw_header("Content-Range", format!("bytes */{}", download.size));
            }
        }
        if !is_head && part != Part::Beyond {
            download.open(from).await?;
            response.streamed_body(Reading {
                left: length,
                is_whole: part == Part::Whole,
                download,
            });
        }
        Ok(Streamed::Response(response.finalize()))
    })
}

/// The name in plain letters, and in full for clients that know RFC 6266.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let full: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

/// The bytes of a download.
struct Reading {
    download: Download,
    left: u64,
    is_whole: bool,
}

impl AsyncRead for Reading {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.remaining());
        if most == 0 {
            // The bytes before were taken: the next are asked for.
            if self.is_whole && self.left == 0 {
                self.download.is_fetched();
            }
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(into.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.download).poll_read(task, &mut part))?;
        let read = part.filled().len();
        into.advance(read);
        self.left -= read as u64;
        if read == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}
