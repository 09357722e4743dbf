//! Uploads as clients of Xet make them, and as nobody should.

mod attacks;
mod crash;
mod cuts;
mod memory;
mod objects;
mod pages;
mod quota;
mod rules;

use std::ops::Range;

use polder_types::{Sha256, Visibility};
use polder_xet::{
    Chunk, ChunkHash, Cutter, DedupShard, FileHash, FileHasher, FrameHeader, RangeHash, SHARD_BYTES_MAX,
    XorbHash, xorb_hash,
};
use sha2::Digest as _;

use super::{KEPT_SECONDS, ShardStep};
use crate::secret::Secret;
use crate::tests::{Fixture, body, fill, fixture, name, options_in, put, repo, silent, token};
use crate::*;

/// An xorb that is sent: its chunks, and its body.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) hash: XorbHash,
    pub(super) bytes: Vec<Vec<u8>>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) body: Vec<u8>,
}

impl Made {
    pub(super) fn of(bytes: &[&[u8]]) -> Self {
        let chunks: Vec<Chunk> = bytes.iter().map(|bytes| chunk(bytes)).collect();
        let frame = |bytes: &&[u8]| [&FrameHeader::raw(bytes.len()).encode()[..], bytes].concat();
        Self {
            hash: xorb_hash(chunks.clone()),
            bytes: bytes.iter().map(|bytes| bytes.to_vec()).collect(),
            chunks,
            body: bytes.iter().flat_map(frame).collect(),
        }
    }

    /// An object, cut as clients cut it.
    pub(super) fn cut(bytes: &[u8]) -> Self {
        let (mut cutter, mut lengths) = (Cutter::default(), Vec::new());
        cutter.push(bytes, &mut |chunk| lengths.push(chunk.size_bytes));
        lengths.extend(cutter.finish().map(|chunk| chunk.size_bytes));
        let mut rest = bytes;
        let pieces = lengths.iter().map(|length| {
            let (piece, after) = rest.split_at(usize::try_from(*length).expect("small"));
            rest = after;
            piece
        });
        Self::of(&pieces.collect::<Vec<_>>())
    }

    pub(super) fn all(&self) -> Range<u32> {
        0..u32::try_from(self.chunks.len()).expect("few")
    }
}

pub(super) fn chunk(bytes: &[u8]) -> Chunk {
    Chunk { hash: ChunkHash::of(bytes), size_bytes: u32::try_from(bytes.len()).expect("small") }
}

pub(super) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(bytes).into())
}

/// Bytes that repeat nothing.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let (mut state, mut out) = (seed, Vec::with_capacity(len + 8));
    while out.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes()[..7]);
    }
    out.truncate(len);
    out
}

/// A file as a shard says it, true or not.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) hash: FileHash,
    pub(super) terms: Vec<(XorbHash, u32, Range<u32>)>,
    pub(super) ranges: Option<Vec<RangeHash>>,
    pub(super) sha256: Option<Sha256>,
    pub(super) bytes: Vec<u8>,
}

impl Said {
    /// A true file of those runs.
    pub(super) fn of(runs: &[(&Made, Range<u32>)]) -> Self {
        let (mut tree, mut bytes, mut terms, mut ranges) = (FileHasher::default(), vec![], vec![], vec![]);
        for (xorb, range) in runs {
            let at = usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small");
            let run = &xorb.chunks[at.clone()];
            for chunk in run {
                tree.push(*chunk);
            }
            bytes.extend(xorb.bytes[at].concat());
            terms.push((xorb.hash, run.iter().map(|chunk| chunk.size_bytes).sum(), range.clone()));
            ranges.push(RangeHash::of(run));
        }
        let sha256 = Some(sha256(&bytes));
        Self { hash: tree.finish(), terms, ranges: Some(ranges), sha256, bytes }
    }
}

/// The shard that says so.
pub(super) fn shard(files: &[Said], xorbs: &[Made]) -> Vec<u8> {
    let record = |bytes: &[u8; 32], numbers: [u32; 4]| {
        let mut out = bytes.to_vec();
        out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        out
    };
    let end = record(&[255; 32], [0; 4]);
    let mut out = record(
        b"HFRepoMetaData\0\x55\x69\x67\x45\x6a\x7b\x81\x57\x83\xa5\xbd\xd9\x5c\xcd\xd1\x4a\xa9",
        [2, 0, 0, 0],
    );
    let count = |len: usize| u32::try_from(len).expect("few");
    for file in files {
        let flags = u32::from(file.ranges.is_some()) << 31 | u32::from(file.sha256.is_some()) << 30;
        out.extend(record(file.hash.as_bytes(), [flags, count(file.terms.len()), 0, 0]));
        for (xorb, size_bytes, range) in &file.terms {
            out.extend(record(xorb.as_bytes(), [0, *size_bytes, range.start, range.end]));
        }
        for range in file.ranges.iter().flatten() {
            out.extend(record(range.as_bytes(), [0; 4]));
        }
        if let Some(sha256) = file.sha256 {
            let mut swapped = *sha256.as_bytes();
            swapped.chunks_mut(8).for_each(<[u8]>::reverse);
            out.extend(record(&swapped, [0; 4]));
        }
    }
    out.extend(&end);
    for xorb in xorbs {
        let size_bytes = xorb.chunks.iter().map(|chunk| chunk.size_bytes).sum();
        out.extend(record(xorb.hash.as_bytes(), [0, count(xorb.chunks.len()), size_bytes, 0]));
        let mut offset = 0;
        for chunk in &xorb.chunks {
            out.extend(record(chunk.hash.as_bytes(), [offset, chunk.size_bytes, 0, 0]));
            offset += chunk.size_bytes;
        }
    }
    out.extend(&end);
    out
}

pub(super) async fn send<L: Contributes>(hub: &Hub, grant: &Grant<L>, xorb: &Made) -> Result<()> {
    hub.xet_take_xorb(grant, xorb.hash, body(&[&xorb.body])).await
}

pub(super) async fn accept<L: Contributes>(hub: &Hub, grant: &Grant<L>, shard: &[u8]) -> Result<()> {
    let bytes_max = u64::try_from(SHARD_BYTES_MAX).expect("small");
    let held = hub.hold_body(body(&[shard]), BodyEncoding::Identity, bytes_max).await?;
    hub.xet_accept_shard(grant, held, tokio::sync::watch::Sender::new(ShardStep::default())).await
}

/// What the repository has under a hash.
pub(super) async fn read(hub: &Hub, grant: &Grant<Write>, oid: Sha256) -> Result<Vec<u8>> {
    let open = hub.lfs_open(&grant.as_read(), oid).await?;
    let mut bytes = vec![0; usize::try_from(open.size_bytes).expect("small")];
    std::os::unix::fs::FileExt::read_exact_at(&*open.file, &mut bytes, 0).expect("read");
    Ok(bytes)
}

/// Carol, who may read what is public and write to `carol/mine`.
pub(super) async fn carol(fixture: &Fixture) -> Grant<Write> {
    fixture.hub.add_repo(&repo("carol/mine"), Visibility::Public).await.expect("added");
    let carol = fixture.login(token("carol")).await;
    fixture.hub.write(&carol, &repo("carol/mine")).await.expect("hers")
}

/// Files of the store: large objects with their lists, and xorbs that wait.
pub(super) fn stored(hub: &Hub) -> (usize, usize) {
    let mut objects = 0;
    hub.store
        .for_each_file(&mut |_| {
            objects += 1;
            Ok(())
        })
        .expect("listed");
    (objects, hub.store.staged_xorbs().expect("listed").len())
}
