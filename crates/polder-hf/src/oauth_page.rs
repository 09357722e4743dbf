//! The page on which somebody agrees that a program acts for them. It needs no script, and nothing but this hub.
//!
//! Who they are they prove as git does, with HTTP Basic; browsers send that along whoever made the form, so
//! only a form that was made here for the same account and code counts, sent from this hub's own page.

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use polder_http::{Caller, RequestId, Response, body, log, query_parameter, set_retry_after, status};
use polder_hub::{DeviceRequest, Error, Kind};
use polder_types::Role;

use crate::ask::Ask;

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    // With `no-referrer` browsers would not say where a form comes from.
    (REFERRER_POLICY, "same-origin"),
];
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Polder\", charset=\"UTF-8\"");

/// Answers `GET /oauth/approve`: the form for a code, and for the code of a login the form that agrees.
pub(crate) async fn form(ask: &Ask<'_>) -> Response {
    let caller = match caller(ask).await {
        Ok(caller) => caller,
        Err(error) => return refused(ask, &error),
    };
    let name = caller.principal().name().unwrap_or_default();
    let Some(code) = ask.query("user_code").filter(|code| !code.trim().is_empty()) else {
        return page(StatusCode::OK, "Log in a program", &code_form(name));
    };
    match ask.hub.device_request(caller.principal(), &code).await {
        Ok(request) => page(StatusCode::OK, "Let a program act for you?", &decision_form(name, &request)),
        Err(error) => refused(ask, &error),
    }
}

/// Answers `POST /oauth/approve`.
pub(crate) async fn decide(ask: &Ask<'_>, body: Body) -> Response {
    let decided = async {
        let caller = caller(ask).await?;
        if !is_from_here(ask) {
            let message =
                format!("open {}{} itself and agree there", ask.hub.public_url(), crate::oauth::PAGE);
            return Err(Error::new(Kind::Forbidden, message));
        }
        let form = body::form(ask.hub, body).await?;
        let field = |name| query_parameter(&form, name).unwrap_or_default();
        let (principal, code, key) = (caller.principal(), field("user_code"), field("form_key"));
        match (field("decision").as_str(), field("scope").as_str()) {
            ("approve", scope @ ("read" | "write")) => {
                let scope = if scope == "read" { Role::Read } else { Role::Write };
                ask.hub.approve_device(principal, &code, &key, scope).await?;
                Ok("<p>The program has what it asked for. You can close this page.</p>")
            }
            ("decline", _) => {
                ask.hub.deny_device(principal, &code, &key).await?;
                Ok("<p>The program was refused. You can close this page.</p>")
            }
            _ => Err(Error::new(Kind::Invalid, "the form says neither yes nor no")),
        }
    };
    match decided.await {
        Ok(text) => page(StatusCode::OK, "Done", text),
        Err(error) => refused(ask, &error),
    }
}

async fn caller(ask: &Ask<'_>) -> Result<Caller, Error> {
    let caller = Caller::of(ask.hub, ask.parts).await?;
    if caller.principal().is_anonymous() {
        return Err(Error::new(Kind::Unauthenticated, "log in to say whether a program may act for you"));
    }
    Ok(caller)
}

/// Whether the browser says that the form was on a page of this hub.
fn is_from_here(ask: &Ask<'_>) -> bool {
    let mut origins = ask.parts.headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(origin_of(ask.hub.public_url())))
}

/// Scheme, host and port of a URL as browsers write them: without the port that goes without saying.
fn origin_of(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(host_at..).unwrap_or_default();
    let end = host_at.saturating_add(rest.find('/').unwrap_or(rest.len()));
    let origin = url.get(..end).unwrap_or_default();
    let usual = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(usual).unwrap_or(origin)
}

fn code_form(name: &str) -> String {
    let name = escaped(name);
    format!(
        "<p>You are <strong>{name}</strong>.</p>\n\
         <form method=\"get\" action=\"approve\">\n\
         <p><label for=\"user_code\">The code that the program shows</label><br>\n\
         <input id=\"user_code\" name=\"user_code\" required maxlength=\"32\" autocomplete=\"off\" \
         autocapitalize=\"characters\" spellcheck=\"false\"></p>\n\
         <p><button>Go on</button></p>\n</form>"
    )
}

fn decision_form(name: &str, request: &DeviceRequest) -> String {
    let (name, agent) = (escaped(name), escaped(&request.agent));
    let place = request.address.as_deref().map(|address| format!(" at {}", escaped(address)));
    let (place, code, key) = (place.unwrap_or_default(), &request.user_code, &request.form_key);
    let since = request.created.rfc3339();
    let read = choice("read", "only read what you may", request.scope == Role::Read);
    let choices = match request.scope {
        Role::Read => read,
        Role::Write | Role::Admin => choice("write", "read and change what you may", true) + &read,
    };
    format!(
        "<p>A program (<strong>{agent}</strong>{place}) asks since {since} to act for \
         <strong>{name}</strong>.</p>\n\
         <p>Say yes only if you started it yourself and it shows the code <strong>{code}</strong>. \
         Whoever sent you a code or a link to this page would have your rights.</p>\n\
         <form method=\"post\" action=\"approve\">\n\
         <fieldset><legend>It may, until it is taken back</legend>\n{choices}</fieldset>\n\
         <input type=\"hidden\" name=\"user_code\" value=\"{code}\">\n\
         <input type=\"hidden\" name=\"form_key\" value=\"{key}\">\n\
         <p><button name=\"decision\" value=\"approve\">Yes, it may</button> \
         <button name=\"decision\" value=\"decline\">No</button></p>\n</form>"
    )
}

/// A way to say yes.
fn choice(word: &str, text: &str, is_first: bool) -> String {
    let checked = if is_first { " checked" } else { "" };
    format!(
        "<p><input type=\"radio\" name=\"scope\" id=\"{word}\" value=\"{word}\"{checked}> \
         <label for=\"{word}\">{text}</label></p>\n"
    )
}

fn refused(ask: &Ask<'_>, error: &Error) -> Response {
    log(error, &RequestId::in_extensions(&ask.parts.extensions));
    let help = match error.kind() {
        Kind::Unauthenticated => {
            "<p>Your browser asks for a user name and a password: the password is one of your access tokens.</p>"
        }
        _ => "<p><a href=\"approve\">Type a code</a></p>",
    };
    let text = format!("<p role=\"alert\">{}.</p>\n{help}", escaped(error.message()));
    let mut response = page(status(error.kind()), "Log in a program", &text);
    set_retry_after(&mut response, error);
    if error.kind() == Kind::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    response
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} – Polder</title>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{content}\n</main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Text that is nothing but text, also between quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_write() {
        for (url, origin) in [
            ("https://hub.example", "https://hub.example"),
            ("https://hub.example:443/under/here", "https://hub.example"),
            ("http://hub.example:80", "http://hub.example"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://hub.example:80/x", "https://hub.example:80"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }

    #[test]
    fn what_a_program_says_of_itself_is_text_on_the_page() {
        let request = DeviceRequest {
            user_code: "BCDF-GHJK".to_owned(),
            agent: "<script>'\"&".to_owned(),
            address: None,
            created: polder_types::UnixMillis(0),
            scope: Role::Read,
            form_key: "key".to_owned(),
        };
        let shown = decision_form("ada", &request);
        assert!(shown.contains("&lt;script&gt;&#39;&quot;&amp;") && !shown.contains("<script"), "{shown}");
        assert!(!shown.contains("value=\"write\""), "no more than the token may: {shown}");
    }
}
