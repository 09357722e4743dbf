//! The edge: from a route to its answer.

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use polder_http::{Edge, Request, RequestId, Response, ResponseFuture, Url, respond};
use polder_hub::Hub;

use crate::file;
use crate::route::Route;

/// The Hugging Face surface of one hub.
pub struct Hf {
    hub: Hub,
}

impl Hf {
    /// The edge for `hub`.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    async fn answer(&self, route: Route, parts: Parts) -> Response {
        let id = RequestId::in_extensions(&parts.extensions);
        let (at, answer) = match route {
            Route::Resolve(at) => {
                let answer = file::resolve(&self.hub, &at, &parts).await;
                (at, answer)
            }
            Route::Raw(at) => {
                let answer = file::raw(&self.hub, &at, &parts).await;
                (at, answer)
            }
            Route::WrongMethod => return respond::wrong_method("GET, HEAD"),
        };
        answer.unwrap_or_else(|failure| failure.response(&self.hub, &at.place, &id))
    }
}

impl Edge for Hf {
    type Route = Route;
    const NAME: &'static str = "hf";

    fn parse(method: &Method, url: &Url<'_>) -> Option<Route> {
        Route::parse(method, url)
    }

    fn route_name(route: &Route) -> &'static str {
        route.kind().as_str()
    }

    fn handle(self: Arc<Self>, route: Route, request: Request) -> ResponseFuture {
        let (parts, _) = request.into_parts();
        Box::pin(async move { self.answer(route, parts).await })
    }
}
