//! The hub's one error type: a kind for the edge, a message for the client, a source for the log.

use std::error::Error as StdError;
use std::fmt;

use polder_types::{RepoName, without_secrets};

/// What the caller can do about it; every edge maps each to its own wire words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is not there, or the caller may not know that it is.
    NotFound,
    /// It was there and is not kept any more.
    Gone,
    /// It lives under another name now ([`Error::moved_to`]).
    Moved,
    /// Credentials are missing, wrong, expired or revoked.
    Unauthenticated,
    /// The caller may see it but not do this.
    Forbidden,
    /// Only its home hub takes changes; here is a mirror. The message says where.
    Mirrored,
    /// The request is wrong.
    Invalid,
    /// Someone else was first, or the name is taken.
    Conflict,
    /// Over a named limit.
    TooLarge,
    /// The namespace may not store as much.
    OverQuota,
    /// No space is left to store it.
    Full,
    /// The caller asks for too much at once, or too often; others are served ([`Error::retry_after_seconds`]).
    Throttled,
    /// Try again later ([`Error::retry_after_seconds`]).
    Unavailable,
    /// Our fault.
    Internal,
}

/// A failed use case. `Display` is the message for the client and never the source.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    moved_to: Option<Box<RepoName>>,
    retry_after_seconds: u32,
    is_gated: bool,
    is_disabled: bool,
}

/// Seconds after which a client that met a busy hub may try again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// The hub's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What clients are told of our own failures.
const FAILED: &str = "the hub failed to do this; it has been logged";

impl Error {
    /// An error of `kind` whose `message` may be shown to the client.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        // Messages name what the client sent, and clients put tokens everywhere.
        let message = without_secrets(&message.into()).into_owned();
        let retry_after_seconds = RETRY_AFTER_SECONDS;
        Self {
            kind,
            message,
            source: None,
            moved_to: None,
            retry_after_seconds,
            is_gated: false,
            is_disabled: false,
        }
    }

    /// The same, with what caused it; only the log sees that.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, FAILED).caused_by(source)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The refusal of what the operator will not have here.
    pub(crate) fn blocked(what: &str) -> Self {
        Self::new(Kind::Forbidden, format!("the operator of this hub blocked the {what}"))
    }

    /// The refusal of a signed link that is not ours, altered, or for something else.
    pub fn bad_link() -> Self {
        Self::new(Kind::Forbidden, "this link does not allow this; ask for a new one")
    }

    /// What someone who may not know whether a repository exists is told about it: without credentials
    /// to log in, else that there is no such thing.
    pub fn hidden(is_anonymous: bool, repo: &str) -> Self {
        if is_anonymous {
            return Self::new(Kind::Unauthenticated, "log in with an access token as the password");
        }
        Self::not_found(format!("there is no repository `{repo}` here that you may read"))
    }

    /// What someone is told who must ask at `url` before reading `repo`.
    pub(crate) fn gated(is_anonymous: bool, repo: &RepoName, url: &str) -> Self {
        let (kind, first) = if is_anonymous {
            (Kind::Unauthenticated, "log in with an access token and ")
        } else {
            (Kind::Forbidden, "")
        };
        let message = format!("`{repo}` is gated: {first}ask for access at {url}");
        Self { is_gated: true, ..Self::new(kind, message) }
    }

    /// What those are told who could write to `repo` before it was taken down.
    pub(crate) fn disabled(repo: &RepoName, reason: Option<&str>) -> Self {
        let message = match reason {
            Some(reason) => format!("the operator of this hub took `{repo}` down: {reason}"),
            None => format!("the operator of this hub took `{repo}` down"),
        };
        Self { is_disabled: true, ..Self::new(Kind::Forbidden, message) }
    }

    pub(crate) fn moved(to: RepoName) -> Self {
        let error = Self::new(Kind::Moved, format!("this repository is now `{to}`"));
        Self { moved_to: Some(Box::new(to)), ..error }
    }

    /// The refusal of a change to a mirror whose home is at `url`.
    pub(crate) fn mirrored(name: &RepoName, url: &str) -> Self {
        Self::new(Kind::Mirrored, format!("`{name}` is a mirror; push to its home: {url}"))
    }

    pub(crate) fn throttled(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds, ..Self::new(Kind::Throttled, message) }
    }

    /// The same, with when to try again.
    #[must_use]
    pub(crate) fn retry_after(self, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds, ..self }
    }

    /// When to try again, where that may help: the kind is [`Kind::Throttled`] or [`Kind::Unavailable`].
    pub fn retry_after_seconds(&self) -> Option<u32> {
        matches!(self.kind, Kind::Throttled | Kind::Unavailable).then_some(self.retry_after_seconds)
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the caller may know of the repository but must ask for access before reading it.
    pub fn is_gated(&self) -> bool {
        self.is_gated
    }

    /// Whether the repository is there and was taken down.
    pub fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// Text for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The name it has now, when the kind is [`Kind::Moved`].
    pub fn moved_to(&self) -> Option<&RepoName> {
        self.moved_to.as_deref()
    }

    /// Whether that is what caused it.
    pub(crate) fn is_caused_by<E: StdError + 'static>(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<E>())
    }

    /// The whole chain in one line, for the log.
    pub fn chain(&self) -> String {
        match &self.source {
            // What a client is told of our own failures says nothing to an operator.
            Some(source) if self.kind == Kind::Internal && self.message == FAILED => chain(source.as_ref()),
            _ => chain(self),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// An error and everything behind it, in one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
