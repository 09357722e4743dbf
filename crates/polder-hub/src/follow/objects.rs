//! The large objects of a mirror, from the hub it mirrors.

use std::collections::HashMap;
use std::sync::Arc;

use polder_git::NewPointer;
use polder_log::ObjectEntry;
use polder_types::{RepoId, Sha256};
use polder_xet::FileHash;
use tokio::runtime::Handle;

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
        let count = missing.len();
        for (done, (oid, size_bytes)) in missing.into_iter().enumerate() {
            say(&format!("fetching object {} of {count} ({size_bytes} bytes)", done + 1));
            let xet = from.xet.get(&oid).copied();
            let wanted = Wanted { repo, oid, size_bytes, xet, upstream: from.sources.log() };
            let options = TransferOptions::default();
            let fetched = runtime.block_on(self.fetch_object(wanted, from.sources.objects(), options))?;
            runtime.block_on(from.sources.note_liars(oid, &fetched.liars));
        }
        Ok(())
    }
}
