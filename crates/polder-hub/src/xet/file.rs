//! What a file is made of, as clients of Xet ask for it: runs of chunks, each with a link to its bytes.

use std::collections::HashMap;
use std::ops::Range;

use polder_db::Blob;
use polder_types::Sha256;
use polder_xet::{FileHash, RawXorb, Run, XorbHash};

use super::FRAME_BYTES;
use super::link::{DataLink, LINK_SECONDS};
use crate::Hub;
use crate::access::{Grant, Read, Sees};
use crate::error::{Error, Result};
use crate::lfs_transfer::DAMAGED;

/// A file that is served chunk by chunk.
#[derive(Debug, Clone)]
pub struct XetFile {
    blob: Blob,
    file: FileHash,
    size_bytes: u64,
}

impl XetFile {
    /// Its length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Some chunks of an xorb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XetTerm {
    /// The xorb.
    pub xorb: XorbHash,
    /// Which of its chunks.
    pub chunks: Range<u64>,
    /// How many bytes of the file they are.
    pub size_bytes: u64,
    /// Where in the xorb they are.
    pub bytes: Range<u64>,
    /// The query with which the xorb's URL gives those.
    pub query: String,
}

/// What bytes of a file are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XetTerms {
    /// How many bytes of the first term come before those.
    pub skip_bytes: u64,
    /// Their chunks, in turn.
    pub terms: Vec<XetTerm>,
}

impl Hub {
    /// The file hashes of those of `oids` that can be served chunk by chunk: they are here, linked by the
    /// repository, sound, and listed.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn xet_hashes(
        &self,
        grant: &Grant<impl Sees>,
        oids: &[Sha256],
    ) -> Result<HashMap<Sha256, FileHash>> {
        let linked = self.db.linked_blobs(grant.repo_id(), oids).await?;
        let sound = linked.into_iter().filter(|blob| !blob.damaged);
        Ok(sound.filter_map(|blob| Some((blob.sha256, blob.xet?))).collect())
    }

    /// The file of a repository that a hash names. A lazy mirror has it fetched first.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when the repository has none, [`crate::Kind::Unavailable`] while it is
    /// damaged, or not here yet.
    pub async fn xet_file(&self, grant: &Grant<Read>, file: FileHash) -> Result<XetFile> {
        let repo = grant.repo_id();
        let mut blob = self.db.file_of_repo(repo, file).await?;
        if blob.is_none() && self.bring_file(repo, file).await? {
            blob = self.db.file_of_repo(repo, file).await?;
        }
        let blob = blob.ok_or_else(|| Error::not_found(format!("this repository has no file `{file}`")))?;
        if blob.damaged {
            return Err(Error::unavailable(DAMAGED));
        }
        let size_bytes = u64::try_from(blob.size_bytes).map_err(Error::internal)?;
        Ok(XetFile { blob, file, size_bytes })
    }

    /// What some bytes of a file are made of.
    ///
    /// # Errors
    /// When its chunk list cannot be read.
    pub async fn xet_terms(
        &self,
        grant: &Grant<Read>,
        file: &XetFile,
        bytes: Range<u64>,
    ) -> Result<XetTerms> {
        let mut answer = XetTerms { skip_bytes: 0, terms: Vec::new() };
        for run in self.runs_of(&file.blob, file.file, bytes.clone()).await? {
            let is_first = answer.terms.is_empty();
            let end = run.offset.saturating_add(run.size_bytes);
            let part = if bytes.start <= run.offset && end <= bytes.end {
                Part::whole(&run)
            } else {
                let chunks = self.chunks_of(file.blob.id, &run).await?;
                Part::of(&run, &RawXorb::new(&chunks, run.offset).map_err(Error::internal)?, &chunks, &bytes)?
            };
            if is_first {
                answer.skip_bytes = bytes.start.saturating_sub(part.offset);
            }
            answer.terms.push(self.term(grant, file, &run, part));
        }
        Ok(answer)
    }

    fn term(&self, grant: &Grant<Read>, file: &XetFile, run: &Run, part: Part) -> XetTerm {
        let link = DataLink {
            repo: grant.repo_id(),
            oid: file.blob.sha256,
            xorb: run.hash,
            first: run.first,
            chunks: run.chunks,
            offset: run.offset,
            bytes: part.bytes.clone(),
            expires: self.clock.now().plus_seconds(LINK_SECONDS),
        };
        let query = link.query(&self.keys.url);
        XetTerm { xorb: run.hash, chunks: part.chunks, size_bytes: part.size_bytes, bytes: part.bytes, query }
    }
}

/// Which chunks of a run are needed.
struct Part {
    chunks: Range<u64>,
    /// Where in the file they begin, and how many bytes they are.
    offset: u64,
    size_bytes: u64,
    /// Where in the xorb they are.
    bytes: Range<u64>,
}

impl Part {
    fn whole(run: &Run) -> Self {
        let bytes = 0..run.size_bytes + run.chunks * FRAME_BYTES;
        Self { chunks: 0..run.chunks, offset: run.offset, size_bytes: run.size_bytes, bytes }
    }

    /// The chunks of `run` that have some of `wanted`.
    fn of(run: &Run, xorb: &RawXorb<'_>, chunks: &[polder_xet::Chunk], wanted: &Range<u64>) -> Result<Self> {
        let (mut at, mut first, mut end) = (run.offset, None, 0);
        let (mut offset, mut size_bytes) = (run.offset, 0);
        for (place, chunk) in chunks.iter().enumerate() {
            let next = at + u64::from(chunk.size_bytes);
            if next > wanted.start && at < wanted.end {
                if first.is_none() {
                    (first, offset) = (Some(place), at);
                }
                (end, size_bytes) = (place + 1, next - offset);
            }
            at = next;
        }
        let none = || Error::internal("the chunks of a run are not where its row says");
        let first = first.ok_or_else(none)?;
        let bytes = xorb.body_range(first..end).ok_or_else(none)?;
        let place = |place: usize| u64::try_from(place).map_err(Error::internal);
        Ok(Self { chunks: place(first)?..place(end)?, offset, size_bytes, bytes })
    }
}
