//! The request lines about what accounts store and attach, whom they follow, and tags; and of the description
//! of all routes.

use http::Method;

use crate::route::RouteKind;

/// Reads the words of the path: the kind, and the account or attachment that it names.
pub(crate) fn parse<'a>(method: &Method, words: &[&'a str]) -> Option<(RouteKind, &'a str)> {
    let (kind, account) = match *words {
        ["api", "settings", "repositories"] => (RouteKind::StoredRepos, ""),
        ["api", "organizations", org, "settings", "repositories"] => (RouteKind::StoredRepos, org),
        ["api", "users", user, "followers" | "following"] => (RouteKind::UserFollowers, user),
        ["api", "organizations", org, "followers"] => (RouteKind::OrgFollowers, org),
        ["api", "models-tags-by-type"] => (RouteKind::ModelTags, ""),
        ["api", "datasets-tags-by-type"] => (RouteKind::DatasetTags, ""),
        [".well-known", "openapi.json"] => (RouteKind::OpenApi, ""),
        ["uploads"] if *method == Method::POST => return Some((RouteKind::AddAttachment, "")),
        ["uploads", name] if *method == Method::DELETE => return Some((RouteKind::DeleteAttachment, name)),
        ["uploads", name] => (RouteKind::Attachment, name),
        _ => return None,
    };
    let fits = matches!(*method, Method::GET | Method::HEAD);
    Some((if fits { kind } else { RouteKind::WrongMethod }, account))
}
