//! What a request shows to one origin, and to no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::error::{Error, Reason};
use crate::url::{Origin, Url};

/// Headers for one origin only; cannot be printed.
#[derive(Clone)]
pub struct Credential {
    origin: Origin,
    headers: HeaderMap,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credential({})", self.origin)
    }
}

impl Credential {
    /// `Authorization: Bearer` for the origin of `url`.
    ///
    /// # Errors
    /// When the token cannot be in a header.
    pub fn bearer(url: &Url, token: &str) -> Result<Self, Error> {
        Self::authorization(url, &format!("Bearer {token}"))
    }

    /// `Authorization: Basic` for the origin of `url`.
    ///
    /// # Errors
    /// When the user's name has a colon.
    pub fn basic(url: &Url, user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            return Err(Error::refused(&url.origin().to_string(), Reason::Credential));
        }
        Self::authorization(url, &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// The headers that the server gave for `url`, such as an LFS action's.
    pub fn headers(url: &Url, mut headers: HeaderMap) -> Self {
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Self { origin: url.origin().clone(), headers }
    }

    fn authorization(url: &Url, value: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(value)
            .map_err(|_not_shown| Error::refused(&url.origin().to_string(), Reason::Credential))?;
        Ok(Self::headers(url, HeaderMap::from_iter([(AUTHORIZATION, value)])))
    }

    pub(crate) fn for_origin(&self, origin: &Origin) -> Option<&HeaderMap> {
        (self.origin == *origin).then_some(&self.headers)
    }
}
