//! The web console, built from `static/` and embedded. Without a built console one page says how to
//! build it.

use std::borrow::Cow;
use std::path::PathBuf;

use rocket::http::uri::Segments;
use rocket::http::uri::fmt::Path;
use rocket::http::{ContentType, Status};
use rocket::request::FromSegments;
use rocket::response::Responder;
use rocket::route::Route;
use rocket::{Request, Response, routes};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use super::encoding::{self, Coding};
use super::{DIALECTS, dialect, peers};

#[derive(RustEmbed)]
#[folder = "static/dist"]
#[allow_missing = true]
struct Console;

const NOT_BUILT: &str = include_str!("../../assets/console-not-built.html");

/// The page that a link in a mail leads to. Reading it confirms nothing: scanners of mail read links too.
pub const CONFIRM_PATH: &str = "account/confirm";

/// What only this server's own pages may load; noVNC draws on a canvas and connects back here.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'self'";

pub fn routes() -> Vec<Route> {
    routes![file]
}

/// Any path: also dot files must reach the 404 instead of a decoding error.
struct AnyPath(PathBuf);

impl<'r> FromSegments<'r> for AnyPath {
    type Error = std::convert::Infallible;

    fn from_segments(segments: Segments<'r, Path>) -> Result<Self, Self::Error> {
        Ok(Self(segments.to_path_buf(true).unwrap_or_default()))
    }
}

#[rocket::get("/<path..>", rank = 100)]
fn file(path: AnyPath) -> Result<File, Status> {
    let path = path.0.to_string_lossy().into_owned();
    if path == "api/docs" {
        return Ok(page("docs.html"));
    }
    // An unknown path of a document is an error in JSON, not a page.
    let is_of_api = dialect::of_path(&DIALECTS, &format!("/{path}")).is_some();
    if is_of_api && path != CONFIRM_PATH {
        return Err(Status::NotFound);
    }
    // A missing asset is an error; any other path is a page of the console.
    match find(&path) {
        None if path.starts_with("assets/") => Err(Status::NotFound),
        None => Ok(page("index.html")),
        Some(found) => Ok(found),
    }
}

fn page(name: &str) -> File {
    find(name).unwrap_or_else(|| File {
        kind: ContentType::HTML,
        is_hashed: false,
        plain: Cow::Borrowed(NOT_BUILT.as_bytes()).into(),
        coded: Vec::new(),
    })
}

/// A file as it stands and as the console's build compressed it; the compressed ones are no files of their own.
fn find(path: &str) -> Option<File> {
    let extension = path.rsplit('.').next().unwrap_or_default();
    if Coding::ALL.iter().any(|coding| coding.extension() == extension) {
        return None;
    }
    let plain = Console::get(path)?.into();
    let coded = |coding: Coding| {
        let found = Console::get(&format!("{path}.{}", coding.extension()))?;
        Some((coding, found.into()))
    };
    Some(File {
        kind: ContentType::from_extension(extension).unwrap_or(ContentType::Binary),
        // Names below `assets/` carry a hash of their content.
        is_hashed: path.starts_with("assets/"),
        plain,
        coded: Coding::ALL.into_iter().filter_map(coded).collect(),
    })
}

/// A file of the console.
struct File {
    kind: ContentType,
    is_hashed: bool,
    plain: Form,
    coded: Vec<(Coding, Form)>,
}

/// A file in one coding.
struct Form {
    data: Cow<'static, [u8]>,
    /// Of these bytes, so that a cache holds no form for another.
    tag: String,
}

impl From<EmbeddedFile> for Form {
    fn from(file: EmbeddedFile) -> Self {
        let hash = file.metadata.sha256_hash();
        Self { data: file.data, tag: format!("\"{}\"", hex::encode(&hash[..16])) }
    }
}

impl From<Cow<'static, [u8]>> for Form {
    fn from(data: Cow<'static, [u8]>) -> Self {
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&data)[..16]));
        Self { data, tag }
    }
}

impl File {
    /// The form that the client likes best of those that there are.
    fn form(self, request: &Request<'_>) -> (Option<Coding>, Form) {
        let Self { plain, mut coded, .. } = self;
        let wanted = encoding::accepted(request).into_iter();
        let place = |coding: Coding| coded.iter().position(|(have, _)| *have == coding);
        match wanted.filter_map(place).next() {
            Some(place) => {
                let (coding, form) = coded.swap_remove(place);
                (Some(coding), form)
            }
            None => (None, plain),
        }
    }
}

impl<'r> Responder<'r, 'static> for File {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        if let Some(refusal) = peers::refusal(request) {
            return Ok(refusal);
        }
        let keep = if self.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let kind = self.kind.clone();
        let (coding, form) = self.form(request);
        let mut response = Response::build();
        response.header(kind);
        response.raw_header("Cache-Control", keep);
        response.raw_header("Content-Security-Policy", POLICY);
        response.raw_header("X-Content-Type-Options", "nosniff");
        response.raw_header("Referrer-Policy", "same-origin");
        response.raw_header("Vary", "Accept-Encoding");
        if let Some(coding) = coding {
            response.raw_header("Content-Encoding", coding.word());
        }
        let is_known = encoding::is_known(request, &form.tag);
        response.raw_header("ETag", form.tag);
        if is_known {
            response.status(Status::NotModified);
        } else {
            response.sized_body(form.data.len(), std::io::Cursor::new(form.data));
        }
        response.ok()
    }
}
