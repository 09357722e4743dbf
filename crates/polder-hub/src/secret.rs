//! Secrets that cannot be printed, and the texts that access tokens are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use polder_types::Sha256;
use sha2::Digest as _;

use crate::error::{Error, Result};

/// A text that is never printed, logged or compared in a way that takes longer when it is nearly right.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must show it to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored instead of it.
    pub(crate) fn hash(&self) -> Sha256 {
        Sha256::new(sha2::Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// What every access token starts with, so that scanners can find leaked ones.
const TOKEN_PREFIX: &str = "pld_";
/// Digits of SHA-256 at a token's end: a scanner tells a real token from look-alikes by them.
const CHECK_DIGITS: usize = 6;
/// Longest text that is looked up as a token, in bytes.
const TOKEN_BYTES_MAX: usize = 128;

/// Makes a new access token of 256 random bits.
pub(crate) fn new_token() -> Result<Secret> {
    let body = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
    let check = Secret::new(body.clone()).hash().to_string();
    Ok(Secret(body + check.get(..CHECK_DIGITS).unwrap_or_default()))
}

/// Whether `text` can be a token of ours at all; saves a look-up for texts that cannot.
pub(crate) fn looks_like_token(secret: &Secret) -> bool {
    let text = secret.reveal();
    if text.len() > TOKEN_BYTES_MAX || !text.starts_with(TOKEN_PREFIX) || !text.is_ascii() {
        return false;
    }
    let Some((body, check)) = text.split_at_checked(text.len().saturating_sub(CHECK_DIGITS)) else {
        return false;
    };
    Secret::new(body).hash().to_string().starts_with(check)
}

/// `N` bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
}

/// A key that signs URLs of this hub.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<sha2::Sha256>);

impl SigningKey {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self> {
        Hmac::new_from_slice(key).map(Self).map_err(|error| Error::internal(error.to_string()))
    }

    /// HMAC-SHA-256 of `text`, in URL-safe base64.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// 32 secret bytes for another use, which `purpose` names: no URL begins like it.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"\0derive\0");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether `signature` is that of `text`; constant time.
    pub(crate) fn verify(&self, text: &str, signature: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        self.sign(text).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_an_altered_one_is_not() {
        let token = new_token().expect("random");
        assert!(looks_like_token(&token));
        let mut altered = token.reveal().to_owned();
        let last = if altered.ends_with('0') { '1' } else { '0' };
        altered.pop();
        altered.push(last);
        assert!(!looks_like_token(&Secret::new(altered)));
        assert!(!looks_like_token(&Secret::new("")));
        assert!(!looks_like_token(&Secret::new("pld_")));
        assert_eq!(format!("{token:?}"), "Secret(…)");
    }
}
