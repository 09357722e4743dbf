//! Xorbs that wait for their files, and what is promised to them.

use polder_types::{AccountId, RepoId, ReservationId, StagedXorbId, UnixMillis};
use polder_xet::XorbHash;

use crate::quota::{namespace_of, promise, take_back};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result, known_chunks};

/// Most xorbs of one account that wait for their files: 2 TiB of the usual length.
const STAGED_PER_ACCOUNT_MAX: i64 = 32_768;

/// What holds for a promise that something else ends.
const NEVER: UnixMillis = UnixMillis(i64::MAX);

statements! {
    KEEP_LEASE = "UPDATE staged_xorb SET expires = $4 WHERE repo = $1 AND account = $2 AND xorb = $3 RETURNING id";
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
        RETURNING repo, account";
    FORGET_STAGED = "DELETE FROM staged_xorb WHERE id = $1";
}

templates! {
    STAGED(2) = "SELECT id, xorb, size, chunks FROM staged_xorb WHERE repo = $1 AND account = $2 AND xorb IN (", "?", ")";
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
    /// The same account sent it for the same repository before; that one waits on.
    Known(StagedXorbId),
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
                if let Some(known) = tx.row(KEEP_LEASE, args![repo, account, xorb, expires]).await? {
                    return Ok(Verdict::Keep(Staging::Known(StagedXorbId(known.read(0)?))));
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

    /// Forgets an xorb whose time is over, as [`Db::expired_xorbs`] says, and who sent it for which repository; `None`
    /// if it is not. If they may write there, the repository's chunks are void, as [`Db::void_chunks`] says.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn forget_expired_xorb(
        &self,
        id: StagedXorbId,
        now: UnixMillis,
    ) -> Result<Option<(RepoId, AccountId)>> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(FORGET_EXPIRED, args![id, now]).await? else {
                    return Ok(Verdict::Discard(None));
                };
                let (repo, account) = (RepoId(row.read(0)?), AccountId(row.read(1)?));
                known_chunks::void_of_writer(tx, repo, account).await?;
                take_back(tx, id.reservation()).await?;
                Ok(Verdict::Keep(Some((repo, account))))
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
