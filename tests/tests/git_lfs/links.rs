//! Signed links: nobody gets an object by naming it, and a link is good for exactly one thing.

use polder_tests::{LargeObject, Memory, Work};

use crate::place::Place;

/// A03 and A04. Bob has learnt the oid of an object in a repository that he may not read. He asks his own
/// repository for it, claims to upload it, confirms it, and pushes a pointer to it: each time he is
/// answered as if the object did not exist anywhere. Only when he brings the bytes himself is it his to publish.
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
    assert_eq!(place.hub.stored_objects().len(), 1, "stored once");
}

/// A08. Someone holds a link that was meant for one thing and tries everything else with it: another
/// method, another object, another repository, another size, more time, no signature, and a token in its place.
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
    let offered = object.batch(http, "acme/m", "download", Some(&place.token)).json();
    assert_eq!(offered["objects"][0]["actions"]["download"]["expires_in"], 900);
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

/// A token is taken back while links that were made for it are still fresh: they end with it, before a byte
/// is taken, and so do those of someone who may no longer bring objects.
#[test]
fn links_for_writing_end_with_the_token_and_with_the_right() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let (first, second) = (LargeObject::random(86, 1_000), LargeObject::random(87, 1_000));
    let http = place.hub.http();
    let upload = place.href(&first, "acme/m", "upload");
    let verify = place.href(&first, "acme/m", "verify");
    let listed = place.hub.cli(&["token", "list", "--user", "ada", "--json"]).ok();
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let id = &listed[0]["id"];
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);

    // Bob may read, and so propose.
    let bob = place.hub.user("bob", "write");
    let bobs = second.action(http, "acme/m", "upload", Some(&bob)).expect("an action");
    place.hub.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    http.put(&bobs, second.bytes.clone()).send().expect(403);

    place.hub.cli(&["token", "revoke", &id]).ok();
    http.put(&upload, first.bytes.clone()).send().expect(403);
    let body = format!("{{\"oid\": \"{}\", \"size\": 1000}}", first.oid);
    http.post(&verify, body).header("Content-Type", "application/vnd.git-lfs+json").send().expect(403);
    let again = place.hub.token("ada", "write");
    assert_eq!(place.refusal(&first, "acme/m", Some(&again)), 404, "nothing was stored");
}

/// A28. Asked for a thousand overlapping ranges, for suffixes beyond all numbers and for ranges in every
/// broken form, the hub answers with one range, with the whole once, or with 416: never with
/// `multipart/byteranges`, never with more bytes than there are.
#[test]
fn a_flood_of_ranges_is_answered_with_one_thing() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(88, 100_000);
    object.upload(place.hub.http(), "acme/m", &place.token);
    let small = LargeObject::random(89, 50_000);
    let work = Work::new();
    work.write("small.txt", &small.bytes);
    work.commit_file("weights.bin", object.pointer().as_bytes());
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.token), "main"]);
    let many = |one: &dyn Fn(usize) -> String| {
        format!("bytes={}", (0..1_000).map(one).collect::<Vec<_>>().join(","))
    };
    let floods = [
        many(&|n| format!("{n}-")),
        many(&|n| format!("0-{n}")),
        many(&|n| format!("-{}", n + 1)),
        many(&|_| "5-4".to_owned()),
        "bytes=-18446744073709551616".to_owned(),
        "bytes=-9223372036854775808".to_owned(),
        "bytes=18446744073709551615-18446744073709551616".to_owned(),
        "bytes=1-18446744073709551616".to_owned(),
        "bytes=0-0,-1".to_owned(),
    ];
    let links = [
        (place.href(&object, "acme/m", "download"), &object),
        ("/acme/m/resolve/main/weights.bin".to_owned(), &object),
        ("/acme/m/resolve/main/small.txt".to_owned(), &small),
        ("/acme/m/raw/main/small.txt".to_owned(), &small),
    ];
    let memory = Memory::watch(place.hub.pid());
    for (link, object) in &links {
        for flood in &floods {
            let answer = place.hub.http().get(link).header("Range", flood).send();
            let shown = flood.get(..40).unwrap_or(flood);
            assert!([200, 206, 416].contains(&answer.status), "{link} {shown}: {}", answer.status);
            assert!(answer.body.len() <= object.bytes.len(), "{link} {shown}: {}", answer.body.len());
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(!kind.starts_with("multipart/"), "{link} {shown}: {kind}");
            if answer.status == 200 {
                assert!(answer.body == object.bytes, "{link} {shown}");
            }
        }
    }
    let growth = memory.growth_mib();
    assert!(growth < 32, "{growth} MiB more");
}
