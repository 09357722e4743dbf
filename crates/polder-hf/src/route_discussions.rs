//! The request lines of discussions: what follows a repository's name.

use http::Method;

use crate::route::RouteKind;

/// Reads one: its kind, the method that it takes, the discussion's number and the comment's id.
pub(crate) fn parse<'a>(method: &Method, words: &[&'a str]) -> Option<(RouteKind, Method, &'a str, &'a str)> {
    let ["discussions", rest @ ..] = words else { return None };
    let posted = |kind, num, comment| Some((kind, Method::POST, num, comment));
    match rest {
        [] if *method == Method::POST => posted(RouteKind::OpenDiscussion, "", ""),
        [] => Some((RouteKind::Discussions, Method::GET, "", "")),
        [num] => Some((RouteKind::Discussion, Method::GET, num, "")),
        [num, "comment"] => posted(RouteKind::AddComment, num, ""),
        [num, "title"] => posted(RouteKind::RenameDiscussion, num, ""),
        [num, "status"] => posted(RouteKind::CloseDiscussion, num, ""),
        [num, "merge"] => posted(RouteKind::MergePull, num, ""),
        [num, "comment", id, "edit"] => posted(RouteKind::EditComment, num, id),
        [num, "comment", id, "hide"] => posted(RouteKind::HideComment, num, id),
        _ => None,
    }
}
