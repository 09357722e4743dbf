//! The operator's edge: version, liveness, readiness, metrics.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use polder_hub::{Hub, Kind};

use crate::access::Access;
use crate::app::{Edge, Request, Response, ResponseFuture};
use crate::caller::Caller;
use crate::client_address::{ClientAddress, speaks_for_another};
use crate::peer::Peer;
use crate::request_log::RequestId;
use crate::url::Url;
use crate::{error, respond};

crate::route_kinds! {
    /// Routes of the operator's edge.
    pub enum OpsRoute {
        /// `GET /api/version`.
        Version => "version", Access::Open,
        /// `GET /healthz`: the process runs.
        Health => "health", Access::Open,
        /// `GET /readyz`: the hub can do its work.
        Ready => "ready", Access::Open,
        /// `GET /metrics`, in Prometheus' text format.
        Metrics => "metrics", Access::LoopbackOrAdmin,
        /// One of these paths with another method.
        WrongMethod => "wrong-method", Access::Open,
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

    async fn answer(&self, route: OpsRoute, request: Parts, id: RequestId) -> Response {
        match route {
            OpsRoute::Version => {
                respond::json(StatusCode::OK, &serde_json::json!({ "version": self.hub.version() }))
            }
            OpsRoute::Health => respond::text(StatusCode::OK, "ok\n"),
            OpsRoute::Ready => match self.hub.ready().await {
                Ok(()) => respond::text(StatusCode::OK, "ready\n"),
                Err(failure) => {
                    error::log(&failure, &id);
                    let mut response = respond::text(error::status(failure.kind()), format!("{failure}\n"));
                    error::set_retry_after(&mut response, &failure);
                    response
                }
            },
            OpsRoute::Metrics => self.metrics(&request, &id).await,
            OpsRoute::WrongMethod => respond::wrong_method("GET, HEAD"),
        }
    }

    async fn metrics(&self, request: &Parts, id: &RequestId) -> Response {
        if !is_local(request) {
            match Caller::of(&self.hub, request).await {
                Ok(caller) if caller.principal().is_admin() => {}
                Ok(caller) if caller.principal().is_anonymous() => {
                    return challenge("log in as an administrator\n");
                }
                Ok(_) => return respond::text(StatusCode::FORBIDDEN, "this is for administrators\n"),
                Err(failure) => {
                    error::log(&failure, id);
                    let text = format!("{failure}\n");
                    let mut response = match failure.kind() {
                        Kind::Unauthenticated => challenge(text),
                        kind => respond::text(error::status(kind), text),
                    };
                    error::set_retry_after(&mut response, &failure);
                    return response;
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
fn is_local(request: &Parts) -> bool {
    request.extensions.get().is_some_and(Peer::is_loopback)
        && request.extensions.get().is_none_or(ClientAddress::is_direct)
        && !speaks_for_another(&request.headers)
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
        let id = RequestId::in_extensions(request.extensions());
        let (parts, _) = request.into_parts();
        Box::pin(async move { self.answer(route, parts, id).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_address::TrustedProxies;
    use http::HeaderMap;

    #[test]
    fn a_proxy_on_this_machine_is_not_a_local_client() {
        let none = HeaderMap::new();
        let proxies = |networks: &[&str]| TrustedProxies {
            networks: networks.iter().map(|text| text.parse().expect("network")).collect(),
            ..Default::default()
        };
        let is_local = |peer: Peer, proxies: &TrustedProxies, headers: &HeaderMap| {
            let (mut request, ()) = http::Request::new(()).into_parts();
            request.extensions.insert(peer);
            if let Some(client) = proxies.client(peer, headers) {
                request.extensions.insert(client);
            }
            request.headers = headers.clone();
            super::is_local(&request)
        };
        let tcp = |text: &str| Peer::Tcp(text.parse().expect("address"));
        let local = [tcp("127.0.0.1:9"), tcp("[::ffff:127.0.0.1]:9"), Peer::Unix];
        for peer in local {
            assert!(is_local(peer, &proxies(&[]), &none), "{peer}");
            assert!(is_local(peer, &proxies(&["10.0.0.0/8"]), &none), "{peer}");
            for name in ["x-forwarded-for", "forwarded", "via"] {
                let headers = HeaderMap::from_iter([(
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static("127.0.0.1"),
                )]);
                assert!(!is_local(peer, &proxies(&[]), &headers), "{peer} {name}");
            }
        }
        assert!(!is_local(tcp("192.0.2.1:9"), &proxies(&[]), &none));
        // A proxy that names nobody, or names a local client, still is a proxy.
        let named = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_static("127.0.0.1"),
        )]);
        for headers in [&none, &named] {
            assert!(!is_local(tcp("127.0.0.1:9"), &proxies(&["127.0.0.0/8"]), headers));
            assert!(!is_local(tcp("10.0.0.1:9"), &proxies(&["10.0.0.0/8"]), headers));
        }
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
