//! The request lines about what an account has set up, below `/api/settings/`.

use http::Method;

use crate::route::RouteKind;

/// Reads the words after `/api/`: the kind, and the id that the path names.
pub(crate) fn parse<'a>(method: &Method, words: &[&'a str]) -> Option<(RouteKind, &'a str)> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let (kind, id) = match *words {
        ["settings", "webhooks"] if is_read => (RouteKind::Webhooks, ""),
        ["settings", "webhooks"] if *method == Method::POST => (RouteKind::AddWebhook, ""),
        ["settings", "webhooks", id] if is_read => (RouteKind::Webhook, id),
        ["settings", "webhooks", id] if *method == Method::POST => (RouteKind::SetWebhook, id),
        ["settings", "webhooks", id] if *method == Method::DELETE => (RouteKind::DeleteWebhook, id),
        ["settings", "webhooks", id, "enable"] if *method == Method::POST => (RouteKind::EnableWebhook, id),
        ["settings", "webhooks", id, "disable"] if *method == Method::POST => (RouteKind::DisableWebhook, id),
        ["settings", "webhooks"] | ["settings", "webhooks", ..] if words.len() <= 4 => {
            (RouteKind::WrongMethod, "")
        }
        _ => return None,
    };
    Some((kind, id))
}
