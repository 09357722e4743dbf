//! Damaged packs of repositories that other hubs have, too, or that are pulled from elsewhere, are fetched anew.
//!
//! Refs stay as they are: what they reach comes again, through the same quarantine and checks as before, and one
//! transaction puts it in the place of the damaged packs. Until then these stay; what is sound in them is served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use polder_blob::Scratch;
use polder_db::{Repo, RepoState, RepoVersion, UpstreamState};
use polder_git::client::{Exchange, Remote};
use polder_git::{IndexLimits, Pack, Received, Ref, Severity, Snapshot};
use polder_types::{ObjectId, PackId, RepoId, Sha256, UnixMillis};
use tokio::runtime::Handle;

use super::limits::Declared;
use super::metered::Metered;
use super::peer::Peer;
use super::sources::SourceSet;
use crate::Hub;
use crate::accept::new_pack;
use crate::error::{Error, Kind, Result};
use crate::mechanisms::may_have_committed;
use crate::pull::{HttpExchange, PackPlace, Patience, PullSource};
use crate::snapshots::check_pack;

/// Repositories looked up at a time.
const PAGE: i64 = 100;
/// Longest pause between two tries while nothing changes, in seconds.
const PAUSE_SECONDS_MAX: i64 = 3_600;
/// Pause after a first failure, in seconds; each next is twice as long.
const FIRST_PAUSE_SECONDS: i64 = 60;

/// Where the git objects of a repository may be had again.
pub(super) enum PackOrigin {
    /// A hub that has the log with this local id, or mirrors this one.
    Hub(Arc<dyn Peer>, Option<i64>),
    Server(Box<PullSource>),
}

impl PackOrigin {
    fn name(&self) -> String {
        match self {
            Self::Hub(peer, _) => peer.name().to_owned(),
            Self::Server(source) => source.to_string(),
        }
    }
}

/// Repositories whose damaged packs could not be had, until they change or some time has passed.
#[derive(Debug, Default)]
pub(crate) struct PackTries(Mutex<HashMap<RepoId, Tried>>);

#[derive(Debug, Clone, Copy)]
struct Tried {
    generation: i64,
    failures: u32,
    due: UnixMillis,
}

impl PackTries {
    pub(super) fn is_due(&self, repo: &Repo, now: UnixMillis) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(&repo.id).is_none_or(|tried| tried.generation != repo.generation || tried.due <= now)
    }

    fn failed(&self, repo: &Repo, now: UnixMillis) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = tries.get(&repo.id).map_or(0, |tried| tried.failures.saturating_add(1));
        let pause = FIRST_PAUSE_SECONDS.saturating_mul(1 << failures.min(6)).min(PAUSE_SECONDS_MAX);
        let due = now.plus_seconds(pause);
        tries.insert(repo.id, Tried { generation: repo.generation, failures, due });
    }

    fn forget(&self, repo: RepoId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&repo);
    }
}

impl Hub {
    /// Replaces damaged packs by what the hubs have that a repository comes from or is mirrored by; says how many
    /// repositories are whole again.
    ///
    /// # Errors
    /// When rows cannot be read; that nobody has what is damaged is no error.
    pub async fn repair_packs_once(&self) -> Result<u64> {
        let (mut after, mut repaired) = (None, 0);
        loop {
            let page = self.db.damaged_pack_repos(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(repaired) };
            after = Some(*last);
            for id in page {
                let Some(repo) = self.db.repo(id).await? else { continue };
                if !self.pack_tries.is_due(&repo, self.clock.now()) {
                    continue;
                }
                let origins = self.pack_origins(&repo).await?;
                repaired += u64::from(!origins.is_empty() && self.repair_packs(&repo, origins).await);
            }
        }
    }

    /// Where a repository comes from, and for one that is at home here, who may mirror it.
    async fn pack_origins(&self, repo: &Repo) -> Result<Vec<PackOrigin>> {
        if let Some(log) = repo.upstream {
            let followed = self.db.upstream(log).await?;
            if followed.is_none_or(|one| one.state == UpstreamState::Unfollowed) {
                return Ok(Vec::new());
            }
            let sources = SourceSet::new(self.db.clone(), log, self.read_sources(log).await?);
            let peers = sources.in_order().into_iter().map(|source| Arc::clone(&source.peer));
            return Ok(peers.map(|peer| PackOrigin::Hub(peer, Some(log))).collect());
        }
        let pulled = self.db.list_pull_mirrors(Some(RepoId(repo.id.0 - 1)), 1).await?;
        let Some(pulled) = pulled.into_iter().find(|mirror| mirror.repo == repo.id) else {
            let peers = self.hubs_mirroring(repo).await?;
            return Ok(peers.into_iter().map(|peer| PackOrigin::Hub(peer, None)).collect());
        };
        let token_file = pulled.token_file.map(Into::into);
        let source = PullSource::new(&pulled.url, pulled.user_name, token_file)?;
        Ok(vec![PackOrigin::Server(Box::new(source))])
    }

    /// Replaces the damaged packs of a repository by what one of `origins` has; says whether one had it.
    pub(super) async fn repair_packs(&self, repo: &Repo, origins: Vec<PackOrigin>) -> bool {
        for origin in origins {
            let (hub, to, name) = (self.clone(), repo.clone(), origin.name());
            let bring = move || {
                let replaced = hub.bring_packs_anew(&to, &origin);
                Handle::current().block_on(hub.forget(to.id));
                replaced
            };
            match self.mirror_door.run(bring).await {
                Ok(replaced) => {
                    let packs = u64::try_from(replaced).unwrap_or(u64::MAX);
                    tracing::info!(repository = %repo.name, from = name, packs, "damaged packs are repaired");
                    metrics::counter!("polder_packs_repaired_total").increment(packs);
                    self.pack_tries.forget(repo.id);
                    return true;
                }
                Err(error) => {
                    tracing::error!(repository = %repo.name, from = name, error = %error.chain(),
                        "a damaged pack is kept: what it holds cannot be had again");
                }
            }
        }
        self.pack_tries.failed(repo, self.clock.now());
        false
    }

    /// Fetches what only damaged packs have and replaces these; says how many they were. Blocking.
    fn bring_packs_anew(&self, repo: &Repo, origin: &PackOrigin) -> Result<usize> {
        let state = Handle::current().block_on(self.db.load_repo_state(repo.id))?;
        let mut rest = Rest::of(self, state.ok_or_else(|| Error::not_found("this repository is gone"))?)?;
        let mut brought = Vec::new();
        // What is shown first, as a fresh clone has it. What is only kept may be gone there, and need not be asked
        // for where what is shown reaches it.
        let shown = rest.snapshot(Ref::is_visible);
        if !polder_git::audit(&shown)?.problems.is_empty() {
            let tips = tips(shown.refs().iter());
            brought.push(self.bring_tips(repo, origin, &tips, &rest.snapshot(|_| false))?);
        }
        rest.packs.extend(brought.iter().map(|one| Arc::clone(&one.1.pack)));
        let all = rest.snapshot(|_| true);
        let lost = tips(polder_git::unsound_refs(&all).into_iter());
        if !lost.is_empty() {
            let kept = self.bring_tips(repo, origin, &lost, &rest.snapshot(Ref::is_visible))?;
            rest.packs.push(Arc::clone(&kept.1.pack));
            brought.push(kept);
        }
        if let Some(lost) = polder_git::unsound_refs(&rest.snapshot(|_| true)).first() {
            return Err(Error::invalid(format!("what `{}` reaches did not come whole", lost.name)));
        }
        let count = rest.damaged.len();
        self.put_in_place(repo.id, rest, &brought)?;
        Ok(count)
    }

    /// Fetches what some tips reach and the refs of `ours` do not, and checks it as a push.
    fn bring_tips(
        &self,
        repo: &Repo,
        origin: &PackOrigin,
        wants: &[ObjectId],
        ours: &Snapshot,
    ) -> Result<(Scratch, Received)> {
        let scratch = self.store.quarantine()?;
        let fetch = |exchange: &dyn Exchange, limits| {
            let remote = Remote::connect(exchange)?;
            let mut say = |line: &str| tracing::debug!(repo = %repo.name, "{line}");
            self.fetch_wanted(&remote, wants, &[], ours, PackPlace { scratch: &scratch, limits }, &mut say)
        };
        let received = match origin {
            PackOrigin::Server(source) => {
                let exchange = HttpExchange::new(&self.egress, source, &Patience::by_clock())?;
                fetch(&exchange, &IndexLimits::IMPORT)?
            }
            PackOrigin::Hub(peer, None) => fetch(&*peer.git(Sha256::new(repo.rid))?, &self.mirror_limits())?,
            PackOrigin::Hub(peer, Some(log)) => {
                let admitted = Handle::current().block_on(self.admit(*log, Declared::default()))?;
                let exchange =
                    Metered::new(peer.git(Sha256::new(repo.rid))?, &admitted, self, self.show_pack(repo.id));
                match (fetch(&exchange, &self.mirror_limits()), exchange.cut()) {
                    (Err(_cut), Some(pause)) => return Err(pause.into()),
                    (fetched, _) => fetched?,
                }
            }
        };
        let received = received.ok_or_else(|| Error::invalid("nothing came"))?;
        polder_git::check_push(ours, Some(&received), wants, Severity::Import)?;
        Ok((scratch, received))
    }

    /// Makes packs durable and has them instead of the damaged ones, all or nothing.
    fn put_in_place(&self, repo: RepoId, rest: Rest, brought: &[(Scratch, Received)]) -> Result<()> {
        let mut packs = Vec::new();
        for (_, received) in brought {
            packs.push(new_pack(received)?);
            self.publish_pack(Some(received))?;
        }
        let replace = self.db.replace_packs(repo, rest.version, rest.damaged, packs);
        let replaced = Handle::current().block_on(replace);
        let is_unknown = replaced.as_ref().is_err_and(may_have_committed);
        if !is_unknown && !matches!(replaced, Ok(true)) {
            for (_, received) in brought {
                self.unpublish(Some(received));
            }
        }
        if replaced? { Ok(()) } else { Err(Error::new(Kind::Conflict, "the repository changed meanwhile")) }
    }
}

/// A repository without its damaged packs.
struct Rest {
    version: RepoVersion,
    head: String,
    refs: Vec<Ref>,
    packs: Vec<Arc<Pack>>,
    damaged: Vec<PackId>,
}

impl Rest {
    /// Reads all that is not known to be damaged: what takes the place of the rest builds on it. Blocking.
    fn of(hub: &Hub, state: RepoState) -> Result<Self> {
        let Repo { generation, gc_epoch, head, .. } = state.repo;
        let refs =
            state.refs.into_iter().map(|r| Ref { name: r.name, oid: r.oid, peeled: r.peeled }).collect();
        let version = RepoVersion { generation, gc_epoch };
        let mut rest = Self { version, head, refs, packs: Vec::new(), damaged: Vec::new() };
        for row in state.packs {
            let (id, is_known) = (row.id, row.damaged);
            match check_pack(row, &hub.store, true) {
                Ok(pack) if !is_known => rest.packs.push(Arc::new(pack)),
                _ => {
                    Handle::current().block_on(hub.db.mark_damaged_pack(id))?;
                    rest.damaged.push(id);
                }
            }
        }
        Ok(rest)
    }

    /// With some of the refs.
    fn snapshot(&self, with: impl Fn(&Ref) -> bool) -> Snapshot {
        let refs = self.refs.iter().filter(|r| with(r)).cloned().collect();
        Snapshot::new(self.version.generation, self.head.clone(), refs, self.packs.clone())
    }
}

fn tips<'a>(refs: impl Iterator<Item = &'a Ref>) -> Vec<ObjectId> {
    let mut tips: Vec<ObjectId> = refs.map(|r| r.oid).collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}
