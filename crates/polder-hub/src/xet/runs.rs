//! The xorbs that an object is cut into: found out once from its chunk list, then remembered.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use polder_blob::Store;
use polder_db::Blob;
use polder_types::BlobId;
use polder_xet::{Chunk, ENTRY_BYTES, FileHash, HEADER_BYTES, ListCheck, ListHeader, Run, Runs, list_offset};

use crate::Hub;
use crate::error::{Error, Result};

/// Chunks read at a time: 147 KB of their list.
const PAGE_CHUNKS: usize = 4096;

impl Hub {
    /// The xorbs that have some of `bytes` of an object whose chunks are listed.
    ///
    /// # Errors
    /// When the list cannot be read, or is another one.
    pub(crate) async fn runs_of(&self, blob: &Blob, file: FileHash, bytes: Range<u64>) -> Result<Vec<Run>> {
        let recorded = self.db.runs_of_blob(blob.id, bytes.clone()).await?;
        if !recorded.is_empty() || bytes.is_empty() {
            return Ok(recorded);
        }
        let (store, id) = (self.store.clone(), blob.id);
        let mut runs = self.leaf.run(move || cut(&store, id, file)).await?;
        // Found out again next time; a full disk does not keep anyone from reading.
        if let Err(error) = self.db.record_runs(id, file, runs.clone()).await {
            tracing::warn!(%id, %error, "the xorbs of an object are not remembered");
        }
        runs.retain(|run| run.offset < bytes.end && run.offset.saturating_add(run.size_bytes) > bytes.start);
        Ok(runs)
    }

    /// The chunks of one xorb of an object.
    pub(crate) async fn chunks_of(&self, id: BlobId, run: &Run) -> Result<Vec<Chunk>> {
        let (store, first, count) = (self.store.clone(), run.first, run.chunks);
        self.leaf.run(move || chunks_in(&store.open_list(id)?.file, first, count)).await
    }
}

/// Blocking.
fn cut(store: &Store, id: BlobId, file: FileHash) -> Result<Vec<Run>> {
    let list = store.open_list(id)?.file;
    let mut header = [0; HEADER_BYTES];
    list.read_exact_at(&mut header, 0).map_err(Error::internal)?;
    let (header, _) = ListHeader::decode(&header).map_err(Error::internal)?;
    if header.file_hash != file {
        return Err(Error::internal(format!("the chunk list of object {id} is another one")));
    }
    let (mut check, mut cutter, mut runs) = (ListCheck::new(header), Runs::default(), Vec::new());
    let mut at = 0;
    while at < header.chunks {
        let entries = read_entries(&list, at, header.chunks - at).map_err(Error::internal)?;
        check.page(&entries, &mut |chunk| runs.extend(cutter.push(chunk))).map_err(Error::internal)?;
        at = at.saturating_add(u32::try_from(PAGE_CHUNKS).unwrap_or(u32::MAX));
    }
    check.finish().map_err(Error::internal)?;
    runs.extend(cutter.finish());
    Ok(runs)
}

/// A page of entries from number `from` on, where `left` are left.
fn read_entries(list: &File, from: u32, left: u32) -> io::Result<Vec<u8>> {
    let count = usize::try_from(left).unwrap_or(PAGE_CHUNKS).min(PAGE_CHUNKS);
    let mut entries = vec![0; count * ENTRY_BYTES];
    list.read_exact_at(&mut entries, list_offset(from))?;
    Ok(entries)
}

/// So many chunks of a list, at most as many as a page has. Blocking.
pub(super) fn chunks_in(list: &File, first: u64, count: u64) -> Result<Vec<Chunk>> {
    let number = |n: u64| u32::try_from(n).map_err(Error::internal);
    let entries = read_entries(list, number(first)?, number(count)?).map_err(Error::internal)?;
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    entries.iter().map(|entry| Chunk::decode(entry).map_err(Error::internal)).collect()
}
