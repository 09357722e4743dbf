//! Refs moved in the database alone, as a push moves them that brings no objects.

use polder_db::{Push, PushOutcome, RefUpdate};
use polder_types::{ObjectId, RepoId};

use crate::Hub;

/// A ref that points elsewhere, begins or ends, wherever it pointed to before.
pub(crate) fn moved(name: &str, old: Option<ObjectId>, new: Option<ObjectId>) -> RefUpdate {
    RefUpdate { name: name.to_owned(), old, new, peeled: None, rewinds: true, forbidden: None }
}

/// Moves refs; whether anything changed by it.
pub(crate) async fn move_refs(hub: &Hub, repo: RepoId, updates: Vec<RefUpdate>) -> bool {
    let push = Push {
        repo,
        actor: None,
        expected_gc_epoch: hub.held(repo).await.expect("held").gc_epoch,
        expected_lock_gen: None,
        atomic: true,
        updates,
        new_head: None,
        exact_head: None,
        pack: None,
        pointers: Vec::new(),
        lazy: Vec::new(),
        catalog: None,
        mirror: None,
        proposal: None,
        proposed: Vec::new(),
    };
    let outcome = hub.db.commit_push(push).await.expect("committed");
    let PushOutcome::Done { changed, .. } = outcome else { panic!("{outcome:?}") };
    hub.forget(repo).await;
    changed
}
