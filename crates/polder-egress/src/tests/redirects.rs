//! Redirects, and what goes along.

use std::sync::atomic::Ordering;

use http::header::{ACCEPT, COOKIE, RANGE};
use http::{HeaderMap, HeaderValue};

use super::server::{Server, ok, to};
use super::{get, local, text, url};
use crate::{Allowance, Credential, Kind, Request};

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    let server = Server::start(|head| match head.split(' ').nth(1).expect("path") {
        "/0" => ok("arrived"),
        path => to(302, &(path[1..].parse::<u32>().expect("number") - 1).to_string()),
    })
    .await;
    let egress = local();
    let arrived = get(&egress, &server.url("/3")).await.expect("answer");
    assert_eq!(arrived.url().path(), "/0");
    assert_eq!(text(arrived).await, "arrived");
    let lost = get(&egress, &server.url("/4")).await.map(|_| ()).expect_err("too often");
    assert_eq!(lost.kind(), Kind::Refused);
    let itself = Request::get(&server.url("/4"), &Allowance::naming(&server.url("/"))).redirects_max(0);
    assert_eq!(egress.send(itself).await.expect("answer").status(), 302);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let second = Server::start(|_| ok("second")).await;
    let second_url = second.url("/there").to_string();
    let first = Server::start(
        move |head| if head.starts_with("GET /away") { to(307, &second_url) } else { ok("first") },
    )
    .await;
    let egress = local();
    let (here, away) = (first.url("/here"), first.url("/away"));
    let both = Allowance::naming(&here).and(&second.url("/"));
    let private = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("secret2"))]);
    for credential in
        [Credential::bearer(&here, "secret1").expect("token"), Credential::headers(&here, private)]
    {
        assert!(!format!("{credential:?}").contains("secret"), "{credential:?}");
        for target in [&here, &away] {
            let request = Request::get(target, &both)
                .header(RANGE, HeaderValue::from_static("bytes=1-2"))
                .credential(Some(credential.clone()));
            egress.send(request).await.expect("answer");
        }
    }
    let basic = Credential::basic(&here, "ada", "secret3").expect("password");
    egress.send(Request::get(&here, &both).credential(Some(basic))).await.expect("answer");
    assert_eq!(first.heads().iter().filter(|head| head.contains("authorization: Bearer secret1")).count(), 2);
    assert_eq!(first.heads().iter().filter(|head| head.contains("cookie: secret2")).count(), 2);
    // printf ada:secret3 | base64
    assert!(first.heads().iter().any(|head| head.contains("authorization: Basic YWRhOnNlY3JldDM=")));
    assert_eq!(second.heads().len(), 2);
    for head in second.heads() {
        assert!(!head.contains("secret") && head.contains("range: bytes=1-2"), "{head}");
    }
}

#[tokio::test]
async fn a_post_is_sent_again_only_where_method_and_body_stay() {
    let server = Server::start(|head| match head.split(' ').nth(1).expect("path") {
        "/end" => ok("done"),
        path => to(path[1..].parse().expect("status"), "/end"),
    })
    .await;
    let egress = local();
    let allowance = Allowance::naming(&server.url("/"));
    for status in [301, 302, 303, 307, 308] {
        let request = Request::post(&server.url(&format!("/{status}")), &allowance, "body-of-it");
        let answer = egress.send(request.header(ACCEPT, HeaderValue::from_static("x/y"))).await;
        if status < 307 {
            assert_eq!(answer.map(|_| ()).expect_err("lost").kind(), Kind::BadAnswer, "{status}");
        } else {
            assert_eq!(text(answer.expect("answer")).await, "done", "{status}");
        }
    }
    let ends: Vec<String> = server.heads().into_iter().filter(|head| head.contains(" /end ")).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|head| head.starts_with("POST ") && head.ends_with("body-of-it")), "{ends:?}");
    // What streams is sent once.
    let stream = http_body_util::Full::new(bytes::Bytes::from_static(b"streamed"));
    let request = Request::post(&server.url("/307"), &allowance, "").stream(stream);
    assert_eq!(egress.send(request).await.map(|_| ()).expect_err("spent").kind(), Kind::BadAnswer);
}

#[tokio::test]
async fn nobody_follows_a_redirect_that_leads_nowhere() {
    let server = Server::start(|_| {
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".to_vec(), super::server::After::GoOn)
    })
    .await;
    let lost = get(&local(), &server.url("/")).await.map(|_| ()).expect_err("nowhere");
    assert_eq!(lost.kind(), Kind::BadAnswer);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(get(&local(), &url("http://nobody.example:1/")).await.is_err());
}
