//! What the refs of a mirror reach, from whoever has it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polder_db::{MirrorMode, MirrorPublish, Repo};
use polder_git::client::{Exchange, Remote};
use polder_git::{Command, Received, Ref};
use polder_log::RefMap;
use polder_types::{RepoId, Sha256};
use polder_xet::FileHash;
use tokio::runtime::Handle;

use super::PeerObjects;
use super::admit::Admitted;
use super::limits::{Declared, Pause};
use super::metered::Metered;
use super::sources::{Source, SourceSet};
use crate::Hub;
use crate::accept::Quarantined;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Taken, differences_besides};
use crate::origin::LargeObjects;
use crate::pull::{PackPlace, kept};

/// Refs that are this hub's alone.
const OWN_REFS: &[&str] = &["refs/polder/"];

impl Hub {
    /// Makes a repository hold exactly the refs of a map, with all they reach, and shows it: all of it or
    /// nothing. What is needed for that is taken from the first source that has it. Blocking.
    ///
    /// Where the map is empty and the repository was not, what its refs reached is kept below hidden ones, as
    /// an archive keeps it: the origin's word is obeyed at once, and only the purge, with its grace and its
    /// brake, removes anything.
    pub(super) fn take_refs(
        &self,
        repo: &Repo,
        sources: &Arc<SourceSet>,
        wanted: &WantedRefs<'_>,
    ) -> Result<()> {
        let mut wrong = None;
        for source in sources.in_order() {
            match self.take_refs_from(&source, repo, sources, wanted) {
                Err(NotTaken::Source(error)) => {
                    let message = format!("`{}`: {}", source.peer.name(), error.message());
                    let error = Error::new(error.kind(), message).caused_by(error);
                    tracing::warn!(repo = %repo.name, error = %error.chain(), "another source is asked");
                    let note = sources.note(&source, Some(error.message().to_owned()));
                    Handle::current().block_on(note);
                    wrong.get_or_insert(error);
                }
                Err(NotTaken::TooMuch(error)) => {
                    wrong.get_or_insert(error);
                }
                Err(NotTaken::Here(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        Err(wrong.unwrap_or_else(|| Error::unavailable("this repository has no source")))
    }

    fn take_refs_from(
        &self,
        source: &Source,
        repo: &Repo,
        sources: &Arc<SourceSet>,
        wanted: &WantedRefs<'_>,
    ) -> Result<(), NotTaken> {
        let to_ref = |(name, oid): &(String, _)| Ref { name: name.clone(), oid: *oid, peeled: None };
        let theirs: Vec<Ref> = wanted.map.refs().iter().map(to_ref).collect();
        let held = Handle::current().block_on(self.held(repo.id))?;
        let is_archive = wanted.mode == MirrorMode::Archive;
        let mut publish = wanted.publish.clone();
        publish.emptied = !is_archive && theirs.is_empty() && !held.snapshot.refs().is_empty();
        let mut commands = differences_besides(&theirs, &held.snapshot, OWN_REFS);
        let scratch = self.store.quarantine()?;
        let mut say = |line: &str| tracing::debug!(repo = %repo.name, rseq = wanted.rseq, "{line}");
        let here: HashSet<_> = held.snapshot.visible_refs().map(|r| r.oid).collect();
        let is_here = |command: &Command| command.new.is_zero() || here.contains(&command.new);
        let fetched = if commands.iter().all(is_here) {
            None
        } else {
            say("fetching git");
            Some(self.fetch_within(source, (repo.id, sources.log()), wanted, |exchange| {
                let remote = Remote::connect(exchange)?;
                let place = PackPlace { scratch: &scratch, limits: &self.mirror_limits() };
                self.fetch_new(&remote, &theirs, &held.snapshot, &commands, place, &mut say)
            })?)
        };
        let (received, _admitted) = fetched.unzip();
        let received = received.flatten();
        if is_archive || publish.emptied {
            let rseq = i64::try_from(wanted.rseq).map_err(Error::internal)?;
            let kept = kept(&commands, &held.snapshot, received.as_ref(), rseq)?;
            commands.extend(kept);
        }
        let was_fetched = received.is_some();
        let xet = wanted.xet.clone();
        let large_objects = match wanted.mode {
            MirrorMode::Lazy => LargeObjects::Later(xet),
            _ => LargeObjects::Peer(Box::new(PeerObjects { sources: Arc::clone(sources), xet })),
        };
        let entry = Entry::hub("repo.mirror").on(repo.id, &repo.name);
        let entry = entry.with("from", source.peer.name()).with("rseq", wanted.rseq);
        let taken = Taken {
            head: Some(wanted.map.head().to_owned()),
            commands,
            quarantined: Quarantined { received, scratch },
            large_objects,
            mirror: Some(publish),
            entry,
        };
        match self.take_over(repo, taken, &mut say) {
            // What came is not whole, or not what may be here.
            Err(error) if was_fetched && error.kind() == Kind::Invalid => Err(NotTaken::Source(error)),
            Err(error) => Err(NotTaken::Here(error)),
            Ok(_report) => {
                say("published");
                Ok(())
            }
        }
    }

    /// Fetches from a repository within the limits of its upstream. What came counts as coming for as long as the
    /// answer is kept.
    fn fetch_within(
        &self,
        source: &Source,
        (repo, log): (RepoId, i64),
        wanted: &WantedRefs<'_>,
        fetch: impl FnOnce(&dyn Exchange) -> Result<Option<Received>>,
    ) -> Result<(Option<Received>, Admitted), NotTaken> {
        let runtime = Handle::current();
        let admitted = runtime.block_on(self.admit(log, wanted.declared))?;
        let exchange = source.peer.git(wanted.rid).map_err(NotTaken::fetching)?;
        let exchange = Metered::new(exchange, &admitted, self, self.show_pack(repo));
        let received = match fetch(&exchange) {
            Ok(received) => received,
            Err(error) => {
                return Err(match exchange.cut() {
                    // Nobody's answer would fit.
                    Some(pause @ Pause::Disk { .. }) => NotTaken::Here(pause.into()),
                    Some(pause) => NotTaken::TooMuch(pause.into()),
                    None => NotTaken::fetching(error),
                });
            }
        };
        drop(admitted);
        let counted = received.as_ref().map_or(0, |received| received.bytes);
        let came = Declared { counted, written: 0 };
        Ok((received, runtime.block_on(self.admit_at_any_hour(log, came))?))
    }
}

/// What a mirror shall hold.
pub(super) struct WantedRefs<'a> {
    pub(super) rid: Sha256,
    pub(super) rseq: u64,
    pub(super) map: &'a RefMap,
    pub(super) xet: HashMap<Sha256, FileHash>,
    /// What its newest event says is to come with them.
    pub(super) declared: Declared,
    pub(super) mode: MirrorMode,
    /// What is shown with them.
    pub(super) publish: MirrorPublish,
}

/// Why the refs of a mirror were not taken.
enum NotTaken {
    /// Another source may have what this one has not.
    Source(Error),
    /// It sends more than there is room for, which may or may not be what was signed.
    TooMuch(Error),
    /// Another source will not help.
    Here(Error),
}

impl NotTaken {
    /// Whatever is wrong with an answer, another source may have a better one.
    fn fetching(error: Error) -> Self {
        match error.kind() {
            Kind::Internal | Kind::Full => Self::Here(error),
            // The word of this hub's operator is another thing than that of a server elsewhere.
            Kind::Forbidden => Self::Source(Error::unavailable(error.message().to_owned()).caused_by(error)),
            _ => Self::Source(error),
        }
    }
}

impl<E: Into<Error>> From<E> for NotTaken {
    fn from(error: E) -> Self {
        Self::Here(error.into())
    }
}
