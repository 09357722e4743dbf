//! Large objects of noise, no two blocks of which are alike.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::tools::Result;

const BLOCK_BYTES: usize = 1 << 20;

/// An object of any length that is made anew each time it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob {
    pub(crate) seed: u64,
    pub(crate) mebibytes: u64,
    /// The block that another one is in the place of.
    pub(crate) edited: Option<u64>,
}

impl Blob {
    pub(crate) fn size_bytes(self) -> u64 {
        self.mebibytes << 20
    }

    /// Hands out the object in blocks of 1 MiB.
    pub(crate) fn for_each_block(self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        for number in 0..self.mebibytes {
            let edit = u64::from(self.edited == Some(number));
            // Xorshift: noise is all that is wanted. Never zero.
            let mut state = (self.seed << 34) | (number << 2) | (edit << 1) | 1;
            block.clear();
            while block.len() < BLOCK_BYTES {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                block.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes());
            }
            take(&block)?;
        }
        Ok(())
    }

    /// Its sha256, in hexadecimal.
    pub(crate) fn oid(self) -> Result<String> {
        let mut hash = Sha256::new();
        self.for_each_block(|block| {
            hash.update(block);
            Ok(())
        })?;
        let mut oid = String::new();
        for byte in hash.finalize() {
            write!(oid, "{byte:02x}")?;
        }
        Ok(oid)
    }
}

/// What git keeps in the place of an object.
pub(crate) fn pointer(oid: &str, size_bytes: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size_bytes}\n")
}
