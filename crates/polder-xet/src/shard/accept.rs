//! What a shard that a client uploads proves. All of it holds, or nothing does.
//!
//! The chunk lists of xorbs come from [`Xorbs`], which knows only xorbs whose bytes were read here and which the
//! uploader sent itself or may read: hashes alone, which a shard and its proofs are made of, prove no right to
//! the bytes. What only the bytes prove is left: the SHA-256.

use std::collections::HashSet;
use std::ops::Deref;

use super::file_info::{FileInfo, Term};
use super::refused::{AcceptError, Refused};
use super::sections::Shard;
use super::xorb_info::XorbInfo;
use crate::hash::{Chunk, FileHash, RangeHash, XorbHash};
use crate::list::chunks_max;
use crate::merkle::FileHasher;

/// Xorbs that were read whole, and that the uploader of a shard has a right to.
pub trait Xorbs {
    /// Why a look-up can fail.
    type Error;

    /// The chunks of an xorb; none if it is not known, or not the uploader's to use.
    ///
    /// # Errors
    /// When the look-up fails.
    fn chunks(&mut self, xorb: XorbHash) -> Result<Option<impl Deref<Target = [Chunk]>>, Self::Error>;
}

/// Most bytes that a shard may stand for, which bounds the work of checking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptLimits {
    /// Of one file.
    pub file_bytes: u64,
    /// Of all files.
    pub files_bytes: u64,
}

/// A file whose chunks are proven: runs of xorbs that are known, which together have its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenFile<'a> {
    info: FileInfo<'a>,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// How many chunks it has.
    pub chunks: u64,
}

impl<'a> ProvenFile<'a> {
    /// The hash of its chunks.
    pub fn hash(&self) -> FileHash {
        self.info.hash
    }

    /// Its runs of chunks, in the order of the file.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = Term> + use<'a> {
        self.info.terms()
    }

    /// What the shard says of the SHA-256, which is not proven; see [`Self::settle`].
    pub fn said_sha256(&self) -> Option<[u8; 32]> {
        self.info.sha256
    }

    /// Settles what the shard said of the SHA-256: it must be that of the bytes, which the caller has read.
    ///
    /// # Errors
    /// [`Refused::OtherSha256`] when the uploader said another.
    pub fn settle(&self, sha256: [u8; 32]) -> Result<(), Refused> {
        match self.info.sha256 {
            Some(said) if said != sha256 => Err(Refused::OtherSha256(self.info.hash)),
            _ => Ok(()),
        }
    }
}

/// Proves a shard: its files in turn.
///
/// # Errors
/// [`AcceptError`] for the first thing that does not hold.
pub fn accept<'a, X: Xorbs>(
    shard: &Shard<'a>,
    xorbs: &mut X,
    limits: AcceptLimits,
) -> Result<Vec<ProvenFile<'a>>, AcceptError<X::Error>> {
    let (mut seen, mut files_bytes) = (HashSet::new(), 0_u64);
    for file in shard.files() {
        files_bytes = files_bytes.saturating_add(check_claims(&file, limits)?);
        if files_bytes > limits.files_bytes {
            return Err(Refused::FilesTooLarge.into());
        }
        if !seen.insert(file.hash) {
            return Err(Refused::SameFile(file.hash).into());
        }
    }
    for xorb in shard.xorbs() {
        check_xorb(&xorb, xorbs)?;
    }
    shard.files().map(|file| prove(file, xorbs)).collect()
}

/// Checks what needs no look-up, and says how many bytes the file claims to have.
fn check_claims(file: &FileInfo<'_>, limits: AcceptLimits) -> Result<u64, Refused> {
    let size_bytes = file.size_bytes();
    if size_bytes > limits.file_bytes {
        return Err(Refused::FileTooLarge(file.hash));
    }
    if file.range_hashes().is_none() {
        return Err(Refused::NotVerified(file.hash));
    }
    Ok(size_bytes)
}

fn check_xorb<X: Xorbs>(said: &XorbInfo<'_>, xorbs: &mut X) -> Result<(), AcceptError<X::Error>> {
    let chunks = look_up(said.hash, xorbs)?;
    let mut offset: u32 = 0;
    let is_same = said.chunks().len() == chunks.len()
        && said.chunks().zip(chunks.iter()).all(|(said, chunk)| {
            let begins = offset;
            offset = offset.saturating_add(chunk.size_bytes);
            (&said.hash, said.size_bytes, said.offset) == (chunk.hash.as_bytes(), chunk.size_bytes, begins)
        });
    if is_same && said.size_bytes == offset { Ok(()) } else { Err(Refused::OtherChunks(said.hash).into()) }
}

fn prove<'a, X: Xorbs>(file: FileInfo<'a>, xorbs: &mut X) -> Result<ProvenFile<'a>, AcceptError<X::Error>> {
    let mut tree = FileHasher::default();
    let chunks_max = chunks_max(file.size_bytes());
    for (term, range_hash) in file.terms().zip(file.range_hashes().into_iter().flatten()) {
        let chunks = look_up(term.xorb, xorbs)?;
        let run = run(&term, &chunks).ok_or(Refused::NoSuchChunks(file.hash))?;
        if u64::try_from(run.len()).is_ok_and(|run| tree.chunks() + run > chunks_max) {
            return Err(Refused::TooManyChunks(file.hash).into());
        }
        let size_bytes: u64 = run.iter().map(|chunk| u64::from(chunk.size_bytes)).sum();
        if size_bytes != u64::from(term.size_bytes) {
            return Err(Refused::OtherLength(file.hash).into());
        }
        if RangeHash::of(run) != range_hash {
            return Err(Refused::OtherRange(file.hash).into());
        }
        for chunk in run {
            tree.push(*chunk);
        }
    }
    let (size_bytes, chunks) = (tree.size_bytes(), tree.chunks());
    if tree.finish() != file.hash {
        return Err(Refused::OtherHash(file.hash).into());
    }
    Ok(ProvenFile { info: file, size_bytes, chunks })
}

fn look_up<X: Xorbs>(
    xorb: XorbHash,
    xorbs: &mut X,
) -> Result<impl Deref<Target = [Chunk]>, AcceptError<X::Error>> {
    let chunks = xorbs.chunks(xorb).map_err(AcceptError::Lookup)?;
    Ok(chunks.ok_or(Refused::UnknownXorb(xorb))?)
}

/// The chunks that a term names.
fn run<'a>(term: &Term, chunks: &'a [Chunk]) -> Option<&'a [Chunk]> {
    let at = |chunk: u32| usize::try_from(chunk).ok();
    chunks.get(at(term.chunks.start)?..at(term.chunks.end)?).filter(|run| !run.is_empty())
}
