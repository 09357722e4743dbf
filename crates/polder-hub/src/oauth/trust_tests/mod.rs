//! Trusted publishers against an issuer in this process, which signs with keys of its own.

mod exchange;
mod issuer;
mod keys;
mod rules;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use polder_types::{Clock, PublisherId};
use serde_json::{Map, Value, json};

use self::issuer::{Issuer, Key};
use super::{Exchanged, NoToken, TrustRequest, Trusting};
use crate::tests::{fill, name, options_in, repo};
use crate::{Credentials, Hub, Kind, Principal, Secret};

const SUBJECT: &str = "repo:acme/ci:ref:refs/heads/main";
const AT: &str = "acme/closed";

/// A hub where `acme/closed` trusts a job of an issuer, for alice.
struct Place {
    hub: Hub,
    millis: Arc<AtomicI64>,
    issuer: Issuer,
    key: Key,
    publisher: PublisherId,
    _dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let key = Key::ed25519("first");
        let issuer = Issuer::start(&[&key]).await;
        let dir = tempfile::tempdir().unwrap();
        let millis = Arc::new(AtomicI64::new(crate::tests::START));
        let hub = Hub::open(options_in(dir.path(), Clock::Manual(Arc::clone(&millis)))).await.unwrap();
        fill(&hub).await;
        let publisher = hub.trust(&Trusting::Repo(repo(AT)), trust(&issuer)).await.unwrap();
        Self { hub, millis, issuer, key, publisher, _dir: dir }
    }

    fn pass_seconds(&self, seconds: i64) {
        self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.millis.load(Ordering::Relaxed) / 1000
    }

    /// What the issuer says of the job.
    fn claims(&self) -> Map<String, Value> {
        let claims = json!({
            "iss": self.issuer.url(),
            "sub": SUBJECT,
            "aud": "http://hub.example",
            "iat": self.now(),
            "exp": self.now() + 600,
            "environment": "release",
        });
        claims.as_object().unwrap().clone()
    }

    /// The same, changed; null takes a claim away.
    fn claims_with(&self, changes: &Value) -> Map<String, Value> {
        let mut claims = self.claims();
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        claims
    }

    async fn exchange(&self, id_token: &str) -> Result<Exchanged, NoToken> {
        self.exchange_for(id_token, AT).await
    }

    async fn exchange_for(&self, id_token: &str, resource: &str) -> Result<Exchanged, NoToken> {
        self.hub.exchange_id_token(&Secret::new(id_token), resource, None).await
    }

    /// Of a good id token that a key has signed.
    async fn signed_by(&self, key: &Key) -> Result<Exchanged, NoToken> {
        self.exchange(&key.sign(&self.claims())).await
    }

    async fn holder(&self, exchanged: &Exchanged) -> Result<Principal, crate::Error> {
        self.hub.authenticate(Credentials::Token(exchanged.token.clone()), None).await
    }

    /// The latest reasons in the audit log.
    async fn reasons(&self) -> Vec<String> {
        let query = crate::AuditQuery { limit: 1_000, ..crate::AuditQuery::default() };
        let rows = self.hub.list_audit(&query).await.unwrap().into_iter();
        let refused = rows.filter(|row| row.action == "token.exchange" && row.result == "refused");
        refused
            .map(|row| {
                let detail: Value = serde_json::from_str(&row.detail).unwrap();
                detail["error"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

fn trust(issuer: &Issuer) -> TrustRequest {
    TrustRequest {
        user: name("alice"),
        issuer: issuer.url(),
        subject: "repo:acme/ci:*".to_owned(),
        claims: vec![("environment".to_owned(), "release".to_owned())],
    }
}

/// Nothing was given, and nothing told of why.
fn refused(answer: Result<Exchanged, NoToken>, what: &str) {
    match answer {
        Err(NoToken::BadGrant(text)) => assert!(text.starts_with("this id token gives no access"), "{text}"),
        other => panic!("{what}: {other:?}"),
    }
}

/// The issuer could not be asked, or was asked too short a time ago; in how many seconds it is asked again.
fn unavailable(answer: Result<Exchanged, NoToken>, what: &str) -> u32 {
    match answer {
        Err(NoToken::Failed(error)) if error.kind() == Kind::Unavailable => {
            error.retry_after_seconds().expect("when to try again")
        }
        other => panic!("{what}: {other:?}"),
    }
}
