//! What checks a whole clone without a network: a proof of the repository's newest body, and its ref map.

use crate::body::Body;
use crate::body_proof::{BODY_PROOF_BYTES_MAX, BodyProof};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, malformed};
use crate::fault::{Fault, Lie};
use crate::key::VerifierKey;
use crate::reader::Reader;
use crate::ref_map::{REF_MAP_BYTES_MAX, RefMap};

/// Largest proof of a clone, in bytes.
pub const CLONE_PROOF_BYTES_MAX: usize = 12 + BODY_PROOF_BYTES_MAX + REF_MAP_BYTES_MAX;
/// What every proof begins with.
const MAGIC: [u8; 4] = *b"PFC1";
const WHAT: &str = "a proof of a clone";

/// A body and the ref map that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneProof {
    /// The newest event of the repository.
    pub event: BodyProof,
    /// The file that its state names.
    pub refs: Vec<u8>,
}

/// What the hub of the key has signed of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRepo {
    /// The size and root that it signed.
    pub checkpoint: Checkpoint,
    /// Where the event is in the log.
    pub index: u64,
    /// The event.
    pub body: Body,
    /// Where every ref points after it.
    pub refs: RefMap,
}

impl CloneProof {
    /// The bytes: `"PFC1" | length of the proof of the body u32 | length of the ref map u32 | both`.
    ///
    /// # Errors
    /// When a bound is passed.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let event = self.event.encode()?;
        let too_large = |_source| Error::TooLarge { what: WHAT, limit: CLONE_PROOF_BYTES_MAX };
        let mut out = MAGIC.to_vec();
        out.extend(u32::try_from(event.len()).map_err(too_large)?.to_be_bytes());
        out.extend(u32::try_from(self.refs.len()).map_err(too_large)?.to_be_bytes());
        out.extend(event);
        out.extend(&self.refs);
        Ok(out)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is cut off, goes on after its end, or passes a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Reader::new(bytes, WHAT);
        if fields.array()? != MAGIC {
            return Err(malformed(WHAT, "it does not begin as one"));
        }
        let event = fields.count(WHAT, BODY_PROOF_BYTES_MAX)?;
        let refs = fields.count("a ref map", REF_MAP_BYTES_MAX)?;
        let event = BodyProof::decode(fields.slice(event)?)?;
        let refs = fields.slice(refs)?.to_vec();
        fields.end()?;
        Ok(Self { event, refs })
    }

    /// Checks everything in it against the key.
    ///
    /// # Errors
    /// Says what the source did. [`Lie::Body`] when the ref map is not the one that the event names, or it
    /// names none: the repository is deleted, hidden or private.
    pub fn verify(&self, key: &VerifierKey) -> Result<SignedRepo, Fault> {
        let (body, checkpoint) = self.event.verify(key)?;
        let refs = RefMap::decode(&self.refs)?;
        if body.state == Some(refs.state()) {
            Ok(SignedRepo { checkpoint, index: self.event.index, body, refs })
        } else {
            Err(Lie::Body.into())
        }
    }
}
