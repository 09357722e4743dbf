//! What a bundle has of one repository: its ref map, the git objects that this reaches, and the large ones.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use polder_git::{ObjectKind, ObjectReader, PackOptions, Snapshot};
use polder_log::{Body, Meta, Objects, RefMap};
use polder_types::limits::LFS_POINTER_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId, Sha256};
use polder_xet::{HEADER_BYTES, ListHeader};
use sha2::Digest as _;
use tokio::runtime::Handle;

use super::export::Export;
use super::gather::Newest;
use super::layout::length;
use super::row::{Key, Kind};
use crate::LIST_PAGE_CHUNKS_MAX;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::follow::select;

/// Most bytes of a piece of a large object, which is no larger than a part: what is written again after a stop in
/// its midst.
const PIECE_BYTES_MAX: u64 = 64 << 20;
/// Bytes copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// A repository that a bundle shall have.
pub(super) struct Selected {
    pub(super) path: String,
    rid: Sha256,
    body: Body,
    first: Option<Sha256>,
}

/// What became of it.
pub(super) enum Outcome {
    /// It is in the bundle.
    Whole,
    /// It is not whole here.
    LeftOut(String),
}

impl Export {
    /// A repository as its newest event says, if that selects it.
    pub(super) fn selected(&self, rid: Sha256, newest: Newest) -> Result<Option<Selected>> {
        // The receiver cannot use one whose newest event was erased either.
        let Some(body) = self.body(newest.body)? else { return Ok(None) };
        let target = select::target(&body, &self.rules).filter(|target| target.hidden.is_none());
        Ok(target.map(|target| Selected { path: target.path, rid, body, first: newest.first }))
    }

    /// Writes a repository, all of it or nothing.
    pub(super) fn repository(&mut self, selected: &Selected) -> Result<Outcome> {
        match self.whole_repository(selected) {
            Ok(()) => Ok(Outcome::Whole),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Gone) => {
                Ok(Outcome::LeftOut(error.message().to_owned()))
            }
            Err(error) => {
                let message = format!("{}: {}", selected.path, error.message());
                Err(Error::new(error.kind(), message).caused_by(error))
            }
        }
    }

    fn whole_repository(&mut self, selected: &Selected) -> Result<()> {
        let runtime = Handle::current();
        let Selected { rid, body, .. } = selected;
        let state =
            body.state.ok_or_else(|| Error::not_found("its newest event does not say what it holds"))?;
        let bytes = runtime.block_on(self.hub.log_file(&self.tip, *rid, state.refs_sha256, true))?;
        let map = RefMap::decode(&bytes).map_err(Error::internal)?;
        let manifest = match &body.objects {
            Some(Objects::Manifest { sha256, .. }) => {
                Some((*sha256, runtime.block_on(self.hub.log_file(&self.tip, *rid, *sha256, false))?))
            }
            _ => None,
        };
        let grant = runtime.block_on(self.hub.read_logged(*rid))?;
        let snapshot = runtime.block_on(self.hub.held(grant.repo_id()))?.snapshot;
        let tips = tips(&map);
        let missing = tips.iter().find(|tip| !snapshot.contains(tip));
        if let Some(tip) = missing {
            return Err(Error::not_found(format!("the git object {tip} is not here any more")));
        }
        let had = self.had(selected)?;
        let objects = polder_git::objects_between(&snapshot, &tips, &had)?;
        let mut large = Vec::new();
        for oid in pointers(&snapshot, &objects)? {
            let open = runtime.block_on(self.hub.public_object(oid));
            let open = open.map_err(|error| {
                Error::new(error.kind(), format!("large object `{oid}`: {}", error.message()))
                    .caused_by(error)
            })?;
            large.push((oid, open.size_bytes));
        }
        for (oid, size_bytes) in large {
            self.large_object(oid, size_bytes)?;
        }
        if let Some((sha256, bytes)) = manifest {
            self.writer.put(Key::of(Kind::Manifest, sha256), &bytes)?;
        }
        self.writer.put(Key::of(Kind::Refs, state.refs_sha256), &bytes)?;
        let key = Key::of(Kind::Pack, *rid);
        if self.writer.has(&key) {
            return Ok(());
        }
        let options = PackOptions { offset_deltas: true, bases: None };
        self.writer.add(key, |out| {
            polder_git::write_pack(&snapshot, &objects, options, out)?;
            Ok(())
        })
    }

    /// What the receiver's refs are, as far as it is known.
    fn had(&self, selected: &Selected) -> Result<Vec<ObjectId>> {
        let (Some(since), Some(first)) = (&self.since, selected.first) else { return Ok(Vec::new()) };
        let Some(before) = self.body(first)?.and_then(|body| body.prev) else { return Ok(Vec::new()) };
        let Some(before) = self.body(before)? else { return Ok(Vec::new()) };
        let target = select::target(&before, &self.rules);
        let has = |meta: &Meta| since.has(selected.rid, meta);
        let target = target.filter(|target| target.hidden.is_none() && before.meta.as_ref().is_some_and(has));
        let (Some(_target), Some(state)) = (target, before.state) else { return Ok(Vec::new()) };
        let map =
            Handle::current().block_on(self.hub.log_file(&self.tip, selected.rid, state.refs_sha256, true));
        match map {
            Ok(map) => Ok(tips(&RefMap::decode(&map).map_err(Error::internal)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes a large object, piece by piece, and its chunk list, if it has one.
    fn large_object(&mut self, oid: Sha256, size_bytes: u64) -> Result<()> {
        let runtime = Handle::current();
        let piece_bytes = PIECE_BYTES_MAX.min(self.writer.file_size);
        // An empty one has one piece, too.
        let starts = || (0..size_bytes.div_ceil(piece_bytes).max(1)).map(|piece| piece * piece_bytes);
        if !starts().all(|at| self.writer.has(&Key::object(oid, at))) {
            let open = runtime.block_on(self.hub.public_object(oid))?;
            let mut hash = sha2::Sha256::new();
            for at in starts() {
                (self.say)(&format!("object {oid}: {at} of {size_bytes} bytes"));
                let (key, bytes) = (Key::object(oid, at), piece_bytes.min(size_bytes - at));
                if self.writer.has(&key) {
                    // Written before a stop; it is hashed with the rest.
                    copy(&open.file, at, bytes, |some| {
                        hash.update(some);
                        Ok(())
                    })?;
                    continue;
                }
                self.writer.add(key, |out| {
                    copy(&open.file, at, bytes, |some| {
                        hash.update(some);
                        out.write_all(some).map_err(Error::internal)
                    })
                })?;
            }
            if Sha256::new(hash.finalize().into()) != oid {
                self.writer.forget()?;
                return Err(Error::unavailable(format!("large object `{oid}` is damaged here")));
            }
        }
        let key = Key::of(Kind::List, oid);
        if !self.writer.has(&key) {
            match self.chunk_list(oid) {
                Ok(list) => self.writer.put(key, &list)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn chunk_list(&self, oid: Sha256) -> Result<Vec<u8>> {
        let page = |from| -> Result<Bytes> {
            Handle::current().block_on(self.hub.public_chunks(oid, from, LIST_PAGE_CHUNKS_MAX))
        };
        let mut list = page(0)?.to_vec();
        let chunks = ListHeader::decode(&list).map_err(Error::internal)?.0.chunks;
        let mut from = LIST_PAGE_CHUNKS_MAX;
        while from < chunks {
            list.extend(page(from)?.get(HEADER_BYTES..).unwrap_or_default());
            from = from.saturating_add(LIST_PAGE_CHUNKS_MAX);
        }
        Ok(list)
    }
}

/// Hands the bytes of a place in a file to `take`, some at a time.
fn copy(file: &File, at: u64, bytes: u64, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; usize::try_from(COPY_BYTES.min(bytes)).map_err(Error::internal)?];
    let mut done = 0;
    while done < bytes {
        let some = usize::try_from(COPY_BYTES.min(bytes - done)).map_err(Error::internal)?;
        let some = buffer.get_mut(..some).unwrap_or_default();
        file.read_exact_at(some, at + done).map_err(Error::internal)?;
        take(some)?;
        done += length(some.len());
    }
    Ok(())
}

/// What the refs of a map point at, each once.
fn tips(map: &RefMap) -> Vec<ObjectId> {
    let mut tips: Vec<ObjectId> = map.refs().iter().map(|(_, oid)| *oid).collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}

/// The large objects that are named by git objects.
fn pointers(snapshot: &Snapshot, objects: &[ObjectId]) -> Result<BTreeSet<Sha256>> {
    let (mut reader, mut found) = (ObjectReader::new(snapshot), BTreeSet::new());
    for id in objects {
        let Some((ObjectKind::Blob, size)) = reader.header(id)? else { continue };
        if size > length(LFS_POINTER_BYTES_MAX) {
            continue;
        }
        if let Some((_, data)) = reader.read(id)?
            && let Some(pointer) = LfsPointer::parse(&data)
        {
            found.insert(pointer.oid);
        }
    }
    Ok(found)
}
