//! LZ4 frames, unpacked into exactly the room there is for them.
//!
//! Accepted is what the published client accepts and nothing that it would read otherwise: one frame, with
//! its end mark, in blocks that are not empty, and nothing after it. The frame says how large its blocks
//! may be; nothing is allocated for that.

use lz4_flex::block::{decompress_into, decompress_into_with_dict};

use super::XorbError;
use super::xxh32::xxh32;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Set in the length of a block that is not packed.
const IS_RAW: u32 = 1 << 31;
/// How far back a block may reach into those before it.
const WINDOW_BYTES: usize = 64 << 10;

const CUT_SHORT: XorbError = XorbError::Packed("is cut short");
const OTHER_LENGTH: XorbError = XorbError::Packed("has another length than its header says");
const OTHER_FORMAT: XorbError = XorbError::Packed("is not one LZ4 frame");
const OTHER_CHECKSUM: XorbError = XorbError::Packed("has another LZ4 checksum");

/// What the beginning of a frame says.
struct Descriptor {
    is_linked: bool,
    has_block_checksums: bool,
    has_checksum: bool,
    block_bytes_max: usize,
}

/// Fills `out` with what `frame` unpacks to.
pub(super) fn unpack(frame: &[u8], out: &mut [u8]) -> Result<(), XorbError> {
    let mut rest = frame;
    let descriptor = Descriptor::read(&mut rest, out.len())?;
    let mut done_bytes = 0;
    loop {
        let word = u32::from_le_bytes(take(&mut rest)?);
        if word == 0 {
            break;
        }
        let block_bytes = usize::try_from(word & !IS_RAW).unwrap_or(usize::MAX);
        let (block, after) = rest.split_at_checked(block_bytes).ok_or(CUT_SHORT)?;
        rest = after;
        if descriptor.has_block_checksums && u32::from_le_bytes(take(&mut rest)?) != xxh32(block) {
            return Err(OTHER_CHECKSUM);
        }
        let unpacked_bytes = descriptor.unpack_block(block, word & IS_RAW != 0, out, done_bytes)?;
        if unpacked_bytes == 0 {
            return Err(OTHER_FORMAT);
        }
        done_bytes += unpacked_bytes;
    }
    if done_bytes != out.len() {
        return Err(OTHER_LENGTH);
    }
    if descriptor.has_checksum && u32::from_le_bytes(take(&mut rest)?) != xxh32(out) {
        return Err(OTHER_CHECKSUM);
    }
    if rest.is_empty() { Ok(()) } else { Err(OTHER_FORMAT) }
}

impl Descriptor {
    fn read(rest: &mut &[u8], raw_bytes: usize) -> Result<Self, XorbError> {
        if take(rest)? != MAGIC {
            return Err(OTHER_FORMAT);
        }
        let described = *rest;
        let [flags, sizes] = take(rest)?;
        let has = |bit: u8| flags & 1 << bit != 0;
        // Version 1, no dictionary, nothing reserved.
        if flags & 0b1100_0011 != 0b0100_0000 || sizes & 0b1000_1111 != 0 {
            return Err(OTHER_FORMAT);
        }
        let block_bytes_max = match sizes >> 4 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(OTHER_FORMAT),
        };
        if has(3) && usize::try_from(u64::from_le_bytes(take(rest)?)) != Ok(raw_bytes) {
            return Err(OTHER_LENGTH);
        }
        let described = described.get(..described.len() - rest.len()).unwrap_or_default();
        let [_, checksum, ..] = xxh32(described).to_le_bytes();
        if take(rest)? != [checksum] {
            return Err(OTHER_CHECKSUM);
        }
        Ok(Self { is_linked: !has(5), has_block_checksums: has(4), has_checksum: has(2), block_bytes_max })
    }

    /// Unpacks a block to where `out` is not yet filled; says how many bytes it made.
    fn unpack_block(
        &self,
        block: &[u8],
        is_raw: bool,
        out: &mut [u8],
        done_bytes: usize,
    ) -> Result<usize, XorbError> {
        if block.len() > self.block_bytes_max {
            return Err(OTHER_FORMAT);
        }
        let (done, free) = out.split_at_mut_checked(done_bytes).ok_or(OTHER_LENGTH)?;
        let room_bytes = free.len().min(self.block_bytes_max);
        let room = free.get_mut(..room_bytes).unwrap_or_default();
        if is_raw {
            room.get_mut(..block.len()).ok_or(OTHER_LENGTH)?.copy_from_slice(block);
            return Ok(block.len());
        }
        let unpacked = if self.is_linked {
            let window = done.get(done.len().saturating_sub(WINDOW_BYTES)..).unwrap_or_default();
            decompress_into_with_dict(block, room, window)
        } else {
            decompress_into(block, room)
        };
        unpacked.or(Err(XorbError::Packed("is not LZ4, or longer than its header says")))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], XorbError> {
    let (head, after) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
    *rest = after;
    Ok(*head)
}
