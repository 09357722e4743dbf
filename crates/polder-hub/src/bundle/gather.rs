//! The events of a bundle, and which repositories these are about.

use std::collections::BTreeMap;

use polder_db::LogBody;
use polder_log::{Body, EventsPage, Meta};
use polder_types::Sha256;
use tokio::runtime::Handle;

use super::export::Export;
use super::row::{Key, Kind};
use crate::error::{Error, Result};
use crate::follow::{HUB, select};
use crate::{PageQuery, Select};

/// Events in a page.
const PAGE_LEAVES: u64 = 4096;
/// Heads of repositories and namespaces read at a time.
const HEADS: i64 = 500;

/// What a bundle shall have.
pub(super) struct Gathered {
    pub(super) newest: BTreeMap<Sha256, Newest>,
    /// Repositories of which it is not known what they were at the end of the bundle.
    pub(super) left_out: Vec<Sha256>,
}

/// The events of a repository that count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    /// The body of the newest.
    pub(super) body: Sha256,
    /// That of the first in the bundle, if there is any.
    pub(super) first: Option<Sha256>,
}

impl Export {
    /// Writes the events, or where they are not kept, a snapshot and those after it.
    pub(super) fn gather(&mut self) -> Result<Gathered> {
        let is_pruned = self.from < self.tip.min_index;
        let (first, snapshot) = if is_pruned {
            let (first, index) = self.snapshot()?;
            (first, Some(index))
        } else {
            (self.from, None)
        };
        let newest = self.pages(first, snapshot)?;
        let mut gathered = Gathered { newest, left_out: Vec::new() };
        let is_all = self.since.as_ref().is_none_or(|since| since.has_all(&self.rules));
        if is_pruned || !is_all {
            self.add_rest(first, is_pruned, &mut gathered)?;
        }
        Ok(gathered)
    }

    /// Writes the events from `first` on. A page ends with that of the snapshot, to which a follower asks for proof.
    fn pages(&mut self, first: u64, snapshot: Option<u64>) -> Result<BTreeMap<Sha256, Newest>> {
        let (runtime, mut newest) = (Handle::current(), BTreeMap::new());
        let mut from = first;
        while from < self.tip.size {
            (self.say)(&format!("events: {from} of {}", self.tip.size));
            let to_snapshot =
                snapshot.and_then(|index| (index + 1).checked_sub(from)).filter(|left| *left > 0);
            let limit = to_snapshot.unwrap_or(PAGE_LEAVES).min(PAGE_LEAVES);
            let query = PageQuery { from, limit, select: Select::All };
            let bytes = runtime.block_on(self.hub.log_page(&self.tip, query))?;
            let page = EventsPage::decode(&bytes).map_err(Error::internal)?;
            for leaf in page.leaves.iter().filter(|leaf| leaf.kind.is_repo()) {
                let body = leaf.body_sha256;
                // What is before a snapshot is not known: such a repository comes whole.
                let since_cursor = (first == self.from).then_some(body);
                newest.entry(leaf.rid).or_insert(Newest { body, first: since_cursor }).body = body;
            }
            self.writer.put(Key::page(from), &bytes)?;
            from += match page.leaves.len() {
                0 => return Err(Error::internal("a log that became shorter")),
                count => u64::try_from(count).map_err(Error::internal)?,
            };
        }
        let keys = runtime.block_on(self.hub.log_namespace(&self.tip, HUB))?;
        self.writer.put(Key::of(Kind::Chain, HUB), &keys)?;
        Ok(newest)
    }

    /// Adds what the events from `first` on do not tell of, unless the receiver has it.
    fn add_rest(&mut self, first: u64, is_pruned: bool, gathered: &mut Gathered) -> Result<()> {
        let mut after = None;
        loop {
            let heads = Handle::current().block_on(self.hub.db.list_log_heads(self.tip.id, after, HEADS))?;
            let Some(last) = heads.last() else { return Ok(()) };
            after = Some(last.rid);
            for head in heads {
                if is_pruned {
                    self.named_by_snapshot(&head, first)?;
                }
                if !head.leaf.kind.is_repo() || gathered.newest.contains_key(&head.rid) {
                    continue;
                }
                let body = head.leaf.body_sha256;
                let held = self.body(body)?;
                let has = |meta: &Meta| {
                    let since = self.since.as_ref().filter(|since| head.index < since.size);
                    since.is_some_and(|since| since.has(head.rid, meta))
                };
                let is_had = held.as_ref().and_then(|body| body.meta.as_ref()).is_some_and(has);
                match held.and_then(|body| select::target(&body, &self.rules)) {
                    Some(_) if !is_had && head.index < first => {
                        gathered.newest.insert(head.rid, Newest { body, first: None });
                    }
                    // It changed after the end of the bundle, and what it was before is not at hand.
                    Some(_) if head.index >= self.tip.size => gathered.left_out.push(head.rid),
                    _ => {}
                }
            }
        }
    }

    /// A body, unless it is not here.
    pub(super) fn body(&self, sha256: Sha256) -> Result<Option<Body>> {
        match Handle::current().block_on(self.hub.db.log_body(sha256))? {
            LogBody::Held(bytes) => Body::decode(&bytes).map(Some).map_err(Error::internal),
            LogBody::Erased | LogBody::Missing => Ok(None),
        }
    }
}
