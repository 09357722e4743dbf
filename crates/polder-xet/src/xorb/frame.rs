//! The header before each chunk of an xorb, and the three ways in which a chunk is packed.

use super::byte_groups::ungroup;
use super::{XorbError, lz4};
use crate::chunker::CHUNK_BYTES_MAX;

/// Bytes of the header before each chunk.
pub const FRAME_HEADER_BYTES: usize = 8;
const VERSION: u8 = 0;
/// Most bytes of a packed chunk: what the published client reads.
const PACKED_BYTES_MAX: usize = 2 * CHUNK_BYTES_MAX;

/// How a chunk is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Not at all.
    Raw,
    /// An LZ4 frame.
    Lz4,
    /// Bytes grouped by their place in words of four, then an LZ4 frame.
    GroupedLz4,
}

/// What is said before a chunk's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// How the data is packed.
    pub scheme: Scheme,
    /// Bytes of the data.
    pub packed_bytes: usize,
    /// Bytes of the chunk.
    pub size_bytes: usize,
}

impl FrameHeader {
    /// The header of a chunk that is not packed.
    ///
    /// ```
    /// use polder_xet::FrameHeader;
    /// assert_eq!(FrameHeader::raw(100_000).encode(), [0, 0xa0, 0x86, 1, 0, 0xa0, 0x86, 1]);
    /// ```
    pub fn raw(size_bytes: usize) -> Self {
        Self { scheme: Scheme::Raw, packed_bytes: size_bytes, size_bytes }
    }

    /// The header's bytes. Lengths that no chunk has are cut to 24 bits.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let [p0, p1, p2, ..] = self.packed_bytes.to_le_bytes();
        let [s0, s1, s2, ..] = self.size_bytes.to_le_bytes();
        let scheme = match self.scheme {
            Scheme::Raw => 0,
            Scheme::Lz4 => 1,
            Scheme::GroupedLz4 => 2,
        };
        [VERSION, p0, p1, p2, scheme, s0, s1, s2]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`XorbError::Header`] when it is of another version, or of a chunk that cannot be.
    pub fn decode(bytes: [u8; FRAME_HEADER_BYTES]) -> Result<Self, XorbError> {
        let [version, p0, p1, p2, scheme, s0, s1, s2] = bytes;
        if version != VERSION {
            return Err(XorbError::Header("has another version"));
        }
        let scheme = match scheme {
            0 => Scheme::Raw,
            1 => Scheme::Lz4,
            2 => Scheme::GroupedLz4,
            _ => return Err(XorbError::Header("names an unknown packing")),
        };
        let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        let (packed_bytes, size_bytes) = (length([p0, p1, p2, 0]), length([s0, s1, s2, 0]));
        if !(1..=CHUNK_BYTES_MAX).contains(&size_bytes) || !(1..=PACKED_BYTES_MAX).contains(&packed_bytes) {
            return Err(XorbError::Header("has an impossible length"));
        }
        if scheme == Scheme::Raw && packed_bytes != size_bytes {
            return Err(XorbError::Header("has two lengths for what is not packed"));
        }
        Ok(Self { scheme, packed_bytes, size_bytes })
    }

    /// Makes `out` the chunk whose data is `packed`; `scratch` is overwritten. Neither grows beyond the
    /// chunk's length.
    pub(super) fn unpack(
        &self,
        packed: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), XorbError> {
        out.clear();
        if self.scheme == Scheme::Raw {
            out.extend_from_slice(packed);
            return Ok(());
        }
        out.resize(self.size_bytes, 0);
        if self.scheme == Scheme::Lz4 {
            return lz4::unpack(packed, out);
        }
        scratch.clear();
        scratch.resize(self.size_bytes, 0);
        lz4::unpack(packed, scratch)?;
        ungroup(scratch, out);
        Ok(())
    }
}
