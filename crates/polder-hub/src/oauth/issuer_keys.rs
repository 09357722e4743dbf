//! The public keys of issuers: asked for when a token would be taken if it is genuine, and kept for a while.
//!
//! Source: `OpenID` Connect Discovery 1.0 §4 (where the keys are), RFC 7517 (what they look like).

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use polder_egress::{Allowance, Egress, Host, Request, Scheme, Url};
use polder_types::{Clock, UnixMillis};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::{Error, Result};

/// Longest name of an issuer, in bytes.
const ISSUER_BYTES_MAX: usize = 512;
/// Issuers whose keys are held at once; the least used go first.
const ISSUERS_HELD_MAX: u64 = 1_000;
/// Largest document of an issuer, in bytes.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// Most keys of an issuer; of more, none is taken.
const KEYS_MAX: usize = 100;
/// How long an issuer may take for both documents.
const ASK_TIME_MAX: Duration = Duration::from_secs(10);
/// How long its keys are good before it is asked again, in seconds.
const FRESH_SECONDS: i64 = 3600;
/// How long they are good while it cannot be asked, in seconds.
const KEPT_SECONDS: i64 = 24 * 3600;
/// How long nobody asks again for a key that it did not have, in seconds.
const UNKNOWN_KEY_SECONDS: i64 = 60;
/// How long nobody asks again where asking failed, in seconds.
const FAILED_SECONDS: i64 = 10;

/// A key that may prove what its issuer says.
#[derive(Clone)]
pub(crate) struct IssuerKey {
    id: String,
    /// What its signatures may be.
    algorithms: Vec<Algorithm>,
    decoding: Arc<DecodingKey>,
}

impl IssuerKey {
    /// One key of an issuer's list, if it is for signatures that are checked here.
    fn read(key: Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let common = &key.common;
        let is_for_signatures =
            common.public_key_use.as_ref().is_none_or(|word| *word == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let mut algorithms = match &key.algorithm {
            AlgorithmParameters::RSA(_) => vec![Algorithm::RS256, Algorithm::PS256],
            AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => {
                vec![Algorithm::ES256]
            }
            AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => {
                vec![Algorithm::EdDSA]
            }
            // A secret has no place in a public list.
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| is_same(only, *algorithm));
        }
        let decoding = Arc::new(DecodingKey::from_jwk(&key).ok()?);
        let id = key.common.key_id?;
        (is_for_signatures && verifies && !algorithms.is_empty()).then_some(Self { id, algorithms, decoding })
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// Whether a key that is for `only` is for `algorithm`.
fn is_same(only: KeyAlgorithm, algorithm: Algorithm) -> bool {
    matches!(
        (only, algorithm),
        (KeyAlgorithm::RS256, Algorithm::RS256)
            | (KeyAlgorithm::PS256, Algorithm::PS256)
            | (KeyAlgorithm::ES256, Algorithm::ES256)
            | (KeyAlgorithm::EdDSA, Algorithm::EdDSA)
    )
}

/// The keys of every issuer that was asked.
pub(crate) struct IssuerKeys(moka::sync::Cache<String, Arc<Mutex<Held>>>);

/// What is held of one issuer.
#[derive(Default)]
struct Held {
    keys: Vec<IssuerKey>,
    /// When these were the issuer's.
    read: Option<UnixMillis>,
    /// When it was asked last, and whether that failed.
    asked: Option<(UnixMillis, bool)>,
}

impl Held {
    fn key(&self, id: &str, algorithm: Algorithm, now: UnixMillis, seconds: i64) -> Option<IssuerKey> {
        self.read.filter(|read| read.plus_seconds(seconds) > now)?;
        self.keys.iter().find(|key| key.id == id && key.algorithms.contains(&algorithm)).cloned()
    }

    /// When it is asked again, if not at once.
    fn pause_end(&self, now: UnixMillis) -> Option<UnixMillis> {
        let (asked, has_failed) = self.asked?;
        let pause = if has_failed { FAILED_SECONDS } else { UNKNOWN_KEY_SECONDS };
        Some(asked.plus_seconds(pause)).filter(|end| *end > now)
    }

    /// What is said while nobody knows whether the issuer has a key.
    fn unknown(&self, now: UnixMillis) -> Error {
        let left_millis = self.pause_end(now).map_or(0, |end| end.0.saturating_sub(now.0));
        let left_seconds = left_millis.saturating_add(999).div_euclid(1000).clamp(1, UNKNOWN_KEY_SECONDS);
        Error::unavailable("the hub cannot check this id token now; try again later")
            .retry_after(u32::try_from(left_seconds).unwrap_or(1))
    }
}

impl IssuerKeys {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(ISSUERS_HELD_MAX))
    }

    /// The key of an issuer that has this name and signs so; `None` if the issuer was asked and has none. Whoever
    /// wants one while the issuer is asked waits for that answer.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when that cannot be known now: asking failed, or was too short a time ago.
    pub(super) async fn key(
        &self,
        egress: &Egress,
        clock: &Clock,
        issuer: &str,
        (id, algorithm): (&str, Algorithm),
    ) -> Result<Option<IssuerKey>> {
        let held = self.0.get_with(issuer.to_owned(), Arc::default);
        let mut held = held.lock().await;
        let now = clock.now();
        if let Some(key) = held.key(id, algorithm, now, FRESH_SECONDS) {
            return Ok(Some(key));
        }
        let mut failure = None;
        if held.pause_end(now).is_none() {
            match ask(egress, issuer).await {
                Ok(keys) => {
                    *held = Held { keys, read: Some(now), asked: Some((now, false)) };
                    return Ok(held.key(id, algorithm, now, FRESH_SECONDS));
                }
                Err(error) => {
                    tracing::warn!(issuer, error = %error.chain(), "an issuer's keys cannot be read");
                    held.asked = Some((now, true));
                    failure = Some(error);
                }
            }
        }
        if let Some(key) = held.key(id, algorithm, now, KEPT_SECONDS) {
            return Ok(Some(key));
        }
        let error = held.unknown(now);
        Err(match failure {
            Some(failure) => error.caused_by(failure),
            None => error,
        })
    }
}

/// An issuer's name as a URL, if the hub asks there: with TLS, or on this machine.
pub(super) fn issuer_url(issuer: &str) -> Result<Url> {
    if issuer.len() > ISSUER_BYTES_MAX || issuer.contains(['?', '#']) {
        let message = format!("an issuer is a URL of at most {ISSUER_BYTES_MAX} bytes without `?` and `#`");
        return Err(Error::invalid(message));
    }
    let url: Url = issuer.parse()?;
    let is_here = match url.origin().host() {
        Host::Name(name) => name == "localhost",
        Host::Address(address) => address.is_loopback(),
    };
    if url.origin().scheme() == Scheme::Http && !is_here {
        return Err(Error::invalid(format!("`{issuer}`: an issuer has an https:// URL")));
    }
    Ok(url)
}

/// What an issuer says of itself (`OpenID` Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<Value>,
}

async fn ask(egress: &Egress, issuer: &str) -> Result<Vec<IssuerKey>> {
    let late = |_late| Error::unavailable("the issuer took too long");
    tokio::time::timeout(ASK_TIME_MAX, ask_both(egress, issuer)).await.map_err(late)?
}

async fn ask_both(egress: &Egress, issuer: &str) -> Result<Vec<IssuerKey>> {
    let url = issuer_url(issuer)?;
    // The operator named the issuer; where that points to is on the public internet, or the issuer's own.
    let allowance = Allowance::naming(&url);
    let told: Discovery = get(egress, &url.under(".well-known/openid-configuration")?, &allowance).await?;
    if told.issuer != issuer {
        return Err(Error::unavailable("what is there says it is another issuer"));
    }
    let keys: Url = told.jwks_uri.parse()?;
    if keys.origin().scheme() == Scheme::Http && keys.origin() != url.origin() {
        return Err(Error::unavailable("the issuer's keys are not at an https:// URL"));
    }
    let list: KeyList = get(egress, &keys, &allowance).await?;
    if list.keys.len() > KEYS_MAX {
        return Err(Error::unavailable("the issuer has too many keys"));
    }
    Ok(list.keys.into_iter().filter_map(IssuerKey::read).collect())
}

async fn get<T: DeserializeOwned>(egress: &Egress, url: &Url, allowance: &Allowance) -> Result<T> {
    let answer = egress.send(Request::get(url, allowance).redirects_max(0).wait_max(ASK_TIME_MAX)).await?;
    if !answer.status().is_success() {
        let message = format!("`{url}` answered with status {}", answer.status().as_u16());
        return Err(Error::unavailable(message));
    }
    let document = answer.bytes(DOCUMENT_BYTES_MAX).await?;
    serde_json::from_slice(&document).map_err(|error| {
        Error::unavailable(format!("`{url}` does not answer what it should")).caused_by(error)
    })
}
