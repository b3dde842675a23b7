//! Uploading a base image or an ISO: a multipart body that is read as a stream and never held whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use multer::{Constraints, Field, Multipart, SizeLimit};
use rocket::data::{ByteUnit, Data};
use rocket::futures::Stream;
use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use rocket::{Request, Shutdown};
use schemars::JsonSchema;
use serde_json::json;
use tokio_util::io::ReaderStream;

use super::upload_fields::{Fields, What};
use super::{base_images, isos};
use crate::api::answer::Answer;
use crate::api::batch::{self, Made, New};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Streamed, streaming};
use crate::api::work::blocking;
use crate::api::{App, input};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::images::{Arrived, Upload};

/// A text field longer than this is none.
const TEXT_LIMIT: u64 = 4096;
/// How long a refused client is listened to, so that it gets to read why.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes read at once.
const PIECE: usize = 128 << 10;
/// Longest text fields; what is longer than a number or a name is refused when it is read.
const TEXTS: [&str; 5] = ["name", "os_type", "iso_type", "type", "disk"];
/// Checking an image mostly takes less; a large conversion goes on after the answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Post, "vdi.base-images.upload", base_images::PATH, upload)
            .needs(Permission::ImagesManage)
            .audited(base_images::MODULE, "log-image-upload")
            .takes::<UploadInput>()
            .gives::<Made<New>>()
            .summary(
                "Upload a base image as multipart/form-data; it is checked before it becomes visible",
            ),
        streaming(Method::Post, "vdi.isos.upload", isos::PATH, upload_iso)
            .needs(Permission::ImagesManage)
            .audited(isos::MODULE, "log-iso-upload")
            .takes::<IsoUploadInput>()
            .gives::<Made<New>>()
            .summary("Upload an ISO as multipart/form-data; what is none is refused while it arrives"),
    ]
}

/// Query parameters or form fields, besides the `file`.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which come in the query or the form")]
struct UploadInput {
    name: String,
    os_type: String,
    /// Of an OVA with several disks: which, from 1. The one that its machine starts from when it is left out.
    disk: Option<u32>,
}

/// Query parameters or form fields, besides the `file`.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "documents the parameters, which come in the query or the form")]
struct IsoUploadInput {
    /// That of the file when it is left out.
    name: Option<String>,
    os_type: String,
    /// 1 software, 2 tools, 3 operating system
    iso_type: u8,
}

fn upload<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    data: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let what = What::BaseImage(call.uuid("resource_pool_uuid")?);
        receive((app, call), what, request, data).await
    })
}

fn upload_iso<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    data: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    receive((app, call), What::Iso, request, data)
}

fn receive<'r>(
    (app, call): (Arc<App>, Call),
    what: What,
    request: &'r Request<'_>,
    data: Data<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    Box::pin(async move {
        let mut receiving = Receiving::new(app, call, what);
        let result = receiving.run(request, data).await;
        // An upload that was not taken over goes before the answer does.
        receiving.discard().await;
        receiving.call.note.about(receiving.fields.name.take().unwrap_or_default());
        result.map(Streamed::Answer)
    })
}

struct Receiving {
    app: Arc<App>,
    call: Arc<Call>,
    what: What,
    fields: Fields,
    arrived: Option<Arrived>,
}

impl Receiving {
    fn new(app: Arc<App>, call: Call, what: What) -> Self {
        let given = |name| call.query(name).map(str::to_owned);
        let (name, os_type) = (given("name"), given("os_type"));
        let iso_type = given("iso_type").or_else(|| given("type"));
        let disk = given("disk");
        let fields = Fields { name, os_type, iso_type, disk };
        Self { app, call: Arc::new(call), what, fields, arrived: None }
    }

    async fn run(&mut self, request: &Request<'_>, data: Data<'_>) -> Result<Answer> {
        let live = self.app.live.clone();
        let limit = blocking(move || live.now()).await?.upload_limit();
        let refused = self.refuse_early(request, limit).await.err();
        let boundary = boundary(request)?;
        let body = data.open(ByteUnit::from(limit));
        let stream = OnePerPoll::new(ReaderStream::with_capacity(body, PIECE));
        let limits = TEXTS
            .iter()
            .fold(SizeLimit::new(), |limits, field| limits.for_field(*field, TEXT_LIMIT));
        let constraints = Constraints::new().size_limit(limits);
        let mut multipart = Multipart::with_constraints(stream, boundary, constraints);
        let mut shutdown = request.rocket().shutdown();
        let refused = match refused {
            Some(refused) => Some(refused),
            None => self.fields(&mut multipart, &mut shutdown).await.err(),
        };
        if let Some(refused) = refused {
            // A client that is still sending would see a broken connection instead of the reason.
            let _ = tokio::time::timeout(DRAIN, drain(&mut multipart)).await;
            return Err(refused);
        }
        self.adopt().await
    }

    async fn refuse_early(&self, request: &Request<'_>, limit: u64) -> Result<()> {
        let announced = announced(request)?;
        if announced.is_some_and(|size| size > limit) {
            return Err(too_large(limit));
        }
        if self.fields.name.is_some() {
            self.fields.checked(self.what)?;
        }
        self.check(announced).await
    }

    async fn fields(
        &mut self,
        multipart: &mut Multipart<'_>,
        shutdown: &mut Shutdown,
    ) -> Result<()> {
        while let Some(field) = multipart.next_field().await.map_err(broken)? {
            match field.name() {
                Some("name") => self.fields.name = Some(field.text().await.map_err(broken)?),
                Some("os_type") => self.fields.os_type = Some(field.text().await.map_err(broken)?),
                Some("disk") => self.fields.disk = Some(field.text().await.map_err(broken)?),
                Some("iso_type" | "type") => {
                    self.fields.iso_type = Some(field.text().await.map_err(broken)?);
                }
                Some("file") if self.arrived.is_some() => {
                    return Err(Error::bad_input("upload-two-files").arg("field", "file"));
                }
                Some("file") => {
                    self.fields.name_by_file(self.what, field.file_name());
                    if self.fields.name.is_some() {
                        self.fields.checked(self.what)?;
                        self.check(None).await?;
                    }
                    self.arrived = Some(self.file(field, shutdown).await?);
                }
                // Other fields are other clients' business; multer skips their content.
                _ => {}
            }
        }
        Ok(())
    }

    async fn file(&self, mut field: Field<'_>, shutdown: &mut Shutdown) -> Result<Arrived> {
        let (images, is_iso) = (self.app.images.clone(), self.what == What::Iso);
        let mut upload: Upload = blocking(move || images.open_upload(is_iso)).await?;
        loop {
            let piece = tokio::select! {
                piece = field.chunk() => piece.map_err(broken)?,
                () = &mut *shutdown => return Err(Error::busy("server-stopping")),
            };
            match piece {
                Some(piece) => upload.write(&piece).await?,
                None => return upload.finish().await,
            }
        }
    }

    async fn check(&self, announced: Option<u64>) -> Result<()> {
        let (images, kind, name) =
            (self.app.images.clone(), self.fields.kind(self.what)?, self.fields.name.clone());
        blocking(move || images.check_upload(kind, name.as_deref().map(str::trim), announced)).await
    }

    async fn adopt(&mut self) -> Result<Answer> {
        if self.arrived.is_none() && self.what == What::Iso {
            return Err(input::missing("file"));
        }
        let new = self.fields.complete(self.what)?;
        let arrived = self.arrived.take().ok_or_else(|| input::missing("file"))?;
        let (app, call) = (Arc::clone(&self.app), Arc::clone(&self.call));
        let uuid = arrived.uuid;
        let patience = if self.call.respond_async { Duration::ZERO } else { PATIENCE };
        let add = move || {
            call.note.about(new.name.clone());
            call.note.accompany(|| app.images.add(&call.actor, &new, arrived))
        };
        let submitted = blocking(add).await?;
        let operation = self.app.operations.wait(submitted.0, patience).await?;
        let answer = batch::told(&self.app, &self.call, operation)?;
        Ok(answer.and(json!(New { uuid })))
    }

    async fn discard(&mut self) {
        let Some(arrived) = self.arrived.take() else { return };
        let images = self.app.images.clone();
        if let Err(error) = blocking(move || images.discard(arrived)).await {
            tracing::warn!(error = error.detail(), "an upload was not thrown away");
        }
    }
}

/// Reads what a refused client still sends.
async fn drain(multipart: &mut Multipart<'_>) {
    while let Ok(Some(mut field)) = multipart.next_field().await {
        while let Ok(Some(_)) = field.chunk().await {}
    }
}

/// Length of the whole body: a little more than the file's.
fn announced(request: &Request<'_>) -> Result<Option<u64>> {
    let Some(text) = request.headers().get_one("Content-Length") else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| Error::bad_input("request-malformed"))
}

fn boundary(request: &Request<'_>) -> Result<String> {
    let kind = request.headers().get_one("Content-Type").unwrap_or_default();
    multer::parse_boundary(kind).map_err(|cause| {
        Error::bad_input("upload-not-multipart").arg("field", "file").because(cause)
    })
}

pub fn too_large(limit: u64) -> Error {
    Error::bad_input("upload-too-large").arg("limit", limit >> 30)
}

fn broken(cause: multer::Error) -> Error {
    let error = match &cause {
        multer::Error::FieldSizeExceeded { field_name, .. } => Error::bad_input("text-too-long")
            .arg("field", field_name.as_deref().unwrap_or_default())
            .arg("limit", input::NAME_LIMIT),
        _ => Error::bad_input("upload-broken-off"),
    };
    error.because(cause)
}

/// Gives at most one piece each time it is asked for as many as there are: multer takes all that is
/// ready into memory, which for a client faster than the disk would be the whole file.
struct OnePerPoll<S> {
    inner: S,
    paused: bool,
}

impl<S> OnePerPoll<S> {
    fn new(inner: S) -> Self {
        Self { inner, paused: false }
    }
}

impl<S: Stream<Item = std::io::Result<Bytes>> + Unpin> Stream for OnePerPoll<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.paused) {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.inner).poll_next(task);
        self.paused = matches!(polled, Poll::Ready(Some(_)));
        polled
    }
}
