//! The edge: from a route to its answer.

use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use polder_http::{Edge, Request, RequestId, Response, ResponseFuture, Url, respond};
use polder_hub::Hub;
use polder_types::RepoKind;

use crate::ask::{Ask, set_commit};
use crate::failure::{Failure, X_REPO_COMMIT};
use crate::route::{At, Route, RouteKind};
use crate::{
    account, attachments, card_check, collections, discussions, file, gate, info, lfs_files, listings,
    not_served, oauth, oauth_page, openapi, people, refs, repos, search, shards, tree, upload, webhooks,
    xet_token,
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
        let mut response = answer.unwrap_or_else(|failure| failure.response(&self.hub, &route.at.place, &id));
        name_as_asked(&mut response, &route.at);
        response
    }
}

/// Has an answer about a commit name it as [`At::told`] does.
fn name_as_asked(response: &mut Response, at: &At) {
    let named = response.headers().get(X_REPO_COMMIT).and_then(|value| value.to_str().ok());
    if let Some(commit_id) = named.and_then(|text| text.parse().ok()) {
        set_commit(response, &at.told(commit_id).to_string());
    }
}

/// An answer under way, on the heap: without optimisation a function has room on its stack for each of the
/// futures that it may make, and those of all routes together overflow it.
fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// Declares `respond_to` from an answer for each kind of route: a match without an arm for the rest.
macro_rules! answers {
    (($ask:ident, $body:ident) $($kind:ident => $answer:expr,)*) => {
        async fn respond_to(kind: RouteKind, $ask: &Ask<'_>, $body: Body) -> Result<Response, Failure> {
            match kind {
                $(RouteKind::$kind => boxed(|| async { $answer }).await,)*
            }
        }
    };
}

answers! {
    (ask, body)
    Resolve => file::resolve(ask).await,
    Raw => file::raw(ask).await,
    FilePage => Ok(file::page(ask, "resolve", false)),
    FolderPage => Ok(file::page(ask, "tree", true)),
    Whoami => account::whoami(ask).await,
    AgentHarnesses => Ok(account::agent_harnesses()),
    Telemetry => Ok(account::telemetry()),
    ValidateYaml => card_check::validate_yaml(ask, body).await,
    CreateRepo => repos::create(ask, body).await,
    DeleteRepo => repos::delete(ask, body).await,
    MoveRepo => repos::move_repo(ask, body).await,
    Models => search::search(ask, RepoKind::Model).await,
    Datasets => search::search(ask, RepoKind::Dataset).await,
    Spaces => search::search(ask, RepoKind::Space).await,
    Kernels => search::search(ask, RepoKind::Kernel).await,
    UserOverview => people::user(ask).await,
    UserLikes => people::likes(ask).await,
    OrgOverview => people::organization(ask).await,
    OrgMembers => people::members(ask).await,
    Likers => people::likers(ask).await,
    Like => people::like(ask, true).await,
    Unlike => people::like(ask, false).await,
    Settings => repos::settings(ask, body).await,
    Info => info::info(ask).await,
    Revision => info::revision(ask).await,
    Tree => tree::tree(ask).await,
    ShardHeaders => shards::headers(ask).await,
    PathsInfo => tree::paths_info(ask, body).await,
    Refs => refs::refs(ask).await,
    Commits => refs::commits(ask).await,
    AuthCheck => ask.read().await.map(|_may| respond::json(StatusCode::OK, &serde_json::json!({}))),
    AuthCheckWrite => ask.write().await.map(|_may| respond::json(StatusCode::OK, &serde_json::json!({}))),
    Preupload => upload::preupload(ask, body).await,
    Commit => upload::commit(ask, body).await,
    XetReadToken => xet_token::read(ask).await,
    XetWriteToken => xet_token::write(ask).await,
    CreateBranch => refs::create_branch(ask, body).await,
    DeleteBranch => refs::delete_branch(ask).await,
    CreateTag => refs::create_tag(ask, body).await,
    DeleteTag => refs::delete_tag(ask).await,
    SuperSquash => refs::super_squash(ask, body).await,
    Discussions => discussions::list(ask).await,
    OpenDiscussion => discussions::open(ask, body).await,
    Discussion => discussions::details(ask).await,
    AddComment => discussions::comment(ask, body).await,
    RenameDiscussion => discussions::rename(ask, body).await,
    CloseDiscussion => discussions::set_status(ask, body).await,
    AddAttachment => attachments::add(ask, body).await,
    Attachment => attachments::one(ask).await,
    DeleteAttachment => attachments::delete(ask).await,
    MergePull => discussions::merge(ask, body).await,
    EditComment => discussions::edit(ask, body).await,
    HideComment => discussions::hide(ask).await,
    AskAccess => gate::ask_access(ask, body).await,
    AccessRequests => gate::requests(ask).await,
    HandleAccess => gate::handle(ask, body).await,
    GrantAccess => gate::grant(ask, body).await,
    LfsFiles => lfs_files::list(ask).await,
    DeleteLfsFiles => lfs_files::delete(ask, body).await,
    DuplicateLfsFiles => lfs_files::duplicate(ask, body).await,
    DuplicateRepo => repos::duplicate(ask, body).await,
    Webhooks => webhooks::list(ask).await,
    AddWebhook => webhooks::add(ask, body).await,
    Webhook => webhooks::one(ask).await,
    SetWebhook => webhooks::set(ask, body).await,
    DeleteWebhook => webhooks::delete(ask).await,
    EnableWebhook => webhooks::enable(ask, true).await,
    DisableWebhook => webhooks::enable(ask, false).await,
    StoredRepos => listings::stored(ask).await,
    UserFollowers => listings::followers(ask, false).await,
    OrgFollowers => listings::followers(ask, true).await,
    ModelTags => listings::tags(ask, RepoKind::Model).await,
    DatasetTags => listings::tags(ask, RepoKind::Dataset).await,
    OAuthDevice => Ok(oauth::device(ask, body).await),
    OAuthToken => Ok(oauth::token(ask, body).await),
    OAuthPage => Ok(oauth_page::form(ask).await),
    OAuthDecide => Ok(oauth_page::decide(ask, body).await),
    Collections => collections::list(ask).await,
    AddCollection => collections::add(ask, body).await,
    Collection => collections::one(ask).await,
    SetCollection => collections::set(ask, body).await,
    DeleteCollection => collections::delete(ask).await,
    AddCollectionItem => collections::add_item(ask, body).await,
    SetCollectionItem => collections::set_item(ask, body).await,
    DeleteCollectionItem => collections::delete_item(ask).await,
    OpenApi => Ok(openapi::openapi()),
    NotServed => Ok(not_served::not_served(ask)),
    WrongMethod => Ok(wrong_method(ask)),
}

/// 405, in JSON where the clients of the API read it.
fn wrong_method(ask: &Ask<'_>) -> Response {
    let path = ask.parts.uri.path();
    if !path.starts_with("/api/") && !path.starts_with("/oauth/") {
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
