//! The first bytes of an object that is away, for those to whom the rest is of no use.
//!
//! Its chunk list comes whole, since the signed hash is of the tree over all chunks; then each chunk of the beginning,
//! held to the list. Nothing of it is kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_blob::ListClaim;
use polder_xet::{Chunk, ChunkHash, Extent};
use tokio::time::timeout;

use super::list::{Asked, take_page};
use super::source::{ObjectSource, SourceError};
use super::{TransferOptions, Wanted};
use crate::Hub;
use crate::blocking::in_place;
use crate::body::next;
use crate::error::{Error, Kind, Result};

/// Most chunks of an object whose beginning can be had: 16 GiB of usual ones, a list of 9 MiB.
const CHUNKS_MAX: u32 = 1 << 18;
/// Most chunks of a beginning: 64 MiB of the smallest that clients cut.
const FIRST_CHUNKS_MAX: usize = 8 << 10;
/// How long one source may take for all of it.
const SOURCE_MAX: Duration = Duration::from_secs(30);
/// How long a place is waited for.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes there are to be in all, by the first of them.
pub(crate) type WholeOf<'a> = &'a (dyn Fn(&[u8]) -> Result<u64> + Send + Sync);

/// Why there is no beginning.
enum Failure {
    /// Of this source.
    Source(SourceError),
    /// Of any.
    Refused(Error),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl Hub {
    /// Reads the first bytes of an object: `first` of them, then as many in all as `whole_of` makes of those; fewer
    /// where it ends. List and bytes are of one source, the first that has both.
    ///
    /// # Errors
    /// What `whole_of` says; [`Kind::Conflict`] when nothing but the whole can be checked; [`Kind::Unavailable`] when
    /// no source has it.
    pub(crate) async fn read_beginning(
        &self,
        wanted: &Wanted,
        sources: &[Arc<dyn ObjectSource>],
        options: &TransferOptions,
        first: u64,
        whole_of: WholeOf<'_>,
    ) -> Result<Vec<u8>> {
        let Wanted { oid, size_bytes, .. } = *wanted;
        let Some(file_hash) = wanted.xet else {
            let message =
                format!("of object `{oid}`, which is not here, nothing but the whole can be checked");
            return Err(Error::new(Kind::Conflict, message));
        };
        let claim = ListClaim { sha256: oid, size_bytes, file_hash };
        let place = timeout(PLACE_PATIENCE, self.transfers.beginnings.acquire()).await;
        let _place = place.map_err(|_elapsed| {
            Error::unavailable(
                "the beginnings of too many objects are being fetched already; try again later",
            )
        })?;
        let mut said = Vec::new();
        for source in sources {
            let beginning =
                Beginning { source, claim: &claim, options, chunks: Vec::new(), bytes: Vec::new() };
            let why = match timeout(SOURCE_MAX, beginning.read(first, whole_of)).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(Failure::Refused(error))) => return Err(error),
                Ok(Err(Failure::Source(error))) => error,
                Err(_elapsed) => SourceError::late(),
            };
            said.push(format!("`{}`: {why}", source.name()));
        }
        let said = if said.is_empty() { "there is none".to_owned() } else { said.join("; ") };
        Err(Error::unavailable(format!("no source can show the beginning of object `{oid}`: {said}")))
    }
}

/// A beginning as it comes from one source.
struct Beginning<'a> {
    source: &'a Arc<dyn ObjectSource>,
    claim: &'a ListClaim,
    options: &'a TransferOptions,
    /// Those that are not here yet, the next one last.
    chunks: Vec<Chunk>,
    bytes: Vec<u8>,
}

impl Beginning<'_> {
    async fn read(mut self, first: u64, whole_of: WholeOf<'_>) -> Result<Vec<u8>, Failure> {
        self.list().await?;
        self.reach(first).await?;
        let all = whole_of(self.start(first)).map_err(Failure::Refused)?;
        self.reach(all).await?;
        let length = self.start(all).len();
        self.bytes.truncate(length);
        Ok(self.bytes)
    }

    fn start(&self, length: u64) -> &[u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.get(..length).unwrap_or_default()
    }

    /// Asks for the list, and keeps its first chunks.
    async fn list(&mut self) -> Result<(), SourceError> {
        let (mut check, mut is_last) = (None, false);
        while !is_last {
            let from = match &check {
                Some((header, check)) => at_most(header, check)?,
                None => 0,
            };
            let page = self.source.chunks(self.claim.sha256, from);
            let page =
                timeout(self.options.patience, page).await.map_err(|_elapsed| SourceError::late())??;
            self.pay(&page).await;
            let chunks = &mut self.chunks;
            let mut keep = |chunk| {
                if chunks.len() < FIRST_CHUNKS_MAX {
                    chunks.push(chunk);
                }
            };
            is_last =
                in_place(|| take_page(&page, self.claim, &mut check, &mut keep)).map_err(
                    |asked| match asked {
                        Asked::None(error) => error,
                        Asked::Lie(lie) => {
                            SourceError::Failed(format!("it lied about the chunk list: {lie}"))
                        }
                        Asked::Good => SourceError::Missing,
                    },
                )?;
        }
        self.chunks.reverse();
        Ok(())
    }

    /// Has so many bytes come, or all that there are.
    async fn reach(&mut self, length: u64) -> Result<(), SourceError> {
        let (mut end, mut chunks) = (self.here(), Vec::new());
        while end < length.min(self.claim.size_bytes) {
            let chunk = self.chunks.pop().ok_or(SourceError::Unsupported)?;
            end += u64::from(chunk.size_bytes);
            chunks.push(chunk);
        }
        let size_bytes = u32::try_from(end - self.here()).map_err(|_error| SourceError::Unsupported)?;
        if size_bytes == 0 {
            return Ok(());
        }
        let place = Extent { offset: self.here(), size_bytes };
        let (patience, mut at) = (self.options.patience, self.bytes.len());
        let body = self.source.range(self.claim.sha256, place);
        let mut body = timeout(patience, body).await.map_err(|_elapsed| SourceError::late())??;
        while self.here() < end {
            let came = timeout(patience, next(&mut body)).await.map_err(|_elapsed| SourceError::late())?;
            let came = came.ok_or_else(|| SourceError::Failed("its answer was cut short".to_owned()))?;
            let mut came = came.map_err(|error| SourceError::Failed(error.to_string()))?;
            self.pay(&came).await;
            came.truncate(usize::try_from(end - self.here()).unwrap_or(usize::MAX));
            self.bytes.extend_from_slice(&came);
        }
        for chunk in chunks {
            let to = at.saturating_add(usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX));
            let bytes = self.bytes.get(at..to).unwrap_or_default();
            if in_place(|| ChunkHash::of(bytes)) != chunk.hash {
                return Err(SourceError::Failed(format!("wrong bytes at {at}")));
            }
            at = to;
        }
        Ok(())
    }

    fn here(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    async fn pay(&self, came: &Bytes) {
        if let Some(rate) = &self.options.rate {
            rate.take(came.len()).await;
        }
    }
}

/// With which chunk the next page begins, of a list that is not too long.
fn at_most(header: &polder_xet::ListHeader, check: &polder_xet::ListCheck) -> Result<u32, SourceError> {
    if header.chunks > CHUNKS_MAX {
        return Err(SourceError::Unsupported);
    }
    Ok(u32::try_from(check.chunks()).unwrap_or(u32::MAX))
}
