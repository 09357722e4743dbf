//! Access to gated repositories.

use super::operation::{FORM, Operation};
use super::schema::{Shape, list, map, moment, nullable, number, object, text, word};
use super::shape;
use crate::route::RouteKind;

const STATUSES: [&str; 3] = ["pending", "accepted", "rejected"];

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{AccessRequests, AskAccess, GrantAccess, HandleAccess};
    let asks = |path, summary| {
        Operation::post(AskAccess, path, summary)
            .takes(map())
            .takes_as(FORM, map())
            .gives(object(vec![("requestId", text()), ("status", word(&STATUSES))], vec![]))
    };
    vec![
        asks(
            "/api/{type}/{namespace}/{repo}/user-access-request",
            "Asks for access, with what the form asks",
        ),
        asks("/{namespace}/{repo}/ask-access", "Asks for access to a model").called("ask-access-to-model"),
        asks("/{prefix}/{namespace}/{repo}/ask-access", "Asks for access, as a page does")
            .called("ask-access-of-kind"),
        Operation::get(
            AccessRequests,
            "/api/{type}/{namespace}/{repo}/user-access-request/{status}",
            "Who asked for access",
        )
        .query("limit", number())
        .query("cursor", text())
        .gives(list(shape("AccessRequest"))),
        Operation::post(
            HandleAccess,
            "/api/{type}/{namespace}/{repo}/user-access-request/handle",
            "Decides on a request, named by its user or its id",
        )
        .takes(object(
            vec![("status", word(&STATUSES))],
            vec![
                ("user", nullable(text())),
                ("requestId", nullable(text())),
                ("rejectionReason", nullable(text())),
            ],
        ))
        .gives(object(vec![("status", word(&STATUSES))], vec![])),
        Operation::post(
            GrantAccess,
            "/api/{type}/{namespace}/{repo}/user-access-request/grant",
            "Gives access unasked",
        )
        .takes(object(vec![("user", text())], vec![]))
        .gives(shape("AccessRequest")),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let user = object(
        vec![("user", text()), ("fullname", text())],
        vec![("email", nullable(text())), ("type", text())],
    );
    vec![(
        "AccessRequest",
        object(
            vec![("requestId", text()), ("user", user), ("status", word(&STATUSES)), ("timestamp", moment())],
            vec![
                ("decidedAt", nullable(moment())),
                ("rejectionReason", nullable(text())),
                ("fields", nullable(map())),
            ],
        ),
    )]
}
