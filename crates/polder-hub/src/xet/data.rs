//! The bytes behind a link: chunks of a raw object, each with its header, as an xorb that was never stored.
//!
//! Clients check nothing of what they get, and share it between hubs by its name: each chunk is hashed before
//! any byte of it is sent, by this answer or lately by another one ([`super::verified`]).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use polder_types::{BlobId, RepoId, Sha256, UnixMillis};
use polder_xet::{Chunk, ChunkHash, Piece, RawXorb, XorbHash, xorb_hash};
use tokio::sync::mpsc;

use super::FRAME_BYTES;
use super::link::DataLink;
use super::runs::chunks_in;
use super::verified::{ObjectState, RunKey};
use crate::Hub;
use crate::body::ByteStream;
use crate::error::{Error, Result};
use crate::lfs_transfer::DAMAGED;

/// Chunks read, hashed and sent at a time: a quarter of a mebibyte, or half of one at most.
const BATCH_CHUNKS: usize = 4;
/// Batches in flight between disk and connection.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Chunks of an object, as an xorb.
#[derive(Clone)]
pub struct XetData {
    hub: Hub,
    run: RunKey,
    oid: Sha256,
    file: Arc<File>,
    /// As it was at that time or later, before any of it was read.
    seen: UnixMillis,
    state: ObjectState,
    chunks: Vec<Chunk>,
    size_bytes: u64,
    allowed: Range<u64>,
}

/// Bytes of an xorb.
pub enum XetBytes {
    /// As they are read and hashed. A chunk that is not what it should be ends them with an error.
    Checked(ByteStream),
    /// To be sent as they are: some of them in the file, which was hashed lately.
    Known(Arc<File>, Vec<Piece>),
}

impl Hub {
    /// The bytes that a link of [`Hub::xet_terms`] leads to.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] for a link that is altered or expired, or when the repository does not have
    /// the object any more; [`crate::Kind::Unavailable`] while it is damaged.
    pub async fn xet_data(&self, xorb: XorbHash, query: &str) -> Result<XetData> {
        let seen = self.clock.now();
        let link = DataLink::read(xorb, query, &self.keys.url, seen)?;
        let blob = self.linked_blob(link.repo, link.oid).await?;
        let (store, id) = (self.store.clone(), blob);
        let opened = self.leaf.run(move || {
            let (file, list) = (store.open_blob(id)?.file, store.open_list(id)?.file);
            let state = ObjectState::of(&file, &list).map_err(Error::internal)?;
            Ok((file, state, chunks_in(&list, link.first, link.chunks)?, link))
        });
        let (file, state, chunks, link) = opened.await?;
        // The list may be another one by now.
        if xorb_hash(chunks.iter().copied()) != xorb {
            return Err(Error::bad_link());
        }
        let raw = RawXorb::new(&chunks, link.offset).map_err(Error::internal)?;
        let size_bytes = raw.body_bytes();
        let DataLink { oid, offset, bytes: allowed, .. } = link;
        let run = RunKey { blob, xorb, offset };
        Ok(XetData { hub: self.clone(), run, oid, file, seen, state, chunks, size_bytes, allowed })
    }

    async fn linked_blob(&self, repo: RepoId, oid: Sha256) -> Result<BlobId> {
        // What was withheld since the link was made is gone for it, too.
        if self.db.repo(repo).await?.is_none_or(|repo| repo.withheld.is_some()) {
            return Err(Error::bad_link());
        }
        let linked = self.db.linked_blobs(repo, &[oid]).await?;
        let blob = linked.into_iter().next().ok_or_else(Error::bad_link)?;
        if blob.damaged { Err(Error::unavailable(DAMAGED)) } else { Ok(blob.id) }
    }
}

impl XetData {
    /// The xorb's length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Which of them the link gives.
    pub fn allowed(&self) -> Range<u64> {
        self.allowed.clone()
    }

    /// Bytes of the xorb, in the way that costs least.
    ///
    /// # Errors
    /// When the chunks are not those of an xorb.
    pub fn bytes(self, bytes: Range<u64>) -> Result<XetBytes> {
        let (chunks, now) = (self.chunks_with(&bytes), self.hub.clock.now());
        if !self.hub.xet_verified.has(&self.run, &chunks, (self.state, now)) {
            return Ok(XetBytes::Checked(self.stream(bytes)));
        }
        let raw = RawXorb::new(&self.chunks, self.run.offset).map_err(Error::internal)?;
        Ok(XetBytes::Known(self.file, raw.pieces(bytes).collect()))
    }

    /// Bytes of the xorb, as they are read and checked. A chunk that is not what it should be cuts the
    /// connection before any of it is sent, and marks the object as damaged.
    pub fn stream(self, bytes: Range<u64>) -> ByteStream {
        let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
        tokio::spawn(async move {
            for batch in self.batches(&bytes) {
                let data = self.read(batch, bytes.clone()).await;
                let is_over = data.is_err();
                if sender.send(data).await.is_err() || is_over {
                    return;
                }
            }
            self.hub.xet_verified.note(self.run, self.chunks_with(&bytes), self.state.bytes, self.seen);
        });
        receiver
    }

    /// Which chunks have some of `bytes`, by their numbers.
    fn chunks_with(&self, bytes: &Range<u64>) -> Range<usize> {
        let mut end = 0;
        let ends = self.chunks.iter().map(|chunk| {
            end += u64::from(chunk.size_bytes) + FRAME_BYTES;
            end
        });
        let ends: Vec<u64> = ends.collect();
        let first = ends.partition_point(|end| *end <= bytes.start);
        first..ends.partition_point(|end| *end < bytes.end) + 1
    }

    /// The places of the chunks that have some of `bytes`, a batch at a time.
    fn batches(&self, bytes: &Range<u64>) -> Vec<Batch> {
        let (mut body_at, mut object_at, mut batches) = (0, self.run.offset, Vec::<Batch>::new());
        for chunk in &self.chunks {
            let size_bytes = u64::from(chunk.size_bytes);
            let end = body_at + size_bytes + FRAME_BYTES;
            if end > bytes.start && body_at < bytes.end {
                match batches.last_mut().filter(|batch| batch.chunks.len() < BATCH_CHUNKS) {
                    Some(batch) => batch.chunks.push(*chunk),
                    None => batches.push(Batch { chunks: vec![*chunk], body_at, object_at }),
                }
            }
            (body_at, object_at) = (end, object_at + size_bytes);
        }
        batches
    }

    async fn read(&self, batch: Batch, bytes: Range<u64>) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = self
            .hub
            .leaf
            .run(move || batch.read(&file, &bytes).map_err(Error::internal))
            .await
            .map_err(io::Error::other)?;
        if let Some(data) = read {
            return Ok(data);
        }
        tracing::error!(object = %self.oid, "an object is damaged");
        self.hub.db.mark_damaged_blob(self.run.blob).await.map_err(io::Error::other)?;
        self.hub.repair_bell.notify_one();
        Err(io::Error::other("the object is damaged"))
    }
}

/// Some chunks, and where the first of them is in the xorb and in the object.
struct Batch {
    chunks: Vec<Chunk>,
    body_at: u64,
    object_at: u64,
}

impl Batch {
    /// Those of `bytes` of the xorb that it has; `None` when the chunks are not what they should be.
    /// Blocking.
    fn read(&self, file: &File, bytes: &Range<u64>) -> io::Result<Option<Bytes>> {
        let mut out = BytesMut::new();
        let mut object_at = self.object_at;
        for chunk in &self.chunks {
            let size_bytes = usize::try_from(chunk.size_bytes).map_err(io::Error::other)?;
            out.extend_from_slice(&polder_xet::FrameHeader::raw(size_bytes).encode());
            let data_at = out.len();
            out.resize(data_at + size_bytes, 0);
            let data = out.get_mut(data_at..).unwrap_or_default();
            file.read_exact_at(data, object_at)?;
            if ChunkHash::of(data) != chunk.hash {
                return Ok(None);
            }
            object_at += u64::from(chunk.size_bytes);
        }
        let place =
            |at: u64| usize::try_from(at.saturating_sub(self.body_at)).unwrap_or(usize::MAX).min(out.len());
        let wanted = place(bytes.start)..place(bytes.end);
        Ok(Some(out.freeze().slice(wanted)))
    }
}
