//! A repository on another git server, and what is shown there.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use polder_egress::{Allowance, Credential, Scheme, Url};
use polder_types::RepoName;

use super::hf::{HfRepo, WITH_SERVER};
use crate::error::{Error, Result};

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4 << 10;
/// The user of a token where none is said; servers that know tokens look at the token only.
const USER_DEFAULT: &str = "git";

/// A repository on another server. The token stays in its file and is read each time it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSource {
    /// Where git would find it.
    url: Url,
    /// What it is called by the Hugging Face API, if its server speaks that.
    hf: Option<HfRepo>,
    user: Option<String>,
    token_file: Option<PathBuf>,
}

impl PullSource {
    /// The repository at `url`, as git names it in `git clone`; or, written `hf+https://server/acme/m@revision`,
    /// on a server that speaks the Hugging Face API.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for a URL that is not http or https, or has a user, a password or a query in it.
    pub fn new(url: &str, user: Option<String>, token_file: Option<PathBuf>) -> Result<Self> {
        Self::or_at("", url, user, token_file)
    }

    /// The same, where `hf:acme/m` is on the server `endpoint`.
    pub(super) fn or_at(
        endpoint: &str,
        url: &str,
        user: Option<String>,
        token_file: Option<PathBuf>,
    ) -> Result<Self> {
        let hf = HfRepo::parse(url, endpoint)?;
        let url: Url = match &hf {
            Some(repo) => repo.git_url()?,
            None => url.trim_end_matches('/').parse()?,
        };
        if url.query().is_some() {
            return Err(Error::invalid(format!(
                "`{}` has a query; a repository's URL has none",
                url.origin()
            )));
        }
        if user.is_some() && token_file.is_none() {
            return Err(Error::invalid("--user goes with --token-file"));
        }
        Ok(Self { url, hf, user, token_file })
    }

    /// Its URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn hf(&self) -> Option<&HfRepo> {
        self.hf.as_ref()
    }

    /// What it is called by its server; `None` where that has no such names.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] when it cannot be called that here.
    pub fn name_there(&self) -> Result<Option<RepoName>> {
        let Some(repo) = &self.hf else { return Ok(None) };
        repo.path().parse().map(Some).map_err(|error| {
            Error::invalid(format!("`{}` cannot be a name here ({error}): give another", repo.path()))
        })
    }

    /// The user whose the token is, if that was said.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The file with the token.
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Whether a token would travel in clear.
    pub(crate) fn is_open(&self) -> bool {
        self.token_file.is_some() && self.url.origin().scheme() == Scheme::Http
    }

    pub(crate) fn allowance(&self) -> Allowance {
        Allowance::naming(&self.url)
    }

    /// What its server is shown; nothing without a token. Blocking.
    pub(crate) fn credential(&self) -> Result<Option<Credential>> {
        let user = self.user.as_deref().unwrap_or(USER_DEFAULT);
        let of = |token: String| Credential::basic(&self.url, user, &token);
        Ok(self.token()?.map(of).transpose()?)
    }

    /// The token, if there is one. Blocking.
    pub(super) fn token(&self) -> Result<Option<String>> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let failed = |error: std::io::Error| {
            let message = format!("the token file `{}` cannot be read by the hub", path.display());
            Error::invalid(message).caused_by(error)
        };
        let mut token = String::new();
        let file = File::open(path).map_err(failed)?;
        file.take(TOKEN_BYTES_MAX).read_to_string(&mut token).map_err(failed)?;
        let token = token.trim();
        if token.is_empty() {
            return Err(Error::invalid(format!("the token file `{}` is empty", path.display())));
        }
        Ok(Some(token.to_owned()))
    }
}

/// The page for people of a source as it is written.
pub(crate) fn page_of(source: &str) -> &str {
    source.strip_prefix(WITH_SERVER).unwrap_or(source)
}

impl fmt::Display for PullSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hf {
            Some(repo) => repo.fmt(out),
            None => self.url.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_in_a_file_and_never_in_a_url() {
        for wrong in
            ["https://ada:secret@h/m", "https://ada@h/m", "ssh://h/m", "git@h:m", "/tmp/m", "https://h/m?x=y"]
        {
            let refused = PullSource::new(wrong, None, None).expect_err(wrong);
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
        let hint = PullSource::new("https://ada:secret@h/m", None, None).expect_err("userinfo").to_string();
        assert!(hint.contains("token in a file"), "{hint}");
        assert!(PullSource::new("https://h/m", Some("ada".to_owned()), None).is_err());
        let source =
            PullSource::new("https://h/m/", None, Some("/nonexistent/token".into())).expect("source");
        assert_eq!(source.to_string(), "https://h/m");
        assert!(source.credential().expect_err("no file").to_string().contains("/nonexistent/token"));
    }
}
