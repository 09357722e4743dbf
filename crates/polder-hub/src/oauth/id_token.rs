//! What an issuer says of a job: an id token, read, proven and compared with whom one trusts.
//!
//! Source: `OpenID` Connect Core 1.0 §2 and §3.1.3.7, RFC 7519 §4.1, RFC 8725 §3 (what a token may not choose itself:
//! whether and how it is checked, and with which key).

use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::{Algorithm, Validation, decode};
use polder_db::Publisher;
use polder_types::UnixMillis;
use serde_json::{Map, Number, Value};

use super::issuer_keys::IssuerKey;
use super::subject::{SUBJECT_BYTES_MAX, fits};

/// Longest id token, in bytes.
pub(super) const ID_TOKEN_BYTES_MAX: usize = 16 << 10;
/// What is forgiven of clocks that do not agree, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Longest time between the moments when an id token was made and when it ends, in seconds.
const LIFETIME_SECONDS_MAX: i64 = 24 * 3600;
/// Longest name of a key, in bytes.
const KEY_ID_BYTES_MAX: usize = 512;
/// What an id token may be signed with: with a private key, of which the issuer gives out the public one.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why an id token is worth nothing here: for the operator, not for who sent it.
pub(super) type Why = &'static str;

/// An id token of which nothing is proven.
pub(super) struct Unproven<'a> {
    text: &'a str,
    algorithm: Algorithm,
    key_id: String,
    claims: Claims,
}

/// What a token says.
#[derive(Debug, Clone)]
pub(super) struct Claims(Map<String, Value>);

impl<'a> Unproven<'a> {
    /// Reads a token. Keys and places of keys that it names are not looked at.
    pub(super) fn read(text: &'a str) -> Result<Self, Why> {
        if text.len() > ID_TOKEN_BYTES_MAX {
            return Err("it is too long");
        }
        let read = insecure_decode::<Map<String, Value>>(text);
        let token = read.map_err(|_error| "it is no JWT, or of an algorithm that is not known")?;
        if !ALGORITHMS.contains(&token.header.alg) {
            return Err("its algorithm is not one of RS256, PS256, ES256 and EdDSA");
        }
        if token.header.crit.is_some() {
            return Err("it has critical extensions");
        }
        let key_id = token.header.kid.filter(|name| !name.is_empty() && name.len() <= KEY_ID_BYTES_MAX);
        let key_id = key_id.ok_or("it does not name its key")?;
        Ok(Self { text, algorithm: token.header.alg, key_id, claims: Claims(token.claims) })
    }

    /// What it says, whoever says it.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What it says, if that key has signed it.
    pub(super) fn proven(&self, key: &IssuerKey) -> Result<Claims, Why> {
        let mut signature_only = Validation::new(self.algorithm);
        // The claims are compared below, by the hub's clock.
        signature_only.required_spec_claims.clear();
        (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
        let proven = decode::<Map<String, Value>>(self.text, key.decoding(), &signature_only);
        proven.map(|token| Claims(token.claims)).map_err(|_error| "its signature is not that of its key")
    }
}

impl Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Of whom it speaks.
    pub(super) fn subject(&self) -> Option<&str> {
        self.text("sub").filter(|subject| subject.len() <= SUBJECT_BYTES_MAX)
    }

    /// Whether this is said of `publisher`, to this hub, and holds now.
    pub(super) fn fit(&self, publisher: &Publisher, public_url: &str, now: UnixMillis) -> Result<(), Why> {
        if self.issuer() != Some(&publisher.issuer) {
            return Err("its issuer is not trusted for this");
        }
        if !self.subject().is_some_and(|subject| fits(&publisher.subject, subject)) {
            return Err("its subject is not trusted for this");
        }
        if publisher.claims.iter().any(|(name, value)| self.text(name) != Some(value)) {
            return Err("it does not claim all that is asked for");
        }
        if !self.is_for(public_url) {
            return Err("it is for another audience than this hub's public URL");
        }
        self.holds(now.seconds())
    }

    /// Whether it is for the hub at `public_url`, with or without a slash at the end.
    fn is_for(&self, public_url: &str) -> bool {
        let is_here = |audience: &Value| {
            let audience = audience.as_str().unwrap_or_default();
            audience.strip_suffix('/').unwrap_or(audience) == public_url
        };
        match self.0.get("aud") {
            Some(Value::Array(several)) => several.iter().any(is_here),
            Some(one) => is_here(one),
            None => false,
        }
    }

    fn holds(&self, now: i64) -> Result<(), Why> {
        let moment = |name| match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => whole_seconds(number).map(Some).ok_or("it has no readable times"),
            Some(_) => Err("it has no readable times"),
        };
        let made = moment("iat")?.ok_or("it does not say when it was made")?;
        let end = moment("exp")?.ok_or("it does not say when it ends")?;
        let from = moment("nbf")?.unwrap_or(made);
        if !(1..=LIFETIME_SECONDS_MAX).contains(&end.saturating_sub(made)) {
            return Err("it lives for more than a day, or for no time at all");
        }
        if end.saturating_add(LEEWAY_SECONDS) <= now {
            return Err("it has ended");
        }
        if made.max(from) > now.saturating_add(LEEWAY_SECONDS) {
            return Err("it is not valid yet");
        }
        Ok(())
    }
}

/// A moment as a JWT has it, which may have a fraction (RFC 7519 §2, `NumericDate`).
fn whole_seconds(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.')?;
        let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| whole.parse().ok()).flatten()
    })
}
