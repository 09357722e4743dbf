//! Namespaces of other hubs, and the short names that they have here.

use polder_types::{AccountId, AccountName, Sha256};

use crate::follow::epoch::NO_NAMESPACE;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, accounts};

statements! {
    NAMESPACE = "SELECT account, nsid FROM remote_namespace WHERE origin = $1 AND fold = $2";
    INSERT_NAMESPACE = "INSERT INTO remote_namespace (account, nsid, origin, fold, home) VALUES ($1, $2, $3, $4, $5)";
    PIN = "UPDATE remote_namespace SET nsid = $2 WHERE account = $1";
    SET_HOME = "UPDATE remote_namespace SET home = $2 WHERE account = $1 AND home <> $2";
    // A namespace of this hub wins, whenever it was made.
    MEANT = "SELECT a.fold FROM namespace_alias n JOIN account a ON a.id = n.account \
        WHERE n.fold = $1 AND NOT EXISTS (SELECT 1 FROM account l WHERE l.fold = n.fold)";
    ALIAS = "SELECT account FROM namespace_alias WHERE fold = $1";
    INSERT_ALIAS = "INSERT INTO namespace_alias (fold, name, account) VALUES ($1, $2, $3)";
    // Even where it has left again since.
    HANDED_OVER = "SELECT a.name FROM namespace_alias n JOIN account a ON a.id = n.account \
        JOIN remote_namespace r ON r.account = n.account JOIN ns_move m ON m.nsid = r.nsid AND m.state = 'followed' \
        JOIN log l ON l.id = m.new_log AND l.own WHERE n.fold = $1 LIMIT 1";
    ALIASES = "SELECT n.name, a.name FROM namespace_alias n JOIN account a ON a.id = n.account ORDER BY n.fold LIMIT $1";
}

/// Most short names that are listed.
const ALIASES_MAX: i64 = 10_000;

/// A namespace of another hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteNamespace {
    /// Its name here: the handle, a dot, the hub's origin.
    pub name: AccountName,
    /// Which it is, whatever its handle.
    pub nsid: Sha256,
    /// Base of its hub's URLs, without a trailing slash.
    pub home: String,
}

impl Db {
    /// The account for a namespace of another hub, made when it is not there.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the handle means another namespace of that hub, for ever; or the name is none
    /// of another hub's.
    pub async fn open_remote_namespace(&self, namespace: RemoteNamespace) -> Result<AccountId> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(open(tx, &namespace).await?)) })).await
    }

    /// Gives a namespace of another hub a short name here. An account of this hub with that name wins.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the short name is, or once was, another namespace's or an account's;
    /// [`Error::NotFound`] if `namespace` is none of another hub's.
    pub async fn add_namespace_alias(&self, alias: AccountName, namespace: AccountName) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                add_alias(tx, &alias, &namespace).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Every short name, and the namespace it means.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_namespace_aliases(&self) -> Result<Vec<(AccountName, AccountName)>> {
        let read = |row: &Row| Ok((row.word(0)?, row.word(1)?));
        each(&self.rows(ALIASES, args![ALIASES_MAX]).await?, read)
    }

    /// The folded name of the namespace that a short name means, where no account has that name.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn namespace_of_alias(&self, fold: &str) -> Result<Option<String>> {
        self.row(MEANT, args![fold]).await?.map(|row| row.read(0)).transpose()
    }
}

/// As [`Db::open_remote_namespace`], in a write.
pub(crate) async fn open(tx: &mut Tx, namespace: &RemoteNamespace) -> Result<AccountId> {
    let RemoteNamespace { name, nsid, home } = namespace;
    let Some(origin) = name.origin() else {
        return Err(Error::Conflict { what: format!("`{name}` is no name of another hub's namespace") });
    };
    let (origin, handle) = (origin.to_ascii_lowercase(), name.handle().to_ascii_lowercase());
    if let Some(row) = tx.row(NAMESPACE, args![origin.clone(), handle.clone()]).await? {
        let account = AccountId(row.read(0)?);
        let held = row.sha256(1)?;
        if held == NO_NAMESPACE {
            tx.execute(PIN, args![account, *nsid]).await?;
        } else if held != *nsid {
            return Err(Error::Conflict { what: format!("`{name}` is another namespace already") });
        }
        tx.execute(SET_HOME, args![account, home.as_str()]).await?;
        return Ok(account);
    }
    let account = accounts::insert_remote(tx, name).await?;
    tx.execute(INSERT_NAMESPACE, args![account, *nsid, origin, handle, home.as_str()]).await?;
    Ok(account)
}

/// The namespace that moved to this hub and took its short name along, which no account may have any more.
pub(crate) async fn handed_over(tx: &mut Tx, name: &AccountName) -> Result<Option<AccountName>> {
    tx.row(HANDED_OVER, args![name.fold()]).await?.map(|row| row.word(0)).transpose()
}

/// As [`Db::add_namespace_alias`], in a write.
pub(crate) async fn add_alias(tx: &mut Tx, alias: &AccountName, namespace: &AccountName) -> Result<()> {
    let account = accounts::by_fold(tx, namespace.fold()).await?;
    let account = account
        .filter(|account| account.name.is_remote())
        .ok_or_else(|| crate::db::missing(format!("namespace `{namespace}` of another hub")))?;
    let held = tx.row(ALIAS, args![alias.fold()]).await?.map(|row| row.read(0).map(AccountId)).transpose()?;
    if held == Some(account.id) {
        return Ok(());
    }
    if held.is_some() || alias.is_remote() || accounts::by_fold(tx, alias.fold()).await?.is_some() {
        return Err(Error::Conflict { what: format!("the name `{alias}` is taken") });
    }
    tx.execute(INSERT_ALIAS, args![alias.fold(), alias.as_str(), account.id]).await.map(drop)
}
