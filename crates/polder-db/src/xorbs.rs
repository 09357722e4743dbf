//! Xorbs that clients of Xet sent: those that wait for their files, and where the chunks of the others lie.

use bytes::Bytes;
use polder_types::{AccountId, BlobId, RepoId, ReservationId, Sha256, StagedXorbId, UnixMillis};
use polder_xet::{ChunkHash, FileHash, XorbHash};

use crate::blobs::{Blob, is_allowed};
use crate::quota::{namespace_of, promise, take_back};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result, known_chunks};

/// Most xorbs of one account that wait for their files: 2 TiB of the usual length.
const STAGED_PER_ACCOUNT_MAX: i64 = 32_768;

/// Newest objects with a chunk that are looked at: many may begin alike.
const SAME_CHUNK_MAX: i64 = 64;

/// What holds for a promise that something else ends.
const NEVER: UnixMillis = UnixMillis(i64::MAX);

/// Whether blob `b` may be given to whoever writes to repository `$1` and is `$2`: the repository links it, or one
/// that anyone may read or whose namespace `$2` is or belongs to.
macro_rules! is_readable {
    () => {
        concat!(
            "b.state = 'live' AND b.damaged_at IS NULL AND EXISTS (SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo \
            WHERE l.sha256 = b.sha256 AND r.state = 'live' AND r.withheld IS NULL AND (r.id = $1 \
            OR r.visibility = 'public' OR r.ns = $2 OR EXISTS (SELECT 1 FROM member m WHERE m.org = r.ns AND m.user_id = $2))) \
            AND ",
            is_allowed!()
        )
    };
}

statements! {
    READABLE_CHUNK = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM (SELECT k.blob \
        FROM key_chunk k WHERE k.chunk = $3 ORDER BY k.blob DESC LIMIT $4) n JOIN blob b ON b.id = n.blob \
        WHERE b.xet IS NOT NULL AND ", is_readable!(), " ORDER BY b.id DESC LIMIT 1");
    READABLE_FILE = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        WHERE b.xet = $3 AND ", is_readable!(), " ORDER BY b.id LIMIT 1");
    KEEP_LEASE = "UPDATE staged_xorb SET expires = $4 WHERE repo = $1 AND account = $2 AND xorb = $3";
    STAGED_OF_ACCOUNT = "SELECT COUNT(*) FROM staged_xorb WHERE account = $1";
    INSERT_STAGED = "INSERT INTO staged_xorb (id, repo, account, xorb, size, chunks, expires) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    IS_STAGED = "SELECT 1 FROM staged_xorb WHERE id = $1";
    KEEP_LEASES = "UPDATE staged_xorb SET expires = $3 WHERE repo = $1 AND account = $2 AND expires < $3";
    // While more comes of an upload, all of it stays.
    EXPIRED = "SELECT s.id FROM staged_xorb s WHERE s.expires <= $1 AND NOT EXISTS (SELECT 1 FROM staged_xorb o \
        WHERE o.repo = s.repo AND o.account = s.account AND o.expires > $1) ORDER BY s.expires, s.id LIMIT $2";
    FORGET_EXPIRED = "DELETE FROM staged_xorb WHERE id = $1 AND expires <= $2 AND NOT EXISTS \
        (SELECT 1 FROM staged_xorb o WHERE o.repo = staged_xorb.repo AND o.account = staged_xorb.account AND o.expires > $2) \
        RETURNING repo";
    FORGET_STAGED = "DELETE FROM staged_xorb WHERE id = $1";
    // One of the same length takes the place of an older one: the object may be cut otherwise by now.
    INSERT_PIECE = "INSERT INTO xorb_piece (xorb, first_chunk, sha256, chunks, at_byte, at_chunk, cut, list) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (xorb, first_chunk, sha256) DO UPDATE \
        SET chunks = excluded.chunks, at_byte = excluded.at_byte, at_chunk = excluded.at_chunk, cut = excluded.cut, \
        list = excluded.list WHERE excluded.chunks >= xorb_piece.chunks";
    FORGET_PIECES = "DELETE FROM xorb_piece WHERE sha256 = (SELECT b.sha256 FROM blob b WHERE b.id = $1) \
        AND NOT EXISTS (SELECT 1 FROM blob o WHERE o.sha256 = xorb_piece.sha256 AND o.state = 'live')";
}

templates! {
    STAGED(2) = "SELECT id, xorb, size, chunks FROM staged_xorb WHERE repo = $1 AND account = $2 AND xorb IN (", "?", ")";
    PIECES(3) = concat!("SELECT x.xorb, b.sha256, b.id, x.chunks, x.at_byte, x.first_chunk, x.at_chunk, x.cut, x.list \
        FROM xorb_piece x JOIN blob b ON b.sha256 = x.sha256 WHERE (x.cut IS NULL OR x.cut = b.xet) AND ",
        is_readable!(), " AND x.xorb IN ("), "?", ") ORDER BY x.xorb, x.first_chunk, b.id LIMIT $3";
    RUNS(3) = concat!("SELECT x.xorb, b.sha256, b.id, x.chunks, x.at_byte, CAST(0 AS BIGINT), x.first_chunk, b.xet, \
        CAST(NULL AS BYTEA) FROM xorb_run x JOIN blob b ON b.id = x.blob WHERE b.xet IS NOT NULL AND ", is_readable!(),
        " AND x.xorb IN ("), "?", ") ORDER BY x.xorb, b.id, x.first_chunk LIMIT $3";
}

/// An xorb whose bytes are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewXorb {
    /// Its id, from [`Db::next_id`]; names its file.
    pub id: StagedXorbId,
    /// For which repository it was sent.
    pub repo: RepoId,
    /// By whom.
    pub account: AccountId,
    /// Its hash.
    pub xorb: XorbHash,
    /// Bytes of its chunks.
    pub size_bytes: i64,
    /// How many chunks it has.
    pub chunks: i64,
}

/// What became of an xorb that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staging {
    /// It waits for its files.
    Staged,
    /// The same account sent it for the same repository before; that one waits on, and the new file is nobody's.
    Known,
    /// Too many of the account's wait already.
    TooMany,
}

/// An xorb that waits for its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedXorb {
    /// Names its file.
    pub id: StagedXorbId,
    /// Its hash.
    pub xorb: XorbHash,
    /// Bytes of its chunks.
    pub size_bytes: i64,
    /// How many chunks it has.
    pub chunks: i64,
}

/// Chunks of an xorb that lie in an object one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XorbPiece {
    /// The xorb.
    pub xorb: XorbHash,
    /// The first of the chunks, counted in the xorb.
    pub first: i64,
    /// How many they are.
    pub chunks: i64,
    /// The object.
    pub sha256: Sha256,
    /// Its live incarnation.
    pub blob: BlobId,
    /// The byte of the object at which they begin.
    pub at_byte: i64,
    /// Their entries.
    pub entries: Entries,
}

/// Where the entries of chunks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// In the object's own chunk list.
    OfObject {
        /// The first of them.
        at_chunk: i64,
        /// Which list that is: the hash of the tree over its chunks. They are found while the object has that list.
        cut: FileHash,
    },
    /// Here: the object is cut otherwise.
    Own(Bytes),
}

impl Db {
    /// Records an xorb that was sent, until `expires` at the least; its bytes are promised to it.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if the repository does not exist (any more);
    /// [`crate::Error::OverQuota`] if its namespace has no room for it.
    pub async fn stage_xorb(&self, new: NewXorb, expires: UnixMillis) -> Result<Staging> {
        self.write(move |tx| {
            Box::pin(async move {
                let NewXorb { id, repo, account, xorb, size_bytes, chunks } = new;
                let namespace = namespace_of(tx, repo).await?;
                if tx.execute(KEEP_LEASE, args![repo, account, xorb, expires]).await? > 0 {
                    return Ok(Verdict::Keep(Staging::Known));
                }
                let staged: i64 = match tx.row(STAGED_OF_ACCOUNT, args![account]).await? {
                    Some(row) => row.read(0)?,
                    None => 0,
                };
                if staged >= STAGED_PER_ACCOUNT_MAX {
                    return Ok(Verdict::Discard(Staging::TooMany));
                }
                promise(tx, id.reservation(), namespace, size_bytes, true, NEVER).await?;
                tx.execute(INSERT_STAGED, args![id, repo, account, xorb, size_bytes, chunks, expires])
                    .await?;
                Ok(Verdict::Keep(Staging::Staged))
            })
        })
        .await
    }

    /// Those of `xorbs` that `account` sent for `repo` and that wait for their files, in any order.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn staged_xorbs(
        &self,
        repo: RepoId,
        account: AccountId,
        xorbs: &[XorbHash],
    ) -> Result<Vec<StagedXorb>> {
        let mut found = Vec::new();
        for some in xorbs.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![repo, account];
            args.extend(some.iter().copied().map(Value::from));
            found.extend(each(&self.rows(STAGED.statement(some.len()), args).await?, staged)?);
        }
        Ok(found)
    }

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

    /// Where chunks of `xorbs` (at most 100 are looked at) lie in objects that `repo` links, or a repository that
    /// anyone may read or whose namespace `reader` is or belongs to: whole xorbs first, then by place in the xorb. At most
    /// `limit` of each.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn xorb_pieces(
        &self,
        repo: RepoId,
        reader: Option<AccountId>,
        xorbs: &[XorbHash],
        limit: i64,
    ) -> Result<Vec<XorbPiece>> {
        let xorbs = xorbs.get(..xorbs.len().min(ROWS_PER_STATEMENT_MAX)).unwrap_or_default();
        if xorbs.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = args![repo, reader, limit];
        args.extend(xorbs.iter().copied().map(Value::from));
        let mut found = each(&self.rows(RUNS.statement(xorbs.len()), args.clone()).await?, piece)?;
        found.extend(each(&self.rows(PIECES.statement(xorbs.len()), args).await?, piece)?);
        Ok(found)
    }

    /// Remembers where chunks of xorbs lie. All of it is kept, or nothing.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn add_xorb_pieces(&self, pieces: Vec<XorbPiece>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for piece in pieces {
                    let XorbPiece { xorb, first, chunks, sha256, at_byte, entries, .. } = piece;
                    let (at_chunk, cut, list) = match entries {
                        Entries::OfObject { at_chunk, cut } => (Some(at_chunk), Some(cut), None),
                        Entries::Own(list) => (None, None, Some(list)),
                    };
                    let args = args![xorb, first, sha256, chunks, at_byte, at_chunk, cut, list];
                    tx.execute(INSERT_PIECE, args).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Promises the bytes of `xorbs` to files of `sizes` instead: one promise for each file, in their order. They
    /// end with the process, or at `expires`.
    ///
    /// # Errors
    /// [`crate::Error::OverQuota`], [`crate::Error::NotFound`]; then nothing has changed.
    pub async fn promise_to_files(
        &self,
        repo: RepoId,
        xorbs: Vec<StagedXorbId>,
        sizes: Vec<i64>,
        expires: UnixMillis,
    ) -> Result<Vec<ReservationId>> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = namespace_of(tx, repo).await?;
                for xorb in xorbs {
                    take_back(tx, xorb.reservation()).await?;
                }
                let mut promised = Vec::with_capacity(sizes.len());
                for size_bytes in sizes {
                    let id = ReservationId(tx.next_id());
                    promise(tx, id, namespace, size_bytes, false, expires).await?;
                    promised.push(id);
                }
                Ok(Verdict::Keep(promised))
            })
        })
        .await
    }

    /// Takes back what was promised to files, and promises it to `xorbs` again, of which none has a promise.
    ///
    /// # Errors
    /// As [`Db::promise_to_files`].
    pub async fn promise_to_xorbs(
        &self,
        repo: RepoId,
        xorbs: Vec<StagedXorb>,
        promised: Vec<ReservationId>,
    ) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = namespace_of(tx, repo).await?;
                for id in promised {
                    take_back(tx, id).await?;
                }
                for StagedXorb { id, size_bytes, .. } in xorbs {
                    take_back(tx, id.reservation()).await?;
                    if tx.row(IS_STAGED, args![id]).await?.is_some() {
                        promise(tx, id.reservation(), namespace, size_bytes, true, NEVER).await?;
                    }
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Xorbs whose time is over, longest ago first; of an upload that goes on none is.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn expired_xorbs(&self, now: UnixMillis, limit: i64) -> Result<Vec<StagedXorbId>> {
        each(&self.rows(EXPIRED, args![now, limit]).await?, |row| Ok(StagedXorbId(row.read(0)?)))
    }

    /// Forgets an xorb whose time is over, as [`Db::expired_xorbs`] says; false if it is not.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_expired_xorb(&self, id: StagedXorbId, now: UnixMillis) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(FORGET_EXPIRED, args![id, now]).await? else {
                    return Ok(Verdict::Discard(false));
                };
                known_chunks::void(tx, RepoId(row.read(0)?)).await?;
                take_back(tx, id.reservation()).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Keeps all xorbs that `account` sent for `repo`, until `expires` at the least.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn keep_xorbs(&self, repo: RepoId, account: AccountId, expires: UnixMillis) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                Ok(Verdict::Keep(tx.execute(KEEP_LEASES, args![repo, account, expires]).await.map(drop)?))
            })
        })
        .await
    }

    /// Whether an xorb waits for its files.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn is_xorb_staged(&self, id: StagedXorbId) -> Result<bool> {
        Ok(self.row(IS_STAGED, args![id]).await?.is_some())
    }

    /// Forgets xorbs that wait, and what is promised to them. The caller removes the files.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_xorbs(&self, ids: Vec<StagedXorbId>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for id in ids {
                    take_back(tx, id.reservation()).await?;
                    tx.execute(FORGET_STAGED, args![id]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

fn staged(row: &Row) -> Result<StagedXorb> {
    Ok(StagedXorb {
        id: StagedXorbId(row.read(0)?),
        xorb: row.xorb_hash(1)?,
        size_bytes: row.read(2)?,
        chunks: row.read(3)?,
    })
}

/// An xorb that an object was cut into: all of its chunks are there.
fn piece(row: &Row) -> Result<XorbPiece> {
    let entries = match row.maybe_file_hash(7)? {
        Some(cut) => Entries::OfObject { at_chunk: row.read(6)?, cut },
        None => Entries::Own(row.maybe_bytes(8)?.unwrap_or_default()),
    };
    Ok(XorbPiece {
        xorb: row.xorb_hash(0)?,
        first: row.read(5)?,
        chunks: row.read(3)?,
        sha256: row.sha256(1)?,
        blob: BlobId(row.read(2)?),
        at_byte: row.read(4)?,
        entries,
    })
}
