//! The xorbs that a shard names, as far as its sender may name them: what the sender sent for this repository
//! and what lies in objects that the sender may read. Of all others nothing is known here.

use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use polder_blob::BlobFile;
use polder_db::{Entries, StagedXorb, XorbPiece};
use polder_types::{AccountId, BlobId, RepoId, StagedXorbId};
use polder_xet::{
    Chunk, ChunkHash, ENTRY_BYTES, Refused, Shard, Term, XORB_BYTES_MAX, XORB_CHUNKS_MAX, XorbHash, Xorbs,
    list_offset,
};

use super::files::refused;
use super::recent::Recent;
use crate::Hub;
use crate::error::{Error, Result};

/// Most xorbs that one shard may name: 1 TiB of the usual length.
const XORBS_MAX: usize = 16_384;
/// Most places in objects that are looked at for one shard.
const PIECES_MAX: usize = 200_000;
/// Xorbs looked up at a time.
const PAGE: usize = 100;
/// Xorbs whose chunks are held at a time, 400 KB each at the most.
const LOADED_MAX: usize = 64;
/// Most chunks read for one shard; it names far fewer, but may go to and fro between xorbs.
const LOADED_CHUNKS_MAX: usize = 64 << 20;
/// Files held open at a time.
const OPEN_MAX: usize = 16;

/// Where an xorb is.
#[derive(Debug)]
enum Known {
    Staged(StagedXorb),
    /// By their place in the xorb.
    Pieces(Vec<XorbPiece>),
}

/// A file that has chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Staged(StagedXorbId, u64),
    Blob(BlobId),
}

impl Place {
    /// Whether it was sent for this upload.
    pub(super) fn is_staged(&self) -> bool {
        matches!(self, Self::Staged(..))
    }
}

/// Chunks that lie one after the other in a file that has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) place: Place,
    pub(super) offset: u64,
    pub(super) chunks: Vec<Chunk>,
}

/// Chunks of an xorb that lie one after the other.
#[derive(Debug)]
struct Span {
    chunks: Range<usize>,
    place: Place,
    at_byte: u64,
}

/// An xorb's chunks, and where they lie. Those that lie nowhere have no length.
#[derive(Debug)]
pub(super) struct Loaded {
    chunks: Vec<Chunk>,
    /// For each chunk how many bytes are before it, and for all of them.
    offsets: Vec<u64>,
    spans: Vec<Span>,
}

impl Loaded {
    fn new(chunks: Vec<Chunk>, spans: Vec<Span>) -> Self {
        let mut offsets = Vec::with_capacity(chunks.len() + 1);
        let mut at = 0;
        for chunk in &chunks {
            offsets.push(at);
            at += u64::from(chunk.size_bytes);
        }
        offsets.push(at);
        Self { chunks, offsets, spans }
    }

    fn offset(&self, chunk: usize) -> u64 {
        self.offsets.get(chunk).or(self.offsets.last()).copied().unwrap_or_default()
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Where chunks lie, if all of them lie somewhere.
    fn extents(&self, wanted: Range<usize>) -> Option<Vec<Extent>> {
        let (mut found, mut next) = (Vec::new(), wanted.start);
        let first = self.spans.partition_point(|span| span.chunks.end <= wanted.start);
        for span in self.spans.get(first..)?.iter().take_while(|span| span.chunks.start < wanted.end) {
            if span.chunks.start > next {
                return None;
            }
            let end = span.chunks.end.min(wanted.end);
            let offset = span.at_byte + (self.offset(next) - self.offset(span.chunks.start));
            found.push(Extent { place: span.place, offset, chunks: self.chunks.get(next..end)?.to_vec() });
            next = end;
        }
        (next >= wanted.end).then_some(found)
    }
}

/// The chunks of a loaded xorb.
pub(super) struct LoadedChunks(Arc<Loaded>);

impl Deref for LoadedChunks {
    type Target = [Chunk];
    fn deref(&self) -> &[Chunk] {
        self.0.chunks()
    }
}

/// What is known of the xorbs of one shard.
pub(super) struct Sources {
    hub: Hub,
    known: HashMap<XorbHash, Known>,
    loaded: Recent<XorbHash, Arc<Loaded>>,
    loaded_chunks: usize,
    open: Recent<Place, BlobFile>,
}

impl Sources {
    /// Looks up what a shard names, for `account`. What `reader` may read elsewhere counts, too.
    pub(super) async fn find(
        hub: &Hub,
        repo: RepoId,
        account: AccountId,
        reader: Option<AccountId>,
        shard: &Shard<'_>,
    ) -> Result<Self> {
        let mut named: Vec<XorbHash> = Vec::new();
        let of_files = shard.files().flat_map(|file| file.terms()).map(|term| term.xorb);
        for xorb in of_files.chain(shard.xorbs().map(|xorb| xorb.hash)) {
            if named.last() != Some(&xorb) {
                named.push(xorb);
            }
        }
        named.sort_unstable();
        named.dedup();
        if named.len() > XORBS_MAX {
            return Err(Error::invalid(format!("the shard names more than {XORBS_MAX} xorbs")));
        }
        let mut known: HashMap<XorbHash, Known> = HashMap::new();
        for staged in hub.db.staged_xorbs(repo, account, &named).await? {
            known.insert(staged.xorb, Known::Staged(staged));
        }
        named.retain(|xorb| !known.contains_key(xorb));
        let mut pieces = 0;
        for page in named.chunks(PAGE) {
            let limit = PIECES_MAX - pieces + 1;
            let found =
                hub.db.xorb_pieces(repo, reader, page, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
            pieces += found.len();
            if pieces > PIECES_MAX {
                return Err(Error::invalid("the shard names xorbs in too many pieces"));
            }
            for piece in found {
                let known = known.entry(piece.xorb).or_insert_with(|| Known::Pieces(Vec::new()));
                if let Known::Pieces(pieces) = known {
                    pieces.push(piece);
                }
            }
        }
        let (loaded, open) = (Recent::new(LOADED_MAX), Recent::new(OPEN_MAX));
        Ok(Self { hub: hub.clone(), known, loaded, loaded_chunks: 0, open })
    }

    /// The xorbs that were sent for this upload.
    pub(super) fn staged(&self) -> Vec<StagedXorb> {
        let staged = |known: &Known| match known {
            Known::Staged(staged) => Some(*staged),
            Known::Pieces(_) => None,
        };
        self.known.values().filter_map(staged).collect()
    }

    /// How many bytes the xorbs have that are known, each counted once.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |known: &Known| match known {
            Known::Staged(staged) => u64::try_from(staged.size_bytes).unwrap_or_default(),
            // As many as an xorb can have: it lies in objects that are here.
            Known::Pieces(_) => u64::from(XORB_BYTES_MAX),
        };
        self.known.values().map(bytes).sum()
    }

    /// An xorb that was sent for this upload.
    pub(super) fn staged_xorb(&self, xorb: XorbHash) -> Option<StagedXorb> {
        match self.known.get(&xorb)? {
            Known::Staged(staged) => Some(*staged),
            Known::Pieces(_) => None,
        }
    }

    /// Where the bytes of a run lie that was proven.
    pub(super) fn extents(&mut self, term: &Term) -> Result<Vec<Extent>> {
        let unknown = || refused(Refused::UnknownXorb(term.xorb).into());
        let loaded = self.load(term.xorb)?.ok_or_else(unknown)?;
        let at = |chunk: u32| usize::try_from(chunk).unwrap_or(usize::MAX);
        loaded.extents(at(term.chunks.start)..at(term.chunks.end)).ok_or_else(unknown)
    }

    /// A file that has chunks.
    pub(super) fn open(&mut self, place: Place) -> Result<BlobFile> {
        if let Some(file) = self.open.get(&place) {
            return Ok(file);
        }
        let file = match place {
            Place::Staged(id, chunks) => self.hub.store.open_xorb(id, chunks)?.blob,
            Place::Blob(id) => self.hub.store.open_blob(id)?,
        };
        self.open.add(place, file.clone());
        Ok(file)
    }

    pub(super) fn load(&mut self, xorb: XorbHash) -> Result<Option<Arc<Loaded>>> {
        if let Some(loaded) = self.loaded.get(&xorb) {
            return Ok(Some(loaded));
        }
        let Some(known) = self.known.get(&xorb) else { return Ok(None) };
        let loaded = match known {
            Known::Staged(staged) => load_staged(&self.hub, staged)?,
            Known::Pieces(pieces) => load_pieces(&self.hub, pieces)?,
        };
        self.loaded_chunks += loaded.chunks.len();
        if self.loaded_chunks > LOADED_CHUNKS_MAX {
            return Err(Error::invalid("the files of the shard go to and fro between xorbs too often"));
        }
        let loaded = Arc::new(loaded);
        self.loaded.add(xorb, Arc::clone(&loaded));
        Ok(Some(loaded))
    }
}

impl Xorbs for Sources {
    type Error = Error;

    fn chunks(&mut self, xorb: XorbHash) -> Result<Option<impl Deref<Target = [Chunk]>>> {
        Ok(self.load(xorb)?.map(LoadedChunks))
    }
}

fn load_staged(hub: &Hub, staged: &StagedXorb) -> Result<Loaded> {
    let count = u64::try_from(staged.chunks).map_err(Error::internal)?;
    let file = hub.store.open_xorb(staged.id, count)?;
    let chunks = file.chunks().map_err(Error::internal)?;
    let span = Span { chunks: 0..chunks.len(), place: Place::Staged(staged.id, count), at_byte: 0 };
    Ok(Loaded::new(chunks, vec![span]))
}

/// Puts an xorb together from what is known of it; what is not stays out.
fn load_pieces(hub: &Hub, pieces: &[XorbPiece]) -> Result<Loaded> {
    /// Stands for a chunk that lies nowhere.
    const NOWHERE: Chunk = Chunk { hash: ChunkHash::new([0; 32]), size_bytes: 0 };
    let (mut chunks, mut spans) = (Vec::new(), Vec::new());
    for piece in pieces {
        let place = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        let (first, end) = (place(piece.first), place(piece.first.saturating_add(piece.chunks)));
        if end <= chunks.len() || end > XORB_CHUNKS_MAX {
            continue;
        }
        let Some(of_piece) = piece_chunks(hub, piece)? else { continue };
        if chunks.len() < first {
            chunks.resize(first, NOWHERE);
        }
        let known = of_piece.get(..chunks.len() - first).unwrap_or_default();
        let skipped: u64 = known.iter().map(|chunk| u64::from(chunk.size_bytes)).sum();
        let at_byte = u64::try_from(piece.at_byte).map_err(Error::internal)? + skipped;
        let start = chunks.len();
        chunks.extend(of_piece.into_iter().skip(start - first));
        spans.push(Span { chunks: start..chunks.len(), place: Place::Blob(piece.blob), at_byte });
    }
    Ok(Loaded::new(chunks, spans))
}

/// The chunks of a piece; none while the object that has them is not listed.
fn piece_chunks(hub: &Hub, piece: &XorbPiece) -> Result<Option<Vec<Chunk>>> {
    let at_chunk = match &piece.entries {
        Entries::OfObject { at_chunk, .. } => *at_chunk,
        Entries::Own(list) => {
            let (entries, _) = list.as_chunks::<ENTRY_BYTES>();
            let chunks: std::result::Result<Vec<Chunk>, _> = entries.iter().map(Chunk::decode).collect();
            return chunks.map(Some).map_err(Error::internal);
        }
    };
    let list = match hub.store.open_list(piece.blob) {
        Ok(list) => list,
        Err(polder_blob::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let at = u32::try_from(at_chunk).map_err(Error::internal)?;
    let count = u64::try_from(piece.chunks).map_err(Error::internal)?;
    list.entries(list_offset(at), count).map(Some).map_err(Error::internal)
}
