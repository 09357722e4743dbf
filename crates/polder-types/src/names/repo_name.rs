//! What a repository may be called, and how its whole name is written.

use std::fmt;
use std::str::FromStr;

use super::{AccountName, NameError, RepoKind, shown};
use crate::limits::REPO_NAME_BYTES_MAX;

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
