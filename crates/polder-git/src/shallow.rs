//! Where a shallow client's history ends, and how a fetch moves that end.
//!
//! Source: git `shallow.c` (`get_shallow_commits`, `get_shallow_commits_by_rev_list`), `upload-pack.c`
//! (`deepen`, `send_unshallow`).

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::walk_commits::walk_commits;
use crate::walk_reachable::visible_commits;
use crate::{Error, ObjectKind, ObjectReader, Result};

/// The depth that clients send for "everything".
pub(crate) const INFINITE_DEPTH: u32 = 0x7fff_ffff;

/// What a client says about the end of its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShallowRequest {
    /// Commits whose parents the client lacks.
    pub(crate) client: Vec<ObjectId>,
    /// Commits per line of history to send; 1 is only the tip.
    pub(crate) depth: Option<u32>,
    /// Whether `depth` counts from where the client's history ends.
    pub(crate) relative: bool,
    /// Send no commits older than this, in seconds since 1970.
    pub(crate) since: Option<i64>,
    /// Send nothing reachable from these refs.
    pub(crate) not: Vec<String>,
}

impl ShallowRequest {
    /// Whether the client asks to move the end.
    pub(crate) fn moves(&self) -> bool {
        self.depth.is_some() || self.since.is_some() || !self.not.is_empty()
    }

    /// Whether the client's history ends anywhere, or will.
    pub(crate) fn is_active(&self) -> bool {
        self.moves() || !self.client.is_empty()
    }
}

/// What becomes of the end of the client's history.
#[derive(Debug, Default)]
pub(crate) struct ShallowAnswer {
    /// New ends, to be told to the client.
    pub(crate) shallow: Vec<ObjectId>,
    /// Former ends, to be told to the client.
    pub(crate) unshallow: Vec<ObjectId>,
    /// Commits to be walked as if they had no parents.
    pub(crate) grafts: IdSet,
    /// Parents of former ends: the client needs them though it has their children.
    pub(crate) wants: Vec<ObjectId>,
}

struct Cut {
    ends: Vec<ObjectId>,
    /// Commits sent with their parents.
    inner: IdSet,
}

/// Decides the new ends of history for a fetch of `wants`.
pub(crate) fn answer(
    reader: &mut ObjectReader<'_>,
    wants: &[ObjectId],
    request: &ShallowRequest,
) -> Result<ShallowAnswer> {
    let mut answer = ShallowAnswer::default();
    let mut client = IdSet::default();
    for id in &request.client {
        match reader.header(id)? {
            Some((ObjectKind::Commit, _)) => client.extend([*id]),
            Some(_) => return Err(Error::refused(format!("invalid shallow object {id}"))),
            None => {}
        }
    }
    answer.grafts.extend(client.iter().copied());
    if !request.moves() {
        return Ok(answer);
    }
    let mut tips = Vec::new();
    for want in wants {
        if let Some((_, target, ObjectKind::Commit)) = reader.peel(want)? {
            tips.push(target);
        }
    }
    let visible = visible_commits(reader, &tips, &request.client)?;
    let cut = cut(reader, &tips, &visible, request)?;
    for end in cut.ends {
        if !cut.inner.contains(&end) && answer.grafts.insert(end) {
            answer.shallow.push(end);
        }
    }
    for id in client.iter().filter(|id| cut.inner.contains(id) && visible.contains(id)) {
        answer.unshallow.push(*id);
        answer.wants.extend(reader.commit(id)?.parents.iter().copied());
    }
    Ok(answer)
}

fn cut(
    reader: &mut ObjectReader<'_>,
    tips: &[ObjectId],
    visible: &IdSet,
    request: &ShallowRequest,
) -> Result<Cut> {
    match request.depth {
        Some(depth) if depth >= INFINITE_DEPTH => Ok(Cut { ends: Vec::new(), inner: visible.clone() }),
        Some(depth) if request.relative => {
            let starts: Vec<_> = visible.iter().copied().collect();
            cut_at_depth(reader, &starts, depth.saturating_add(1))
        }
        Some(depth) => cut_at_depth(reader, tips, depth),
        None => cut_by_reach(reader, tips, request),
    }
}

fn cut_at_depth(reader: &mut ObjectReader<'_>, tips: &[ObjectId], depth: u32) -> Result<Cut> {
    let mut cut = Cut { ends: Vec::new(), inner: IdSet::default() };
    let mut seen: IdSet = tips.iter().copied().collect();
    let mut level: Vec<ObjectId> = seen.iter().copied().collect();
    for _ in 1..depth {
        if level.is_empty() {
            break;
        }
        let mut next = Vec::new();
        for id in level {
            cut.inner.insert(id);
            next.extend(reader.commit(&id)?.parents.iter().copied().filter(|parent| seen.insert(*parent)));
        }
        level = next;
    }
    cut.ends = level;
    Ok(cut)
}

fn cut_by_reach(reader: &mut ObjectReader<'_>, tips: &[ObjectId], request: &ShallowRequest) -> Result<Cut> {
    let mut hidden = Vec::new();
    for name in &request.not {
        hidden.extend(resolve_not(reader, name)?);
    }
    let range = walk_commits(reader, tips, &hidden, &IdSet::default(), &IdSet::default())?;
    let allowed: IdSet = range.commits.into_iter().collect();
    let mut inner = IdSet::default();
    let mut stack = tips.to_vec();
    while let Some(id) = stack.pop() {
        let links = reader.commit(&id)?;
        let young = request.since.is_none_or(|since| links.date >= since);
        if young && allowed.contains(&id) && inner.insert(id) {
            stack.extend(links.parents.iter().copied());
        }
    }
    if inner.is_empty() {
        return Err(Error::refused("no commits selected for shallow requests"));
    }
    let mut ends = Vec::new();
    for id in &inner {
        if reader.commit(id)?.parents.iter().any(|parent| !inner.contains(parent)) {
            ends.push(*id);
        }
    }
    for end in &ends {
        inner.remove(end);
    }
    Ok(Cut { ends, inner })
}

/// The commit that a ref leads to; a ref that leads to none excludes nothing, as in git.
fn resolve_not(reader: &mut ObjectReader<'_>, name: &str) -> Result<Option<ObjectId>> {
    let snapshot = reader.snapshot();
    let full =
        [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")];
    let found = full.iter().find_map(|name| snapshot.find_ref(name)).filter(|r| r.is_visible());
    let found = found.or_else(|| snapshot.head_ref().filter(|_| name == "HEAD"));
    let oid =
        found.ok_or_else(|| Error::refused(format!("git upload-pack: deepen-not is not a ref: {name}")))?.oid;
    Ok(match reader.peel(&oid)? {
        Some((_, target, ObjectKind::Commit)) => Some(target),
        _ => None,
    })
}
