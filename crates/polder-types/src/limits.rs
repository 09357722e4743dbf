//! Every bound that more than one crate needs, with its unit in its name.

/// Longest namespace, in bytes (ASCII).
pub const NAMESPACE_BYTES_MAX: usize = 39;
/// Longest name of another hub, in bytes: a host name and a port.
pub const ORIGIN_BYTES_MAX: usize = 253 + 6;
/// Longest repository name without its namespace, in bytes (ASCII).
pub const REPO_NAME_BYTES_MAX: usize = 96;
/// Largest file that can be an LFS pointer, in bytes (git-lfs `blobSizeCutoff`).
pub const LFS_POINTER_BYTES_MAX: usize = 1024;
/// Longest ref name, in bytes.
pub const REF_NAME_BYTES_MAX: usize = 1024;
/// Most refs a repository may hold.
pub const REFS_PER_REPO_MAX: usize = 50_000;
/// Most ref updates in one push.
pub const REF_UPDATES_PER_PUSH_MAX: usize = 1_000;
/// Largest decoded command section of a push, in bytes.
pub const PUSH_COMMAND_BYTES_MAX: u64 = 16 << 20;
/// Largest decoded fetch request, in bytes.
pub const FETCH_REQUEST_BYTES_MAX: u64 = 16 << 20;
/// Largest pack a push may carry, in bytes.
pub const PACK_BYTES_MAX: u64 = 2 << 30;
/// Most objects in a pushed pack; each takes about 130 bytes of memory while it is received.
pub const PACK_OBJECTS_MAX: u32 = 1_500_000;
/// Largest inflated object in git itself; larger files belong in LFS.
pub const GIT_OBJECT_BYTES_MAX: u64 = 64 << 20;
/// Largest file that clients of the API are told to commit as it is, not with LFS, in bytes.
pub const REGULAR_FILE_BYTES_MAX: u64 = 10 << 20;
/// Packs up to this size live in their database row, in bytes.
pub const PACK_INLINE_BYTES_MAX: u64 = 128 << 10;
/// Largest LFS object, in bytes (1 TiB).
pub const LFS_OBJECT_BYTES_MAX: u64 = 1 << 40;
/// Most objects in one LFS batch request.
pub const LFS_BATCH_OBJECTS_MAX: usize = 1_000;
/// Most file locks in one repository.
pub const LOCKS_PER_REPO_MAX: usize = 10_000;
/// Most parts that one large object may arrive in.
pub const UPLOAD_PARTS_MAX: usize = 1_000;
/// Most objects that arrive in parts at the same time, for one repository.
pub const UPLOADS_PER_REPO_MAX: i64 = 1_000;
/// Largest JSON request body, in bytes.
pub const JSON_BODY_BYTES_MAX: u64 = 4 << 20;
/// Most entries a tree listing walks for one answer.
pub const TREE_ENTRIES_MAX: usize = 1_000_000;
