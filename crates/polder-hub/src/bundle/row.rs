//! What an item is, and where in the stream it is.

use polder_log::TileId;
use polder_types::Sha256;

/// Most items of a bundle; the export keeps their places in memory.
pub(super) const ROWS_MAX: usize = 4_000_000;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A page of events, by the index of its first one.
    Page,
    /// The operations of a namespace, by its id, or, of zeros, the events of the hub's keys.
    Chain,
    /// A ref map, by its hash.
    Refs,
    /// A manifest of large objects, by its hash.
    Manifest,
    /// The git objects of a repository, by its rid.
    Pack,
    /// A piece of a large object, by its hash and where in the object it begins.
    Object,
    /// The chunk list of a large object, by its hash.
    List,
    /// Where the snapshot is that a follower begins with.
    Snapshot,
    /// A part of it, by its hash.
    SnapshotPart,
    /// A tile of hashes, by its place.
    Tile,
    /// A body that no page has, by its hash.
    Body,
    /// No item: a part that is whole, by its hash and its number. Only in the journal of an export.
    Part,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Page,
        Self::Chain,
        Self::Refs,
        Self::Manifest,
        Self::Pack,
        Self::Object,
        Self::List,
        Self::Snapshot,
        Self::SnapshotPart,
        Self::Tile,
        Self::Body,
        Self::Part,
    ];

    fn code(self) -> u8 {
        match self {
            Self::Page => 1,
            Self::Chain => 2,
            Self::Refs => 3,
            Self::Manifest => 4,
            Self::Pack => 5,
            Self::Object => 6,
            Self::List => 7,
            Self::Snapshot => 8,
            Self::SnapshotPart => 9,
            Self::Tile => 10,
            Self::Body => 11,
            Self::Part => 255,
        }
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// By what an item is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) id: Sha256,
    pub(super) at: u64,
}

impl Key {
    /// That of an item which its hash or rid names.
    pub(super) fn of(kind: Kind, id: Sha256) -> Self {
        Self { kind, id, at: 0 }
    }

    /// That of the page which begins with this event.
    pub(super) fn page(first: u64) -> Self {
        Self { kind: Kind::Page, id: Sha256::new([0; 32]), at: first }
    }

    /// That of the place of the snapshot.
    pub(super) fn snapshot() -> Self {
        Self::of(Kind::Snapshot, Sha256::new([0; 32]))
    }

    /// That of a tile.
    pub(super) fn tile(id: TileId) -> Self {
        // The width has nine bits, and 55 are left for the level and the place: more than a log can have.
        let at = (u64::from(id.level) << 60) ^ (id.index << 9) ^ u64::from(id.width);
        Self { kind: Kind::Tile, id: Sha256::new([0; 32]), at }
    }

    /// That of the piece of a large object which begins there.
    pub(super) fn object(oid: Sha256, at: u64) -> Self {
        Self { kind: Kind::Object, id: oid, at }
    }
}

/// Where in the stream something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Span {
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

/// A line of the index: all of the same length, sorted by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) span: Span,
}

impl Row {
    /// `kind u8 | id[32] | at u64 | offset u64 | bytes u64`, big-endian.
    pub(super) const BYTES: usize = 57;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let Self { key, span } = self;
        let numbers = [key.at, span.offset, span.bytes].map(u64::to_be_bytes);
        let mut all =
            [key.kind.code()].into_iter().chain(*key.id.as_bytes()).chain(numbers.into_iter().flatten());
        std::array::from_fn(|_| all.next().unwrap_or(0))
    }

    /// `None` for what is none.
    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_at_checked(Sha256::BYTES)?;
        let (numbers, _) = rest.as_chunks::<8>();
        let [at, offset, bytes] = *numbers else { return None };
        let number = u64::from_be_bytes;
        let key = Key { kind: Kind::of(*kind)?, id: Sha256::from_slice(id)?, at: number(at) };
        let span = Span { offset: number(offset), bytes: number(bytes) };
        span.offset.checked_add(span.bytes).map(|_end| Self { key, span })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_and_only_a_row_is_one() {
        for kind in Kind::ALL {
            let key = Key { kind, id: Sha256::new([kind.code(); 32]), at: 7 };
            let row = Row { key, span: Span { offset: 1 << 40, bytes: 9 } };
            let bytes = row.encode();
            assert_eq!((bytes.len(), bytes[0], bytes[56]), (Row::BYTES, kind.code(), 9));
            assert_eq!(Row::decode(&bytes), Some(row));
        }
        let mut unknown = Row { key: Key::snapshot(), span: Span { offset: u64::MAX, bytes: 1 } };
        assert_eq!(Row::decode(&unknown.encode()), None, "beyond what can be counted");
        unknown.span.bytes = 0;
        let mut bytes = unknown.encode();
        bytes[0] = 99;
        assert_eq!(Row::decode(&bytes), None);
    }
}
