//! What a move of a namespace makes of its repositories at its new home, and at the one before.

use polder_types::{AccountId, AccountName, RepoId, RepoKind, Role, Sha256};
use serde_json::json;

use super::MirrorState;
use super::moved::{self, FollowedMove, Move};
use crate::events::{Fact, record};
use crate::log::{self, Appended, LogAppend, LogOp, Published, PublishedNamespace};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, accounts, remote_namespaces, repos};

statements! {
    IS_READY = "SELECT repo FROM mirror WHERE log = $1 AND rid = $2 AND state = 'ready' AND rseq = $3";
    TAKE_REPO = "UPDATE repo SET upstream = NULL, rseq = rseq + 1, cache_epoch = cache_epoch + 1 \
        WHERE id = $1 AND upstream = $2 AND withheld IS NULL AND state = 'live' RETURNING rseq, gen";
    DROP_MIRROR = "DELETE FROM mirror WHERE log = $1 AND rid = $2";
    PUT_REMOTE = "INSERT INTO remote_namespace (account, nsid, origin, fold, home) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (account) DO UPDATE SET nsid = excluded.nsid, home = excluded.home";
    DROP_PUBLISHED_NAMESPACE = "DELETE FROM published_ns WHERE account = $1";
    TOLD = "SELECT p.rid, p.repo, p.rseq, p.prev, p.path, r.kind FROM published p JOIN repo r ON r.id = p.repo \
        WHERE r.ns = $1 AND r.state = 'live' AND p.state = 'open' ORDER BY p.repo LIMIT $2";
    DROP_PUBLISHED = "DELETE FROM published WHERE repo = $1";
    GIVE_REPO = "UPDATE repo SET upstream = $2, cache_epoch = cache_epoch + 1 WHERE id = $1";
    // Unless the new log has told of it already.
    PUT_MIRROR = "INSERT INTO mirror (log, rid, repo, path, mode, state, rseq, body, ready_rseq, running, attempt, \
        failures, changed_at) VALUES ($1, $2, $3, $4, 'full', 'ready', $5, $6, $5, FALSE, 0, 0, $7) \
        ON CONFLICT (log, rid) DO UPDATE SET repo = excluded.repo, attempt = mirror.attempt + 1, running = FALSE, \
        state = CASE WHEN mirror.state = 'hidden' THEN 'hidden' ELSE 'waiting' END, \
        due = CASE WHEN mirror.state = 'hidden' THEN NULL ELSE excluded.changed_at END RETURNING state";
}

/// Most repositories that move at once.
pub const MOVED_REPOS_MAX: usize = 100_000;

/// A namespace that was mirrored here and is at home here from now on.
#[derive(Debug, Clone)]
pub struct MoveHere {
    /// The operation, to the own log as it is known.
    pub append: LogAppend,
    /// The namespace as the operation makes it.
    pub said: PublishedNamespace,
    /// The move, followed.
    pub which: Move,
    /// The operations before it.
    pub older: Vec<LogOp>,
    /// The namespace's account here.
    pub account: AccountName,
    /// Its short name here.
    pub alias: AccountName,
    /// Who administrates it.
    pub owner: AccountId,
    /// Its repositories, each with the last that was said of it; the generation is not read.
    pub repos: Vec<Published>,
}

/// A namespace of this hub that is at home elsewhere from now on.
#[derive(Debug, Clone)]
pub struct MoveAway {
    /// The move, without mirrors.
    pub followed: FollowedMove,
    /// Its account here.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// This hub's origin.
    pub origin: String,
}

impl Db {
    /// Makes this hub the home of a namespace that it mirrors: all of it or nothing. What its mirrors hold
    /// stays, and the own log is to tell of each.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a mirror is not as the caller knows it, or the short name is another's.
    pub async fn move_here(&self, here: MoveHere) -> Result<Appended> {
        self.write(move |tx| Box::pin(take(tx, here))).await
    }

    /// Makes the repositories that this hub has told of in a namespace mirrors of what its new home has.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn move_away(&self, away: MoveAway) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                give(tx, away).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

async fn take(tx: &mut Tx, here: MoveHere) -> Result<Verdict<Appended>> {
    let MoveHere { append, said, which, older, account, alias, owner, repos } = here;
    let own = append.log;
    let appended = log::append(tx, append).await?;
    if appended == Appended::Raced {
        return Ok(Verdict::Discard(appended));
    }
    let known = accounts::by_fold(tx, account.fold()).await?;
    let known = known.ok_or_else(|| crate::db::missing(format!("account `{account}`")))?;
    log::put_namespace(tx, known.id, said).await?;
    moved::put(tx, &which).await?;
    log::put_ops(tx, own, &older).await?;
    accounts::put_member(tx, known.id, owner, Role::Admin).await?;
    remote_namespaces::add_alias(tx, &alias, &account).await?;
    let old = which.old_log.unwrap_or(own);
    for said in repos {
        take_repo(tx, old, said).await?;
    }
    Ok(Verdict::Keep(appended))
}

async fn take_repo(tx: &mut Tx, old: i64, said: Published) -> Result<()> {
    let changed =
        || Error::Conflict { what: format!("the mirror of `{}` has changed; try again", said.path) };
    let rseq = i64::try_from(said.rseq).unwrap_or(i64::MAX);
    let row = tx.row(IS_READY, args![old, said.rid, rseq]).await?.ok_or_else(changed)?;
    let repo = RepoId(row.read::<Option<i64>>(0)?.ok_or_else(changed)?);
    let row = tx.row(TAKE_REPO, args![repo, old]).await?.ok_or_else(changed)?;
    tx.execute(DROP_MIRROR, args![old, said.rid]).await?;
    let said = Published { generation: row.read(1)?, ..said };
    log::put_published(tx, repo, said, false).await?;
    let fact = Fact { repo, rseq: row.read(0)?, actor: None, kind: "repo.meta" };
    record(tx, fact, &json!({"v": 1, "moved": true})).await
}

async fn give(tx: &mut Tx, away: MoveAway) -> Result<()> {
    let MoveAway { followed, account, name, origin } = away;
    let (new, nsid, home) = (followed.which.new_log, followed.which.nsid, followed.home.clone());
    moved::follow(tx, followed).await?;
    tx.execute(PUT_REMOTE, args![account, nsid, origin, name.fold(), home]).await?;
    tx.execute(DROP_PUBLISHED_NAMESPACE, args![account]).await?;
    let now = tx.now();
    let most = i64::try_from(MOVED_REPOS_MAX).unwrap_or(i64::MAX);
    for row in tx.rows(TOLD, args![account, most]).await? {
        let (rid, repo, rseq): (Sha256, i64, i64) = (row.sha256(0)?, row.read(1)?, row.read(2)?);
        let (prev, kind): (Sha256, RepoKind) = (row.sha256(3)?, row.word(5)?);
        let path = format!("{}{}", kind.prefix(), row.read::<String>(4)?);
        let row = tx.row(PUT_MIRROR, args![new, rid, repo, path, rseq, prev, now]).await?;
        let state = row.map(|row| row.word::<MirrorState>(0)).transpose()?;
        tx.execute(GIVE_REPO, args![repo, new]).await?;
        if state == Some(MirrorState::Hidden) {
            repos::withhold(tx, RepoId(repo), Some("moved".to_owned())).await?;
        }
        tx.execute(DROP_PUBLISHED, args![repo]).await?;
    }
    Ok(())
}
