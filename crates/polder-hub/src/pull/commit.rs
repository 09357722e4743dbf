//! One revision of a source, by git: the commit keeps its id.

use std::sync::Arc;

use polder_db::Repo;
use polder_git::client::Remote;
use polder_git::{Command, IndexLimits, Received, Snapshot};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use super::attempt::Attempt;
use super::exchange::HttpExchange;
use super::{PackPlace, Patience, PullSource, RemoteObjects, kept};
use crate::Hub;
use crate::accept::{Quarantined, Say};
use crate::error::{Error, Kind, Result};
use crate::exchange::{ImportReport, Taken};
use crate::origin::LargeObjects;
use crate::source_commits::source_of;

/// What came with a commit.
struct Came {
    quarantined: Quarantined,
    /// What is here, and that.
    joined: Arc<Snapshot>,
}

impl Hub {
    /// Makes the default branch `commit_id` of the source; `None` where that gives it to nobody who asks by git.
    ///
    /// # Errors
    /// As [`Hub::pull`]; [`Kind::Conflict`] where that would lose commits of this repository, unless it mirrors the
    /// source.
    pub(super) fn pull_commit(
        &self,
        repo: &Repo,
        source: &PullSource,
        commit_id: ObjectId,
        keep: bool,
        attempt: &Attempt,
        say: Say<'_>,
    ) -> Result<Option<ImportReport>> {
        let ours = Handle::current().block_on(self.held(repo.id))?.snapshot;
        let name = ours.head().to_owned();
        let old = ours.find_ref(&name).map_or(ObjectId::ZERO, |r| r.oid);
        if old == commit_id {
            return Ok(Some(ImportReport { refs: 0, objects: 0 }));
        }
        let Some(Came { quarantined, joined }) =
            self.fetch_commit((source, attempt.patience()), commit_id, &ours, say)?
        else {
            return Ok(None);
        };
        require_same(source, commit_id, &joined)?;
        let is_mirror = repo.pulls_from.as_ref().is_some_and(|url| *url == source.to_string());
        if !is_mirror && !old.is_zero() && !polder_git::is_fast_forward(&joined, old, commit_id)? {
            let message = format!("`{}` has commits that {commit_id} does not reach", repo.name);
            return Err(Error::new(Kind::Conflict, message));
        }
        let mut commands = vec![Command { name: name.clone(), old, new: commit_id }];
        if keep {
            commands.extend(kept(&commands, &ours, quarantined.received.as_ref(), ours.generation())?);
        }
        let large_objects = LargeObjects::Server(Box::new(RemoteObjects::of(source, attempt.patience())?));
        let entry = attempt.import_entry(repo, source);
        let taken = Taken { head: Some(name), commands, quarantined, large_objects, mirror: None, entry };
        self.take_over(repo, taken, say).map(Some)
    }

    /// Fetches a commit and what it reaches: by its id, or, from a server that gives only what its refs name, with the
    /// default branch that reaches it.
    fn fetch_commit(
        &self,
        (source, patience): (&PullSource, &Patience),
        commit_id: ObjectId,
        ours: &Arc<Snapshot>,
        say: Say<'_>,
    ) -> Result<Option<Came>> {
        let exchange = HttpExchange::new(&self.egress, source, patience)?;
        let remote = Remote::connect(&exchange)?;
        let theirs = remote.list_refs()?;
        let shown: Vec<ObjectId> = theirs.refs.iter().map(|r| r.oid).collect();
        let default = theirs.head.and_then(|head| theirs.refs.into_iter().find(|r| r.name == head));
        say(&format!("fetching {commit_id}"));
        for want in [Some(commit_id), default.map(|r| r.oid)].into_iter().flatten() {
            let scratch = self.store.quarantine()?;
            let place = PackPlace { scratch: &scratch, limits: &IndexLimits::IMPORT };
            match self.fetch_wanted(&remote, &[want], &shown, ours, place, say) {
                Ok(received) => {
                    let joined = joined(ours, received.as_ref());
                    if polder_git::is_fast_forward(&joined, commit_id, want)? {
                        let quarantined = Quarantined { received, scratch };
                        return Ok(Some(Came { quarantined, joined }));
                    }
                }
                Err(error) if error.kind() == Kind::Invalid => {
                    say(&format!("warning: {want} does not come by git: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn joined(ours: &Arc<Snapshot>, received: Option<&Received>) -> Arc<Snapshot> {
    let with = |received: &Received| Arc::new(ours.with_pack(Arc::clone(&received.pack)));
    received.map_or_else(|| Arc::clone(ours), with)
}

/// Refuses another commit than the one that was asked for by its id, or that stands for it.
fn require_same(source: &PullSource, commit_id: ObjectId, joined: &Snapshot) -> Result<()> {
    let asked = source.hf().and_then(|from| from.revision()?.parse::<ObjectId>().ok());
    match asked {
        Some(asked) if asked != commit_id && source_of(joined, commit_id) != Some(asked) => {
            Err(Error::invalid(format!("`{source}` is another commit there: {commit_id}")))
        }
        _ => Ok(()),
    }
}
