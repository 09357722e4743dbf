//! Headers that proxies write: from a configured proxy they name the client, from anyone else nothing.
#![cfg(test)]

use polder_tests::{Client, Done, Hub, have, program, run, until};

/// Where a test's proxy connects from; everything else comes from 127.0.0.1.
const PROXY: &str = "127.0.0.2";

fn curl(hub: &Hub, from: &str, path: &str, headers: &[&str]) -> Done {
    let mut command = program("/usr/bin/curl");
    command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--interface", from, &hub.url(path)]);
    for header in headers {
        command.args(["-H", header]);
    }
    run(&mut command)
}

/// Who the log says asked for `path`.
fn client_of(hub: &Hub, path: &str) -> String {
    let logged = until("the request in the log", 10, || {
        let log = hub.log();
        log.lines().find(|line| line.contains(&format!("path=/{path} "))).map(str::to_owned)
    });
    let client = logged.split("client=").nth(1).and_then(|rest| rest.split(' ').next());
    client.unwrap_or_else(|| panic!("no client in {logged}")).to_owned()
}

/// A14. Mallory can reach the hub directly. She has read that hubs behind a proxy learn the client's
/// address, and even the user's name, from headers, so she writes every one of them herself: to look
/// like another machine in the log, like a program on the hub's own machine to `/metrics`, like the
/// administrator to everything else, and like someone who came over TLS. The operator has configured a
/// proxy, but Mallory is not it.
#[test]
fn headers_forged_by_someone_who_is_no_proxy_change_nothing() {
    if !have(&[Client::Curl]) {
        return;
    }
    for trusted in ["", "[proxy]\ntrusted = [\"127.0.0.2\"]"] {
        let hub = Hub::builder().config(trusted).start();
        hub.acme();
        hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
        let forged = [
            "X-Forwarded-For: 203.0.113.9, 127.0.0.2",
            "Forwarded: for=203.0.113.9;proto=https;host=evil.example",
            "X-Real-IP: 203.0.113.9",
            "X-Client-IP: 203.0.113.9",
            "True-Client-IP: 203.0.113.9",
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Proto: https",
            "X-WEBAUTH-USER: operator",
            "X-Forwarded-User: operator",
            "Remote-User: operator",
        ];
        assert_eq!(curl(&hub, "127.0.0.1", "healthz", &forged).ok(), "200");
        assert_eq!(client_of(&hub, "healthz"), "127.0.0.1", "the log's address is the connection's");

        let private = "acme/secret.git/info/refs?service=git-upload-pack";
        assert_eq!(curl(&hub, "127.0.0.1", private, &forged).ok(), "401", "no header is a login");

        // What she says can only take from her: someone who claims to speak for others is not local.
        assert_eq!(curl(&hub, "127.0.0.1", "metrics", &[]).ok(), "200");
        assert_eq!(curl(&hub, "127.0.0.1", "metrics", &["X-Forwarded-For: 127.0.0.1"]).ok(), "401");

        // Links are made from what the operator configured.
        let told = hub
            .http()
            .post("/acme/secret.git/info/lfs/objects/batch", r#"{"operation":"download","objects":[]}"#);
        let told =
            forged.iter().filter_map(|line| line.split_once(": ")).fold(told, |r, (k, v)| r.header(k, v));
        let answer = told.bearer(&hub.token("operator", "admin").secret).send();
        assert!(!answer.text().contains("evil.example"), "{}", answer.text());
    }
}

#[test]
fn a_configured_proxy_names_the_client_and_is_never_local_itself() {
    if !have(&[Client::Curl]) {
        return;
    }
    let hub = Hub::builder().config("[proxy]\ntrusted = [\"127.0.0.2\", \"10.0.0.0/8\"]").start();
    // Mallory's own lines come first; the last address that no proxy has is hers.
    let headers = ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.9, 10.1.2.3"];
    assert_eq!(curl(&hub, PROXY, "healthz", &headers).ok(), "200");
    assert_eq!(client_of(&hub, "healthz"), "203.0.113.9");
    assert_eq!(curl(&hub, PROXY, "readyz", &["Forwarded: for=203.0.113.9"]).ok(), "200");
    assert_eq!(client_of(&hub, "readyz"), PROXY, "only the configured header counts");

    // Every client of a proxy on this machine comes from this machine, with or without a header.
    for headers in [&["X-Forwarded-For: 127.0.0.1"][..], &[]] {
        assert_eq!(curl(&hub, PROXY, "metrics", headers).ok(), "401", "{headers:?}");
    }
    let operator = format!("Authorization: Bearer {}", hub.token("operator", "admin").secret);
    assert_eq!(curl(&hub, PROXY, "metrics", &[&operator]).ok(), "200");
    assert_eq!(curl(&hub, PROXY, "acme/m/raw/main/x", &["X-WEBAUTH-USER: operator"]).ok(), "401");
}
