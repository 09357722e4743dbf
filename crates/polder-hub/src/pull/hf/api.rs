//! Asking such a server: with patience where it helps, and within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use polder_egress::{Allowance, Credential, Egress, Kind as EgressKind, Request, Response, Url};
use polder_types::Visibility;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::name::{HfRepo, quoted};
use super::refused::refused;
use crate::error::{Error, Result};
use crate::pull::patience::Waits;
use crate::pull::{Patience, PullSource};

/// Most bytes of an answer of the API.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Longest that an answer of the API may take, all of it.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 180 });
/// How often something is asked for whose server is in trouble.
const TRIES_MAX: u32 = 5;
/// Pause after the first trouble; each next is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1_000 });

/// The commit that an answer is about.
const REPO_COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");

/// One repository of one server, and what that is shown.
#[derive(Clone)]
pub(in crate::pull) struct Api {
    egress: Egress,
    repo: HfRepo,
    allowance: Allowance,
    credential: Option<Credential>,
    patience: Patience,
}

/// What a server says of a repository, or of one revision of it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::pull) struct Info {
    pub(super) sha: Option<String>,
    private: Option<bool>,
    /// `false`, or how a request for access is decided.
    #[serde(default)]
    gated: Value,
    #[serde(default)]
    pub(super) siblings: Vec<Sibling>,
}

impl Info {
    /// Who may read the repository, if the server says so.
    pub(in crate::pull) fn visibility(&self) -> Option<Visibility> {
        let is_gated = !matches!(self.gated, Value::Null | Value::Bool(false));
        match self.private? {
            true => Some(Visibility::Private),
            false if is_gated => Some(Visibility::Gated),
            false => Some(Visibility::Public),
        }
    }
}

/// A file as that names it.
#[derive(Debug, Deserialize)]
pub(super) struct Sibling {
    pub(super) rfilename: String,
}

/// The branches and tags of a repository.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refs {
    #[serde(default)]
    pub(super) branches: Vec<RefAt>,
    #[serde(default)]
    pub(super) tags: Vec<RefAt>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefAt {
    pub(super) name: String,
    pub(super) target_commit: String,
}

/// How a try ended that may be made again.
enum Trouble {
    /// The server wants to be left alone for so many seconds.
    Wait(u64),
    /// It may be over soon.
    Soon(Error),
}

/// An answer, or a refusal; or what another try may change.
type Tried<T> = Result<Result<T>, Trouble>;

/// What one request has borne so far.
struct Borne {
    tries: u32,
    waits: Waits,
}

impl Api {
    pub(in crate::pull) fn new(
        egress: &Egress,
        source: &PullSource,
        repo: &HfRepo,
        patience: &Patience,
    ) -> Result<Self> {
        let (egress, repo, patience) = (egress.clone(), repo.clone(), patience.clone());
        let token = source.token()?;
        let credential = token.map(|token| Credential::bearer(repo.endpoint(), &token)).transpose()?;
        Ok(Self { egress, repo, allowance: source.allowance(), credential, patience })
    }

    /// The same for one who shows no token; `None` if this shows none.
    pub(in crate::pull) fn without_token(mut self) -> Option<Self> {
        self.credential.take().map(|_token| self)
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    pub(super) fn repo(&self) -> &HfRepo {
        &self.repo
    }

    /// Whether git answers there, too.
    pub(super) async fn has_git(&self, source: &PullSource) -> Result<bool> {
        let url = source.url().under("info/refs?service=git-upload-pack")?;
        let (credential, mut borne) = (source.credential()?, self.begin()?);
        let answer = loop {
            let request = Request::get(&url, &self.allowance).credential(credential.clone());
            match self.sorted(self.egress.send(request).await, "git") {
                Ok(Ok(answer)) => break answer,
                Ok(Err(_refused)) => return Ok(false),
                Err(trouble) => self.endure(&mut borne, trouble).await?,
            }
        };
        let is_git = "application/x-git-upload-pack-advertisement";
        Ok(answer.header(&http::header::CONTENT_TYPE) == Some(is_git))
    }

    /// The branches and tags; `None` from a server that does not tell.
    pub(super) async fn refs(&self) -> Result<Option<Refs>> {
        match self.json(&self.repo.api_url("/refs")?, "the refs").await {
            Ok((refs, _)) => Ok(Some(refs)),
            // Perhaps it has the repository, and no such page.
            Err(error) if error.kind() == crate::Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What it says of the repository, or of one revision.
    pub(in crate::pull) async fn info(&self, revision: Option<&str>) -> Result<Info> {
        let rest = revision.map(|revision| format!("/revision/{}", quoted(revision, "")));
        let url = self.repo.api_url(rest.as_deref().unwrap_or_default())?;
        Ok(self.json(&url, revision.unwrap_or("repository")).await?.0)
    }

    /// An answer of the API, and its head.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &Url, what: &str) -> Result<(T, Head)> {
        let (bytes, head) = self.bytes(url, what, ANSWER_BYTES_MAX, ANSWER_TIME_MAX).await?;
        let parsed = serde_json::from_slice(&bytes).map_err(|error| {
            let origin = self.repo.endpoint().origin();
            Error::invalid(format!("{origin} does not answer as servers of this API do ({what})"))
                .caused_by(error)
        })?;
        Ok((parsed, head))
    }

    /// A whole answer of at most `bytes_max` bytes.
    pub(super) async fn bytes(
        &self,
        url: &Url,
        what: &str,
        bytes_max: usize,
        time_max: Duration,
    ) -> Result<(Bytes, Head)> {
        let late = || Error::unavailable(format!("{} answers too slowly", self.repo.endpoint().origin()));
        let mut borne = self.begin()?;
        loop {
            let whole = tokio::time::timeout(time_max, self.whole(url, what, bytes_max)).await;
            match whole.unwrap_or_else(|_late| Err(Trouble::Soon(late()))) {
                Ok(whole) => return whole,
                Err(trouble) => self.endure(&mut borne, trouble).await?,
            }
        }
    }

    /// One try.
    async fn whole(&self, url: &Url, what: &str, bytes_max: usize) -> Tried<(Bytes, Head)> {
        let answer = match self.sorted(self.egress.send(self.request(Method::GET, url)).await, what)? {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let head = Head::of(&answer);
        match answer.bytes(bytes_max).await {
            Ok(bytes) => Ok(Ok((bytes, head))),
            Err(error) if error.kind() == EgressKind::TooLarge => Ok(Err(error.into())),
            Err(error) => Err(Trouble::Soon(error.into())),
        }
    }

    /// The head of a file's answer where it is not sent on.
    pub(super) async fn head(&self, sha: &str, path: &str) -> Result<Head> {
        let url = self.repo.file_url(sha, path)?;
        let mut borne = self.begin()?;
        loop {
            let answer = self.egress.send(self.request(Method::HEAD, &url).redirects_max(0)).await;
            match self.sorted(answer, path) {
                Ok(answer) => return answer.map(|answer| Head::of(&answer)),
                Err(trouble) => self.endure(&mut borne, trouble).await?,
            }
        }
    }

    /// A request to this server, or to where it sends us: the token goes nowhere else.
    pub(super) fn request(&self, method: Method, url: &Url) -> Request {
        Request::new(method, url, &self.allowance).credential(self.credential.clone())
    }

    /// Begins a request.
    fn begin(&self) -> Result<Borne> {
        Ok(Borne { tries: 0, waits: self.patience.request()? })
    }

    /// Waits for the next try, or gives up.
    async fn endure(&self, borne: &mut Borne, trouble: Trouble) -> Result<()> {
        match trouble {
            Trouble::Wait(seconds) => borne.waits.wait(self.repo.endpoint(), seconds).await?,
            Trouble::Soon(error) => {
                borne.tries += 1;
                if borne.tries >= TRIES_MAX {
                    return Err(error);
                }
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(borne.tries - 1)).await;
            }
        }
        Ok(())
    }

    /// Tells answers, refusals and troubles apart.
    fn sorted(&self, answer: Result<Response, polder_egress::Error>, what: &str) -> Tried<Response> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == EgressKind::Refused => return Ok(Err(error.into())),
            Err(error) => return Err(Trouble::Soon(error.into())),
        };
        if let Some(seconds) = self.patience.wanted_rest(&answer) {
            return Err(Trouble::Wait(seconds));
        }
        match answer.status() {
            status if status.is_success() || status.is_redirection() => Ok(Ok(answer)),
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                let origin = self.repo.endpoint().origin();
                let message = format!("{origin} has a problem of its own: it answers {}", status.as_u16());
                Err(Trouble::Soon(Error::unavailable(message)))
            }
            status => Ok(Err(refused(&self.repo, self.credential.is_some(), status, answer.headers(), what))),
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Where it came from, after redirects.
    pub(super) url: Url,
    /// The next page.
    pub(super) next: Option<String>,
    /// The commit that it is about.
    pub(super) commit: Option<String>,
}

impl Head {
    fn of(answer: &Response) -> Self {
        let commit = answer.header(&REPO_COMMIT).map(str::to_owned);
        let next = answer.header(&http::header::LINK).and_then(next_link).map(str::to_owned);
        Self { url: answer.url().clone(), next, commit }
    }
}

/// The target of `rel="next"`.
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |part: &str| matches!(part.trim(), "rel=\"next\"" | "rel=next");
        parameters.split(';').any(is_next).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use polder_types::Visibility;

    use super::{Info, next_link};

    #[test]
    fn who_may_read_a_repository_is_what_its_server_says() {
        for (said, meant) in [
            (r#"{"private": false, "gated": false}"#, Some(Visibility::Public)),
            (r#"{"private": false}"#, Some(Visibility::Public)),
            (r#"{"private": false, "gated": "auto"}"#, Some(Visibility::Gated)),
            (r#"{"private": false, "gated": "manual"}"#, Some(Visibility::Gated)),
            (r#"{"private": false, "gated": true}"#, Some(Visibility::Gated)),
            (r#"{"private": true, "gated": "auto"}"#, Some(Visibility::Private)),
            (r#"{"gated": false}"#, None),
            ("{}", None),
        ] {
            let info: Info = serde_json::from_str(said).expect(said);
            assert_eq!(info.visibility(), meant, "{said}");
        }
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_link("<https://h/a?cursor=b>; rel=\"next\""), Some("https://h/a?cursor=b"));
        assert_eq!(next_link("</x>; rel=\"prev\", </y>; title=\"z\"; rel=next"), Some("/y"));
        assert_eq!(next_link("<https://h/a>; rel=\"xet-auth\""), None);
    }
}
