//! The audit log: who did what, written with the change itself, then put into a chain.
//!
//! A row is inserted in the transaction of its change, so the two stand or fall together and writers
//! never wait for one another. Later [`Db::chain_audit`] gives the rows their places, one after another,
//! under the one row that says where the chain ends. So a row is in the chain a moment after its change,
//! in the order in which rows were found, which for changes at the same moment may differ from that of
//! their commits; from then on it cannot be altered, dropped or moved without the hashes showing it.

use polder_types::{AccountId, AuditId, RepoId, TokenId, UnixMillis};
use std::fmt;
use std::str::FromStr;

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// The columns that [`AuditRow::from_row`] reads.
macro_rules! select_audit {
    ($rest:literal) => {
        concat!(
            "SELECT id, time, actor, account, account_name, token, address, action, repo, repo_name, result, ",
            "request, detail, chain_index, chain_hash FROM audit ",
            $rest
        )
    };
}

statements! {
    INSERT_AUDIT = "INSERT INTO audit (id, time, actor, account, account_name, token, address, action, repo, \
        repo_name, result, request, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    // Changes nothing; whoever runs it holds the end of the chain until its transaction ends.
    HOLD_HEAD = "UPDATE audit_head SET last_index = last_index WHERE id = 1 \
        RETURNING last_index, last_hash, gone_index, gone_hash";
    HEAD = "SELECT last_index, last_hash, gone_index, gone_hash FROM audit_head WHERE id = 1";
    UNCHAINED = select_audit!("WHERE chain_index IS NULL ORDER BY id LIMIT $1");
    CHAIN = "UPDATE audit SET chain_index = $2, chain_hash = $3 WHERE id = $1";
    MOVE_HEAD = "UPDATE audit_head SET last_index = $1, last_hash = $2 WHERE id = 1";
    CHAINED_AFTER = select_audit!("WHERE chain_index > $1 ORDER BY chain_index LIMIT $2");
    LATEST = select_audit!("WHERE id < $1 AND time >= $2 AND COALESCE(repo, 0) = COALESCE($3, repo, 0) \
        AND COALESCE(account, 0) = COALESCE($4, account, 0) ORDER BY id DESC LIMIT $5");
    LAST_BEFORE = "SELECT chain_index, chain_hash FROM audit \
        WHERE chain_index > $1 AND chain_index <= $2 AND time < $3 ORDER BY chain_index DESC LIMIT 1";
    KEPT_FROM = "SELECT chain_index FROM audit WHERE chain_index > $1 AND time >= $2 ORDER BY chain_index LIMIT 1";
    DROP_UNTIL = "DELETE FROM audit WHERE chain_index <= $1";
    SET_GONE = "UPDATE audit_head SET gone_index = $1, gone_hash = $2 WHERE id = 1";
}

/// Rows that are dropped in one transaction.
const DROPPED_AT_ONCE_MAX: i64 = 5_000;

/// Defines an enum that is a word in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("`{text}` is not known here")),
                }
            }
        }
    };
}

words! {
    /// What kind of someone did it.
    AuditActor {
        /// A user, with an access token.
        Account => "account",
        /// Someone without credentials, or with wrong ones.
        Anonymous => "anonymous",
        /// Whoever gives commands on the machine of the hub.
        Operator => "operator",
        /// The hub by itself.
        Hub => "hub",
    }
}

words! {
    /// What became of it.
    AuditResult {
        /// It was done.
        Ok => "ok",
        /// It was not allowed, or not acceptable.
        Refused => "refused",
        /// The hub could not do it.
        Failed => "failed",
    }
}

/// A row about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// What kind of someone.
    pub actor: AuditActor,
    /// Which account, and its name then.
    pub account: Option<(AccountId, String)>,
    /// With which token.
    pub token: Option<TokenId>,
    /// From which address, if that is kept.
    pub address: Option<String>,
    /// What, such as `repo.delete`.
    pub action: &'static str,
    /// On which repository.
    pub repo: Option<RepoId>,
    /// Its name then, or the name that was asked for.
    pub repo_name: Option<String>,
    /// What became of it.
    pub result: AuditResult,
    /// The request it was part of.
    pub request: Option<String>,
    /// More.
    pub detail: serde_json::Map<String, serde_json::Value>,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Local id.
    pub id: AuditId,
    /// When.
    pub time: UnixMillis,
    /// What kind of someone.
    pub actor: AuditActor,
    /// Which account.
    pub account: Option<AccountId>,
    /// Its name then.
    pub account_name: Option<String>,
    /// With which token.
    pub token: Option<TokenId>,
    /// From which address.
    pub address: Option<String>,
    /// What.
    pub action: String,
    /// On which repository.
    pub repo: Option<RepoId>,
    /// Its name then.
    pub repo_name: Option<String>,
    /// What became of it.
    pub result: AuditResult,
    /// The request it was part of.
    pub request: Option<String>,
    /// A JSON object.
    pub detail: String,
    /// Place in the chain, from 1, and the hash there; `None` until it has one.
    pub chain: Option<(i64, String)>,
}

/// Where the chain ends, and where what is kept of it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// Place of the last row; 0 if there is none.
    pub index: i64,
    /// Its hash; zeros if there is none.
    pub hash: String,
    /// Place of the last row that is no longer kept; 0 if all are.
    pub gone_index: i64,
    /// Its hash.
    pub gone_hash: String,
}

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before.
    pub since: Option<UnixMillis>,
    /// On this repository only.
    pub repo: Option<RepoId>,
    /// By this account only.
    pub account: Option<AccountId>,
}

impl AuditRow {
    fn from_row(row: &Row) -> Result<Self> {
        let id = |index| row.read::<Option<i64>>(index);
        let (index, hash): (Option<i64>, Option<String>) = (row.read(13)?, row.read(14)?);
        Ok(Self {
            id: AuditId(row.read(0)?),
            time: UnixMillis(row.read(1)?),
            actor: row.word(2)?,
            account: id(3)?.map(AccountId),
            account_name: row.read(4)?,
            token: id(5)?.map(TokenId),
            address: row.read(6)?,
            action: row.read(7)?,
            repo: id(8)?.map(RepoId),
            repo_name: row.read(9)?,
            result: row.word(10)?,
            request: row.read(11)?,
            detail: row.read(12)?,
            chain: index.zip(hash),
        })
    }
}

impl AuditHead {
    fn from_row(row: Option<Row>) -> Result<Self> {
        let row = row.ok_or_else(|| Error::Other {
            doing: "reading",
            subject: "the end of the audit log".to_owned(),
            source: None,
        })?;
        Ok(Self {
            index: row.read(0)?,
            hash: row.read(1)?,
            gone_index: row.read(2)?,
            gone_hash: row.read(3)?,
        })
    }
}

impl Db {
    /// A handle whose next write is recorded, in its own transaction and only if its changes stay.
    #[must_use]
    pub fn audited(&self, entry: NewAudit) -> Self {
        self.with(|goes_along| goes_along.audit = Some(entry))
    }

    /// Records something that changed nothing, such as a refusal.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn record_audit(&self, entry: NewAudit) -> Result<()> {
        self.audited(entry).write(|_| Box::pin(async { Ok(Verdict::Keep(())) })).await
    }

    /// Puts at most `limit` rows into the chain, oldest first; how many. `hash` gives the hash of a row
    /// from the row, its place and the hash before it.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn chain_audit(
        &self,
        limit: i64,
        hash: impl Fn(&AuditRow, i64, &str) -> String + Send + Sync + 'static,
    ) -> Result<usize> {
        self.write(move |tx| {
            Box::pin(async move {
                let mut head = AuditHead::from_row(tx.row(HOLD_HEAD, args![]).await?)?;
                let rows = each(&tx.rows(UNCHAINED, args![limit]).await?, AuditRow::from_row)?;
                if rows.is_empty() {
                    return Ok(Verdict::Discard(0));
                }
                for row in &rows {
                    head.index += 1;
                    head.hash = hash(row, head.index, &head.hash);
                    tx.execute(CHAIN, args![row.id, head.index, head.hash.clone()]).await?;
                }
                tx.execute(MOVE_HEAD, args![head.index, head.hash]).await?;
                Ok(Verdict::Keep(rows.len()))
            })
        })
        .await
    }

    /// Where the chain ends.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn audit_head(&self) -> Result<AuditHead> {
        AuditHead::from_row(self.row(HEAD, args![]).await?)
    }

    /// Rows of the chain after the place `after`, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn audit_after(&self, after: i64, limit: i64) -> Result<Vec<AuditRow>> {
        each(&self.rows(CHAINED_AFTER, args![after, limit]).await?, AuditRow::from_row)
    }

    /// The latest rows before `before` that pass `filter`, latest first, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn latest_audit(
        &self,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: i64,
    ) -> Result<Vec<AuditRow>> {
        let before = before.map_or(i64::MAX, |id| id.0);
        let since = filter.since.map_or(i64::MIN, |time| time.0);
        let args = args![before, since, filter.repo, filter.account, limit];
        each(&self.rows(LATEST, args).await?, AuditRow::from_row)
    }

    /// Drops rows of the chain's beginning that are older than `before`, some at a time; how many. A row
    /// that is younger ends it, and the last of the chain always stays.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn drop_audit(&self, before: UnixMillis) -> Result<u64> {
        self.write(move |tx| {
            Box::pin(async move {
                let head = AuditHead::from_row(tx.row(HOLD_HEAD, args![]).await?)?;
                let kept = tx.row(KEPT_FROM, args![head.gone_index, before]).await?;
                let kept = kept.map_or(Ok(head.index), |row| row.read::<i64>(0))?.min(head.index);
                let until = (kept - 1).min(head.gone_index + DROPPED_AT_ONCE_MAX);
                let last = tx.row(LAST_BEFORE, args![head.gone_index, until, before]).await?;
                let Some(last) = last else { return Ok(Verdict::Discard(0)) };
                let (index, hash): (i64, String) = (last.read(0)?, last.read(1)?);
                let dropped = tx.execute(DROP_UNTIL, args![index]).await?;
                tx.execute(SET_GONE, args![index, hash]).await?;
                Ok(Verdict::Keep(dropped))
            })
        })
        .await
    }
}

/// Writes a row.
pub(crate) async fn insert(tx: &mut Tx, entry: NewAudit) -> Result<()> {
    let (id, now) = (AuditId(tx.next_id()), tx.now());
    let (account, account_name) = entry.account.unzip();
    let args = args![
        id,
        now,
        entry.actor.as_str(),
        account,
        account_name,
        entry.token,
        entry.address,
        entry.action,
        entry.repo,
        entry.repo_name,
        entry.result.as_str(),
        entry.request,
        serde_json::Value::Object(entry.detail).to_string(),
    ];
    tx.execute(INSERT_AUDIT, args).await.map(drop)
}
