//! Logging in without a token: a program shows a code, somebody agrees on a page of the hub.

use polder_tests::{Hub, HubClient, Request, Response};
use serde_json::Value;

use crate::Place;

const LOGINS: &str = include_str!("logins.py");
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[test]
fn hf_auth_login_has_a_token_once_somebody_agrees_and_renews_it() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    place.create("model", "device");
    client.script(&place.hub, &place.ada, place.dir.path(), LOGINS, &[]).ok();
    let log = place.hub.log();
    assert!(!log.contains("user_code") && !log.contains("pld_device_"), "codes are in the log: {log}");
}

fn start(hub: &Hub) -> Value {
    hub.http().post("/oauth/device", "client_id=x").send().expect(200).json()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {value}"))
}

fn poll(hub: &Hub, started: &Value) -> Response {
    let body = format!("grant_type={DEVICE_GRANT}&client_id=x&device_code={}", text(started, "device_code"));
    hub.http().post("/oauth/token", body).send()
}

/// The hidden key of the form on the page for a code, as one user sees it.
fn form_key(hub: &Hub, code: &str, secret: &str) -> String {
    let page =
        hub.http().get(&format!("/oauth/approve?user_code={code}")).basic("x", secret).send().expect(200);
    let page = page.text();
    let (_, after) = page.split_once("name=\"form_key\" value=\"").expect("a key");
    after.split_once('"').expect("an end").0.to_owned()
}

fn approve(hub: &Hub, code: &str, key: &str, secret: &str) -> Request {
    let body = format!("user_code={code}&form_key={key}&scope=read&decision=approve");
    hub.http().post("/oauth/approve", body).basic("x", secret)
}

#[test]
fn the_page_asks_who_it_is_and_lets_nothing_in_or_around_it() {
    let place = Place::new();
    let stranger = place.hub.http().get("/oauth/approve").send().expect(401);
    assert_eq!(stranger.header("WWW-Authenticate"), Some("Basic realm=\"Polder\", charset=\"UTF-8\""));
    let page = place.hub.http().get("/oauth/approve").basic("ada", &place.ada.secret).send().expect(200);
    for page in [&stranger, &page] {
        let policy = page.header("Content-Security-Policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(page.header("Cache-Control"), Some("no-store"));
        assert_eq!(page.header("X-Frame-Options"), Some("DENY"));
        assert!(
            page.text().contains("<html lang=\"en\">") && !page.text().contains("<script"),
            "{}",
            page.text()
        );
    }
    let wrong = place.hub.http().get("/oauth/approve").basic("ada", "pld_wrong").send().expect(401);
    assert!(wrong.header("WWW-Authenticate").unwrap().starts_with("Basic"));
    let injected = "/oauth/approve?user_code=%3Cscript%3E";
    let answer = place.hub.http().get(injected).basic("ada", &place.ada.secret).send().expect(404);
    assert!(!answer.text().contains("<script"), "{}", answer.text());
}

#[test]
fn only_a_form_that_this_hub_made_for_the_same_account_agrees() {
    let place = Place::new();
    let other = place.hub.user("other", "write");
    let started = start(&place.hub);
    let code = text(&started, "user_code");
    let key = form_key(&place.hub, code, &place.ada.secret);
    let here = place.hub.url("");
    let here = here.trim_end_matches('/');
    let mine = || approve(&place.hub, code, &key, &place.ada.secret);
    mine().send().expect(403);
    mine().header("Origin", "null").send().expect(403);
    mine().header("Origin", "https://evil.example").send().expect(403);
    mine().header("Origin", &format!("{here}.evil.example")).send().expect(403);
    mine().header("Origin", here).header("Origin", "https://evil.example").send().expect(403);
    approve(&place.hub, code, &key, &other.secret).header("Origin", here).send().expect(403);
    approve(&place.hub, code, "", &place.ada.secret).header("Origin", here).send().expect(403);
    let another = start(&place.hub);
    let another = text(&another, "user_code");
    approve(&place.hub, another, &key, &place.ada.secret).header("Origin", here).send().expect(403);
    assert_eq!(poll(&place.hub, &started).expect(400).json()["error"], "authorization_pending");
    assert_eq!(poll(&place.hub, &started).expect(400).json()["error"], "slow_down");

    mine().header("Origin", here).send().expect(200);
    let issued = poll(&place.hub, &started).expect(200).json();
    let secret = text(&issued, "access_token");
    let whoami = place.hub.http().get("/api/whoami-v2").bearer(secret).send().expect(200).json();
    assert_eq!((&whoami["name"], &whoami["auth"]["accessToken"]["role"]), (&"ada".into(), &"read".into()));
    assert_eq!(poll(&place.hub, &started).expect(400).json()["error"], "invalid_grant", "only once");
}

#[test]
fn the_operator_agrees_for_a_user_and_revokes_what_came_of_it() {
    let place = Place::new();
    let started = start(&place.hub);
    place.hub.cli(&["token", "approve", "BCDF-GHJK", "--user", "ada"]).fails();
    place.hub.cli(&["token", "approve", text(&started, "user_code"), "--user", "ada"]).ok();
    let issued = poll(&place.hub, &started).expect(200).json();
    let secret = text(&issued, "access_token");
    let whoami = || place.hub.http().get("/api/whoami-v2").bearer(secret).send();
    whoami().expect(200);
    let list = place.hub.cli(&["token", "list", "--user", "ada", "--json"]).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    let made =
        list.as_array().unwrap().iter().find(|row| !row["name"].is_null()).expect("a token with a name");
    assert!(made["expires"].is_string(), "{made}");
    place.hub.cli(&["token", "revoke", text(made, "id")]).ok();
    whoami().expect(401);
    let body =
        format!("grant_type=refresh_token&client_id=x&refresh_token={}", text(&issued, "refresh_token"));
    let refused = place.hub.http().post("/oauth/token", body).send().expect(400).json();
    assert_eq!(refused["error"], "invalid_grant");
}

#[test]
fn codes_are_not_found_by_trying_and_addresses_are_those_of_the_public_url() {
    let config = "public-url = \"https://hub.example.org/under/here\"";
    let place = Place::with(Hub::builder().config(config).start());
    let started = start(&place.hub);
    let page = "https://hub.example.org/under/here/oauth/approve";
    assert_eq!(text(&started, "verification_uri"), page);
    let code = text(&started, "user_code");
    assert_eq!(text(&started, "verification_uri_complete"), format!("{page}?user_code={code}"));
    let look = |code: &str| {
        place.hub.http().get(&format!("/oauth/approve?user_code={code}")).basic("x", &place.ada.secret).send()
    };
    for _ in 0..10 {
        look("BCDF-GHJK").expect(404);
    }
    look(code).expect(429);
    let other = place.hub.user("other", "write");
    let key = form_key(&place.hub, code, &other.secret);
    let from_there =
        approve(&place.hub, code, &key, &other.secret).header("Origin", "https://hub.example.org");
    from_there.send().expect(200);

    for _ in 0..19 {
        start(&place.hub);
    }
    let many = place.hub.http().post("/oauth/device", "client_id=x").send().expect(429);
    assert_eq!((many.json()["error"].as_str(), many.header("Retry-After")), (Some("slow_down"), Some("60")));
}

#[test]
fn what_is_no_question_for_a_token_is_refused_in_the_words_of_oauth() {
    let place = Place::new();
    let http = place.hub.http();
    for (path, body, word) in [
        ("/oauth/device", "", "invalid_request"),
        ("/oauth/device", "client_id=a%20b", "invalid_request"),
        ("/oauth/token", "", "invalid_request"),
        ("/oauth/token", "grant_type=password&username=ada&password=x", "unsupported_grant_type"),
        ("/oauth/token", "grant_type=refresh_token&client_id=x", "invalid_request"),
        ("/oauth/token", "grant_type=refresh_token&client_id=x&refresh_token=y", "invalid_grant"),
    ] {
        let answer = http.post(path, body).send().expect(400);
        assert_eq!(answer.json()["error"], word, "{path} {body}");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    }
    let json = |body: &str| http.post("/oauth/token", body).header("Content-Type", "application/json").send();
    for body in ["[", "[]", "null", "{\"grant_type\": 7}"] {
        assert_eq!(json(body).expect(400).json()["error"], "invalid_request", "{body}");
    }
    let exchange =
        r#"{"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "resource": "acme/m"}"#;
    assert_eq!(json(exchange).expect(400).json()["error"], "invalid_request", "without an id token");
    http.post("/oauth/token", vec![b'x'; 65 << 10]).send().expect(413);
    http.post("/oauth/device", vec![0xff]).send().expect(400);
    http.get("/oauth/token").send().expect(405);
}
