//! What the plain port beside the TLS one answers.

use std::sync::Arc;

use axum::body::Body;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use polder_http::{Request, Response, ResponseFuture};

/// Headers that carry a secret.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Answers every request of the plain port, given the hub's `https://…` URL without a slash at its end.
///
/// A browser that opens a page is sent on to the same path there. Nobody else is: git follows such a
/// redirect, is asked for a password behind it, and then sends its token here, in clear, every time
/// (seen with git 2.39). A refusal comes before any token and names the right address.
pub fn redirect(url: &str) -> impl Fn(Request) -> ResponseFuture + Clone + Send + Sync + Unpin + 'static {
    let url: Arc<str> = url.into();
    move |request| {
        let response = answer(&url, &request);
        Box::pin(async move { response })
    }
}

fn answer(url: &str, request: &Request) -> Response {
    let has_credentials = CREDENTIALS.iter().any(|name| request.headers().contains_key(name));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let is_sent_on = opens_a_page(request) && !has_credentials && path.starts_with('/');
    let location = HeaderValue::from_str(&format!("{url}{path}")).ok().filter(|_| is_sent_on);
    let status = if location.is_some() { StatusCode::PERMANENT_REDIRECT } else { StatusCode::FORBIDDEN };
    let mut text = format!("this hub is at {url}\n");
    if has_credentials {
        text += "your token was not protected on its way here: revoke it\n";
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // A permanent redirect that is remembered for ever would outlive a change of mind.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    if let Some(location) = location {
        headers.insert(LOCATION, location);
    }
    response
}

fn opens_a_page(request: &Request) -> bool {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    matches!(*request.method(), Method::GET | Method::HEAD) && accepts.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

    fn ask(method: &str, target: &str, header: (&'static str, &'static str)) -> (u16, Option<String>) {
        let request = http::Request::builder().method(method).uri(target).header("host", "evil.example");
        let request = request.header("accept", PAGE).header(header.0, header.1);
        let response = answer("https://hub.example.org", &request.body(Body::empty()).expect("request"));
        let location = response.headers().get(LOCATION).map(|to| to.to_str().expect("ASCII").to_owned());
        (response.status().as_u16(), location)
    }

    #[test]
    fn only_a_browser_without_credentials_is_sent_on_and_only_to_the_hub() {
        let plain = ("user-agent", "x");
        for (target, to) in [
            ("/", "https://hub.example.org/"),
            ("/acme/m?x=y", "https://hub.example.org/acme/m?x=y"),
            ("//evil.example/x", "https://hub.example.org//evil.example/x"),
            ("http://evil.example/x?y", "https://hub.example.org/x?y"),
        ] {
            for method in ["GET", "HEAD"] {
                assert_eq!(ask(method, target, plain), (308, Some(to.to_owned())), "{method} {target}");
            }
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
            assert_eq!(ask(method, "/x", plain), (403, None), "{method}");
        }
        for header in ["authorization", "cookie", "proxy-authorization"] {
            assert_eq!(ask("GET", "/x", (header, "secret")), (403, None), "{header}");
        }
        assert_eq!(ask("GET", "*", plain), (403, None));
        let git = http::Request::get("/acme/m.git/info/refs").header("accept", "*/*");
        let refused = answer("https://hub.example.org", &git.body(Body::empty()).expect("request"));
        assert_eq!(refused.status(), 403);
    }
}
