//! What each namespace may store: set by the operator, asked before bytes are taken, exact when they land.
//!
//! The exact check is in the transaction that links an object or lands a pack, so the sum never passes
//! the limit, whatever races. An upload also reserves its bytes before the first is taken: then it is
//! refused at once when there is no room, and not overtaken by others once it runs.

use polder_db::{Contributor, Db, Limit, Usage};
use polder_types::{AccountName, RepoId, ReservationId};

use serde_json::Value;

use crate::Hub;
use crate::access::Grant;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// How long bytes stay reserved for an upload that neither ends nor fails, in seconds.
const RESERVED_SECONDS_MAX: i64 = 24 * 3600;
/// Namespaces in one page of a listing.
const PAGE: i64 = 500;

/// How long bytes stay reserved at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Until the request ends, or the process does; a day at the most.
    Request,
    /// For so many seconds, also across a restart: for an upload whose parts are kept on disk.
    Seconds(i64),
}

/// For whom bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bill {
    /// The repository that they are for: they count in the quota of its namespace.
    pub(crate) repo: RepoId,
    /// Who brings them, if that is somebody who may not write: what these bring is bounded besides.
    by: Option<Contributor>,
}

impl From<RepoId> for Bill {
    fn from(repo: RepoId) -> Self {
        Self { repo, by: None }
    }
}

impl Bill {
    /// A handle whose writes are counted so.
    pub(crate) fn counting(self, db: &Db) -> Db {
        db.brought_by(self.by)
    }
}

/// What a namespace may store and stores, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaSummary {
    /// The namespace.
    pub namespace: String,
    /// What holds for it; `None` is no limit.
    pub bytes_max: Option<i64>,
    /// Whether that is the configuration's default.
    pub is_default: bool,
    /// Large objects that its repositories link, each counted once.
    pub blob_bytes: i64,
    /// Packs of its repositories.
    pub pack_bytes: i64,
    /// Reserved for uploads under way.
    pub reserved_bytes: i64,
}

impl Error {
    pub(crate) fn over_quota(namespace: &str, bytes_max: i64, bytes_left: i64) -> Self {
        let message = format!(
            "`{namespace}` has used its quota: {bytes_left} of {bytes_max} bytes are left; nothing was stored"
        );
        Self::new(Kind::OverQuota, message)
    }

    pub(crate) fn over_contribution(namespace: &str, bytes_max: i64) -> Self {
        let message = format!(
            "you may not write to `{namespace}`: of what you propose there, {bytes_max} bytes are stored until a pull \
             request of yours is merged; nothing was stored"
        );
        Self::new(Kind::OverQuota, message)
    }
}

impl Hub {
    /// Sets what a namespace may store. It may be less than it stores: then nothing can be added to it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown namespace.
    pub async fn set_quota(&self, namespace: &AccountName, limit: Limit) -> Result<()> {
        let account = self.account(namespace).await?;
        let entry = Entry::operator("quota.set").with("namespace", account.name.as_str());
        let bytes = match limit {
            Limit::Default => "default".into(),
            Limit::None => "none".into(),
            Limit::Bytes(bytes) => Value::from(bytes),
        };
        Ok(self.audited(entry.with("bytes_max", bytes)).set_quota(account.id, limit).await?)
    }

    /// What one namespace stores, or every one.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown namespace.
    pub async fn list_quotas(&self, namespace: Option<&AccountName>) -> Result<Vec<QuotaSummary>> {
        if let Some(name) = namespace {
            let account = self.account(name).await?;
            return Ok(vec![summary(self.db.usage(account.id).await?)]);
        }
        let (mut summaries, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.db.list_usage(&after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(summaries) };
            after = last.namespace.to_ascii_lowercase();
            summaries.extend(page.into_iter().map(summary));
        }
    }

    /// For whom is counted what is brought with `grant`.
    pub(crate) fn bill<L>(&self, grant: &Grant<L>) -> Bill {
        let contributor = |account| Some(Contributor { account, bytes_max: self.contributed_bytes_max? });
        Bill { repo: grant.repo_id(), by: grant.proposer().and_then(contributor) }
    }

    /// Reserves `bytes` of the quota of a repository's namespace before they are taken; `None` where
    /// there is no limit. Spent by [`Hub::publish`], given back by [`Hub::release`].
    ///
    /// # Errors
    /// [`Kind::OverQuota`].
    pub(crate) async fn reserve(&self, bill: Bill, bytes: u64, hold: Hold) -> Result<Option<ReservationId>> {
        if bill.by.is_none() && self.db.usage_of_repo(bill.repo).await?.bytes_max.is_none() {
            return Ok(None);
        }
        let bytes = i64::try_from(bytes).map_err(Error::internal)?;
        let (survives, seconds) = match hold {
            Hold::Request => (false, RESERVED_SECONDS_MAX),
            Hold::Seconds(seconds) => (true, seconds),
        };
        let expires = self.clock.now().plus_seconds(seconds);
        Ok(Some(bill.counting(&self.db).reserve(bill.repo, bytes, survives, expires).await?))
    }

    /// Gives back what was reserved, unless it was spent. A failure is logged only: the reservation ends
    /// by itself later.
    pub(crate) async fn release(&self, reservation: Option<ReservationId>) {
        if let Some(reservation) = reservation
            && let Err(error) = self.db.release(reservation).await
        {
            tracing::warn!(%reservation, %error, "reserved bytes are not given back yet");
        }
    }

    /// What can still be added to the namespace of a repository; `None` is no limit.
    pub(crate) async fn room(&self, bill: impl Into<Bill>) -> Result<Option<Room>> {
        let Bill { repo, by } = bill.into();
        let usage = self.db.usage_of_repo(repo).await?;
        let of_namespace = usage.bytes_max.zip(usage.bytes_left()).map(|(bytes_max, left)| Room {
            bytes_left: u64::try_from(left).unwrap_or(0),
            bytes_max,
            namespace: usage.namespace,
            is_contributors: false,
        });
        let Some(Contributor { account, bytes_max }) = by else { return Ok(of_namespace) };
        let brought = self.db.contributed(repo, account).await?;
        let of_contributor = Room {
            bytes_left: u64::try_from(brought.bytes_left(bytes_max)).unwrap_or(0),
            bytes_max,
            namespace: brought.namespace,
            is_contributors: true,
        };
        Ok(of_namespace.into_iter().chain([of_contributor]).min_by_key(|room| room.bytes_left))
    }
}

/// What can still be added to a namespace, as of a moment ago.
pub(crate) struct Room {
    pub(crate) bytes_left: u64,
    bytes_max: i64,
    namespace: String,
    /// Whether it is what one who may not write may bring, and not what the namespace may store.
    is_contributors: bool,
}

impl Room {
    /// Takes `bytes` of it, if they are there.
    ///
    /// # Errors
    /// [`Kind::OverQuota`].
    pub(crate) fn take(&mut self, bytes: u64) -> Result<()> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(self.exceeded()),
        }
    }

    /// The refusal of more than this.
    pub(crate) fn exceeded(&self) -> Error {
        if self.is_contributors {
            return Error::over_contribution(&self.namespace, self.bytes_max);
        }
        let bytes_left = i64::try_from(self.bytes_left).unwrap_or(i64::MAX);
        Error::over_quota(&self.namespace, self.bytes_max, bytes_left)
    }
}

fn summary(usage: Usage) -> QuotaSummary {
    QuotaSummary {
        bytes_max: usage.bytes_max,
        is_default: usage.limit == Limit::Default,
        blob_bytes: usage.blob_bytes,
        pack_bytes: usage.pack_bytes,
        reserved_bytes: usage.reserved_bytes,
        namespace: usage.namespace,
    }
}
