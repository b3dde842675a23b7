//! Uploads that go on where they were cut, in the form of the protocol tus 1.0.0 ([`wire`]).
//!
//! ```text
//!   POST    creates one: its length, and what it is to become      HEAD    how much of it is there
//!   PATCH   the next bytes of it; behind the last it is checked    DELETE  throws it away
//! ```
//!
//! Its uuid is the image's to be, and the subject of the operation that checks it.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use rocket::data::{ByteUnit, Data as Body, DataStream};
use rocket::futures::StreamExt;
use rocket::futures::future::BoxFuture;
use rocket::http::Method;
use rocket::{Request, Shutdown};
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::image_upload::too_large;
use super::upload_fields::{Fields, What};
use super::{base_images, isos};
use crate::api::answer::Data;
use crate::api::body::drain;
use crate::api::call::{Call, parse_uuid};
use crate::api::endpoint::{Endpoint, Streamed, get, streaming};
use crate::api::input::NoInput;
use crate::api::work::blocking;
use crate::api::{App, time};
use crate::error::{Error, Result};
use crate::identity::Permission;
use crate::images::{
    Appending, Arrived, IsoType, NewKind, NewUpload, Progressed, Unfinished, require_within,
};
use crate::store::UserId;
use wire::{EXTENSIONS, Metadata, PART, Told, answer, bytes, require_version};

const PATH: &str = "/api/v1.0/uploads";
const ONE: &str = "/api/v1.0/uploads/{upload}";
/// Bytes read at once.
const PIECE: usize = 128 << 10;
/// How long a refused client is listened to, so that it gets to read why.
const DRAIN: Duration = Duration::from_secs(10);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        streaming(Method::Options, "carrel.uploads.options", PATH, options)
            .public()
            .without_body()
            .summary("What this server can do of tus 1.0.0, the protocol for uploads that go on where they were cut"),
        get("carrel.uploads.list", PATH, list)
            .needs(Permission::ImagesManage)
            .summary("One's own uploads that are not whole yet, newest first"),
        streaming(Method::Post, "carrel.uploads.create", PATH, create)
            .needs(Permission::ImagesManage)
            .audited(base_images::MODULE, "log-upload-begin")
            .summary(
                "Begin an upload (tus 1.0.0): Upload-Length in bytes; Upload-Metadata with kind (base_image or iso), \
                 name, os_type, pool or iso_type, disk of an OVA, filename",
            ),
        streaming(Method::Head, "carrel.uploads.offset", ONE, offset)
            .needs(Permission::ImagesManage)
            .summary("How many bytes of an upload are there and stay: header Upload-Offset (tus 1.0.0)"),
        streaming(Method::Patch, "carrel.uploads.append", ONE, append)
            .needs(Permission::ImagesManage)
            .without_body()
            .summary("The next bytes of an upload, from Upload-Offset on (tus 1.0.0); behind the last it is checked"),
        streaming(Method::Delete, "carrel.uploads.cancel", ONE, cancel)
            .needs(Permission::ImagesManage)
            .without_body()
            .audited(base_images::MODULE, "log-upload-cancel")
            .summary("Throw an upload away that is not whole yet (tus 1.0.0)"),
        streaming(Method::Post, "carrel.uploads.by-post", ONE, by_post)
            .needs(Permission::ImagesManage)
            .summary("PATCH or DELETE of an upload, named in X-HTTP-Method-Override, where a proxy lets only POST pass"),
    ]
}

/// An upload that can be continued.
#[derive(Debug, Serialize, JsonSchema)]
struct UploadView {
    /// Also the image's to be.
    uuid: Uuid,
    /// `base_image` or `iso`
    kind: &'static str,
    name: String,
    os_type: String,
    /// Of a base image: uuid of its pool.
    pool: Option<Uuid>,
    /// Of an ISO: 1 software, 2 tools, 3 operating system
    iso_type: Option<u8>,
    /// Of the client's file, as it said.
    file_name: String,
    /// By which the client knows its file again, as it said.
    fingerprint: String,
    /// Bytes.
    size: u64,
    /// Bytes that have arrived, as of the end of the last part.
    received: u64,
    created_at: String,
    /// When it is thrown away unless it is continued before.
    expires_at: String,
}

impl From<Unfinished> for UploadView {
    fn from(upload: Unfinished) -> Self {
        let Unfinished { uuid, received, created_at, expires_at, .. } = upload;
        let NewUpload { image, metadata, size } = upload.new;
        let metadata = Metadata::read(&metadata).unwrap_or_default();
        let (kind, pool, iso_type) = match image.kind {
            NewKind::Base(pool) => ("base_image", Some(pool), None),
            NewKind::Iso(of) => ("iso", None, Some(IsoType::number(of))),
        };
        let told = |key| metadata.text(key).unwrap_or_default();
        Self {
            uuid,
            kind,
            name: image.name,
            os_type: image.os_type,
            pool,
            iso_type,
            file_name: told("filename"),
            fingerprint: told("fingerprint"),
            size,
            received,
            created_at: time::text(created_at),
            expires_at: time::text(expires_at),
        }
    }
}

fn list(app: &App, call: &mut Call, _: NoInput) -> Result<Data<Vec<UploadView>>> {
    let uploads = app.images.unfinished_uploads(owner(call)?)?;
    Ok(Data(uploads.into_iter().map(UploadView::from).collect()))
}

fn owner(call: &Call) -> Result<UserId> {
    call.caller().map(|caller| caller.user_id)
}

/// Does the work, and answers as the protocol has it.
fn answering<'r, F>(
    app: Arc<App>,
    call: Call,
    work: impl FnOnce(Arc<App>, Arc<Call>) -> F + Send + 'r,
) -> BoxFuture<'r, Result<Streamed<'r>>>
where
    F: Future<Output = Result<Told>> + Send + 'r,
{
    Box::pin(async move {
        let call = Arc::new(call);
        let told = work(Arc::clone(&app), Arc::clone(&call)).await;
        Ok(answer(&app, &call, told))
    })
}

fn options<'r>(
    app: Arc<App>,
    call: Call,
    _: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    answering(app, call, move |app, _| async move {
        let limit = upload_limit(&app).await?;
        Ok(Told::new(204).with("Tus-Max-Size", limit).with("Tus-Extension", EXTENSIONS))
    })
}

async fn upload_limit(app: &Arc<App>) -> Result<u64> {
    let live = app.live.clone();
    Ok(blocking(move || live.now()).await?.upload_limit())
}

fn create<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    body: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    answering(app, call, move |app, call| async move {
        let made = made(&app, &call, request).await;
        // Its bytes come by PATCH.
        drain(body).await;
        made
    })
}

async fn made(app: &Arc<App>, call: &Arc<Call>, request: &Request<'_>) -> Result<Told> {
    require_version(request)?;
    let size = bytes(request, "Upload-Length")?;
    let size = size.ok_or_else(|| Error::bad_input("upload-length-missing"))?;
    if size == 0 {
        return Err(Error::bad_input("upload-empty"));
    }
    let limit = upload_limit(app).await?;
    if size > limit {
        return Err(too_large(limit));
    }
    let new = new_upload(request.headers().get_one("Upload-Metadata").unwrap_or_default(), size)?;
    call.note.about(new.image.name.clone());
    let (images, owner, note) = (app.images.clone(), owner(call)?, call.note.clone());
    let begin = move || note.accompany(|| images.begin_upload(owner, new));
    let Unfinished { uuid, expires_at, .. } = blocking(begin).await?;
    Ok(Told::new(201)
        .with("Location", format_args!("{PATH}/{uuid}"))
        .with("Upload-Expires", time::http(expires_at)))
}

fn new_upload(header: &str, size: u64) -> Result<NewUpload> {
    let metadata = Metadata::read(header)?;
    let what = match metadata.required("kind")? {
        "base_image" => What::BaseImage(parse_uuid(metadata.required("pool")?)?),
        "iso" => What::Iso,
        other => return Err(Error::bad_input("upload-kind-unknown").arg("value", other)),
    };
    let text = |key| metadata.text(key);
    let mut fields = Fields {
        name: text("name"),
        os_type: text("os_type"),
        iso_type: text("iso_type"),
        disk: text("disk"),
    };
    fields.name_by_file(what, metadata.get("filename"));
    Ok(NewUpload { image: fields.complete(what)?, metadata: header.to_owned(), size })
}

fn offset<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    answering(app, call, move |app, call| async move {
        require_version(request)?;
        let upload = found(&app, &call).await?;
        stands(&app, &call, upload).await
    })
}

/// The upload that is meant, which must be the caller's.
async fn found(app: &Arc<App>, call: &Arc<Call>) -> Result<Unfinished> {
    let (images, owner, uuid) = (app.images.clone(), owner(call)?, call.uuid("upload")?);
    let found = blocking(move || images.unfinished_upload(owner, uuid)).await?;
    call.note.about(found.new.image.name.clone());
    Ok(found)
}

async fn stands(app: &Arc<App>, call: &Arc<Call>, upload: Unfinished) -> Result<Told> {
    let told = Told::new(200)
        .with("Upload-Length", upload.new.size)
        .with("Upload-Metadata", &upload.new.metadata)
        .with("Upload-Expires", time::http(upload.expires_at));
    let (images, call) = (app.images.clone(), Arc::clone(call));
    let look = move || images.upload_offset(&call.actor, &upload);
    Ok(told.with("Upload-Offset", blocking(look).await?))
}

fn append<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    body: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    answering(app, call, move |app, call| async move { appended(&app, &call, request, body).await })
}

async fn appended(
    app: &Arc<App>,
    call: &Arc<Call>,
    request: &Request<'_>,
    body: Body<'_>,
) -> Result<Told> {
    let (appending, left) = match opened(app, call, request).await {
        Ok(opened) => opened,
        Err(refused) => {
            // A client that is still sending would see a broken connection instead of the reason.
            drain(body).await;
            return Err(refused);
        }
    };
    let mut pieces = ReaderStream::with_capacity(body.open(ByteUnit::from(u64::MAX)), PIECE);
    let carried = carried(appending, &mut pieces, left, request.rocket().shutdown()).await;
    if carried.as_ref().is_err_and(|error| error.key() != "server-stopping") {
        // As above.
        let rest = async { while let Some(Ok(_)) = pieces.next().await {} };
        let _ = tokio::time::timeout(DRAIN, rest).await;
    }
    match carried {
        Ok(Progressed::Part { offset, expires_at }) => Ok(Told::new(204)
            .with("Upload-Offset", offset)
            .with("Upload-Expires", time::http(expires_at))),
        Ok(Progressed::Whole(arrived)) => {
            let size = arrived.size;
            add(app, call, *arrived).await?;
            Ok(Told::new(204).with("Upload-Offset", size))
        }
        Err(error) => Err(error),
    }
}

/// Opens the way for the bytes that come, and says how many may.
async fn opened(
    app: &Arc<App>,
    call: &Arc<Call>,
    request: &Request<'_>,
) -> Result<(Appending, u64)> {
    require_version(request)?;
    let kind = request.headers().get_one("Content-Type").unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case(PART) {
        return Err(Error::bad_input("upload-not-a-part").arg("wanted", PART));
    }
    let from = bytes(request, "Upload-Offset")?;
    let from = from.ok_or_else(|| Error::bad_input("upload-offset-missing"))?;
    let upload = found(app, call).await?;
    let size = upload.new.size;
    require_within(from, bytes(request, "Content-Length")?.unwrap_or(0), size)?;
    let images = app.images.clone();
    let appending = blocking(move || images.append_upload(upload, from)).await?;
    Ok((appending, size - from))
}

/// Why no more bytes are taken.
enum End {
    /// These were all, or the client has gone.
    Over,
    Refused(Error),
    /// What was sent is not what it was to be.
    Rejected(Error),
}

/// Carries the bytes of a part. What has arrived when it ends stays, unless it is rejected.
async fn carried(
    mut appending: Appending,
    pieces: &mut ReaderStream<DataStream<'_>>,
    left: u64,
    mut shutdown: Shutdown,
) -> Result<Progressed> {
    let (mut taken, writer) = (0, appending.writer());
    let end = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = &mut shutdown => break End::Refused(Error::busy("server-stopping")),
            () = writer.stop.cancelled() => break End::Refused(Error::busy("upload-in-use")),
        };
        let piece = match piece {
            Some(Ok(piece)) => piece,
            Some(Err(cause)) => {
                tracing::debug!(%cause, "a part of an upload ended early");
                break End::Over;
            }
            None => break End::Over,
        };
        taken += piece.len() as u64;
        if let Err(error) = require_within(0, taken, left) {
            break End::Refused(error);
        }
        match appending.write(&piece).await {
            Ok(()) => {}
            Err(error) if error.key() == "not-an-iso" => break End::Rejected(error),
            // The node has stopped by itself, with what had arrived.
            Err(error) => return Err(error),
        }
    };
    match end {
        End::Over => appending.end().await,
        End::Refused(error) => match appending.end().await? {
            // Every byte was there: what was too much is not asked for.
            whole @ Progressed::Whole(_) => Ok(whole),
            Progressed::Part { .. } => Err(error),
        },
        End::Rejected(error) => {
            appending.reject().await?;
            Err(error)
        }
    }
}

/// From now on it goes the way of every upload. The line of the log is that of every upload, too.
async fn add(app: &Arc<App>, call: &Arc<Call>, arrived: Arrived) -> Result<()> {
    let (app, call) = (Arc::clone(app), Arc::clone(call));
    blocking(move || {
        let upload = app.images.unfinished_upload(owner(&call)?, arrived.uuid)?;
        let row = match upload.is_iso() {
            true => ("log-iso-upload", isos::MODULE),
            false => ("log-image-upload", base_images::MODULE),
        };
        call.note.open(Some(row), &call.actor);
        let add = || app.images.add_upload(&call.actor, &upload, arrived);
        call.note.accompany(add)?;
        call.note.goes_on();
        Ok(())
    })
    .await
}

fn cancel<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    _: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    answering(app, call, move |app, call| async move {
        require_version(request)?;
        let upload = found(&app, &call).await?;
        let (images, note) = (app.images.clone(), call.note.clone());
        blocking(move || note.accompany(|| images.cancel_upload(&upload))).await?;
        Ok(Told::new(204))
    })
}

fn by_post<'r>(
    app: Arc<App>,
    call: Call,
    request: &'r Request<'_>,
    body: Body<'r>,
) -> BoxFuture<'r, Result<Streamed<'r>>> {
    let meant = request.headers().get_one("X-HTTP-Method-Override").unwrap_or_default();
    match meant.trim() {
        "PATCH" => append(app, call, request, body),
        "DELETE" => {
            call.note.open(Some(("log-upload-cancel", base_images::MODULE)), &call.actor);
            cancel(app, call, request, body)
        }
        other => {
            let error = Error::bad_input("upload-method-unknown").arg("value", other);
            answering(app, call, move |_, _| async move {
                drain(body).await;
                Err(error)
            })
        }
    }
}
