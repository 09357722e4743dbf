//! Leaves: what the tree is made of, 120 bytes for each event.

use polder_types::{RepoKind, Sha256};

use crate::error::Result;
use crate::event_type::EventType;
use crate::hash::{leaf_hash, sha256};
use crate::reader::Reader;

/// The version of leaves and bodies that this program writes.
pub const VERSION: u8 = 1;
/// The flag of events that must be understood before anything newer of their repository is applied.
const CRITICAL: u16 = 1;

/// One event in short. Every field can be derived from the event's body.
///
/// ```
/// use polder_log::Leaf;
/// let bytes = [1; Leaf::BYTES];
/// assert_eq!(Leaf::decode(&bytes).unwrap().encode(), bytes);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The version of the body's format.
    pub version: u8,
    /// What happened.
    pub kind: EventType,
    /// Bit 0: critical. The others are zero in version 1.
    pub flags: u16,
    /// Length of the body in bytes.
    pub body_len: u32,
    /// The repository; zero for events of namespaces and hubs.
    pub rid: Sha256,
    /// Position among the published events of the repository, or the operations of the namespace, from 1.
    pub rseq: u64,
    /// When, in milliseconds since 1970; informative, the index is the order.
    pub time_ms: u64,
    /// Names the body.
    pub body_sha256: Sha256,
    /// Helps those who look for some repositories only.
    pub hint: Hint,
}

impl Leaf {
    /// Length in bytes.
    pub const BYTES: usize = 120;

    /// Whether the event must be understood.
    pub fn is_critical(&self) -> bool {
        self.flags & CRITICAL != 0
    }

    pub(crate) fn flags(critical: bool) -> u16 {
        if critical { CRITICAL } else { 0 }
    }

    /// The bytes in the tree.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let fields: [&[u8]; 8] = [
            &[self.version, self.kind.code()],
            &self.flags.to_be_bytes(),
            &self.body_len.to_be_bytes(),
            self.rid.as_bytes(),
            &self.rseq.to_be_bytes(),
            &self.time_ms.to_be_bytes(),
            self.body_sha256.as_bytes(),
            &self.hint.0,
        ];
        for (to, from) in out.iter_mut().zip(fields.concat()) {
            *to = from;
        }
        out
    }

    /// Reads the bytes in the tree. Versions, types and flags of later versions are read too.
    ///
    /// # Errors
    /// When the length is another.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Reader::new(bytes, "a leaf");
        let leaf = Self {
            version: fields.u8()?,
            kind: EventType::from_code(fields.u8()?),
            flags: fields.u16()?,
            body_len: fields.u32()?,
            rid: fields.sha256()?,
            rseq: fields.u64()?,
            time_ms: fields.u64()?,
            body_sha256: fields.sha256()?,
            hint: Hint(fields.array()?),
        };
        fields.end().map(|()| leaf)
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Sha256 {
        leaf_hash(&self.encode())
    }
}

/// What a leaf tells of a repository to those who have not its body.
///
/// Bytes: kind (1 model, 2 dataset, 3 space, 4 kernel, 0 none), 7 zero bytes, the first 8 bytes of the
/// SHA-256 of the licence in lower case (zero without one), the first 16 bytes of the namespace's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hint(pub [u8; 32]);

impl Hint {
    /// The hint of a body that says this.
    pub fn new(kind: Option<RepoKind>, license: Option<&str>, nsid: Option<&Sha256>) -> Self {
        let license = license.map_or([0; 8], Self::license);
        let nsid = nsid.map_or([0; 16], Self::nsid);
        let mut out = [0; 32];
        let fields = [kind.map_or(0, Self::kind)].into_iter().chain([0; 7]).chain(license).chain(nsid);
        out.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        Self(out)
    }

    /// The byte for a kind.
    pub fn kind(kind: RepoKind) -> u8 {
        match kind {
            RepoKind::Model => 1,
            RepoKind::Dataset => 2,
            RepoKind::Space => 3,
            RepoKind::Kernel => 4,
        }
    }

    /// The bytes for a licence.
    pub fn license(license: &str) -> [u8; 8] {
        let hash = sha256(&[license.to_ascii_lowercase().as_bytes()]);
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// The bytes for a namespace.
    pub fn nsid(nsid: &Sha256) -> [u8; 16] {
        nsid.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// Whether it may be that of a repository of this kind.
    pub fn is_kind(&self, kind: RepoKind) -> bool {
        self.0.first() == Some(&Self::kind(kind))
    }

    /// Whether it may be that of a repository under this licence.
    pub fn is_license(&self, license: &str) -> bool {
        self.0.get(8..16) == Some(&Self::license(license))
    }

    /// Whether it may be that of a repository of this namespace.
    pub fn is_nsid(&self, nsid: &Sha256) -> bool {
        self.0.get(16..) == Some(&Self::nsid(nsid))
    }
}
