//! Who is to blame when a log does not go on as it should.

use polder_types::Sha256;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::key::VerifierKey;
use crate::proof::consistency_roots;

/// Why a page did not advance a cursor. Nothing was taken from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What this source sent is not what the origin signed. Another source may be honest.
    #[error("the source lies: {0}")]
    Source(#[from] Lie),
    /// The source is behind us: its log ends at `size`. It may agree with us up to there,
    /// [`Cursor::compare`](crate::Cursor::compare) tells.
    #[error("the source is behind: it has {size} events")]
    Stale {
        /// Events it has.
        size: u64,
    },
    /// The origin has begun another log. Only an operator may follow there.
    #[error(
        "the origin has begun epoch {epoch} of its log; to accept that, `polder follow` it with `--accept-epoch {epoch}`"
    )]
    NewEpoch {
        /// Which.
        epoch: u32,
    },
    /// The origin has signed two pasts.
    #[error("the origin signed two different logs of {} events", .0.size)]
    Equivocated(Box<Evidence>),
}

/// What a source did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// The checkpoint is not signed by the trusted key.
    #[error("the checkpoint is not signed by the origin's key")]
    Signature,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log")]
    Origin,
    /// The page begins elsewhere, or has more leaves than the signed log.
    #[error("the leaves are not those asked for")]
    Place,
    /// The proof does not lead to the signed root.
    #[error("the proof does not lead to the signed root")]
    Proof,
    /// The proof leads to the signed root, but not from these leaves. When a page without leaves comes to
    /// the same end, the fault is [`Fault::Equivocated`].
    #[error("the leaves are not in the signed log")]
    Graft,
    /// A body is not that of one of the leaves.
    #[error("a body is not that of a leaf")]
    Body,
    /// It cannot be read at all.
    #[error("what it sent cannot be read")]
    Malformed(#[source] Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Source(Lie::Malformed(error))
    }
}

/// A signed checkpoint and how an older tree leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed note.
    pub note: String,
    /// Sizes and the paths from each to the next, the last to that of the checkpoint.
    pub steps: Vec<(u64, Vec<Sha256>)>,
}

impl Signed {
    /// The root at `size` of the log that one of the keys has signed.
    fn root_at(&self, size: u64, keys: &[VerifierKey]) -> Option<(Checkpoint, Sha256)> {
        let checkpoint = keys.iter().find_map(|key| Checkpoint::open(&self.note, key).ok())?;
        let mut found = (checkpoint.size, checkpoint.root);
        for (old, path) in self.steps.iter().rev() {
            if *old == found.0 {
                continue;
            }
            let (old_root, root) = consistency_roots(*old, found.0, path).ok()?;
            if root != found.1 {
                return None;
            }
            found = (*old, old_root);
        }
        (found.0 == size).then_some((checkpoint, found.1))
    }
}

/// Two signed checkpoints that no one log can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The size at which the two logs differ.
    pub size: u64,
    /// What was believed before.
    pub held: Signed,
    /// What contradicts it.
    pub other: Signed,
}

impl Evidence {
    /// Whether it convicts the owner of these keys: both are signed, for one log, with two roots at one size.
    pub fn convicts(&self, keys: &[VerifierKey]) -> bool {
        let sides = self.held.root_at(self.size, keys).zip(self.other.root_at(self.size, keys));
        sides.is_some_and(|((one, root), (other, other_root))| one.log == other.log && root != other_root)
    }
}
