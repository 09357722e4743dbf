//! Random inputs, the same in every run.

mod hashes;
mod shards;
mod xorbs;

use polder_xet::Chunk;
use xet_core_structures::merklehash::MerkleHash;

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// Bytes as files have them: noise, numbers that a compressor likes, or one byte.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let kind = self.below(4);
        let mut bytes = Vec::with_capacity(length + 8);
        let mut last = 1.0_f32;
        while bytes.len() < length {
            match kind {
                0 => bytes.extend_from_slice(&self.next().to_le_bytes()),
                1 => {
                    last += f32::from(u8::try_from(self.below(200)).unwrap()) / 1e4;
                    bytes.extend_from_slice(&last.to_le_bytes());
                }
                2 => bytes.extend_from_slice(&[7; 8]),
                _ => bytes.extend_from_slice(&(self.next() % 300).to_le_bytes()),
            }
        }
        bytes.truncate(length);
        bytes
    }
}

/// Our list as theirs.
fn theirs(chunks: &[Chunk]) -> Vec<(MerkleHash, u64)> {
    let one =
        |chunk: &Chunk| (MerkleHash::from_hex(&chunk.hash.to_string()).unwrap(), u64::from(chunk.size_bytes));
    chunks.iter().map(one).collect()
}
