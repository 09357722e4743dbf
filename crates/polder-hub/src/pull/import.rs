//! Making a repository what another server's is.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use polder_blob::Scratch;
use polder_db::Repo;
use polder_git::client::Remote;
use polder_git::{Command, IndexLimits, KEPT_PREFIX, Received, Ref, Snapshot};
use polder_types::{ObjectId, PackId, RepoName, Visibility};
use tokio::runtime::Handle;

use super::attempt::Attempt;
use super::exchange::HttpExchange;
use super::hf::{Way, has_commits};
use super::{Patience, PullSource, RemoteObjects};
use crate::accept::{Quarantined, Say};
use crate::error::Result;
use crate::exchange::{ImportReport, Progress, Taken, differences};
use crate::origin::LargeObjects;
use crate::{Error, Hub};

/// Most former tips that are kept for one repository, hidden from clients; the oldest make room.
const KEPT_MAX: usize = 1_000;

/// How a source is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Tips that are deleted or rewritten there stay here under `refs/polder/kept/`.
    pub keep: bool,
    /// The copy stays as open as it is, however few may read the source.
    pub stays_open: bool,
}

/// What came of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// What it changed.
    pub report: ImportReport,
    /// Who may read the source, as far as its server tells.
    pub there: Visibility,
}

impl Hub {
    /// A repository on another server as [`PullSource::new`] reads it; `hf:acme/m` and `hf:datasets/acme/d` are
    /// on the server `endpoint`, or else on the configured one.
    ///
    /// # Errors
    /// As there.
    pub fn pull_source(
        &self,
        text: &str,
        endpoint: Option<&str>,
        user: Option<String>,
        token_file: Option<PathBuf>,
    ) -> Result<PullSource> {
        PullSource::or_at(endpoint.unwrap_or(&self.hugging_face_endpoint), text, user, token_file)
    }

    /// Asks another server for a repository, as a pull would, and changes nothing; who may read it there, as far
    /// as that is told.
    ///
    /// # Errors
    /// As [`Hub::pull`].
    pub async fn check_pull_source(&self, source: &PullSource) -> Result<Visibility> {
        let (hub, source, patience) = (self.clone(), source.clone(), Patience::by_hand());
        let work = move || {
            if source.hf().is_none() {
                let exchange = HttpExchange::new(&hub.egress, &source, &patience)?;
                Remote::connect(&exchange)?.list_refs()?;
            }
            hub.visibility_there(&source, &patience)
        };
        self.door.run(work).await
    }

    /// Makes a repository hold exactly the refs and HEAD of one on another server, with its LFS objects.
    /// `refs/pr/*` and `refs/polder/*` are left alone. If not as many may read the source as the repository here,
    /// that is gated or hidden first.
    ///
    /// Again, only what is new is fetched; large objects that came before a failure are kept.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] and [`crate::Kind::Forbidden`] as the other server says;
    /// [`crate::Kind::Invalid`] for a source that is refused, or cannot be taken over whole;
    /// [`crate::Kind::Unavailable`] where trying again may help.
    pub async fn pull(
        &self,
        source: &PullSource,
        name: &RepoName,
        options: PullOptions,
        progress: Progress,
    ) -> Result<Pulled> {
        let repo = self.own_repo(name).await?;
        let (hub, source) = (self.clone(), source.clone());
        let work = move || {
            let say: Say<'_> = &mut |line| progress(line);
            if source.is_open() {
                say("warning: the token goes over plain http, for all on the way to read");
            }
            let attempt = Attempt::by_hand();
            let there = hub.close_as_there(&repo, &source, options, &attempt, say)?;
            let report = hub.pull_blocking(&repo, &source, options.keep, &attempt, say)?;
            Ok(Pulled { report, there })
        };
        self.door.run(work).await
    }

    /// Brings what is new, when the copy is open to no more people than the source.
    pub(super) fn pull_blocking(
        &self,
        repo: &Repo,
        source: &PullSource,
        keep: bool,
        attempt: &Attempt,
        say: Say<'_>,
    ) -> Result<ImportReport> {
        let held = Handle::current().block_on(self.held(repo.id))?;
        if let Some(from) = source.hf() {
            let is_new = held.snapshot.visible_refs_below("refs/heads/").next().is_none();
            match self.way(source, from, &held.snapshot, attempt.patience())? {
                Way::Git => {}
                Way::Files => return self.pull_files(repo, (source, from), keep, attempt, say),
                Way::Commit(id) => match self.pull_commit(repo, source, id, keep, attempt, say)? {
                    Some(report) => return Ok(report),
                    None if is_new => return self.pull_files(repo, (source, from), keep, attempt, say),
                    None => return Err(has_commits()),
                },
            }
        }
        let exchange = HttpExchange::new(&self.egress, source, attempt.patience())?;
        let remote = Remote::connect(&exchange)?;
        let theirs = remote.list_refs()?;
        let mut commands = differences(&theirs.refs, &held.snapshot);
        let scratch = self.store.quarantine()?;
        let place = PackPlace { scratch: &scratch, limits: &IndexLimits::IMPORT };
        let received = self.fetch_new(&remote, &theirs.refs, &held.snapshot, &commands, place, say)?;
        if keep {
            let kept = kept(&commands, &held.snapshot, received.as_ref(), held.snapshot.generation())?;
            commands.extend(kept);
        }
        let taken = Taken {
            head: theirs.head,
            commands,
            quarantined: Quarantined { received, scratch },
            large_objects: LargeObjects::Server(Box::new(RemoteObjects::of(source, attempt.patience())?)),
            mirror: None,
            entry: attempt.import_entry(repo, source),
        };
        self.take_over(repo, taken, say)
    }

    /// Fetches what the new refs reach and is not here, into quarantine.
    pub(crate) fn fetch_new(
        &self,
        remote: &Remote<'_>,
        theirs: &[Ref],
        ours: &Snapshot,
        commands: &[Command],
        place: PackPlace<'_>,
        say: Say<'_>,
    ) -> Result<Option<Received>> {
        // As the checks count: what only a hidden ref reaches is not here.
        let here: HashSet<ObjectId> = ours.visible_refs().map(|r| r.oid).collect();
        let mut wants: Vec<ObjectId> =
            commands.iter().map(|command| command.new).filter(|new| !new.is_zero()).collect();
        wants.sort_unstable();
        wants.dedup();
        wants.retain(|oid| !here.contains(oid));
        if wants.is_empty() {
            return Ok(None);
        }
        let shown: Vec<ObjectId> = theirs.iter().map(|r| r.oid).collect();
        say(&format!("fetching what {} refs reach", commands.len()));
        self.fetch_wanted(remote, &wants, &shown, ours, place, say)
    }

    /// Fetches what `wants` reach and the visible refs of `ours` do not, into quarantine.
    pub(crate) fn fetch_wanted(
        &self,
        remote: &Remote<'_>,
        wants: &[ObjectId],
        shown: &[ObjectId],
        ours: &Snapshot,
        place: PackPlace<'_>,
        say: Say<'_>,
    ) -> Result<Option<Received>> {
        // Both the server and the indexing tell how far they are, one at a time.
        let say = RefCell::new(say);
        let heard = |line: &str| {
            // Not each percent of it.
            if line.ends_with("done.") || !line.contains('%') {
                (say.borrow_mut())(&format!("remote: {line}"));
            }
        };
        let mut pack = remote.fetch(wants, shown, ours, Some(Box::new(heard)))?;
        let id = PackId(self.db.next_id());
        Ok(polder_git::index_pack(id, &mut pack, place.scratch.path(), place.limits, &mut |line| {
            (say.borrow_mut())(line);
        })?)
    }
}

/// Where a pack comes to lie, and how much it may be.
#[derive(Clone, Copy)]
pub(crate) struct PackPlace<'a> {
    pub(crate) scratch: &'a Scratch,
    pub(crate) limits: &'a IndexLimits,
}

/// The commands that keep what `commands` would lose: a deleted tip, or one that the new one does not reach.
/// They are kept below `turn`, which grows from one change to the next.
pub(crate) fn kept(
    commands: &[Command],
    ours: &Snapshot,
    received: Option<&Received>,
    turn: i64,
) -> Result<Vec<Command>> {
    let joined = received.map(|received| ours.with_pack(Arc::clone(&received.pack)));
    let after = joined.as_ref().unwrap_or(ours);
    let mut kept = Vec::new();
    for command in commands.iter().filter(|command| !command.old.is_zero()) {
        if command.new.is_zero() || !polder_git::is_fast_forward(after, command.old, command.new)? {
            let below = command.name.strip_prefix("refs/").unwrap_or(&command.name);
            let name = format!("{KEPT_PREFIX}{turn}/{below}");
            polder_git::check_ref_name(&name).map_err(Error::invalid)?;
            kept.push(Command { name, old: ObjectId::ZERO, new: command.old });
        }
    }
    if !kept.is_empty() {
        let mut before: Vec<&Ref> = ours.refs().iter().filter(|r| r.name.starts_with(KEPT_PREFIX)).collect();
        let age = |r: &&Ref| r.name.get(KEPT_PREFIX.len()..)?.split('/').next()?.parse::<i64>().ok();
        before.sort_by_key(age);
        let over = (before.len() + kept.len()).saturating_sub(KEPT_MAX);
        let gone = before.into_iter().take(over);
        kept.extend(gone.map(|r| Command { name: r.name.clone(), old: r.oid, new: ObjectId::ZERO }));
    }
    Ok(kept)
}
