//! The web console, built from `static/` and embedded. Without a built console one page says how to
//! build it.

use std::borrow::Cow;
use std::path::PathBuf;

use rocket::http::uri::Segments;
use rocket::http::uri::fmt::Path;
use rocket::http::{ContentType, Header, Status};
use rocket::request::FromSegments;
use rocket::response::Responder;
use rocket::route::Route;
use rocket::{Request, Response, routes};
use rust_embed::RustEmbed;

use super::{DIALECTS, dialect, in_flight, peers};

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
    match Console::get(&path) {
        Some(found) => Ok(embedded(&path, found.data)),
        // A missing asset is an error; any other path is a page of the console.
        None if path.starts_with("assets/") => Err(Status::NotFound),
        None => Ok(page("index.html")),
    }
}

fn page(name: &str) -> File {
    match Console::get(name) {
        Some(found) => embedded(name, found.data),
        None => embedded("index.html", Cow::Borrowed(NOT_BUILT.as_bytes())),
    }
}

fn embedded(path: &str, data: Cow<'static, [u8]>) -> File {
    let extension = path.rsplit('.').next().unwrap_or_default();
    let kind = ContentType::from_extension(extension).unwrap_or(ContentType::Binary);
    File { kind, data, is_hashed: path.starts_with("assets/") }
}

/// A file of the console.
struct File {
    kind: ContentType,
    data: Cow<'static, [u8]>,
    /// Names below `assets/` carry a hash of their content.
    is_hashed: bool,
}

impl<'r> Responder<'r, 'static> for File {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        let refused = in_flight::refusal(request).or_else(|| peers::refusal(request));
        if let Some(refusal) = refused {
            return Ok(refusal);
        }
        let keep = if self.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut response = Response::build();
        response.header(self.kind);
        response.header(Header::new("Cache-Control", keep));
        response.header(Header::new("Content-Security-Policy", POLICY));
        response.header(Header::new("X-Content-Type-Options", "nosniff"));
        response.header(Header::new("Referrer-Policy", "same-origin"));
        response.sized_body(self.data.len(), std::io::Cursor::new(self.data));
        response.ok()
    }
}
