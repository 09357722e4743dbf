//! Cursors: how far a follower has come in another hub's log, and what it may go on to.

use polder_types::Sha256;

use crate::body::Body;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::event_type::EventType;
use crate::fault::{Evidence, Fault, Lie, Signed};
use crate::frontier::Frontier;
use crate::hash::sha256;
use crate::key::VerifierKey;
use crate::leaf::{Leaf, VERSION};
use crate::origin::LogName;
use crate::page::EventsPage;
use crate::proof::consistency_roots;

/// Everything a follower must keep of a log to go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Which log.
    pub log: LogName,
    /// The tree over all events taken so far.
    pub tree: Frontier,
    /// The highest version of a leaf seen; a lower one is refused from then on.
    pub version: u8,
    /// The newest signed checkpoint taken, and how [`Cursor::tree`] leads to it. `None` at the very beginning.
    pub held: Option<Signed>,
}

/// What a page gave. To be committed as a whole, the cursor with what was done about the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// Where to go on.
    pub cursor: Cursor,
    /// The signed size and root, at or after the cursor.
    pub checkpoint: Checkpoint,
    /// The events, in order.
    pub entries: Vec<Entry>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the log.
    pub index: u64,
    /// Its leaf, which the origin has signed.
    pub leaf: Leaf,
    /// Its body.
    pub content: Content,
}

/// The body of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The page did not have it.
    NotSent,
    /// It is in order.
    Body(Box<Body>),
    /// The origin has signed it and it is not in order: its repository or namespace pauses, nothing else.
    Refused {
        /// As sent, to be kept and relayed; empty when the page did not have it.
        bytes: Vec<u8>,
        /// What is not in order.
        why: Misfit,
    },
}

/// Why an event is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The bytes are not those that the leaf names; only this is the fault of who sent them.
    #[error("it is not the body that the leaf names")]
    Hash,
    /// It is of a later version.
    #[error("it is of version {0}, which this program does not know")]
    Version(u8),
    /// It is of an earlier version than one before it.
    #[error("it is of version {0}, after a later one")]
    Downgrade(u8),
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed(#[source] Error),
    /// The leaf says something else than the body.
    #[error("its leaf says something else")]
    Leaf,
    /// It says it is from another log.
    #[error("it says that it is from another log")]
    Log,
    /// It does not follow the event before it of its repository.
    #[error("it does not follow the event before it of its repository")]
    Chain,
}

/// Reads the body of a leaf and checks one against the other.
///
/// # Errors
/// [`Misfit::Hash`] when it is not the leaf's body; the others when the origin signed what is not in order.
pub fn open_body(log: &LogName, leaf: &Leaf, bytes: &[u8]) -> Result<Body, Misfit> {
    if sha256(&[bytes]) != leaf.body_sha256 {
        return Err(Misfit::Hash);
    }
    if leaf.version > VERSION {
        return Err(Misfit::Version(leaf.version));
    }
    let body = Body::decode(bytes).map_err(Misfit::Malformed)?;
    // A hub also tells of the operation by which a namespace left it, as the namespace signed it for its new home.
    if body.log != *log && body.kind != EventType::NsOp {
        return Err(Misfit::Log);
    }
    if leaf.matches(&body) { Ok(body) } else { Err(Misfit::Leaf) }
}

/// The newest event of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepoHead {
    /// Its position among those of the repository.
    pub rseq: u64,
    /// Its body.
    pub body_sha256: Sha256,
}

/// Checks that `body` goes on where its repository is, or begins it.
///
/// # Errors
/// [`Misfit::Chain`].
pub fn check_next(head: Option<RepoHead>, body: &Body) -> Result<(), Misfit> {
    let follows = match head {
        None => body.prev.is_none(),
        Some(head) => head.rseq.checked_add(1) == Some(body.rseq) && body.prev == Some(head.body_sha256),
    };
    if follows { Ok(()) } else { Err(Misfit::Chain) }
}

impl Cursor {
    /// Before the first event.
    pub fn start(log: LogName) -> Self {
        Self { log, tree: Frontier::default(), version: VERSION, held: None }
    }

    /// At the end of `tree`, which a snapshot gave and `proof` leads from to the checkpoint of `note`.
    ///
    /// # Errors
    /// As [`Cursor::advance`].
    pub fn at(
        log: LogName,
        tree: Frontier,
        note: &str,
        proof: &[Sha256],
        key: &VerifierKey,
    ) -> Result<Self, Fault> {
        let cursor = Self { tree, ..Self::start(log) };
        let page = EventsPage {
            first: cursor.tree.size(),
            checkpoint: note.to_owned(),
            proof: proof.to_vec(),
            ..EventsPage::default()
        };
        // Without anything held before, two pasts cannot be told from a wrong one.
        cursor.advance(&page, key).map(|advanced| advanced.cursor)
    }

    fn open(&self, note: &str, key: &VerifierKey) -> Result<Checkpoint, Fault> {
        let checkpoint = match Checkpoint::open(note, key) {
            Ok(checkpoint) => checkpoint,
            Err(Error::Unsigned { .. }) => return Err(Lie::Signature.into()),
            Err(error) => return Err(error.into()),
        };
        if checkpoint.log == self.log {
            return Ok(checkpoint);
        }
        let LogName { origin, epoch } = checkpoint.log;
        if origin == self.log.origin && epoch > self.log.epoch {
            return Err(Fault::NewEpoch { epoch });
        }
        Err(Lie::Origin.into())
    }

    /// Goes on with a page: the leaves must be the next ones of the log that `key` has signed.
    ///
    /// A page without leaves shows that the log still is the one known so far.
    ///
    /// # Errors
    /// Says who is to blame; the cursor stays where it is.
    pub fn advance(&self, page: &EventsPage, key: &VerifierKey) -> Result<Advanced, Fault> {
        let checkpoint = self.open(&page.checkpoint, key)?;
        if checkpoint.size < self.tree.size() {
            return Err(Fault::Stale { size: checkpoint.size });
        }
        if page.first != self.tree.size() {
            return Err(Lie::Place.into());
        }
        let mut tree = self.tree.clone();
        page.leaves.iter().for_each(|leaf| tree.push(leaf.hash(), |_, _| ()));
        self.connect(&tree, &checkpoint, page)?;
        let bodies = page.bodies_by_hash().ok_or(Lie::Body)?;

        let mut version = self.version;
        let mut entries = Vec::with_capacity(page.leaves.len());
        for (leaf, index) in page.leaves.iter().zip(page.first..) {
            let bytes = bodies.get(&leaf.body_sha256).copied();
            entries.push(Entry { index, leaf: *leaf, content: self.content(leaf, bytes, version) });
            version = version.max(leaf.version);
        }
        let held = Signed { note: page.checkpoint.clone(), steps: vec![(tree.size(), page.proof.clone())] };
        let cursor = Self { log: self.log.clone(), tree, version, held: Some(held) };
        Ok(Advanced { cursor, checkpoint, entries })
    }

    fn content(&self, leaf: &Leaf, bytes: Option<&[u8]>, version: u8) -> Content {
        let opened = if leaf.version < version {
            Err(Misfit::Downgrade(leaf.version))
        } else if let Some(bytes) = bytes {
            open_body(&self.log, leaf, bytes)
        } else {
            return Content::NotSent;
        };
        match opened {
            Ok(body) => Content::Body(Box::new(body)),
            Err(why) => Content::Refused { bytes: bytes.unwrap_or_default().to_vec(), why },
        }
    }

    /// Checks that `tree`, which is the cursor's with the page's leaves, is where the signed one begins.
    fn connect(&self, tree: &Frontier, checkpoint: &Checkpoint, page: &EventsPage) -> Result<(), Fault> {
        let size = tree.size();
        if size > checkpoint.size {
            return Err(Lie::Place.into());
        }
        if (size == 0 || size == checkpoint.size) && !page.proof.is_empty() {
            return Err(Lie::Proof.into());
        }
        let signed_root = if size == checkpoint.size {
            checkpoint.root
        } else if size == 0 {
            return Ok(());
        } else {
            let roots = consistency_roots(size, checkpoint.size, &page.proof);
            let (old_root, root) = roots.map_err(|_source| Lie::Proof)?;
            if root != checkpoint.root {
                return Err(Lie::Proof.into());
            }
            old_root
        };
        if signed_root == tree.root() {
            return Ok(());
        }
        // With leaves from the source, they may be what is wrong; without, it is what the origin signed.
        match &self.held {
            Some(held) if page.leaves.is_empty() => Err(Fault::Equivocated(Box::new(Evidence {
                size,
                held: held.clone(),
                other: Signed { note: page.checkpoint.clone(), steps: vec![(size, page.proof.clone())] },
            }))),
            _ => Err(Lie::Graft.into()),
        }
    }

    /// Compares the note of a source that is behind with what the log was at that size: `path` leads from
    /// there to the cursor, out of the follower's own tiles.
    ///
    /// # Errors
    /// [`Fault::Equivocated`] when the origin signed another past. [`Fault::Source`] when the note is not
    /// the origin's, or `path` is no such path.
    pub fn compare(&self, note: &str, path: &[Sha256], key: &VerifierKey) -> Result<(), Fault> {
        let checkpoint = self.open(note, key)?;
        if checkpoint.size == 0 {
            return Ok(());
        }
        let roots = if checkpoint.size == self.tree.size() {
            Ok((self.tree.root(), self.tree.root()))
        } else {
            consistency_roots(checkpoint.size, self.tree.size(), path)
        };
        let (old_root, root) = roots.map_err(|_source| Lie::Proof)?;
        if root != self.tree.root() {
            return Err(Lie::Proof.into());
        }
        if old_root == checkpoint.root {
            return Ok(());
        }
        let held = self.held.clone().ok_or(Lie::Proof)?;
        let steps = [vec![(checkpoint.size, path.to_vec())], held.steps].concat();
        Err(Fault::Equivocated(Box::new(Evidence {
            size: checkpoint.size,
            held: Signed { note: held.note, steps },
            other: Signed { note: note.to_owned(), steps: Vec::new() },
        })))
    }
}
