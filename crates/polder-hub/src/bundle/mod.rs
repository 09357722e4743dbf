//! Bundles: what a follower needs of a log and its repositories as files, for a hub that reaches no other.
//!
//! A bundle is a directory, and to the hub that imports it a source like any other: leaves, bodies, ref maps,
//! git objects and large objects are checked against what the origin signed, on the way that every follower
//! takes. Nothing in it is believed, no name in it is used as a path, and each read has a bound.
//!
//! All items, one behind the other, are a stream that is cut into part files of one size. `index` says where in
//! the stream each item is, `checkpoint` is the signed end of the log, and `bundle.json`, which is written last,
//! has the lengths and hashes of all these files.

mod cursor;
mod export;
mod gather;
mod import;
mod layout;
mod objects;
mod past;
mod peer;
mod reader;
mod repository;
mod resume;
mod row;
#[cfg(test)]
mod tests;
mod writer;

pub use export::{BundleReport, BundleRequest};
pub use import::BundleImported;
