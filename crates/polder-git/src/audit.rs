//! Checking stored data after the fact: is every pack whole, is everything that a ref reaches there.

use std::collections::HashSet;

use polder_types::limits::LFS_POINTER_BYTES_MAX;
use polder_types::{LfsPointer, ObjectId};

use crate::id_set::IdSet;
use crate::links::{TreeLink, TreeLinks, commit_links, tag_target};
use crate::object::to_gix;
use crate::receive::hash_object;
use crate::{Error, ObjectKind, Pack, Ref, Result, Snapshot};

const VERIFY: &str = "verifying a pack";
/// Most problems that are told one by one.
const PROBLEMS_MAX: usize = 1_000;
/// Largest object inflated while verifying, in bytes; imports may hold some over the push limit.
const VERIFY_OBJECT_BYTES_MAX: u64 = 4 << 30;

/// What [`audit`] found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Objects reached from refs.
    pub objects: u64,
    /// Every distinct pointer among them.
    pub pointers: HashSet<LfsPointer>,
    /// One line for each thing that is missing or damaged.
    pub problems: Vec<String>,
}

/// Checks a pack's own hash and, when `deep`, that every object in it has the id it is filed under.
///
/// # Errors
/// [`Error::Corrupt`] for the first thing that is wrong.
pub fn verify_pack(pack: &Pack, deep: bool) -> Result<()> {
    let corrupt = || Error::corrupt(VERIFY, format_args!("pack {}", pack.id()));
    let (content, trailer) = pack.bytes().split_last_chunk::<{ ObjectId::BYTES }>().ok_or_else(corrupt)?;
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(content);
    let hash = hasher.try_finalize().map_err(|error| Error::corrupt_by(VERIFY, pack.id(), error))?;
    if hash != to_gix(ObjectId::new(*trailer)) {
        return Err(corrupt());
    }
    if !deep {
        return Ok(());
    }
    for position in 0..pack.object_count() {
        let object = pack.read(position, VERIFY_OBJECT_BYTES_MAX)?;
        let id = hash_object(object.kind, &object.data)?;
        if pack.id_at(position) != Some(id) {
            return Err(Error::corrupt(VERIFY, format_args!("pack {}, object {id}", pack.id())));
        }
    }
    Ok(())
}

/// Walks everything that any ref reaches, hidden ones too.
///
/// # Errors
/// Never for damaged or missing objects: those are problems in the answer.
pub fn audit(snapshot: &Snapshot) -> Result<Audit> {
    let mut audit = Audit::default();
    let mut seen = IdSet::default();
    let mut todo = Vec::new();
    for reference in snapshot.refs() {
        if seen.insert(reference.oid) {
            todo.push((reference.oid, None));
        }
        while let Some((id, expected)) = todo.pop() {
            audit.objects += 1;
            let visited = visit(snapshot, id, expected, &mut audit.pointers, &mut |next, kind| {
                if seen.insert(next) {
                    todo.push((next, Some(kind)));
                }
            });
            if let Err(problem) = visited
                && audit.problems.len() < PROBLEMS_MAX
            {
                audit.problems.push(format!("{}: {problem}", reference.name));
            }
        }
    }
    Ok(audit)
}

/// The refs, hidden ones too, that reach something that is missing or damaged.
pub fn unsound_refs(snapshot: &Snapshot) -> Vec<&Ref> {
    let (mut sound, mut unsound) = (IdSet::default(), Vec::new());
    for reference in snapshot.refs() {
        match walk_new(snapshot, reference.oid, &sound) {
            Some(walked) => sound.extend(walked),
            None => unsound.push(reference),
        }
    }
    unsound
}

/// What a tip reaches besides `sound`, unless some of it is missing or damaged.
fn walk_new(snapshot: &Snapshot, tip: ObjectId, sound: &IdSet) -> Option<IdSet> {
    let (mut seen, mut todo, mut pointers) = (IdSet::default(), Vec::new(), HashSet::new());
    if !sound.contains(&tip) {
        seen.insert(tip);
        todo.push((tip, None));
    }
    while let Some((id, expected)) = todo.pop() {
        let mut found = |next, kind| {
            if !sound.contains(&next) && seen.insert(next) {
                todo.push((next, Some(kind)));
            }
        };
        visit(snapshot, id, expected, &mut pointers, &mut found).ok()?;
    }
    Some(seen)
}

/// Looks at one object and hands on what it points at.
fn visit(
    snapshot: &Snapshot,
    id: ObjectId,
    expected: Option<ObjectKind>,
    pointers: &mut HashSet<LfsPointer>,
    found: &mut dyn FnMut(ObjectId, ObjectKind),
) -> Result<(), String> {
    let damaged = |error: Error| format!("object {id}: {error}");
    let missing = || format!("object {id} is missing");
    let (kind, size) = snapshot.header(&id).map_err(damaged)?.ok_or_else(missing)?;
    if expected.is_some_and(|expected| expected != kind) {
        return Err(format!("object {id} is a {}, not what its parent says", kind.as_str()));
    }
    if kind == ObjectKind::Blob && usize::try_from(size).map_or(true, |size| size > LFS_POINTER_BYTES_MAX) {
        return Ok(());
    }
    let data = snapshot.read(&id).map_err(damaged)?.ok_or_else(missing)?.data;
    let malformed = || format!("object {id} is malformed");
    match kind {
        ObjectKind::Blob => pointers.extend(LfsPointer::parse(&data)),
        ObjectKind::Commit => {
            let links = commit_links(&data).ok_or_else(malformed)?;
            found(links.tree, ObjectKind::Tree);
            for parent in links.parents {
                found(parent, ObjectKind::Commit);
            }
        }
        ObjectKind::Tag => {
            let (target, kind) = tag_target(&data).ok_or_else(malformed)?;
            found(target, kind);
        }
        ObjectKind::Tree => {
            for link in TreeLinks::new(&data) {
                match link.ok_or_else(malformed)? {
                    TreeLink::Tree(id) => found(id, ObjectKind::Tree),
                    TreeLink::Blob(id) => found(id, ObjectKind::Blob),
                    TreeLink::Submodule => {}
                }
            }
        }
    }
    Ok(())
}
