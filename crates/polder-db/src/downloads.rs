//! How often repositories were downloaded, here and from hubs that mirror this one.

use bytes::Bytes;
use polder_types::{RepoId, Sha256};

use crate::row::each;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

/// Days begin with UTC.
pub(crate) const DAY_MILLIS: i64 = 24 * 3600 * 1000;

statements! {
    ADD = "INSERT INTO download (repo, day, times, told) \
        SELECT r.id, CAST($2 AS BIGINT), CAST($3 AS BIGINT), 0 FROM repo r WHERE r.id = $1 \
        ON CONFLICT (repo, day) DO UPDATE SET times = download.times + excluded.times";
    SINCE = "SELECT COALESCE(CAST(SUM(times) AS BIGINT), 0) FROM download WHERE repo = $1 AND day >= $2";
    ACTIVITY = "SELECT COALESCE(CAST(SUM(times) AS BIGINT), 0), \
        COALESCE(CAST(SUM(CASE WHEN day >= $2 THEN times ELSE 0 END) AS BIGINT), 0), \
        COALESCE(CAST(SUM(CASE WHEN day >= $3 THEN times ELSE 0 END) AS BIGINT), 0), \
        (SELECT COUNT(*) FROM repo_like l WHERE l.repo = $1 AND l.liked_at >= $4) FROM download WHERE repo = $1";
    RELAYED = "SELECT origin, CAST(SUM(times) AS BIGINT) AS times FROM relayed_download WHERE repo = $1 AND day >= $2 \
        GROUP BY origin ORDER BY times DESC, origin LIMIT $3";
    // Of mirrors that anyone may read. What is too little is told when it has become enough.
    UNTOLD = "SELECT r.id, r.rid, CAST(SUM(d.times - d.told) AS BIGINT) AS untold FROM download d \
        JOIN repo r ON r.id = d.repo WHERE r.upstream = $1 AND r.state = 'live' AND r.visibility = 'public' \
        AND r.withheld IS NULL AND r.rid IS NOT NULL AND d.day <= $2 \
        GROUP BY r.id, r.rid HAVING SUM(d.times - d.told) >= $3 ORDER BY untold DESC, r.id LIMIT $4";
    TELL = "UPDATE download SET told = times WHERE repo = $1 AND day <= $2";
    IS_MADE = "SELECT 1 FROM download_statement WHERE log = $1 AND day = $2";
    MAKE = "INSERT INTO download_statement (log, day, statement, taken) VALUES ($1, $2, $3, $4)";
    UNTAKEN = "SELECT day, statement FROM download_statement WHERE log = $1 AND NOT taken ORDER BY day LIMIT $2";
    TAKEN = "UPDATE download_statement SET taken = TRUE WHERE log = $1 AND day = $2";
    HEARD = "SELECT sha256 FROM heard_statement WHERE origin = $1 AND day = $2";
    HEAR = "INSERT INTO heard_statement (origin, day, sha256) VALUES ($1, $2, $3)";
    RELAY = "INSERT INTO relayed_download (repo, origin, day, times) \
        SELECT r.id, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM repo r WHERE r.rid = $1 \
        AND r.state = 'live' AND r.visibility = 'public' AND r.withheld IS NULL AND r.upstream IS NULL";
    DROP_COUNTS = "DELETE FROM download WHERE day < $1";
    DROP_RELAYED = "DELETE FROM relayed_download WHERE day < $1";
    DROP_MADE = "DELETE FROM download_statement WHERE day < $1";
    DROP_HEARD = "DELETE FROM heard_statement WHERE day < $1";
}

/// What happens to a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Downloads here of the last weeks.
    pub downloads: i64,
    /// Downloads here as long as they are counted.
    pub downloads_ever: i64,
    /// Downloads and likes of the last days.
    pub trend: i64,
}

/// Downloads of one repository on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloads {
    /// The repository.
    pub repo: RepoId,
    /// The UTC day, in days since 1970.
    pub day: i64,
    /// How many.
    pub times: i64,
}

/// What a home is to be told of the downloads up to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The home's log.
    pub log: i64,
    /// The day, in days since 1970.
    pub day: i64,
    /// Fewer of a repository are not told.
    pub times_min: i64,
    /// Most repositories.
    pub rows_max: i64,
    /// Most downloads of all together.
    pub times_max: i64,
}

/// A statement of another hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whose it is.
    pub origin: String,
    /// The day, in days since 1970.
    pub day: i64,
    /// Its hash.
    pub sha256: Sha256,
    /// Repositories by their names between hubs, and how many downloads of each.
    pub rows: Vec<(Sha256, i64)>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It counts; of how many repositories.
    New(u64),
    /// It counted before.
    Again,
    /// Another one of that hub counted for that day.
    Other,
}

impl Db {
    /// Adds downloads to what is counted.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn add_downloads(&self, counted: Vec<Downloads>) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for Downloads { repo, day, times } in counted {
                    tx.execute(ADD, args![repo, day, times]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Downloads of a repository here since a day and ever; and those, with likes, of its trend since another.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn activity(&self, repo: RepoId, since_day: i64, trend_since_day: i64) -> Result<Activity> {
        let liked_since = trend_since_day.saturating_mul(DAY_MILLIS);
        let row = self.row(ACTIVITY, args![repo, since_day, trend_since_day, liked_since]).await?;
        let Some(row) = row else { return Ok(Activity::default()) };
        let (downloaded, liked): (i64, i64) = (row.read(2)?, row.read(3)?);
        let trend = downloaded.saturating_add(liked);
        Ok(Activity { downloads: row.read(1)?, downloads_ever: row.read(0)?, trend })
    }

    /// Downloads of a repository here since a day.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn downloads_since(&self, repo: RepoId, day: i64) -> Result<i64> {
        let row = self.row(SINCE, args![repo, day]).await?;
        row.map_or(Ok(0), |row| row.read(0))
    }

    /// Downloads of a repository from other hubs since a day, as those have told: at most `limit` hubs, those
    /// with the most first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn relayed_since(&self, repo: RepoId, day: i64, limit: i64) -> Result<Vec<(String, i64)>> {
        each(&self.rows(RELAYED, args![repo, day, limit]).await?, |row| Ok((row.read(0)?, row.read(1)?)))
    }

    /// Makes what a home is told of a day, once: `write` puts it into bytes. Whatever it has is told with
    /// that, the rest another day.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn make_download_statement<F>(&self, telling: Telling, write: F) -> Result<()>
    where
        F: FnOnce(Vec<(Sha256, i64)>) -> Vec<u8> + Send + 'static,
    {
        let Telling { log, day, .. } = telling;
        // A write takes a turn of the writer, for nothing on most looks.
        if self.row(IS_MADE, args![log, day]).await?.is_some() {
            return Ok(());
        }
        self.write(move |tx| {
            Box::pin(async move {
                if tx.row(IS_MADE, args![log, day]).await?.is_some() {
                    return Ok(Verdict::Discard(()));
                }
                let told = tell(tx, telling).await?;
                let nothing = told.is_empty();
                let statement = if nothing { Vec::new() } else { write(told) };
                tx.execute(MAKE, args![log, day, Bytes::from(statement), nothing]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// At most `limit` statements that a home has not taken, the oldest first, with their days.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn untaken_statements(&self, log: i64, limit: i64) -> Result<Vec<(i64, Bytes)>> {
        each(&self.rows(UNTAKEN, args![log, limit]).await?, |row| {
            Ok((row.read(0)?, row.maybe_bytes(1)?.unwrap_or_default()))
        })
    }

    /// Notes that a home has taken the statement of a day.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn statement_taken(&self, log: i64, day: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(TAKEN, args![log, day]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// The statement of a hub that counted for a day, by its hash.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn heard_statement(&self, origin: &str, day: i64) -> Result<Option<Sha256>> {
        self.row(HEARD, args![origin, day]).await?.map(|row| row.sha256(0)).transpose()
    }

    /// Counts what another hub has told, once; of repositories that anyone may read and that are at home here.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn hear_downloads(&self, heard: Heard) -> Result<Hearing> {
        self.write(move |tx| {
            Box::pin(async move {
                let Heard { origin, day, sha256, rows } = heard;
                if let Some(row) = tx.row(HEARD, args![origin.as_str(), day]).await? {
                    let same = row.sha256(0)? == sha256;
                    return Ok(Verdict::Discard(if same { Hearing::Again } else { Hearing::Other }));
                }
                tx.execute(HEAR, args![origin.as_str(), day, sha256]).await?;
                let mut counted = 0;
                for (rid, times) in rows {
                    counted += tx.execute(RELAY, args![rid, origin.as_str(), day, times]).await?;
                }
                Ok(Verdict::Keep(Hearing::New(counted)))
            })
        })
        .await
    }

    /// Forgets counts of days before `counts`, and statements of days before `statements`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn drop_old_downloads(&self, counts: i64, statements: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                for statement in [DROP_COUNTS, DROP_RELAYED] {
                    tx.execute(statement, args![counts]).await?;
                }
                for statement in [DROP_MADE, DROP_HEARD] {
                    tx.execute(statement, args![statements]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// What there is to tell; it counts as told from here on.
async fn tell(tx: &mut Tx, telling: Telling) -> Result<Vec<(Sha256, i64)>> {
    let Telling { log, day, times_min, rows_max, times_max } = telling;
    let rows = tx.rows(UNTOLD, args![log, day, times_min, rows_max]).await?;
    let (mut told, mut left) = (Vec::new(), times_max);
    for row in rows {
        let (repo, rid, times): (RepoId, Sha256, i64) = (RepoId(row.read(0)?), row.sha256(1)?, row.read(2)?);
        // One that is too much for any day is told as much as a day may have.
        let times = times.min(times_max);
        if times > left {
            continue;
        }
        left -= times;
        tx.execute(TELL, args![repo, day]).await?;
        told.push((rid, times));
    }
    Ok(told)
}
