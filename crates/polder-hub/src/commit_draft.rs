//! A commit while its changes arrive, line by line.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};

use bytes::Bytes;
use polder_blob::Scratch;
use polder_git::{BlobSpool, COMMIT_CHANGES_MAX, Change, Signature};
use polder_types::limits::GIT_OBJECT_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId, Sha256};
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Contribute, Grant};
use crate::body::BlockingBody;
use crate::body_budget::Reserved;
use crate::commit::CommitRequest;
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;

/// Longest line of a commit's body, in bytes: the largest file in base64, with its path and punctuation.
const LINE_BYTES_MAX: u64 = GIT_OBJECT_BYTES_MAX / 3 * 4 + (64 << 10);
/// Oids looked up at a time.
const OIDS_PER_QUERY: usize = 1_000;

/// Understands the lines of a commit's body and tells the draft what they say.
pub type ReadCommit = fn(&mut Lines, &mut CommitDraft) -> Result<(), OpenError>;

/// The lines of a body as it arrives, one at a time in memory, which is counted.
pub struct Lines {
    body: BufReader<BlockingBody>,
    line: Vec<u8>,
    reserved: Reserved,
}

impl Lines {
    pub(crate) fn new(body: BlockingBody, reserved: Reserved) -> Self {
        Self { body: BufReader::with_capacity(256 << 10, body), line: Vec::new(), reserved }
    }

    /// The next line that is not empty, without its end. Blocking.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] for a line that no file in git needs, [`Kind::Invalid`] when the body is cut
    /// short, [`Kind::Unavailable`] when other requests have all the memory there is for bodies.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            if !self.fill()? {
                return Ok(None);
            }
            let length = self.line.trim_ascii_end().len();
            if length > 0 {
                return Ok(self.line.get(..length));
            }
        }
    }

    /// Reads up to a line feed; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        loop {
            let before = self.line.len();
            let step = (&mut self.body).take(1 << 20).read_until(b'\n', &mut self.line);
            let count = step.map_err(|error| Error::invalid("the commit was cut short").caused_by(error))?;
            self.reserved.grow_to(self.line.capacity())?;
            if count == 0 {
                return Ok(before > 0);
            }
            if self.line.ends_with(b"\n") {
                return Ok(true);
            }
            if u64::try_from(self.line.len()).is_ok_and(|length| length > LINE_BYTES_MAX) {
                let max = GIT_OBJECT_BYTES_MAX >> 20;
                let message =
                    format!("a file in a commit may have at most {max} MiB; upload it as an LFS file");
                return Err(Error::new(Kind::TooLarge, message));
            }
        }
    }
}

/// New files of a draft, and the directory that holds them.
pub(crate) struct Spool {
    blobs: BlobSpool,
    _scratch: Scratch,
}

impl Spool {
    pub(crate) fn blobs(&self) -> &BlobSpool {
        &self.blobs
    }
}

/// What a commit will be. Its methods are blocking.
pub struct CommitDraft<'a> {
    hub: &'a Hub,
    grant: &'a Grant<Contribute>,
    message: String,
    parent: Option<ObjectId>,
    changes: Vec<Change>,
    /// Places in `changes` of pointers whose size nobody said.
    sizeless: Vec<usize>,
    spool: Spool,
}

impl<'a> CommitDraft<'a> {
    pub(crate) fn new(hub: &'a Hub, grant: &'a Grant<Contribute>) -> Result<Self> {
        let scratch = hub.store.quarantine()?;
        let spool = Spool { blobs: BlobSpool::new(scratch.path()), _scratch: scratch };
        let (message, changes, sizeless) = (String::new(), Vec::new(), Vec::new());
        Ok(Self { hub, grant, message, parent: None, changes, sizeless, spool })
    }

    /// Sets the message, and the commit that the branch must be at.
    pub fn begin(&mut self, message: String, parent: Option<ObjectId>) {
        self.message = message;
        self.parent = parent;
    }

    /// A small file, as git will hold it.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] for one that belongs in LFS, or when all of them are too many bytes.
    pub fn write(&mut self, path: String, content: Vec<u8>) -> Result<()> {
        if u64::try_from(content.len()).is_ok_and(|size| size > GIT_OBJECT_BYTES_MAX) {
            let max = GIT_OBJECT_BYTES_MAX >> 20;
            let message = format!("`{path}` has more than {max} MiB; upload it as an LFS file");
            return Err(Error::new(Kind::TooLarge, message));
        }
        if path == ".gitattributes" || path.ends_with("/.gitattributes") {
            return self.push(Change::Write { path, content: Bytes::from(content), executable: false });
        }
        let oid = self.spool.blobs.add(&content)?;
        self.push(Change::Place { path, oid, executable: false })
    }

    /// A large object that was uploaded before; its size is looked up if the client does not say it.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] over the limit of changes.
    pub fn write_large(&mut self, path: String, oid: Sha256, size_bytes: Option<u64>) -> Result<()> {
        if size_bytes.is_none() {
            self.sizeless.push(self.changes.len());
        }
        let pointer = LfsPointer { oid, size_bytes: size_bytes.unwrap_or_default() };
        self.push(Change::WritePointer { path, pointer })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] over the limit of changes.
    pub fn delete(&mut self, path: String) -> Result<()> {
        self.push(Change::Delete { path })
    }

    /// Removes a folder.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] over the limit of changes.
    pub fn delete_folder(&mut self, path: String) -> Result<()> {
        self.push(Change::DeleteFolder { path })
    }

    /// A file that is elsewhere in this repository, or was in another revision of it.
    ///
    /// # Errors
    /// [`OpenError::Revision`] and [`OpenError::Entry`] when it is not there.
    pub fn copy(&mut self, from: &str, revision: &str, path: String) -> Result<(), OpenError> {
        let held = Handle::current().block_on(self.hub.held(self.grant.repo_id()))?;
        let meant = self.hub.commit_meant(self.grant.repo_id(), &held.snapshot, revision);
        let commit_id = Handle::current().block_on(meant).map_err(OpenError::Revision)?;
        let missing = |error| OpenError::Entry { commit_id, error };
        let entry =
            polder_git::entry(&held.snapshot, commit_id, from).map_err(|error| missing(error.into()))?;
        // A link is a file with its target, as when it is fetched.
        if !entry.kind.is_blob() {
            return Err(missing(Error::not_found(format!("`{from}` is not a file"))));
        }
        let executable = entry.kind == polder_git::EntryKind::Executable;
        let change = match entry.pointer {
            Some(pointer) => Change::WritePointer { path, pointer },
            None => Change::Place { path, oid: entry.oid, executable },
        };
        Ok(self.push(change)?)
    }

    fn push(&mut self, change: Change) -> Result<()> {
        if self.changes.len() >= COMMIT_CHANGES_MAX {
            let message = format!("a commit may have at most {COMMIT_CHANGES_MAX} changes");
            return Err(Error::new(Kind::TooLarge, message));
        }
        self.changes.push(change);
        Ok(())
    }

    pub(crate) fn finish(mut self, branch: String) -> Result<(CommitRequest, Spool)> {
        self.find_sizes()?;
        let author = self.hub.author(self.grant);
        let Self { message, parent, changes, spool, .. } = self;
        Ok((CommitRequest { branch, parent, changes, author, message }, spool))
    }

    fn find_sizes(&mut self) -> Result<()> {
        for places in self.sizeless.chunks(OIDS_PER_QUERY) {
            let oid = |place: &usize| match self.changes.get(*place) {
                Some(Change::WritePointer { pointer, .. }) => Some(pointer.oid),
                _ => None,
            };
            let oids: Vec<Sha256> = places.iter().filter_map(oid).collect();
            let linked = self.hub.db.linked_blobs(self.grant.repo_id(), &oids);
            let linked = Handle::current().block_on(linked)?;
            let sizes: HashMap<Sha256, u64> = linked
                .iter()
                .filter_map(|blob| Some((blob.sha256, u64::try_from(blob.size_bytes).ok()?)))
                .collect();
            for place in places {
                let Some(Change::WritePointer { path, pointer }) = self.changes.get_mut(*place) else {
                    continue;
                };
                pointer.size_bytes = *sizes.get(&pointer.oid).ok_or_else(|| {
                    Error::invalid(format!(
                        "`{path}` needs object {}, which this repository has not",
                        pointer.oid
                    ))
                })?;
            }
        }
        Ok(())
    }
}

impl Hub {
    /// Whose name the commits are under that the hub makes for the holder of a grant.
    pub(crate) fn author<L>(&self, grant: &Grant<L>) -> Signature {
        let name = grant.principal().name().unwrap_or("anonymous").to_owned();
        let host = self.public_url.split("://").last().unwrap_or_default();
        let host = host.split(['/', ':']).next().unwrap_or_default();
        Signature { email: format!("{name}@users.noreply.{host}"), name, time: self.clock.now() }
    }
}
