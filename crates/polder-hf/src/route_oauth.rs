//! The request lines about tokens that clients get by themselves, and of the page on which somebody agrees.

use http::Method;

use crate::route::RouteKind;

pub(crate) fn parse(method: &Method, words: &[&str]) -> Option<RouteKind> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let kind = match *words {
        ["oauth", "device"] if *method == Method::POST => RouteKind::OAuthDevice,
        ["oauth", "token"] if *method == Method::POST => RouteKind::OAuthToken,
        ["oauth", "approve"] if *method == Method::POST => RouteKind::OAuthDecide,
        ["oauth", "approve"] if is_read => RouteKind::OAuthPage,
        ["oauth", "device" | "token" | "approve"] => RouteKind::WrongMethod,
        _ => return None,
    };
    Some(kind)
}
