//! Facts that the own log does not tell of yet, with the state of their repositories.

use std::collections::{BTreeMap, BTreeSet};

use polder_log::{MANIFEST_OBJECTS_MAX, ObjectEntry, RefChange};
use polder_types::{AccountId, AccountName, ObjectId, RepoId, RepoKind, Sha256, UnixMillis, Visibility};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::published::{Published, PublishedNamespace, PublishedState};
use crate::blobs::Blob;
use crate::repos::{TAKEN_DOWN, TakedownFact};
use crate::row::each;
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Tx;
use crate::value::{Value, args};
use crate::{Db, Result, catalog, events};

/// Most facts that one batch tells of.
const FACTS_MAX: i64 = 256;
/// A batch takes no further repository once it has read this many refs and objects.
const READ_MAX: usize = 100_000;
/// Most moves of refs that are looked at one by one; a body has no room for more than some hundred.
const MOVES_MAX: i64 = 400;

statements! {
    FACTS = "SELECT e.seq, e.repo, e.type FROM event e WHERE e.seq > $1 ORDER BY e.seq LIMIT $2";
    UNDESCRIBED = "SELECT DISTINCT c.repo, f.oid FROM catalog c \
        JOIN repo r ON r.id = c.repo AND r.state = 'live' AND r.visibility = 'public' AND r.upstream IS NULL \
        JOIN ref f ON f.repo = r.id AND f.name = r.head \
        WHERE (c.commit_oid IS NULL OR c.commit_oid <> f.oid) \
        AND c.repo IN (SELECT n.repo FROM (SELECT repo FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) n)";
    FACT = "SELECT facts FROM event WHERE seq = $1";
    // What is at home on another hub is told of by the log of that.
    REPO = "SELECT r.kind, a.id, a.name, r.name, r.visibility, r.head, r.gen, r.state, r.withheld FROM repo r \
        JOIN account a ON a.id = r.ns WHERE r.id = $1 AND r.upstream IS NULL \
        AND (EXISTS (SELECT 1 FROM published_ns p WHERE p.account = r.ns) \
        OR NOT EXISTS (SELECT 1 FROM remote_namespace m WHERE m.account = r.ns))";
    REFS = "SELECT name, oid FROM ref WHERE repo = $1 AND class <> 'hidden' ORDER BY name";
    MOVES = "SELECT name, old_oid, new_oid FROM ref_log WHERE repo = $1 AND gen > $2 ORDER BY gen LIMIT $3";
    OBJECTS = "SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 AND l.pointer_oid IS NOT NULL ORDER BY l.sha256 LIMIT $2";
}

templates! {
    OBJECTS_NAMED(1) = "SELECT b.id, b.sha256, b.size, b.xet, b.damaged_at IS NOT NULL FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE l.repo = $1 AND l.pointer_oid IS NOT NULL AND l.sha256 IN (", "?", ")";
}

/// What a batch of the own log tells of.
#[derive(Debug, Clone, Default)]
pub struct PendingBatch {
    /// The last fact in it.
    pub fact_seq: i64,
    /// Each repository once, as it is now, in the order of their first facts.
    pub repos: Vec<PendingRepo>,
    /// Objects that must get chunk lists first.
    pub unlisted: Vec<Blob>,
}

/// A repository of which there is something to tell.
#[derive(Debug, Clone)]
pub struct PendingRepo {
    /// Local id.
    pub id: RepoId,
    /// What it holds.
    pub kind: RepoKind,
    /// Whose it is.
    pub namespace: AccountId,
    /// What that account is called.
    pub handle: String,
    /// `namespace/name`.
    pub path: String,
    /// What anyone may know of it now.
    pub state: PublishedState,
    /// Where HEAD points.
    pub head: String,
    /// How often its refs have changed.
    pub generation: i64,
    /// What the log has said last, if anything.
    pub published: Option<Published>,
    /// What the log has said of the namespace.
    pub published_namespace: Option<PublishedNamespace>,
    /// What the catalogue says of the tip of the default branch, as JSON, if the repository is open and that is
    /// what it describes.
    pub facts: Option<String>,
    /// Every ref that is not hidden, if the repository is open.
    pub refs: Vec<(String, ObjectId)>,
    /// Refs that moved since; `None` when they are many, or nothing was said before.
    pub changes: Option<Vec<RefChange>>,
    /// Large objects that became reachable, or all of them if it was not open before.
    pub objects: Vec<ObjectEntry>,
    /// Why it was taken down, if it was just now.
    pub reason: Option<String>,
    /// The time now.
    pub now: UnixMillis,
}

#[derive(Deserialize)]
struct RefsFact {
    #[serde(default)]
    objects: Vec<Sha256>,
    #[serde(default)]
    objects_omitted: usize,
}

/// The facts of one repository.
#[derive(Default)]
struct Facts {
    /// Facts that may name objects.
    pushes: Vec<i64>,
    takedown: Option<i64>,
    last: i64,
}

impl Db {
    /// Repositories that the next batch may tell of and of whose default branch the catalogue says something
    /// older, with its tip.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn undescribed(&self, after: i64) -> Result<Vec<(RepoId, ObjectId)>> {
        each(&self.rows(UNDESCRIBED, args![after, FACTS_MAX]).await?, |row| {
            Ok((RepoId(row.read(0)?), row.oid(1)?))
        })
    }
}

/// Reads the next facts and the repositories that they are about.
pub(super) async fn read(tx: &mut Tx, after: i64) -> Result<PendingBatch> {
    let (mut order, mut facts) = (Vec::new(), BTreeMap::<RepoId, Facts>::new());
    for row in tx.rows(FACTS, args![after, FACTS_MAX]).await? {
        let (seq, repo, kind): (i64, i64, String) = (row.read(0)?, row.read(1)?, row.read(2)?);
        let of_repo = facts.entry(RepoId(repo)).or_insert_with(|| {
            order.push(RepoId(repo));
            Facts::default()
        });
        of_repo.last = seq;
        match kind.as_str() {
            "repo.refs" => of_repo.pushes.push(seq),
            "repo.takedown" => of_repo.takedown = Some(seq),
            _ => {}
        }
    }
    let newest = facts.values().map(|facts| facts.last).max().unwrap_or(after);
    let mut batch = PendingBatch { fact_seq: newest, ..PendingBatch::default() };
    let mut read = 0;
    for (place, id) in order.iter().enumerate() {
        if read > READ_MAX {
            // Those left come with the next batch, which begins at their first fact.
            let left: BTreeSet<RepoId> = order.iter().skip(place).copied().collect();
            batch.fact_seq = first_fact_of(tx, after, &left).await? - 1;
            break;
        }
        let Some(of_repo) = facts.remove(id) else { continue };
        if let Some(repo) = repo(tx, *id, &of_repo, &mut batch.unlisted).await? {
            read += repo.refs.len() + repo.objects.len();
            batch.repos.push(repo);
        }
    }
    Ok(batch)
}

async fn first_fact_of(tx: &mut Tx, after: i64, repos: &BTreeSet<RepoId>) -> Result<i64> {
    for row in tx.rows(FACTS, args![after, FACTS_MAX]).await? {
        if repos.contains(&RepoId(row.read(1)?)) {
            return row.read(0);
        }
    }
    Ok(after + 1)
}

async fn repo(
    tx: &mut Tx,
    id: RepoId,
    facts: &Facts,
    unlisted: &mut Vec<Blob>,
) -> Result<Option<PendingRepo>> {
    let Some(row) = tx.row(REPO, args![id]).await? else { return Ok(None) };
    let (account, name): (AccountName, String) = (row.word(2)?, row.read(3)?);
    let handle = account.handle().to_owned();
    let life: String = row.read(7)?;
    let withheld: Option<String> = row.read(8)?;
    let state = match (life.as_str(), withheld.as_deref(), row.word(4)?) {
        // Also when it is deleted with it.
        (_, Some(TAKEN_DOWN), _) => PublishedState::Takedown,
        ("live", None, Visibility::Public) => PublishedState::Open,
        ("live", _, _) => PublishedState::Private,
        _ => PublishedState::Deleted,
    };
    let namespace = AccountId(row.read(1)?);
    let mut pending = PendingRepo {
        id,
        kind: row.word(0)?,
        namespace,
        path: format!("{handle}/{name}"),
        handle,
        state,
        head: row.read(5)?,
        generation: row.read(6)?,
        published: super::published::of_repo(tx, id).await?,
        published_namespace: super::published::of_namespace(tx, namespace).await?,
        facts: None,
        refs: Vec::new(),
        changes: None,
        objects: Vec::new(),
        reason: None,
        now: tx.now(),
    };
    if let (PublishedState::Takedown, Some(seq)) = (state, facts.takedown) {
        pending.reason = fact::<TakedownFact>(tx, seq).await?.map(|fact| fact.reason);
    }
    if state != PublishedState::Open {
        return Ok(Some(pending));
    }
    let before = pending.published.as_ref().filter(|before| before.state == PublishedState::Open);
    pending.refs = each(&tx.rows(REFS, args![id]).await?, |row| Ok((row.read(0)?, row.oid(1)?)))?;
    pending.facts = catalog::facts_at_tip(tx, id).await?;
    let (since, is_open_since) = (before.map_or(0, |before| before.generation), before.is_some());
    if is_open_since {
        pending.changes = changes(tx, id, since).await?;
    }
    let blobs = objects(tx, id, facts, is_open_since).await?;
    unlisted.extend(blobs.iter().filter(|blob| blob.xet.is_none() && !blob.damaged).cloned());
    pending.objects = blobs.iter().map(object).collect();
    Ok(Some(pending))
}

fn object(blob: &Blob) -> ObjectEntry {
    ObjectEntry {
        sha256: blob.sha256,
        size: u64::try_from(blob.size_bytes).unwrap_or_default(),
        xet: blob.xet.map(|hash| Sha256::new(*hash.as_bytes())),
    }
}

/// Where every ref was at `since` and is now, hidden ones left out.
async fn changes(tx: &mut Tx, id: RepoId, since: i64) -> Result<Option<Vec<RefChange>>> {
    let rows = tx.rows(MOVES, args![id, since, MOVES_MAX + 1]).await?;
    if i64::try_from(rows.len()).is_ok_and(|count| count > MOVES_MAX) {
        return Ok(None);
    }
    let mut moves = BTreeMap::<String, RefChange>::new();
    for row in rows {
        let (name, old, new) = (row.read::<String>(0)?, row.maybe_oid(1)?, row.maybe_oid(2)?);
        if !name.starts_with("refs/polder/") {
            moves.entry(name.clone()).or_insert(RefChange { name, old, new }).new = new;
        }
    }
    Ok(Some(moves.into_values().filter(|moved| moved.old != moved.new).collect()))
}

/// What a fact says.
async fn fact<T: DeserializeOwned>(tx: &mut Tx, seq: i64) -> Result<Option<T>> {
    let Some(row) = tx.row(FACT, args![seq]).await? else { return Ok(None) };
    events::parsed(seq, &row.read::<String>(0)?).map(Some)
}

/// The objects that a repository's facts name, or all of its objects.
async fn objects(tx: &mut Tx, id: RepoId, facts: &Facts, only_new: bool) -> Result<Vec<Blob>> {
    let most = i64::try_from(MANIFEST_OBJECTS_MAX).unwrap_or(i64::MAX);
    let mut named = BTreeSet::new();
    let mut all = !only_new;
    for seq in &facts.pushes {
        let Some(fact) = fact::<RefsFact>(tx, *seq).await? else { continue };
        all |= fact.objects_omitted > 0;
        named.extend(fact.objects);
    }
    if all {
        return each(&tx.rows(OBJECTS, args![id, most]).await?, Blob::from_row);
    }
    let (named, mut found) = (named.into_iter().collect::<Vec<_>>(), Vec::new());
    for some in named.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![id];
        args.extend(some.iter().copied().map(Value::from));
        found.extend(each(&tx.rows(OBJECTS_NAMED.statement(some.len()), args).await?, Blob::from_row)?);
    }
    Ok(found)
}
