//! Tokens that clients get by themselves.

use super::operation::{FORM, Operation};
use super::schema::{Shape, number, object, text, word};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    let client = || ("client_id", text());
    let grant = object(
        vec![("grant_type", text())],
        vec![
            client(),
            ("device_code", text()),
            ("refresh_token", text()),
            ("subject_token_type", text()),
            ("subject_token", text()),
            ("resource", text()),
        ],
    );
    vec![
        Operation::post(RouteKind::OAuthDevice, "/oauth/device", "A code for somebody to agree to")
            .takes_as(FORM, object(vec![client()], vec![]))
            .gives(shape("DeviceCode"))
            .refuses(&[429, 503]),
        Operation::post(
            RouteKind::OAuthToken,
            "/oauth/token",
            "A token, for such a code, a refresh token or an id token",
        )
        .takes(grant.clone())
        .takes_as(FORM, grant)
        .gives(shape("IssuedToken"))
        .refuses(&[429, 503]),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let device = object(
        vec![
            ("device_code", text()),
            ("user_code", text()),
            ("verification_uri", text()),
            ("verification_uri_complete", text()),
            ("expires_in", number()),
            ("interval", number()),
        ],
        vec![],
    );
    let token = object(
        vec![("access_token", text()), ("token_type", word(&["bearer"])), ("expires_in", number())],
        vec![("refresh_token", text()), ("issued_token_type", text()), ("scope", word(&["read", "write"]))],
    );
    vec![("DeviceCode", device), ("IssuedToken", token)]
}
