//! What is asked of another host.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

use crate::allowance::Allowance;
use crate::credential::Credential;
use crate::url::Url;

/// Why a body that is sent could not be made.
pub(crate) type BodyFailure = Box<dyn std::error::Error + Send + Sync>;
/// A body on its way out.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, BodyFailure>;

/// What is sent; a stream only once.
pub(crate) enum Content {
    Nothing,
    Whole(Bytes),
    Stream(Option<Outgoing>),
}

impl Content {
    /// The body for one more try; `None` if it was a stream and is spent.
    pub(crate) fn outgoing(&mut self) -> Option<Outgoing> {
        match self {
            Self::Nothing => Some(Empty::new().map_err(|never| match never {}).boxed_unsync()),
            Self::Whole(bytes) => {
                Some(Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync())
            }
            Self::Stream(stream) => stream.take(),
        }
    }
}

/// A request, made with [`Request::get`], [`Request::post`] or [`Request::new`].
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) allowance: Allowance,
    pub(crate) headers: HeaderMap,
    pub(crate) credential: Option<Credential>,
    pub(crate) content: Content,
    pub(crate) wait_max: Option<Duration>,
    pub(crate) idle_max: Option<Duration>,
    pub(crate) slowest: Option<u64>,
    pub(crate) redirects_max: Option<usize>,
}

impl Request {
    /// A request without a body, to where `allowance` lets it go.
    pub fn new(method: Method, url: &Url, allowance: &Allowance) -> Self {
        Self {
            method,
            url: url.clone(),
            allowance: allowance.clone(),
            headers: HeaderMap::new(),
            credential: None,
            content: Content::Nothing,
            wait_max: None,
            idle_max: None,
            slowest: None,
            redirects_max: None,
        }
    }

    /// A GET.
    pub fn get(url: &Url, allowance: &Allowance) -> Self {
        Self::new(Method::GET, url, allowance)
    }

    /// A POST of `bytes`.
    pub fn post(url: &Url, allowance: &Allowance, bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(bytes.into()), ..Self::new(Method::POST, url, allowance) }
    }

    /// Sends `body` as it comes. It is sent once: a redirect of such a request is an error.
    #[must_use]
    pub fn stream<B>(mut self, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.content = Content::Stream(Some(body.map_err(Into::into).boxed_unsync()));
        self
    }

    /// A header that any host may see: also the one that a redirect leads to.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// What is shown to one origin only.
    #[must_use]
    pub fn credential(mut self, credential: Option<Credential>) -> Self {
        self.credential = credential;
        self
    }

    /// How long the head of the answer may take, all included: a long-poll's is long.
    #[must_use]
    pub fn wait_max(mut self, longest: Duration) -> Self {
        self.wait_max = Some(longest);
        self
    }

    /// How long nothing at all may come in the middle of the body.
    #[must_use]
    pub fn idle_max(mut self, longest: Duration) -> Self {
        self.idle_max = Some(longest);
        self
    }

    /// The slowest body in bytes a second, over half a minute of waiting; 0 for one that thinks as it goes,
    /// such as a pack.
    #[must_use]
    pub fn slowest(mut self, bytes_per_second: u64) -> Self {
        self.slowest = Some(bytes_per_second);
        self
    }

    /// How many redirects are followed; 0 gives the redirect itself as the answer.
    #[must_use]
    pub fn redirects_max(mut self, most: usize) -> Self {
        self.redirects_max = Some(most);
        self
    }
}
