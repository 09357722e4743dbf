//! Large objects chunk by chunk, as clients of Xet move them.
//!
//! What is stored are the objects themselves. The xorbs that clients fetch are runs of an object's chunks, put
//! together on the way out under the hash that they truly have.

mod data;
mod dedup;
mod file;
mod link;
mod memory;
mod runs;
mod token;
mod upload;
mod verified;

use polder_xet::FRAME_HEADER_BYTES;

pub use data::{XetBytes, XetData};
pub(crate) use dedup::Hints;
pub use file::{XetFile, XetTerm, XetTerms};
pub(crate) use memory::Proposers;
pub use memory::is_xet_memory;
pub use token::XetToken;
pub use upload::ShardStep;
pub(crate) use verified::Verified;

/// Bytes of the header of each chunk in an xorb.
const FRAME_BYTES: u64 = 8;
const _: () = assert!(FRAME_HEADER_BYTES == 8);
