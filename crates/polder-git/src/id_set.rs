//! Sets and maps keyed by object id.
//!
//! An id is a hash already, so hashing it again with `SipHash` only costs time. Eight of its bytes are
//! mixed with a secret of the process: nobody can choose objects that collide.

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

/// Folds the first bytes of an id with the process's secret.
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
        let prefix = bytes.first_chunk::<8>().copied().map_or(0, u64::from_le_bytes);
        self.state = fold(self.state ^ prefix);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
