//! Sources in process: one that is honest, and every kind that is not.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use polder_types::Sha256;
use polder_xet::{Chunk, ChunkHash, ChunkList, Extent, FileHasher, ListHeader, Lister, xorb_hash};
use sha2::Digest as _;
use tokio::sync::mpsc;

use crate::{BodyStream, ObjectSource, SourceError, SourceFuture, Wanted};

/// Bytes of each piece of an answer.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Honest,
    /// Answers nothing, ever.
    Dead,
    /// Refuses everything.
    Broken,
    /// Takes so many milliseconds for each 64 KiB.
    Slow(u64),
    /// One byte is another.
    Lying(u64),
    /// Ends each answer early.
    Truncated,
    /// Goes on sending after each answer.
    Endless,
    /// Its list has another hash.
    LyingList,
    /// Its list has the right hash, but nodes of the tree in place of chunks.
    ForgedList,
    /// A server of plain files: no lists, no several places at once.
    Plain,
    /// Sends so many bytes, then nothing more.
    Stops(u64),
}

pub(super) struct Source {
    name: String,
    kind: Kind,
    object: Object,
    pub(super) sent: AtomicU64,
}

/// An object and its chunk list.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Bytes,
    pub(super) list: Arc<ChunkList>,
    pub(super) oid: Sha256,
}

pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let (mut state, mut out) = (seed, Vec::with_capacity(len + 8));
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        out.extend_from_slice(&(word ^ (word >> 27)).to_le_bytes());
    }
    out.truncate(len);
    out
}

impl Object {
    pub(super) fn new(content: Vec<u8>) -> Self {
        let oid = Sha256::new(sha2::Sha256::digest(&content).into());
        let mut lister = Lister::default();
        lister.push(&content);
        let (header, entries, _) = lister.finish(*oid.as_bytes()).expect("few");
        let list = ChunkList::decode(&[&header.encode()[..], &entries].concat()).expect("good");
        Self { content: content.into(), list: Arc::new(list), oid }
    }

    /// Cut in pieces of 10,000 bytes, as another cutter might.
    pub(super) fn cut_evenly(content: Vec<u8>) -> Self {
        let oid = Sha256::new(sha2::Sha256::digest(&content).into());
        let chunk = |bytes: &[u8]| Chunk {
            hash: ChunkHash::of(bytes),
            size_bytes: u32::try_from(bytes.len()).expect("small"),
        };
        let chunks: Vec<Chunk> = content.chunks(10_000).map(chunk).collect();
        let mut file = FileHasher::default();
        for chunk in &chunks {
            file.push(*chunk);
        }
        let header = ListHeader::of(file, *oid.as_bytes()).expect("few");
        Self { content: content.into(), list: Arc::new(ChunkList { header, chunks }), oid }
    }

    pub(super) fn wanted(&self, repo: polder_types::RepoId) -> Wanted {
        let size_bytes = u64::try_from(self.content.len()).expect("small");
        Wanted { repo, oid: self.oid, size_bytes, xet: Some(self.list.header.file_hash), upstream: 1 }
    }

    pub(super) fn source(&self, name: &str, kind: Kind) -> Arc<Source> {
        let (name, object) = (name.to_owned(), self.clone());
        Arc::new(Source { name, kind, object, sent: AtomicU64::new(0) })
    }

    /// A list with the same hash, one level up the tree.
    fn forged(&self) -> ChunkList {
        let mut groups: Vec<Vec<Chunk>> = vec![Vec::new()];
        for chunk in &self.list.chunks {
            let group = groups.last_mut().expect("one");
            group.push(*chunk);
            let last = chunk.hash.as_bytes().last_chunk::<8>().expect("long");
            let cuts = u64::from_le_bytes(*last).is_multiple_of(4);
            if group.len() == 9 || group.len() >= 3 && cuts {
                groups.push(Vec::new());
            }
        }
        groups.retain(|group| !group.is_empty());
        let merged = |group: &Vec<Chunk>| Chunk {
            hash: ChunkHash::new(*xorb_hash(group.clone()).as_bytes()),
            size_bytes: group.iter().map(|chunk| chunk.size_bytes).sum(),
        };
        let chunks: Vec<Chunk> = groups.iter().map(merged).collect();
        let header = ListHeader { chunks: u32::try_from(chunks.len()).expect("few"), ..self.list.header };
        ChunkList { header, chunks }
    }
}

impl Source {
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether it lets others wait for ever.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.kind, Kind::Dead | Kind::Stops(_))
    }

    async fn list(&self, from: u32) -> Result<Bytes, SourceError> {
        let list = match self.kind {
            Kind::Dead => std::future::pending().await,
            Kind::Broken => return Err(SourceError::Failed("500".to_owned())),
            Kind::Plain => return Err(SourceError::Missing),
            Kind::ForgedList => self.object.forged(),
            Kind::LyingList => {
                let mut list = ChunkList::clone(&self.object.list);
                list.chunks[1].hash = ChunkHash::of(b"another");
                list
            }
            _ => ChunkList::clone(&self.object.list),
        };
        // In small pages, as from someone who has little room.
        let from = usize::try_from(from).expect("small").min(list.chunks.len());
        let chunks = list.chunks[from..(from + 100).min(list.chunks.len())].to_vec();
        Ok(ChunkList { header: list.header, chunks }.encode().into())
    }

    async fn places(&self, places: Vec<Extent>) -> Result<BodyStream, SourceError> {
        match self.kind {
            Kind::Dead => std::future::pending().await,
            Kind::Broken => return Err(SourceError::Failed("500".to_owned())),
            Kind::Plain if places.len() > 1 => return Err(SourceError::Unsupported),
            _ => {}
        }
        let mut answer = Vec::new();
        for place in places {
            let start = usize::try_from(place.offset).expect("small");
            let end = usize::try_from(place.end()).expect("small");
            let began = answer.len();
            answer.extend_from_slice(&self.object.content[start..end]);
            if let Kind::Lying(at) = self.kind
                && (place.offset..place.end()).contains(&at)
            {
                answer[began + usize::try_from(at - place.offset).expect("small")] ^= 1;
            }
        }
        match self.kind {
            Kind::Truncated => answer.truncate(answer.len() / 2),
            Kind::Endless => answer.extend(std::iter::repeat_n(7, 50_000_000)),
            _ => {}
        }
        Ok(self.stream(answer.into()))
    }

    fn stream(&self, answer: Bytes) -> BodyStream {
        let (send, receive) = mpsc::channel(1);
        let kind = self.kind;
        let already = self.sent.fetch_add(u64::try_from(answer.len()).expect("small"), Ordering::Relaxed);
        tokio::spawn(async move {
            let mut total = already;
            for at in (0..answer.len()).step_by(PIECE_BYTES) {
                if let Kind::Slow(millis) = kind {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
                let piece = answer.slice(at..(at + PIECE_BYTES).min(answer.len()));
                total += u64::try_from(piece.len()).expect("small");
                if matches!(kind, Kind::Stops(after) if total > after) {
                    std::future::pending::<()>().await;
                }
                if send.send(Ok(piece)).await.is_err() {
                    return;
                }
            }
        });
        Box::pin(Receiving(receive))
    }
}

struct Receiving(mpsc::Receiver<std::io::Result<Bytes>>);

impl futures_core::Stream for Receiving {
    type Item = std::io::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

impl ObjectSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        assert_eq!(oid, self.object.oid);
        Box::pin(self.list(from))
    }

    fn range(&self, _: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(self.places(vec![place]))
    }

    fn extents(&self, _: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        assert!(Extent::decode_all(&Extent::encode_all(&places)).is_ok(), "within the bounds of a request");
        Box::pin(self.places(places))
    }
}
