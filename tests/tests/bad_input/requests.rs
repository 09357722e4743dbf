//! HTTP: methods, types, paths, framing, credentials.

use std::io::{Read, Write};

use polder_tests::{FLUSH, LargeObject, pkt};

use crate::place::{FETCH_TYPE, PUSH_TYPE, Place};

#[test]
fn requests_of_the_wrong_kind_are_told_what_would_be_right() {
    let place = Place::new();
    let http = place.hub.http();
    for (method, path, status) in [
        ("GET", "/acme/m.git/git-upload-pack", 405),
        ("PUT", "/acme/m.git/git-receive-pack", 405),
        ("POST", "/acme/m.git/info/refs?service=git-upload-pack", 405),
        ("DELETE", "/acme/m.git/info/refs", 405),
        ("GET", "/acme/m.git/info/lfs/objects/batch", 405),
        ("GET", "/acme/m.git/info/refs", 403),
        ("GET", "/acme/m.git/info/refs?service=git-shell", 403),
        ("GET", "/acme/m.git/info/refs?service=", 403),
        ("GET", "/acme/m.git/HEAD", 404),
        ("GET", "/acme/m.git/objects/info/packs", 404),
        ("GET", "/acme/m.git/config", 404),
        ("GET", "/nothing/at/all/here", 404),
        ("POST", "/healthz", 405),
        ("TRACE", "/healthz", 405),
    ] {
        let answer = http.request(method, path).send();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(!answer.body.is_empty() && answer.body.len() < 1000, "{method} {path}");
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{method} {path}");
        }
    }
    for (path, kind) in [
        ("git-upload-pack", "text/plain"),
        ("git-upload-pack", PUSH_TYPE),
        ("git-receive-pack", FETCH_TYPE),
        ("git-receive-pack", "application/json"),
    ] {
        let answer = place.post(path, kind, FLUSH).send();
        assert_eq!(answer.status, 415, "{path} {kind}: {}", answer.text());
    }
    let push = format!(
        "POST /acme/m.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n{}",
        "0000"
    );
    let answer = http.raw(push.as_bytes()).unwrap();
    assert!([401, 415].contains(&answer.status), "{}", answer.status);
    place.is_unchanged();
}

#[test]
fn paths_lead_nowhere_but_to_repositories() {
    let place = Place::new();
    std::fs::write(place.hub.beside("secret"), "the secret").unwrap();
    for path in [
        "/../../../etc/passwd",
        "/acme/../../../etc/passwd",
        "/acme/m.git/../../../etc/passwd",
        "/acme/m/resolve/main/../../../../etc/passwd",
        "/acme/m/resolve/main/%2e%2e/%2e%2e/secret",
        "/acme/m/resolve/main/..%2f..%2fsecret",
        "/acme/m/resolve/main/dir/../README.md",
        "/acme/m/resolve/main//README.md",
        "/acme/m/resolve/main/README.md/",
        "/acme/m/resolve/main/dir",
        "/acme/m/resolve/main/",
        "/acme/m/resolve/main/%00",
        "/acme/m/resolve/main/.git/config",
        "/acme/m/resolve/no-such-branch/README.md",
        "/acme/m/resolve/%2e%2e/README.md",
        "/acme/m/resolve/main%00/README.md",
        "/acme/m/raw/main/%ff%fe",
        "/acme/%2e%2e/info/refs?service=git-upload-pack",
        "/acme/m%2f..%2fm.git/info/refs?service=git-upload-pack",
        "/acme/m%00.git/info/refs?service=git-upload-pack",
        "/acme/m.git.git/info/refs?service=git-upload-pack",
        "/CON/NUL.git/info/refs?service=git-upload-pack",
        "/./acme/m/./resolve/main/README.md",
        "/%zz/%/info/refs?service=git-upload-pack",
        "http://elsewhere.example.org/acme/nothing.git/info/refs?service=git-upload-pack",
    ] {
        let answer = place.hub.http().get(path).basic(&place.token.user, &place.token.secret).send();
        let refused = [400, 403, 404].contains(&answer.status);
        assert!(refused, "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("root:") && !answer.text().contains("the secret"), "{path}");
    }
    let long = format!("/acme/{}.git/info/refs?service=git-upload-pack", "x".repeat(20_000));
    let answer = place.hub.http().get(&long).try_send();
    assert!(answer.is_none_or(|answer| (400..500).contains(&answer.status)));
    place.is_unchanged();
}

#[test]
fn http_that_could_be_read_in_two_ways_is_not_read_at_all() {
    let place = Place::new();
    let tail = "Host: x\r\nConnection: close\r\n";
    let post = "POST /acme/m.git/git-upload-pack HTTP/1.1\r\n";
    for (what, request) in [
        ("two lengths", format!("{post}{tail}Content-Length: 4\r\nContent-Length: 5\r\n\r\n00000")),
        ("a negative length", format!("{post}{tail}Content-Length: -1\r\n\r\n")),
        ("a length that is no number", format!("{post}{tail}Content-Length: many\r\n\r\n")),
        (
            "a chunk size that is no number",
            format!("{post}{tail}Transfer-Encoding: chunked\r\n\r\nzz\r\n0000\r\n0\r\n\r\n"),
        ),
        ("another transfer coding", format!("{post}{tail}Transfer-Encoding: magic\r\n\r\n0000")),
        ("a folded header", format!("GET /healthz HTTP/1.1\r\n{tail}X-A: b\r\n c\r\n\r\n")),
        ("a space before the colon", format!("GET /healthz HTTP/1.1\r\n{tail}X-A : b\r\n\r\n")),
        ("no version", "GET /healthz\r\n\r\n".to_owned()),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned()),
        ("a huge header", format!("GET /healthz HTTP/1.1\r\n{tail}X-A: {}\r\n\r\n", "a".repeat(1 << 20))),
        ("many headers", format!("GET /healthz HTTP/1.1\r\n{tail}{}\r\n", "X-A: b\r\n".repeat(5_000))),
    ] {
        let answer = place.hub.http().raw(request.as_bytes());
        assert!(answer.as_ref().is_none_or(|a| (400..506).contains(&a.status)), "{what}: {answer:?}");
    }
    for value in ["Basic", "Basic !!!", "Basic YQ==", "Bearer", "Bearer ", "Digest x", "Basic OmE=", ""] {
        let answer = place.hub.http().get("/acme/m.git/info/refs?service=git-upload-pack");
        let answer = answer.header("Authorization", value).send();
        assert!([400, 401].contains(&answer.status), "{value:?}: {}", answer.status);
    }
    place.is_unchanged();
}

#[test]
fn a_body_is_asked_for_before_it_is_sent() {
    let place = Place::new();
    let mut stream = place.hub.http().connect();
    let credentials = place.post("git-upload-pack", FETCH_TYPE, "").to_bytes();
    let credentials = String::from_utf8(credentials).unwrap();
    let authorization = credentials.lines().find(|line| line.starts_with("Authorization")).unwrap();
    let body = [&pkt("command=ls-refs\n")[..], b"0001", FLUSH].concat();
    let head = format!(
        "POST /acme/m.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Git-Protocol: version=2\r\nContent-Type: {FETCH_TYPE}\r\n{authorization}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    stream.write_all(&body).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200") && rest.contains("refs/heads/main"), "{rest}");
}

#[test]
fn a_token_in_the_url_is_not_a_token_and_no_token_reaches_the_log() {
    let place = Place::new();
    place.hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
    let secret = &place.token.secret;
    for path in [
        format!("/acme/secret.git/info/refs?service=git-upload-pack&token={secret}"),
        format!("/acme/secret.git/info/refs?service=git-upload-pack&access_token={secret}"),
        format!("/acme/secret.git/info/refs?private_token={secret}&service=git-upload-pack"),
    ] {
        place.hub.http().get(&path).send().expect(401);
    }
    let object = LargeObject::random(1, 1000);
    let href = object.action(place.hub.http(), "acme/secret", "upload", Some(&place.token)).unwrap();
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    let log = place.hub.log();
    assert!(!log.contains(secret.as_str()), "a token is in the log");
    let signature = href.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!log.contains(signature), "a signature is in the log");
    for entry in std::fs::read_dir(place.hub.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a token is in {}", path.display());
        }
    }
}
