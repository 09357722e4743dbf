//! Requests through the whole edge to a real hub, in memory.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use polder_http::App;
use polder_hub::{HookOptions, Hub, HubOptions, Limits, TokenRequest};
use polder_types::{Clock, RepoName, Role, Visibility};
use serde_json::{Value, json};

use crate::{LFS_MEDIA_TYPE, Smart};

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A hub with public `ann/open` (once `ann/old`), private `ann/closed`, and a stranger `bob`.
struct World {
    app: App,
    ann: String,
    bob: String,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::open(HubOptions {
            data_dir: dir.path().join("data"),
            shared: polder_hub::Shared::default(),
            public_url: "https://hub.test/p/".to_owned(),
            hooks: HookOptions::default(),
            limits: Limits::default(),
            namespace_bytes_max: None,
            audit_keep_days: 365,
            lfs_part_bytes: 1 << 20,
            push_options: false,
            egress_ca_file: None,
            webhook_hosts: Vec::new(),
            hugging_face_endpoint: "https://hub.example".to_owned(),
            scrub: polder_hub::ScrubOptions::default(),
            federation: polder_hub::FederationOptions::default(),
            clock: Clock::System,
        })
        .await
        .unwrap();
        let mut tokens = Vec::new();
        for user in ["ann", "bob"] {
            let user = user.parse().unwrap();
            hub.add_user(&user, false).await.unwrap();
            let request =
                TokenRequest { user, scope: Role::Write, repos: Vec::new(), lifetime_seconds: None };
            tokens.push(hub.add_token(request).await.unwrap().reveal().to_owned());
        }
        let name = |text: &str| -> RepoName { text.parse().unwrap() };
        hub.add_repo(&name("ann/old"), Visibility::Public).await.unwrap();
        hub.rename_repo(&name("ann/old"), &name("ann/open")).await.unwrap();
        hub.add_repo(&name("ann/closed"), Visibility::Private).await.unwrap();
        let bob = tokens.pop().unwrap();
        let ann = tokens.pop().unwrap();
        Self { app: App::builder().mount(Smart::new(hub)).build(), ann, bob, _dir: dir }
    }

    async fn send(&self, line: &str, token: Option<&str>, headers: &[(&str, &str)], body: Body) -> Answer {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(uri);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.app.call(request.body(body).unwrap()).await;
        let (parts, body) = response.into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned(),
        }
    }

    async fn get(&self, uri: &str, token: Option<&str>) -> Answer {
        self.send(&format!("GET {uri}"), token, &[], Body::empty()).await
    }

    async fn batch(&self, repo: &str, token: Option<&str>, body: Value) -> Answer {
        let line = format!("POST /{repo}.git/info/lfs/objects/batch");
        self.send(&line, token, &[("content-type", LFS_MEDIA_TYPE)], Body::from(body.to_string())).await
    }
}

fn path_of(href: &Value) -> &str {
    href.as_str().unwrap().strip_prefix("https://hub.test/p").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advertisement_is_what_gits_own_server_sends() {
    let world = World::new().await;
    let answer = world.get("/ann/open.git/info/refs?service=git-upload-pack", None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-git-upload-pack-advertisement"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, max-age=0, must-revalidate"));
    assert!(answer.body.starts_with("001e# service=git-upload-pack\n0000"), "{}", answer.body);
    let v2 = [("git-protocol", "version=2")];
    let line = "GET /ann/open/info/refs?service=git-upload-pack";
    assert!(world.send(line, None, &v2, Body::empty()).await.body.contains("version 2\n"));
    let line = "GET /ann/open/info/refs?service=git-receive-pack";
    let answer = world.send(line, Some(&world.ann), &v2, Body::empty()).await;
    assert!(answer.body.contains("report-status"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_private_and_impossible_are_answered_alike() {
    let world = World::new().await;
    let batch = json!({ "operation": "download", "objects": [] }).to_string();
    for line in [
        "GET {}/info/refs?service=git-upload-pack",
        "GET {}/info/refs?service=git-receive-pack",
        "POST {}/git-upload-pack",
        "POST {}/git-receive-pack",
        "POST {}/info/lfs/objects/batch",
        "POST {}/info/lfs/verify",
    ] {
        for (token, status) in [(None, 401), (Some(world.bob.as_str()), 404)] {
            let mut answers = Vec::new();
            for name in ["ann/closed", "ann/never", "nobody/closed", "ann/..", "ann/con", "closed"] {
                let line = line.replace("{}", &format!("/{name}.git"));
                let id = [("x-request-id", "the-same-id")];
                let answer = world.send(&line, token, &id, Body::from(batch.clone())).await;
                assert_eq!(answer.status, status, "{line}");
                assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{line}");
                answers.push((answer.headers, answer.body.replace(name, "…")));
            }
            for answer in &mut answers {
                // Only the length of the name differs.
                answer.0.retain(|(name, _)| name != "content-length");
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{line}: {answers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_and_words() {
    let world = World::new().await;
    let (ann, bob) = (Some(world.ann.as_str()), Some(world.bob.as_str()));
    let bad = Some("pld_nonsense");
    for (line, token, status, words) in [
        ("GET /ann/open.git/info/refs", None, 403, "dumb HTTP protocol"),
        ("GET /ann/open.git/info/refs?service=git-x", None, 403, "Unsupported service: 'git-x'"),
        ("GET /ann/open.git/info/refs?service=git-receive-pack", None, 401, "log in"),
        ("GET /ann/open.git/info/refs?service=git-receive-pack", bob, 403, "not write"),
        ("GET /ann/open.git/info/refs?service=git-upload-pack", bad, 401, "not valid"),
        ("POST /ann/open.git/info/refs?service=git-upload-pack", ann, 405, "GET, HEAD"),
        ("POST /ann/open.git/git-upload-pack", None, 415, "application/x-git-upload-pack-request"),
        ("POST /ann/open.git/git-receive-pack", ann, 415, "application/x-git-receive-pack-request"),
        ("POST /ann/open.git/git-receive-pack", bob, 403, "not write"),
        ("POST /ann/open.git/info/lfs/locks/verify", None, 401, "log in"),
        ("POST /ann/open.git/info/lfs/locks", bob, 403, "not write"),
        ("GET /ann/open.git/info/lfs/locks/7", ann, 404, "nothing at this LFS address"),
        ("GET /ann/open.git/info/lfs/locks?cursor=x", None, 422, "cursor"),
        ("GET /ann/open.git/info/lfs/locks?limit=-1", None, 422, "limit"),
        ("GET /ann/open.git/info/lfs/x", ann, 404, "nothing at this LFS address"),
        ("GET /ann/open.git/info/lfs/verify", ann, 405, "POST"),
        ("POST /ann/open.git/info/lfs/verify", bob, 403, "not write"),
    ] {
        let answer = world.send(line, token, &[], Body::empty()).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
        assert!(answer.body.contains(words), "{line}: {}", answer.body);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{line}");
        if line.contains("/info/lfs/") {
            assert_eq!(answer.header("content-type"), Some(LFS_MEDIA_TYPE), "{line}");
            assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"), "{line}");
        } else {
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_new_one_for_those_who_may_read_it() {
    let world = World::new().await;
    for (line, location) in [
        (
            "GET /ann/old.git/info/refs?service=git-upload-pack",
            "/p/ann/open.git/info/refs?service=git-upload-pack",
        ),
        ("POST /ann/old/git-upload-pack", "/p/ann/open/git-upload-pack"),
        ("POST /models/ann/old.git/info/lfs/objects/batch", "/p/ann/open.git/info/lfs/objects/batch"),
    ] {
        let answer = world.send(line, None, &[], Body::empty()).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(location)), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_fetch_is_said_in_a_packet() {
    let world = World::new().await;
    let headers = [("content-type", "application/x-git-upload-pack-request"), ("content-encoding", "gzip")];
    let answer = world.send("POST /ann/open/git-upload-pack", None, &headers, Body::from("not gzip")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.get(4..8), Some("ERR "), "{}", answer.body);
    assert_eq!(usize::from_str_radix(&answer.body[..4], 16), Ok(answer.body.len()));
}

/// Bob may read: his objects are for no branch, but without a ref for a pull request that he is about to open.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_sends_objects_for_a_pull_request_alone() {
    let world = World::new().await;
    let bob = Some(world.bob.as_str());
    let objects = json!([{ "oid": HELLO, "size": 5 }]);
    let upload = json!({ "operation": "upload", "objects": objects });
    let for_a_branch =
        json!({ "operation": "upload", "objects": objects, "ref": { "name": "refs/heads/main" } });
    let for_a_pull = json!({ "operation": "upload", "objects": objects, "ref": { "name": "refs/pr/1" } });
    for refused in [for_a_branch, for_a_pull] {
        assert_eq!(world.batch("ann/open", bob, refused).await.status, 403);
    }
    assert_eq!(world.batch("ann/open", bob, upload).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_up_and_comes_back_by_links_alone() {
    let world = World::new().await;
    let (ann, bob) = (Some(world.ann.as_str()), Some(world.bob.as_str()));
    let objects = json!([{ "oid": HELLO, "size": 5 }]);
    let upload =
        json!({ "operation": "upload", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256" });
    assert_eq!(world.batch("ann/open", None, upload.clone()).await.status, 401);

    let answer = world.batch("ann/closed", ann, upload.clone()).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(LFS_MEDIA_TYPE)),
        "{}",
        answer.body
    );
    let actions = answer.json()["objects"][0]["actions"].clone();
    let put = format!("PUT {}", path_of(&actions["upload"]["href"]));
    let verify = format!("POST {}", path_of(&actions["verify"]["href"]));
    assert_eq!(actions["upload"]["header"], json!({}));
    let get = put.replace("PUT", "GET");
    let object = || Body::from(objects[0].to_string());

    assert_eq!(world.send(&verify, None, &[], object()).await.status, 404);
    let forged = verify.replace("size=5", "size=6");
    assert_eq!(world.send(&forged, None, &[], object()).await.status, 403);
    for (line, body, status) in [
        (&put, "hellO", 422),
        (&put, "hello!", 422),
        (&put, "hell", 422),
        (&get, "", 403),
        (&put.replace("size=5", "size=6"), "hello!", 403),
        (&put.replace("ann/closed", "ann/open"), "hello", 403),
        (&put.replace("ann/closed", "ann/.."), "hello", 403),
        (&put[..put.find('?').unwrap()].to_owned(), "hello", 403),
    ] {
        let answer = world.send(line, None, &[], Body::from(body)).await;
        assert_eq!(answer.status, status, "{line} {body}: {}", answer.body);
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    // As with `Transfer-Encoding: chunked`.
    let unknown_length = Body::new(Body::from("hello").map_frame(|frame| frame));
    assert_eq!(world.send(&put, None, &[], unknown_length).await.status, 411);
    assert_eq!(world.send(&verify, None, &[], object()).await.status, 404, "nothing is here yet");
    assert_eq!(world.send(&put, None, &[], Body::from("hello")).await.status, 200);
    assert_eq!(world.send(&verify, None, &[], object()).await.status, 200);
    let wrong = Body::from(json!({ "oid": HELLO, "size": 6 }).to_string());
    assert_eq!(world.send(&verify, None, &[], wrong).await.status, 422);

    // It is here now: nothing to do.
    assert_eq!(world.batch("ann/closed", ann, upload).await.json()["objects"][0].get("actions"), None);
    let download = json!({ "operation": "download", "objects": objects });
    assert_eq!(world.batch("ann/closed", bob, download.clone()).await.status, 404);
    let there = world.batch("ann/open", None, download.clone()).await.json();
    assert_eq!(there["objects"][0]["error"]["code"], 404, "an object of another repository");
    let answer = world.batch("ann/closed", ann, download).await.json();
    assert_eq!(answer["objects"][0]["authenticated"], true);
    let href = path_of(&answer["objects"][0]["actions"]["download"]["href"]).to_owned();
    let whole = world.get(&href, None).await;
    assert_eq!((whole.status, whole.body.as_str()), (200, "hello"));
    assert_eq!(whole.header("etag"), Some(format!("\"{HELLO}\"").as_str()));
    assert_eq!(whole.header("content-type"), Some("application/octet-stream"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let part = world.send(&format!("GET {href}"), None, &[("range", "bytes=1-2")], Body::empty()).await;
    assert_eq!(
        (part.status, part.body.as_str(), part.header("content-range")),
        (206, "el", Some("bytes 1-2/5"))
    );
    let beyond = world.send(&format!("GET {href}"), None, &[("range", "bytes=9-")], Body::empty()).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */5")));
    let head = world.send(&format!("HEAD {href}"), None, &[], Body::empty()).await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, Some("5"), ""));
    assert_eq!(world.send(&format!("PUT {href}"), None, &[], Body::from("hello")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_batch_is_refused_as_a_whole_and_a_wrong_entry_by_itself() {
    let world = World::new().await;
    let entry = json!({ "oid": HELLO, "size": 5 });
    let many = vec![entry.clone(); polder_types::limits::LFS_BATCH_OBJECTS_MAX + 1];
    for (body, status) in [
        (json!({ "operation": "download", "objects": [], "hash_algo": "sha512" }), 409),
        (json!({ "operation": "download", "objects": many }), 413),
        (json!({ "operation": "delete", "objects": [] }), 422),
        (json!({ "operation": "download" }), 422),
        (json!({ "operation": "download", "objects": {} }), 422),
        (json!("nonsense"), 422),
    ] {
        let answer = world.batch("ann/open", None, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let lenient = json!({
        "operation": "download", "transfers": ["multipart", "xet"], "ref": { "name": "refs/heads/main" },
        "objects": [{ "oid": "x", "size": 1 }, entry, { "oid": HELLO, "size": -1 }], "extra": [1]
    });
    let answer = world.batch("ann/open", None, lenient).await.json();
    assert_eq!((&answer["transfer"], &answer["hash_algo"]), (&json!("basic"), &json!("sha256")));
    let codes: Vec<_> =
        answer["objects"].as_array().unwrap().iter().map(|o| o["error"]["code"].clone()).collect();
    assert_eq!(codes, [422, 404, 422]);
}
