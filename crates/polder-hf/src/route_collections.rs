//! The request lines about collections, below `/api/collections`.

use http::Method;

use crate::route::RouteKind;

/// Reads the words after `/api/`: the kind, the collection's slug, and the item's id.
pub(crate) fn parse(method: &Method, words: &[&str]) -> Option<(RouteKind, String, String)> {
    let (rest, is_read) =
        (words.strip_prefix(&["collections"])?, matches!(*method, Method::GET | Method::HEAD));
    let kind = match (rest, method) {
        ([], _) if is_read => RouteKind::Collections,
        ([], &Method::POST) => RouteKind::AddCollection,
        ([_, _], _) if is_read => RouteKind::Collection,
        ([_, _], &Method::PATCH) => RouteKind::SetCollection,
        ([_, _], &Method::DELETE) => RouteKind::DeleteCollection,
        ([_, _, "items"], &Method::POST) => RouteKind::AddCollectionItem,
        ([_, _, "items", _], &Method::PATCH) => RouteKind::SetCollectionItem,
        ([_, _, "items", _], &Method::DELETE) => RouteKind::DeleteCollectionItem,
        ([] | [_, _] | [_, _, "items"] | [_, _, "items", _], _) => RouteKind::WrongMethod,
        _ => return None,
    };
    let slug = rest.get(..2).map(|parts| parts.join("/")).unwrap_or_default();
    Some((kind, slug, rest.get(3).map(|item| (*item).to_owned()).unwrap_or_default()))
}
