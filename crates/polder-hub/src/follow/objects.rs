//! The large objects of a mirror, from the hub it mirrors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polder_db::Repo;
use polder_git::NewPointer;
use polder_log::ObjectEntry;
use polder_types::{RepoId, Sha256};
use polder_xet::FileHash;
use tokio::runtime::Handle;

use super::limits::Declared;
use super::sources::SourceSet;
use crate::accept::Say;
use crate::error::Result;
use crate::{Hub, TransferOptions, Wanted};

/// Where the large objects of a mirror come from, and what the log says of them.
pub(crate) struct PeerObjects {
    pub(super) sources: Arc<SourceSet>,
    pub(super) xet: HashMap<Sha256, FileHash>,
}

impl PeerObjects {
    /// What the log says only helps: which objects are needed, the pointers in git say.
    pub(super) fn known(entries: &[ObjectEntry]) -> HashMap<Sha256, FileHash> {
        let hash = |entry: &ObjectEntry| Some((entry.sha256, FileHash::from_slice(entry.xet?.as_bytes())?));
        entries.iter().filter_map(hash).collect()
    }
}

impl Hub {
    /// What the objects of an event that a mirror does not have would add.
    pub(super) async fn declared_of(
        &self,
        repo: &Repo,
        upstream: i64,
        all: &[ObjectEntry],
    ) -> Result<Declared> {
        let oids: Vec<Sha256> = all.iter().map(|entry| entry.sha256).collect();
        let linked = self.db.linked_blobs(repo.id, &oids).await?;
        let linked: HashSet<Sha256> = linked.into_iter().map(|blob| blob.sha256).collect();
        let away = all.iter().filter(|entry| !linked.contains(&entry.sha256)).map(|entry| {
            let xet = entry.xet.and_then(|xet| FileHash::from_slice(xet.as_bytes()));
            Wanted { repo: repo.id, oid: entry.sha256, size_bytes: entry.size, xet, upstream }
        });
        self.declared(&away.collect::<Vec<_>>()).await
    }

    /// Fetches the objects that pointers need and that the repository does not have. Each is kept when it is
    /// here, whatever becomes of the others. Blocking.
    ///
    /// # Errors
    /// As [`Hub::fetch_object`].
    pub(crate) fn bring_objects(
        &self,
        repo: RepoId,
        from: &PeerObjects,
        pointers: &[NewPointer],
        say: Say<'_>,
    ) -> Result<()> {
        let runtime = Handle::current();
        let oids: Vec<Sha256> = pointers.iter().map(|new| new.pointer.oid).collect();
        let linked = runtime.block_on(self.db.linked_blobs(repo, &oids))?;
        let mut missing: HashMap<Sha256, u64> =
            pointers.iter().map(|new| (new.pointer.oid, new.pointer.size_bytes)).collect();
        for blob in linked {
            missing.remove(&blob.sha256);
        }
        let upstream = from.sources.log();
        let wanted = missing.into_iter().map(|(oid, size_bytes)| {
            let xet = from.xet.get(&oid).copied();
            Wanted { repo, oid, size_bytes, xet, upstream }
        });
        // Small ones first, so that whoever watches sees them come.
        let mut wanted: Vec<Wanted> = wanted.collect();
        wanted.sort_unstable_by_key(|wanted| (wanted.size_bytes, wanted.oid));
        self.fetch_all(&from.sources, &wanted, say)
    }

    /// Fetches objects that a repository of an upstream does not have, if its limits let all of them come.
    /// Blocking.
    ///
    /// # Errors
    /// As [`Hub::admit`] and [`Hub::fetch_object`].
    pub(super) fn fetch_all(&self, sources: &SourceSet, all: &[Wanted], say: Say<'_>) -> Result<()> {
        let Some(Wanted { repo, .. }) = all.first().copied() else { return Ok(()) };
        let runtime = Handle::current();
        let admitted = runtime.block_on(async {
            let declared = self.declared(all).await?;
            self.admit(sources.log(), declared).await
        })?;
        let shown = self.show_objects(repo, all);
        for (done, wanted) in all.iter().enumerate() {
            let Wanted { oid, size_bytes, .. } = *wanted;
            say(&format!("fetching object {} of {} ({size_bytes} bytes)", done + 1, all.len()));
            shown.begin(*wanted);
            let options = TransferOptions {
                rate: Some(Arc::clone(admitted.rate())),
                until: admitted.until(),
                ..TransferOptions::default()
            };
            let fetched = runtime.block_on(self.fetch_object(*wanted, sources.objects(), options));
            let fetched = fetched.map_err(|error| admitted.blame(error))?;
            admitted.arrived(size_bytes);
            shown.end(size_bytes, fetched.fetched_bytes);
            runtime.block_on(sources.note_liars(oid, &fetched.liars));
        }
        Ok(())
    }

    /// What fetching objects adds to what its upstream's mirrors hold, and to the disk.
    pub(super) async fn declared(&self, all: &[Wanted]) -> Result<Declared> {
        let Some(Wanted { repo, .. }) = all.first().copied() else { return Ok(Declared::default()) };
        let oids: Vec<Sha256> = all.iter().map(|wanted| wanted.oid).collect();
        let counted: HashSet<Sha256> = self.db.blobs_beside(repo, &oids).await?.into_iter().collect();
        let store = self.store.clone();
        let begun = self.leaf.run(move || Ok(store.transfers()?)).await?;
        let begun: HashSet<String> = begun.into_iter().map(|(key, _)| key).collect();
        let mut declared = Declared::default();
        for wanted in all {
            if !counted.contains(&wanted.oid) {
                declared.counted = declared.counted.saturating_add(wanted.size_bytes);
            }
            // The space of what has begun to come is taken already.
            if !begun.contains(&wanted.key()) && self.db.reusable_blob(repo, wanted.oid).await?.is_none() {
                declared.written = declared.written.saturating_add(wanted.size_bytes);
            }
        }
        Ok(declared)
    }
}
