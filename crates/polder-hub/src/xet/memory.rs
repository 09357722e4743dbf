//! What clients remember of the chunks that they sent, and when they are to forget it.
//!
//! A client names for weeks what it sent without sending it again, also for another repository and with another token;
//! what it remembers it keeps by the URL of the CAS. So that URL has a word in it, which is another one wherever
//! something else may be named. It grants nothing: what may be named is asked of the token alone.
//!
//! Source: `hf_xet` 1.1.10, 1.5.1 and 1.8.0 were seen to keep a directory for each `casUrl`, path included.

use polder_types::{AccountId, RepoId, UnixMillis};

use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::error::{Error, Result};

/// Digits of a word: the first half of a keyed hash.
const WORD_DIGITS: usize = 32;
/// Most proposers of which is known when they last were to forget; one more forgets again when it is refused again.
const PROPOSERS_MAX: u64 = 100_000;

/// Causes the refusal of a shard whose sender may remember what is not here, or not whole.
#[derive(Debug, thiserror::Error)]
#[error("what was sent before is not here, or not whole")]
pub(super) struct NotHere;

/// Since when what those remember who may only propose is true, where they were refused or never finished. Of no use
/// to anyone else, so it is not written down: after a restart one more upload of theirs may fail.
pub(crate) struct Proposers(moka::sync::Cache<(RepoId, AccountId), UnixMillis>);

impl Default for Proposers {
    fn default() -> Self {
        Self(moka::sync::Cache::new(PROPOSERS_MAX))
    }
}

impl Hub {
    /// Lets clients forget what they sent for a repository, when `refusal` is for naming what is not here and nobody
    /// has seen go: chunks lost with a backup's gap, or of another repository. The next upload sends all. Who may
    /// only propose forgets alone, since anyone can name what is not here.
    pub(super) async fn forget_refused<L: Contributes>(&self, grant: &Grant<L>, refusal: &Error) {
        if !refusal.is_caused_by::<NotHere>() {
            return;
        }
        let repo = grant.repo_id();
        if let Some(proposer) = grant.proposer() {
            self.xet_proposers.0.insert((repo, proposer), self.clock.now());
        } else if let Err(error) = self.db.void_chunks(repo).await {
            tracing::warn!(%repo, error = %Error::from(error).chain(), "clients go on to name what is not here");
        }
    }

    /// Lets the clients of an account forget what it sent for a repository and made no file of until `now`: nobody
    /// else can name that. Where it may write, all clients were let forget later than that, and it is of no use.
    pub(super) fn forget_expired(&self, repo: RepoId, sender: AccountId, now: UnixMillis) {
        self.xet_proposers.0.insert((repo, sender), now);
    }

    /// The word for who uploads with a grant, as long as nothing of what was sent so is lost.
    pub(super) async fn xet_memory<L: Contributes>(&self, grant: &Grant<L>) -> Result<String> {
        let refused = grant.actor().and_then(|account| self.xet_proposers.0.get(&(grant.repo_id(), account)));
        let since = self.db.chunks_since(grant.repo_id()).await?.max(refused.unwrap_or(UnixMillis(0)));
        // What waits for its files is the account's that sent it; what lies elsewhere is named only with a token
        // that is not for some repositories.
        let (account, reader) = (grant.actor().map_or(0, |id| id.0), grant.reader().is_some());
        let purpose = format!("xet memory of {}.{}.{account}.{reader}", grant.repo_id(), since.0);
        let word = self.keys.url.derive(&purpose).first_chunk().copied().unwrap_or_default();
        Ok(format!("{:032x}", u128::from_be_bytes(word)))
    }
}

/// Whether a segment of a path is such a word, of whatever hub.
pub fn is_xet_memory(segment: &str) -> bool {
    segment.len() == WORD_DIGITS && segment.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
