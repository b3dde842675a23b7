//! Files that clients fetch: whole, or a part of them, as RFC 9110 has it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rocket::Request;
use rocket::Response;
use rocket::futures::future::BoxFuture;
use rocket::http::{ContentType, Method, Status};
use tokio::io::{AsyncRead, ReadBuf};

use super::endpoint::Streamed;
use super::range::{Part, requested};
use crate::desktops::templates;
use crate::error::Result;
use crate::images;

/// What is read of it is the file, once it is open.
pub trait Download: AsyncRead + Send + Unpin + 'static {
    fn about(&self) -> About<'_>;

    /// Begins to read, from this byte on.
    fn open(&mut self, from: u64) -> BoxFuture<'_, Result<()>>;

    /// The client has all of it.
    fn is_fetched(&self);
}

/// What a client is told of a file.
pub struct About<'a> {
    /// A safe one.
    pub file_name: &'a str,
    /// Bytes.
    pub size: u64,
    /// Another one for another content, in quotes.
    pub tag: &'a str,
}

/// Both have the same fields and methods, and nothing else in common.
macro_rules! download {
    ($type:ty) => {
        impl Download for $type {
            fn about(&self) -> About<'_> {
                About { file_name: &self.file_name, size: self.size, tag: &self.tag }
            }

            fn open(&mut self, from: u64) -> BoxFuture<'_, Result<()>> {
                Box::pin(self.open(from))
            }

            fn is_fetched(&self) {
                self.is_fetched();
            }
        }
    };
}

download!(templates::Download);
download!(images::Download);

/// What a request wants of a file.
pub struct Wanted {
    is_head: bool,
    range: Option<String>,
    if_range: Option<String>,
}

impl Wanted {
    /// A range is of what is fetched; a HEAD fetches nothing.
    pub fn of(request: &Request<'_>) -> Self {
        let is_head = request.method() == Method::Head;
        let header = |name| request.headers().get_one(name).filter(|_| !is_head);
        let text = |name| header(name).map(str::to_owned);
        Self { is_head, range: text("Range"), if_range: text("If-Range") }
    }
}

/// The file, or the part of it that is wanted.
pub async fn answer<'r>(mut download: impl Download, wanted: Wanted) -> Result<Streamed<'r>> {
    let About { size, tag, file_name } = download.about();
    let part = requested(wanted.range.as_deref(), wanted.if_range.as_deref(), tag, size);
    let (status, from, length) = match part {
        Part::Whole => (Status::Ok, 0, size),
        Part::Some { from, length } => (Status::PartialContent, from, length),
        Part::Beyond => (Status::RangeNotSatisfiable, 0, 0),
    };
    let mut response = Response::build();
    response.status(status);
    response.header(ContentType::Binary);
    response.raw_header("Cache-Control", "no-store");
    response.raw_header("Accept-Ranges", "bytes");
    response.raw_header("ETag", tag.to_owned());
    response.raw_header("Content-Disposition", disposition(file_name));
    response.raw_header("Content-Length", length.to_string());
    match part {
        Part::Whole => {}
        Part::Some { .. } => {
            let range = format!("bytes {from}-{}/{size}", from + length - 1);
            response.raw_header("Content-Range", range);
        }
        Part::Beyond => {
            response.raw_header("Content-Range", format!("bytes */{size}"));
        }
    }
    if !wanted.is_head && part != Part::Beyond {
        download.open(from).await?;
        let is_whole = part == Part::Whole;
        response.streamed_body(Reading { left: length, is_whole, download });
    }
    Ok(Streamed::Response(response.finalize()))
}

/// The name in plain letters, and in full for clients that know RFC 6266.
pub fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let full: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

/// The bytes of a download.
struct Reading<D> {
    download: D,
    left: u64,
    is_whole: bool,
}

impl<D: Download> AsyncRead for Reading<D> {
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
