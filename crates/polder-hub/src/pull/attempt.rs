//! One attempt at a pull.

use polder_db::{PullClaim, Repo};

use super::{Patience, PullSource};
use crate::audit::Entry;

/// For whom a source is pulled this time, and how long servers are waited for.
#[derive(Debug)]
pub(super) struct Attempt {
    claim: Option<PullClaim>,
    patience: Patience,
}

impl Attempt {
    /// For an operator, who waits for it.
    pub(super) fn by_hand() -> Self {
        Self { claim: None, patience: Patience::by_hand() }
    }

    /// By the clock: it changes nothing once its claim is lost.
    pub(super) fn by_clock(claim: PullClaim) -> Self {
        Self { claim: Some(claim), patience: Patience::by_clock() }
    }

    /// The line in the audit log of something that it does, which only then happens if it still may.
    pub(super) fn entry(&self, action: &'static str) -> Entry {
        self.claim.map_or_else(|| Entry::operator(action), |claim| Entry::pull(claim, action))
    }

    /// The line of what it brings.
    pub(super) fn import_entry(&self, repo: &Repo, source: &PullSource) -> Entry {
        self.entry("repo.import").on(repo.id, &repo.name).with("from", source.to_string())
    }

    /// How long servers are waited for, for all that is asked.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }
}
