//! Which of the objects that are cut into chunks may be given to whom.

use polder_types::{AccountId, RepoId};
use polder_xet::{ChunkHash, FileHash};

use crate::blobs::Blob;
use crate::sql::statements;
use crate::value::args;
use crate::{Db, Result};

/// Newest objects with a chunk that are looked at: many may begin alike.
const SAME_CHUNK_MAX: i64 = 64;

/// Whether blob `b` may be given to whoever writes to repository `$1` and is `$2`: the repository links it, or one
/// that anyone may read or whose namespace `$2` is or belongs to.
macro_rules! is_readable {
    () => {
        concat!(
            "b.state = 'live' AND b.damaged_at IS NULL AND EXISTS (SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo \
            WHERE l.sha256 = b.sha256 AND r.state = 'live' AND r.withheld IS NULL AND (r.id = $1 \
            OR r.visibility = 'public' OR r.ns = $2 OR EXISTS (SELECT 1 FROM member m WHERE m.org = r.ns AND m.user_id = $2))) \
            AND ",
            $crate::blobs::is_allowed!()
        )
    };
}
pub(super) use is_readable;

statements! {
    READABLE_CHUNK = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM (SELECT k.blob \
        FROM key_chunk k WHERE k.chunk = $3 ORDER BY k.blob DESC LIMIT $4) n JOIN blob b ON b.id = n.blob \
        WHERE b.xet IS NOT NULL AND ", is_readable!(), " ORDER BY b.id DESC LIMIT 1");
    READABLE_FILE = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        WHERE b.xet = $3 AND ", is_readable!(), " ORDER BY b.id LIMIT 1");
}

impl Db {
    /// A sound object with a chunk by which it is found that `reader` may read, or who writes to `repo` and is nobody
    /// else; the newest.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn readable_chunk(
        &self,
        repo: RepoId,
        reader: Option<AccountId>,
        chunk: ChunkHash,
    ) -> Result<Option<Blob>> {
        let args = args![repo, reader, chunk, SAME_CHUNK_MAX];
        self.row(READABLE_CHUNK, args).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// The sound object that a file hash names, as [`Self::readable_chunk`].
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn readable_file(
        &self,
        repo: RepoId,
        reader: Option<AccountId>,
        file: FileHash,
    ) -> Result<Option<Blob>> {
        self.row(READABLE_FILE, args![repo, reader, file]).await?.map(|row| Blob::from_row(&row)).transpose()
    }
}
