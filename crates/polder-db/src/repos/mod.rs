//! Repositories and their names.

mod delete;
mod protection;
mod rename;
mod revive;
mod settings;
mod takedown;

use polder_types::{AccountId, Gate, RepoId, RepoKind, RepoName, Sha256, UnixMillis, Visibility};
use serde_json::json;

pub use delete::Deleted;
pub(crate) use delete::{delete, empty};
pub use protection::{PROTECTIONS_PER_REPO_MAX, Protection};
pub(crate) use rename::rename;
pub(crate) use settings::{point_head, withhold};
pub(crate) use takedown::TakedownFact;
pub use takedown::{BLOCKED, TAKEN_DOWN};

use crate::db::missing;
use crate::events::{Fact, record};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};
use crate::{accounts, catalog};

/// The columns that [`Repo::from_row`] reads.
macro_rules! repo_columns {
    () => {
        concat!(
            "r.id, r.rid, r.kind, a.name, r.name, r.ns, r.visibility, r.head, r.gen, r.gc_epoch, r.rewind_gen, ",
            "r.cache_epoch, r.upstream, r.withheld, (SELECT m.home FROM remote_namespace m WHERE m.account = r.ns ",
            "AND r.upstream IS NOT NULL), ",
            "(SELECT p.url FROM pull_mirror p WHERE p.repo = r.id), r.created_at, r.gate, r.shown"
        )
    };
}

pub(crate) use repo_columns;

/// How many columns that are.
pub(crate) const REPO_COLUMNS: usize = 19;

macro_rules! select_repo {
    ($rest:literal) => {
        concat!("SELECT ", repo_columns!(), " FROM repo r JOIN account a ON a.id = r.ns ", $rest)
    };
}

statements! {
    INSERT_REPO = "INSERT INTO repo (id, rid, kind, ns, name, visibility, head, state, gen, gc_epoch, rewind_gen, \
        cache_epoch, rseq, ref_count, created_at, upstream, \
        withheld, shown, gate) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'live', 0, 0, 0, 0, 1, 0, $8, $9, $10, $11, $12)";
    INSERT_NAME = "INSERT INTO repo_name (kind, fold, repo, state) VALUES ($1, $2, $3, 'live')";
    NAME_STATE = "SELECT state, repo FROM repo_name WHERE kind = $1 AND fold = $2";
    REPO_BY_ID = select_repo!("WHERE r.id = $1 AND r.state = 'live'");
    // Namespaces whose repositories are made on another hub.
    IS_AWAY = "SELECT 1 FROM remote_namespace m WHERE m.account = $1 \
        AND NOT EXISTS (SELECT 1 FROM published_ns p WHERE p.account = m.account)";
    REPOS_AFTER = select_repo!("WHERE r.id > $1 AND r.state = 'live' ORDER BY r.id LIMIT $2");
    REPO_BY_NAME = concat!("SELECT ", repo_columns!(), ", n.state FROM repo_name n JOIN repo r ON r.id = n.repo ",
        "JOIN account a ON a.id = r.ns WHERE n.kind = $1 AND n.fold = $2");
}

/// Every statement about repositories.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] =
    &[ALL, delete::ALL, protection::ALL, rename::ALL, revive::ALL, settings::ALL, takedown::ALL];

/// Where HEAD of a new repository points.
const FIRST_HEAD: &str = "refs/heads/main";

/// A repository about to be created.
#[derive(Debug, Clone)]
pub struct NewRepo {
    /// Its name; the namespace must be an account.
    pub name: RepoName,
    /// Who may read it; a gated one is given a [`Gate::Manual`].
    pub visibility: Visibility,
    /// Who creates it.
    pub actor: Option<AccountId>,
    /// The name of the repository between hubs.
    pub rid: [u8; 32],
    /// The log that tells of it, for a mirror; its namespace must then be another hub's.
    pub upstream: Option<i64>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Local id.
    pub id: RepoId,
    /// The name of the repository between hubs.
    pub rid: [u8; 32],
    /// Its name now.
    pub name: RepoName,
    /// The account whose it is.
    pub namespace: AccountId,
    /// Who may read it.
    pub visibility: Visibility,
    /// Who decides on requests to read it, if it has a gate; on a private one it stands open until that is public.
    pub gate: Option<Gate>,
    /// The ref that HEAD points to, e.g. `refs/heads/main`; may be unborn.
    pub head: String,
    /// Grows by one with every change of refs or HEAD.
    pub generation: i64,
    /// Grows when garbage collection drops objects.
    pub gc_epoch: i64,
    /// The generation of the last delete, force-push or hide.
    pub rewind_gen: i64,
    /// Grows when cached responses must not be served any more.
    pub cache_epoch: i64,
    /// The log that tells of it, if it is a mirror.
    pub upstream: Option<i64>,
    /// Why nobody but the administrators of this hub may know of it.
    pub withheld: Option<String>,
    /// Base of the URLs of its home hub, if that is another.
    home: Option<String>,
    /// The URL from which it is brought up to date by the clock, if it is.
    pub pulls_from: Option<String>,
    /// When it was made.
    pub created: UnixMillis,
}

/// What a repository name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameState {
    /// A repository of exactly this name (ignoring case).
    Live(Repo),
    /// A former name; the repository as it is now, however often it moved.
    Moved(Repo),
    /// The name, or a former name, of a deleted repository; never given out again.
    Retired,
}

impl Repo {
    /// Where it is at home, if that is another hub: the only one that takes changes.
    pub fn home_url(&self) -> Option<String> {
        let (home, name) = (self.home.as_ref()?, &self.name);
        Some(format!("{home}/{}{}/{}", name.kind().prefix(), name.namespace().handle(), name.name()))
    }

    /// Reads the columns of [`select_repo!`].
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        let rid: Vec<u8> = row.read(1)?;
        let name: String = row.read(4)?;
        let unreadable =
            |source| Error::Other { doing: "reading", subject: "a repository's row".to_owned(), source };
        Ok(Self {
            id: RepoId(row.read(0)?),
            rid: *Sha256::from_slice(&rid).ok_or_else(|| unreadable(None))?.as_bytes(),
            name: RepoName::new(row.word(2)?, row.word(3)?, &name)
                .map_err(|source| unreadable(Some(source.into())))?,
            namespace: AccountId(row.read(5)?),
            visibility: if row.read(18)? { Visibility::Gated } else { row.word(6)? },
            gate: row.maybe_word(17)?,
            head: row.read(7)?,
            generation: row.read(8)?,
            gc_epoch: row.read(9)?,
            rewind_gen: row.read(10)?,
            cache_epoch: row.read(11)?,
            upstream: row.read(12)?,
            withheld: row.read(13)?,
            home: row.read(14)?,
            pulls_from: row.read(15)?,
            created: UnixMillis(row.read(16)?),
        })
    }
}

impl Db {
    /// Creates a repository with an unborn `main`. The mirror of a repository that was mirrored before and
    /// removed since is that one again, under the name that it had.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the name, ignoring case, is or ever was another repository's of this
    /// kind; [`Error::NotFound`] if the namespace is no account.
    pub async fn create_repo(&self, repo: NewRepo) -> Result<Repo> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(create(tx, &repo).await?)) })).await
    }

    /// Finds a repository by kind and folded `namespace/name` ([`RepoName::fold`]). A namespace that is
    /// none of this hub may be the short name of one of another hub.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn find_repo(&self, kind: RepoKind, fold: &str) -> Result<Option<NameState>> {
        if let Some(found) = self.find_repo_exactly(kind, fold).await? {
            return Ok(Some(found));
        }
        let Some((namespace, name)) = fold.split_once('/') else { return Ok(None) };
        match self.namespace_of_alias(namespace).await? {
            Some(meant) => self.find_repo_exactly(kind, &format!("{meant}/{name}")).await,
            None => Ok(None),
        }
    }

    async fn find_repo_exactly(&self, kind: RepoKind, fold: &str) -> Result<Option<NameState>> {
        let Some(row) = self.row(REPO_BY_NAME, args![kind.as_str(), fold]).await? else {
            return Ok(None);
        };
        let state: String = row.read(REPO_COLUMNS)?;
        Ok(Some(match state.as_str() {
            "live" => NameState::Live(Repo::from_row(&row)?),
            "moved" => NameState::Moved(Repo::from_row(&row)?),
            _ => NameState::Retired,
        }))
    }

    /// The repository that has or had a name, deleted or not.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo_of_name(&self, kind: RepoKind, fold: &str) -> Result<Option<RepoId>> {
        let row = self.row(NAME_STATE, args![kind.as_str(), fold]).await?;
        row.map(|row| Ok(RepoId(row.read(1)?))).transpose()
    }

    /// Whether repositories of an account's namespace are made on this hub.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn is_at_home(&self, account: AccountId) -> Result<bool> {
        Ok(self.row(IS_AWAY, args![account]).await?.is_none())
    }

    /// Reads a live repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn repo(&self, id: RepoId) -> Result<Option<Repo>> {
        self.row(REPO_BY_ID, args![id]).await?.map(|row| Repo::from_row(&row)).transpose()
    }

    /// Lists live repositories by id, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_repos(&self, after: Option<RepoId>, limit: i64) -> Result<Vec<Repo>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(REPOS_AFTER, args![after, limit]).await?, Repo::from_row)
    }
}

async fn create(tx: &mut Tx, new: &NewRepo) -> Result<Repo> {
    let (owner, name) = owned_name(tx, &new.name).await?;
    if tx.row(IS_AWAY, args![owner]).await?.is_some() != new.upstream.is_some() {
        return Err(Error::Conflict {
            what: format!("`{name}` is for mirrors of another hub's repositories"),
        });
    }
    if let Some(log) = new.upstream
        && let Some(back) = revive::revive(tx, new.rid, log).await?
    {
        return Ok(back);
    }
    if let Some((state, _)) = name_state(tx, &name).await? {
        return Err(taken(&name, &state));
    }
    // A mirror is shown when it is whole.
    let withheld = new.upstream.map(|_log| "incoming");
    let (id, now) = (RepoId(tx.next_id()), tx.now());
    let kind = name.kind().as_str();
    let visibility = new.visibility.as_str();
    let (column, shown) = settings::columns(new.visibility);
    let gate = shown.then_some(Gate::Manual.as_str());
    let mut args =
        args![id, new.rid, kind, owner, name.name(), column, FIRST_HEAD, now, new.upstream, withheld];
    args.extend(args![shown, gate]);
    tx.execute(INSERT_REPO, args).await?;
    tx.execute(INSERT_NAME, args![kind, name.fold(), id]).await?;
    catalog::open(tx, id).await?;
    let facts = json!({"v": 1, "rid": Sha256::new(new.rid), "kind": kind, "path": name.to_string(),
        "visibility": visibility, "head": FIRST_HEAD});
    record(tx, Fact { repo: id, rseq: 1, actor: new.actor, kind: "repo.create" }, &facts).await?;
    tx.audit(|entry| entry.repo = Some(id));
    load(tx, id).await
}

/// The account of a name's namespace, and the name with the namespace as its owner writes it.
async fn owned_name(tx: &mut Tx, name: &RepoName) -> Result<(AccountId, RepoName)> {
    let namespace = name.namespace();
    let account = accounts::by_fold(tx, namespace.fold()).await?;
    let account = account.ok_or_else(|| missing(format!("account `{namespace}`")))?;
    let name = RepoName::new(name.kind(), account.name, name.name());
    let name = name.map_err(|error| Error::Conflict { what: error.to_string() })?;
    Ok((account.id, name))
}

/// The state of a name and whose it is or was.
async fn name_state(tx: &mut Tx, name: &RepoName) -> Result<Option<(String, RepoId)>> {
    let row = tx.row(NAME_STATE, args![name.kind().as_str(), name.fold()]).await?;
    row.map(|row| Ok((row.read(0)?, RepoId(row.read(1)?)))).transpose()
}

fn taken(name: &RepoName, state: &str) -> Error {
    let why = match state {
        "live" => "exists",
        "moved" => "is a former name of another repository, which it leads to for ever",
        _ => return Error::Retired { name: name.to_string() },
    };
    Error::Conflict { what: format!("`{name}` {why}") }
}

/// Reads a live repository inside a write.
async fn load(tx: &mut Tx, id: RepoId) -> Result<Repo> {
    let row = tx.row(REPO_BY_ID, args![id]).await?.ok_or_else(|| gone(id))?;
    Repo::from_row(&row)
}

fn gone(id: RepoId) -> Error {
    missing(format!("repository {id}"))
}
