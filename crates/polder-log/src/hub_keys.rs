//! The keys of a hub, one after the other.

use polder_types::{Sha256, UnixMillis};

use crate::body::{Body, Statement};
use crate::data::Data;
use crate::error::{Error, Result, malformed};
use crate::event_type::EventType;
use crate::key::PublicKey;
use crate::origin::LogName;

const WHAT: &str = "a hub's key";

/// The key that a hub has now, as its `hub.key` events say.
///
/// Each names the one before it and is signed by the new key and by the old one, or by the recovery key,
/// whose hash every event carries. Only the recovery key can be followed by another recovery key, so who
/// steals the hub's key cannot get rid of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubKeys {
    /// Signs checkpoints.
    pub key: PublicKey,
    /// Hash of the key that outranks it.
    pub recovery_sha256: Sha256,
    /// From 1.
    pub generation: u64,
    /// The body of the newest event.
    pub head: Sha256,
}

impl HubKeys {
    fn read(body: &Body) -> Result<Self> {
        let (EventType::HubKey, Data::HubKey { key, recovery_sha256 }) = (body.kind, &body.data) else {
            return Err(malformed(WHAT, "the event is of another type"));
        };
        if !body.is_signed_by(key) {
            return Err(Error::Unsigned { what: WHAT });
        }
        Ok(Self { key: *key, recovery_sha256: *recovery_sha256, generation: body.rseq, head: body.sha256() })
    }

    /// Begins with the first event of a log.
    ///
    /// # Errors
    /// When it is not a first key, or not signed by it.
    pub fn start(body: &Body) -> Result<Self> {
        let keys = Self::read(body)?;
        if keys.generation == 1 { Ok(keys) } else { Err(malformed(WHAT, "it is not the first")) }
    }

    /// Follows a whole chain, from the first event on.
    ///
    /// # Errors
    /// When there is none, or one does not follow the one before it.
    pub fn follow<'b>(bodies: impl IntoIterator<Item = &'b Body>) -> Result<Self> {
        let mut bodies = bodies.into_iter();
        let start = Self::start(bodies.next().ok_or(malformed(WHAT, "there is none"))?)?;
        bodies.try_fold(start, |keys, body| keys.next(body))
    }

    /// What the event says that makes `key` the next one; to be sealed with `key` and with the present or the
    /// recovery key.
    pub fn rotation(&self, log: LogName, time: UnixMillis, salt: [u8; 16], key: PublicKey) -> Statement {
        let mut next = Statement::new(log, EventType::HubKey, time, salt);
        next.rseq = self.generation.saturating_add(1);
        next.prev = Some(self.head);
        next.data = Data::HubKey { key, recovery_sha256: self.recovery_sha256 };
        next
    }

    /// Goes on with the next event.
    ///
    /// # Errors
    /// When it does not follow, or nobody who may has signed it.
    pub fn next(&self, body: &Body) -> Result<Self> {
        let next = Self::read(body)?;
        if self.generation.checked_add(1) != Some(next.generation) || body.prev != Some(self.head) {
            return Err(malformed(WHAT, "it does not follow the one before it"));
        }
        if self.is_recovery(body)
            || body.is_signed_by(&self.key) && next.recovery_sha256 == self.recovery_sha256
        {
            Ok(next)
        } else {
            Err(Error::Unsigned { what: WHAT })
        }
    }

    /// Whether the recovery key has signed `body`. Of two events that could be next, one that it signed
    /// outranks one that it did not.
    pub fn is_recovery(&self, body: &Body) -> bool {
        let keys = body.signatures().iter().filter_map(|signature| signature.key.as_slice().try_into().ok());
        keys.map(PublicKey::new).any(|key| key.sha256() == self.recovery_sha256 && body.is_signed_by(&key))
    }
}
