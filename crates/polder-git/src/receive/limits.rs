//! How much one pack may be and cost.

use polder_types::limits;

/// Bounds on one incoming pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLimits {
    /// Largest pack, in bytes.
    pub pack_bytes_max: u64,
    /// Most objects in it.
    pub objects_max: u32,
    /// Largest inflated object, in bytes.
    pub object_bytes_max: u64,
    /// Longest chain of deltas.
    pub delta_depth_max: u32,
    /// Packs up to this size stay in memory, in bytes.
    pub inline_bytes_max: u64,
    /// Bytes that any pack may inflate to in all, deltas applied.
    pub inflated_bytes_free: u64,
    /// Bytes that a pack may inflate to in all for each of its own, beyond the free ones.
    pub inflated_per_byte_max: u64,
}

impl IndexLimits {
    /// What a push may carry.
    ///
    /// The bound on the sum of inflated bytes bounds CPU time (a few seconds for the free part): without
    /// it, ten thousand small deltas on one large object cost minutes.
    pub const PUSH: Self = Self {
        pack_bytes_max: limits::PACK_BYTES_MAX,
        objects_max: limits::PACK_OBJECTS_MAX,
        object_bytes_max: limits::GIT_OBJECT_BYTES_MAX,
        delta_depth_max: 4095,
        inline_bytes_max: limits::PACK_INLINE_BYTES_MAX,
        inflated_bytes_free: 4 << 30,
        inflated_per_byte_max: 200,
    };

    /// What the operator's own import may carry: histories that other servers took.
    pub const IMPORT: Self = Self {
        pack_bytes_max: 1 << 40,
        objects_max: u32::MAX,
        object_bytes_max: 1 << 30,
        inflated_bytes_free: 1 << 50,
        ..Self::PUSH
    };

    /// What may come of a hub that is followed: whole histories, from somebody who may mean no good. What one
    /// object costs in memory while it is indexed bounds how many there may be.
    pub const MIRROR: Self = Self {
        pack_bytes_max: 64 << 30,
        objects_max: 50_000_000,
        inflated_bytes_free: 1 << 40,
        ..Self::IMPORT
    };
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self::PUSH
    }
}
