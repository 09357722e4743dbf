//! The edge: from a route to its answer.

use std::sync::Arc;

use http::Method;
use polder_http::{Edge, Place, Request, RequestId, Response, ResponseFuture, Url};
use polder_hub::Hub;

use crate::lfs_failure::LfsFailure;
use crate::route::Route;
use crate::{git, git_failure, lfs, lfs_locks, lfs_multipart};

/// Git smart-HTTP and LFS for one hub.
pub struct Smart {
    hub: Hub,
}

impl Smart {
    /// The edge for `hub`.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    async fn answer(&self, route: Route, request: Request) -> Response {
        let hub = &self.hub;
        let id = RequestId::in_extensions(request.extensions());
        let told = |place: &Place, answer: Result<Response, LfsFailure>| {
            answer.unwrap_or_else(|failure| failure.response(hub, place, &id))
        };
        match route {
            Route::AdvertiseFetch(place) => {
                let answer = git::advertise_fetch(hub, &place, request).await;
                answer.unwrap_or_else(|error| git_failure::response(hub, &place, &error, &id))
            }
            Route::AdvertisePush(place) => {
                let answer = git::advertise_push(hub, &place, request).await;
                answer.unwrap_or_else(|error| git_failure::response(hub, &place, &error, &id))
            }
            Route::UploadPack(place) => {
                let answer = git::upload_pack(hub, &place, request).await;
                answer.unwrap_or_else(|error| git_failure::fetch_response(hub, &place, &error, &id))
            }
            Route::ReceivePack(place) => {
                let answer = git::receive_pack(hub, &place, request).await;
                answer.unwrap_or_else(|error| git_failure::response(hub, &place, &error, &id))
            }
            Route::UnknownService(service) => git_failure::unknown_service(service.as_deref()),
            Route::GitWrongMethod(allow) => polder_http::respond::wrong_method(allow),
            Route::LfsBatch(place) => told(&place, lfs::batch(hub, &place, request).await),
            Route::LfsDownload(link) => told(&link.place, lfs::download(hub, &link, request).await),
            Route::LfsUpload(link) => told(&link.place, lfs::upload(hub, &link, request).await),
            Route::LfsVerify(place) => told(&place, lfs::verify(hub, &place, request).await),
            Route::LfsVerifyLink(link) => told(&link.place, lfs::verify_link(hub, &link, request).await),
            Route::LfsUploadPart(link, number) => {
                told(&link.place, lfs_multipart::upload_part(hub, &link, number, request).await)
            }
            Route::LfsComplete(link) => told(&link.place, lfs_multipart::complete(hub, &link, request).await),
            Route::LfsLocks(place) => told(&place, lfs_locks::list(hub, &place, request).await),
            Route::LfsLock(place) => told(&place, lfs_locks::create(hub, &place, request).await),
            Route::LfsLocksVerify(place) => told(&place, lfs_locks::verify(hub, &place, request).await),
            Route::LfsUnlock(place, lock) => {
                told(&place, lfs_locks::unlock(hub, &place, &lock, request).await)
            }
            Route::LfsUnknown => LfsFailure::unknown_address().plain(&id),
            Route::LfsWrongMethod(allow) => LfsFailure::wrong_method(allow).plain(&id),
        }
    }
}

impl Edge for Smart {
    type Route = Route;
    const NAME: &'static str = "smart";

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
