//! What clients remember of the chunks that they sent, and when they are to forget it.
//!
//! A client names for weeks what it sent without sending it again, also for another repository and with another token;
//! what it remembers it keeps by the URL of the CAS. So that URL has a word in it, which is another one wherever
//! something else may be named. It grants nothing: what may be named is asked of the token alone.
//!
//! Source: `hf_xet` 1.1.10, 1.5.1 and 1.8.0 were seen to keep a directory for each `casUrl`, path included.

use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::error::Result;

/// Digits of a word: the first half of a keyed hash.
const WORD_DIGITS: usize = 32;

impl Hub {
    /// The word for who uploads with a grant, as long as nothing of what was sent so is lost.
    pub(super) async fn xet_memory<L: Contributes>(&self, grant: &Grant<L>) -> Result<String> {
        let since = self.db.chunks_since(grant.repo_id()).await?;
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
