//! One attempt at a pull.

use polder_db::PullClaim;

use crate::audit::Entry;

/// For whom a source is pulled this time.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    claim: Option<PullClaim>,
}

impl Attempt {
    /// For an operator.
    pub(super) fn by_hand() -> Self {
        Self { claim: None }
    }

    /// By the clock: it changes nothing once its claim is lost.
    pub(super) fn by_clock(claim: PullClaim) -> Self {
        Self { claim: Some(claim) }
    }

    /// The line in the audit log of something that it does, which only then happens if it still may.
    pub(super) fn entry(&self, action: &'static str) -> Entry {
        self.claim.map_or_else(|| Entry::operator(action), |claim| Entry::pull(claim, action))
    }
}
