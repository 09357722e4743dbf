//! The operator's edge: version, liveness, readiness, metrics.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use polder_hub::{Hub, Kind};

use crate::access::Access;
use crate::app::{Edge, Request, Response, ResponseFuture};
use crate::caller::Caller;
use crate::peer::Peer;
use crate::request_log::RequestId;
use crate::url::Url;
use crate::{error, respond};

crate::route_kinds! {
    /// Routes of the operator's edge.
    pub enum OpsRoute {
        /// `GET /api/version`.
        Version => "version",
        /// `GET /healthz`: the process runs.
        Health => "health",
        /// `GET /readyz`: the hub can do its work.
        Ready => "ready",
        /// `GET /metrics`, in Prometheus' text format.
        Metrics => "metrics",
        /// One of these paths with another method.
        WrongMethod => "wrong-method",
    }
}

impl OpsRoute {
    /// What the caller must show.
    pub const fn access(self) -> Access {
        match self {
            Self::Version | Self::Health | Self::Ready | Self::WrongMethod => Access::Open,
            Self::Metrics => Access::LoopbackOrAdmin,
        }
    }
}

/// Writes the metrics as Prometheus reads them.
pub type MetricsText = Box<dyn Fn() -> String + Send + Sync>;

/// `/api/version`, `/healthz`, `/readyz`, `/metrics`.
pub struct Ops {
    hub: Hub,
    metrics: MetricsText,
}

impl Ops {
    /// The edge for `hub`; `metrics` renders the current values.
    pub fn new(hub: Hub, metrics: MetricsText) -> Self {
        Self { hub, metrics }
    }

    async fn answer(
        &self,
        route: OpsRoute,
        peer: Option<Peer>,
        headers: HeaderMap,
        id: RequestId,
    ) -> Response {
        match route {
            OpsRoute::Version => {
                respond::json(StatusCode::OK, &serde_json::json!({ "version": self.hub.version() }))
            }
            OpsRoute::Health => respond::text(StatusCode::OK, "ok\n"),
            OpsRoute::Ready => match self.hub.ready().await {
                Ok(()) => respond::text(StatusCode::OK, "ready\n"),
                Err(failure) => {
                    error::log(&failure, &id);
                    respond::text(error::status(failure.kind()), format!("{failure}\n"))
                }
            },
            OpsRoute::Metrics => self.metrics(peer, &headers, &id).await,
            OpsRoute::WrongMethod => respond::wrong_method("GET, HEAD"),
        }
    }

    async fn metrics(&self, peer: Option<Peer>, headers: &HeaderMap, id: &RequestId) -> Response {
        if !is_local(peer, headers) {
            match Caller::of(&self.hub, headers).await {
                Ok(caller) if caller.principal().is_admin() => {}
                Ok(caller) if caller.principal().is_anonymous() => {
                    return challenge("log in as an administrator\n");
                }
                Ok(_) => return respond::text(StatusCode::FORBIDDEN, "this is for administrators\n"),
                Err(failure) => {
                    error::log(&failure, id);
                    let text = format!("{failure}\n");
                    return match failure.kind() {
                        Kind::Unauthenticated => challenge(text),
                        kind => respond::text(error::status(kind), text),
                    };
                }
            }
        }
        let mut response = respond::text(StatusCode::OK, (self.metrics)());
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }
}

fn challenge(text: impl Into<String>) -> Response {
    let mut response = respond::text(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Polder\""));
    response
}

/// A program on this machine that does not speak for someone else: behind a proxy on the same machine
/// every client has a loopback address.
fn is_local(peer: Option<Peer>, headers: &HeaderMap) -> bool {
    const PROXY_HEADERS: [&str; 5] = ["forwarded", "x-forwarded-for", "x-real-ip", "x-forwarded-host", "via"];
    peer.is_some_and(|peer| peer.is_loopback())
        && PROXY_HEADERS.iter().all(|name| !headers.contains_key(*name))
}

impl Edge for Ops {
    type Route = OpsRoute;
    const NAME: &'static str = "ops";

    fn parse(method: &Method, url: &Url<'_>) -> Option<OpsRoute> {
        let route = match url.path() {
            "/api/version" => OpsRoute::Version,
            "/healthz" => OpsRoute::Health,
            "/readyz" => OpsRoute::Ready,
            "/metrics" => OpsRoute::Metrics,
            _ => return None,
        };
        Some(if matches!(*method, Method::GET | Method::HEAD) { route } else { OpsRoute::WrongMethod })
    }

    fn route_name(route: &OpsRoute) -> &'static str {
        route.as_str()
    }

    fn handle(self: Arc<Self>, route: OpsRoute, request: Request) -> ResponseFuture {
        let peer = request.extensions().get().copied();
        let id = RequestId::in_extensions(request.extensions());
        let headers = request.into_parts().0.headers;
        Box::pin(async move { self.answer(route, peer, headers, id).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_on_this_machine_is_not_a_local_client() {
        let local = Some(Peer::Tcp("127.0.0.1:9".parse().expect("address")));
        let mapped = Some(Peer::Tcp("[::ffff:127.0.0.1]:9".parse().expect("address")));
        let remote = Some(Peer::Tcp("192.0.2.1:9".parse().expect("address")));
        let none = HeaderMap::new();
        assert!(is_local(local, &none) && is_local(mapped, &none) && is_local(Some(Peer::Unix), &none));
        assert!(!is_local(remote, &none) && !is_local(None, &none));
        let mut proxied = HeaderMap::new();
        proxied.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
        assert!(!is_local(local, &proxied) && !is_local(Some(Peer::Unix), &proxied));
    }

    #[test]
    fn only_these_paths_are_the_operators() {
        let parse = |method: Method, uri: &str| {
            let uri = uri.parse().expect("URI");
            Ops::parse(&method, &Url::parse(&uri).expect("UTF-8"))
        };
        assert_eq!(parse(Method::GET, "/metrics?x=/healthz"), Some(OpsRoute::Metrics));
        assert_eq!(parse(Method::HEAD, "/healthz"), Some(OpsRoute::Health));
        assert_eq!(parse(Method::POST, "/readyz"), Some(OpsRoute::WrongMethod));
        assert_eq!(parse(Method::GET, "/%6Detrics"), None);
        assert_eq!(parse(Method::GET, "/metrics/"), None);
        assert_eq!(parse(Method::GET, "/?/metrics"), None);
        assert_eq!(OpsRoute::Metrics.access(), Access::LoopbackOrAdmin);
    }
}
