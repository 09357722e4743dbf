//! What a namespace may store and stores.

use polder_types::{AccountId, RepoId};

use super::UNLIMITED;
use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

/// The columns that [`Usage::from_row`] reads.
macro_rules! select_usage {
    ($rest:literal) => {
        concat!(
            "SELECT a.name, q.bytes_max, d.bytes_max, q.blob_bytes, q.pack_bytes, q.reserved_bytes ",
            "FROM quota q JOIN account a ON a.id = q.ns JOIN quota_default d ON d.id = 1 ",
            $rest
        )
    };
}

statements! {
    SET_DEFAULT = "UPDATE quota_default SET bytes_max = $1 WHERE bytes_max <> $1";
    SET_QUOTA = "UPDATE quota SET bytes_max = $2 WHERE ns = $1";
    USAGE_OF = select_usage!("WHERE q.ns = $1");
    USAGE_OF_REPO = select_usage!("JOIN repo r ON r.ns = q.ns WHERE r.id = $1");
    USAGES_AFTER = select_usage!("WHERE a.fold > $1 ORDER BY a.fold LIMIT $2");
    WRONG_USAGE = "SELECT a.id, a.name, q.blob_bytes + q.pack_bytes, CAST( \
        COALESCE((SELECT SUM(held.size) FROM (SELECT b.sha256, b.size FROM repo r \
        JOIN repo_blob l ON l.repo = r.id JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE r.ns = a.id UNION SELECT b.sha256, b.size FROM attachment t \
        JOIN blob b ON b.sha256 = t.sha256 AND b.state = 'live' WHERE t.account = a.id) held), 0) + COALESCE((SELECT SUM(p.bytes) FROM repo r \
        JOIN pack p ON p.repo = r.id AND p.state = 'live' WHERE r.ns = a.id), 0) AS BIGINT), \
        q.reserved_bytes, CAST(COALESCE((SELECT SUM(v.bytes) FROM reservation v WHERE v.ns = a.id), 0) AS BIGINT) \
        FROM quota q JOIN account a ON a.id = q.ns WHERE a.id > $1 ORDER BY a.id LIMIT $2";
}

/// What a namespace may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// What the configuration says for all.
    Default,
    /// No limit, whatever the configuration says.
    None,
    /// This many bytes.
    Bytes(i64),
}

/// What a namespace may store and stores, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The namespace.
    pub namespace: String,
    /// What was set for it.
    pub limit: Limit,
    /// What holds for it; `None` is no limit.
    pub bytes_max: Option<i64>,
    /// Large objects, each counted once.
    pub blob_bytes: i64,
    /// Packs.
    pub pack_bytes: i64,
    /// Promised to uploads under way.
    pub reserved_bytes: i64,
}

impl Usage {
    fn from_row(row: &Row) -> Result<Self> {
        let (set, default): (Option<i64>, i64) = (row.read(1)?, row.read(2)?);
        let limit = match set {
            None => Limit::Default,
            Some(UNLIMITED) => Limit::None,
            Some(bytes) => Limit::Bytes(bytes),
        };
        Ok(Self {
            namespace: row.read(0)?,
            limit,
            bytes_max: Some(set.unwrap_or(default)).filter(|max| *max != UNLIMITED),
            blob_bytes: row.read(3)?,
            pack_bytes: row.read(4)?,
            reserved_bytes: row.read(5)?,
        })
    }

    /// Everything that counts.
    pub fn used_bytes(&self) -> i64 {
        self.blob_bytes.saturating_add(self.pack_bytes).saturating_add(self.reserved_bytes)
    }

    /// What can still be added; `None` is no limit. Zero also where more is stored than may be.
    pub fn bytes_left(&self) -> Option<i64> {
        self.bytes_max.map(|max| max.saturating_sub(self.used_bytes()).max(0))
    }
}

impl Db {
    /// Sets what holds for namespaces without a limit of their own.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_default_quota(&self, bytes_max: Option<i64>) -> Result<()> {
        let bytes_max = bytes_max.unwrap_or(UNLIMITED);
        self.write(move |tx| {
            Box::pin(async move {
                let changed = tx.execute(SET_DEFAULT, args![bytes_max]).await? > 0;
                Ok(if changed { Verdict::Keep(()) } else { Verdict::Discard(()) })
            })
        })
        .await
    }

    /// Sets the limit of a namespace. It may be lower than what is stored: then nothing can be added.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such account.
    pub async fn set_quota(&self, namespace: AccountId, limit: Limit) -> Result<()> {
        let bytes_max = match limit {
            Limit::Default => None,
            Limit::None => Some(UNLIMITED),
            Limit::Bytes(bytes) => Some(bytes),
        };
        self.write(move |tx| {
            Box::pin(async move {
                match tx.execute(SET_QUOTA, args![namespace, bytes_max]).await? {
                    0 => Err(missing(format!("account {namespace}"))),
                    _ => Ok(Verdict::Keep(())),
                }
            })
        })
        .await
    }

    /// Reads what a namespace stores.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such account.
    pub async fn usage(&self, namespace: AccountId) -> Result<Usage> {
        let row = self.row(USAGE_OF, args![namespace]).await?;
        Usage::from_row(&row.ok_or_else(|| missing(format!("account {namespace}")))?)
    }

    /// Reads what the namespace of a repository stores.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such repository.
    pub async fn usage_of_repo(&self, repo: RepoId) -> Result<Usage> {
        let row = self.row(USAGE_OF_REPO, args![repo]).await?;
        Usage::from_row(&row.ok_or_else(|| missing(format!("repository {repo}")))?)
    }

    /// Lists what namespaces store, by folded name, at most `limit` after the name `after` (folded).
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_usage(&self, after: &str, limit: i64) -> Result<Vec<Usage>> {
        each(&self.rows(USAGES_AFTER, args![after, limit]).await?, Usage::from_row)
    }

    /// Namespaces whose numbers are not the sums of what they store or promise, in words: of `limit` after
    /// `after`, and the last of these.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn check_usage(
        &self,
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<(Option<AccountId>, Vec<String>)> {
        let (mut last, mut wrong) = (None, Vec::new());
        let after = after.map_or(i64::MIN, |id| id.0);
        for row in self.rows(WRONG_USAGE, args![after, limit]).await? {
            last = Some(AccountId(row.read(0)?));
            let name: String = row.read(1)?;
            let (says, stored): (i64, i64) = (row.read(2)?, row.read(3)?);
            let (promised, sum): (i64, i64) = (row.read(4)?, row.read(5)?);
            if says != stored {
                wrong.push(format!("{name}: {says} bytes are counted, {stored} are stored"));
            }
            if promised != sum {
                wrong.push(format!("{name}: {promised} bytes are counted as reserved, {sum} are"));
            }
        }
        Ok((last, wrong))
    }
}

/// What a namespace stores, as a write sees it.
pub(super) async fn of(tx: &mut Tx, namespace: AccountId) -> Result<Usage> {
    let row = tx.row(USAGE_OF, args![namespace]).await?;
    Usage::from_row(&row.ok_or_else(|| missing(format!("account {namespace}")))?)
}
