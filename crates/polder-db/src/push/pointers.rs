//! The large objects that a push makes reachable.

use std::collections::{BTreeMap, HashMap, HashSet};

use polder_types::{ObjectId, RepoId, Sha256};

use super::Push;
use crate::blobs::is_allowed;
use crate::follow::lazy;
use crate::sql::{ROWS_PER_STATEMENT_MAX, templates};
use crate::tx::Tx;
use crate::value::{Value, args};
use crate::{LazyObject, Result};

templates! {
    LINKED(1) = concat!("SELECT l.sha256, l.pointer_oid FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = $1 AND ", is_allowed!(),
        " AND l.sha256 IN ("), "?", ")";
    SET_POINTERS(2) = "INSERT INTO repo_blob (repo, sha256, pointer_oid, added_at) VALUES ", "($1, ?, ?, $2)",
        " ON CONFLICT (repo, sha256) DO UPDATE SET pointer_oid = excluded.pointer_oid";
}

/// The pointers of a push, as the database sees them.
pub(super) struct Pointers {
    repo: RepoId,
    wanted: BTreeMap<Sha256, ObjectId>,
    linked: HashMap<Sha256, Option<ObjectId>>,
    /// What need not be linked yet, and is not.
    lazy: Vec<LazyObject>,
}

impl Pointers {
    /// Looks up which of them the repository holds.
    pub(super) async fn look_up(tx: &mut Tx, push: &Push) -> Result<Self> {
        let wanted: BTreeMap<Sha256, ObjectId> = push.pointers.iter().copied().collect();
        let oids: Vec<Sha256> = wanted.keys().copied().collect();
        let mut linked = HashMap::with_capacity(oids.len());
        for some in oids.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![push.repo];
            args.extend(some.iter().copied().map(Value::from));
            for row in tx.rows(LINKED.statement(some.len()), args).await? {
                linked.insert(row.sha256(0)?, row.maybe_oid(1)?);
            }
        }
        let mut lazy = push.lazy.clone();
        lazy.retain(|object| wanted.contains_key(&object.sha256) && !linked.contains_key(&object.sha256));
        Ok(Self { repo: push.repo, wanted, linked, lazy })
    }

    /// Those that the repository should hold and does not, in order.
    pub(super) fn missing(&self) -> Vec<Sha256> {
        let lazy: HashSet<Sha256> = self.lazy.iter().map(|object| object.sha256).collect();
        let is_missing = |oid: &&Sha256| !self.linked.contains_key(oid) && !lazy.contains(oid);
        self.wanted.keys().filter(is_missing).copied().collect()
    }

    /// All of them, in order.
    pub(super) fn objects(&self) -> impl ExactSizeIterator<Item = Sha256> {
        self.wanted.keys().copied()
    }

    /// Notes on each link which git blob points to the object, where that is news, and what may come later.
    pub(super) async fn store(&self, tx: &mut Tx) -> Result<()> {
        let is_news = |(oid, blob): &(&Sha256, &ObjectId)| {
            self.linked.get(*oid).is_some_and(|known| known.as_ref() != Some(*blob))
        };
        let news: Vec<(&Sha256, &ObjectId)> = self.wanted.iter().filter(is_news).collect();
        let now = tx.now();
        for some in news.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut args = args![self.repo, now];
            for (oid, blob) in some {
                args.extend(args![**oid, **blob]);
            }
            tx.execute(SET_POINTERS.statement(some.len()), args).await?;
        }
        lazy::store(tx, self.repo, &self.lazy, &self.wanted).await
    }
}
