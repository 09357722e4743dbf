//! What a person means by a revision.

use std::collections::BinaryHeap;

use polder_types::ObjectId;
use polder_types::limits::REF_NAME_BYTES_MAX;

use crate::id_set::IdSet;
use crate::{Error, ObjectKind, ObjectReader, Pack, Ref, Result, Snapshot};

/// The branch that clients ask for who are told of none (`huggingface_hub` 2.4.0 `constants.py`,
/// `DEFAULT_REVISION`). Where there is none of that name, it means the default branch, whatever that is called.
pub const USUAL_BRANCH: &str = "main";

/// Fewest digits that stand for an object id.
const SHORT_ID_DIGITS_MIN: usize = 7;
/// Most objects that may share a short id.
const SHORT_ID_OBJECTS_MAX: usize = 256;
/// Most commits walked to find out whether one of them is meant.
const WALKED_COMMITS_MAX: usize = 2_000_000;

/// Finds the commit that `text` names: `HEAD`, a branch, a tag, a ref below `refs/` (such as
/// `refs/pr/1`), a commit id, or the start of one (7 digits or more) that only one commit has.
///
/// Tags are followed to their commit. Forty hexadecimal digits are always an id, as in git: a branch of
/// such a name cannot stand in for a commit that somebody pinned. Otherwise a branch wins over a tag, and a
/// tag over other refs; last, [`USUAL_BRANCH`] means the default branch. Ids count only if a visible ref reaches them.
///
/// # Errors
/// [`Error::NotFound`] if there is no such commit, or a hidden one only; [`Error::Corrupt`] when history
/// cannot be read.
pub fn resolve_revision(snapshot: &Snapshot, text: &str) -> Result<ObjectId> {
    let missing = || Error::NotFound { what: format!("revision `{}`", shown(text)) };
    if text.is_empty() || text.len() > REF_NAME_BYTES_MAX {
        return Err(missing());
    }
    let mut reader = ObjectReader::new(snapshot);
    let lower = text.to_ascii_lowercase();
    if let Ok(id) = lower.parse::<ObjectId>() {
        return visible_commit(&mut reader, [id])?.ok_or_else(missing);
    }
    if let Some(named) = find_by_name(snapshot, text) {
        return commit_of(&mut reader, named.oid)?.ok_or_else(missing);
    }
    let is_short_id =
        lower.len() >= SHORT_ID_DIGITS_MIN && lower.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_short_id {
        return Err(missing());
    }
    let candidates = ids_starting_with(snapshot, &lower).ok_or_else(missing)?;
    visible_commit(&mut reader, candidates)?.ok_or_else(missing)
}

fn find_by_name<'a>(snapshot: &'a Snapshot, text: &str) -> Option<&'a Ref> {
    let names = match text {
        "HEAD" => vec![snapshot.head().to_owned()],
        _ if text.starts_with("refs/") => {
            vec![text.to_owned(), format!("refs/heads/{text}"), format!("refs/tags/{text}")]
        }
        _ => vec![format!("refs/heads/{text}"), format!("refs/tags/{text}"), format!("refs/{text}")],
    };
    let usual = (text == USUAL_BRANCH).then(|| snapshot.head());
    let names = names.iter().map(String::as_str).chain(usual);
    names.filter_map(|name| snapshot.find_ref(name)).find(|found| found.is_visible())
}

/// The full name of the branch that is called `branch`: the default branch for [`USUAL_BRANCH`], where
/// [`resolve_revision`] takes it for that.
pub fn branch_meant(snapshot: &Snapshot, branch: &str) -> String {
    if branch == USUAL_BRANCH
        && let Some(found) = find_by_name(snapshot, branch)
        && found.name == snapshot.head()
    {
        return found.name.clone();
    }
    format!("refs/heads/{branch}")
}

/// The commit that `id` is or that its tags lead to.
fn commit_of(reader: &mut ObjectReader<'_>, id: ObjectId) -> Result<Option<ObjectId>> {
    Ok(reader
        .peel(&id)?
        .filter(|(_, _, kind)| *kind == ObjectKind::Commit)
        .map(|(_, commit_id, _)| commit_id))
}

/// The one commit among `candidates` (or their tags' target) that visible refs reach; `None` for none
/// or several.
fn visible_commit(
    reader: &mut ObjectReader<'_>,
    candidates: impl IntoIterator<Item = ObjectId>,
) -> Result<Option<ObjectId>> {
    let snapshot = reader.snapshot();
    let mut wanted = IdSet::default();
    let mut found = IdSet::default();
    for id in candidates {
        match reader.header(&id)? {
            Some((ObjectKind::Commit, _)) => {
                wanted.insert(id);
            }
            Some((ObjectKind::Tag, _)) if snapshot.visible_refs().any(|named| named.oid == id) => {
                found.extend(commit_of(reader, id)?);
            }
            _ => {}
        }
    }
    found.extend(reached_among(reader, wanted)?);
    let mut found = found.into_iter();
    Ok(found.next().filter(|_| found.next().is_none()))
}

/// Those of `wanted` that visible refs reach, newest commits first.
fn reached_among(reader: &mut ObjectReader<'_>, mut wanted: IdSet) -> Result<Vec<ObjectId>> {
    let mut found = Vec::new();
    let mut seen = IdSet::default();
    let mut pending = BinaryHeap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let snapshot = reader.snapshot();
    for named in snapshot.visible_refs() {
        let tip = named.peeled.unwrap_or(named.oid);
        if wanted.remove(&tip) {
            found.push(tip);
        }
    }
    for named in snapshot.visible_refs() {
        let tip = named.peeled.unwrap_or(named.oid);
        let is_commit = matches!(reader.header(&tip)?, Some((ObjectKind::Commit, _)));
        if !wanted.is_empty() && is_commit && seen.insert(tip) {
            pending.push((reader.commit(&tip)?.date, tip));
        }
    }
    while let Some((_, id)) = pending.pop() {
        if wanted.remove(&id) {
            found.push(id);
        }
        if wanted.is_empty() || seen.len() > WALKED_COMMITS_MAX {
            break;
        }
        for parent in &reader.commit(&id)?.parents {
            if seen.insert(*parent) {
                pending.push((reader.commit(parent)?.date, *parent));
            }
        }
    }
    Ok(found)
}

/// Every object whose id starts with these digits; `None` if there are too many.
fn ids_starting_with(snapshot: &Snapshot, digits: &str) -> Option<Vec<ObjectId>> {
    let lowest = format!("{digits:0<40}").parse().ok()?;
    let mut found = Vec::new();
    for pack in snapshot.packs() {
        let start = first_not_below(pack, lowest);
        let ids = (start..pack.object_count()).map_while(|position| pack.id_at(position));
        for id in ids.take_while(|id| id.to_string().starts_with(digits)) {
            found.push(id);
            if found.len() > SHORT_ID_OBJECTS_MAX {
                return None;
            }
        }
    }
    Some(found)
}

/// The position of the first id of the pack that is `lowest` or more.
fn first_not_below(pack: &Pack, lowest: ObjectId) -> u32 {
    let (mut low, mut high) = (0, pack.object_count());
    while low < high {
        let middle = low + (high - low) / 2;
        if pack.id_at(middle).is_some_and(|id| id < lowest) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn shown(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
