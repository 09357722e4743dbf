//! Every pointer that becomes reachable has its object.

use std::collections::HashMap;

use polder_db::LazyObject;
use polder_git::NewPointer;
use polder_types::Sha256;
use tokio::runtime::Handle;

use super::Say;
use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::origin::{LargeObjects, Origin};

/// Most missing large objects that a refusal names.
const MISSING_NAMED_MAX: usize = 10;

impl Hub {
    /// Before anything costly: every newly reachable pointer has its object here, or it is one of `lazy`. The
    /// transaction asks again.
    pub(super) fn require_objects(
        &self,
        origin: &Origin,
        pointers: &[NewPointer],
        lazy: &[LazyObject],
        say: Say<'_>,
    ) -> Result<()> {
        if pointers.is_empty() {
            return Ok(());
        }
        let oids: Vec<Sha256> = pointers.iter().map(|pointer| pointer.pointer.oid).collect();
        let linked = Handle::current().block_on(self.db.linked_blobs(origin.repo, &oids))?;
        let linked = linked.iter().map(|blob| (blob.sha256, blob.size_bytes));
        let sizes: HashMap<Sha256, i64> =
            lazy.iter().map(|object| (object.sha256, object.size_bytes)).chain(linked).collect();
        for NewPointer { path, pointer, .. } in pointers {
            let size = sizes.get(&pointer.oid);
            if size.is_some_and(|size| u64::try_from(*size) != Ok(pointer.size_bytes)) {
                let message = format!("the pointer `{path}` gives a wrong size for object {}", pointer.oid);
                return Err(Error::invalid(message));
            }
        }
        let missing: Vec<Sha256> = oids.into_iter().filter(|oid| !sizes.contains_key(oid)).collect();
        self.refuse_blocked(&missing)?;
        if missing.is_empty() { Ok(()) } else { Err(missing_objects(origin, pointers, &missing, say)) }
    }
}

pub(super) fn missing_objects(
    origin: &Origin,
    pointers: &[NewPointer],
    missing: &[Sha256],
    say: Say<'_>,
) -> Error {
    say("these files are stored with LFS, but their objects are not on this hub:");
    let lacking = pointers.iter().filter(|new| missing.contains(&new.pointer.oid));
    for new in lacking.take(MISSING_NAMED_MAX) {
        say(&format!("  {} ({})", new.path, new.pointer.oid));
    }
    if missing.len() > MISSING_NAMED_MAX {
        say(&format!("  … and {} more", missing.len() - MISSING_NAMED_MAX));
    }
    say(match origin.large_objects {
        LargeObjects::Here => "upload them first: git lfs push --all <remote>",
        LargeObjects::Directory(_) => "fetch them into the source first: git lfs fetch --all",
        LargeObjects::Repository(_) => "the repository that is copied has not got them here",
        LargeObjects::Server(_) | LargeObjects::Peer(_) | LargeObjects::Later(_) => {
            "the server they come from does not have them either"
        }
    });
    let first = pointers.iter().find(|new| missing.contains(&new.pointer.oid));
    let named = first.map_or(String::new(), |new| format!(": `{}` needs {}", new.path, new.pointer.oid));
    Error::new(Kind::Invalid, format!("{} LFS object(s) missing{named}", missing.len()))
}
