//! Signed links: nobody gets an object by naming it, and a link is good for exactly one thing.

use polder_tests::{LargeObject, Work};

use crate::place::Place;

#[test]
fn an_object_that_exists_elsewhere_is_not_given_away_by_its_name() {
    let place = Place::new();
    place.private("acme/secret");
    let object = LargeObject::random(60, 10_000);
    object.upload(place.hub.http(), "acme/secret", &place.token);

    let bob = place.hub.user("bob", "write");
    place.hub.repo("bob/m");
    let http = place.hub.http();
    assert!(object.action(http, "bob/m", "download", Some(&bob)).is_none());
    assert_eq!(place.refusal(&object, "bob/m", Some(&bob)), 404);
    assert_eq!(object.verify(http, "bob/m", &bob).status, 404);
    assert!(object.action(http, "bob/m", "upload", Some(&bob)).is_some(), "bob must bring the bytes");

    let work = Work::new();
    work.commit_file("weights.bin", object.pointer().as_bytes());
    let url = place.hub.repo_url_as("bob/m", &bob);
    let told = work.run(&["push", &url, "main"]).fails();
    assert!(told.contains(&object.oid), "{told}");
    assert_eq!(work.ok(&["ls-remote", &url]), "");
    assert_eq!(place.refusal(&object, "bob/m", Some(&bob)), 404, "the refused push gave nothing away");

    object.upload(http, "bob/m", &bob);
    work.ok(&["push", "-q", &url, "main"]);
    assert_eq!(place.refusal(&object, "bob/m", None), 0, "bob's own copy is bob's to publish");
    assert_ne!(object.batch(http, "acme/secret", "download", Some(&bob)).status, 200);
}

#[test]
fn an_object_that_the_pusher_may_already_read_need_not_be_sent_again() {
    let place = Place::new();
    place.private("acme/first");
    place.hub.repo("acme/second");
    let object = LargeObject::random(70, 10_000);
    object.upload(place.hub.http(), "acme/first", &place.token);
    object.upload(place.hub.http(), "acme/second", &place.token);
    let work = Work::new();
    work.commit_file("weights.bin", object.pointer().as_bytes());
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/second", &place.token), "main"]);
    let href = place.href(&object, "acme/second", "download");
    assert!(place.hub.http().get(&href).send().expect(200).body == object.bytes);
    let blobs = place.hub.stored_files().iter().filter(|name| name.contains("blobs/")).count();
    assert_eq!(blobs, 1, "stored once");
}

#[test]
fn a_signed_url_needs_no_header_and_is_good_for_one_thing() {
    let place = Place::new();
    place.private("acme/m");
    let (object, other) = (LargeObject::random(80, 10_000), LargeObject::random(81, 10_000));
    let http = place.hub.http();
    let upload = place.href(&object, "acme/m", "upload");
    other.upload(http, "acme/m", &place.token);
    http.put(&upload, object.bytes.clone()).send().expect(200);
    let download = place.href(&object, "acme/m", "download");
    assert!(http.get(&download).send().expect(200).body == object.bytes);
    http.head(&download).send().expect(200);

    assert_eq!(
        http.put(&download, object.bytes.clone()).send().status,
        403,
        "a download URL uploads nothing"
    );
    assert_eq!(http.get(&upload).send().status, 403, "an upload URL downloads nothing");
    assert_eq!(http.get(&download.replace(&object.oid, &other.oid)).send().status, 403);
    place.private("acme/n");
    assert_eq!(http.get(&download.replace("/acme/m", "/acme/n")).send().status, 403);
    for part in download.split_once('?').expect("a query").1.split('&') {
        let (key, value) = part.split_once('=').expect("a pair");
        let last = value.chars().last().expect("a value");
        let altered = format!(
            "{key}={}{}",
            &value[..value.len() - last.len_utf8()],
            if last == '1' { '2' } else { '1' }
        );
        assert_eq!(http.get(&download.replace(part, &altered)).send().status, 403, "{key} was altered");
        let without = download.replace(part, "").replace("?&", "?").replace("&&", "&");
        let status = http.get(&without).send().status;
        assert!((400..=404).contains(&status), "{key} was left out: {status}");
    }
    let expired = download
        .split('&')
        .map(|part| if part.contains("expires=") { "expires=1000000000" } else { part })
        .collect::<Vec<_>>()
        .join("&");
    assert_eq!(http.get(&expired).send().status, 403);
    let bare = download.split_once('?').expect("a query").0;
    assert_eq!(http.get(bare).send().status, 403, "no signature");
    let with_token = http.get(bare).basic(&place.token.user, &place.token.secret).send();
    assert_eq!(with_token.status, 403, "the signature is the permission, nothing else is looked at");
}

#[test]
fn an_upload_is_confirmed_by_a_signed_url_that_does_nothing_else() {
    let place = Place::new();
    place.private("acme/m");
    let object = LargeObject::random(85, 10_000);
    let http = place.hub.http();
    let upload = place.href(&object, "acme/m", "upload");
    let verify = place.href(&object, "acme/m", "verify");
    let confirm = |href: &str, oid: &str, size: usize| {
        let body = format!("{{\"oid\": \"{oid}\", \"size\": {size}}}");
        http.post(href, body).header("Content-Type", "application/vnd.git-lfs+json").send()
    };
    assert_eq!(confirm(&verify, &object.oid, 10_000).status, 404, "it is not there yet");
    http.put(&upload, object.bytes.clone()).send().expect(200);
    confirm(&verify, &object.oid, 10_000).expect(200);
    assert_eq!(confirm(&verify, &object.oid, 9_999).status, 422);
    assert_eq!(confirm(&verify, &"ab".repeat(32), 10_000).status, 422, "a URL of another object");
    let (path, query) = verify.split_once('?').expect("a query");
    assert_eq!(confirm(path, &object.oid, 10_000).status, 403, "no signature");
    let transfer = upload.split_once('?').expect("a query").1;
    assert_eq!(
        confirm(&format!("{path}?{transfer}"), &object.oid, 10_000).status,
        403,
        "an upload's signature"
    );
    let bare = path.strip_suffix("/verify").expect("the object's address");
    assert_eq!(http.get(&format!("{bare}?{query}")).send().status, 403, "it downloads nothing");
    assert_eq!(http.put(&format!("{bare}?{query}"), object.bytes.clone()).send().status, 403, "nor uploads");
}
