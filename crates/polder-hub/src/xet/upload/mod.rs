//! Large objects that arrive chunk by chunk, as clients of Xet send them.
//!
//! First come xorbs, runs of chunks; each is proven, unpacked and durable when it is acknowledged, and belongs to
//! who sent it, for that repository. Then comes a shard, which says of which runs files are made. It holds or
//! nothing of it does: all is proven before the first byte is read, and all files are durable before the first is
//! linked. From then on a file is an object like any other, and its xorbs are places in it.
//!
//! A crash at any point leaves what was acknowledged, and the same requests once more complete the rest.

mod accept;
mod files;
mod link;
mod pieces;
mod receive;
mod recent;
mod sources;
mod sweep;
#[cfg(test)]
mod tests;

pub use accept::ShardStep;

/// How long xorbs are kept after the last one of their upload, in seconds.
const KEPT_SECONDS: i64 = 6 * 3600;
/// How long the files of a shard may take at the most, in seconds.
const ACCEPTING_SECONDS_MAX: i64 = 24 * 3600;

/// A number as a row has it.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
