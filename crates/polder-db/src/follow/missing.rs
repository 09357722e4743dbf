//! Events whose bodies no source has given yet. Nothing newer of their repositories is shown.

use bytes::Bytes;
use polder_log::{EventType, Leaf, RepoHead};
use polder_types::{Sha256, UnixMillis};

use super::MirrorTarget;
use super::page::put_targets;
use crate::log::{damaged, put_bodies};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Mirror, Result};

statements! {
    PUT = "INSERT INTO missing_body (log, rid, idx, leaf, before_rseq, before_body) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (log, rid, idx) DO NOTHING";
    MISSING = "SELECT idx, leaf, before_rseq, before_body FROM missing_body WHERE log = $1 AND rid = $2 \
        ORDER BY idx LIMIT $3";
    DROP = "DELETE FROM missing_body WHERE log = $1 AND rid = $2 AND idx = $3";
    DROP_AT = "DELETE FROM missing_body WHERE log = $1 AND idx = $2 RETURNING rid";
    // A worker looks for it; one that is at work shows what it has, which is older.
    LOOK = "UPDATE mirror SET due = $3, failures = 0, behind_since = COALESCE(behind_since, CAST($4 AS BIGINT)) \
        WHERE log = $1 AND rid = $2 AND NOT running \
        AND mode <> 'metadata' AND state NOT IN ('hidden', 'kept')";
    // Of what was never heard of before there is nothing to show but that.
    UNHEARD_OF = "INSERT INTO mirror (log, rid, path, mode, state, rseq, body, ready_rseq, due, running, attempt, \
        failures, changed_at, behind_since) \
        VALUES ($1, $2, $3, 'metadata', 'incomplete', $4, $5, 0, $6, FALSE, 0, 0, $6, $7) \
        ON CONFLICT (log, rid) DO NOTHING";
    HEARD_OF = "SELECT path, mode FROM mirror WHERE log = $1 AND rid = $2";
    SAME = "SELECT 1 FROM mirror WHERE log = $1 AND rid = $2 AND attempt = $3 AND rseq = $4 AND running";
    GIVE_BACK = "UPDATE mirror SET running = FALSE, attempt = attempt + 1, changed_at = $4, failures = 0, \
        last_error = NULL, state = CASE WHEN mode = 'metadata' THEN 'known' ELSE 'waiting' END, \
        due = CASE WHEN mode = 'metadata' THEN NULL ELSE CAST($4 AS BIGINT) END \
        WHERE log = $1 AND rid = $2 AND attempt = $3 AND running";
    // What was never heard of before, and no rule fits, or nothing is left to tell.
    FORGET = "DELETE FROM mirror WHERE log = $1 AND rid = $2 AND path = $3 AND repo IS NULL AND NOT EXISTS \
        (SELECT 1 FROM missing_body x WHERE x.log = $1 AND x.rid = $2)";
}

/// An event whose body is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBody {
    /// Where it is in the log.
    pub index: u64,
    /// Its leaf.
    pub leaf: Leaf,
    /// The event of its repository before it.
    pub before: Option<RepoHead>,
}

impl MissingBody {
    fn from_row(row: &Row) -> Result<Self> {
        let leaf: Vec<u8> = row.read(1)?;
        let rseq: Option<i64> = row.read(2)?;
        let body: Option<Bytes> = row.maybe_bytes(3)?;
        let body_sha256 = body.and_then(|body| Sha256::from_slice(&body));
        Ok(Self {
            index: unsigned(row.read(0)?),
            leaf: Leaf::decode(&leaf).map_err(|error| damaged("a leaf", error))?,
            before: rseq
                .zip(body_sha256)
                .map(|(rseq, body_sha256)| RepoHead { rseq: unsigned(rseq), body_sha256 }),
        })
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Why nobody may see a repository any more of whose newest event only the leaf is here.
fn hides(leaf: &Leaf) -> Option<&'static str> {
    match leaf.kind {
        EventType::RepoDelete => Some("deleted"),
        EventType::RepoTakedown => Some("takedown"),
        _ => None,
    }
}

/// Writes down which bodies are missing, and has them looked for. What a leaf alone hides is hidden.
pub(super) async fn put(tx: &mut Tx, log: i64, missing: Vec<MissingBody>) -> Result<()> {
    let now = tx.now();
    for MissingBody { index, leaf, before } in missing {
        let (rid, rseq) = (leaf.rid, before.map(|head| signed(head.rseq)));
        let since = UnixMillis(signed(leaf.time_ms));
        let encoded = Bytes::copy_from_slice(&leaf.encode());
        let args = args![log, rid, signed(index), encoded, rseq, before.map(|head| head.body_sha256)];
        tx.execute(PUT, args).await?;
        let heard_of = tx.row(HEARD_OF, args![log, rid]).await?;
        match (heard_of, hides(&leaf)) {
            (Some(row), hidden @ Some(_)) => {
                let (path, mode) = (row.read(0)?, row.word(1)?);
                let target =
                    MirrorTarget { rid, path, mode, rseq: leaf.rseq, body: leaf.body_sha256, since, hidden };
                put_targets(tx, log, vec![target]).await?;
            }
            (Some(_), None) => drop(tx.execute(LOOK, args![log, rid, now, since]).await?),
            (None, None) => {
                let (path, before) = (rid.to_string(), signed(leaf.rseq.saturating_sub(1)));
                tx.execute(UNHEARD_OF, args![log, rid, path, before, leaf.body_sha256, now, since]).await?;
            }
            (None, Some(_)) => {}
        }
    }
    Ok(())
}

/// Misses no longer the body of an event that the log has taken back.
pub(super) async fn erase(tx: &mut Tx, log: i64, index: u64) -> Result<()> {
    let now = tx.now();
    if let Some(row) = tx.row(DROP_AT, args![log, signed(index)]).await? {
        tx.execute(LOOK, args![log, row.sha256(0)?, now, None::<UnixMillis>]).await?;
    }
    Ok(())
}

impl Db {
    /// Events of a repository whose bodies are missing, in order, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn missing_bodies(&self, log: i64, rid: Sha256, limit: i64) -> Result<Vec<MissingBody>> {
        each(&self.rows(MISSING, args![log, rid, limit]).await?, MissingBody::from_row)
    }

    /// Writes down a body that was missing, or, without one, that it is not any more, and what it makes of a
    /// claimed mirror. False when it made something else of that: then the claim is given back.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn found_body(
        &self,
        mirror: &Mirror,
        index: u64,
        body: Option<(Sha256, Bytes)>,
        target: Option<MirrorTarget>,
    ) -> Result<bool> {
        let (log, rid, attempt, rseq) = (mirror.log, mirror.rid, mirror.attempt, signed(mirror.rseq));
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                put_bodies(tx, body.into_iter().collect()).await?;
                tx.execute(DROP, args![log, rid, signed(index)]).await?;
                match target {
                    Some(target) => put_targets(tx, log, vec![target]).await?,
                    None => drop(tx.execute(FORGET, args![log, rid, rid.to_string()]).await?),
                }
                let is_same = tx.row(SAME, args![log, rid, attempt, rseq]).await?.is_some();
                if !is_same {
                    tx.execute(GIVE_BACK, args![log, rid, attempt, now]).await?;
                }
                Ok(Verdict::Keep(is_same))
            })
        })
        .await
    }
}
