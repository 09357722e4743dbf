//! Many reads of one snapshot.

use std::rc::Rc;

use bytes::Bytes;
use polder_types::ObjectId;

use crate::id_set::IdMap;
use crate::links::{CommitLinks, commit_links, tag_target};
use crate::pack::Decoder;
use crate::{Error, ObjectKind, Result, Snapshot};

/// Longest chain of tags on tags that is followed.
const TAG_CHAIN_MAX: usize = 64;

/// Reads many objects of a snapshot, remembering delta bases and commits in between.
pub struct ObjectReader<'a> {
    snapshot: &'a Snapshot,
    decoder: Decoder,
    commits: IdMap<Rc<CommitLinks>>,
}

impl<'a> ObjectReader<'a> {
    /// Starts with nothing remembered.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let decoder = Decoder::caching(snapshot.object_bytes_max());
        Self { snapshot, decoder, commits: IdMap::default() }
    }

    /// What is read.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The object, inflated; `None` if no pack holds it.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn read(&mut self, id: &ObjectId) -> Result<Option<(ObjectKind, Bytes)>> {
        let Some((at, position)) = self.snapshot.locate(id) else { return Ok(None) };
        let Some(pack) = self.snapshot.packs().get(at) else { return Ok(None) };
        pack.decode(&mut self.decoder, pack.offset_at(position)).map(Some)
    }

    /// Kind and inflated size in bytes; `None` if no pack holds it.
    ///
    /// # Errors
    /// As [`Snapshot::header`].
    pub fn header(&mut self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        let Some((at, position)) = self.snapshot.locate(id) else { return Ok(None) };
        let Some(pack) = self.snapshot.packs().get(at) else { return Ok(None) };
        pack.decode_header(&mut self.decoder, pack.offset_at(position)).map(Some)
    }

    /// An object that must be there and of this kind.
    pub(crate) fn require(&mut self, id: &ObjectId, kind: ObjectKind) -> Result<Bytes> {
        match self.read(id)? {
            Some((found, data)) if found == kind => Ok(data),
            Some(_) => Err(wrong(id, kind, "is another kind of object")),
            None => Err(wrong(id, kind, "is missing")),
        }
    }

    /// A commit's links; the commit must be there.
    pub(crate) fn commit(&mut self, id: &ObjectId) -> Result<Rc<CommitLinks>> {
        if let Some(links) = self.commits.get(id) {
            return Ok(Rc::clone(links));
        }
        let data = self.require(id, ObjectKind::Commit)?;
        let links = commit_links(&data).ok_or_else(|| wrong(id, ObjectKind::Commit, "cannot be parsed"))?;
        let links = Rc::new(links);
        self.commits.insert(*id, Rc::clone(&links));
        Ok(links)
    }

    /// Follows tags from `id`: the tags passed, then the first other object with its kind.
    ///
    /// `None` if `id` itself is not there.
    pub(crate) fn peel(&mut self, id: &ObjectId) -> Result<Option<(Vec<ObjectId>, ObjectId, ObjectKind)>> {
        let mut tags = Vec::new();
        let mut at = *id;
        for _ in 0..TAG_CHAIN_MAX {
            let kind = match self.header(&at)? {
                Some((kind, _)) => kind,
                None if tags.is_empty() => return Ok(None),
                None => return Err(wrong(&at, ObjectKind::Tag, "is missing, yet a tag points at it")),
            };
            if kind != ObjectKind::Tag {
                return Ok(Some((tags, at, kind)));
            }
            let data = self.require(&at, ObjectKind::Tag)?;
            tags.push(at);
            at = tag_target(&data).ok_or_else(|| wrong(&at, ObjectKind::Tag, "cannot be parsed"))?.0;
        }
        Err(Error::too_large(format!("tag {id} leads through more than {TAG_CHAIN_MAX} tags")))
    }
}

fn wrong(id: &ObjectId, kind: ObjectKind, why: &str) -> Error {
    Error::corrupt("walk the objects", format_args!("{} {id} {why}", kind.as_str()))
}
