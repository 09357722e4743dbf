//! Trusted publishers: jobs elsewhere that an issuer speaks for, and the tokens that are given to them.

use std::collections::BTreeMap;

use polder_types::{AccountId, PublisherId, RepoId, TokenId, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tokens::insert_token;
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Account, Db, Error, NewToken, Result};

/// Most publishers that one repository trusts, and one user.
pub const PUBLISHERS_PER_TARGET_MAX: i64 = 100;
/// Most tokens of one publisher that work at once.
pub const TOKENS_PER_PUBLISHER_MAX: i64 = 1_000;

/// The columns that [`publisher`] reads.
macro_rules! select_publisher {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.repo, p.issuer, p.subject, p.claims, p.created_at, a.id, a.name, a.kind, a.is_admin ",
            "FROM publisher p JOIN account a ON a.id = p.account ",
            $rest
        )
    };
}

statements! {
    IS_LIVE = "SELECT 1 FROM repo WHERE id = $1 AND state = 'live'";
    COUNT_OF_REPO = "SELECT COUNT(*) FROM publisher WHERE repo = $1";
    COUNT_OF_USER = "SELECT COUNT(*) FROM publisher WHERE account = $1 AND repo IS NULL";
    INSERT = "INSERT INTO publisher (id, repo, account, issuer, subject, claims, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    OF_REPO = select_publisher!("WHERE p.repo = $1 ORDER BY p.id LIMIT $2");
    OF_USER = select_publisher!("WHERE p.account = $1 AND p.repo IS NULL ORDER BY p.id LIMIT $2");
    AFTER = select_publisher!("WHERE p.id > $1 ORDER BY p.id LIMIT $2");
    REMOVE = "DELETE FROM publisher WHERE id = $1";
    REVOKE = "UPDATE token SET revoked = TRUE WHERE publisher = $1";
    REMOVE_OF_REPO = "DELETE FROM publisher WHERE repo = $1";
    REVOKE_OF_REPO = "UPDATE token SET revoked = TRUE WHERE publisher IN \
        (SELECT p.id FROM publisher p WHERE p.repo = $1)";
    IS_THERE = "SELECT 1 FROM publisher WHERE id = $1";
    WORKING = "SELECT COUNT(*) FROM token WHERE publisher = $1 AND NOT revoked AND expires > $2";
    GIVE = "UPDATE token SET publisher = $2 WHERE id = $1";
    FORGET = "DELETE FROM token WHERE publisher IS NOT NULL AND expires <= $1";
}

/// What the tokens of a publisher are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublisherTarget {
    /// Writing to this repository.
    Repo(RepoId),
    /// Reading what this user may.
    User(AccountId),
}

/// A publisher about to be trusted.
#[derive(Debug, Clone)]
pub struct NewPublisher {
    /// The one repository that its tokens may write to; `None`: they read what the account may.
    pub repo: Option<RepoId>,
    /// The user for whom they act.
    pub account: AccountId,
    /// Who speaks for it, to the letter.
    pub issuer: String,
    /// A subject, or the beginning of some and a star.
    pub subject: String,
    /// What else must be claimed.
    pub claims: BTreeMap<String, String>,
}

/// A trusted publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Local id.
    pub id: PublisherId,
    /// The one repository that its tokens may write to; `None`: they read what the account may.
    pub repo: Option<RepoId>,
    /// The user for whom they act.
    pub account: Account,
    /// Who speaks for it, to the letter.
    pub issuer: String,
    /// A subject, or the beginning of some and a star.
    pub subject: String,
    /// What else must be claimed.
    pub claims: BTreeMap<String, String>,
    /// Since when it is trusted.
    pub created: UnixMillis,
}

/// What became of giving a token to a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It has this one.
    Token(TokenId),
    /// It has as many as it may.
    TooMany,
    /// It is trusted no longer.
    Untrusted,
}

impl Db {
    /// Trusts a publisher.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the repository is gone; [`Error::Conflict`] past [`PUBLISHERS_PER_TARGET_MAX`].
    pub async fn add_publisher(&self, new: NewPublisher) -> Result<PublisherId> {
        let claims = serde_json::to_string(&new.claims).map_err(claims_error)?;
        self.write(move |tx| {
            let (new, claims) = (new.clone(), claims.clone());
            Box::pin(async move {
                let count = match new.repo {
                    Some(repo) => {
                        let live = tx.row(IS_LIVE, args![repo]).await?;
                        live.ok_or_else(|| missing(format!("repository {repo}")))?;
                        count(tx, COUNT_OF_REPO, args![repo]).await?
                    }
                    None => count(tx, COUNT_OF_USER, args![new.account]).await?,
                };
                if count >= PUBLISHERS_PER_TARGET_MAX {
                    let what = format!("at most {PUBLISHERS_PER_TARGET_MAX} publishers are trusted here");
                    return Err(Error::Conflict { what });
                }
                let (id, now) = (PublisherId(tx.next_id()), tx.now());
                let NewPublisher { repo, account, issuer, subject, .. } = new;
                tx.execute(INSERT, args![id, repo, account, issuer, subject, claims, now]).await?;
                tx.audit(|entry| drop(entry.detail.insert("publisher".to_owned(), id.to_string().into())));
                Ok(Verdict::Keep(id))
            })
        })
        .await
    }

    /// Whom a repository or a user trusts, oldest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn publishers_of(&self, target: PublisherTarget) -> Result<Vec<Publisher>> {
        let rows = match target {
            PublisherTarget::Repo(repo) => self.rows(OF_REPO, args![repo, PUBLISHERS_PER_TARGET_MAX]).await?,
            PublisherTarget::User(user) => self.rows(OF_USER, args![user, PUBLISHERS_PER_TARGET_MAX]).await?,
        };
        each(&rows, publisher)
    }

    /// Every trusted publisher by id: at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_publishers(&self, after: Option<PublisherId>, limit: i64) -> Result<Vec<Publisher>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(AFTER, args![after, limit]).await?, publisher)
    }

    /// Trusts a publisher no longer, and revokes its tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such publisher.
    pub async fn remove_publisher(&self, id: PublisherId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(REVOKE, args![id]).await?;
                match tx.execute(REMOVE, args![id]).await? {
                    0 => Err(missing(format!("publisher {id}"))),
                    _ => Ok(Verdict::Keep(())),
                }
            })
        })
        .await
    }

    /// Gives a token to a publisher that is trusted still.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the hash is known.
    pub async fn give_token(&self, publisher: PublisherId, token: NewToken) -> Result<Given> {
        self.write(move |tx| {
            let token = token.clone();
            Box::pin(async move {
                if tx.row(IS_THERE, args![publisher]).await?.is_none() {
                    return Ok(Verdict::Discard(Given::Untrusted));
                }
                let now = tx.now();
                if count(tx, WORKING, args![publisher, now]).await? >= TOKENS_PER_PUBLISHER_MAX {
                    return Ok(Verdict::Discard(Given::TooMany));
                }
                let id = insert_token(tx, token).await?;
                tx.execute(GIVE, args![id, publisher]).await?;
                Ok(Verdict::Keep(Given::Token(id)))
            })
        })
        .await
    }
}

/// Removes those that a repository trusts, and revokes their tokens, in a write.
pub(crate) async fn forget_repo(tx: &mut Tx, repo: RepoId) -> Result<()> {
    tx.execute(REVOKE_OF_REPO, args![repo]).await?;
    tx.execute(REMOVE_OF_REPO, args![repo]).await.map(drop)
}

async fn count(tx: &mut Tx, statement: &'static str, args: Vec<Value>) -> Result<i64> {
    tx.row(statement, args).await?.map_or(Ok(0), |row| row.read(0))
}

fn publisher(row: &Row) -> Result<Publisher> {
    let claims: String = row.read(4)?;
    Ok(Publisher {
        id: PublisherId(row.read(0)?),
        repo: row.read::<Option<i64>>(1)?.map(RepoId),
        issuer: row.read(2)?,
        subject: row.read(3)?,
        // What cannot be read must never be taken for no condition.
        claims: serde_json::from_str(&claims).map_err(claims_error)?,
        created: UnixMillis(row.read(5)?),
        account: Account::from_row(row, 6)?,
    })
}

fn claims_error(source: serde_json::Error) -> Error {
    Error::Other {
        doing: "converting",
        subject: "what a publisher must claim".to_owned(),
        source: Some(source.into()),
    }
}
