//! Erasing what the own log has said of a repository, a stretch of the log at a time.

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_db::{Appended, Erased, Log, LogAppend};
use polder_log::Body;
use polder_types::Sha256;

use super::Lead;
use super::author::{Author, entry};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Leaves looked at in a step.
const STRETCH: u64 = 16_384;
/// Most bodies erased in a step.
const ERASED_MAX: usize = 256;

/// What a stretch has of a repository: indices and bodies, and where to go on.
struct Found {
    events: Vec<(u64, Sha256)>,
    before: Vec<Sha256>,
    next: Option<u64>,
}

impl Hub {
    /// Goes on with an erasure that was asked for; false if there is none to go on with.
    pub(super) async fn erase_some(&self, id: i64, lead: Lead) -> Result<bool> {
        let Some(erasure) = self.db.next_erasure(id).await? else { return Ok(false) };
        let Some(log) = self.db.log(id).await? else { return Ok(false) };
        let found = match erasure.rid {
            Some(rid) => self.events_of(&log, rid, erasure.from.max(log.min_index), erasure.end).await?,
            None => Found { events: Vec::new(), before: Vec::new(), next: None },
        };
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let now = self.clock.now();
        let mut entries = Vec::with_capacity(found.events.len());
        for (index, _) in &found.events {
            entries.push(entry(&author.erasure(*index, now)?));
        }
        let append = LogAppend { sequenced: Some((lead.lease, log.fact_seq)), ..log.append(entries) };
        let bodies = found.events.into_iter().map(|(_, body)| body).chain(found.before).collect();
        let erased = Erased { append, repo: erasure.repo, bodies, next: found.next };
        if self.db.erase(erased).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.sign(id).await?;
        Ok(true)
    }

    /// The events of a repository whose bodies are here, from `from` on and before `end`.
    async fn events_of(&self, log: &Log, rid: Sha256, from: u64, end: u64) -> Result<Found> {
        let leaves = self.db.log_leaves(log.id, from, end, STRETCH).await?;
        let stretch_end = from.saturating_add(u64::try_from(leaves.len()).unwrap_or(0));
        let of_repo = leaves.iter().zip(from..).filter(|(leaf, _)| leaf.kind.is_repo() && leaf.rid == rid);
        let of_repo: Vec<(u64, Sha256)> = of_repo.map(|(leaf, at)| (at, leaf.body_sha256)).collect();
        let (events, rest) = of_repo.split_at(of_repo.len().min(ERASED_MAX));
        let next = rest.first().map_or(stretch_end, |(index, _)| *index);
        let hashes: Vec<Sha256> = events.iter().map(|(_, body)| *body).collect();
        let held: BTreeMap<Sha256, Bytes> = self.db.log_bodies(&hashes).await?.into_iter().collect();
        let events = events.iter().filter(|(_, body)| held.contains_key(body)).copied().collect();
        // Of what is no longer in the log, one body may still be here: the one before the first.
        let before = held.values().filter_map(|bytes| Body::decode(bytes).ok()?.prev).collect();
        Ok(Found { events, before, next: (next < end).then_some(next) })
    }
}
