//! Git's requests over the hub's own HTTP client.

use std::cell::OnceCell;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use polder_egress::{Allowance, Credential, Egress, Request, Response, Url};
use polder_git::Protocol;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use tokio::runtime::Handle;

use super::{Patience, PullSource};
use crate::error::{Error, Kind, Result};

/// How long a server may count objects before it answers.
const COUNTING_MAX: Duration = Duration::from_mins(10);
/// How long nothing may come in the middle of a pack; servers say something every five seconds.
const SILENCE_MAX: Duration = Duration::from_mins(2);

const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");
const VERSION_2: HeaderValue = HeaderValue::from_static("version=2");
const REQUEST: HeaderValue = HeaderValue::from_static("application/x-git-upload-pack-request");
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const RESULT: &str = "application/x-git-upload-pack-result";

/// Asks one repository of one server. Blocking.
pub(crate) struct HttpExchange<'a> {
    egress: &'a Egress,
    runtime: Handle,
    url: Url,
    allowance: Allowance,
    credential: Option<Credential>,
    /// How long a server that limits rates is waited for; `None`: not at all.
    patience: Option<Patience>,
    /// Where the server's answer came from, after redirects.
    settled: OnceCell<Url>,
}

impl<'a> HttpExchange<'a> {
    pub(crate) fn new(egress: &'a Egress, source: &PullSource, patience: &Patience) -> Result<Self> {
        Ok(Self {
            egress,
            runtime: Handle::current(),
            url: source.url().clone(),
            allowance: source.allowance(),
            credential: source.credential()?,
            patience: Some(patience.clone()),
            settled: OnceCell::new(),
        })
    }

    /// The same repository, asked for by someone without a token.
    pub(super) fn of_anyone(egress: &'a Egress, source: &PullSource, patience: &Patience) -> Self {
        Self {
            patience: Some(patience.clone()),
            ..Self::open(egress, source.url().clone(), source.allowance())
        }
    }

    /// A repository that is shown to anyone.
    pub(crate) fn open(egress: &'a Egress, url: Url, allowance: Allowance) -> Self {
        let (runtime, settled) = (Handle::current(), OnceCell::new());
        Self { egress, runtime, url, allowance, credential: None, patience: None, settled }
    }

    fn send(&self, request: impl Fn() -> Request) -> Result<Response> {
        let send = || {
            let request = request().credential(self.credential.clone());
            self.runtime.block_on(self.egress.send(request))
        };
        let Some(patience) = &self.patience else { return Ok(send()?) };
        let mut waits = patience.request()?;
        loop {
            let answer = send()?;
            match patience.wanted_rest(&answer) {
                Some(seconds) => self.runtime.block_on(waits.wait(&self.url, seconds))?,
                None => return Ok(answer),
            }
        }
    }

    /// Whether the repository is shown to whoever asks so: it is not to whom the server refuses, or has a page for.
    ///
    /// # Errors
    /// When the server says neither.
    pub(super) fn is_shown(&self) -> Result<bool> {
        match self.greet() {
            Ok(answer) => Ok(answer.header(&CONTENT_TYPE) == Some(ADVERTISEMENT)),
            Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn greet(&self) -> Result<Response> {
        let url = self.url.under("info/refs?service=git-upload-pack")?;
        let answer = self.send(|| {
            let request = Request::get(&url, &self.allowance).header(GIT_PROTOCOL, VERSION_2);
            request.header(ACCEPT, HeaderValue::from_static("*/*"))
        })?;
        require_ok(&answer, &self.url, self.credential.is_some())?;
        Ok(answer)
    }

    /// Asks for the refs.
    fn ask(&self) -> Result<Response> {
        let answer = self.greet()?;
        let base = answer.url().to_string();
        let base = base.strip_suffix("/info/refs?service=git-upload-pack");
        let base =
            base.ok_or_else(|| Error::invalid(format!("there is no git repository at `{}`", self.url)))?;
        // Set once: a conversation begins once.
        let _first = self.settled.set(base.parse()?);
        Ok(answer)
    }

    fn tell(&self, protocol: Protocol, body: Vec<u8>) -> Result<Response> {
        let url = self.settled.get().unwrap_or(&self.url).under("git-upload-pack")?;
        let body = Bytes::from(body);
        let answer = self.send(|| {
            let request = Request::post(&url, &self.allowance, body.clone())
                .header(CONTENT_TYPE, REQUEST)
                .header(ACCEPT, HeaderValue::from_static(RESULT))
                .wait_max(COUNTING_MAX)
                .idle_max(SILENCE_MAX)
                .slowest(0);
            if protocol == Protocol::V2 { request.header(GIT_PROTOCOL, VERSION_2) } else { request }
        })?;
        require_ok(&answer, &self.url, self.credential.is_some())?;
        if answer.header(&CONTENT_TYPE) != Some(RESULT) {
            return Err(Error::invalid(format!("`{}` does not answer as git servers do", self.url)));
        }
        Ok(answer)
    }
}

impl Exchange for HttpExchange<'_> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let answer = self.ask().map_err(io::Error::other)?;
        let content_type = answer.header(&CONTENT_TYPE).map(str::to_owned);
        let body = answer.into_body().blocking(self.runtime.clone());
        Ok(Advertisement { content_type, body: Box::new(body) })
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        let answer = self.tell(protocol, body).map_err(io::Error::other)?;
        Ok(Box::new(answer.into_body().blocking(self.runtime.clone())))
    }
}

/// What a status that is not 200 means to the operator.
pub(super) fn require_ok(answer: &Response, url: &Url, with_token: bool) -> Result<()> {
    let status = answer.status();
    let told = match status {
        StatusCode::OK => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if with_token => Error::new(
            Kind::Forbidden,
            format!("`{url}` does not accept this token: it answers {}", status.as_u16()),
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let why = "wants to know who asks: give a token with --token-file FILE (and --user NAME)";
            Error::new(Kind::Forbidden, format!("`{url}` {why}"))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            let also =
                if with_token { "" } else { "; if it is private, give a token with --token-file FILE" };
            Error::not_found(format!("there is no git repository at `{url}`{also}"))
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Error::unavailable(format!("`{url}` is asked too often; try again later"))
        }
        status if status.is_server_error() => {
            Error::unavailable(format!("`{url}` has a problem of its own: it answers {}", status.as_u16()))
        }
        status => Error::invalid(format!("`{url}` answers {} where a git server has 200", status.as_u16())),
    };
    Err(told)
}
