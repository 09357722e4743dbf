//! The client: places, redirects, timeouts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::connect::{Connector, Reach};
use crate::error::{Error, Kind, Reason};
use crate::places::Places;
use crate::request::{Content, Outgoing, Request};
use crate::resolve::{Resolve, SystemResolver};
use crate::response::{Body, Pace, Response};
use crate::trust;
use crate::url::{Origin, Scheme, Url};

/// Largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most headers of an answer.
const HEADERS_MAX: usize = 128;
/// Redirects followed unless a request says otherwise.
const REDIRECTS_MAX: usize = 3;
/// How long an unused connection is kept.
const KEPT_MAX: Duration = Duration::from_secs(30);
/// Unused connections kept for one host.
const KEPT_PER_HOST_MAX: usize = 8;

/// What may be chosen; the defaults are the product's.
pub struct Options {
    /// Authorities to trust beside this machine's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Where names are looked up.
    pub resolver: Arc<dyn Resolve>,
    /// What the hub calls itself.
    pub user_agent: HeaderValue,
    /// Time for name, connection and TLS.
    pub connect_max: Duration,
    /// Time until the head of an answer, unless a request says otherwise.
    pub wait_max: Duration,
    /// Time in which nothing comes, unless a request says otherwise.
    pub idle_max: Duration,
    /// Slowest body in bytes a second, unless a request says otherwise.
    pub slowest: u64,
    /// Requests under way to one host.
    pub per_host_max: usize,
    /// Requests under way in all.
    pub in_all_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_file: None,
            resolver: Arc::new(SystemResolver),
            user_agent: HeaderValue::from_static(concat!("polder/", env!("CARGO_PKG_VERSION"))),
            connect_max: Duration::from_secs(10),
            wait_max: Duration::from_secs(30),
            idle_max: Duration::from_mins(1),
            slowest: 1 << 10,
            per_host_max: 32,
            in_all_max: 1_024,
        }
    }
}

/// The HTTP client of the hub; cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    options: Options,
    public: Client<Connector, Outgoing>,
    named: Client<Connector, Outgoing>,
    places: Places,
}

impl Egress {
    /// A client with these options.
    ///
    /// # Errors
    /// When the file of authorities cannot be read.
    pub fn new(options: Options) -> Result<Self, Error> {
        let tls = trust::tls(options.ca_file.as_deref())?;
        let pool = |reach| {
            let resolver = Arc::clone(&options.resolver);
            let connector = Connector { resolver, tls: tls.clone(), reach, connect_max: options.connect_max };
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(KEPT_MAX)
                .pool_max_idle_per_host(KEPT_PER_HOST_MAX)
                .http1_max_buf_size(HEAD_BYTES_MAX)
                .http1_max_headers(HEADERS_MAX)
                .build(connector)
        };
        let (public, named) = (pool(Reach::Public), pool(Reach::Named));
        let places = Places::new(options.in_all_max, options.per_host_max);
        Ok(Self(Arc::new(Inner { options, public, named, places })))
    }

    /// Sends `request` and gives the answer, whatever its status, once its head is there. Redirects of GET
    /// and HEAD are followed, of others where method and body stay; each is a new decision where to go.
    ///
    /// # Errors
    /// As [`Kind`] says; the text names the place only, nothing that the other side said.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let wait_max = request.wait_max.unwrap_or(self.0.options.wait_max);
        let place = request.url.origin().to_string();
        let late = |_late| Error::new(Kind::TimedOut, format!("`{place}` did not answer in time"));
        let answer = timeout(wait_max, self.follow(request)).await.map_err(late).flatten();
        let result = match &answer {
            Ok(answer) if answer.status.is_success() => "ok",
            Ok(_) => "status",
            Err(error) => match error.kind() {
                Kind::Refused => "refused",
                Kind::Unreachable => "unreachable",
                Kind::TimedOut => "timeout",
                Kind::TooLarge | Kind::BadAnswer => "bad-answer",
            },
        };
        metrics::counter!("polder_egress_requests_total", "result" => result).increment(1);
        answer
    }

    async fn follow(&self, mut request: Request) -> Result<Response, Error> {
        let mut redirects_left = request.redirects_max.unwrap_or(REDIRECTS_MAX);
        let follows = redirects_left > 0;
        loop {
            let answer = self.once(&mut request).await?;
            if !follows || !is_redirect(answer.status) {
                return Ok(answer);
            }
            let next = redirected(&request, &answer)?;
            redirects_left = redirects_left
                .checked_sub(1)
                .ok_or_else(|| Error::refused(&request.url.origin().to_string(), Reason::Redirects))?;
            request.url = next;
        }
    }

    async fn once(&self, request: &mut Request) -> Result<Response, Error> {
        let options = &self.0.options;
        let origin = request.url.origin().clone();
        let place = self.0.places.take(&origin).await;
        let place = place.ok_or_else(|| Error::new(Kind::Unreachable, "the hub is shutting down"))?;
        let client = if request.allowance.names(&origin) { &self.0.named } else { &self.0.public };
        let sent = client.request(outgoing(request, &options.user_agent)?).await;
        let (head, incoming) = sent.map_err(|error| failed(&origin, error))?.into_parts();
        if head.headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
            let message = format!("`{origin}` sends compressed what was asked for as it is");
            return Err(Error::new(Kind::BadAnswer, message));
        }
        let body = Body {
            incoming,
            host: origin.to_string(),
            left: u64::MAX,
            idle_max: request.idle_max.unwrap_or(options.idle_max),
            pace: Pace::new(request.slowest.unwrap_or(options.slowest)),
            waiting: None,
            _place: place,
        };
        Ok(Response { status: head.status, headers: head.headers, url: request.url.clone(), body })
    }
}

/// The request for one hop: its own headers, and the credential if this is its origin.
fn outgoing(request: &mut Request, user_agent: &HeaderValue) -> Result<http::Request<Outgoing>, Error> {
    let origin = request.url.origin();
    let spent = || Error::new(Kind::BadAnswer, format!("`{origin}` redirects what can be sent only once"));
    let body = request.content.outgoing().ok_or_else(spent)?;
    let mut hop = http::Request::new(body);
    hop.method_mut().clone_from(&request.method);
    *hop.uri_mut() = request.url.to_uri()?;
    hop.headers_mut().clone_from(&request.headers);
    if let Some(own) = request.credential.as_ref().and_then(|credential| credential.for_origin(origin)) {
        hop.headers_mut().extend(own.clone());
    }
    hop.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    hop.headers_mut().insert(USER_AGENT, user_agent.clone());
    Ok(hop)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, if this request may go there.
fn redirected(request: &Request, answer: &Response) -> Result<Url, Error> {
    let origin = request.url.origin();
    let bad = |what: &str| Error::new(Kind::BadAnswer, format!("`{origin}` {what}"));
    let asks = matches!(request.method, Method::GET | Method::HEAD);
    let keeps_body =
        matches!(answer.status.as_u16(), 307 | 308) && !matches!(request.content, Content::Stream(_));
    if !asks && !keeps_body {
        return Err(bad("redirects what can be sent only once"));
    }
    let location = answer.header(&LOCATION).ok_or_else(|| bad("redirects to nowhere"))?;
    let next = request.url.join(location)?;
    if origin.scheme() == Scheme::Https && next.origin().scheme() == Scheme::Http {
        return Err(Error::refused(&origin.to_string(), Reason::Downgrade));
    }
    Ok(next)
}

/// Turns what the HTTP library says into our own error, which may be inside it.
fn failed(origin: &Origin, error: hyper_util::client::legacy::Error) -> Error {
    if let Some(own) = Error::within(&error) {
        return own.clone();
    }
    let kind = if error.is_connect() { Kind::Unreachable } else { Kind::BadAnswer };
    let message = match kind {
        Kind::Unreachable => format!("`{origin}` cannot be connected to"),
        _ => format!("`{origin}` did not answer as HTTP servers do"),
    };
    Error::new(kind, message).caused_by(error)
}
