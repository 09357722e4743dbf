//! Making one mirror what the newest event says of it.

use std::sync::Arc;
use std::time::Duration;

use polder_db::{
    FileKind, LogBody, LogFile, Mirror, MirrorEnd, MirrorMode, MirrorPublish, MirrorState, MoveState,
    NewRepo, RemoteNamespace, Repo, Upstream,
};
use polder_log::{Body, Meta, Namespace, NamespaceChain, ObjectEntry, Objects, ObjectsManifest, RefMap};
use polder_types::{AccountName, RepoName, Sha256, Visibility};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::PeerObjects;
use super::limits::{Declared, Pause, recheck};
use super::sources::SourceSet;
use super::take::WantedRefs;
use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

/// Mirrors of one upstream that are worked on at once.
const WORKERS_MAX: usize = 4;
/// How long a claim lasts without a sign of life, in seconds.
pub(super) const LEASE_SECONDS: i64 = 300;
/// Time between two signs of life.
const ALIVE_PERIOD: Duration = Duration::from_mins(1);
/// Longest time between two looks at what is due.
const LOOK_PERIOD: Duration = Duration::from_secs(30);
/// Longest pause after failures, in seconds.
const PAUSE_SECONDS_MAX: i64 = 3_600;
/// How often the pause doubles while no source has what is needed.
const DOUBLINGS_UNTIL_HAD: i64 = 4;

/// Why nothing new is served.
pub(super) struct Trouble {
    state: MirrorState,
    error: Error,
}

impl Trouble {
    pub(super) fn new(state: MirrorState, error: Error) -> Self {
        Self { state, error }
    }
}

impl From<Error> for Trouble {
    /// What cannot be taken over whole is not what was signed, or is nothing that this hub takes.
    fn from(error: Error) -> Self {
        let state = match error.kind() {
            Kind::Invalid => MirrorState::Quarantined,
            Kind::OverQuota => MirrorState::PausedQuota,
            Kind::Full => MirrorState::PausedDisk,
            // An object that the operator blocked; taking that back has it tried again.
            Kind::Forbidden => MirrorState::Blocked,
            _ => Pause::of(&error).map_or(MirrorState::Retry, Pause::state),
        };
        Self { state, error }
    }
}

impl From<polder_db::Error> for Trouble {
    fn from(error: polder_db::Error) -> Self {
        Error::from(error).into()
    }
}

pub(super) fn blocked(message: String) -> Trouble {
    Trouble { state: MirrorState::Blocked, error: Error::new(Kind::Conflict, message) }
}

fn quarantined(message: &str) -> Trouble {
    Trouble { state: MirrorState::Quarantined, error: Error::invalid(message) }
}

impl Hub {
    /// Works on what is due of an upstream's mirrors, now and whenever something is.
    pub(super) async fn keep_mirroring(&self, upstream: &Upstream, sources: &Arc<SourceSet>, bell: &Notify) {
        let mut running = JoinSet::new();
        let mut woken = self.mirrors_bell.subscribe();
        loop {
            let pause = self.start_due_mirrors(upstream, sources, &mut running).await.unwrap_or_else(|error| {
                tracing::error!(url = upstream.url, error = %error.chain(), "cannot look for mirrors to work on");
                LOOK_PERIOD
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = bell.notified() => {}
                Ok(()) = woken.changed() => {}
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "work on a mirror died; it is taken up again when its claim lapses");
                    }
                }
            }
        }
    }

    async fn start_due_mirrors(
        &self,
        upstream: &Upstream,
        sources: &Arc<SourceSet>,
        running: &mut JoinSet<()>,
    ) -> Result<Duration> {
        let places = WORKERS_MAX.saturating_sub(running.len());
        let (due, now) = (self.db.next_mirror(upstream.log).await?, self.clock.now());
        let Some(due) = due.filter(|_| places > 0) else { return Ok(LOOK_PERIOD) };
        if due > now {
            let wait = u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0);
            return Ok(Duration::from_millis(wait).clamp(Duration::from_millis(50), LOOK_PERIOD));
        }
        let places = i64::try_from(places).unwrap_or(1);
        for mirror in self.db.claim_mirrors(upstream.log, LEASE_SECONDS, places).await? {
            let (hub, upstream, sources) = (self.clone(), upstream.clone(), Arc::clone(sources));
            running.spawn(async move {
                if let Err(error) = hub.work_on(&upstream, &sources, &mirror).await {
                    tracing::error!(rid = %mirror.rid, error = %error.chain(), "the end of work on a mirror is lost");
                }
            });
        }
        Ok(Duration::ZERO)
    }

    /// Works on a claimed mirror and writes down what came of it; says what is wrong, if anything.
    pub(super) async fn work_on(
        &self,
        upstream: &Upstream,
        sources: &Arc<SourceSet>,
        mirror: &Mirror,
    ) -> Result<Option<String>> {
        let work = self.bring(upstream, sources, mirror);
        tokio::pin!(work);
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = tokio::time::sleep(ALIVE_PERIOD) => {
                    if !self.db.still_mirroring(mirror, LEASE_SECONDS).await? {
                        return Ok(None);
                    }
                }
            }
        };
        let Err(Trouble { state, error }) = ended else { return Ok(None) };
        if state.is_paused() {
            tracing::info!(path = mirror.path, %state, why = error.message(), "a mirror waits");
        } else {
            tracing::warn!(path = mirror.path, %state, error = %error.chain(), "a mirror is not brought up to date");
        }
        // That nobody has it yet is no failure: who mirrors it has it soon.
        let failures = if error.kind() == Kind::NotFound && state != MirrorState::Incomplete {
            mirror.failures.min(DOUBLINGS_UNTIL_HAD)
        } else {
            mirror.failures
        };
        let now = self.clock.now();
        let due = match state {
            MirrorState::Blocked => None,
            _ => recheck(state, Pause::of(&error), now)
                .or_else(|| Some(now.plus_seconds(pause_after(failures, random().unwrap_or([0]))))),
        };
        let why = error.message().to_owned();
        self.db.end_mirror(mirror, MirrorEnd { state, why: why.clone(), due }).await?;
        Ok(Some(why))
    }

    async fn bring(
        &self,
        upstream: &Upstream,
        sources: &Arc<SourceSet>,
        mirror: &Mirror,
    ) -> Result<(), Trouble> {
        if !self.complete(sources, mirror).await? {
            return Ok(());
        }
        let body = self.body_of(sources, mirror).await?;
        let (Some(meta), Some(state)) = (body.meta.clone(), body.state) else {
            return Err(blocked("its newest event does not say what it holds".to_owned()));
        };
        let name = self.name_of(upstream, &body, &meta).await?;
        let repo = self.mirrored_repo(upstream, mirror, &name).await?;
        let (rid, sha256) = (mirror.rid, state.refs_sha256);
        let bytes = sources.find("the ref map", sha256, |peer| peer.ref_map(rid, sha256)).await?;
        let map = RefMap::decode(&bytes).ok().filter(|map| map.state() == state);
        let map = map.ok_or_else(|| quarantined("the ref map is not the one that was signed"))?;
        let objects = self.known_objects(sources, mirror.rid, &body).await?;
        let declared = match mirror.mode {
            MirrorMode::Lazy => Declared::default(),
            _ => self.declared_of(&repo, mirror.log, &objects).await?,
        };
        let xet = PeerObjects::known(&objects);

        let file = LogFile {
            owner: mirror.rid,
            sha256: state.refs_sha256,
            kind: FileKind::Refs,
            index: self.db.log_head(mirror.log, mirror.rid).await?.map_or(0, |head| head.index),
            data: bytes,
        };
        let publish = MirrorPublish::of(mirror, repo.id, name, map.head().to_owned(), file);
        let (hub, to, from) = (self.clone(), repo.clone(), Arc::clone(sources));
        let (rseq, mode) = (mirror.rseq, mirror.mode);
        self.mirror_door
            .run(move || {
                if mode != MirrorMode::Lazy {
                    hub.bring_the_rest(to.id, &PeerObjects { sources: Arc::clone(&from), xet: xet.clone() })?;
                }
                hub.take_refs(&to, &from, &WantedRefs { rid, rseq, map: &map, xet, declared, mode, publish })
            })
            .await?;
        self.names.clear();
        self.forget(repo.id).await;
        Ok(())
    }

    async fn body_of(&self, sources: &Arc<SourceSet>, mirror: &Mirror) -> Result<Body, Trouble> {
        let bytes = match self.db.log_body(mirror.body).await? {
            LogBody::Held(bytes) => bytes,
            LogBody::Erased => return Err(blocked("its newest event was erased".to_owned())),
            LogBody::Missing => sources.find("a body", mirror.body, |peer| peer.body(mirror.body)).await?,
        };
        let body = Body::decode(&bytes).ok().filter(|body| body.sha256() == mirror.body);
        body.ok_or_else(|| quarantined("the body of its newest event is not the one that was signed"))
    }

    /// The name that a repository of another hub has here, once its namespace is known to be what it says.
    async fn name_of(&self, upstream: &Upstream, body: &Body, meta: &Meta) -> Result<RepoName, Trouble> {
        let wrong = || blocked(format!("`{}` is no name that a repository can have", meta.path));
        let (handle, name) = meta.path.split_once('/').ok_or_else(wrong)?;
        let chain = self.chain_of(upstream.log, body.nsid).await?;
        let namespace = &chain.namespace;
        if body.nsid == Some(chain.nsid) && !chain.allows(body) {
            return Err(quarantined(
                "the signature of its namespace on its newest event is missing or wrong",
            ));
        }
        if !chain.allows(body)
            || !namespace.handle.eq_ignore_ascii_case(handle)
            || !speaks_for(namespace, body)
        {
            return Err(blocked(format!("its namespace does not vouch for `{}`", meta.path)));
        }
        if let Some(account) = self.moved_here(upstream.log, chain.nsid).await? {
            return RepoName::new(meta.kind, account, name).map_err(|_source| wrong());
        }
        let handle: AccountName = namespace.handle.parse().map_err(|_source| wrong())?;
        let remote = handle.at(body.log.origin.as_str()).map_err(|_source| wrong())?;
        let name = RepoName::new(meta.kind, remote.clone(), name).map_err(|_source| wrong())?;
        let known = RemoteNamespace { name: remote, nsid: chain.nsid, home: upstream.url.clone() };
        match self.db.open_remote_namespace(known).await {
            Ok(_account) => Ok(name),
            Err(polder_db::Error::Conflict { what }) => Err(blocked(what)),
            Err(error) => Err(error.into()),
        }
    }

    /// What a namespace is called here that moved to the hub of a log and was known before.
    async fn moved_here(&self, log: i64, nsid: Sha256) -> Result<Option<AccountName>, Trouble> {
        let moves = self.db.moves_of(nsid).await?;
        match moves.iter().rev().find(|which| which.new_log == log).map(|which| which.state) {
            None => Ok(None),
            Some(MoveState::Followed) => Ok(self.db.name_of_namespace(nsid).await?),
            Some(MoveState::Refused) => Err(blocked("its namespace did not move there".to_owned())),
            Some(MoveState::Asked | MoveState::Frozen | MoveState::Rival) => Err(blocked(
                "its namespace moved there in a way that only the operator may agree to: see polder mirrors release"
                    .to_owned(),
            )),
        }
    }

    pub(super) async fn chain_of(&self, log: i64, nsid: Option<Sha256>) -> Result<NamespaceChain, Trouble> {
        let unknown = || blocked("its namespace is not in the log".to_owned());
        let mut chain: Option<NamespaceChain> = None;
        for (_, sha256) in self.db.namespace_ops(log, nsid.ok_or_else(unknown)?).await? {
            let LogBody::Held(bytes) = self.db.log_body(sha256).await? else { continue };
            let body = Body::decode(&bytes).map_err(Error::internal)?;
            let next = chain.as_ref().map_or_else(|| NamespaceChain::start(&body), |chain| chain.next(&body));
            chain = Some(next.map_err(|error| blocked(format!("its namespace is not in order: {error}")))?);
        }
        chain.ok_or_else(unknown)
    }

    /// The repository here, made when it is not there; nobody sees a new one before it is whole.
    async fn mirrored_repo(
        &self,
        upstream: &Upstream,
        mirror: &Mirror,
        name: &RepoName,
    ) -> Result<Repo, Trouble> {
        if let Some(id) = mirror.repo {
            let repo = self.db.repo(id).await?;
            return repo.ok_or_else(|| blocked("the operator deleted it here".to_owned()));
        }
        let new = NewRepo {
            name: name.clone(),
            visibility: Visibility::Public,
            actor: None,
            rid: *mirror.rid.as_bytes(),
            upstream: Some(upstream.log),
        };
        match self.db.create_repo(new).await {
            Ok(repo) => {
                self.names.clear();
                self.db.set_mirror_repo(mirror, repo.id).await?;
                Ok(repo)
            }
            Err(polder_db::Error::Conflict { .. } | polder_db::Error::Retired { .. }) => {
                match self.live_repo(name).await {
                    // Made by an attempt that was killed before it wrote down so.
                    Ok(repo) if repo.rid == *mirror.rid.as_bytes() && repo.upstream == Some(upstream.log) => {
                        self.db.set_mirror_repo(mirror, repo.id).await?;
                        Ok(repo)
                    }
                    // What an earlier epoch of the same log told of, which the operator has given up.
                    Ok(mut repo)
                        if repo.upstream == Some(upstream.log)
                            && self.db.adopt_repo(repo.id, mirror.rid, upstream.log).await? =>
                    {
                        self.db.set_mirror_repo(mirror, repo.id).await?;
                        repo.rid = *mirror.rid.as_bytes();
                        Ok(repo)
                    }
                    _ => Err(blocked(format!(
                        "`{name}`, or the same repository by another name, is here already"
                    ))),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn known_objects(
        &self,
        sources: &Arc<SourceSet>,
        rid: Sha256,
        body: &Body,
    ) -> Result<Vec<ObjectEntry>, Trouble> {
        match &body.objects {
            None => Ok(Vec::new()),
            Some(Objects::Inline(entries)) => Ok(entries.clone()),
            Some(Objects::Manifest { sha256, .. }) => {
                let bytes = sources.find("the manifest", *sha256, |peer| peer.manifest(rid, *sha256)).await?;
                let manifest = ObjectsManifest::decode(&bytes);
                let manifest =
                    manifest.map_err(|_why| quarantined("the manifest that was signed is none"))?;
                let entries = manifest.entries().to_vec();
                // For those who follow through this hub.
                let kind = FileKind::Manifest;
                let file = LogFile { owner: rid, sha256: *sha256, kind, index: 0, data: bytes };
                self.db.put_log_file(sources.log(), file).await?;
                Ok(entries)
            }
        }
    }
}

/// Whether an event is of the log that speaks for a namespace, or did until it moved; what came later than that
/// is not applied.
fn speaks_for(namespace: &Namespace, body: &Body) -> bool {
    namespace.home == body.log.origin || namespace.cut.as_ref().is_some_and(|cut| cut.log == body.log)
}

/// Anywhere in a time that doubles with each failure.
fn pause_after(failures: i64, [byte]: [u8; 1]) -> i64 {
    let doublings = u32::try_from(failures.clamp(0, 12)).unwrap_or(12);
    1 + 2_i64.pow(doublings).min(PAUSE_SECONDS_MAX) * i64::from(byte) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_drawn_from_all_of_a_time_that_doubles_up_to_an_hour() {
        assert_eq!([0, 3, 40].map(|failures| pause_after(failures, [255])), [2, 9, 3_601]);
        assert_eq!([0, 3, 40].map(|failures| pause_after(failures, [0])), [1, 1, 1]);
    }
}
