//! The xorbs that objects are cut into when they are served chunk by chunk.

use std::ops::Range;

use polder_types::{BlobId, RepoId};
use polder_xet::{ChunkHash, FileHash, Run, XorbHash};

use crate::blobs::{Blob, is_allowed};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Error, Result};

statements! {
    FILE_OF_REPO = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM blob b \
        JOIN repo_blob l ON l.sha256 = b.sha256 AND l.repo = $1 \
        WHERE b.xet = $2 AND b.state = 'live' AND ", is_allowed!(), " ORDER BY b.id LIMIT 1");
    CHUNK_OF_REPO = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM key_chunk k \
        JOIN blob b ON b.id = k.blob JOIN repo_blob l ON l.sha256 = b.sha256 AND l.repo = $1 \
        WHERE k.chunk = $2 AND b.state = 'live' AND b.xet IS NOT NULL AND b.damaged_at IS NULL AND ",
        is_allowed!(), " ORDER BY l.added_at DESC, b.id DESC LIMIT 1");
    RUNS_OF_BLOB = "SELECT xorb, first_chunk, chunks, at_byte, size FROM xorb_run \
        WHERE blob = $1 AND at_byte < $3 AND at_byte + size > $2 ORDER BY first_chunk";
    RUNS_OF_XORB = concat!("SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL, \
        x.xorb, x.first_chunk, x.chunks, x.at_byte, x.size FROM xorb_run x JOIN blob b ON b.id = x.blob \
        WHERE x.xorb = $1 AND b.state = 'live' AND ", is_allowed!(), " ORDER BY b.id, x.first_chunk LIMIT $2");
    IS_CUT_SO = "SELECT 1 FROM blob WHERE id = $1 AND xet = $2 AND state = 'live'";
    FORGET_RUNS = "DELETE FROM xorb_run WHERE blob = $1";
}

templates! {
    INSERT_RUNS(1) = "INSERT INTO xorb_run (blob, first_chunk, chunks, at_byte, size, xorb) VALUES ",
        "($1, ?, ?, ?, ?, ?)", " ON CONFLICT (blob, first_chunk) DO NOTHING";
}

impl Db {
    /// The object that a file hash names, if the repository links it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn file_of_repo(&self, repo: RepoId, file: FileHash) -> Result<Option<Blob>> {
        self.row(FILE_OF_REPO, args![repo, file]).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// The sound object that a repository came to link last of those known to have a chunk.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn chunk_of_repo(&self, repo: RepoId, chunk: ChunkHash) -> Result<Option<Blob>> {
        self.row(CHUNK_OF_REPO, args![repo, chunk]).await?.map(|row| Blob::from_row(&row)).transpose()
    }

    /// The xorbs that have some of `bytes` of an object; none as long as none are recorded.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn runs_of_blob(&self, id: BlobId, bytes: Range<u64>) -> Result<Vec<Run>> {
        let place = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let args = args![id, place(bytes.start), place(bytes.end)];
        each(&self.rows(RUNS_OF_BLOB, args).await?, |row| read_run(row, 0))
    }

    /// Live objects that have all chunks of an xorb one after the other, and where: whoever may read them.
    /// At most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn runs_of_xorb(&self, xorb: XorbHash, limit: i64) -> Result<Vec<(Blob, Run)>> {
        let rows = self.rows(RUNS_OF_XORB, args![xorb, limit]).await?;
        each(&rows, |row| Ok((Blob::from_row(row)?, read_run(row, 5)?)))
    }

    /// Records all xorbs of an object, unless its chunks are others by now; false then.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn record_runs(&self, id: BlobId, file: FileHash, runs: Vec<Run>) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.row(IS_CUT_SO, args![id, file]).await?.is_none() {
                    return Ok(Verdict::Discard(false));
                }
                for some in runs.chunks(ROWS_PER_STATEMENT_MAX) {
                    let mut args = args![id];
                    args.extend(some.iter().flat_map(run_args));
                    tx.execute(INSERT_RUNS.statement(some.len()), args).await?;
                }
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }
}

fn run_args(run: &Run) -> [Value; 5] {
    let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    [number(run.first), number(run.chunks), number(run.offset), number(run.size_bytes), run.hash.into()]
}

fn read_run(row: &Row, at: usize) -> Result<Run> {
    let number = |index: usize| -> Result<u64> {
        let number: i64 = row.read(at + index)?;
        u64::try_from(number).map_err(|source| Error::Other {
            doing: "reading",
            subject: "a row of xorb_run".to_owned(),
            source: Some(source.into()),
        })
    };
    Ok(Run {
        hash: row.xorb_hash(at)?,
        first: number(1)?,
        chunks: number(2)?,
        offset: number(3)?,
        size_bytes: number(4)?,
    })
}
