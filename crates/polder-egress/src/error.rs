//! What can go wrong on the way out.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The hub does not go there; trying again changes nothing.
    Refused,
    /// No connection: the name, the address, the certificate. Later perhaps.
    Unreachable,
    /// Nothing came in time, or too little. Later perhaps.
    TimedOut,
    /// More came than may.
    TooLarge,
    /// What came is not HTTP as it must be, or ended early.
    BadAnswer,
}

/// Why the hub does not go somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Scheme,
    Userinfo,
    Host,
    TooLong,
    Unreadable,
    Credential,
    Address,
    Downgrade,
    Redirects,
}

impl Reason {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Userinfo => "userinfo",
            Self::Host => "host",
            Self::TooLong | Self::Unreadable => "url",
            Self::Credential => "credential",
            Self::Address => "address",
            Self::Downgrade => "downgrade",
            Self::Redirects => "redirects",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Scheme => "is not an http:// or https:// URL",
            Self::Userinfo => "has a user or password in it: give a token in a file instead",
            Self::Host => {
                "has no host in plain spelling (a name, or an address such as 192.0.2.1 or [2001:db8::1])"
            }
            Self::TooLong => "is too long for a URL",
            Self::Unreadable => "is not a URL",
            Self::Credential => {
                "cannot be asked with these credentials: they have characters that no header may have"
            }
            Self::Address => "is not at a public address, and no operator named this host and port",
            Self::Downgrade => "redirects from https to http",
            Self::Redirects => "redirects too often",
        }
    }
}

/// A request that failed. Its text names the place and what to do, and nothing that the other side said.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn refused(place: &str, reason: Reason) -> Self {
        metrics::counter!("polder_egress_refused_total", "reason" => reason.label()).increment(1);
        let place: String = place.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Self::new(Kind::Refused, format!("`{place}` {}", reason.says()))
    }

    #[must_use]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The error of this crate somewhere in the causes of `error`, which came through the HTTP library.
    pub(crate) fn within<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(own) = error.downcast_ref::<Self>() {
                return Some(own);
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.source.as_deref()?;
        Some(source)
    }
}
