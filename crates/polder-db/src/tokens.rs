//! Access tokens, of which only the hash is stored.

use polder_types::{AccountId, PublisherId, RepoId, Role, Sha256, TokenId, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Account, AccountKind, Db, Error, Result};

statements! {
    INSERT_TOKEN = "INSERT INTO token (id, hash, account, scope, repos, expires, revoked, created_at, name) \
        VALUES ($1, $2, $3, $4, $5, $6, FALSE, $7, $8) ON CONFLICT (hash) DO NOTHING";
    TOKEN_BY_HASH = "SELECT t.id, t.scope, t.repos, t.expires, t.revoked, a.id, a.name, a.kind, a.is_admin, \
        t.created_at, t.name, t.publisher FROM token t JOIN account a ON a.id = t.account WHERE t.hash = $1";
    TOKEN_BY_ID = "SELECT t.id, t.scope, t.repos, t.expires, t.revoked, a.id, a.name, a.kind, a.is_admin, \
        t.created_at, t.name, t.publisher FROM token t JOIN account a ON a.id = t.account WHERE t.id = $1";
    TOKENS_AFTER = "SELECT t.id, t.scope, t.repos, t.expires, t.revoked, a.id, a.name, a.kind, a.is_admin, \
        t.created_at, t.name, t.publisher FROM token t JOIN account a ON a.id = t.account \
        WHERE NOT t.revoked AND t.id > $1 ORDER BY t.id LIMIT $2";
    TOKENS_OF_AFTER = "SELECT t.id, t.scope, t.repos, t.expires, t.revoked, a.id, a.name, a.kind, a.is_admin, \
        t.created_at, t.name, t.publisher FROM token t JOIN account a ON a.id = t.account \
        WHERE NOT t.revoked AND t.id > $1 AND t.account = $3 ORDER BY t.id LIMIT $2";
    REVOKE_TOKEN = "UPDATE token SET revoked = TRUE WHERE id = $1";
}

/// A token about to be stored.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The user it speaks for.
    pub account: AccountId,
    /// SHA-256 of the secret.
    pub hash: Sha256,
    /// Most it may do.
    pub scope: Role,
    /// The only repositories it may touch; `None` is all its account may.
    pub repos: Option<Vec<RepoId>>,
    /// When it stops working; `None` is never.
    pub expires: Option<UnixMillis>,
    /// What it is for, where the hub gave it to a client by itself.
    pub name: Option<String>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Local id.
    pub id: TokenId,
    /// The user it speaks for.
    pub account: Account,
    /// Most it may do.
    pub scope: Role,
    /// The only repositories it may touch; `None` is all its account may.
    pub repos: Option<Vec<RepoId>>,
    /// When it stops working; the caller compares with its clock.
    pub expires: Option<UnixMillis>,
    /// Whether it was taken back.
    pub revoked: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// What it is for, where the hub gave it to a client by itself.
    pub name: Option<String>,
    /// The trusted publisher that it was given to.
    pub publisher: Option<PublisherId>,
}

impl Db {
    /// Stores a token.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the account is no user; [`Error::Conflict`] if the hash is known.
    pub async fn add_token(&self, token: NewToken) -> Result<TokenId> {
        let is_user = |account: Account| account.kind == AccountKind::User;
        if !self.account(token.account).await?.is_some_and(is_user) {
            return Err(missing(format!("user {}", token.account)));
        }
        self.write(move |tx| {
            Box::pin(async move {
                let id = insert_token(tx, token).await?;
                Ok(Verdict::Keep(id))
            })
        })
        .await
    }

    /// Finds a token by the hash of its secret, revoked and expired ones too.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn find_token(&self, hash: &Sha256) -> Result<Option<Token>> {
        self.row(TOKEN_BY_HASH, args![*hash]).await?.map(|row| token(&row)).transpose()
    }

    /// Reads a token, revoked and expired ones too.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn token(&self, id: TokenId) -> Result<Option<Token>> {
        self.row(TOKEN_BY_ID, args![id]).await?.map(|row| token(&row)).transpose()
    }

    /// Lists tokens that were not taken back, expired ones too, by id: at most `limit` after `after`,
    /// of one user or of all.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_tokens(
        &self,
        user: Option<AccountId>,
        after: Option<TokenId>,
        limit: i64,
    ) -> Result<Vec<Token>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        let rows = match user {
            Some(user) => self.rows(TOKENS_OF_AFTER, args![after, limit, user]).await?,
            None => self.rows(TOKENS_AFTER, args![after, limit]).await?,
        };
        each(&rows, token)
    }

    /// Takes a token back, for good.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                match tx.execute(REVOKE_TOKEN, args![id]).await? {
                    0 => Err(missing(format!("token {id}"))),
                    _ => Ok(Verdict::Keep(())),
                }
            })
        })
        .await
    }
}

/// Stores a token, and says which in what is recorded.
pub(crate) async fn insert_token(tx: &mut Tx, token: NewToken) -> Result<TokenId> {
    let repos = token.repos.map(|repos| encode_repos(&repos)).transpose()?;
    let (id, now) = (TokenId(tx.next_id()), tx.now());
    let NewToken { account, hash, scope, expires, name, .. } = token;
    let args = args![id, hash, account, scope.as_str(), repos, expires, now, name];
    if tx.execute(INSERT_TOKEN, args).await? == 0 {
        return Err(Error::Conflict { what: "this token exists".to_owned() });
    }
    tx.audit(|entry| drop(entry.detail.insert("token".to_owned(), id.to_string().into())));
    Ok(id)
}

fn token(row: &Row) -> Result<Token> {
    let repos: Option<String> = row.read(2)?;
    let expires: Option<i64> = row.read(3)?;
    Ok(Token {
        id: TokenId(row.read(0)?),
        scope: row.word(1)?,
        repos: repos.map(|text| decode_repos(&text)).transpose()?,
        expires: expires.map(UnixMillis),
        revoked: row.read(4)?,
        account: Account::from_row(row, 5)?,
        created: UnixMillis(row.read(9)?),
        name: row.read(10)?,
        publisher: row.read::<Option<i64>>(11)?.map(PublisherId),
    })
}

pub(crate) fn encode_repos(repos: &[RepoId]) -> Result<String> {
    serde_json::to_string(repos).map_err(repos_error)
}

/// An unreadable list must never widen a token, so it is an error and not `None`.
pub(crate) fn decode_repos(text: &str) -> Result<Vec<RepoId>> {
    serde_json::from_str(text).map_err(repos_error)
}

fn repos_error(source: serde_json::Error) -> Error {
    Error::Other {
        doing: "converting",
        subject: "a token's list of repositories".to_owned(),
        source: Some(source.into()),
    }
}
