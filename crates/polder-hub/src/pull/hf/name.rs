//! What a repository on such a server is called.

use std::fmt;
use std::str::FromStr;

use polder_egress::Url;
use polder_types::RepoKind;

use crate::error::{Error, Result};

/// What a source begins with that names its server.
pub(in crate::pull) const WITH_SERVER: &str = "hf+";
/// What a source begins with that leaves the server to the configuration.
const WITHOUT_SERVER: &str = "hf:";
/// Longest part of a name, in bytes.
const PART_BYTES_MAX: usize = 96;
/// Longest revision, in bytes.
const REVISION_BYTES_MAX: usize = 256;

/// A repository, or one revision of it, on a server that speaks the Hugging Face API.
///
/// As text `hf+https://server/datasets/acme/d@v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HfRepo {
    endpoint: Url,
    kind: RepoKind,
    /// `acme/d`.
    id: String,
    revision: Option<String>,
}

impl HfRepo {
    /// Reads a source; `None` for one of another kind. `endpoint` is the server of those that name none.
    ///
    /// # Errors
    /// When it begins like one and is none.
    pub(crate) fn parse(text: &str, endpoint: &str) -> Result<Option<Self>> {
        if let Some(named) = text.strip_prefix(WITH_SERVER) {
            return named.parse().map(Some);
        }
        let Some(short) = text.strip_prefix(WITHOUT_SERVER) else { return Ok(None) };
        format!("{}/{short}", endpoint.trim_end_matches('/')).parse().map(Some)
    }

    /// The server.
    pub(crate) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// What stands in front of the name in its pages, and the name.
    pub(crate) fn path(&self) -> String {
        format!("{}{}", self.kind.prefix(), self.id)
    }

    /// The revision that was asked for.
    pub(crate) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The page for people.
    pub(crate) fn page(&self) -> String {
        format!("{}/{}", self.base(), self.path())
    }

    /// Where git and git-lfs would find it.
    pub(crate) fn git_url(&self) -> Result<Url> {
        Ok(format!("{}/{}.git", self.base(), self.path()).parse()?)
    }

    /// What the API has at `rest` of this repository, whose parts are quoted.
    pub(crate) fn api_url(&self, rest: &str) -> Result<Url> {
        Ok(format!("{}/api/{}/{}{rest}", self.base(), self.kind.plural(), self.id).parse()?)
    }

    /// A file of a commit.
    pub(crate) fn file_url(&self, sha: &str, path: &str) -> Result<Url> {
        Ok(format!("{}/{}/resolve/{sha}/{}", self.base(), self.path(), quoted(path, "/")).parse()?)
    }

    fn base(&self) -> String {
        self.endpoint.to_string().trim_end_matches('/').to_owned()
    }
}

impl fmt::Display for HfRepo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{WITH_SERVER}{}", self.page())?;
        self.revision.iter().try_for_each(|revision| write!(out, "@{revision}"))
    }
}

/// Reads the text without its `hf+`.
impl FromStr for HfRepo {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "a source is written hf:acme/m, hf:datasets/acme/d or hf+https://server/acme/m, with @revision \
             behind it for one revision",
            )
        };
        // An `@` in front of the path is for the URL to refuse.
        let path_at = text.find("://").and_then(|at| Some(at + 3 + text.get(at + 3..)?.find('/')?));
        let (server, path) = text.split_at_checked(path_at.ok_or_else(wrong)?).ok_or_else(wrong)?;
        let (path, revision) = match path.split_once('@') {
            Some((path, revision)) => (path, Some(revision)),
            None => (path, None),
        };
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (Some(name), Some(namespace)) = (parts.pop(), parts.pop()) else { return Err(wrong()) };
        let kind = parts.last().and_then(|word| RepoKind::from_plural(word));
        if kind.is_some() {
            parts.pop();
        }
        let revision_is_right = revision.is_none_or(is_revision);
        if !is_part(name) || !is_part(namespace) || !revision_is_right || name.strip_suffix(".git").is_some()
        {
            return Err(wrong());
        }
        let endpoint: Url = [&[server], parts.as_slice()].concat().join("/").parse()?;
        if endpoint.query().is_some() {
            return Err(wrong());
        }
        let (kind, id) = (kind.unwrap_or(RepoKind::Model), format!("{namespace}/{name}"));
        Ok(Self { endpoint, kind, id, revision: revision.map(str::to_owned) })
    }
}

/// As the clients have it.
fn is_part(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= PART_BYTES_MAX
        && text.chars().all(|c| is_word(c) || matches!(c, '-' | '.'))
        && text.starts_with(is_word)
        && text.ends_with(is_word)
        && !text.contains("--")
        && !text.contains("..")
}

fn is_revision(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\');
    !text.is_empty() && text.len() <= REVISION_BYTES_MAX && text.chars().all(is_plain)
}

/// The digits of `%XX`.
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A text as it stands in a URL, leaving alone what is in `kept`.
pub(super) fn quoted(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || (c.is_ascii() && kept.contains(c)) {
            out.push(c);
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(*HEX.get(usize::from(digit)).unwrap_or(&b'0'))),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> HfRepo {
        HfRepo::parse(text, "https://hub.example/under/").expect(text).expect("of this kind")
    }

    #[test]
    fn a_source_says_server_kind_name_and_revision_and_is_read_again_as_it_is_written() {
        for (text, written) in [
            ("hf:acme/m", "hf+https://hub.example/under/acme/m"),
            ("hf:models/acme/m", "hf+https://hub.example/under/acme/m"),
            ("hf:datasets/acme/d@v1.0", "hf+https://hub.example/under/datasets/acme/d@v1.0"),
            ("hf+http://10.0.0.1:8090/spaces/a/b@refs/pr/1", "hf+http://10.0.0.1:8090/spaces/a/b@refs/pr/1"),
        ] {
            assert_eq!(parsed(text).to_string(), written);
            assert_eq!(parsed(written), parsed(text));
        }
        let one = parsed("hf:datasets/acme/d@v1");
        assert_eq!(one.git_url().expect("url").to_string(), "https://hub.example/under/datasets/acme/d.git");
        assert_eq!(one.api_url("/refs").expect("url").path(), "/under/api/datasets/acme/d/refs");
        let file = one.file_url("abc", "a b/fi#le%é.txt").expect("url");
        assert_eq!(file.path(), "/under/datasets/acme/d/resolve/abc/a%20b/fi%23le%25%C3%A9.txt");
    }

    #[test]
    fn what_is_no_name_is_refused_and_no_password_shown() {
        for wrong in [
            "hf:",
            "hf:m",
            "hf:acme/",
            "hf:acme/..",
            "hf:acme/m@",
            "hf:acme/m@a?b",
            "hf:acme/m.git",
            "hf:acme/m?x=y",
            "hf:a%2F/m",
            "hf+ssh://h/a/b",
            "hf+https://ada:secret@h/acme/m",
            "hf+https://h",
        ] {
            let refused = HfRepo::parse(wrong, "https://hub.example").expect_err(wrong);
            assert!(!refused.message().contains("secret"), "{refused}");
        }
        assert!(
            HfRepo::parse("https://h/acme/m.git", "https://hub.example").expect("another kind").is_none()
        );
    }
}
