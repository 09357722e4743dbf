//! Proofs of one body: what `GET …/repos/<rid>` answers, and what checks a clone without a network.

use polder_types::Sha256;

use crate::body::{BODY_BYTES_MAX, Body};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, malformed};
use crate::fault::{Fault, Lie};
use crate::key::VerifierKey;
use crate::note::NOTE_BYTES_MAX;
use crate::proof::{PROOF_HASHES_MAX, inclusion_root};
use crate::reader::Reader;

/// Largest proof of a body, in bytes.
pub const BODY_PROOF_BYTES_MAX: usize =
    20 + NOTE_BYTES_MAX + PROOF_HASHES_MAX * Sha256::BYTES + BODY_BYTES_MAX;
/// What every proof begins with.
const MAGIC: [u8; 4] = *b"PFB1";
const WHAT: &str = "a proof of a body";

/// A body and how its leaf belongs to a signed tree. Nothing in it is to be believed before
/// [`BodyProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyProof {
    /// Where the leaf is in the log.
    pub index: u64,
    /// The signed note over a tree that holds it.
    pub checkpoint: String,
    /// From the leaf to the root.
    pub path: Vec<Sha256>,
    /// The body.
    pub body: Vec<u8>,
}

impl BodyProof {
    /// The bytes: `"PFB1" | index u64 | note length u16 | path length u16 | body length u32 | note | path | body`.
    ///
    /// # Errors
    /// When a bound is passed.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let too_large = |_source| Error::TooLarge { what: WHAT, limit: BODY_PROOF_BYTES_MAX };
        let mut out = MAGIC.to_vec();
        out.extend(self.index.to_be_bytes());
        out.extend(u16::try_from(self.checkpoint.len()).map_err(too_large)?.to_be_bytes());
        out.extend(u16::try_from(self.path.len()).map_err(too_large)?.to_be_bytes());
        out.extend(u32::try_from(self.body.len()).map_err(too_large)?.to_be_bytes());
        out.extend(self.checkpoint.as_bytes());
        for hash in &self.path {
            out.extend(hash.as_bytes());
        }
        out.extend(&self.body);
        Ok(out)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is cut off, goes on after its end, or passes a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > BODY_PROOF_BYTES_MAX {
            return Err(Error::TooLarge { what: WHAT, limit: BODY_PROOF_BYTES_MAX });
        }
        let mut fields = Reader::new(bytes, WHAT);
        if fields.array()? != MAGIC {
            return Err(malformed(WHAT, "it does not begin as one"));
        }
        let index = fields.u64()?;
        let (note, path) = (usize::from(fields.u16()?), usize::from(fields.u16()?));
        let body = fields.count("a body", BODY_BYTES_MAX)?;
        if path > PROOF_HASHES_MAX {
            return Err(Error::TooLarge { what: "the path of a proof", limit: PROOF_HASHES_MAX });
        }
        let note = str::from_utf8(fields.slice(note)?)
            .map_err(|_source| malformed(WHAT, "its note is not UTF-8"))?;
        let path = (0..path).map(|_| fields.sha256()).collect::<Result<_>>()?;
        let body = fields.slice(body)?.to_vec();
        fields.end()?;
        Ok(Self { index, checkpoint: note.to_owned(), path, body })
    }

    /// The body, once the hub of `key` has signed a log that has it at [`BodyProof::index`], and what it signed.
    ///
    /// That no newer body of the same repository is in that log is not shown by this.
    ///
    /// # Errors
    /// Says what the source did.
    pub fn verify(&self, key: &VerifierKey) -> Result<(Body, Checkpoint), Fault> {
        let checkpoint = match Checkpoint::open(&self.checkpoint, key) {
            Ok(checkpoint) => checkpoint,
            Err(Error::Unsigned { .. }) => return Err(Lie::Signature.into()),
            Err(error) => return Err(error.into()),
        };
        if checkpoint.log.origin.as_str() != key.name() {
            return Err(Lie::Origin.into());
        }
        let body = Body::decode(&self.body)?;
        let leaf = body.leaf();
        let root = inclusion_root(leaf.hash(), self.index, checkpoint.size, &self.path)
            .map_err(|_source| Lie::Proof)?;
        if root != checkpoint.root {
            return Err(Lie::Proof.into());
        }
        if body.log == checkpoint.log { Ok((body, checkpoint)) } else { Err(Lie::Origin.into()) }
    }
}
