//! Webhooks against a receiver in this process.

mod addresses;
mod deliveries;
mod rights;
mod woken;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use polder_types::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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
