//! Repository snapshots in memory: loaded once, replaced by each push, bounded by weight.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use polder_db::{PackRow, RefRow, RepoState};
use polder_git::{Pack, Ref, Snapshot};
use polder_types::RepoId;
use tokio::sync::{Mutex, MutexGuard};

use crate::Hub;
use crate::error::{Error, Result};

/// Most memory that held snapshots may take, in bytes (estimated).
const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;
/// What one ref, and one mapped pack, count as, in bytes.
const REF_WEIGHT_BYTES: usize = 200;
pub(crate) const MAPPED_PACK_WEIGHT_BYTES: usize = 64 << 10;
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
}

/// The held snapshots. A shard's lock is held while a snapshot is loaded or replaced, so that a load
/// that began before a push can never be stored after it.
pub(crate) struct Snapshots {
    held: moka::sync::Cache<RepoId, Held>,
    shards: Vec<Mutex<()>>,
}

impl Snapshots {
    pub(crate) fn new() -> Self {
        let held = moka::sync::Cache::builder()
            .max_capacity(SNAPSHOT_BYTES_MAX)
            .weigher(|_, held: &Held| held.weight)
            .build();
        Self { held, shards: (0..SHARDS).map(|_| Mutex::new(())).collect() }
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

/// What a push changed.
pub(crate) struct Advance {
    pub(crate) generation: i64,
    pub(crate) head: String,
    /// Name and new value; `None` where the ref is gone.
    pub(crate) refs: Vec<(String, Option<Ref>)>,
    pub(crate) pack: Option<Arc<Pack>>,
    pub(crate) pack_bytes: usize,
}

impl Hub {
    /// The newest state of a repository.
    pub(crate) async fn held(&self, repo: RepoId) -> Result<Held> {
        if let Some(held) = self.snapshots.held.get(&repo) {
            return Ok(held);
        }
        let _shard = self.snapshots.shard(repo).await;
        if let Some(held) = self.snapshots.held.get(&repo) {
            return Ok(held);
        }
        let state = self.db.load_repo_state(repo).await?;
        let state = state.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let store = self.store.clone();
        let held = self.leaf.run(move || load(state, &store)).await?;
        self.snapshots.held.insert(repo, held.clone());
        Ok(held)
    }

    /// Puts a committed push into memory, before anyone is told of it.
    pub(crate) async fn advance(&self, repo: RepoId, advance: Advance) {
        let _shard = self.snapshots.shard(repo).await;
        match self.snapshots.held.get(&repo) {
            Some(before) if before.snapshot.generation() + 1 == advance.generation => {
                self.snapshots.held.insert(repo, applied(&before, advance));
            }
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
    let changed = |name: &str| advance.refs.iter().any(|(changed, _)| changed == name);
    let mut refs: Vec<Ref> = snapshot.refs().iter().filter(|r| !changed(&r.name)).cloned().collect();
    refs.extend(advance.refs.iter().filter_map(|(_, new)| new.clone()));
    let mut packs = snapshot.packs().to_vec();
    packs.extend(advance.pack);
    let pack_bytes = usize::try_from(before.weight)
        .unwrap_or(usize::MAX)
        .saturating_sub(snapshot.refs().len() * REF_WEIGHT_BYTES)
        .saturating_add(advance.pack_bytes);
    Held::new(Snapshot::new(advance.generation, advance.head, refs, packs), before.gc_epoch, pack_bytes)
}

pub(crate) fn load(state: RepoState, store: &polder_blob::Store) -> Result<Held> {
    let mut pack_bytes = 0;
    let mut packs = Vec::with_capacity(state.packs.len());
    for row in state.packs {
        pack_bytes += weight(&row);
        packs.push(Arc::new(open_pack(row, store)?));
    }
    let refs = state.refs.into_iter().map(as_ref).collect();
    let snapshot = Snapshot::new(state.repo.generation, state.repo.head, refs, packs);
    Ok(Held::new(snapshot, state.repo.gc_epoch, pack_bytes))
}

/// Opens a pack from its row or its files.
pub(crate) fn open_pack(row: PackRow, store: &polder_blob::Store) -> Result<Pack> {
    if let Some((pack, index)) = row.data {
        return Ok(Pack::from_bytes(row.id, pack, index)?);
    }
    let (pack, index) = store.pack_paths(row.id);
    Ok(Pack::open(row.id, &pack, &index)?)
}

fn weight(row: &PackRow) -> usize {
    row.data.as_ref().map_or(MAPPED_PACK_WEIGHT_BYTES, |(pack, index)| pack.len() + index.len())
}

fn as_ref(row: RefRow) -> Ref {
    Ref { name: row.name, oid: row.oid, peeled: row.peeled }
}
