//! Snapshots: the newest body of every repository and namespace, in files of sorted rows.

use polder_types::{RepoKind, Sha256};

use crate::body::Body;
use crate::data::SnapshotPart;
use crate::error::{Error, Result, malformed};
use crate::event_type::EventType;
use crate::hash::sha256;
use crate::leaf::{Hint, Leaf, VERSION};
use crate::reader::Reader;

/// Most rows of a part, so that it stays below 4 MiB.
pub const PART_ROWS_MAX: usize = 40_000;
const WHAT: &str = "a part of a snapshot";

/// One repository, deleted and hidden ones too, or one namespace under its own id.
///
/// Bytes: `rid[32] | body_sha256[32] | index u64 | rseq u64 | type u8 | kind u8 | zero u16 |
/// licence[4] | nsid[8]`; kind, licence and nsid are the first bytes of those of the [hint](crate::Hint).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The repository, or the namespace.
    pub rid: Sha256,
    /// Its newest body.
    pub body_sha256: Sha256,
    /// Where that is in the log.
    pub index: u64,
    /// Its position among those of the repository.
    pub rseq: u64,
    /// What it says happened.
    pub kind: EventType,
    /// What it holds, as in the hint; 0 for a namespace.
    pub repo_kind: u8,
    /// Its licence, as the hint begins it.
    pub license: [u8; 4],
    /// Its namespace, as the hint begins it.
    pub nsid: [u8; 8],
}

impl SnapshotRow {
    /// Length in bytes.
    pub const BYTES: usize = 96;

    /// The row of `rid` whose newest event is `leaf`, at `index`.
    pub fn new(rid: Sha256, index: u64, leaf: &Leaf) -> Self {
        let hint = &leaf.hint.0;
        Self {
            rid,
            body_sha256: leaf.body_sha256,
            index,
            rseq: leaf.rseq,
            kind: leaf.kind,
            repo_kind: hint.first().copied().unwrap_or_default(),
            license: hint.get(8..).and_then(|hint| hint.first_chunk()).copied().unwrap_or_default(),
            nsid: hint.get(16..).and_then(|hint| hint.first_chunk()).copied().unwrap_or_default(),
        }
    }

    /// What is known of its leaf without the body: length, time and the rest of the hint are zero.
    pub fn leaf(&self) -> Leaf {
        let hint = [&[self.repo_kind][..], &[0; 7], &self.license, &[0; 4], &self.nsid, &[0; 8]].concat();
        Leaf {
            version: VERSION,
            kind: self.kind,
            flags: 0,
            body_len: 0,
            rid: if self.kind.is_repo() { self.rid } else { Sha256::new([0; 32]) },
            rseq: self.rseq,
            time_ms: 0,
            body_sha256: self.body_sha256,
            hint: Hint(hint.try_into().unwrap_or_default()),
        }
    }

    /// Whether this is the row of the repository or namespace that `body` is of, with that body.
    pub fn is_of(&self, body: &Body) -> bool {
        let of = if body.kind.is_namespace() { body.namespace() } else { body.repo() };
        of == Some(self.rid) && *self == Self::new(self.rid, self.index, &body.leaf())
    }

    /// What it holds; `None` for a namespace, and for what this program does not know.
    pub fn repo_kind(&self) -> Option<RepoKind> {
        let kinds = [RepoKind::Model, RepoKind::Dataset, RepoKind::Space, RepoKind::Kernel];
        kinds.into_iter().find(|kind| self.leaf().hint.is_kind(*kind))
    }

    fn encode(&self) -> Vec<u8> {
        [
            &self.rid.as_bytes()[..],
            self.body_sha256.as_bytes(),
            &self.index.to_be_bytes(),
            &self.rseq.to_be_bytes(),
            &[self.kind.code(), self.repo_kind, 0, 0],
            &self.license,
            &self.nsid,
        ]
        .concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Reader::new(bytes, WHAT);
        let (rid, body_sha256) = (fields.sha256()?, fields.sha256()?);
        let (index, rseq) = (fields.u64()?, fields.u64()?);
        let (kind, repo_kind) = (EventType::from_code(fields.u8()?), fields.u8()?);
        if fields.u16()? != 0 {
            return Err(malformed(WHAT, "a row has other bytes than it can have"));
        }
        let (license, nsid) = (fields.array()?, fields.array()?);
        Ok(Self { rid, body_sha256, index, rseq, kind, repo_kind, license, nsid })
    }
}

/// The file of some rows, sorted by rid, and what the snapshot's event says of it.
///
/// # Errors
/// When there are none or too many, or they are not sorted.
pub fn encode_part(rows: &[SnapshotRow]) -> Result<(SnapshotPart, Vec<u8>)> {
    check(rows)?;
    let bytes: Vec<u8> = rows.iter().flat_map(SnapshotRow::encode).collect();
    let part =
        SnapshotPart { sha256: sha256(&[&bytes]), rows: u64::try_from(rows.len()).unwrap_or(u64::MAX) };
    Ok((part, bytes))
}

/// Reads a file that the snapshot's event says `part` of.
///
/// # Errors
/// When it is another file, or its rows are not sorted.
pub fn decode_part(part: &SnapshotPart, bytes: &[u8]) -> Result<Vec<SnapshotRow>> {
    if bytes.len() > PART_ROWS_MAX * SnapshotRow::BYTES {
        return Err(Error::TooLarge { what: WHAT, limit: PART_ROWS_MAX * SnapshotRow::BYTES });
    }
    if sha256(&[bytes]) != part.sha256 {
        return Err(malformed(WHAT, "its hash is another"));
    }
    let rows: Vec<SnapshotRow> =
        bytes.chunks(SnapshotRow::BYTES).map(SnapshotRow::decode).collect::<Result<_>>()?;
    if u64::try_from(rows.len()) != Ok(part.rows) {
        return Err(malformed(WHAT, "it has another number of rows"));
    }
    check(&rows).map(|()| rows)
}

fn check(rows: &[SnapshotRow]) -> Result<()> {
    if rows.is_empty() || rows.len() > PART_ROWS_MAX {
        return Err(Error::TooLarge { what: "the rows of a part", limit: PART_ROWS_MAX });
    }
    let sorted = rows.is_sorted_by(|one, other| one.rid < other.rid);
    if sorted { Ok(()) } else { Err(malformed(WHAT, "its rows are not sorted")) }
}
