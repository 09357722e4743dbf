//! Use cases on a real database and a real store in a temporary directory.

mod access;
mod attachments;
mod backup;
mod branches;
mod chunk_lists;
mod content;
mod contributed;
pub(crate) mod deaths;
mod gate;
mod history;
pub(crate) mod large_objects;
mod locks;
mod merge;
mod mirrors;
pub(crate) mod moves;
mod multipart;
mod nodes;
mod public_objects;
mod pulls;
mod recent_tips;
mod rewrite;
pub(crate) mod scrub;
mod takedown;
pub(crate) mod transfer;
mod upkeep;
pub(crate) mod xet;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use polder_types::{AccountName, Clock, RepoName, Role, UnixMillis, Visibility};

pub(crate) use self::large_objects::put;
use crate::body::BodyStream;
use crate::*;

pub(crate) const START: i64 = 1_790_000_000_000;

pub(crate) struct Fixture {
    pub(crate) hub: Hub,
    pub(crate) millis: Arc<AtomicI64>,
    _dir: tempfile::TempDir,
}

/// What the hubs of these tests are opened with.
pub(crate) fn options_in(dir: &Path, clock: Clock) -> HubOptions {
    HubOptions {
        data_dir: dir.join("data"),
        shared: Shared::default(),
        public_url: "http://hub.example".to_owned(),
        hooks: HookOptions::default(),
        limits: Limits::default(),
        namespace_bytes_max: None,
        audit_keep_days: 365,
        lfs_part_bytes: 1 << 20,
        push_options: false,
        egress_ca_file: None,
        webhook_hosts: Vec::new(),
        hugging_face_endpoint: "https://hub.example".to_owned(),
        scrub: ScrubOptions::default(),
        federation: FederationOptions::default(),
        clock,
    }
}

/// A hub with alice, bob, the organisation acme (alice admin, bob reader), `acme/open` and `acme/closed`.
pub(crate) async fn fixture() -> Fixture {
    fixture_as(None).await
}

/// The same with another name among hubs.
pub(crate) async fn fixture_as(origin: Option<&str>) -> Fixture {
    let origin = origin.map(str::to_owned);
    fixture_with(FederationOptions { origin, ..FederationOptions::default() }).await
}

/// The same that does other things with other hubs.
pub(crate) async fn fixture_with(federation: FederationOptions) -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let millis = Arc::new(AtomicI64::new(START));
    let mut options = options_in(dir.path(), Clock::Manual(Arc::clone(&millis)));
    options.federation = federation;
    let hub = Hub::open(options).await.expect("opens");
    fill(&hub).await;
    Fixture { hub, millis, _dir: dir }
}

/// Adds what a [`fixture`] has.
pub(crate) async fn fill(hub: &Hub) {
    for user in ["alice", "bob", "carol"] {
        hub.add_user(&name(user), false).await.expect("added");
    }
    hub.add_org(&name("acme"), &name("alice")).await.expect("added");
    hub.set_member(&name("acme"), &name("bob"), Role::Read).await.expect("set");
    hub.add_repo(&repo("acme/open"), Visibility::Public).await.expect("added");
    hub.add_repo(&repo("acme/closed"), Visibility::Private).await.expect("added");
}

pub(crate) fn name(text: &str) -> AccountName {
    text.parse().expect("a name")
}

pub(crate) fn repo(text: &str) -> RepoName {
    text.parse().expect("a repository name")
}

pub(crate) fn token(user: &str) -> TokenRequest {
    TokenRequest { user: name(user), scope: Role::Admin, repos: Vec::new(), lifetime_seconds: None }
}

async fn login(hub: &Hub, request: TokenRequest) -> Principal {
    let secret = hub.add_token(request).await.expect("a token");
    hub.authenticate(Credentials::Token(secret), None).await.expect("valid")
}

/// Alice, as she may write to a repository.
pub(crate) async fn writer(hub: &Hub, at: &str) -> Grant<Write> {
    let alice = login(hub, token("alice")).await;
    hub.write(&alice, &repo(at)).await.expect("may write")
}

impl Fixture {
    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.millis.fetch_add(seconds * 1000, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) async fn login(&self, request: TokenRequest) -> Principal {
        login(&self.hub, request).await
    }

    pub(crate) async fn writer(&self, at: &str) -> Grant<Write> {
        writer(&self.hub, at).await
    }
}

/// The seed of a simulation that is to run alone.
#[expect(clippy::disallowed_methods, reason = "who looks into a failure names its seed")]
pub(crate) fn seed_to_look_into() -> Option<u64> {
    std::env::var("POLDER_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"))
}

pub(crate) fn body(parts: &[&[u8]]) -> BodyStream {
    struct Parts(std::vec::IntoIter<Bytes>);
    impl futures_core::Stream for Parts {
        type Item = std::io::Result<Bytes>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(self.0.next().map(Ok))
        }
    }
    let parts: Vec<Bytes> = parts.iter().map(|part| Bytes::copy_from_slice(part)).collect();
    Box::pin(Parts(parts.into_iter()))
}

pub(crate) fn silent() -> Progress {
    Arc::new(|_| {})
}

pub(crate) fn signature() -> Signature {
    Signature { name: "Alice".to_owned(), email: "alice@example.org".to_owned(), time: UnixMillis(START) }
}

pub(crate) fn write(path: &str, content: &str) -> Change {
    Change::Write {
        path: path.to_owned(),
        content: Bytes::copy_from_slice(content.as_bytes()),
        executable: false,
    }
}
