//! The URL under which clients reach the hub.

use std::fmt;

use crate::Error;

/// `http://host[:port]` or `https://host[:port]`, with a path if a proxy serves the hub under one;
/// without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Checks and tidies a URL; one slash at the end is dropped.
    ///
    /// # Errors
    /// When it is not such a URL, or carries a query or a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::plain(format!(
                "public-url: `{text}` must be like https://hub.example.org, without a query or a password"
            ))
        };
        let uri: http::Uri = text.parse().map_err(|_error| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let path = uri.path().trim_end_matches('/');
        let bare = uri.query().is_none() && !text.contains(['#', '@']) && !path.contains("//");
        if !matches!(scheme, "http" | "https") || !bare || authority.host().is_empty() {
            return Err(wrong());
        }
        Ok(Self(format!("{scheme}://{authority}{path}")))
    }

    /// The URL of a hub that is reached at the address it listens on.
    pub fn of_address(scheme: &str, address: std::net::SocketAddr) -> Self {
        Self(format!("{scheme}://{address}"))
    }

    /// The URL of a hub that has a name and speaks TLS.
    pub fn of_domain(domain: &str, port: u16) -> Self {
        Self(if port == 443 { format!("https://{domain}") } else { format!("https://{domain}:{port}") })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL with a user name and a password in it, as git takes it.
    #[must_use]
    pub fn with_login(&self, user: &str, password: &str) -> String {
        match self.0.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{user}:{password}@{rest}"),
            None => self.0.clone(),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
