//! What an account may be called, here and on other hubs.

use std::fmt;
use std::str::FromStr;

use super::{NameError, shown};
use crate::limits::{NAMESPACE_BYTES_MAX, ORIGIN_BYTES_MAX};

/// Words that a namespace can never be, because a path of this or a sister surface starts with them.
const RESERVED: &[&str] = &[
    "about",
    "admin",
    "api",
    "assets",
    "auth",
    "blog",
    "buckets",
    "cas",
    "chat",
    "collections",
    "commit",
    "contact",
    "datasets",
    "docs",
    "enterprise",
    "events",
    "explore",
    "favicon",
    "feed",
    "files",
    "git",
    "go",
    "healthz",
    "help",
    "hub",
    "info",
    "internal",
    "issues",
    "jobs",
    "join",
    "kernels",
    "lfs",
    "local",
    "login",
    "logout",
    "me",
    "metrics",
    "mirror",
    "mirrors",
    "models",
    "modelscope",
    "new",
    "notifications",
    "null",
    "oauth",
    "openapi",
    "organizations",
    "orgs",
    "papers",
    "polder",
    "posts",
    "pricing",
    "privacy",
    "raw",
    "readyz",
    "resolve",
    "robots",
    "root",
    "search",
    "security",
    "settings",
    "signup",
    "sitemap",
    "spaces",
    "static",
    "status",
    "support",
    "system",
    "tasks",
    "terms",
    "trending",
    "undefined",
    "uploads",
    "user",
    "users",
    "v1",
    "v2",
    "webhooks",
    "well-known",
    "xet",
];

/// A user's or organisation's name: the first part of a repository's path.
///
/// Letters, digits, `-` and `_`, starting and ending with a letter or digit, at most 39, no `--`,
/// none of the reserved words. Compared ignoring case ([`AccountName::fold`]), shown as written.
///
/// With a dot and the origin of another hub after it, the name of an account there.
///
/// ```
/// use polder_types::AccountName;
/// let there: AccountName = "acme.hub.example.org_8443".parse().unwrap();
/// assert_eq!((there.handle(), there.origin()), ("acme", Some("hub.example.org_8443")));
/// assert_eq!("acme".parse::<AccountName>().unwrap().origin(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// As written by its owner.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is called on its own hub.
    pub fn handle(&self) -> &str {
        self.0.split_once('.').map_or(self.as_str(), |(handle, _)| handle)
    }

    /// The other hub whose account it is; `None` for one of this hub.
    pub fn origin(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, origin)| origin)
    }

    /// Whether it is an account of another hub.
    pub fn is_remote(&self) -> bool {
        self.origin().is_some()
    }

    /// The name that this account of the hub `origin` has elsewhere.
    ///
    /// # Errors
    /// When it has an origin already, or `origin` is none.
    pub fn at(&self, origin: &str) -> Result<Self, NameError> {
        format!("{self}.{origin}").parse()
    }

    /// The form in which two names are the same name.
    pub fn fold(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |problem| Err(NameError { name: shown(text), problem });
        let (handle, origin) =
            text.split_once('.').map_or((text, None), |(handle, origin)| (handle, Some(origin)));
        if handle.is_empty() || handle.len() > NAMESPACE_BYTES_MAX {
            return fail("must have 1 to 39 characters");
        }
        if !handle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return fail("may only have letters, digits, `-` and `_`");
        }
        if !edges_are_alphanumeric(handle) {
            return fail("must start and end with a letter or digit");
        }
        if handle.contains("--") {
            return fail("must not have `--`");
        }
        if RESERVED.contains(&handle.to_ascii_lowercase().as_str()) {
            return fail("is reserved");
        }
        if origin.is_some_and(|origin| !is_origin(origin)) {
            return fail("has a dot, but no other hub's host name after it");
        }
        Ok(Self(text.to_owned()))
    }
}

/// The host of a hub, and `_<port>` where that is not the usual one. One label alone is none: a name with
/// one dot in it is more likely to be a file's.
fn is_origin(text: &str) -> bool {
    let (host, port) = text.split_once('_').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && edges_are_alphanumeric(label)
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == port);
    text.len() <= ORIGIN_BYTES_MAX
        && (host.contains('.') || port.is_some())
        && host.split('.').all(is_label)
        && port.is_none_or(is_port)
}

fn edges_are_alphanumeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}
