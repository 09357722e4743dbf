//! What an account has set up.

use super::operation::Operation;
use super::schema::{Shape, flag, list, nullable, object, text, word};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{
        AddWebhook, DeleteWebhook, DisableWebhook, EnableWebhook, SetWebhook, Webhook, Webhooks,
    };
    let one = || object(vec![("webhook", shape("Webhook"))], vec![]);
    vec![
        Operation::get(Webhooks, "/api/settings/webhooks", "The caller's webhooks")
            .gives(list(shape("Webhook"))),
        Operation::post(AddWebhook, "/api/settings/webhooks", "Adds a webhook")
            .takes(shape("WantedWebhook"))
            .gives(one()),
        Operation::get(Webhook, "/api/settings/webhooks/{id}", "A webhook").gives(one()),
        Operation::post(SetWebhook, "/api/settings/webhooks/{id}", "Changes a webhook")
            .takes(shape("WantedWebhook"))
            .gives(one()),
        Operation::delete(DeleteWebhook, "/api/settings/webhooks/{id}", "Removes a webhook")
            .gives(object(vec![], vec![])),
        Operation::post(EnableWebhook, "/api/settings/webhooks/{id}/enable", "Sends to it again")
            .gives(one()),
        Operation::post(DisableWebhook, "/api/settings/webhooks/{id}/disable", "Sends nothing to it")
            .gives(one()),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let watched = || {
        let kinds = ["user", "org", "model", "dataset", "space", "kernel"];
        list(object(vec![("type", word(&kinds)), ("name", text())], vec![]))
    };
    let domains = || list(word(&["repo", "discussions"]));
    vec![
        (
            "Webhook",
            object(
                vec![
                    ("id", text()),
                    ("url", text()),
                    ("watched", watched()),
                    ("domains", domains()),
                    ("disabled", flag()),
                ],
                vec![("secret", nullable(text())), ("lastError", nullable(text()))],
            ),
        ),
        (
            "WantedWebhook",
            object(
                vec![],
                vec![
                    ("url", nullable(text())),
                    ("watched", watched()),
                    ("domains", nullable(domains())),
                    ("secret", nullable(text())),
                ],
            ),
        ),
    ]
}
