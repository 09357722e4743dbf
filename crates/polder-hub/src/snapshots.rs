//! Repository snapshots in memory: loaded once, replaced by each push, bounded by weight.
//!
//! Where other processes write to the database too, each request asks how far the repository has come,
//! and a snapshot that is behind is given what has changed since, not loaded anew.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use polder_db::{PackRow, RefRow, RepoChanges, RepoState, RepoVersion};
use polder_git::{Pack, Ref, Snapshot};
use polder_types::{PackId, RepoId};
use tokio::sync::{Mutex, MutexGuard};

use crate::Hub;
use crate::coalesced::Coalesced;
use crate::error::{Error, Result};

/// Most memory that held snapshots may take, in bytes (estimated).
const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;
/// What one ref, and one mapped pack, count as, in bytes.
const REF_WEIGHT_BYTES: usize = 200;
pub(crate) const MAPPED_PACK_WEIGHT_BYTES: usize = 64 << 10;
/// Most repositories whose versions are asked for by several requests at once.
const VERSIONS_MAX: u64 = 100_000;
/// Repositories whose loads and replacements can proceed side by side.
const SHARDS: usize = 64;

/// A repository as it was at one generation, and the collection epoch that was true with it.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) gc_epoch: i64,
    weight: u32,
}

impl Held {
    pub(crate) fn new(snapshot: Snapshot, gc_epoch: i64, pack_bytes: usize) -> Self {
        let weight = snapshot.refs().len() * REF_WEIGHT_BYTES + pack_bytes;
        Self { snapshot: Arc::new(snapshot), gc_epoch, weight: u32::try_from(weight).unwrap_or(u32::MAX) }
    }

    fn has_come_to(&self, version: RepoVersion) -> bool {
        self.snapshot.generation() >= version.generation && self.gc_epoch >= version.gc_epoch
    }
}

/// The held snapshots. A shard's lock is held while a snapshot is loaded or replaced, so that a load
/// that began before a push can never be stored after it.
pub(crate) struct Snapshots {
    held: moka::sync::Cache<RepoId, Held>,
    shards: Vec<Mutex<()>>,
    /// Set where others write too.
    versions: Option<Coalesced<RepoId, Option<RepoVersion>>>,
}

impl Snapshots {
    /// `is_shared`: other processes change repositories too.
    pub(crate) fn new(is_shared: bool) -> Self {
        let held = moka::sync::Cache::builder()
            .max_capacity(SNAPSHOT_BYTES_MAX)
            .weigher(|_, held: &Held| held.weight)
            .build();
        let versions = is_shared.then(|| Coalesced::new(VERSIONS_MAX));
        Self { held, shards: (0..SHARDS).map(|_| Mutex::new(())).collect(), versions }
    }

    async fn shard(&self, repo: RepoId) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        repo.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % 64).unwrap_or(0);
        match self.shards.get(index) {
            Some(shard) => Some(shard.lock().await),
            None => None,
        }
    }
}

/// What changed of a repository.
pub(crate) struct Advance {
    pub(crate) generation: i64,
    pub(crate) head: String,
    /// Name and new value; `None` where the ref is gone.
    pub(crate) refs: Vec<(String, Option<Ref>)>,
    pub(crate) packs: Vec<Arc<Pack>>,
    pub(crate) pack_bytes: usize,
}

impl Hub {
    /// The newest state of a repository.
    pub(crate) async fn held(&self, repo: RepoId) -> Result<Held> {
        let gone = || Error::not_found("this repository is gone");
        let version = match &self.snapshots.versions {
            Some(versions) => {
                let version = versions.read(repo, self.db.repo_version(repo)).await?;
                Some(version.ok_or_else(gone)?)
            }
            None => None,
        };
        let is_current = |held: &Held| version.is_none_or(|version| held.has_come_to(version));
        if let Some(held) = self.snapshots.held.get(&repo).filter(is_current) {
            return Ok(held);
        }
        let _shard = self.snapshots.shard(repo).await;
        let before = match self.snapshots.held.get(&repo) {
            Some(held) if is_current(&held) => return Ok(held),
            before => before,
        };
        let caught_up = match before {
            Some(before) => self.catch_up(repo, &before).await?,
            None => None,
        };
        let held = if let Some(held) = caught_up {
            held
        } else {
            let state = self.db.load_repo_state(repo).await?.ok_or_else(gone)?;
            let store = self.store.clone();
            self.leaf.run(move || load(state, &store)).await?
        };
        self.snapshots.held.insert(repo, held.clone());
        Ok(held)
    }

    /// What `before` becomes by what has changed since; nothing where only loading it anew will do: packs
    /// or objects were dropped.
    async fn catch_up(&self, repo: RepoId, before: &Held) -> Result<Option<Held>> {
        let since = before.snapshot.generation();
        let Some(changes) = self.db.repo_changes(repo, since).await? else { return Ok(None) };
        let known: HashSet<PackId> = before.snapshot.packs().iter().map(|pack| pack.id()).collect();
        let new: Vec<PackId> = changes.packs.iter().copied().filter(|id| !known.contains(id)).collect();
        let all_known_live = changes.packs.len() == known.len() + new.len();
        if changes.version.gc_epoch != before.gc_epoch || !all_known_live {
            return Ok(None);
        }
        let ref_count = changes.ref_count;
        let rows = self.db.packs(repo, &new).await?;
        let (before, store) = (before.clone(), self.store.clone());
        let held = self.leaf.run(move || Ok(applied(&before, as_advance(changes, rows, &store)?))).await?;
        // History that was cleared away would leave refs standing that are gone.
        Ok((i64::try_from(held.snapshot.refs().len()) == Ok(ref_count)).then_some(held))
    }

    /// Puts a committed push into memory, before anyone is told of it.
    pub(crate) async fn advance(&self, repo: RepoId, advance: Advance) {
        let _shard = self.snapshots.shard(repo).await;
        match self.snapshots.held.get(&repo) {
            Some(before) if before.snapshot.generation() + 1 == advance.generation => {
                self.snapshots.held.insert(repo, applied(&before, advance));
            }
            // Another node's pushes came between; the next reader catches up.
            _ if self.snapshots.versions.is_some() => {}
            _ => self.snapshots.held.invalidate(&repo),
        }
    }

    /// Forgets a repository's state; the next reader loads it anew.
    pub(crate) async fn forget(&self, repo: RepoId) {
        let _shard = self.snapshots.shard(repo).await;
        self.snapshots.held.invalidate(&repo);
    }
}

fn applied(before: &Held, advance: Advance) -> Held {
    let snapshot = &before.snapshot;
    let refs_before = snapshot.refs().len();
    let changed: HashMap<String, Option<Ref>> = advance.refs.into_iter().collect();
    let kept = snapshot.refs().iter().filter(|r| !changed.contains_key(&r.name)).cloned();
    let refs: Vec<Ref> = kept.chain(changed.values().flatten().cloned()).collect();
    let mut packs = snapshot.packs().to_vec();
    packs.extend(advance.packs);
    let pack_bytes = usize::try_from(before.weight)
        .unwrap_or(usize::MAX)
        .saturating_sub(refs_before * REF_WEIGHT_BYTES)
        .saturating_add(advance.pack_bytes);
    Held::new(Snapshot::new(advance.generation, advance.head, refs, packs), before.gc_epoch, pack_bytes)
}

fn as_advance(changes: RepoChanges, rows: Vec<PackRow>, store: &polder_blob::Store) -> Result<Advance> {
    let deleted = changes.deleted.into_iter().map(|name| (name, None));
    let written = changes.refs.into_iter().map(|row| (row.name.clone(), Some(as_ref(row))));
    let (packs, pack_bytes) = open_packs(rows, store)?;
    Ok(Advance {
        generation: changes.version.generation,
        head: changes.head,
        // Of a ref that was deleted and made again the second counts.
        refs: deleted.chain(written).collect(),
        packs,
        pack_bytes,
    })
}

pub(crate) fn load(state: RepoState, store: &polder_blob::Store) -> Result<Held> {
    let (packs, pack_bytes) = open_packs(state.packs, store)?;
    let refs = state.refs.into_iter().map(as_ref).collect();
    let snapshot = Snapshot::new(state.repo.generation, state.repo.head, refs, packs);
    Ok(Held::new(snapshot, state.repo.gc_epoch, pack_bytes))
}

/// Opens packs; also says what they weigh, in bytes.
fn open_packs(rows: Vec<PackRow>, store: &polder_blob::Store) -> Result<(Vec<Arc<Pack>>, usize)> {
    let mut pack_bytes = 0;
    let mut packs = Vec::with_capacity(rows.len());
    for row in rows {
        pack_bytes += weight(&row);
        packs.push(Arc::new(open_pack(row, store)?));
    }
    Ok((packs, pack_bytes))
}

/// Opens a pack from its row or its files.
fn open_pack(row: PackRow, store: &polder_blob::Store) -> Result<Pack> {
    if let Some((pack, index)) = row.data {
        return Ok(Pack::from_bytes(row.id, pack, index)?);
    }
    let (pack, index) = store.pack_paths(row.id);
    Ok(Pack::open(row.id, &pack, &index)?)
}

/// Opens a pack and compares all of it with its hash and, when `deep`, each object with its id.
pub(crate) fn check_pack(row: PackRow, store: &polder_blob::Store, deep: bool) -> Result<Pack> {
    let pack = open_pack(row, store)?;
    polder_git::verify_pack(&pack, deep)?;
    Ok(pack)
}

fn weight(row: &PackRow) -> usize {
    row.data.as_ref().map_or(MAPPED_PACK_WEIGHT_BYTES, |(pack, index)| pack.len() + index.len())
}

fn as_ref(row: RefRow) -> Ref {
    Ref { name: row.name, oid: row.oid, peeled: row.peeled }
}
