//! Pages: what a source answers to `GET …/events`.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::Sha256;

use crate::body::BODY_BYTES_MAX;
use crate::error::{Error, Result, malformed};
use crate::hash::sha256;
use crate::leaf::Leaf;
use crate::note::NOTE_BYTES_MAX;
use crate::proof::PROOF_HASHES_MAX;
use crate::reader::Reader;

/// Largest page, in bytes.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Most leaves in a page.
pub const PAGE_LEAVES_MAX: usize = 4096;
/// What every page begins with.
const MAGIC: [u8; 4] = *b"PFE1";
const WHAT: &str = "a page of events";

/// Leaves from `first` on, the bodies asked for, and how they belong to a signed tree. Nothing in it is
/// to be believed before [`Cursor::advance`](crate::Cursor::advance).
///
/// ```
/// use polder_log::EventsPage;
/// let page = EventsPage { first: 7, checkpoint: "a note".to_owned(), ..EventsPage::default() };
/// assert_eq!(EventsPage::decode(&page.encode().unwrap()), Ok(page));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsPage {
    /// Index of the first leaf.
    pub first: u64,
    /// The signed note over a tree that holds all the leaves.
    pub checkpoint: String,
    /// From the tree that ends with the last leaf to that of the checkpoint; empty when they are the same
    /// tree, or the former has no leaf.
    pub proof: Vec<Sha256>,
    /// In the order of the log.
    pub leaves: Vec<Leaf>,
    /// Bodies of some of the leaves.
    pub bodies: Vec<Vec<u8>>,
}

impl EventsPage {
    /// The bytes on the wire: `"PFE1" | first u64 | note length u16 | proof length u16 | leaves u32 |
    /// bodies u32 | note | proof | leaves | for each body: length u32 | body`.
    ///
    /// # Errors
    /// When a bound is passed.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let too_large = |what, limit| Error::TooLarge { what, limit };
        let short = |count: usize, what| u16::try_from(count).map_err(|_source| too_large(what, 0xffff));
        let long = |count: usize| u32::try_from(count).map_err(|_source| too_large(WHAT, PAGE_BYTES_MAX));
        let mut out = MAGIC.to_vec();
        out.extend(self.first.to_be_bytes());
        out.extend(short(self.checkpoint.len(), "a note")?.to_be_bytes());
        out.extend(short(self.proof.len(), "a proof")?.to_be_bytes());
        out.extend(long(self.leaves.len())?.to_be_bytes());
        out.extend(long(self.bodies.len())?.to_be_bytes());
        out.extend(self.checkpoint.as_bytes());
        self.proof.iter().for_each(|hash| out.extend(hash.as_bytes()));
        self.leaves.iter().for_each(|leaf| out.extend(leaf.encode()));
        for body in &self.bodies {
            out.extend(long(body.len())?.to_be_bytes());
            out.extend(body);
        }
        let fits = out.len() <= PAGE_BYTES_MAX && self.leaves.len() <= PAGE_LEAVES_MAX;
        if fits { Ok(out) } else { Err(too_large(WHAT, PAGE_BYTES_MAX)) }
    }

    /// Reads what came over the wire.
    ///
    /// # Errors
    /// When it is cut off, goes on after its end, or passes a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > PAGE_BYTES_MAX {
            return Err(Error::TooLarge { what: WHAT, limit: PAGE_BYTES_MAX });
        }
        let mut fields = Reader::new(bytes, WHAT);
        if fields.array()? != MAGIC {
            return Err(malformed(WHAT, "it does not begin as one"));
        }
        let first = fields.u64()?;
        let (note, proof) = (usize::from(fields.u16()?), usize::from(fields.u16()?));
        let leaves = fields.count("the leaves of a page", PAGE_LEAVES_MAX)?;
        let bodies = fields.count("the bodies of a page", leaves)?;
        if note > NOTE_BYTES_MAX {
            return Err(Error::TooLarge { what: "the note of a page", limit: NOTE_BYTES_MAX });
        }
        if proof > PROOF_HASHES_MAX {
            return Err(Error::TooLarge { what: "the proof of a page", limit: PROOF_HASHES_MAX });
        }
        let note = str::from_utf8(fields.slice(note)?)
            .map_err(|_source| malformed(WHAT, "its note is not UTF-8"))?;
        let proof = (0..proof).map(|_| fields.sha256()).collect::<Result<_>>()?;
        let leaves = (0..leaves).map(|_| Leaf::decode(fields.slice(Leaf::BYTES)?)).collect::<Result<_>>()?;
        let mut body = || {
            let length = fields.count("a body", BODY_BYTES_MAX)?;
            fields.slice(length).map(<[u8]>::to_vec)
        };
        let bodies = (0..bodies).map(|_| body()).collect::<Result<_>>()?;
        fields.end()?;
        Ok(Self { first, checkpoint: note.to_owned(), proof, leaves, bodies })
    }

    /// The bodies by their hashes, if each is that of one of the leaves. Its length is the origin's word,
    /// not the source's, and checked with the other fields of the leaf.
    pub(crate) fn bodies_by_hash(&self) -> Option<BTreeMap<Sha256, &[u8]>> {
        let wanted: BTreeSet<Sha256> = self.leaves.iter().map(|leaf| leaf.body_sha256).collect();
        let found = self.bodies.iter().map(|body| (sha256(&[body]), body.as_slice()));
        let found: BTreeMap<Sha256, &[u8]> = found.collect();
        found.keys().all(|hash| wanted.contains(hash)).then_some(found)
    }
}
