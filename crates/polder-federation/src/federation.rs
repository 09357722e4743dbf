//! The edge: from a route to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use polder_http::{Edge, Request, RequestId, Response, ResponseFuture, Url, body};
use polder_hub::{Hub, Result};
use serde::Deserialize;

use crate::log::{BYTES, FOR_EVER, NOT_AT_ALL, ONE_MINUTE, bytes, tagged, tip};
use crate::polls::Polls;
use crate::route::Route;
use crate::{failure, log, repos};

/// What other hubs ask of one hub.
pub struct Federation {
    hub: Hub,
    polls: Arc<Polls>,
}

/// What a ping says.
#[derive(Deserialize)]
struct Ping {
    origin: String,
}

impl Federation {
    /// The edge for `hub`.
    pub fn new(hub: Hub) -> Self {
        Self { hub, polls: Arc::default() }
    }

    async fn answer(&self, route: Route, request: Request) -> Response {
        let id = RequestId::in_extensions(request.extensions());
        match route {
            Route::Unknown => failure::told(StatusCode::NOT_FOUND, "this hub has no such address"),
            Route::WrongMethod(allow) => polder_http::respond::wrong_method(allow),
            route => {
                let answer = self.of_route(route, request).await;
                answer.unwrap_or_else(|error| failure::response(&error, &id))
            }
        }
    }

    async fn of_route(&self, route: Route, request: Request) -> Result<Response> {
        let hub = &self.hub;
        let headers = request.headers().clone();
        match route {
            Route::WellKnown => log::well_known(hub).await,
            Route::Checkpoint(at) => Ok(log::checkpoint(&tip(hub, at).await?)),
            Route::Tile(at, tile) => {
                let hashes = hub.log_tile(&tip(hub, at).await?, tile).await?;
                Ok(bytes(hashes, BYTES, FOR_EVER))
            }
            Route::Entries(at, bundle) => {
                let leaves = hub.log_entries(&tip(hub, at).await?, bundle).await?;
                Ok(bytes(leaves, BYTES, FOR_EVER))
            }
            Route::Body(at, sha256) => {
                tip(hub, at).await?;
                let body = hub.log_body(sha256).await?;
                Ok(tagged(&headers, &sha256, body, ONE_MINUTE))
            }
            Route::Events(at, query, wait) => {
                let (parts, _) = request.into_parts();
                log::events(hub, &self.polls, at, query, wait, &parts).await
            }
            Route::Bodies(at) => {
                tip(hub, at).await?;
                log::bodies(hub, request).await
            }
            Route::Snapshot(at) => log::snapshot(hub, &tip(hub, at).await?).await,
            Route::SnapshotPart(at, sha256) => {
                let part = hub.log_snapshot_part(&tip(hub, at).await?, sha256).await?;
                Ok(tagged(&headers, &sha256, part, FOR_EVER))
            }
            Route::Namespace(at, nsid) => {
                Ok(bytes(hub.log_namespace(&tip(hub, at).await?, nsid).await?, BYTES, NOT_AT_ALL))
            }
            Route::Repo(at, rid) => {
                Ok(bytes(hub.log_repo(&tip(hub, at).await?, rid).await?, BYTES, NOT_AT_ALL))
            }
            Route::Refs(at, rid, sha256) | Route::Manifest(at, rid, sha256) => {
                let is_refs = matches!(route, Route::Refs(..));
                let file = hub.log_file(&tip(hub, at).await?, rid, sha256, is_refs).await?;
                Ok(tagged(&headers, &sha256, file, ONE_MINUTE))
            }
            Route::Proof(name) => Ok(bytes(hub.clone_proof(&name).await?, BYTES, NOT_AT_ALL)),
            Route::AdvertiseFetch(rid) => repos::advertise(hub, rid, &headers).await,
            Route::UploadPack(rid) => repos::upload_pack(hub, rid, request).await,
            Route::Object(at, oid) => repos::object(hub, at, oid, request).await,
            Route::Chunks(oid, from, count) => repos::chunks(hub, oid, from, count).await,
            Route::Extents(oid) => repos::extents(hub, oid, request).await,
            Route::Ping => {
                let ping: Ping = body::json(hub, request.into_body()).await?;
                hub.pinged(&ping.origin).await?;
                let mut response = bytes(Bytes::new(), BYTES, NOT_AT_ALL);
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            Route::Downloads => {
                hub.hear_downloads(&log::whole(request, polder_log::COUNTS_BYTES_MAX).await?).await?;
                let mut response = bytes(Bytes::new(), BYTES, NOT_AT_ALL);
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().remove(CONTENT_TYPE);
                Ok(response)
            }
            Route::Unknown | Route::WrongMethod(_) => {
                Ok(failure::told(StatusCode::NOT_FOUND, "this hub has no such address"))
            }
        }
    }
}

impl Edge for Federation {
    type Route = Route;
    const NAME: &'static str = "federation";

    fn parse(method: &Method, url: &Url<'_>) -> Option<Route> {
        Route::parse(method, url)
    }

    fn route_name(route: &Route) -> &'static str {
        route.kind().as_str()
    }

    fn handle(self: Arc<Self>, route: Route, request: Request) -> ResponseFuture {
        Box::pin(async move { self.answer(route, request).await })
    }
}
