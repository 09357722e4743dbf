//! The composition of edges: one function from a request to its response.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Method, StatusCode};
use polder_hub::RequestOrigin;
use polder_types::{Clock, IdSource};

use crate::client_address::{ClientAddress, TrustedProxies};
use crate::peer::Peer;
use crate::request_log::{Record, RequestId};
use crate::respond;
use crate::url::Url;

/// A request as the edges see it.
pub type Request = http::Request<Body>;
/// What an edge answers.
pub type Response = http::Response<Body>;
/// An answer on its way.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// One wire dialect: it knows its own routes and answers them.
pub trait Edge: Send + Sync + 'static {
    /// A parsed request line of this dialect: a closed enum.
    type Route: Send + 'static;

    /// The edge's name in the request log and the metrics.
    const NAME: &'static str;

    /// The route that a method and URL mean, or `None` when they are not this edge's.
    ///
    /// Nothing but the method and the URL takes part: no header can change the route.
    fn parse(method: &Method, url: &Url<'_>) -> Option<Self::Route>;

    /// The route's name in the request log and the metrics.
    fn route_name(route: &Self::Route) -> &'static str;

    /// Answers a request that [`Edge::parse`] gave `route` for.
    fn handle(self: Arc<Self>, route: Self::Route, request: Request) -> ResponseFuture;
}

/// A request that found its edge.
struct Matched {
    edge: &'static str,
    route: &'static str,
    answer: ResponseFuture,
}

trait AnyEdge: Send + Sync {
    /// Ends the search with an answer, or gives the request back for the next edge.
    fn begin(&self, request: Request) -> ControlFlow<Matched, Request>;
}

struct Mounted<E>(Arc<E>);

impl<E: Edge> AnyEdge for Mounted<E> {
    fn begin(&self, request: Request) -> ControlFlow<Matched, Request> {
        let route = Url::parse(request.uri()).and_then(|url| E::parse(request.method(), &url));
        let Some(route) = route else { return ControlFlow::Continue(request) };
        let name = E::route_name(&route);
        let answer = Arc::clone(&self.0).handle(route, request);
        ControlFlow::Break(Matched { edge: E::NAME, route: name, answer })
    }
}

/// Every edge of the hub behind one call. Cheap to clone.
///
/// Edges are asked in the order in which they were mounted; their routes do not overlap, so the order
/// is a matter of speed. A request that no edge knows is answered 404, one whose path is not UTF-8 is
/// answered 400, a panic while answering becomes a 500 of that request alone, and each request leaves
/// one line in the log.
#[derive(Clone)]
pub struct App {
    edges: Arc<Vec<Box<dyn AnyEdge>>>,
    ids: Arc<IdSource>,
    proxies: Arc<TrustedProxies>,
    record_addresses: bool,
}

/// Edges on their way to becoming an [`App`].
#[derive(Default)]
pub struct AppBuilder {
    edges: Vec<Box<dyn AnyEdge>>,
    proxies: TrustedProxies,
    record_addresses: bool,
}

impl AppBuilder {
    /// Adds an edge, asked after those added before it.
    #[must_use]
    pub fn mount<E: Edge>(mut self, edge: E) -> Self {
        self.edges.push(Box::new(Mounted(Arc::new(edge))));
        self
    }

    /// Believes these proxies about where a request comes from; without it, none.
    #[must_use]
    pub fn trust(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Lets the audit log have the clients' addresses.
    #[must_use]
    pub fn record_addresses(mut self, record: bool) -> Self {
        self.record_addresses = record;
        self
    }

    /// The finished app.
    pub fn build(self) -> App {
        let ids = Arc::new(IdSource::new(Clock::System, 0));
        App {
            edges: Arc::new(self.edges),
            ids,
            proxies: Arc::new(self.proxies),
            record_addresses: self.record_addresses,
        }
    }
}

impl App {
    /// Starts an app without edges.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// Answers one request; never panics.
    pub fn call(&self, mut request: Request) -> ResponseFuture {
        let id = RequestId::of(request.headers(), &self.ids);
        let peer = request.extensions().get::<Peer>().copied();
        if let Some(client) = peer.and_then(|peer| self.proxies.client(peer, request.headers())) {
            request.extensions_mut().insert(client);
        }
        let mut record = Record::begin(&id, &request);
        let origin = self.origin(&id, &request);
        request.extensions_mut().insert(id.clone());
        let edges = Arc::clone(&self.edges);
        Box::pin(async move {
            let (found, answer) =
                CaughtPanic(Box::pin(origin.scope(answer(edges, request)))).await.unwrap_or_else(|panic| {
                    tracing::error!(request = %id, panic, "a request panicked");
                    let text = format!("the hub failed to answer; it has been logged as request {id}\n");
                    (None, respond::text(StatusCode::INTERNAL_SERVER_ERROR, text))
                });
            record.found(found);
            record.finish(answer)
        })
    }

    fn origin(&self, id: &RequestId, request: &Request) -> RequestOrigin {
        let client = request.extensions().get::<ClientAddress>().filter(|_| self.record_addresses);
        RequestOrigin { id: id.as_str().to_owned(), address: client.map(|client| client.ip().to_string()) }
    }
}

type Answered = (Option<(&'static str, &'static str)>, Response);

async fn answer(edges: Arc<Vec<Box<dyn AnyEdge>>>, mut request: Request) -> Answered {
    for edge in edges.iter() {
        match edge.begin(request) {
            ControlFlow::Break(matched) => {
                return (Some((matched.edge, matched.route)), matched.answer.await);
            }
            ControlFlow::Continue(back) => request = back,
        }
    }
    (None, nothing_here(&request))
}

fn nothing_here(request: &Request) -> Response {
    let (status, words) = if Url::parse(request.uri()).is_none() {
        (StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8")
    } else if is_api(request) {
        (StatusCode::NOT_FOUND, "this hub has no such API")
    } else {
        (StatusCode::NOT_FOUND, "there is nothing at this address")
    };
    if is_api(request) {
        return respond::json(status, &serde_json::json!({ "error": words }));
    }
    respond::text(status, format!("{words}\n"))
}

/// Whether whoever asks reads JSON.
fn is_api(request: &Request) -> bool {
    let path = request.uri().path();
    path == "/api" || path.starts_with("/api/")
}

/// A future whose panic is a value.
struct CaughtPanic<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for CaughtPanic<T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Poll::Ready(Err(text.unwrap_or_else(|| "not a text".to_owned())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    /// Knows the paths that start with its word; panics on `/…/panic`.
    struct Word<const EDGE: char>;

    impl<const EDGE: char> Edge for Word<EDGE> {
        type Route = String;
        const NAME: &'static str = "word";

        fn parse(_: &Method, url: &Url<'_>) -> Option<String> {
            let first = url.segments().first()?;
            assert!(!url.path().ends_with("/parse-panic"), "in parse");
            first.starts_with(EDGE).then(|| url.path().to_owned())
        }

        fn route_name(_: &String) -> &'static str {
            "word"
        }

        fn handle(self: Arc<Self>, route: String, request: Request) -> ResponseFuture {
            assert!(RequestId::in_extensions(request.extensions()).as_str() != "-");
            Box::pin(async move {
                assert!(!route.ends_with("/panic"), "in the answer");
                respond::text(StatusCode::OK, format!("{EDGE}{route}"))
            })
        }
    }

    async fn get(uri: &str) -> (u16, String, String) {
        let app = App::builder().mount(Word::<'x'>).mount(Word::<'b'>).build();
        let request = http::Request::get(uri).body(Body::empty()).expect("request");
        let response = app.call(request).await;
        let status = response.status().as_u16();
        let id = response.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"), id)
    }

    #[tokio::test]
    async fn a_request_finds_its_edge_and_only_that() {
        assert_eq!(get("/x/a?q=/b").await.1, "x/x/a");
        assert_eq!(get("/b/x").await.1, "b/b/x");
        let (status, text, _) = get("/c").await;
        assert_eq!((status, text.as_str()), (404, "there is nothing at this address\n"));
        let (status, text, _) = get("/api/c").await;
        assert_eq!((status, text.as_str()), (404, "{\"error\":\"this hub has no such API\"}"));
        assert_eq!(get("/x/%ff").await.0, 400);
        let (status, text, _) = get("/api/%ff").await;
        assert_eq!((status, text.as_str()), (400, "{\"error\":\"the path is not percent-encoded UTF-8\"}"));
    }

    #[tokio::test]
    async fn a_panic_is_a_500_of_that_request_alone() {
        for uri in ["/x/panic", "/x/parse-panic"] {
            let (status, text, id) = get(uri).await;
            assert_eq!(status, 500);
            assert!(text.contains(&id) && !text.contains("in the answer"), "{text}");
        }
        assert_eq!(get("/x/next").await.0, 200);
    }
}
