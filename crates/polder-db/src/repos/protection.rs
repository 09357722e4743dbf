//! Rules for the branches of a repository.

use polder_types::{AccountId, AccountName, RepoId, Role};

use super::load;
use crate::db::missing;
use crate::row::Row;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Most rules of one repository.
pub const PROTECTIONS_PER_REPO_MAX: usize = 100;

statements! {
    PROTECTIONS_OF_REPO = "SELECT p.pattern, p.allow_force, p.allow_delete, p.push_role, a.id, a.name \
        FROM protection p \
        LEFT JOIN protection_account l ON l.repo = p.repo AND l.pattern = p.pattern \
        LEFT JOIN account a ON a.id = l.account \
        WHERE p.repo = $1 ORDER BY p.pattern, a.fold";
    PATTERNS_OF_REPO = "SELECT pattern FROM protection WHERE repo = $1";
    INSERT_PROTECTION = "INSERT INTO protection (repo, pattern, allow_force, allow_delete, push_role, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    INSERT_PROTECTION_ACCOUNT = "INSERT INTO protection_account (repo, pattern, account) VALUES ($1, $2, $3)";
    DELETE_PROTECTION = "DELETE FROM protection WHERE repo = $1 AND pattern = $2";
    DELETE_PROTECTION_ACCOUNTS = "DELETE FROM protection_account WHERE repo = $1 AND pattern = $2";
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Which branches, without `refs/heads/`; the caller has checked it.
    pub pattern: String,
    /// Whether they may be moved to where they do not contain what they were.
    pub allow_force: bool,
    /// Whether they may be deleted.
    pub allow_delete: bool,
    /// Who holds this role may push; `None`: nobody by role.
    pub push_role: Option<Role>,
    /// Who may push besides: users, and organisations for their members.
    pub push_accounts: Vec<(AccountId, AccountName)>,
}

impl Db {
    /// The rules of a repository, by pattern.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn protections(&self, repo: RepoId) -> Result<Vec<Protection>> {
        let mut found: Vec<Protection> = Vec::new();
        for row in self.rows(PROTECTIONS_OF_REPO, args![repo]).await? {
            let next = protection(&row)?;
            match found.last_mut().filter(|last| last.pattern == next.pattern) {
                Some(last) => last.push_accounts.extend(next.push_accounts),
                None => found.push(next),
            }
        }
        Ok(found)
    }

    /// Sets the rule of its pattern, in place of the one there was.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository; [`Error::Conflict`] if it has
    /// [`PROTECTIONS_PER_REPO_MAX`] others.
    pub async fn set_protection(&self, repo: RepoId, rule: Protection) -> Result<()> {
        self.write(move |tx| Box::pin(set(tx, repo, rule))).await
    }

    /// Removes the rule of a pattern.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn remove_protection(&self, repo: RepoId, pattern: String) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                match remove(tx, repo, &pattern).await? {
                    0 => Err(missing(format!("protection of `{pattern}`"))),
                    _ => Ok(Verdict::Keep(())),
                }
            })
        })
        .await
    }
}

async fn remove(tx: &mut Tx, repo: RepoId, pattern: &str) -> Result<u64> {
    tx.execute(DELETE_PROTECTION_ACCOUNTS, args![repo, pattern]).await?;
    tx.execute(DELETE_PROTECTION, args![repo, pattern]).await
}

async fn set(tx: &mut Tx, repo: RepoId, rule: Protection) -> Result<Verdict<()>> {
    load(tx, repo).await?;
    let Protection { pattern, allow_force, allow_delete, push_role, push_accounts } = rule;
    remove(tx, repo, &pattern).await?;
    if tx.rows(PATTERNS_OF_REPO, args![repo]).await?.len() >= PROTECTIONS_PER_REPO_MAX {
        let what = format!("a repository has at most {PROTECTIONS_PER_REPO_MAX} protected patterns");
        return Err(Error::Conflict { what });
    }
    let push_role = push_role.map(Role::as_str);
    let args = args![repo, pattern.as_str(), allow_force, allow_delete, push_role, tx.now()];
    tx.execute(INSERT_PROTECTION, args).await?;
    for (account, _) in push_accounts {
        tx.execute(INSERT_PROTECTION_ACCOUNT, args![repo, pattern.as_str(), account]).await?;
    }
    Ok(Verdict::Keep(()))
}

fn protection(row: &Row) -> Result<Protection> {
    let account: Option<i64> = row.read(4)?;
    let role: Option<String> = row.read(3)?;
    Ok(Protection {
        pattern: row.read(0)?,
        allow_force: row.read(1)?,
        allow_delete: row.read(2)?,
        push_role: role.map(|_| row.word(3)).transpose()?,
        push_accounts: match account {
            Some(id) => vec![(AccountId(id), row.word(5)?)],
            None => Vec::new(),
        },
    })
}
