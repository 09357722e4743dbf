//! The transaction itself.

use std::collections::BTreeMap;

use polder_types::limits::REFS_PER_REPO_MAX;
use polder_types::{ObjectId, Sha256};
use serde::Serialize;
use serde_json::{Value, json};

use super::decide::{Results, changes, creates, decide, deletes};
use super::load::{TAKE_TURN, relevant_refs};
use super::pointers::Pointers;
use super::store::{self, Target};
use super::{Push, PushOutcome, RefOutcome, RefUpdate};
use crate::Result;
use crate::discussions::{self, Proposal};
use crate::events::{Fact, record};
use crate::quota::{self, Change};
use crate::row::Row;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{catalog, contributed, follow};

/// Most refs, and most objects, that one fact lists.
const FACT_ENTRIES_MAX: usize = REFS_PER_REPO_MAX;
/// Most refs that one row of the audit log lists.
const AUDIT_REFS_MAX: usize = 100;

/// The repository's row after this push took its turn.
struct Turn {
    generation: i64,
    gc_epoch: i64,
    rseq: i64,
    head: String,
    visibility: String,
    ref_count: i64,
    lock_gen: i64,
}

impl Turn {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            generation: row.read(0)?,
            gc_epoch: row.read(1)?,
            rseq: row.read(2)?,
            head: row.read(3)?,
            visibility: row.read(4)?,
            ref_count: row.read(5)?,
            lock_gen: row.read(6)?,
        })
    }
}

/// What a `repo.refs` fact says, version 1.
#[derive(Serialize)]
struct RefsFact<'a> {
    v: u8,
    generation: i64,
    visibility: &'a str,
    head: &'a str,
    /// Name, old, new.
    refs: Vec<(&'a str, Option<ObjectId>, Option<ObjectId>)>,
    refs_omitted: usize,
    /// Newly reachable large objects.
    objects: Vec<Sha256>,
    objects_omitted: usize,
}

pub(super) async fn commit(tx: &mut Tx, mut push: Push) -> Result<Verdict<PushOutcome>> {
    let rewinds = push.updates.iter().any(|update| update.rewinds || deletes(update));
    // First of all: this row is the repository's lock.
    let Some(row) = tx.row(TAKE_TURN, args![push.repo, rewinds]).await? else {
        return Ok(Verdict::Discard(PushOutcome::RepoGone));
    };
    let turn = Turn::from_row(&row)?;
    if turn.gc_epoch != push.expected_gc_epoch {
        return Ok(Verdict::Discard(PushOutcome::GcRaced));
    }
    if push.expected_lock_gen.is_some_and(|expected| expected != turn.lock_gen) {
        return Ok(Verdict::Discard(PushOutcome::LockRaced));
    }
    if let Some(proposal) = &push.proposal
        && !discussions::is_due(tx, push.repo, proposal).await?
    {
        return Ok(Verdict::Discard(PushOutcome::ProposalRaced));
    }
    let pointers = Pointers::look_up(tx, &push).await?;
    let missing = pointers.missing();
    if !missing.is_empty() {
        return Ok(Verdict::Discard(PushOutcome::MissingObjects(missing)));
    }
    let existing = relevant_refs(tx, &push, &turn.head, turn.ref_count).await?;
    let results = decide(&push.updates, &existing, turn.ref_count, push.atomic);
    let done = accepted(&push.updates, &results);
    if done.is_empty() {
        let generation = turn.generation - 1;
        return Ok(Verdict::Discard(outcome(&push, results, generation, turn.head, false)));
    }

    let target = Target { repo: push.repo, generation: turn.generation, actor: push.actor };
    let pack_bytes = push.pack.as_ref().map_or(0, |pack| pack.bytes);
    if let Some(pack) = push.pack.take() {
        store::pack(tx, push.repo, pack).await?;
    }
    store::refs(tx, target, &done).await?;
    pointers.store(tx).await?;
    let head = head_after(&push, &turn.head, &existing, &done);
    let more_refs = more_refs(&done);
    if more_refs != 0 || head != turn.head {
        store::repo(tx, push.repo, more_refs, &head).await?;
    }
    let changed: Vec<&str> = done.iter().map(|update| update.name.as_str()).collect();
    if !discussions::commit_proposal(tx, &push, &changed).await? {
        return Ok(Verdict::Discard(PushOutcome::TooManyDiscussions));
    }
    if let Some(entry) = &push.catalog
        && done.iter().any(|update| update.name == head && update.new == Some(entry.commit))
    {
        catalog::describe(tx, push.repo, entry).await?;
    }
    let facts = fact(&turn, &head, &done, &pointers);
    record(tx, Fact { repo: push.repo, rseq: turn.rseq, actor: push.actor, kind: "repo.refs" }, &facts)
        .await?;
    // Last, because pushes to other repositories of the namespace wait from here to the end.
    let merged = push.proposal.as_ref().and_then(Proposal::merged);
    if pack_bytes > 0 || merged.is_some() {
        let namespace = quota::namespace_of(tx, push.repo).await?;
        quota::charge(tx, namespace, Change { packs: pack_bytes, ..Change::default() }).await?;
        contributed::add(tx, namespace, push.repo, pack_bytes).await?;
        if let Some(num) = merged {
            contributed::forgive(tx, push.repo, num).await?;
        }
    }
    if let Some(mirror) = push.mirror.take()
        && !follow::publish(tx, mirror).await?
    {
        return Ok(Verdict::Discard(PushOutcome::MirrorLost));
    }
    tx.audit(|entry| entry.detail.extend(audit_detail(&done, turn.generation)));
    Ok(Verdict::Keep(outcome(&push, results, turn.generation, head, true)))
}

/// The updates that make a difference and were accepted.
fn accepted<'a>(updates: &'a [RefUpdate], results: &Results) -> Vec<&'a RefUpdate> {
    let pairs = updates.iter().zip(results);
    pairs.filter(|(update, result)| result.is_ok() && changes(update)).map(|(update, _)| update).collect()
}

fn more_refs(done: &[&RefUpdate]) -> i64 {
    done.iter().map(|update| i64::from(creates(update)) - i64::from(deletes(update))).sum()
}

/// Where HEAD points: where it must; else where it did, unless that does not exist and the proposed target does.
fn head_after(push: &Push, head: &str, existing: &BTreeMap<String, ObjectId>, done: &[&RefUpdate]) -> String {
    if let Some(exact) = &push.exact_head {
        return exact.clone();
    }
    let is_there = |name: &str| match done.iter().find(|update| update.name == name) {
        Some(update) => update.new.is_some(),
        None => existing.contains_key(name),
    };
    match &push.new_head {
        Some(new_head) if !is_there(head) && is_there(new_head) => new_head.clone(),
        _ => head.to_owned(),
    }
}

fn fact<'a>(turn: &'a Turn, head: &'a str, done: &[&'a RefUpdate], pointers: &Pointers) -> RefsFact<'a> {
    let refs = done.iter().take(FACT_ENTRIES_MAX);
    let objects = pointers.objects();
    RefsFact {
        v: 1,
        generation: turn.generation,
        visibility: &turn.visibility,
        head,
        refs: refs.map(|update| (update.name.as_str(), update.old, update.new)).collect(),
        refs_omitted: done.len().saturating_sub(FACT_ENTRIES_MAX),
        objects_omitted: objects.len().saturating_sub(FACT_ENTRIES_MAX),
        objects: objects.take(FACT_ENTRIES_MAX).collect(),
    }
}

/// What the audit log says of a push: the refs that changed, as name, old and new.
fn audit_detail(done: &[&RefUpdate], generation: i64) -> [(String, Value); 3] {
    let refs: Vec<_> = done.iter().take(AUDIT_REFS_MAX).collect();
    let omitted = done.len() - refs.len();
    let refs: Vec<Value> = refs.iter().map(|update| json!([update.name, update.old, update.new])).collect();
    [("generation", generation.into()), ("refs", refs.into()), ("refs_omitted", omitted.into())]
        .map(|(key, value)| (key.to_owned(), value))
}

fn outcome(push: &Push, results: Results, generation: i64, head: String, changed: bool) -> PushOutcome {
    let refs = push.updates.iter().zip(results);
    let refs = refs.map(|(update, result)| RefOutcome { name: update.name.clone(), result }).collect();
    PushOutcome::Done { generation, head, changed, refs }
}
