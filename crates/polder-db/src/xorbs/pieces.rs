//! Where the chunks of xorbs lie in objects.

use bytes::Bytes;
use polder_types::{AccountId, BlobId, RepoId, Sha256};
use polder_xet::{FileHash, XorbHash};

use super::readable::is_readable;
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    // One of the same length takes the place of an older one: the object may be cut otherwise by now.
    INSERT_PIECE = "INSERT INTO xorb_piece (xorb, first_chunk, sha256, chunks, at_byte, at_chunk, cut, list) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (xorb, first_chunk, sha256) DO UPDATE \
        SET chunks = excluded.chunks, at_byte = excluded.at_byte, at_chunk = excluded.at_chunk, cut = excluded.cut, \
        list = excluded.list WHERE excluded.chunks >= xorb_piece.chunks";
    FORGET_PIECES = "DELETE FROM xorb_piece WHERE sha256 = (SELECT b.sha256 FROM blob b WHERE b.id = $1) \
        AND NOT EXISTS (SELECT 1 FROM blob o WHERE o.sha256 = xorb_piece.sha256 AND o.state = 'live')";
}

templates! {
    PIECES(3) = concat!("SELECT x.xorb, b.sha256, b.id, x.chunks, x.at_byte, x.first_chunk, x.at_chunk, x.cut, x.list \
        FROM xorb_piece x JOIN blob b ON b.sha256 = x.sha256 WHERE (x.cut IS NULL OR x.cut = b.xet) AND ",
        is_readable!(), " AND x.xorb IN ("), "?", ") ORDER BY x.xorb, x.first_chunk, b.id LIMIT $3";
    RUNS(3) = concat!("SELECT x.xorb, b.sha256, b.id, x.chunks, x.at_byte, CAST(0 AS BIGINT), x.first_chunk, b.xet, \
        CAST(NULL AS BYTEA) FROM xorb_run x JOIN blob b ON b.id = x.blob WHERE b.xet IS NOT NULL AND ", is_readable!(),
        " AND x.xorb IN ("), "?", ") ORDER BY x.xorb, b.id, x.first_chunk LIMIT $3";
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
