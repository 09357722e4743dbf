//! What one page of another hub's log changes: leaves, cursor, targets and what is hidden, all together.

use polder_types::{RepoId, Sha256, UnixMillis};

use super::missing::{self, MissingBody};
use super::sources::heard_source;
use super::{MirrorMode, MirrorState, heard};
use crate::log::{Appended, LogAppend};
use crate::repos;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result, blocks};

statements! {
    SIGNED = "UPDATE upstream SET signed = CASE WHEN $2 > signed THEN $2 ELSE signed END WHERE log = $1";
    // A new event is a new reason to try; work under way goes on with the target it has.
    UPSERT_MIRROR = "INSERT INTO mirror (log, rid, path, mode, state, rseq, body, ready_rseq, due, running, \
        attempt, failures, changed_at, hidden_at, behind_since) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, FALSE, 0, 0, $9, $10, $11) \
        ON CONFLICT (log, rid) DO UPDATE SET path = excluded.path, mode = excluded.mode, state = excluded.state, \
        rseq = excluded.rseq, body = excluded.body, failures = 0, last_error = NULL, \
        due = CASE WHEN mirror.running AND excluded.state = 'waiting' THEN mirror.due ELSE excluded.due END, \
        running = mirror.running AND excluded.state = 'waiting', \
        attempt = CASE WHEN excluded.state = 'waiting' THEN mirror.attempt ELSE mirror.attempt + 1 END, \
        hidden_at = CASE WHEN mirror.state <> 'hidden' AND excluded.state = 'hidden' THEN excluded.hidden_at \
        WHEN mirror.state IN ('hidden', 'kept') AND excluded.state <> 'hidden' THEN NULL \
        ELSE mirror.hidden_at END, \
        behind_since = CASE WHEN excluded.state = 'hidden' THEN NULL \
        ELSE COALESCE(mirror.behind_since, excluded.behind_since) END, \
        next_since = CASE WHEN mirror.running THEN COALESCE(mirror.next_since, excluded.behind_since) ELSE NULL END, \
        changed_at = excluded.changed_at WHERE excluded.rseq > mirror.rseq RETURNING repo";
}

/// What an event makes of a repository's mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorTarget {
    /// Which.
    pub rid: Sha256,
    /// Its id at home, with the kind.
    pub path: String,
    /// How much of it is taken.
    pub mode: MirrorMode,
    /// Its newest event.
    pub rseq: u64,
    /// The body of that.
    pub body: Sha256,
    /// When the oldest event of it happened that this stands for, as its home has signed it.
    pub since: UnixMillis,
    /// Why it must not be seen any more, if so.
    pub hidden: Option<&'static str>,
}

/// A page whose leaves are verified.
#[derive(Debug, Clone)]
pub struct FollowedPage {
    /// What to append, to the log as the follower knows it.
    pub append: LogAppend,
    /// Events that the upstream has signed, of which the page may be a part.
    pub signed: u64,
    /// The URL of the source that it came from, if that is not the home.
    pub source: Option<String>,
    /// The newest target of every repository in it that a rule fits.
    pub targets: Vec<MirrorTarget>,
    /// Events whose bodies no source gave.
    pub missing: Vec<MissingBody>,
    /// Events whose bodies the log takes back, by their indices.
    pub erased: Vec<u64>,
}

impl Db {
    /// Applies a page: all of it or nothing. What must not be seen any more is hidden with it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn follow_page(&self, page: FollowedPage) -> Result<Appended> {
        self.write(move |tx| Box::pin(apply(tx, page))).await
    }
}

async fn apply(tx: &mut Tx, page: FollowedPage) -> Result<Verdict<Appended>> {
    let log = page.append.log;
    let appended = crate::log::append(tx, page.append).await?;
    if appended == Appended::Raced {
        return Ok(Verdict::Discard(appended));
    }
    let signed = i64::try_from(page.signed).unwrap_or(i64::MAX);
    tx.execute(SIGNED, args![log, signed]).await?;
    match page.source {
        None => heard(tx, log, None).await?,
        Some(url) => heard_source(tx, log, url, None).await?,
    }
    put_targets(tx, log, page.targets).await?;
    missing::put(tx, log, page.missing).await?;
    for index in page.erased {
        crate::log::erase_at(tx, log, index).await?;
        missing::erase(tx, log, index).await?;
    }
    Ok(Verdict::Keep(appended))
}

/// What a mirror is that something new is known of, and when it is due.
pub(super) fn to_bring(mode: MirrorMode, now: UnixMillis) -> (MirrorState, Option<UnixMillis>) {
    match mode {
        MirrorMode::Metadata => (MirrorState::Known, None),
        MirrorMode::Lazy | MirrorMode::Full | MirrorMode::Archive => (MirrorState::Waiting, Some(now)),
    }
}

/// Makes mirrors what newer events say, and hides what must not be seen any more.
pub(super) async fn put_targets(tx: &mut Tx, log: i64, targets: Vec<MirrorTarget>) -> Result<()> {
    let now = tx.now();
    let some_blocked = blocks::concern(tx, log).await?;
    for target in targets {
        let (state, due) = match target.hidden {
            Some(_why) => (MirrorState::Hidden, None),
            None => to_bring(target.mode, now),
        };
        let rseq = i64::try_from(target.rseq).unwrap_or(i64::MAX);
        let (hidden_at, since) = match target.hidden {
            Some(_why) => (Some(now), None),
            None => (None, Some(target.since)),
        };
        let (mode, state) = (target.mode.as_str(), state.as_str());
        let path = target.path.clone();
        let args = args![log, target.rid, path, mode, state, rseq, target.body, due, now, hidden_at, since];
        let repo = tx.row(UPSERT_MIRROR, args).await?.map(|row| row.read::<Option<i64>>(0)).transpose()?;
        if let (Some(why), Some(Some(repo))) = (target.hidden, repo) {
            repos::withhold(tx, RepoId(repo), Some(why.to_owned())).await?;
        }
        if some_blocked {
            blocks::stop(tx, log, target.rid, &target.path).await?;
        }
    }
    Ok(())
}
