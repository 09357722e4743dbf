//! Requests through the whole edge to a real hub, in memory.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use polder_http::App;
use polder_hub::{HookOptions, Hub, HubOptions, Limits, TokenRequest};
use polder_types::{Clock, RepoName, Role, Visibility};

use crate::Hf;

/// A hub with public, empty `ann/open` (once `ann/old`), private `ann/closed`, and a stranger `bob`.
struct World {
    app: App,
    hub: Hub,
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
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::open(HubOptions {
            data_dir: dir.path().join("data"),
            shared: polder_hub::Shared::default(),
            public_url: "http://hub.test".to_owned(),
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
        for user in ["ann", "bob"] {
            hub.add_user(&user.parse().unwrap(), false).await.unwrap();
        }
        let user = "bob".parse().unwrap();
        let request = TokenRequest { user, scope: Role::Read, repos: Vec::new(), lifetime_seconds: None };
        let bob = hub.add_token(request).await.unwrap().reveal().to_owned();
        let name = |text: &str| -> RepoName { text.parse().unwrap() };
        hub.add_repo(&name("ann/old"), Visibility::Public).await.unwrap();
        hub.rename_repo(&name("ann/old"), &name("ann/open")).await.unwrap();
        hub.add_repo(&name("ann/closed"), Visibility::Private).await.unwrap();
        Self { app: App::builder().mount(Hf::new(hub.clone())).build(), hub, bob, _dir: dir }
    }

    async fn send(&self, method: Method, uri: &str, token: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("x-amzn-trace-id", "the-same-id");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.app.call(request.body(Body::empty()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_private_and_impossible_are_answered_alike() {
    let world = World::new().await;
    for action in ["resolve", "raw"] {
        for (token, status) in [(None, 401), (Some(world.bob.as_str()), 404)] {
            let mut answers = Vec::new();
            for name in ["ann/closed", "ann/never", "nobody/closed", "ann/..", "ann/con", "gpt2"] {
                let answer =
                    world.send(Method::GET, &format!("/{name}/{action}/main/config.json"), token).await;
                assert_eq!(
                    (answer.status, answer.header("x-error-code")),
                    (status, Some("RepoNotFound")),
                    "{name}"
                );
                let shown = |text: &str| text.replace(name, "…");
                let mut headers: Vec<_> =
                    answer.headers.iter().map(|(key, value)| (key.clone(), shown(value))).collect();
                headers.retain(|(key, _)| key != "content-length");
                answers.push((headers, shown(&answer.body)));
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_and_code() {
    let world = World::new().await;
    let bad = Some("hf_of_another_hub");
    for (method, uri, token, status, code) in [
        (Method::HEAD, "/ann/open/resolve/main/config.json", None, 404, Some("RevisionNotFound")),
        (Method::GET, "/ann/open/resolve/refs%2Fpr%2F1/a%20b", None, 404, Some("RevisionNotFound")),
        (Method::GET, "/ann/open/raw/%00/a", None, 404, Some("RevisionNotFound")),
        (Method::GET, "/ann/open/resolve/main/config.json", bad, 401, None),
        (Method::POST, "/ann/open/resolve/main/config.json", None, 405, None),
        (Method::GET, "/ann/open/blob/main", None, 404, None),
        (Method::POST, "/ann/open/blob/main/config.json", None, 405, None),
    ] {
        let answer = world.send(method, uri, token).await;
        assert_eq!((answer.status, answer.header("x-error-code")), (status, code), "{uri}: {}", answer.body);
        assert_eq!(answer.header("x-request-id"), Some("the-same-id"), "{uri}");
        let words = if status == 401 { Some("Invalid credentials in Authorization header") } else { None };
        assert!(words.is_none() || answer.header("x-error-message") == words, "{uri}");
    }
}

/// Whether the file is there, or the repository, is not told by it.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_page_leads_to_what_it_shows() {
    let world = World::new().await;
    for (page, expected) in [
        ("/ann/open/blob/main/config.json", "/ann/open/resolve/main/config.json"),
        (
            "/ann/never/blob/refs%2Fpr%2F1/a%20b?download=true",
            "/ann/never/resolve/refs%2Fpr%2F1/a%20b?download=true",
        ),
        ("/models/ann/open/tree/main", "/api/models/ann/open/tree/main"),
        ("/datasets/ann/d/tree/main/sub", "/api/datasets/ann/d/tree/main/sub"),
    ] {
        let answer = world.send(Method::GET, page, None).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(expected)), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_to_the_new_one() {
    let world = World::new().await;
    for method in [Method::GET, Method::HEAD] {
        let answer =
            world.send(method, "/models/ann/old/resolve/refs%2Fpr%2F1/a%20b?download=true", None).await;
        let location = Some("/ann/open/resolve/refs%2Fpr%2F1/a%20b?download=true");
        assert_eq!((answer.status, answer.header("location")), (307, location));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_said_in_json_with_the_code_that_its_exception_is_made_from() {
    let world = World::new().await;
    for (method, uri, code) in [
        (Method::GET, "/api/spaces/ann/open/runtime", None),
        (Method::POST, "/api/spaces/ann/open/secrets", None),
        (Method::DELETE, "/api/spaces/ann/open/variables", None),
        (Method::POST, "/api/spaces/ann/open/hardware", None),
        (Method::GET, "/api/spaces/ann/open/logs/build", None),
        (Method::GET, "/api/spaces/hardware", None),
        (Method::GET, "/api/spaces/semantic-search?q=x", None),
        (Method::GET, "/api/jobs/ann", None),
        (Method::POST, "/api/jobs/ann", None),
        (Method::GET, "/api/jobs/ann/1/logs", None),
        (Method::PUT, "/api/scheduled-jobs/ann/1/labels", None),
        (Method::GET, "/api/buckets/ann", None),
        (Method::GET, "/api/buckets/ann/b", Some("RepoNotFound")),
        (Method::HEAD, "/api/buckets/ann/b/tree", Some("RepoNotFound")),
        (Method::POST, "/api/buckets/ann/b", None),
        (Method::GET, "/api/papers/search?q=x", None),
        (Method::GET, "/api/daily_papers", None),
        (Method::GET, "/api/datasets/ann/open/leaderboard", None),
        (Method::GET, "/api/sandboxes", None),
        (Method::PATCH, "/api/anything/else", None),
        (Method::GET, "/api/models/ann/open/nothing/like/this", None),
        (Method::GET, "/api/", None),
        (Method::GET, "/api", None),
    ] {
        let answer = world.send(method.clone(), uri, None).await;
        assert_eq!((answer.status, answer.header("x-error-code")), (404, code), "{method} {uri}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{method} {uri}");
        if method != Method::HEAD {
            let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            assert!(body["error"].as_str().is_some_and(|words| words.starts_with("this hub")), "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_short_where_each_repository_is_looked_at() {
    let world = World::new().await;
    for n in 0..100 {
        world.hub.add_repo(&format!("ann/m{n}").parse().unwrap(), Visibility::Public).await.unwrap();
    }
    for (query, expected) in
        [("", 101), ("expand=usedStorage", 100), ("expand=siblings", 100), ("full=true", 100)]
    {
        let uri = format!("/api/models?author=ann&limit=1000&{query}");
        let answer = world.send(Method::GET, &uri, None).await;
        let items: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
        let is_last = answer.header("link").is_none();
        assert_eq!((items.len(), is_last), (expected, expected == 101), "{query}: {}", answer.status);
    }
}
