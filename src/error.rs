//! What can go wrong, once.
//!
//! An [`Error`] has two voices. To the person who asked it is a message key with arguments, which
//! `api` looks up in the catalogue of the reader's language (`assets/messages/*.ftl`). To the log it
//! is also the chain of causes, which never leaves the server.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::task::JoinError;

/// Shorthand used everywhere.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind decides the status that a dialect answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The request itself is wrong; repeating it unchanged is useless.
    BadInput,
    /// No valid session, token or key came with the request.
    NotSignedIn,
    /// Signed in, but without the permission.
    Forbidden,
    /// What the request names does not exist.
    NotFound,
    /// The path exists, for other methods.
    WrongMethod,
    /// It contradicts what exists: a name taken, an object in use.
    Conflict,
    /// Another operation works on the same object now.
    Busy,
    /// Disk, memory or addresses are used up.
    NoRoom,
    /// The node, or libvirt on it, does not answer.
    NodeUnreachable,
    /// Asked too often; later it may work.
    TooMany,
    /// The caller asked to stop.
    Cancelled,
    /// A defect or a broken environment; the details are in the log only.
    Internal,
}

/// A failure with its message for people and its cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    key: Cow<'static, str>,
    args: Vec<(Cow<'static, str>, String)>,
    reason: Option<Box<Fault>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// `key` is the identifier of a message in `assets/messages/*.ftl`.
    pub fn new(kind: Kind, key: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, key: key.into(), args: Vec::new(), reason: None, source: None }
    }

    pub fn bad_input(key: &'static str) -> Self {
        Self::new(Kind::BadInput, key)
    }

    pub fn not_found(key: &'static str) -> Self {
        Self::new(Kind::NotFound, key)
    }

    pub fn conflict(key: &'static str) -> Self {
        Self::new(Kind::Conflict, key)
    }

    pub fn busy(key: &'static str) -> Self {
        Self::new(Kind::Busy, key)
    }

    pub fn no_room(key: &'static str) -> Self {
        Self::new(Kind::NoRoom, key)
    }

    pub fn forbidden(key: &'static str) -> Self {
        Self::new(Kind::Forbidden, key)
    }

    pub fn unreachable(key: &'static str) -> Self {
        Self::new(Kind::NodeUnreachable, key)
    }

    /// A defect or broken environment. `doing` goes to the log, the reader gets a general sentence.
    pub fn internal(doing: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, "internal").because(doing.to_string())
    }

    /// Adds an argument of the message.
    pub fn arg(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.push((Cow::Borrowed(name), value.to_string()));
        self
    }

    /// Another error whose sentence is the argument `reason` of this one's, in the reader's language.
    pub fn with_reason(mut self, reason: &Self) -> Self {
        self.reason = Some(Box::new(reason.into()));
        self
    }

    /// Adds the cause, for the log.
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn args(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    pub fn reason(&self) -> Option<&Fault> {
        self.reason.as_deref()
    }

    /// The chain of causes in one line, for the log.
    pub fn detail(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(inner) = cause {
            line.push_str(": ");
            line.push_str(&inner.to_string());
            cause = inner.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        for (index, (name, value)) in self.args.iter().enumerate() {
            f.write_str(if index == 0 { " (" } else { ", " })?;
            write!(f, "{name}={value}")?;
        }
        if !self.args.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// An [`Error`] as it is kept in a row or sent over a link: the causes folded into one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: Kind,
    pub key: String,
    pub args: Vec<(String, String)>,
    /// For the log of the receiver.
    pub detail: String,
    /// Of a sentence that holds another one's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "one_reason")]
    pub reason: Option<Box<Self>>,
}

/// Whatever a peer sends, a reason has none of its own: what is nested deeper than a row may be could not be read again.
fn one_reason<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<Fault>>, D::Error> {
    let reason = Option::<Box<Fault>>::deserialize(from)?;
    Ok(reason.map(|reason| Box::new(Fault { reason: None, ..*reason })))
}

impl Fault {
    /// Without what is for the log only.
    pub fn public(&self) -> Self {
        let reason = self.reason.as_ref().map(|reason| Box::new(reason.public()));
        Self { detail: String::new(), reason, ..self.clone() }
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind,
            key: error.key.to_string(),
            args: error.args().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            detail: error.detail(),
            reason: error.reason.clone(),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let Fault { kind, key, args, detail, reason } = fault;
        let args = args.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        let error = Self { kind, key: Cow::Owned(key), args, reason, source: None };
        // It begins with what the error says of itself, else each way over a link would say it once more.
        let own = error.to_string();
        let cause = match detail.strip_prefix(&own) {
            Some("") => "",
            Some(rest) => rest.strip_prefix(": ").unwrap_or(&detail),
            None => &detail,
        };
        match cause {
            "" => error,
            cause => error.because(cause),
        }
    }
}

/// A sentence for people, as a message key with arguments, that is no error.
#[derive(Debug, Clone)]
pub struct Message {
    pub key: &'static str,
    pub args: Vec<(&'static str, String)>,
}

impl Message {
    pub const fn new(key: &'static str) -> Self {
        Self { key, args: Vec::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

/// Puts a sentence for the log on top of a foreign error; the reader gets the general one.
pub trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|cause| {
            let doing = doing.to_string();
            Error::new(Kind::Internal, "internal").because(Caused { doing, cause })
        })
    }
}

/// What work on another thread came to; `doing` tells the log of a panic. `None` when the end of the server was
/// quicker than the work: nobody needs it any more.
pub fn joined<T>(
    doing: impl fmt::Display,
    outcome: std::result::Result<Result<T>, JoinError>,
) -> Option<Result<T>> {
    match outcome {
        Ok(result) => Some(result),
        Err(cause) if cause.is_cancelled() => None,
        Err(cause) => Some(Err(cause).context(format_args!("{doing} panicked"))),
    }
}

/// As [`joined`], for work that nobody waits for: its failure goes to the log.
pub fn logged<T>(
    doing: impl fmt::Display,
    outcome: std::result::Result<Result<T>, JoinError>,
) -> Option<T> {
    match joined(&doing, outcome)? {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(error = error.detail(), "{doing} failed");
            None
        }
    }
}

#[derive(Debug)]
struct Caused<E> {
    doing: String,
    cause: E,
}

impl<E: fmt::Display> fmt::Display for Caused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl<E: StdError + 'static> StdError for Caused<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_reason_has_none_of_its_own_whatever_a_peer_sends() {
        let mut fault = Fault::from(&Error::conflict("innermost"));
        for depth in 0..200 {
            let outer = Fault::from(&Error::conflict("outer").arg("depth", depth));
            fault = Fault { reason: Some(Box::new(fault)), ..outer };
        }
        let sent = rmp_serde::to_vec_named(&fault).expect("bytes");
        let taken: Fault = rmp_serde::from_slice(&sent).expect("a fault");
        let kept = serde_json::to_string(&taken).expect("text");
        let read: Fault = serde_json::from_str(&kept).expect("a row can be read again");
        assert!(read.reason.expect("the first reason").reason.is_none());
    }

    #[test]
    fn what_goes_over_links_again_and_again_says_the_same() {
        let plain = Error::conflict("storage-not-mounted").arg("path", "/s");
        let caused = Error::internal("write a file").arg("path", "/s");
        let other = Error::conflict("a").because("a: the cause begins like it");
        for error in [plain, caused, other] {
            let said = error.detail();
            let mut fault = Fault::from(error);
            for _ in 0..3 {
                fault = Fault::from(Error::from(fault));
            }
            assert_eq!(fault.detail, said);
        }
        let public = Fault::from(&Error::conflict("b").because("secret")).public();
        assert_eq!(Error::from(public).detail(), "b");
    }

    #[test]
    fn work_that_the_end_of_the_server_overtook_is_no_failure() {
        let ours = Builder::new_current_thread().build().expect("a runtime");
        let ending = Builder::new_current_thread().build().expect("a runtime");
        let handle = ending.handle().clone();
        ending.shutdown_background();
        let late = ours.block_on(handle.spawn_blocking(|| Ok(1)));
        assert!(late.as_ref().is_err_and(JoinError::is_cancelled), "{late:?}");
        assert!(joined("work", late).is_none());
    }

    #[test]
    fn work_that_panicked_is_named() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let panicked = runtime.spawn_blocking(|| -> Result<()> { panic!("on purpose") });
        let outcome = joined("reading nodes", runtime.block_on(panicked)).expect("an outcome");
        let error = outcome.expect_err("a failure");
        assert!(error.detail().contains("reading nodes panicked"), "{}", error.detail());
        let done = runtime.block_on(runtime.spawn_blocking(|| Ok(7)));
        assert_eq!(joined("work", done).expect("an outcome").expect("done"), 7);
    }
}
