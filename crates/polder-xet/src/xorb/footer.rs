//! What follows the chunks of an xorb at rest: their hashes and where they end. Clients leave it out when
//! they upload; one that is there must say what the chunks say.

use super::reader::Frame;
use crate::hash::XorbHash;

/// How a footer begins; no header of a chunk does.
pub(super) const MAGIC: &[u8; 8] = b"XETBLOB\x01";
const HASHES_MAGIC: &[u8; 8] = b"XBLBHSH\0";
const ENDS_MAGIC: &[u8; 8] = b"XBLBBND\x01";
/// Bytes before the end of a footer that mean nothing: a number that makes equal xorbs differ, and zeros.
const FREE_BYTES: usize = 16;
/// Bytes of a footer without its chunks.
const FIXED_BYTES: usize = 96;
/// Bytes of a footer for each chunk: hash, end in the body, end in the chunks.
const CHUNK_BYTES: usize = 40;
/// Bytes of the last field, the length of all before it.
const LENGTH_BYTES: usize = 4;

/// Bytes of the footer of so many chunks.
pub(super) fn footer_bytes(chunks: usize) -> usize {
    FIXED_BYTES + CHUNK_BYTES * chunks
}

/// The footer of the xorb with that hash and those chunks.
pub fn xorb_footer(hash: XorbHash, frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::with_capacity(footer_bytes(frames.len()));
    let count = length(frames.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(hash.as_bytes());
    let hashes_at = out.len();
    out.extend_from_slice(HASHES_MAGIC);
    out.extend_from_slice(&count);
    for frame in frames {
        out.extend_from_slice(frame.chunk.hash.as_bytes());
    }
    let ends_at = out.len();
    out.extend_from_slice(ENDS_MAGIC);
    out.extend_from_slice(&count);
    for frame in frames {
        out.extend_from_slice(&frame.body_end.to_le_bytes());
    }
    let mut end: u32 = 0;
    for frame in frames {
        end = end.saturating_add(frame.chunk.size_bytes);
        out.extend_from_slice(&end.to_le_bytes());
    }
    let footer_end = footer_bytes(frames.len()) - LENGTH_BYTES;
    out.extend_from_slice(&count);
    out.extend_from_slice(&length(footer_end - hashes_at));
    out.extend_from_slice(&length(footer_end - ends_at));
    out.extend_from_slice(&[0; FREE_BYTES]);
    out.extend_from_slice(&length(footer_end));
    out
}

/// Whether `footer` is that of the xorb, whatever its free bytes are.
pub(super) fn is_footer_of(footer: &[u8], hash: XorbHash, frames: &[Frame]) -> bool {
    let mut footer = footer.to_vec();
    let end = footer.len().saturating_sub(LENGTH_BYTES);
    if let Some(free) = footer.get_mut(end.saturating_sub(FREE_BYTES)..end) {
        free.fill(0);
    }
    footer == xorb_footer(hash, frames)
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}
