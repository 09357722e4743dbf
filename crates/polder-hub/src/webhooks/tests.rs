//! Webhooks against a receiver in this process.

mod woken;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use polder_types::{Clock, Role, Visibility};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::deliver::signature;
use super::{WebhookChange, changed};
use crate::tests::{fill, name, options_in, repo, signature as author, token, write};
use crate::{CommitRequest, Credentials, Hub, Kind, Principal, TokenRequest, Webhook};

/// What was received: the head and the body.
type Received = Vec<(String, Value)>;

/// A receiver that answers with these heads, then with 200, and remembers what came.
struct Receiver {
    port: u16,
    received: Arc<Mutex<Received>>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (received, answers) =
            (Arc::<Mutex<Received>>::default(), Arc::<Mutex<VecDeque<String>>>::default());
        let (kept, told) = (Arc::clone(&received), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, told) = (Arc::clone(&kept), Arc::clone(&told));
                tokio::spawn(converse(stream, kept, told));
            }
        });
        Self { port, received, answers }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn answer(&self, head: &str) {
        self.answers.lock().unwrap().push_back(head.to_owned());
    }

    fn take(&self) -> Received {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

/// Reads a request, keeps it, and answers; `None` when it is cut.
async fn converse(
    mut stream: TcpStream,
    kept: Arc<Mutex<Received>>,
    answers: Arc<Mutex<VecDeque<String>>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            if body.len() >= length.parse::<usize>().ok()? {
                break (head.to_owned(), body.to_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    // Kept before it is answered, so that a test finds what was taken.
    kept.lock().unwrap().push((head, serde_json::from_str(&body).ok()?));
    let answer = answers.lock().unwrap().pop_front().unwrap_or_else(|| "200 OK\r\n".to_owned());
    let answer = format!("HTTP/1.1 {answer}content-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()
}

struct Place {
    hub: Hub,
    millis: Arc<AtomicI64>,
    alice: Principal,
    receiver: Receiver,
    _dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let receiver = Receiver::start().await;
        let dir = tempfile::tempdir().unwrap();
        let millis = Arc::new(AtomicI64::new(crate::tests::START));
        let mut options = options_in(dir.path(), Clock::Manual(Arc::clone(&millis)));
        options.webhook_hosts = vec![receiver.url()];
        let hub = Hub::open(options).await.unwrap();
        fill(&hub).await;
        let alice = login(&hub, token("alice")).await;
        Self { hub, millis, alice, receiver, _dir: dir }
    }

    async fn hook(&self, watched: &[(&str, &str)]) -> Webhook {
        let change =
            WebhookChange { secret: Some("s3cret".to_owned()), ..watching(&self.receiver.url(), watched) };
        self.hub.add_webhook(&self.alice, change).await.unwrap()
    }

    async fn commit(&self, at: &str) -> String {
        let grant = self.hub.write(&self.alice, &repo(at)).await.unwrap();
        let changes = vec![write("README.md", &self.hub.db.next_id().to_string())];
        let (branch, parent, message) = ("main".to_owned(), None, "Say".to_owned());
        let request = CommitRequest { branch, parent, changes, author: author(), message };
        self.hub.commit(&grant, request).await.unwrap().to_string()
    }

    /// What the receiver was told by now.
    async fn told(&self) -> Received {
        self.hub.tell_webhooks_due().await.unwrap();
        self.receiver.take()
    }

    fn pass(&self, seconds: i64) {
        self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    async fn state(&self, hook: &Webhook) -> (bool, Option<String>) {
        let now = self.hub.webhook(&self.alice, hook.id).await.unwrap();
        (now.disabled, now.last_error)
    }
}

async fn login(hub: &Hub, request: TokenRequest) -> Principal {
    let secret = hub.add_token(request).await.unwrap();
    hub.authenticate(Credentials::Token(secret), None).await.unwrap()
}

fn watching(url: &str, watched: &[(&str, &str)]) -> WebhookChange {
    let watched = watched.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect();
    WebhookChange { url: Some(url.to_owned()), watched, ..WebhookChange::default() }
}

fn events(told: &Received) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |(_, body): &(String, Value)| {
        let event = &body["event"];
        (text(&event["action"]), text(&event["scope"]), text(&body["repo"]["name"]))
    };
    told.iter().map(one).collect()
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_to_a_repository_is_told_in_the_clients_shape() {
    let place = Place::new().await;
    let hook = place.hook(&[("org", "acme")]).await;
    let commit = place.commit("acme/open").await;
    place.hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
    place.hub.rename_repo(&repo("acme/open"), &repo("alice/new")).await.unwrap();
    place.hub.add_repo(&repo("datasets/acme/d"), Visibility::Public).await.unwrap();
    place.hub.add_repo(&repo("kernels/acme/k"), Visibility::Public).await.unwrap();
    place.hub.delete_repo(&repo("datasets/acme/d")).await.unwrap();
    let told = place.told().await;
    let triple =
        |action: &str, scope: &str, name: &str| (action.to_owned(), scope.to_owned(), name.to_owned());
    // What moved elsewhere is watched there.
    assert_eq!(
        events(&told),
        [triple("create", "repo", "acme/d"), triple("delete", "repo", "acme/d")],
        "as of the moment of telling"
    );
    let moved = place.hook(&[("model", "alice/new")]).await;
    place.hub.rename_repo(&repo("alice/new"), &repo("acme/back")).await.unwrap();
    place.hub.set_visibility(&repo("acme/back"), Visibility::Public).await.unwrap();
    let next = place.commit("acme/back").await;
    let told = place.told().await;
    let of_moved: Received =
        told.into_iter().filter(|(_, body)| body["webhook"]["id"] == format!("{:024x}", moved.id)).collect();
    assert_eq!(
        events(&of_moved),
        [
            triple("move", "repo", "alice/new"),
            triple("update", "repo.config", "acme/back"),
            triple("update", "repo.content", "acme/back")
        ]
    );
    let (_, body) = of_moved.last().unwrap();
    let repo_id = body["repo"]["id"].as_str().unwrap();
    assert!(repo_id.len() == 24 && body["repo"]["owner"]["id"].as_str().unwrap().len() == 24);
    assert_eq!(body["updatedRefs"], json!([{"ref": "refs/heads/main", "oldSha": commit, "newSha": next}]));
    assert_eq!(body["repo"]["headSha"], json!(next));
    assert_eq!((&body["repo"]["private"], &body["repo"]["type"]), (&json!(false), &json!("model")));
    let urls =
        json!({"web": "http://hub.example/acme/back", "api": "http://hub.example/api/models/acme/back"});
    assert_eq!(body["repo"]["url"], urls);
    assert_eq!(body["webhook"]["version"], json!(3));
    assert_eq!(of_moved[0].1["movedTo"]["name"], json!("acme/back"));
    assert_eq!(of_moved[1].1["updatedConfig"], json!({"private": false}));
    assert_eq!(place.state(&hook).await, (false, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_carries_the_secret_and_is_signed_over_time_id_and_body() {
    let place = Place::new().await;
    place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let told = place.told().await;
    let [(head, body)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(header(head, "x-webhook-secret").as_deref(), Some("s3cret"));
    let id = header(head, "x-polder-delivery").unwrap();
    let seconds = crate::tests::START / 1000;
    let expected = signature("s3cret", seconds, &id, &body.to_string()).unwrap();
    assert_eq!(header(head, "x-polder-signature"), Some(format!("t={seconds},v1={expected}")));
    for (secret, time, other, text) in [
        ("other", seconds, id.as_str(), body.to_string()),
        ("s3cret", seconds + 1, id.as_str(), body.to_string()),
        ("s3cret", seconds, "0", body.to_string()),
        ("s3cret", seconds, id.as_str(), "{}".to_owned()),
    ] {
        assert_ne!(signature(secret, time, other, &text).unwrap(), expected);
    }
    assert_eq!(head.lines().next(), Some("POST /hook HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_tried_again_with_the_same_id_before_what_came_after_it() {
    let place = Place::new().await;
    let hook = place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let second = place.commit("acme/open").await;
    place.receiver.answer("500 Broken\r\n");
    let first = place.told().await;
    assert_eq!(first.len(), 1, "what comes after waits");
    assert_eq!(place.state(&hook).await, (false, Some("it answered with status 500".to_owned())));
    assert_eq!(place.told().await, [], "not before its time");
    place.pass(10);
    let again = place.told().await;
    assert_eq!(again.len(), 2);
    let id = |one: &(String, Value)| header(&one.0, "x-polder-delivery").unwrap();
    assert_eq!((id(&again[0]), &again[0].1), (id(&first[0]), &first[0].1));
    assert_ne!(id(&again[1]), id(&again[0]));
    assert_ne!(header(&again[0].0, "x-polder-signature"), header(&first[0].0, "x-polder-signature"));
    assert_eq!(again[1].1["updatedRefs"][0]["newSha"], json!(second));
    assert_eq!(place.state(&hook).await, (false, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_given_up_after_some_tries_and_a_webhook_after_some_days() {
    let place = Place::new().await;
    let hook = place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let last = place.commit("acme/open").await;
    for _ in 0..6 {
        place.receiver.answer("500 Broken\r\n");
    }
    for pause in [0, 10, 60, 300, 1_800, 7_200] {
        place.pass(pause);
        assert_eq!(place.told().await.len(), 1, "after {pause}");
    }
    place.pass(7_200);
    let told = place.told().await;
    assert_eq!(told.len(), 1, "the second, at once taken");
    assert_eq!(told[0].1["updatedRefs"][0]["newSha"], json!(last));

    place.commit("acme/open").await;
    for _ in 0..2 {
        place.receiver.answer("404 Gone\r\n");
    }
    assert_eq!(place.told().await.len(), 1);
    place.pass(3 * 86_400);
    assert_eq!(place.told().await.len(), 1);
    assert_eq!(place.state(&hook).await, (true, Some("it answered with status 404".to_owned())));
    place.commit("acme/open").await;
    place.pass(86_400);
    assert_eq!(place.told().await, []);
    place.hub.enable_webhook(&place.alice, hook.id, true).await.unwrap();
    place.commit("acme/open").await;
    assert_eq!(place.told().await.len(), 1, "only what came after");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_no_longer_read_a_repository_is_told_nothing_of_it() {
    let place = Place::new().await;
    let bob = login(&place.hub, token("bob")).await;
    let carol = login(&place.hub, token("carol")).await;
    let watched = [("org", "acme"), ("model", "acme/open")];
    for who in [&bob, &carol] {
        place.hub.add_webhook(who, watching(&place.receiver.url(), &watched)).await.unwrap();
    }
    let hidden = watching(&place.receiver.url(), &[("model", "acme/closed")]);
    let refused = place.hub.add_webhook(&carol, hidden.clone()).await.unwrap_err();
    let missing = watching(&place.receiver.url(), &[("model", "acme/never")]);
    let never = place.hub.add_webhook(&carol, missing).await.unwrap_err();
    assert_eq!((refused.kind(), never.kind()), (Kind::NotFound, Kind::NotFound));
    assert_eq!(refused.message().replace("closed", "never"), never.message());

    place.commit("acme/closed").await;
    assert_eq!(place.told().await.len(), 1, "bob, a member");
    place.commit("acme/open").await;
    assert_eq!(place.told().await.len(), 2, "both");
    place.commit("acme/open").await;
    place.hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
    assert_eq!(place.told().await.len(), 2, "carol may not know any more, of what was before either");
    place.hub.delete_repo(&repo("acme/open")).await.unwrap();
    assert_eq!(events(&place.told().await)[0].0, "delete");
    place.commit("acme/closed").await;
    place.hub.take_down(&repo("acme/closed"), "No", false).await.unwrap();
    assert_eq!(place.told().await, []);
}

/// Attack A39 with the list of A29: webhooks are how anyone has a hub make requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_never_reaches_an_address_that_is_not_public() {
    let place = Place::new().await;
    let inside = Receiver::start().await;
    let port = inside.port;
    let refused = [
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0:{port}/"),
        format!("http://user:password@127.0.0.1:{port}/"),
        format!("http://example.org@127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        format!("gopher://127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("ssh://127.0.0.1:{port}/"),
        "ext::sh -c id".to_owned(),
        String::new(),
    ];
    for url in &refused {
        let error = place.hub.add_webhook(&place.alice, watching(url, &[("org", "acme")])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{url}");
    }
    let reached = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://192.168.1.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "http://[fd00::1]/".to_owned(),
        "http://[fe80::1]/".to_owned(),
    ];
    for url in &reached {
        let hook =
            place.hub.add_webhook(&place.alice, watching(url, &[("model", "acme/open")])).await.unwrap();
        place.commit("acme/open").await;
        place.hub.tell_webhooks_due().await.unwrap();
        let (disabled, error) = place.state(&hook).await;
        assert!(disabled, "{url}: {error:?}");
        assert!(error.unwrap().contains("is not at a public address"), "{url}");
        place.hub.delete_webhook(&place.alice, hook.id).await.unwrap();
    }
    // Nor does a receiver that may be reached lead there.
    let hook = place.hook(&[("model", "acme/open")]).await;
    for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
        place.receiver.answer(&format!("{status}\r\nlocation: {}\r\n", inside.url()));
        place.commit("acme/open").await;
        assert!(!place.told().await.is_empty(), "{status}");
        place.pass(86_400 / 4);
        let (_, error) = place.state(&hook).await;
        assert!(error.unwrap().starts_with("it answered with status 30"), "{status}");
    }
    assert_eq!(inside.take(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_that_may_write_for_the_whole_account_changes_webhooks() {
    let place = Place::new().await;
    let hook = place.hook(&[("org", "acme")]).await;
    assert_eq!(hook.settings.secret.as_deref(), Some("s3cret"));
    let reader = login(&place.hub, TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let limited = login(&place.hub, TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
    let bob = login(&place.hub, token("bob")).await;
    let seen = place.hub.webhooks(&reader).await.unwrap();
    assert_eq!((seen.len(), seen[0].settings.secret.as_deref()), (1, None));
    assert_eq!(place.hub.webhook(&reader, hook.id).await.unwrap().settings.secret, None);
    let url = place.receiver.url();
    for (who, kind) in [
        (&reader, Kind::Forbidden),
        (&limited, Kind::Forbidden),
        (&Principal::ANONYMOUS, Kind::Unauthenticated),
        (&bob, Kind::NotFound),
    ] {
        let change = || watching(&url, &[("org", "acme")]);
        let set = place.hub.set_webhook(who, hook.id, change()).await.unwrap_err();
        let enabled = place.hub.enable_webhook(who, hook.id, false).await.unwrap_err();
        let deleted = place.hub.delete_webhook(who, hook.id).await.unwrap_err();
        assert_eq!([set.kind(), enabled.kind(), deleted.kind()], [kind; 3]);
        if kind != Kind::NotFound {
            assert_eq!(place.hub.add_webhook(who, change()).await.unwrap_err().kind(), kind);
        }
    }
    assert_eq!(place.hub.webhooks(&limited).await.unwrap_err().kind(), Kind::Forbidden);
    assert_eq!(place.hub.webhooks(&bob).await.unwrap(), []);
    assert_eq!(place.state(&hook).await, (false, None));
}

#[test]
fn a_secret_can_be_sent_in_a_header_and_an_empty_one_is_none() {
    let settings = |secret: &str| {
        let change = WebhookChange {
            url: Some("https://example.org/x?token=1".to_owned()),
            secret: Some(secret.to_owned()),
            ..WebhookChange::default()
        };
        let none = polder_db::WebhookSettings {
            url: String::new(),
            secret: Some("old".to_owned()),
            repo_events: true,
            talk_events: true,
        };
        changed(none, change)
    };
    assert_eq!(settings("").unwrap().0.secret, None);
    assert_eq!(settings("x y!").unwrap().0.secret.as_deref(), Some("x y!"));
    assert_eq!(settings("x").unwrap().1, "https://example.org", "the rest may be a secret");
    for bad in ["ü", "a\nb", &"x".repeat(257)] {
        assert_eq!(settings(bad).unwrap_err().kind(), Kind::Invalid);
    }
    assert_eq!(name("acme").as_str(), "acme");
}
