//! The content store: stage, verify, publish, read; nothing visible before it is durable.
//!
//! Bytes arrive in a quarantine that belongs to one running instance. Publishing makes them durable
//! first (file synced), then visible (linked under the id of their row, never over another file), then
//! makes the name durable (directory synced). Only after that may a row name them. The store knows
//! neither rows nor users: it is told ids, and what it does not know it moves aside, never deletes.
//!
//! [`Store`] is the whole crate; [`Stage`] receives one large object and lists its chunks, [`PartStage`] one part of one that
//! comes in parts (kept apart until the whole is put together), [`Transfer`] is one that comes from elsewhere
//! in any order, [`XorbStage`] takes an xorb of a client of Xet (kept apart until files are made of it), [`Scratch`] is a directory for
//! work in progress. Every call blocks.

mod disk;
mod error;
mod inspect;
mod instance;
mod list;
mod names;
mod node;
mod parts;
mod publish;
mod receive;
mod scratch;
mod stage;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod transfer;
mod xorb;

pub use disk::Disk;
pub use error::{Error, Result};
pub use inspect::{FileKind, StoredFile};
pub use list::ListClaim;
pub use names::{blob_path, list_path, pack_paths};
pub use parts::{PartStage, StagedPart};
pub use scratch::Scratch;
pub use stage::{Stage, Staged};
pub use store::{BlobFile, Store};
pub use sweep::{SweepReport, SweepRules};
pub use transfer::Transfer;
pub use xorb::{StagedXorb, XorbFile, XorbStage};
