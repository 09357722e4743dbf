//! Who asked to read a gated repository, and what became of it.

use std::fmt;
use std::str::FromStr;

use polder_types::{AccessRequestId, AccountId, AccountName, RepoId, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// The columns that [`request`] reads.
macro_rules! select_request {
    ($rest:literal) => {
        concat!(
            "SELECT q.id, a.name, q.status, q.created_at, q.decided_at, q.reason, q.fields ",
            "FROM access_request q JOIN account a ON a.id = q.account ",
            $rest
        )
    };
}

statements! {
    GATE = "SELECT gate FROM repo WHERE id = $1 AND state = 'live'";
    STANDING = "SELECT id FROM access_request WHERE repo = $1 AND account = $2";
    IS_ACCEPTED = "SELECT 1 FROM access_request WHERE repo = $1 AND account = $2 AND status = 'accepted'";
    INSERT_REQUEST = "INSERT INTO access_request (id, repo, account, status, created_at, fields) \
        VALUES ($1, $2, $3, 'pending', $4, $5) ON CONFLICT (repo, account) DO NOTHING";
    DECIDE = "UPDATE access_request SET status = $3, decided_at = $4, reason = $5 WHERE id = $1 AND repo = $2 \
        AND status <> $3";
    REQUEST = select_request!("WHERE q.id = $1 AND q.repo = $2");
    REQUESTS_AFTER = select_request!("WHERE q.repo = $1 AND q.status = $2 AND q.id > $3 ORDER BY q.id LIMIT $4");
    FORGET = "DELETE FROM access_request WHERE repo = $1";
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessStatus {
    /// Nobody decided yet.
    Pending,
    /// Whoever asked may read.
    Accepted,
    /// They may not, and cannot ask again.
    Rejected,
}

impl AccessStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for AccessStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for AccessStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "accepted" => Ok(Self::Accepted),
            "rejected" => Ok(Self::Rejected),
            _ => Err(format!("`{text}` is not one of pending, accepted, rejected")),
        }
    }
}

/// A request to read a gated repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Its id; later ones are larger.
    pub id: AccessRequestId,
    /// Who asked, or was given access.
    pub account: AccountName,
    /// What became of it.
    pub status: AccessStatus,
    /// When it was made.
    pub created: UnixMillis,
    /// When somebody last decided on it.
    pub decided: Option<UnixMillis>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// What the form asked: a JSON object.
    pub fields: String,
}

/// Whose request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The one of this id.
    Id(AccessRequestId),
    /// The one of this account.
    By(AccountId),
}

impl Db {
    /// Asks to read a repository: whoever asked before has the same request. A gate that opens by itself accepts
    /// at once what is not decided. `fields` is a JSON object.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository; [`Error::Conflict`] if it has no gate.
    pub async fn ask_access(
        &self,
        repo: RepoId,
        account: AccountId,
        fields: String,
    ) -> Result<AccessRequest> {
        self.write(move |tx| {
            Box::pin(async move {
                let opens = match gate(tx, repo).await?.as_deref() {
                    Some("auto") => true,
                    Some(_) => false,
                    None => return Err(Error::Conflict { what: "this repository has no gate".to_owned() }),
                };
                let id = open(tx, repo, account, fields).await?;
                if opens && request(tx, id, repo).await?.status == AccessStatus::Pending {
                    decide(tx, id, repo, AccessStatus::Accepted, None).await?;
                }
                Ok(Verdict::Keep(request(tx, id, repo).await?))
            })
        })
        .await
    }

    /// Gives an account access, asked for or not.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository; [`Error::Conflict`] if the account has access.
    pub async fn grant_access(&self, repo: RepoId, account: AccountId) -> Result<AccessRequest> {
        self.write(move |tx| {
            Box::pin(async move {
                gate(tx, repo).await?;
                let id = open(tx, repo, account, "{}".to_owned()).await?;
                if decide(tx, id, repo, AccessStatus::Accepted, None).await? == 0 {
                    return Err(Error::Conflict { what: "the account has access already".to_owned() });
                }
                Ok(Verdict::Keep(request(tx, id, repo).await?))
            })
        })
        .await
    }

    /// Decides on a request, or takes a decision back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such request; [`Error::Conflict`] if that was decided already.
    pub async fn decide_access(
        &self,
        repo: RepoId,
        asked: Asked,
        status: AccessStatus,
        reason: Option<String>,
    ) -> Result<AccessRequest> {
        self.write(move |tx| {
            Box::pin(async move {
                let id = match asked {
                    Asked::Id(id) => id,
                    Asked::By(account) => standing(tx, repo, account).await?.ok_or_else(no_request)?,
                };
                let account = request(tx, id, repo).await?.account.to_string();
                if decide(tx, id, repo, status, reason).await? == 0 {
                    let what = format!("the request of `{account}` is {status} already");
                    return Err(Error::Conflict { what });
                }
                tx.audit(|entry| drop(entry.detail.insert("account".to_owned(), account.into())));
                Ok(Verdict::Keep(request(tx, id, repo).await?))
            })
        })
        .await
    }

    /// Whether an account was given access to a repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn has_access(&self, repo: RepoId, account: AccountId) -> Result<bool> {
        Ok(self.row(IS_ACCEPTED, args![repo, account]).await?.is_some())
    }

    /// The requests of one status, the oldest first, at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn access_requests(
        &self,
        repo: RepoId,
        status: AccessStatus,
        after: Option<AccessRequestId>,
        limit: i64,
    ) -> Result<Vec<AccessRequest>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(REQUESTS_AFTER, args![repo, status.as_str(), after, limit]).await?, from_row)
    }
}

/// Forgets who asked for a deleted repository.
pub(crate) async fn forget(tx: &mut Tx, repo: RepoId) -> Result<()> {
    tx.execute(FORGET, args![repo]).await.map(drop)
}

async fn gate(tx: &mut Tx, repo: RepoId) -> Result<Option<String>> {
    let row = tx.row(GATE, args![repo]).await?.ok_or_else(|| missing(format!("repository {repo}")))?;
    row.read(0)
}

async fn standing(tx: &mut Tx, repo: RepoId, account: AccountId) -> Result<Option<AccessRequestId>> {
    let row = tx.row(STANDING, args![repo, account]).await?;
    row.map(|row| Ok(AccessRequestId(row.read(0)?))).transpose()
}

/// The request of an account, made if it has none.
async fn open(tx: &mut Tx, repo: RepoId, account: AccountId, fields: String) -> Result<AccessRequestId> {
    let (id, now) = (AccessRequestId(tx.next_id()), tx.now());
    tx.execute(INSERT_REQUEST, args![id, repo, account, now, fields]).await?;
    standing(tx, repo, account).await?.ok_or_else(no_request)
}

async fn decide(
    tx: &mut Tx,
    id: AccessRequestId,
    repo: RepoId,
    status: AccessStatus,
    reason: Option<String>,
) -> Result<u64> {
    let now = tx.now();
    tx.execute(DECIDE, args![id, repo, status.as_str(), now, reason]).await
}

async fn request(tx: &mut Tx, id: AccessRequestId, repo: RepoId) -> Result<AccessRequest> {
    from_row(&tx.row(REQUEST, args![id, repo]).await?.ok_or_else(no_request)?)
}

fn no_request() -> Error {
    missing("this request for access".to_owned())
}

fn from_row(row: &Row) -> Result<AccessRequest> {
    let decided: Option<i64> = row.read(4)?;
    Ok(AccessRequest {
        id: AccessRequestId(row.read(0)?),
        account: row.word(1)?,
        status: row.word(2)?,
        created: UnixMillis(row.read(3)?),
        decided: decided.map(UnixMillis),
        reason: row.read(5)?,
        fields: row.read(6)?,
    })
}
