//! The events of a bundle, and which repositories these are about.

use std::collections::BTreeMap;

use polder_db::LogBody;
use polder_log::{Body, EventsPage};
use polder_types::Sha256;
use tokio::runtime::Handle;

use super::cursor::Since;
use super::export::Export;
use super::row::Key;
use crate::error::{Error, Result};
use crate::follow::{HUB, select};
use crate::{PageQuery, Select};

/// Events in a page.
const PAGE_LEAVES: u64 = 4096;
/// Heads of repositories read at a time.
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
    /// Writes the events.
    pub(super) fn gather(&mut self) -> Result<Gathered> {
        let newest = self.pages()?;
        let mut gathered = Gathered { newest, left_out: Vec::new() };
        if let Some(since) = self.since.as_ref().filter(|since| !since.has_all(&self.rules)) {
            self.add_unchanged(since, &mut gathered)?;
        }
        Ok(gathered)
    }

    fn pages(&mut self) -> Result<BTreeMap<Sha256, Newest>> {
        let (runtime, mut newest) = (Handle::current(), BTreeMap::new());
        let mut from = self.from;
        while from < self.tip.size {
            (self.say)(&format!("events: {from} of {}", self.tip.size));
            let query = PageQuery { from, limit: PAGE_LEAVES, select: Select::All };
            let bytes = runtime.block_on(self.hub.log_page(&self.tip, query))?;
            let page = EventsPage::decode(&bytes).map_err(Error::internal)?;
            for leaf in page.leaves.iter().filter(|leaf| leaf.kind.is_repo()) {
                let body = leaf.body_sha256;
                newest.entry(leaf.rid).or_insert(Newest { body, first: Some(body) }).body = body;
            }
            self.writer.put(Key::page(from), &bytes)?;
            from += match page.leaves.len() {
                0 => return Err(Error::internal("a log that became shorter")),
                count => u64::try_from(count).map_err(Error::internal)?,
            };
        }
        let keys = runtime.block_on(self.hub.log_namespace(&self.tip, HUB))?;
        self.writer.put(Key::keys(), &keys)?;
        Ok(newest)
    }

    /// Adds what did not change since the cursor but is not among what that stands for.
    fn add_unchanged(&self, since: &Since, gathered: &mut Gathered) -> Result<()> {
        let (runtime, mut after) = (Handle::current(), None);
        loop {
            let heads = runtime.block_on(self.hub.db.list_log_heads(self.tip.id, after, HEADS))?;
            let Some(last) = heads.last() else { return Ok(()) };
            after = Some(last.rid);
            for head in heads.iter().filter(|head| head.leaf.kind.is_repo()) {
                if gathered.newest.contains_key(&head.rid) {
                    continue;
                }
                let body = head.leaf.body_sha256;
                let target = self.body(body)?.and_then(|body| select::target(&body, &self.rules));
                let Some(target) = target.filter(|target| !since.has(head.rid, &target.path)) else {
                    continue;
                };
                if head.index < since.size {
                    gathered.newest.insert(target.rid, Newest { body, first: None });
                } else {
                    // It changed after the end of the bundle, and what it was before is not at hand.
                    gathered.left_out.push(head.rid);
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
