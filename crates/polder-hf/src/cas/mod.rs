//! Where clients of Xet get and put chunks: the CAS, as they call it.
//!
//! Whatever is not answered here is 404 in JSON, never 405: it is how they learn to do without.

mod chunk;
mod data;
mod failure;
mod reconstruction;
mod route;
mod upload;

use std::sync::Arc;

use axum::body::Body;
use http::Method;
use http::request::Parts;
use polder_http::{
    ClientAddress, Edge, Request, RequestId, Response, ResponseFuture, Url, credentials, respond,
};
use polder_hub::{Contribute, Credentials, Error, Grant, Hub, Kind, Read, Result, Secret};

pub use route::{Route, RouteKind, Version};

/// The CAS of one hub.
pub struct Cas {
    hub: Hub,
}

/// A request that found its route.
struct Ask<'a> {
    hub: &'a Hub,
    parts: &'a Parts,
}

impl Ask<'_> {
    fn token(&self) -> Result<Secret> {
        match credentials(&self.parts.headers)? {
            Credentials::Token(secret) => Ok(secret),
            Credentials::None => {
                Err(Error::new(Kind::Unauthenticated, "a token for the repository is needed"))
            }
        }
    }

    /// Permission to read by the request's token.
    async fn read(&self) -> Result<Grant<Read>> {
        self.hub.xet_reader(&self.token()?, ClientAddress::to_count_for(self.parts)).await
    }

    /// Permission to contribute by the request's token.
    async fn write(&self) -> Result<Grant<Contribute>> {
        self.hub.xet_writer(&self.token()?, ClientAddress::to_count_for(self.parts)).await
    }
}

impl Cas {
    /// The edge for `hub`.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    async fn answer(&self, route: Route, parts: Parts, body: Body) -> Response {
        let ask = Ask { hub: &self.hub, parts: &parts };
        let answer = respond_to(route, &ask, body).await;
        answer.unwrap_or_else(|error| failure::response(&error, &RequestId::in_extensions(&parts.extensions)))
    }
}

async fn respond_to(route: Route, ask: &Ask<'_>, body: Body) -> Result<Response> {
    match route {
        Route::Chunk(chunk) => chunk::answer(ask, chunk).await,
        Route::Reconstruction(version, file) => reconstruction::answer(ask, version, file).await,
        Route::Data(xorb) => data::answer(ask, xorb).await,
        Route::Xorb(hash) => upload::xorb(ask, hash, body).await,
        Route::Shard(Version::V1) => upload::shard(ask, body).await,
        Route::Shard(Version::V2) => upload::shard_in_lines(ask, body).await,
        Route::Unknown => Err(unknown()),
        Route::Telemetry => Ok(respond::no_content()),
    }
}

fn unknown() -> Error {
    Error::new(Kind::NotFound, "there is nothing at this address")
}

/// Where the CAS of `hub` is, for clients that keep what they send under `memory`.
pub(crate) fn cas_url(hub: &Hub, memory: Option<&str>) -> String {
    let url = format!("{}/{}", hub.public_url(), route::CAS);
    memory.map_or_else(|| url.clone(), |memory| format!("{url}/{memory}"))
}

impl Edge for Cas {
    type Route = Route;
    const NAME: &'static str = "cas";

    fn parse(method: &Method, url: &Url<'_>) -> Option<Route> {
        Route::parse(method, url)
    }

    fn route_name(route: &Route) -> &'static str {
        route.kind().as_str()
    }

    fn handle(self: Arc<Self>, route: Route, request: Request) -> ResponseFuture {
        let (parts, body) = request.into_parts();
        Box::pin(async move { self.answer(route, parts, body).await })
    }
}
