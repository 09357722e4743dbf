//! How much of an upstream may be here, how fast it may come, and when.

use std::num::NonZeroU64;

use polder_types::{Hours, RepoId, Sha256, UnixMillis};

use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::Verdict;
use crate::value::{Value, args};
use crate::{Db, Result};

statements! {
    LIMITS = "SELECT budget, rate, hours FROM upstream WHERE log = $1";
    SET_LIMITS = "UPDATE upstream SET budget = $2, rate = $3, hours = $4 WHERE log = $1";
    RESUME = "UPDATE mirror SET due = $2 WHERE log = $1 \
        AND state IN ('paused-quota', 'paused-window', 'paused-disk') AND NOT running";
    // Mirrors are all there is in a namespace of another hub.
    HELD_BYTES = "SELECT CAST(COALESCE(SUM(q.blob_bytes + q.pack_bytes), 0) AS BIGINT) FROM remote_namespace n \
        JOIN quota q ON q.ns = n.account WHERE n.origin = (SELECT origin FROM log WHERE id = $1)";
}

templates! {
    BESIDE(1) = "SELECT DISTINCT l.sha256 FROM repo_blob l JOIN repo r ON r.id = l.repo \
        WHERE r.ns = (SELECT o.ns FROM repo o WHERE o.id = $1) AND l.sha256 IN (", "?", ")";
}

/// What limits the mirrors of an upstream. What its log says, and hiding and removing, nothing limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FollowLimits {
    /// Most bytes of large objects and packs that all its mirrors together may hold here, as
    /// [`Db::upstream_bytes`] counts them.
    pub budget_bytes: Option<u64>,
    /// Most bytes a second of large objects and packs that come from it.
    pub bytes_per_second: Option<NonZeroU64>,
    /// When large objects and packs may come.
    pub hours: Option<Hours>,
}

/// What becomes of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitChange<T> {
    /// There is none any more.
    Lift,
    /// This.
    Set(T),
}

/// What becomes of the limits of an upstream; those that are `None` stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitChanges {
    /// Of the budget, in bytes.
    pub budget: Option<LimitChange<u64>>,
    /// Of the rate, in bytes a second.
    pub rate: Option<LimitChange<NonZeroU64>>,
    /// Of the hours.
    pub hours: Option<LimitChange<Hours>>,
}

impl LimitChanges {
    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn of(&self, before: FollowLimits) -> FollowLimits {
        FollowLimits {
            budget_bytes: after(self.budget, before.budget_bytes),
            bytes_per_second: after(self.rate, before.bytes_per_second),
            hours: after(self.hours, before.hours),
        }
    }
}

fn after<T>(change: Option<LimitChange<T>>, before: Option<T>) -> Option<T> {
    match change {
        None => before,
        Some(LimitChange::Lift) => None,
        Some(LimitChange::Set(limit)) => Some(limit),
    }
}

impl FollowLimits {
    /// From three columns, the budget first.
    pub(super) fn from_row(row: &Row, first: usize) -> Result<Self> {
        let count = |index| -> Result<Option<u64>> {
            Ok(row.read::<Option<i64>>(index)?.and_then(|count| u64::try_from(count).ok()))
        };
        Ok(Self {
            budget_bytes: count(first)?,
            bytes_per_second: count(first + 1)?.and_then(NonZeroU64::new),
            hours: row.maybe_word(first + 2)?,
        })
    }
}

impl Db {
    /// Changes the limits of an upstream; what waits because of one is looked at anew.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn change_limits(&self, log: i64, changes: LimitChanges) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(LIMITS, args![log]).await? else { return Ok(Verdict::Discard(())) };
                let limits = changes.of(FollowLimits::from_row(&row, 0)?);
                let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                let (budget, rate) = (limits.budget_bytes.map(count), limits.bytes_per_second);
                let rate = rate.map(|rate| count(rate.get()));
                let hours = limits.hours.map(String::from);
                tx.execute(SET_LIMITS, args![log, budget, rate, hours]).await?;
                let now: UnixMillis = tx.now();
                tx.execute(RESUME, args![log, now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Those of `oids` that some repository of the namespace of `repo` links, so that its quota counts them.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn blobs_beside(&self, repo: RepoId, oids: &[Sha256]) -> Result<Vec<Sha256>> {
        let mut found = Vec::new();
        for some in oids.chunks(ROWS_PER_STATEMENT_MAX) {
            let args = args![repo].into_iter().chain(some.iter().copied().map(Value::from)).collect();
            found.extend(each(&self.rows(BESIDE.statement(some.len()), args).await?, |row| row.sha256(0))?);
        }
        Ok(found)
    }

    /// Bytes that the mirrors of an upstream hold here, as the quotas of their namespaces count them: every live
    /// pack, hidden repositories' too, and each large object once for every namespace that has it, even where
    /// other repositories here share its bytes.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn upstream_bytes(&self, log: i64) -> Result<u64> {
        let bytes = self.row(HELD_BYTES, args![log]).await?.map_or(Ok(0), |row| row.read::<i64>(0))?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }
}
