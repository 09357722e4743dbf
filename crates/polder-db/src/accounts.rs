//! Users, organisations and who belongs to which.

use std::fmt;
use std::str::FromStr;

use polder_types::{AccountId, AccountName, RepoKind, Role, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, quota, remote_namespaces};

statements! {
    INSERT_ACCOUNT = "INSERT INTO account (id, kind, name, fold, is_admin, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (fold) DO NOTHING";
    ACCOUNT_BY_FOLD = "SELECT id, name, kind, is_admin FROM account WHERE fold = $1";
    ACCOUNT_BY_ID = "SELECT id, name, kind, is_admin FROM account WHERE id = $1";
    COUNT_ACCOUNTS = "SELECT COUNT(*) FROM account";
    ACCOUNTS_AFTER = "SELECT id, name, kind, is_admin, created_at FROM account \
        WHERE kind = $1 AND fold > $2 ORDER BY fold LIMIT $3";
    ANY_ADMIN = "SELECT id FROM account WHERE is_admin LIMIT 1";
    UPSERT_MEMBER = "INSERT INTO member (org, user_id, role) VALUES ($1, $2, $3) \
        ON CONFLICT (org, user_id) DO UPDATE SET role = excluded.role";
    MEMBER_ROLE = "SELECT role FROM member WHERE org = $1 AND user_id = $2";
    ORGS_OF = "SELECT a.name, m.role FROM member m JOIN account a ON a.id = m.org \
        WHERE m.user_id = $1 ORDER BY a.fold LIMIT $2";
    ACCOUNT_FACTS = "SELECT a.created_at, (SELECT COUNT(*) FROM repo_like l JOIN repo r ON r.id = l.repo \
        WHERE l.account = a.id AND r.state = 'live' AND (r.visibility = 'public' OR r.shown)) FROM account a WHERE a.id = $1";
    // In repositories that the account $3 reads, or all ($2).
    DISCUSSIONS_OF = "SELECT COUNT(*) FROM discussion d JOIN repo r ON r.id = d.repo WHERE d.author = $1 \
        AND r.state = 'live' AND (r.withheld IS NULL OR ($2 AND r.withheld NOT IN ('takedown', 'blocked'))) \
        AND (r.visibility = 'public' OR $2 OR r.ns = $3 \
        OR EXISTS (SELECT 1 FROM member m WHERE m.org = r.ns AND m.user_id = $3))";
    REPOS_BY_KIND = "SELECT r.kind, COUNT(*) FROM repo r \
        WHERE r.ns = $1 AND r.state = 'live' AND (r.visibility = 'public' OR r.shown OR $2) GROUP BY r.kind";
    MEMBERS_AFTER = "SELECT a.name, m.role FROM member m JOIN account a ON a.id = m.user_id \
        WHERE m.org = $1 AND a.fold > $2 ORDER BY a.fold LIMIT $3";
    COUNT_MEMBERS = "SELECT COUNT(*) FROM member WHERE org = $1";
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// A person or a robot.
    User,
    /// A group of users, with roles.
    Org,
}

impl AccountKind {
    /// The word used in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Org => "org",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for AccountKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Self::User),
            "org" => Ok(Self::Org),
            _ => Err(format!("`{text}` is not a kind of account")),
        }
    }
}

/// A user or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Local id.
    pub id: AccountId,
    /// Name as its owner writes it.
    pub name: AccountName,
    /// User or organisation.
    pub kind: AccountKind,
    /// Whether a user may do everything on this hub. Never true for organisations.
    pub is_admin: bool,
}

/// An account in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// When it was added.
    pub created: UnixMillis,
}

/// A member in the listing of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user's name.
    pub user: AccountName,
    /// What the user may do with the organisation's repositories.
    pub role: Role,
}

impl Account {
    /// Reads four columns, from `first`: id, name, kind, admin.
    pub(crate) fn from_row(row: &Row, first: usize) -> Result<Self> {
        Ok(Self {
            id: AccountId(row.read(first)?),
            name: row.word(first + 1)?,
            kind: row.word(first + 2)?,
            is_admin: row.read(first + 3)?,
        })
    }
}

impl Db {
    /// Adds a user.
    ///
    /// # Errors
    /// [`Error::Conflict`] if any account has the name, ignoring case, it is one of another hub, or the short name
    /// of a namespace that moved here.
    pub async fn add_user(&self, name: &AccountName, admin: bool) -> Result<AccountId> {
        let name = name.clone();
        self.write(move |tx| {
            Box::pin(async move { Ok(Verdict::Keep(insert(tx, AccountKind::User, &name, admin).await?)) })
        })
        .await
    }

    /// Adds an administrator unless there is one; says whether it did. Of two nodes that start one does.
    ///
    /// # Errors
    /// [`Error::Conflict`] if any account has the name, ignoring case.
    pub async fn add_first_admin(&self, name: &AccountName) -> Result<bool> {
        let name = name.clone();
        self.write(move |tx| {
            Box::pin(async move {
                if tx.row(ANY_ADMIN, args![]).await?.is_some() {
                    return Ok(Verdict::Discard(false));
                }
                insert(tx, AccountKind::User, &name, true).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Adds an organisation whose first member, `owner`, is its admin.
    ///
    /// # Errors
    /// [`Error::Conflict`] if any account has the name, ignoring case; [`Error::NotFound`] if `owner`
    /// is no user.
    pub async fn add_org(&self, name: &AccountName, owner: AccountId) -> Result<AccountId> {
        let name = name.clone();
        self.write(move |tx| {
            Box::pin(async move {
                require(tx, owner, AccountKind::User).await?;
                let org = insert(tx, AccountKind::Org, &name, false).await?;
                put_member(tx, org, owner, Role::Admin).await?;
                Ok(Verdict::Keep(org))
            })
        })
        .await
    }

    /// Sets the role of `user` in `org`, whatever it was.
    ///
    /// # Errors
    /// [`Error::NotFound`] if either is not what it must be.
    pub async fn set_member(&self, org: AccountId, user: AccountId, role: Role) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                require(tx, org, AccountKind::Org).await?;
                require(tx, user, AccountKind::User).await?;
                put_member(tx, org, user, role).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Finds an account by its folded name.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn find_account(&self, fold: &str) -> Result<Option<Account>> {
        self.row(ACCOUNT_BY_FOLD, args![fold]).await?.map(|row| Account::from_row(&row, 0)).transpose()
    }

    /// Reads an account.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.row(ACCOUNT_BY_ID, args![id]).await?.map(|row| Account::from_row(&row, 0)).transpose()
    }

    /// The role of `user` in `org`, if any.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn member_role(&self, org: AccountId, user: AccountId) -> Result<Option<Role>> {
        self.row(MEMBER_ROLE, args![org, user]).await?.map(|row| row.word(0)).transpose()
    }

    /// When an account was added, and how many public repositories it likes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account.
    pub async fn account_facts(&self, id: AccountId) -> Result<(UnixMillis, i64)> {
        let row =
            self.row(ACCOUNT_FACTS, args![id]).await?.ok_or_else(|| missing(format!("account {id}")))?;
        Ok((UnixMillis(row.read(0)?), row.read(1)?))
    }

    /// How many repositories of each kind a namespace has, private ones only if asked for.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_repos(&self, namespace: AccountId, private: bool) -> Result<Vec<(RepoKind, i64)>> {
        each(&self.rows(REPOS_BY_KIND, args![namespace, private]).await?, |row| {
            Ok((row.word(0)?, row.read(1)?))
        })
    }

    /// How many discussions an account opened in repositories that another reads as one of their owners or as
    /// anyone may, or in all.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_discussions(
        &self,
        author: AccountId,
        sees_all: bool,
        reader: Option<AccountId>,
    ) -> Result<i64> {
        let reader = reader.map_or(-1, |reader| reader.0);
        self.row(DISCUSSIONS_OF, args![author, sees_all, reader]).await?.map_or(Ok(0), |row| row.read(0))
    }

    /// The organisations that `user` belongs to and its roles there, by folded name, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn orgs_of(&self, user: AccountId, limit: i64) -> Result<Vec<(AccountName, Role)>> {
        each(&self.rows(ORGS_OF, args![user, limit]).await?, |row| Ok((row.word(0)?, row.word(1)?)))
    }

    /// Lists accounts of one kind by folded name, at most `limit` after the name `after` (folded).
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_accounts(
        &self,
        kind: AccountKind,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ListedAccount>> {
        each(&self.rows(ACCOUNTS_AFTER, args![kind.as_str(), after, limit]).await?, |row| {
            Ok(ListedAccount { account: Account::from_row(row, 0)?, created: UnixMillis(row.read(4)?) })
        })
    }

    /// Lists the members of `org` by folded name, at most `limit` after the name `after` (folded).
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_members(&self, org: AccountId, after: &str, limit: i64) -> Result<Vec<Member>> {
        each(&self.rows(MEMBERS_AFTER, args![org, after, limit]).await?, |row| {
            Ok(Member { user: row.word(0)?, role: row.word(1)? })
        })
    }

    /// How many belong to an organisation.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_members(&self, org: AccountId) -> Result<i64> {
        self.row(COUNT_MEMBERS, args![org]).await?.map_or(Ok(0), |row| row.read(0))
    }

    /// Whether any user is an administrator of the hub.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn has_any_admin(&self) -> Result<bool> {
        Ok(self.row(ANY_ADMIN, args![]).await?.is_some())
    }

    /// How many accounts there are.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn count_accounts(&self) -> Result<i64> {
        self.row(COUNT_ACCOUNTS, args![]).await?.map_or(Ok(0), |row| row.read(0))
    }
}

/// Sets the role of `user` in `org`, whatever it was, inside a write.
pub(crate) async fn put_member(tx: &mut Tx, org: AccountId, user: AccountId, role: Role) -> Result<()> {
    tx.execute(UPSERT_MEMBER, args![org, user, role.as_str()]).await.map(drop)
}

/// Finds an account inside a write.
pub(crate) async fn by_fold(tx: &mut Tx, fold: String) -> Result<Option<Account>> {
    tx.row(ACCOUNT_BY_FOLD, args![fold]).await?.map(|row| Account::from_row(&row, 0)).transpose()
}

async fn insert(tx: &mut Tx, kind: AccountKind, name: &AccountName, admin: bool) -> Result<AccountId> {
    if name.is_remote() {
        return Err(Error::Conflict { what: format!("the name `{name}` is one of another hub") });
    }
    if let Some(namespace) = remote_namespaces::handed_over(tx, name).await? {
        return Err(Error::Conflict {
            what: format!("the name `{name}` is that of `{namespace}`, which moved here"),
        });
    }
    insert_any(tx, kind, name, admin).await
}

/// Adds an organisation without members, for the repositories of another hub.
pub(crate) async fn insert_remote(tx: &mut Tx, name: &AccountName) -> Result<AccountId> {
    insert_any(tx, AccountKind::Org, name, false).await
}

async fn insert_any(tx: &mut Tx, kind: AccountKind, name: &AccountName, admin: bool) -> Result<AccountId> {
    let (id, now) = (AccountId(tx.next_id()), tx.now());
    let added =
        tx.execute(INSERT_ACCOUNT, args![id, kind.as_str(), name.as_str(), name.fold(), admin, now]).await?;
    if added == 0 {
        return Err(Error::Conflict { what: format!("the name `{name}` is taken") });
    }
    quota::open(tx, id).await?;
    Ok(id)
}

async fn require(tx: &mut Tx, id: AccountId, kind: AccountKind) -> Result<()> {
    let found = tx.row(ACCOUNT_BY_ID, args![id]).await?.map(|row| Account::from_row(&row, 0)).transpose()?;
    match found {
        Some(account) if account.kind == kind => Ok(()),
        _ => Err(missing(format!("{kind} {id}"))),
    }
}
