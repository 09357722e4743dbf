//! git-lfs, and the LFS API spoken by hand: what is uploaded is what is named, nobody gets an
//! object by naming it, and a signed URL is good for exactly one thing.
#![cfg(test)]

use std::io::Write;

use polder_tests::{Client, Hub, LargeObject, Response, Token, Work, have, poll, until};

struct Place {
    hub: Hub,
    token: Token,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        Self { hub, token }
    }

    fn private(&self, repo: &str) {
        self.hub.cli(&["repo", "add", repo, "--private"]).ok();
    }

    /// A work tree whose remote is `repo`, with git-lfs on.
    fn work(&self, repo: &str) -> Work {
        let work = Work::with_lfs();
        work.ok(&["remote", "add", "origin", &self.hub.repo_url_as(repo, &self.token)]);
        work
    }

    /// The error that the batch API gives for a download, or 0 if it offers the object.
    fn refusal(&self, object: &LargeObject, repo: &str, token: Option<&Token>) -> u64 {
        let answer = object.batch(self.hub.http(), repo, "download", token).expect(200).json();
        answer.pointer("/objects/0/error/code").and_then(serde_json::Value::as_u64).unwrap_or(0)
    }

    fn href(&self, object: &LargeObject, repo: &str, action: &str) -> String {
        object.action(self.hub.http(), repo, action, Some(&self.token)).expect("an action")
    }

    fn put(&self, object: &LargeObject, repo: &str, bytes: &[u8]) -> Response {
        self.hub.http().put(&self.href(object, repo, "upload"), bytes).send()
    }

    fn quarantine_is_empty(&self) -> bool {
        !self.hub.stored_files().iter().any(|name| name.contains("quarantine/"))
    }
}

#[test]
fn what_git_lfs_pushes_is_what_a_clone_gets() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let files = [
        ("weights.bin", LargeObject::random(1, 20 << 20)),
        ("模型 权重/第一 部分.bin", LargeObject::random(2, 100_000)),
        ("one byte.bin", LargeObject::random(3, 1)),
    ];
    for (path, object) in &files {
        work.write(path, &object.bytes);
    }
    work.write("empty.bin", b"");
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);

    let reader = Work::with_lfs();
    let clone = reader.beside("clone");
    // Anonymous: the repository is public.
    reader.git.ok(
        &reader.beside(""),
        &["-c", "filter.lfs.required=false", "clone", "-q", &place.hub.repo_url("acme/m"), "clone"],
    );
    reader.git.ok(&clone, &["lfs", "install", "--local"]);
    reader.git.ok(&clone, &["lfs", "pull"]);
    for (path, object) in &files {
        assert!(std::fs::read(clone.join(path)).unwrap() == object.bytes, "{path}");
    }
    assert_eq!(std::fs::read(clone.join("empty.bin")).unwrap(), b"");
    reader.git.ok(&clone, &["lfs", "fsck"]);
    reader.git.fsck(&clone);
    place.hub.fsck();
}

#[test]
fn git_lfs_fetches_every_version_and_pushes_only_what_is_missing() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let versions: Vec<LargeObject> = (10..14).map(|seed| LargeObject::random(seed, 50_000)).collect();
    for object in &versions {
        work.write("weights.bin", &object.bytes);
        work.commit("Another version");
        work.ok(&["push", "-q", "origin", "main"]);
    }
    let before = place.hub.stored_files();
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", "origin", "main", "main:refs/heads/other"]);
    let large = |files: &[String]| files.iter().filter(|name| name.contains("blobs/")).count();
    assert_eq!(large(&before), large(&place.hub.stored_files()));

    let mirror = work.beside("mirror");
    work.git.ok(&work.beside(""), &["clone", "-q", "--mirror", &place.hub.repo_url("acme/m"), "mirror"]);
    work.git.ok(&mirror, &["lfs", "fetch", "--all"]);
    for object in &versions {
        let path =
            mirror.join("lfs/objects").join(&object.oid[..2]).join(&object.oid[2..4]).join(&object.oid);
        assert!(std::fs::read(path).unwrap() == object.bytes);
    }
}

#[test]
fn two_hundred_large_objects_go_in_one_push_and_ten_clients_get_them_at_once() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("datasets/acme/d");
    let work = place.work("datasets/acme/d");
    work.ok(&["config", "lfs.concurrenttransfers", "16"]);
    for n in 0..200 {
        work.write(&format!("data/part {n}.bin"), &LargeObject::random(2000 + n, 3_000).bytes);
    }
    work.commit("Add parts");
    work.ok(&["push", "-q", "origin", "main"]);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            let (place, work) = (&place, &work);
            scope.spawn(move || {
                let reader = place.work("datasets/acme/d");
                reader.ok(&["fetch", "-q", "origin"]);
                reader.ok(&["reset", "-q", "--hard", "origin/main"]);
                for n in 0..200 {
                    let path = format!("data/part {n}.bin");
                    let read = |of: &Work| std::fs::read(of.path().join(&path)).unwrap();
                    assert!(read(&reader) == read(work), "{path}");
                }
            });
        }
    });
    place.hub.fsck();
}

#[test]
fn git_lfs_resumes_a_download_that_was_cut() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let object = LargeObject::random(20, 4 << 20);
    work.write("weights.bin", &object.bytes);
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);

    let reader = place.work("acme/m");
    reader.ok(&["fetch", "-q", "origin"]);
    reader.ok(&["config", "lfs.fetchinclude", ""]);
    let incomplete = reader.path().join(".git/lfs/incomplete");
    std::fs::create_dir_all(&incomplete).unwrap();
    std::fs::write(incomplete.join(format!("{}.part", object.oid)), &object.bytes[..3 << 20]).unwrap();
    let mut command = reader.git.command(&reader.path(), &["lfs", "fetch", "origin", "origin/main"]);
    let done = polder_tests::run(command.env("GIT_TRACE", "1").env("GIT_CURL_VERBOSE", "1"));
    done.ok();
    assert!(done.stderr.contains(&format!("bytes={}-", 3 << 20)), "it asked for the rest\n{}", done.stderr);
    assert!(done.stderr.contains("206 Partial Content"), "it got the rest\n{}", done.stderr);
    let stored = reader.path().join(".git/lfs/objects").join(&object.oid[..2]).join(&object.oid[2..4]);
    assert!(std::fs::read(stored.join(&object.oid)).unwrap() == object.bytes);
}

#[test]
fn a_push_without_its_large_objects_is_refused_naming_path_and_oid() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", "origin", "main"]);
    let before = work.ok(&["ls-remote", "origin"]);
    let (one, two) = (LargeObject::random(30, 5_000), LargeObject::random(31, 6_000));
    work.write("deep/in the/weights.bin", &one.bytes);
    work.write("权重.bin", &two.bytes);
    work.commit("Add weights");
    let told = polder_tests::run(
        work.git.command(&work.path(), &["push", "origin", "main"]).env("GIT_LFS_SKIP_PUSH", "1"),
    )
    .fails();
    for word in ["deep/in the/weights.bin", "权重.bin", &one.oid, &two.oid] {
        assert!(told.contains(word), "`{word}` is not in\n{told}");
    }
    assert_eq!(work.ok(&["ls-remote", "origin"]), before);

    // A later commit that removes the file again does not hide that history needs it.
    work.ok(&["rm", "-q", "-r", "deep", "权重.bin"]);
    work.commit("Remove them");
    let told = polder_tests::run(
        work.git.command(&work.path(), &["push", "origin", "main"]).env("GIT_LFS_SKIP_PUSH", "1"),
    )
    .fails();
    assert!(told.contains(&one.oid), "{told}");

    work.ok(&["lfs", "push", "--all", "origin"]);
    work.ok(&["push", "-q", "origin", "main"]);
    place.hub.fsck();
}

#[test]
fn bytes_that_are_not_what_they_claim_are_refused_and_never_seen() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(40, 300_000);
    let mut wrong = object.bytes.clone();
    wrong[150_000] ^= 1;
    let short = &object.bytes[..299_999];
    let long = [&object.bytes[..], b"!"].concat();
    for (what, bytes) in [("wrong", &wrong[..]), ("short", short), ("long", &long), ("none", b"")] {
        let answer = place.put(&object, "acme/m", bytes);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
        assert_eq!(place.refusal(&object, "acme/m", Some(&place.token)), 404, "{what}");
        assert_eq!(object.verify(place.hub.http(), "acme/m", &place.token).status, 404, "{what}");
    }
    assert!(place.quarantine_is_empty(), "{:?}", place.hub.stored_files());

    let href = place.href(&object, "acme/m", "upload");
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    // The same URL, still valid, cannot replace the object.
    assert_eq!(place.hub.http().put(&href, wrong).send().status, 422);
    let download = place.href(&object, "acme/m", "download");
    assert!(place.hub.http().get(&download).send().expect(200).body == object.bytes);
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    place.hub.fsck();
}

#[test]
fn verify_tells_what_is_there() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(50, 1_000);
    assert_eq!(object.verify(place.hub.http(), "acme/m", &place.token).status, 404);
    object.upload(place.hub.http(), "acme/m", &place.token);
    object.verify(place.hub.http(), "acme/m", &place.token).expect(200);
    let shorter = LargeObject { oid: object.oid.clone(), bytes: vec![0; 999] };
    assert_eq!(shorter.verify(place.hub.http(), "acme/m", &place.token).status, 422);
    assert!(
        object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).is_none(),
        "no need to upload"
    );
}

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

#[test]
fn ranges_are_exact() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(90, 1_000_000);
    object.upload(place.hub.http(), "acme/m", &place.token);
    let href = place.href(&object, "acme/m", "download");
    let get = |range: &str| place.hub.http().get(&href).header("Range", range).send();
    let last = object.bytes.len() - 1;
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, last),
        ("bytes=999999-", last, last),
        ("bytes=262143-262145", 262_143, 262_145),
        ("bytes=500000-99999999", 500_000, last),
        ("bytes=-10", last - 9, last),
        ("bytes=-99999999", 0, last),
    ] {
        let answer = get(range).expect(206);
        assert!(answer.body == object.bytes[from..=to], "{range}");
        let expected = format!("bytes {from}-{to}/1000000");
        assert_eq!(answer.header("content-range"), Some(expected.as_str()), "{range}");
    }
    for range in ["bytes=1000000-", "bytes=-0"] {
        let answer = get(range).expect(416);
        assert_eq!(answer.header("content-range"), Some("bytes */1000000"), "{range}");
    }
    for range in ["bytes=5-2", "lines=1-2", "bytes=x", "bytes=0-1,5-6"] {
        let answer = get(range);
        let whole = answer.status == 200 && answer.body == object.bytes;
        assert!(whole || answer.status == 416, "{range}: {}", answer.status);
    }
    let head = place.hub.http().head(&href).send().expect(200);
    assert_eq!(head.header("content-length"), Some("1000000"));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    let etag = head.header("etag").expect("an ETag").to_owned();
    assert_eq!(etag, format!("\"{}\"", object.oid));
    let conditional =
        |tag: &str| place.hub.http().get(&href).header("Range", "bytes=10-19").header("If-Range", tag).send();
    assert_eq!(conditional(&etag).expect(206).body, object.bytes[10..20]);
    assert!(conditional("\"another\"").expect(200).body == object.bytes);
    assert!(
        conditional(&format!("W/{etag}")).expect(200).body == object.bytes,
        "a weak tag never matches here"
    );
}

#[test]
fn an_upload_without_a_length_is_told_to_name_one() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(100, 300_000);
    let href = place.href(&object, "acme/m", "upload");
    let mut body = Vec::new();
    for chunk in object.bytes.chunks(70_000) {
        write!(body, "{:x}\r\n", chunk.len()).unwrap();
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    place.hub.http().put(&href, body).header("Transfer-Encoding", "chunked").send().expect(411);
    assert_eq!(place.refusal(&object, "acme/m", None), 404);
}

#[test]
fn an_upload_that_is_cut_leaves_nothing_and_can_be_tried_again() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(110, 4 << 20);
    let href = place.href(&object, "acme/m", "upload");
    let bytes = place.hub.http().put(&href, object.bytes.clone()).to_bytes();
    let mut stream = place.hub.http().connect();
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    until("the upload to arrive", 10, || (!place.quarantine_is_empty()).then_some(()));
    drop(stream);
    let gone = poll(20, || place.quarantine_is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", place.hub.stored_files());
    assert_eq!(place.refusal(&object, "acme/m", None), 404);
    object.upload(place.hub.http(), "acme/m", &place.token);
    assert_eq!(place.refusal(&object, "acme/m", None), 0);
    place.hub.fsck();
}

#[test]
fn one_object_uploaded_by_eight_clients_at_once_is_stored_once() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(120, 2 << 20);
    let href = place.href(&object, "acme/m", "upload");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| place.hub.http().put(&href, object.bytes.clone()).send().expect(200));
        }
    });
    let download = place.href(&object, "acme/m", "download");
    assert!(place.hub.http().get(&download).send().expect(200).body == object.bytes);
    place.hub.fsck();
}

#[test]
fn large_objects_follow_a_rename_and_a_private_repository_asks_for_a_password() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.private("acme/old");
    let work = place.work("acme/old");
    let object = LargeObject::random(130, 50_000);
    work.write("weights.bin", &object.bytes);
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);
    place.hub.cli(&["repo", "rename", "acme/old", "acme/new"]).ok();

    let reader = place.work("acme/old");
    reader.ok(&["fetch", "-q", "origin"]);
    reader.ok(&["lfs", "fetch", "origin", "origin/main"]);
    reader.ok(&["reset", "-q", "--hard", "origin/main"]);
    assert!(std::fs::read(reader.path().join("weights.bin")).unwrap() == object.bytes);

    let stranger = Work::with_lfs();
    let told = stranger.run(&["fetch", &place.hub.repo_url("acme/new")]).fails();
    assert!(told.contains("could not read Username") || told.contains("Authentication failed"), "{told}");
}
