//! Sending a pack, once it is clear which.

use polder_types::ObjectId;

use super::RecentTips;
use super::request::{FetchRequest, not_our_ref};
use super::response::{Framing, Response};
use crate::id_set::IdSet;
use crate::pack_writer::{PackOptions, PackSummary, write_pack};
use crate::pkt_line::write_data;
use crate::shallow::ShallowAnswer;
use crate::walk::{WalkRequest, Walked, walk_with};
use crate::walk_reachable::unreachable;
use crate::{ObjectReader, Result};

/// Refuses wants that no visible ref reaches, nor a tip that one had a moment ago. All are there.
pub(super) fn check_wants(
    reader: &mut ObjectReader<'_>,
    wants: &[ObjectId],
    recent_tips: RecentTips<'_>,
) -> Result<()> {
    let snapshot = reader.snapshot();
    let mut open = unreachable(reader, wants, &[])?;
    if !open.is_empty() {
        let mut recent = recent_tips()?;
        recent.retain(|tip| snapshot.contains(tip));
        if !recent.is_empty() {
            open = unreachable(reader, wants, &recent)?;
        }
    }
    match wants.iter().find(|want| open.contains(*want)) {
        None => Ok(()),
        Some(want) => Err(not_our_ref(want)),
    }
}

/// Appends the lines that move the end of the client's history.
///
/// Without a line feed, as git's own server sends them: libgit2 1.9.7 (`smart_pkt.c`) takes no other form.
pub(super) fn write_shallow(out: &mut Vec<u8>, answer: &ShallowAnswer) {
    for id in &answer.shallow {
        write_data(out, format!("shallow {id}").as_bytes());
    }
    for id in &answer.unshallow {
        write_data(out, format!("unshallow {id}").as_bytes());
    }
}

/// Sends the pack that the client lacks, given what it has for certain.
///
/// Bases outside the pack are used only if the client has all of its history: behind a filter or a
/// shallow end nothing proves that it has a base.
pub(super) fn send_pack(
    reader: &mut ObjectReader<'_>,
    request: &FetchRequest,
    shallow: ShallowAnswer,
    common: &[ObjectId],
    framing: Framing,
    out: &mut Response<'_>,
) -> Result<()> {
    out.begin_pack(framing)?;
    let whole = !request.filter.is_active() && !request.shallow.is_active();
    let mut wants = request.wants.clone();
    wants.extend(shallow.wants);
    let mut walked = walk_with(
        reader,
        &WalkRequest {
            wants,
            haves: common.to_vec(),
            // As git does (`--objects-edge-aggressive`): else `fetch --depth 1` brings every file again.
            hold_all_haves: request.thin_pack && !shallow.grafts.is_empty(),
            grafts: shallow.grafts,
            filter: request.filter,
            complete: IdSet::default(),
        },
    )?;
    if request.include_tag {
        add_tags(reader, &mut walked)?;
    }
    if !request.no_progress {
        out.progress(&format!("Enumerating objects: {}, done.\n", walked.objects.len()))?;
    }
    let options = PackOptions {
        offset_deltas: request.offset_deltas,
        bases: (request.thin_pack && whole).then_some(&walked.held),
    };
    let summary = write_pack(reader.snapshot(), &walked.objects, options, out)?;
    if !request.no_progress {
        out.progress(&total(summary))?;
    }
    out.end_pack()
}

fn total(summary: PackSummary) -> String {
    let PackSummary { objects, deltas, copied, copied_deltas } = summary;
    format!(
        "Total {objects} (delta {deltas}), reused {copied} (delta {copied_deltas}), pack-reused {copied}\n"
    )
}

/// Adds the visible annotated tags of what is sent.
fn add_tags(reader: &mut ObjectReader<'_>, walked: &mut Walked) -> Result<()> {
    let sent: IdSet = walked.objects.iter().copied().collect();
    let mut added = IdSet::default();
    for tag in reader.snapshot().visible_refs() {
        if tag.peeled.is_none_or(|peeled| !sent.contains(&peeled)) {
            continue;
        }
        for id in reader.peel(&tag.oid)?.map(|(tags, ..)| tags).unwrap_or_default() {
            if !sent.contains(&id) && added.insert(id) {
                walked.objects.push(id);
            }
        }
    }
    Ok(())
}
