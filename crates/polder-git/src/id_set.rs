//! Sets and maps keyed by object id.
//!
//! An id is a hash already, so hashing it again with `SipHash` only costs time. But a stranger may name
//! ids that are the hash of nothing, so all of its bytes are mixed with a secret of the process: nobody
//! can choose ids that collide.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use polder_types::ObjectId;

/// A set of object ids.
pub type IdSet = HashSet<ObjectId, IdState>;
/// A map from object ids.
pub type IdMap<V> = HashMap<ObjectId, V, IdState>;

const MULTIPLIER: u128 = 0x9e37_79b9_7f4a_7c15;

/// Makes the hashers of [`IdSet`] and [`IdMap`].
#[derive(Debug, Clone, Copy)]
pub struct IdState {
    secret: u64,
}

impl Default for IdState {
    fn default() -> Self {
        static SECRET: OnceLock<u64> = OnceLock::new();
        Self { secret: *SECRET.get_or_init(|| RandomState::new().hash_one(MULTIPLIER)) }
    }
}

impl BuildHasher for IdState {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.secret }
    }
}

/// Folds the bytes of an id with the process's secret.
#[derive(Debug)]
pub struct IdHasher {
    state: u64,
}

fn fold(value: u64) -> u64 {
    let wide = u128::from(value) * MULTIPLIER;
    let low = u64::try_from(wide & u128::from(u64::MAX)).unwrap_or_default();
    low ^ u64::try_from(wide >> 64).unwrap_or_default()
}

impl Hasher for IdHasher {
    fn write_usize(&mut self, _length: usize) {}

    fn write(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        // The last word overlaps the one before: an id has twenty bytes.
        for word in words.iter().chain(bytes.last_chunk::<8>()) {
            self.state = fold(self.state ^ u64::from_le_bytes(*word));
        }
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_share_most_of_their_bytes_do_not_share_a_hash() {
        // A tree or a fetch may name ids that are the hash of nothing.
        let state = IdState::default();
        for place in 0..ObjectId::BYTES {
            let hashes: HashSet<u64> = (0..=255)
                .map(|byte| {
                    let mut id = [7; ObjectId::BYTES];
                    id[place] = byte;
                    state.hash_one(ObjectId::new(id))
                })
                .collect();
            assert_eq!(hashes.len(), 256, "byte {place}");
        }
    }
}
