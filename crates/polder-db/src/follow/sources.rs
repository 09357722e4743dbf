//! Where else what a hub signed can be had: other hubs that mirror it.

use polder_types::UnixMillis;

use super::short;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    DROP_NAMED = "DELETE FROM follow_source WHERE log = $1 AND named";
    PUT_NAMED = "INSERT INTO follow_source (log, url, named) VALUES ($1, $2, TRUE) \
        ON CONFLICT (log, url) DO UPDATE SET named = TRUE";
    SOURCES = "SELECT url, named, heard_at, last_error FROM follow_source WHERE log = $1 \
        ORDER BY named DESC, url LIMIT $2";
    SOURCE_HEARD = "UPDATE follow_source SET last_error = NULL, heard_at = $3 WHERE log = $1 AND url = $2";
    SOURCE_NOT_HEARD = "UPDATE follow_source SET last_error = $3 WHERE log = $1 AND url = $2";
}

/// Most sources of one upstream that are used.
const SOURCES_MAX: i64 = 64;

/// A hub that mirrors an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowSource {
    /// Base of its URLs, without a trailing slash.
    pub url: String,
    /// Whether the operator named it.
    pub named: bool,
    /// When it last answered.
    pub heard_at: Option<UnixMillis>,
    /// What is wrong, if anything.
    pub last_error: Option<String>,
}

impl FollowSource {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            url: row.read(0)?,
            named: row.read(1)?,
            heard_at: row.read::<Option<i64>>(2)?.map(UnixMillis),
            last_error: row.read(3)?,
        })
    }
}

impl Db {
    /// Names the sources of an upstream, in place of those that were named before.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn name_sources(&self, log: i64, urls: Vec<String>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(DROP_NAMED, args![log]).await?;
                for url in urls {
                    tx.execute(PUT_NAMED, args![log, url]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// The sources of an upstream besides its home, named ones first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_sources(&self, log: i64) -> Result<Vec<FollowSource>> {
        each(&self.rows(SOURCES, args![log, SOURCES_MAX]).await?, FollowSource::from_row)
    }

    /// Writes down that a source answered well, or what went wrong.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn heard_source(&self, log: i64, url: String, problem: Option<String>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                heard_source(tx, log, url, problem).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

pub(super) async fn heard_source(tx: &mut Tx, log: i64, url: String, problem: Option<String>) -> Result<()> {
    let now = tx.now();
    match problem {
        Some(problem) => tx.execute(SOURCE_NOT_HEARD, args![log, url, short(&problem)]).await?,
        None => tx.execute(SOURCE_HEARD, args![log, url, now]).await?,
    };
    Ok(())
}
