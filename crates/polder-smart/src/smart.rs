//! The edge: from a route to its answer.

use std::sync::Arc;

use http::Method;
use polder_http::{Edge, Request, RequestId, Response, ResponseFuture, Url};
use polder_hub::Hub;

use crate::lfs_failure::LfsFailure;
use crate::route::Route;
use crate::{git, git_failure, lfs};

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
            Route::LfsBatch(place) => {
                let answer = lfs::batch(hub, &place, request).await;
                answer.unwrap_or_else(|failure| failure.response(hub, &place, &id))
            }
            Route::LfsDownload(link) => {
                let answer = lfs::download(hub, &link, request).await;
                answer.unwrap_or_else(|failure| failure.response(hub, &link.place, &id))
            }
            Route::LfsUpload(link) => {
                let answer = lfs::upload(hub, &link, request).await;
                answer.unwrap_or_else(|failure| failure.response(hub, &link.place, &id))
            }
            Route::LfsVerify(place) => {
                let answer = lfs::verify(hub, &place, request).await;
                answer.unwrap_or_else(|failure| failure.response(hub, &place, &id))
            }
            Route::LfsVerifyLink(link) => {
                let answer = lfs::verify_link(hub, &link, request).await;
                answer.unwrap_or_else(|failure| failure.response(hub, &link.place, &id))
            }
            Route::LfsLocks => LfsFailure::no_locks().plain(&id),
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
