//! The edge: from a route to its answer.

use std::sync::Arc;

use axum::body::Body;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use polder_http::{Edge, Request, RequestId, Response, ResponseFuture, Url, respond};
use polder_hub::Hub;
use polder_types::RepoKind;

use crate::ask::Ask;
use crate::failure::Failure;
use crate::route::{Route, RouteKind};
use crate::{
    account, card_check, collections, discussions, file, gate, info, lfs_files, listings, not_served,
    openapi, people, refs, repos, search, tree, upload, webhooks, xet_token,
};

/// The Hugging Face surface of one hub.
pub struct Hf {
    hub: Hub,
}

impl Hf {
    /// The edge for `hub`.
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    async fn answer(&self, route: Route, parts: Parts, body: Body) -> Response {
        let id = RequestId::in_extensions(&parts.extensions);
        let ask = Ask { hub: &self.hub, at: &route.at, parts: &parts };
        let answer = respond_to(route.kind, &ask, body).await;
        answer.unwrap_or_else(|failure| failure.response(&self.hub, &route.at.place, &id))
    }
}

async fn respond_to(kind: RouteKind, ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    match kind {
        RouteKind::Resolve => file::resolve(ask).await,
        RouteKind::Raw => file::raw(ask).await,
        RouteKind::Whoami => account::whoami(ask).await,
        RouteKind::AgentHarnesses => Ok(account::agent_harnesses()),
        RouteKind::Telemetry => Ok(account::telemetry()),
        RouteKind::ValidateYaml => card_check::validate_yaml(ask, body).await,
        RouteKind::CreateRepo => repos::create(ask, body).await,
        RouteKind::DeleteRepo => repos::delete(ask, body).await,
        RouteKind::MoveRepo => repos::move_repo(ask, body).await,
        RouteKind::Models => search::search(ask, RepoKind::Model).await,
        RouteKind::Datasets => search::search(ask, RepoKind::Dataset).await,
        RouteKind::Spaces => search::search(ask, RepoKind::Space).await,
        RouteKind::Kernels => search::search(ask, RepoKind::Kernel).await,
        RouteKind::UserOverview => people::user(ask).await,
        RouteKind::UserLikes => people::likes(ask).await,
        RouteKind::OrgOverview => people::organization(ask).await,
        RouteKind::OrgMembers => people::members(ask).await,
        RouteKind::Likers => people::likers(ask).await,
        RouteKind::Like => people::like(ask, true).await,
        RouteKind::Unlike => people::like(ask, false).await,
        RouteKind::Settings => repos::settings(ask, body).await,
        RouteKind::Info => info::info(ask).await,
        RouteKind::Revision => info::revision(ask).await,
        RouteKind::Tree => tree::tree(ask).await,
        RouteKind::PathsInfo => tree::paths_info(ask, body).await,
        RouteKind::Refs => refs::refs(ask).await,
        RouteKind::Commits => refs::commits(ask).await,
        RouteKind::AuthCheck => {
            ask.read().await.map(|_may| respond::json(StatusCode::OK, &serde_json::json!({})))
        }
        RouteKind::AuthCheckWrite => {
            ask.write().await.map(|_may| respond::json(StatusCode::OK, &serde_json::json!({})))
        }
        RouteKind::Preupload => upload::preupload(ask, body).await,
        RouteKind::Commit => upload::commit(ask, body).await,
        RouteKind::XetReadToken => xet_token::read(ask).await,
        RouteKind::XetWriteToken => xet_token::write(ask).await,
        RouteKind::CreateBranch => refs::create_branch(ask, body).await,
        RouteKind::DeleteBranch => refs::delete_branch(ask).await,
        RouteKind::CreateTag => refs::create_tag(ask, body).await,
        RouteKind::DeleteTag => refs::delete_tag(ask).await,
        RouteKind::SuperSquash => refs::super_squash(ask, body).await,
        RouteKind::Discussions => discussions::list(ask).await,
        RouteKind::OpenDiscussion => discussions::open(ask, body).await,
        RouteKind::Discussion => discussions::details(ask).await,
        RouteKind::AddComment => discussions::comment(ask, body).await,
        RouteKind::RenameDiscussion => discussions::rename(ask, body).await,
        RouteKind::CloseDiscussion => discussions::set_status(ask, body).await,
        RouteKind::Attachments => Ok(discussions::no_attachments()),
        RouteKind::MergePull => discussions::merge(ask, body).await,
        RouteKind::EditComment => discussions::edit(ask, body).await,
        RouteKind::HideComment => discussions::hide(ask).await,
        RouteKind::AskAccess => gate::ask_access(ask, body).await,
        RouteKind::AccessRequests => gate::requests(ask).await,
        RouteKind::HandleAccess => gate::handle(ask, body).await,
        RouteKind::GrantAccess => gate::grant(ask, body).await,
        RouteKind::LfsFiles => lfs_files::list(ask).await,
        RouteKind::DeleteLfsFiles => lfs_files::delete(ask, body).await,
        RouteKind::DuplicateLfsFiles => lfs_files::duplicate(ask, body).await,
        RouteKind::DuplicateRepo => repos::duplicate(ask, body).await,
        kind => respond_to_account(kind, ask, body).await,
    }
}

/// What accounts set up, or put together, and what is about the hub itself.
async fn respond_to_account(kind: RouteKind, ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    match kind {
        RouteKind::Webhooks => webhooks::list(ask).await,
        RouteKind::AddWebhook => webhooks::add(ask, body).await,
        RouteKind::Webhook => webhooks::one(ask).await,
        RouteKind::SetWebhook => webhooks::set(ask, body).await,
        RouteKind::DeleteWebhook => webhooks::delete(ask).await,
        RouteKind::EnableWebhook => webhooks::enable(ask, true).await,
        RouteKind::DisableWebhook => webhooks::enable(ask, false).await,
        RouteKind::StoredRepos => listings::stored(ask).await,
        RouteKind::UserFollowers => listings::followers(ask, false).await,
        RouteKind::OrgFollowers => listings::followers(ask, true).await,
        RouteKind::ModelTags => listings::tags(ask, RepoKind::Model).await,
        RouteKind::DatasetTags => listings::tags(ask, RepoKind::Dataset).await,
        RouteKind::OAuth => Ok(listings::no_oauth()),
        RouteKind::Collections => collections::list(ask).await,
        RouteKind::AddCollection => collections::add(ask, body).await,
        RouteKind::Collection => collections::one(ask).await,
        RouteKind::SetCollection => collections::set(ask, body).await,
        RouteKind::DeleteCollection => collections::delete(ask).await,
        RouteKind::AddCollectionItem => collections::add_item(ask, body).await,
        RouteKind::SetCollectionItem => collections::set_item(ask, body).await,
        RouteKind::DeleteCollectionItem => collections::delete_item(ask).await,
        RouteKind::OpenApi => Ok(openapi::openapi()),
        RouteKind::NotServed => Ok(not_served::not_served(ask)),
        _ => Ok(wrong_method(ask)),
    }
}

/// 405, in JSON where the clients of the API read it.
fn wrong_method(ask: &Ask<'_>) -> Response {
    if !ask.parts.uri.path().starts_with("/api/") {
        return respond::wrong_method("GET, HEAD");
    }
    let body = serde_json::json!({ "error": "this address has no such method" });
    let mut response = respond::json(StatusCode::METHOD_NOT_ALLOWED, &body);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
    response
}

impl Edge for Hf {
    type Route = Route;
    const NAME: &'static str = "hf";

    fn parse(method: &Method, url: &Url<'_>) -> Option<Route> {
        Route::parse(method, url)
    }

    fn route_name(route: &Route) -> &'static str {
        route.kind.as_str()
    }

    fn handle(self: Arc<Self>, route: Route, request: Request) -> ResponseFuture {
        let (parts, body) = request.into_parts();
        Box::pin(async move { self.answer(route, parts, body).await })
    }
}
