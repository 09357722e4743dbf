//! What a source has and the hub's repository lacks, as one pack.

use std::io::Write;

use polder_types::ObjectId;

use crate::id_set::IdSet;
use crate::{ObjectKind, ObjectReader, PackOptions, Result, Snapshot, WalkRequest, walk, write_pack};

/// Writes one pack of everything that the refs of `source` reach and the visible refs of `existing` do
/// not; how many objects that is. Without any, the pack is empty and there is nothing to receive.
///
/// Only what a visible ref reaches counts as there: an object that happens to lie in a pack does not.
///
/// # Errors
/// [`Error::Corrupt`](crate::Error::Corrupt) if the source lacks or damaged an object that its refs reach (what was
/// written is then no pack); [`Error::TooLarge`](crate::Error::TooLarge) over the walk's bounds;
/// [`Error::Closed`](crate::Error::Closed) when `out` fails.
pub fn write_import_pack(source: &Snapshot, existing: &Snapshot, out: &mut dyn Write) -> Result<u32> {
    let known: IdSet =
        existing.visible_refs().flat_map(|named| [Some(named.oid), named.peeled]).flatten().collect();
    let wants: Vec<ObjectId> =
        source.visible_refs().map(|named| named.oid).filter(|oid| !known.contains(oid)).collect();
    let haves = shared_commits(source, existing)?;
    let request = WalkRequest { wants, haves, complete: known, ..WalkRequest::default() };
    let objects = walk(source, &request)?.objects;
    let summary = write_pack(source, &objects, PackOptions { offset_deltas: true, bases: None }, out)?;
    Ok(summary.objects)
}

/// The newest commits reachable in `existing` that the source has too.
///
/// A tip that the source rewound or dropped is unknown there, but its ancestors may not be.
fn shared_commits(source: &Snapshot, existing: &Snapshot) -> Result<Vec<ObjectId>> {
    let mut reader = ObjectReader::new(existing);
    let mut seen = IdSet::default();
    let mut pending = Vec::new();
    for named in existing.visible_refs() {
        let tip = named.peeled.unwrap_or(named.oid);
        if matches!(reader.header(&tip)?, Some((ObjectKind::Commit, _))) && seen.insert(tip) {
            pending.push(tip);
        }
    }
    let mut shared = Vec::new();
    while let Some(id) = pending.pop() {
        if source.contains(&id) {
            shared.push(id);
            continue;
        }
        for parent in &reader.commit(&id)?.parents {
            if seen.insert(*parent) {
                pending.push(*parent);
            }
        }
    }
    Ok(shared)
}
