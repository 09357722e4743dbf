//! Making this hub the home of a namespace that it mirrors. The hub where it was may be dead.

use std::collections::HashMap;

use polder_db::{
    AccountKind, Log, LogAppend, LogBody, LogHeadRow, LogOp, Mirror, MirrorMode, MirrorState, Move, MoveHere,
    MoveState, Published, PublishedNamespace, PublishedState, Upstream, UpstreamState,
};
use polder_log::{Body, EventType, LogHead, NamespaceChain, SecretKey};
use polder_types::{AccountName, Sha256, Visibility};

use super::hear_move::is_in;
use super::moves::holds;
use super::sources::SourceSet;
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// Repositories looked through at a time.
const PAGE: i64 = 500;
/// Most repositories that are named in an answer.
const NAMED_MAX: usize = 10;

/// What is asked of the hub that is to be the home of a namespace.
pub struct MoveRequest {
    /// Its name at home.
    pub name: AccountName,
    /// The URL or the origin of the hub where it is at home.
    pub from: String,
    /// The key of its recovery kit.
    pub kit: SecretKey,
    /// The user of this hub who administrates it here.
    pub owner: AccountName,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedHere {
    /// What it is called here; also by its name alone.
    pub name: AccountName,
    /// Its repositories.
    pub repos: usize,
}

impl Hub {
    /// Makes this hub the home of a namespace that it mirrors whole. Nothing of the hub where it was is needed;
    /// what that says after what is here is void for all who follow. No byte of an object is moved.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a hub that is not followed, a namespace that it has not, an unknown owner;
    /// [`Kind::Invalid`] for another key than the namespace's; [`Kind::Conflict`] when not all of it is here, or
    /// its name is taken; [`Kind::Unavailable`] when another node appends to the log.
    pub async fn move_namespace_here(&self, request: MoveRequest) -> Result<MovedHere> {
        let MoveRequest { name: handle, from, kit, owner } = request;
        let (upstream, _) = self.followed_hub(&from).await?;
        let owner = self.account(&owner).await?;
        if owner.kind != AccountKind::User {
            return Err(Error::invalid(format!("`{}` is no user", owner.name)));
        }
        // It may be dead.
        let sources = SourceSet::new(self.db.clone(), upstream.log, self.read_sources(upstream.log).await?);
        if let Err(error) = self.read_to_the_end(&sources).await {
            tracing::info!(url = upstream.url, error = %error.chain(), "moves without a last look at its home");
        }
        let old = self.db.log(upstream.log).await?.ok_or_else(|| Error::internal("a log that is gone"))?;
        let chain = self.namespace_named(&old, &handle).await?;
        if !chain.namespace.rotation.contains(&kit.public()) {
            return Err(Error::invalid(format!("this is no recovery kit of `{handle}`")));
        }
        let account = self.db.name_of_namespace(chain.nsid).await?;
        let account = account.map_or_else(|| handle.at(old.name.origin.as_str()), Ok);
        let account = account.map_err(|error| Error::invalid(error.to_string()))?;
        let id = self.account(&account).await?.id;
        let repos = self.ready_repos(&old, &chain).await?;
        let moved = MovedHere { name: account.clone(), repos: repos.len() };

        let cut = LogHead { log: old.name.clone(), size: old.tree.size(), root: old.tree.root() };
        let older = self.db.namespace_ops(old.id, chain.nsid).await?;
        let held_at = self.clock.now();
        let here = |append: LogAppend, next: NamespaceChain| MoveHere {
            said: PublishedNamespace { nsid: next.nsid, seq: next.seq, head: next.head },
            which: Move {
                nsid: next.nsid,
                seq: next.seq,
                op: next.head,
                old_log: Some(old.id),
                cut: old.tree.size(),
                new_log: append.log,
                state: MoveState::Followed,
                held_at,
            },
            older: as_ops(next.nsid, &older, append.tree.size()),
            append,
            account,
            alias: handle.clone(),
            owner: owner.id,
            repos,
        };
        let entry = Entry::operator("namespace.move").with("namespace", handle.as_str()).with("from", from);
        self.log_move(&chain, &kit, cut, id, entry, here).await?;
        self.names.clear();
        Ok(moved)
    }

    /// The hub that is followed at a URL, or that has an origin.
    async fn followed_hub(&self, from: &str) -> Result<(Upstream, Log)> {
        let url = from.trim_end_matches('/');
        for upstream in self.db.list_upstreams().await? {
            let Some(log) = self.db.log(upstream.log).await? else { continue };
            if upstream.url != url && !log.name.origin.as_str().eq_ignore_ascii_case(url) {
                continue;
            }
            if upstream.state == UpstreamState::Frozen {
                let message = format!("`{from}` has signed two pasts: which one holds is not known");
                return Err(Error::new(Kind::Conflict, message));
            }
            return Ok((upstream, log));
        }
        Err(Error::not_found(format!("`{from}` is not followed: only what is mirrored here can move here")))
    }

    /// The namespace that is at home on the hub of a log under this name.
    async fn namespace_named(&self, log: &Log, handle: &AccountName) -> Result<NamespaceChain> {
        let chain = self.find_namespace(log.id, &log.name.origin, handle).await?;
        let chain = chain.ok_or_else(|| {
            Error::not_found(format!("`{}` has no namespace `{handle}`, as far as is known", log.name.origin))
        })?;
        let moves = self.db.moves_of(chain.nsid).await?;
        let newest = moves.iter().rev().find(|which| holds(which));
        if newest.is_some_and(|which| which.new_log != log.id || which.state == MoveState::Frozen) {
            let message = format!("`{handle}` has moved from `{}` already", log.name.origin);
            return Err(Error::new(Kind::Conflict, message));
        }
        Ok(chain)
    }

    /// What was said last of each repository of a namespace that its home shows.
    async fn ready_repos(&self, log: &Log, chain: &NamespaceChain) -> Result<Vec<Published>> {
        let mirrors = self.mirrors_of(log.id, &chain.namespace.handle).await?;
        let (mut ready, mut missing, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.db.list_log_heads(log.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.rid);
            for head in page.iter().filter(|head| head.leaf.kind.is_repo()) {
                if !head.leaf.hint.is_nsid(&chain.nsid) {
                    continue;
                }
                match self.readiness(head, mirrors.get(&head.rid), chain.nsid).await? {
                    Readiness::Not(what) => missing.push(what),
                    Readiness::Ready(said) => ready.push(said),
                    Readiness::NotShown => {}
                }
            }
        }
        if ready.len() > polder_db::MOVED_REPOS_MAX {
            return Err(Error::new(Kind::Conflict, "it has too many repositories to move at once"));
        }
        if missing.is_empty() {
            return Ok(ready);
        }
        let more = missing.len().saturating_sub(NAMED_MAX);
        missing.truncate(NAMED_MAX);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let message = format!(
            "not all of `{}` is mirrored here whole: {}{more}; see polder mirrors",
            chain.namespace.handle,
            missing.join(", ")
        );
        Err(Error::new(Kind::Conflict, message))
    }

    async fn mirrors_of(&self, log: i64, handle: &str) -> Result<HashMap<Sha256, Mirror>> {
        let (mut mirrors, mut after) = (HashMap::new(), None);
        loop {
            let page = self.db.list_mirrors(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(mirrors) };
            after = Some(last.rid);
            let its = page.into_iter().filter(|mirror| is_in(&mirror.path, handle));
            mirrors.extend(its.map(|mirror| (mirror.rid, mirror)));
        }
    }

    async fn readiness(&self, head: &LogHeadRow, mirror: Option<&Mirror>, nsid: Sha256) -> Result<Readiness> {
        if matches!(head.leaf.kind, EventType::RepoDelete | EventType::RepoTakedown) {
            return Ok(Readiness::NotShown);
        }
        let LogBody::Held(bytes) = self.db.log_body(head.leaf.body_sha256).await? else {
            return Ok(Readiness::Not(format!("`{}` (its newest event is not here)", head.rid)));
        };
        let body = Body::decode(&bytes).map_err(Error::internal)?;
        let Some(meta) = body.meta.as_ref().filter(|_| body.nsid == Some(nsid)) else {
            return Ok(Readiness::NotShown);
        };
        if meta.gated || meta.visibility == Visibility::Private {
            return Ok(Readiness::NotShown);
        }
        let id = format!("{}{}", meta.kind.prefix(), meta.path);
        let Some(mirror) = mirror else { return Ok(Readiness::Not(format!("`{id}` (not followed)"))) };
        if !matches!(mirror.mode, MirrorMode::Full | MirrorMode::Archive) {
            return Ok(Readiness::Not(format!("`{id}` (mode {})", mirror.mode)));
        }
        if mirror.state != MirrorState::Ready || mirror.ready_rseq != body.rseq || mirror.repo.is_none() {
            return Ok(Readiness::Not(format!("`{id}` ({})", mirror.state)));
        }
        Ok(Readiness::Ready(Published {
            rid: head.rid,
            rseq: body.rseq,
            prev: body.sha256(),
            generation: 0,
            state: PublishedState::Open,
            path: meta.path.clone(),
            // Of no ref map, so that the own log tells of the whole state.
            refs_sha256: Sha256::new([0; 32]),
            open_since: self.clock.now(),
        }))
    }
}

/// The operations of a namespace as another log gives them out from `index` on, which did not tell of them.
fn as_ops(nsid: Sha256, ops: &[(u64, Sha256)], index: u64) -> Vec<LogOp> {
    let op = |(seq, (_, body_sha256)): (u64, &(u64, Sha256))| LogOp {
        nsid,
        seq,
        index,
        body_sha256: *body_sha256,
    };
    (1..).zip(ops).map(op).collect()
}

/// Whether a repository can move.
enum Readiness {
    /// All of its newest state is here.
    Ready(Published),
    /// Which it is, and why it cannot.
    Not(String),
    /// Its home does not show it either.
    NotShown,
}
