//! Names, ids, hashes, pointers and limits: the words every crate of Polder shares.
//!
//! Pure: no I/O, no clock but the injected [`Clock`], no async. A value of these types is valid by
//! construction; text becomes one of them at the edge and stays one all the way down.

mod clock;
pub mod failpoint;
mod hash;
mod hours;
mod ids;
mod lfs_pointer;
pub mod limits;
mod names;
mod roles;
mod secrets;

pub use clock::{Clock, UnixMillis};
pub use hash::{HashParseError, ObjectId, Sha256};
pub use hours::Hours;
pub use ids::{
    AccessRequestId, AccountId, AuditId, BlobId, DiscussionEventId, EventId, IdSource, JobId, LockId, PackId,
    PartId, PublisherId, RepoId, ReservationId, StagedXorbId, TokenId, UploadId,
};
pub use lfs_pointer::LfsPointer;
pub use names::{AccountName, NameError, RepoKind, RepoName};
pub use roles::{Gate, Role, Visibility};
pub use secrets::without_secrets;
