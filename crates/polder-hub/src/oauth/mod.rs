//! Tokens that clients get by themselves: once somebody agrees (RFC 8628), anew before they end, and for what an
//! issuer says of them (RFC 8693).

mod code;
mod device;
mod exchange;
mod id_token;
mod issuer_keys;
mod refresh;
mod subject;
#[cfg(test)]
mod tests;
mod trust;
#[cfg(test)]
mod trust_tests;

use polder_db::NewRefresh;
use polder_types::UnixMillis;

pub use device::{DeviceRequest, DeviceStart};
pub use exchange::Exchanged;
pub(crate) use issuer_keys::IssuerKeys;
pub use trust::{PublisherSummary, TrustRequest, Trusting};

use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, new_token};
use code::RefreshToken;

/// How long a token works that a client got by itself, in seconds. Hugging Face's clients renew it a day before.
const TOKEN_SECONDS: i64 = 30 * 24 * 3600;
/// How long after that, from its last renewal on, it can be renewed, in seconds.
const REFRESH_SECONDS: i64 = 90 * 24 * 3600;
/// Longest name that a client has for itself, in bytes.
const CLIENT_BYTES_MAX: usize = 128;

/// What a client has now.
#[derive(Debug, Clone)]
pub struct Issued {
    /// An access token like any other.
    pub token: Secret,
    /// What it is renewed with, once.
    pub refresh: Option<Secret>,
    /// How long the token works, in seconds.
    pub expires_in_seconds: i64,
}

/// Why a client has no token.
#[derive(Debug)]
pub enum NoToken {
    /// Nobody has agreed yet.
    Pending,
    /// It asks too often.
    SlowDown,
    /// Nobody agreed in time.
    Expired,
    /// Somebody refused.
    Denied,
    /// What it shows is not valid, or no longer.
    BadGrant(&'static str),
    /// What it wants a token for can be nothing that is here.
    BadTarget,
    /// It asks for a token in a way that is not known here.
    UnknownGrant,
    /// What it asks cannot be understood.
    BadRequest(String),
    /// The hub cannot do it, or not now.
    Failed(Error),
}

impl From<Error> for NoToken {
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Invalid => Self::BadRequest(error.message().to_owned()),
            _ => Self::Failed(error),
        }
    }
}

impl From<polder_db::Error> for NoToken {
    fn from(error: polder_db::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Secrets that a client shall have, and what is stored of them.
struct NewSecrets {
    token: Secret,
    refresh: RefreshToken,
    now: UnixMillis,
}

impl NewSecrets {
    fn new(refresh: RefreshToken, now: UnixMillis) -> Result<Self> {
        Ok(Self { token: new_token()?, refresh, now })
    }

    fn stored(&self) -> NewRefresh {
        NewRefresh {
            token_hash: self.token.hash(),
            token_expires: self.now.plus_seconds(TOKEN_SECONDS),
            family: self.refresh.family(),
            latest: self.refresh.latest(),
            expires: self.now.plus_seconds(REFRESH_SECONDS),
        }
    }

    fn issued(self, expires: UnixMillis) -> Issued {
        let expires_in_seconds = expires.0.saturating_sub(self.now.0).div_euclid(1000);
        Issued { token: self.token, refresh: Some(self.refresh.text()), expires_in_seconds }
    }
}

/// The name that a client has for itself.
fn client(text: &str) -> Result<&str, NoToken> {
    if text.is_empty() || text.len() > CLIENT_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("say a `client_id` of at most {CLIENT_BYTES_MAX} printable characters");
        return Err(NoToken::BadRequest(message));
    }
    Ok(text)
}
