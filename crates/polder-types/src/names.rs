//! Account and repository names: what may be created, and how a name is written.

use std::fmt;
use std::str::FromStr;

use crate::limits::{NAMESPACE_BYTES_MAX, ORIGIN_BYTES_MAX, REPO_NAME_BYTES_MAX};

/// Why a text is not a name; the message is written for the person who chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {problem}")]
pub struct NameError {
    name: String,
    problem: &'static str,
}

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

/// What a repository holds; each kind has its own space of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoKind {
    /// `acme/m`, also written `models/acme/m`.
    Model,
    /// `datasets/acme/d`.
    Dataset,
    /// `spaces/acme/s`.
    Space,
    /// `kernels/acme/k`.
    Kernel,
}

impl RepoKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Model, Self::Dataset, Self::Space, Self::Kernel];

    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
            Self::Kernel => "kernel",
        }
    }

    /// What stands before the namespace in a URL or id; empty for models.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
            Self::Space => "spaces/",
            Self::Kernel => "kernels/",
        }
    }

    /// The leading path word that names the kind, also where models have one.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
            Self::Kernel => "kernels",
        }
    }

    /// The kind that a leading path word names, `models` among them.
    pub fn from_plural(word: &str) -> Option<Self> {
        match word {
            "models" => Some(Self::Model),
            "datasets" => Some(Self::Dataset),
            "spaces" => Some(Self::Space),
            "kernels" => Some(Self::Kernel),
            _ => None,
        }
    }
}

impl FromStr for RepoKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of repository"))
    }
}

/// A repository as people write it: `acme/m`, `datasets/acme/d`, `spaces/…`, `kernels/…`.
///
/// ```
/// use polder_types::{RepoKind, RepoName};
/// let name: RepoName = "datasets/acme/Letters".parse().unwrap();
/// assert_eq!((name.kind(), name.name()), (RepoKind::Dataset, "Letters"));
/// assert_eq!(name.to_string(), "datasets/acme/Letters");
/// assert_eq!("models/acme/m".parse::<RepoName>().unwrap().to_string(), "acme/m");
/// assert!("acme/../m".parse::<RepoName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoName {
    kind: RepoKind,
    namespace: AccountName,
    name: String,
}

impl RepoName {
    /// Joins the parts.
    ///
    /// # Errors
    /// When `name` breaks the rule that `huggingface_hub` and Windows set for it.
    pub fn new(kind: RepoKind, namespace: AccountName, name: &str) -> Result<Self, NameError> {
        check_repo_part(name)?;
        Ok(Self { kind, namespace, name: name.to_owned() })
    }

    /// What it holds.
    pub fn kind(&self) -> RepoKind {
        self.kind
    }

    /// Whose it is.
    pub fn namespace(&self) -> &AccountName {
        &self.namespace
    }

    /// The part after the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `namespace/name` without the kind, lower case: two names that fold alike are the same name.
    pub fn fold(&self) -> String {
        format!("{}/{}", self.namespace.fold(), self.name.to_ascii_lowercase())
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}/{}", self.kind.prefix(), self.namespace, self.name)
    }
}

impl FromStr for RepoName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || NameError {
            name: shown(text),
            problem: "is not a repository: write `namespace/name`, or `datasets/namespace/name`",
        };
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [namespace, name] => (RepoKind::Model, namespace, name),
            [word, namespace, name] => (RepoKind::from_plural(word).ok_or_else(bad)?, namespace, name),
            _ => return Err(bad()),
        };
        Self::new(kind, namespace.parse()?, name)
    }
}

/// `huggingface_hub` 2.4.0's `REPO_ID_REGEX` for one part, less what Windows cannot hold.
fn check_repo_part(text: &str) -> Result<(), NameError> {
    let fail = |problem| Err(NameError { name: shown(text), problem });
    if text.is_empty() || text.len() > REPO_NAME_BYTES_MAX {
        return fail("must have 1 to 96 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return fail("may only have letters, digits, `-`, `_` and `.`");
    }
    let is_word = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_word(text.bytes().next()) || !is_word(text.bytes().last()) {
        return fail("must start and end with a letter, a digit or `_`");
    }
    if text.contains("--") || text.contains("..") {
        return fail("must not have `--` or `..`");
    }
    let lower = text.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    if matches!(last, "git" | "lock" | "ipynb") && lower.contains('.') {
        return fail("must not end in `.git`, `.lock` or `.ipynb`");
    }
    if is_windows_device(lower.split('.').next().unwrap_or_default()) {
        return fail("is the name of a device on Windows");
    }
    Ok(())
}

fn is_windows_device(stem: &str) -> bool {
    matches!(stem, "con" | "prn" | "aux" | "nul")
        || stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit())
}

fn edges_are_alphanumeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// A name fit for a message: no control characters, no great length.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in [
            "",
            "/",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a//b",
            "a/..",
            "../b",
            "a/b.git",
            "a/b.lock",
            "a/.b",
            "a/b.",
            "a/nul",
            "a/con.txt",
            "a/COM1",
            "a/b--c",
            "a--b/c",
            "a.b/c",
            "a./c",
            "a..b.c/d",
            "a.b.c./d",
            "a.-b.c/d",
            "a.b.c_0/d",
            "a.b.c_08/d",
            "a.b_c.d/e",
            "api.hub.org/d",
            "a--b.hub.org/c",
            "api/b",
            "DATASETS/b",
            "a/b c",
            "a/b\0",
            "a/b\r\n",
            "a/ü",
            "a/b%2e",
            "-a/b",
            "a/-b",
            "datasets/a/b/c",
            "planets/a/b",
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
        assert!(format!("a/{}", "x".repeat(97)).parse::<RepoName>().is_err());
        assert!(format!("{}/b", "x".repeat(40)).parse::<RepoName>().is_err());
    }

    #[test]
    fn names_that_hub_clients_make_are_accepted() {
        for good in
            ["acme/m", "a/b.c-d_e", "a/_x_", "0/1", "spaces/a/b", "kernels/A-1/b", "a/all-MiniLM-L6-v2"]
        {
            assert_eq!(good.parse::<RepoName>().expect(good).to_string(), good);
        }
    }

    #[test]
    fn names_of_other_hubs_are_accepted() {
        for good in ["acme.hub.example.org/m", "datasets/a-b_c.127.0.0.1_8080/d", "a.localhost_8080/m"] {
            let name: RepoName = good.parse().expect(good);
            assert!(name.namespace().is_remote());
            assert_eq!(name.to_string(), good);
        }
        let acme: AccountName = "acme".parse().expect("valid");
        let there = acme.at("hub.example.org").expect("valid");
        assert_eq!((there.as_str(), acme.is_remote()), ("acme.hub.example.org", false));
        assert!(acme.at("hub").is_err());
        assert!("a.".parse::<AccountName>().is_err());
    }

    #[test]
    fn fold_ignores_case_and_kind() {
        let a: RepoName = "Acme/M".parse().expect("valid");
        assert_eq!(a.fold(), "acme/m");
    }
}
