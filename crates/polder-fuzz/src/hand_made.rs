//! Packs and bodies put together from a fuzzer's bytes.

use std::io::Read;

use flate2::Crc;
use polder_git::{IndexLimits, ObjectKind, Received, Result, Snapshot, index_pack};
use polder_types::{ObjectId, PackId};

/// Bounds of [`receive`]: as in a push, but small enough to be met.
const LIMITS: IndexLimits = IndexLimits {
    pack_bytes_max: 1 << 20,
    objects_max: 256,
    object_bytes_max: 1 << 20,
    delta_depth_max: 8,
    inline_bytes_max: 1 << 20,
    inflated_bytes_free: 4 << 20,
    inflated_per_byte_max: 10,
};

/// A reader that gives a byte at a time.
pub(crate) struct OneByOne<'a>(pub(crate) &'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let room = out.len().min(1);
        self.0.read(out.get_mut(..room).unwrap_or_default())
    }
}

/// A fuzzer's bytes read as instructions.
pub(crate) struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Up to `length` bytes: what is left of them.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (part, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        part
    }
}

/// Content in stored blocks: compressing it would take most of a fuzzer's time.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut parts = content.chunks(usize::from(u16::MAX)).peekable();
    loop {
        let part = parts.next().unwrap_or_default();
        let length = u16::try_from(part.len()).unwrap_or_default();
        out.push(u8::from(parts.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(part);
        if parts.peek().is_none() {
            return out;
        }
    }
}

/// One gzip member.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(plain);
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    out.extend(stored(plain));
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in plain {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let mut out = b"\x78\x01".to_vec();
    out.extend(stored(plain));
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// The id that git gives an object.
pub fn object_id(kind: ObjectKind, content: &[u8]) -> ObjectId {
    let mut bytes = format!("{} {}\0", kind.as_str(), content.len()).into_bytes();
    bytes.extend_from_slice(content);
    ObjectId::new(sha1(&bytes))
}

/// SHA-1, collision attacks and all.
fn sha1(bytes: &[u8]) -> [u8; ObjectId::BYTES] {
    sha1dc::digest(bytes).unwrap_or_else(|attack| attack.digest()).into()
}

/// A pack written entry by entry.
#[derive(Debug, Default)]
pub struct Pack {
    entries: Vec<u8>,
    offsets: Vec<usize>,
}

impl Pack {
    /// A whole object.
    pub fn whole(&mut self, kind: ObjectKind, content: &[u8]) {
        let number = match kind {
            ObjectKind::Commit => 1,
            ObjectKind::Tree => 2,
            ObjectKind::Blob => 3,
            ObjectKind::Tag => 4,
        };
        self.entry(number, content.len(), &[], content);
    }

    /// A delta on the entry before the last `back` ones.
    pub fn offset_delta(&mut self, back: usize, claimed: usize, delta: &[u8]) {
        let base = self.offsets.iter().rev().nth(back).copied().unwrap_or_default();
        let mut distance = self.entries.len() - base;
        let mut bytes = vec![low_bits(distance)];
        while distance > 0x7f {
            distance = (distance >> 7) - 1;
            bytes.insert(0, low_bits(distance) | 0x80);
        }
        self.entry(6, claimed, &bytes, delta);
    }

    /// A delta on the object of that id.
    pub fn id_delta(&mut self, base: ObjectId, claimed: usize, delta: &[u8]) {
        self.entry(7, claimed, base.as_bytes(), delta);
    }

    /// An entry of any type that claims any size.
    pub fn entry(&mut self, kind: u8, claimed: usize, base: &[u8], content: &[u8]) {
        self.deflated(kind, claimed, base, &zlib(content));
    }

    /// The same with a content that is deflated already, or is no deflate stream at all.
    pub fn deflated(&mut self, kind: u8, claimed: usize, base: &[u8], deflated: &[u8]) {
        self.offsets.push(self.entries.len());
        let mut size = claimed >> 4;
        let first = (kind & 7) << 4 | (low_bits(claimed) & 15);
        self.entries.push(if size > 0 { first | 0x80 } else { first });
        while size > 0 {
            let low = low_bits(size);
            size >>= 7;
            self.entries.push(if size > 0 { low | 0x80 } else { low });
        }
        self.entries.extend_from_slice(base);
        self.entries.extend_from_slice(deflated);
    }

    /// The pack, with its header and its hash.
    pub fn finish(&self) -> Vec<u8> {
        self.finish_claiming(self.offsets.len())
    }

    /// The same with a header that claims another number of entries.
    pub fn finish_claiming(&self, count: usize) -> Vec<u8> {
        seal(count, &self.entries)
    }
}

fn low_bits(number: usize) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

/// A pack of these entries, with the header and the hash that belong to them.
pub(crate) fn seal(count: usize, entries: &[u8]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    pack.extend_from_slice(entries);
    let hash = sha1(&pack);
    pack.extend(hash);
    pack
}

/// Receives a pack, which stays in memory.
pub(crate) fn receive(pack: &[u8]) -> Result<Option<Received>> {
    let nowhere = std::path::Path::new("/nonexistent");
    index_pack(PackId(1), &mut { pack }, nowhere, &LIMITS, &mut |_| {})
}

/// A repository with nothing in it.
pub(crate) fn empty() -> Snapshot {
    Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), Vec::new())
}
