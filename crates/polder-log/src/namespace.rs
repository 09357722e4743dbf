//! The keys and the home of a namespace, one operation after the other.

use polder_types::{Sha256, UnixMillis};

use crate::body::{Body, Statement};
use crate::data::{Data, LogHead, Namespace, ROTATION_KEYS_MAX};
use crate::error::{Error, Result, malformed};
use crate::event_type::EventType;
use crate::key::PublicKey;
use crate::origin::LogName;

/// How long a follower must have held an operation for another one in its place to be ignored, in seconds.
pub const OP_SETTLED_SECONDS: i64 = 72 * 3600;
const WHAT: &str = "an operation of a namespace";

/// A namespace as its newest operation has it.
///
/// An operation is signed by one of the rotation keys of the one before, and leaves alone the keys that
/// matter more than the one that signed it: who steals the key that a hub holds cannot get rid of the
/// owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceChain {
    /// Its id, which it never loses.
    pub nsid: Sha256,
    /// How many operations, the creation among them.
    pub seq: u64,
    /// The body of the newest.
    pub head: Sha256,
    /// What that says.
    pub namespace: Namespace,
}

impl NamespaceChain {
    fn read(body: &Body) -> Result<Self> {
        let (Some(nsid), Data::Namespace(namespace)) = (body.namespace(), &body.data) else {
            return Err(malformed(WHAT, "the event is of another type"));
        };
        Ok(Self { nsid, seq: body.rseq, head: body.sha256(), namespace: namespace.clone() })
    }

    /// Begins with its creation, signed by one of its own keys.
    ///
    /// # Errors
    /// When it is no creation, or not signed.
    pub fn start(body: &Body) -> Result<Self> {
        let chain = Self::read(body)?;
        if body.kind != EventType::NsCreate || chain.namespace.cut.is_some() {
            return Err(malformed(WHAT, "it does not begin a namespace"));
        }
        chain.rank_of_signer(body)?;
        Ok(chain)
    }

    /// Follows a whole chain, from the creation on.
    ///
    /// # Errors
    /// When there is none, or one does not follow the one before it.
    pub fn follow<'b>(bodies: impl IntoIterator<Item = &'b Body>) -> Result<Self> {
        let mut bodies = bodies.into_iter();
        let start = Self::start(bodies.next().ok_or(malformed(WHAT, "there is none"))?)?;
        bodies.try_fold(start, |chain, body| chain.next(body))
    }

    /// What the operation says that makes the namespace `next`; to be sealed with one of its rotation keys.
    pub fn operation(&self, log: LogName, time: UnixMillis, salt: [u8; 16], next: Namespace) -> Statement {
        let mut op = Statement::new(log, EventType::NsOp, time, salt);
        (op.nsid, op.ns_head) = (Some(self.nsid), Some(self.head));
        (op.rseq, op.prev) = (self.seq.saturating_add(1), Some(self.head));
        op.data = Data::Namespace(next);
        op
    }

    /// What moves the namespace to the hub of `log`, and voids what the old log says from `cut` on; to be sealed
    /// with `owners`. The keys that matter less than that were the old hub's: `hubs` takes their place.
    pub fn move_to(
        &self,
        log: LogName,
        time: UnixMillis,
        salt: [u8; 16],
        cut: LogHead,
        (owners, hubs): (&PublicKey, PublicKey),
    ) -> Statement {
        let home = log.origin.clone();
        let kept = self.namespace.rotation.iter().position(|key| key == owners).map_or(0, |rank| rank + 1);
        let kept = self.namespace.rotation.iter().take(kept.min(ROTATION_KEYS_MAX - 1)).copied();
        let rotation = kept.chain([hubs]).collect();
        let next = Namespace { home, cut: Some(cut), rotation, ..self.namespace.clone() };
        self.operation(log, time, salt, next)
    }

    /// Goes on with the next operation.
    ///
    /// # Errors
    /// When it does not follow, nobody who may has signed it, it moves without a cut, or it takes away a key
    /// that matters more than the one that signed it.
    pub fn next(&self, body: &Body) -> Result<Self> {
        let next = Self::read(body)?;
        let follows = body.kind == EventType::NsOp
            && next.nsid == self.nsid
            && self.seq.checked_add(1) == Some(next.seq)
            && body.prev == Some(self.head);
        if !follows {
            return Err(malformed(WHAT, "it does not follow the one before it"));
        }
        if (next.namespace.home != self.namespace.home) != next.namespace.cut.is_some() {
            return Err(malformed(WHAT, "a cut comes with another home, and only then"));
        }
        let rank = self.rank_of_signer(body)?;
        let above = self.namespace.rotation.get(..rank).unwrap_or_default();
        if next.namespace.rotation.starts_with(above) {
            Ok(next)
        } else {
            Err(malformed(WHAT, "it takes away a key that matters more than the one that signed it"))
        }
    }

    /// The place of the first rotation key that has signed `body`; 0 matters most.
    ///
    /// # Errors
    /// [`Error::Unsigned`].
    pub fn rank_of_signer(&self, body: &Body) -> Result<usize> {
        let rank = self.namespace.rotation.iter().position(|key| body.is_signed_by(key));
        rank.ok_or(Error::Unsigned { what: WHAT })
    }

    /// Whether an event of one of its repositories is signed as the namespace wants it.
    pub fn allows(&self, body: &Body) -> bool {
        body.nsid == Some(self.nsid) && self.namespace.signer.is_none_or(|signer| body.is_signed_by(&signer))
    }
}

/// What to do about an operation that competes with one that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Competition {
    /// Ignore it: the applied one is settled.
    Stay,
    /// Apply nothing more of the namespace until the operator has chosen.
    Freeze,
}

/// Decides between an operation first seen here at `held_since` and another one in its place, seen `now`;
/// both by this follower's own clock.
///
/// ```
/// use polder_log::{Competition, OP_SETTLED_SECONDS, compete};
/// use polder_types::UnixMillis;
/// let since = UnixMillis(0);
/// assert_eq!(compete(since, since.plus_seconds(OP_SETTLED_SECONDS)), Competition::Freeze);
/// assert_eq!(compete(since, since.plus_seconds(OP_SETTLED_SECONDS + 1)), Competition::Stay);
/// ```
pub fn compete(held_since: UnixMillis, now: UnixMillis) -> Competition {
    if now > held_since.plus_seconds(OP_SETTLED_SECONDS) { Competition::Stay } else { Competition::Freeze }
}

/// What to make of the cut of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutVerdict {
    /// It voids nothing that was applied.
    Follow,
    /// It voids what was applied: only the operator may agree.
    AskOperator,
    /// It names a root that the old log did not have at that size, or another log.
    Contradiction,
}

/// Judges a cut by the old log as this follower has it: `applied` is one more than the index of the newest
/// event of the namespace applied from there, `root_at_cut` the root at the cut's size, when known.
pub fn judge_cut(
    cut: &LogHead,
    old: &crate::LogName,
    applied: u64,
    root_at_cut: Option<Sha256>,
) -> CutVerdict {
    if cut.log != *old || root_at_cut.is_some_and(|root| root != cut.root) {
        CutVerdict::Contradiction
    } else if cut.size < applied {
        CutVerdict::AskOperator
    } else {
        CutVerdict::Follow
    }
}
