//! The request lines below `/api/`.

use std::borrow::Cow;

use http::Method;
use polder_http::{Place, Url};
use polder_types::RepoKind;

use crate::route::{At, Route, RouteKind};
use crate::{not_served, route_collections, route_discussions, route_settings};

/// Reads a request line below `/api/`.
pub(crate) fn parse(method: &Method, url: &Url<'_>) -> Option<Route> {
    let segments = url.segments();
    if let Some((kind, account)) = hub_route(method, segments) {
        return Some(Route { kind, at: at(url, 0, account, String::new()) });
    }
    let words: Vec<&str> = segments.iter().skip(1).map(AsRef::as_ref).collect();
    if let Some((kind, slug, item)) = route_collections::parse(method, &words) {
        return Some(Route { kind, at: at(url, 0, &slug, item) });
    }
    RepoKind::from_plural(segments.get(1)?)?;
    // Counted with the kind's word: `ns/name`, then the name alone.
    [3, 2].into_iter().find_map(|count| {
        let names = segments.get(2..=count)?;
        if names.iter().any(|name| name.is_empty()) {
            return None;
        }
        let (kind, revision, path) = repo_route(method, segments.get(count + 1..)?)?;
        Some(Route { kind, at: at(url, count, revision, path) })
    })
}

pub(crate) fn at(url: &Url<'_>, count: usize, revision: &str, path: String) -> At {
    At { place: Place::read_api(url, count), revision: revision.to_owned(), path, download: false }
}

/// A route that names no repository in its path, but perhaps an account.
fn hub_route<'a>(method: &Method, segments: &'a [Cow<'_, str>]) -> Option<(RouteKind, &'a str)> {
    let words: Vec<&str> = segments.iter().skip(1).map(AsRef::as_ref).collect();
    if not_served::missing(&words).is_some() {
        return Some((RouteKind::NotServed, ""));
    }
    if let Some(found) = route_settings::parse(method, &words) {
        return Some(found);
    }
    let (kind, expected) = match words.as_slice() {
        ["users", user, "overview"] => {
            return Some((checked(method, &Method::GET, RouteKind::UserOverview), user));
        }
        ["users", user, "likes"] => return Some((checked(method, &Method::GET, RouteKind::UserLikes), user)),
        ["organizations", org, "overview"] => {
            return Some((checked(method, &Method::GET, RouteKind::OrgOverview), org));
        }
        ["organizations", org, "members"] => {
            return Some((checked(method, &Method::GET, RouteKind::OrgMembers), org));
        }
        ["models"] => (RouteKind::Models, Method::GET),
        ["datasets"] => (RouteKind::Datasets, Method::GET),
        ["spaces"] => (RouteKind::Spaces, Method::GET),
        ["kernels"] => (RouteKind::Kernels, Method::GET),
        ["whoami-v2"] => (RouteKind::Whoami, Method::GET),
        ["agent-harnesses"] => (RouteKind::AgentHarnesses, Method::GET),
        ["telemetry", ..] => (RouteKind::Telemetry, Method::GET),
        ["validate-yaml"] => (RouteKind::ValidateYaml, Method::POST),
        ["repos", "create"] => (RouteKind::CreateRepo, Method::POST),
        ["repos", "delete"] => (RouteKind::DeleteRepo, Method::DELETE),
        ["repos", "move"] => (RouteKind::MoveRepo, Method::POST),
        _ => return None,
    };
    Some((checked(method, &expected, kind), ""))
}

/// A route of a repository: what follows its name.
fn repo_route<'a>(method: &Method, rest: &'a [Cow<'_, str>]) -> Option<(RouteKind, &'a str, String)> {
    let words: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
    if let Some((kind, expected, num, comment)) = route_discussions::parse(method, &words) {
        return Some((checked(method, &expected, kind), num, comment.to_owned()));
    }
    let (kind, expected, revision) = match words.as_slice() {
        [] => (RouteKind::Info, Method::GET, ""),
        ["refs"] => (RouteKind::Refs, Method::GET, ""),
        ["likers"] => (RouteKind::Likers, Method::GET, ""),
        ["like"] if *method == Method::DELETE => (RouteKind::Unlike, Method::DELETE, ""),
        ["like"] => (RouteKind::Like, Method::POST, ""),
        ["settings"] => (RouteKind::Settings, Method::PUT, ""),
        ["user-access-request"] => (RouteKind::AskAccess, Method::POST, ""),
        ["user-access-request", "handle"] => (RouteKind::HandleAccess, Method::POST, ""),
        ["user-access-request", "grant"] => (RouteKind::GrantAccess, Method::POST, ""),
        ["user-access-request", status] => (RouteKind::AccessRequests, Method::GET, *status),
        ["lfs-files"] => (RouteKind::LfsFiles, Method::GET, ""),
        ["lfs-files", "batch"] => (RouteKind::DeleteLfsFiles, Method::POST, ""),
        ["lfs-files", "duplicate"] => (RouteKind::DuplicateLfsFiles, Method::POST, ""),
        ["duplicate"] => (RouteKind::DuplicateRepo, Method::POST, ""),
        ["auth-check"] => (RouteKind::AuthCheck, Method::GET, ""),
        ["auth-check", "write"] => (RouteKind::AuthCheckWrite, Method::GET, ""),
        ["revision", revision] => (RouteKind::Revision, Method::GET, *revision),
        ["commits", revision] => (RouteKind::Commits, Method::GET, *revision),
        ["paths-info", revision] => (RouteKind::PathsInfo, Method::POST, *revision),
        ["preupload", revision] => (RouteKind::Preupload, Method::POST, *revision),
        ["commit", revision] => (RouteKind::Commit, Method::POST, *revision),
        ["xet-read-token", revision] => (RouteKind::XetReadToken, Method::GET, *revision),
        ["xet-write-token", revision] => (RouteKind::XetWriteToken, Method::GET, *revision),
        ["super-squash", branch] => (RouteKind::SuperSquash, Method::POST, *branch),
        ["branch", branch] if *method == Method::DELETE => (RouteKind::DeleteBranch, Method::DELETE, *branch),
        ["branch", branch] => (RouteKind::CreateBranch, Method::POST, *branch),
        ["tag", tag] if *method == Method::DELETE => (RouteKind::DeleteTag, Method::DELETE, *tag),
        ["tag", revision] => (RouteKind::CreateTag, Method::POST, *revision),
        ["tree", revision, path @ ..] => {
            let path = path.join("/");
            let path = path.trim_end_matches('/').to_owned();
            return Some((checked(method, &Method::GET, RouteKind::Tree), revision, path));
        }
        ["safetensors-metadata", path @ ..] if !path.is_empty() => {
            return Some((checked(method, &Method::GET, RouteKind::ShardHeaders), "", path.join("/")));
        }
        _ => return None,
    };
    Some((checked(method, &expected, kind), revision, String::new()))
}

fn checked(method: &Method, expected: &Method, kind: RouteKind) -> RouteKind {
    let fits = method == expected || (*expected == Method::GET && *method == Method::HEAD);
    if fits { kind } else { RouteKind::WrongMethod }
}
