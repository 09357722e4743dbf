//! What a client need not send: hints at the chunks that a repository has already.
//!
//! Clients ask for few of their chunks: the first of each file and about one in a thousand. So whoever asks is
//! told of all the repository's current files, whether or not that chunk is among theirs: a new version shares
//! most of its chunks with one of them. The hashes are keyed, which shows a chunk only to who has it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use polder_db::Blob;
use polder_types::{Sha256, UnixMillis};
use polder_xet::{ChunkHash, DedupWriter, ShardKey, XorbHash};

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::{Error, Result};
use crate::files::OpenError;
use crate::secret::Secret;

/// How long a client remembers a hint, in seconds, and how long the key of hints is the same.
const HINT_SECONDS: i64 = 3600;
/// Most chunks in one hint, of 48 bytes each: those of 4 GiB.
const HINT_CHUNKS_MAX: u64 = 65_536;
/// Most entries of a repository's tree that are looked at.
const TREE_ENTRIES_MAX: usize = 10_000;
/// Entries looked at at a time.
const TREE_PAGE: usize = 1_000;
/// Most bytes of hints for one token: a client that finds nothing in the first finds nothing in the tenth.
const TOKEN_BYTES_MAX: usize = 32 << 20;
/// Most tokens of which is known how much they had.
const TOKENS_MAX: usize = 10_000;

/// How much each token had of hints.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<HashMap<Sha256, Given>>);

/// What one token had.
#[derive(Debug)]
struct Given {
    bytes: usize,
    /// Whether the current files were among it.
    current: bool,
    /// When nobody asks any more how much it was.
    forget: UnixMillis,
}

impl Hints {
    /// Whether there is something left for a token.
    fn is_open(&self, token: Sha256, now: UnixMillis) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= TOKENS_MAX {
            given.retain(|_, had| had.forget > now);
        }
        match given.get(&token) {
            Some(had) => had.bytes < TOKEN_BYTES_MAX,
            None => given.len() < TOKENS_MAX,
        }
    }

    /// Whether a token was told of the current files.
    fn knows_current(&self, token: Sha256) -> bool {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(&token).is_some_and(|had| had.current)
    }

    fn count(&self, token: Sha256, bytes: usize, current: bool, now: UnixMillis) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Given { bytes: 0, current: false, forget: now.plus_seconds(HINT_SECONDS) };
        let had = given.entry(token).or_insert_with(new);
        had.bytes = had.bytes.saturating_add(bytes);
        had.current |= current;
    }
}

impl Hub {
    /// A shard of chunks that the repository has: of the file with `chunk`, or such a file of another repository that
    /// the holder of `token` may read, then of its current files. These can begin like the file that is sent and go on
    /// otherwise: which of them it was made from is not known. Who was told of them is told of a file with `chunk`
    /// alone. `None` when there is none, or enough was told to that holder.
    ///
    /// # Errors
    /// When the repository or a chunk list cannot be read.
    pub async fn xet_hint(
        &self,
        grant: &Grant<Read>,
        token: &Secret,
        chunk: ChunkHash,
    ) -> Result<Option<Vec<u8>>> {
        let (now, token) = (self.clock.now(), token.hash());
        if !self.xet_hints.is_open(token, now) {
            return Ok(None);
        }
        let own = self.db.chunk_of_repo(grant.repo_id(), chunk).await?;
        let tells_current = own.is_none() || !self.xet_hints.knows_current(token);
        let first = match own {
            Some(own) => Some(own),
            None => self.db.readable_chunk(grant.repo_id(), grant.reader(), chunk).await?,
        };
        let current = if tells_current { self.current_objects(grant).await? } else { Vec::new() };
        let shard = self.shard_of(grant, first.into_iter().chain(current)).await?;
        if let Some(shard) = &shard {
            self.xet_hints.count(token, shard.len(), tells_current, now);
        }
        Ok(shard)
    }

    /// The sound, listed objects of the default branch, the largest first.
    async fn current_objects(&self, grant: &Grant<Read>) -> Result<Vec<Blob>> {
        let Some(commit_id) = self.find_revision(grant, "HEAD").await.map_err(OpenError::into_error)? else {
            return Ok(Vec::new());
        };
        let (mut oids, mut cursor, mut seen) = (HashSet::new(), None, 0);
        while seen < TREE_ENTRIES_MAX {
            let page = self.list_tree(grant, commit_id, "", true, cursor.as_deref(), TREE_PAGE).await?;
            seen += page.entries.len();
            oids.extend(page.entries.iter().filter_map(|entry| entry.pointer.map(|pointer| pointer.oid)));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let oids: Vec<Sha256> = oids.into_iter().collect();
        let mut blobs = self.db.linked_blobs(grant.repo_id(), &oids).await?;
        blobs.retain(|blob| !blob.damaged && blob.xet.is_some());
        blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size_bytes), blob.id));
        Ok(blobs)
    }

    /// Of objects one after the other, as far as there is room; each is told of once, as each xorb is.
    async fn shard_of(
        &self,
        grant: &Grant<Read>,
        blobs: impl IntoIterator<Item = Blob>,
    ) -> Result<Option<Vec<u8>>> {
        let now = self.clock.now().0 / 1000;
        let key = format!("xet hints of {} in {}", grant.repo_id(), now / HINT_SECONDS);
        let Some(key) = ShardKey::new(self.keys.url.derive(&key)) else { return Ok(None) };
        let (mut writer, mut told, mut count) = (DedupWriter::new(key), HashSet::<XorbHash>::new(), 0);
        for blob in blobs {
            let Some(file) = blob.xet else { continue };
            let bytes = 0..u64::try_from(blob.size_bytes).map_err(Error::internal)?;
            for run in self.runs_of(&blob, file, bytes).await? {
                if count + run.chunks > HINT_CHUNKS_MAX {
                    break;
                }
                if told.insert(run.hash) {
                    let chunks = self.chunks_of(blob.id, &run).await?;
                    writer.add(run.hash, &chunks).map_err(Error::internal)?;
                    count += run.chunks;
                }
            }
        }
        let seconds = |time: i64| u64::try_from(time).map_err(Error::internal);
        let times = (seconds(now)?, seconds(now + HINT_SECONDS)?);
        Ok((count > 0).then(|| writer.finish(times.0, times.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_share_of_hints_and_no_more_until_it_is_forgotten() {
        let (hints, now) = (Hints::default(), UnixMillis(1_000));
        let token = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            Sha256::new(bytes)
        };
        hints.count(token(0), TOKEN_BYTES_MAX - 1, false, now);
        assert!(hints.is_open(token(0), now) && !hints.knows_current(token(0)));
        hints.count(token(0), 1, true, now);
        assert!(hints.knows_current(token(0)) && !hints.knows_current(token(1)));
        assert!(!hints.is_open(token(0), now) && hints.is_open(token(1), now));
        (1..TOKENS_MAX).for_each(|n| hints.count(token(n), 1, false, now));
        assert!(!hints.is_open(token(TOKENS_MAX), now), "no more are known of");
        assert!(hints.is_open(token(1), now));
        assert!(hints.is_open(token(TOKENS_MAX), now.plus_seconds(HINT_SECONDS)));
    }
}
