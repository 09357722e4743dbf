//! Webhooks: whom accounts have told of what happens in repositories.

mod queue;
mod talk;

use polder_types::{AccountId, RepoId, RepoKind, UnixMillis};

pub use queue::{Delivery, DeliveryEnd, WEBHOOK_JOB};
pub(crate) use talk::leave as leave_talk;
pub use talk::{Talk, TalkComment};

use crate::db::missing;
use crate::row::Row;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Most webhooks of one account.
pub const WEBHOOKS_PER_ACCOUNT_MAX: usize = 20;
/// Most accounts and repositories that one webhook watches.
pub const WEBHOOK_WATCHED_MAX: usize = 100;

statements! {
    INSERT_WEBHOOK = "INSERT INTO webhook (id, account, url, secret, repo_events, talk_events, disabled, after_seq, \
        created_at) SELECT $1, $2, $3, $4, $5, $6, FALSE, COALESCE(MAX(e.seq), 0), $7 FROM event e";
    UPDATE_WEBHOOK = "UPDATE webhook SET url = $3, secret = $4, repo_events = $5, talk_events = $6 \
        WHERE id = $1 AND account = $2";
    ENABLE = "UPDATE webhook SET disabled = FALSE, failing_since = NULL, last_error = NULL, \
        after_seq = (SELECT COALESCE(MAX(e.seq), 0) FROM event e) WHERE id = $1 AND account = $2 AND disabled";
    DISABLE = "UPDATE webhook SET disabled = TRUE WHERE id = $1 AND account = $2";
    DELETE_WEBHOOK = "DELETE FROM webhook WHERE id = $1";
    DELETE_WATCHES = "DELETE FROM webhook_watch WHERE webhook = $1";
    DELETE_DELIVERIES = "DELETE FROM webhook_delivery WHERE webhook = $1";
    INSERT_WATCH = "INSERT INTO webhook_watch (webhook, place, target) VALUES ($1, $2, $3)";
    WEBHOOKS_OF = "SELECT id, url, secret, repo_events, talk_events, disabled, last_error FROM webhook \
        WHERE account = $1 ORDER BY id";
    WEBHOOK = "SELECT id, url, secret, repo_events, talk_events, disabled, last_error FROM webhook \
        WHERE account = $1 AND id = $2";
    WATCHED = "SELECT a.kind, a.name, r.id, r.kind, r.name, o.name FROM webhook_watch w \
        LEFT JOIN account a ON a.id = w.target LEFT JOIN repo r ON r.id = w.target \
        LEFT JOIN account o ON o.id = r.ns WHERE w.webhook = $1 ORDER BY w.place";
}

/// Every statement about webhooks.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[ALL, queue::ALL, talk::ALL];

/// What a webhook watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchTarget {
    /// All repositories of a user or organisation.
    Account(AccountId),
    /// One repository.
    Repo(RepoId),
}

/// What a webhook watches, by the name that it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// All repositories of a user.
    User(String),
    /// All repositories of an organisation.
    Org(String),
    /// One repository, named `namespace/name`.
    Repo(RepoId, RepoKind, String),
}

/// What an account decides of a webhook. URL and secret are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where it is told.
    pub url: String,
    /// What is sent along and signed with.
    pub secret: Option<String>,
    /// Whether it is told what happens to repositories.
    pub repo_events: bool,
    /// Whether it is told of discussions.
    pub talk_events: bool,
}

impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { repo_events, talk_events, .. } = self;
        let mut out = out.debug_struct("WebhookSettings");
        out.field("repo_events", repo_events).field("talk_events", talk_events).finish_non_exhaustive()
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Local id.
    pub id: i64,
    /// What its account decided.
    pub settings: WebhookSettings,
    /// Whether it is told nothing.
    pub disabled: bool,
    /// Why the last try failed, if it did.
    pub last_error: Option<String>,
    /// What it watches, in the order in which that was said.
    pub watched: Vec<Watched>,
}

impl Db {
    /// Adds a webhook, which is told of what happens from now on.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the account has [`WEBHOOKS_PER_ACCOUNT_MAX`], or it watches too much.
    pub async fn add_webhook(
        &self,
        account: AccountId,
        settings: WebhookSettings,
        watched: Vec<WatchTarget>,
    ) -> Result<Webhook> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.rows(WEBHOOKS_OF, args![account]).await?.len() >= WEBHOOKS_PER_ACCOUNT_MAX {
                    let what = format!("an account has at most {WEBHOOKS_PER_ACCOUNT_MAX} webhooks");
                    return Err(Error::Conflict { what });
                }
                let (id, now) = (tx.next_id(), tx.now());
                let WebhookSettings { url, secret, repo_events, talk_events } = settings;
                let args = args![id, account, url, secret, repo_events, talk_events, now];
                tx.execute(INSERT_WEBHOOK, args).await?;
                watch(tx, id, &watched).await?;
                Ok(Verdict::Keep(load(tx, account, id).await?))
            })
        })
        .await
    }

    /// Changes a webhook; an empty list leaves what it watches.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the account has no such webhook; [`Error::Conflict`] if it watches too much.
    pub async fn set_webhook(
        &self,
        account: AccountId,
        id: i64,
        settings: WebhookSettings,
        watched: Vec<WatchTarget>,
    ) -> Result<Webhook> {
        self.write(move |tx| {
            Box::pin(async move {
                let WebhookSettings { url, secret, repo_events, talk_events } = settings;
                let args = args![id, account, url, secret, repo_events, talk_events];
                if tx.execute(UPDATE_WEBHOOK, args).await? == 0 {
                    return Err(gone(id));
                }
                if !watched.is_empty() {
                    tx.execute(DELETE_WATCHES, args![id]).await?;
                    watch(tx, id, &watched).await?;
                }
                Ok(Verdict::Keep(load(tx, account, id).await?))
            })
        })
        .await
    }

    /// Has a webhook told of what happens from now on, or of nothing more.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the account has no such webhook.
    pub async fn enable_webhook(&self, account: AccountId, id: i64, enable: bool) -> Result<Webhook> {
        self.write(move |tx| {
            Box::pin(async move {
                load(tx, account, id).await?;
                let statement = if enable { ENABLE } else { DISABLE };
                tx.execute(statement, args![id, account]).await?;
                if !enable {
                    tx.execute(DELETE_DELIVERIES, args![id]).await?;
                }
                Ok(Verdict::Keep(load(tx, account, id).await?))
            })
        })
        .await
    }

    /// Removes a webhook, and what it was still to be told.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the account has no such webhook.
    pub async fn delete_webhook(&self, account: AccountId, id: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                load(tx, account, id).await?;
                for statement in [DELETE_DELIVERIES, DELETE_WATCHES, DELETE_WEBHOOK] {
                    tx.execute(statement, args![id]).await?;
                }
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// The webhooks of an account, the oldest first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn webhooks(&self, account: AccountId) -> Result<Vec<Webhook>> {
        let mut found = Vec::new();
        for row in self.rows(WEBHOOKS_OF, args![account]).await? {
            let watched = self.rows(WATCHED, args![row.read::<i64>(0)?]).await?;
            found.push(webhook(&row, &watched)?);
        }
        Ok(found)
    }

    /// A webhook of an account.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the account has no such webhook.
    pub async fn webhook(&self, account: AccountId, id: i64) -> Result<Webhook> {
        let row = self.row(WEBHOOK, args![account, id]).await?.ok_or_else(|| gone(id))?;
        webhook(&row, &self.rows(WATCHED, args![id]).await?)
    }
}

fn gone(id: i64) -> Error {
    missing(format!("webhook `{id:024x}`"))
}

async fn load(tx: &mut Tx, account: AccountId, id: i64) -> Result<Webhook> {
    let row = tx.row(WEBHOOK, args![account, id]).await?.ok_or_else(|| gone(id))?;
    webhook(&row, &tx.rows(WATCHED, args![id]).await?)
}

async fn watch(tx: &mut Tx, id: i64, watched: &[WatchTarget]) -> Result<()> {
    let mut targets: Vec<i64> = Vec::new();
    for target in watched {
        let target = match target {
            WatchTarget::Account(account) => account.0,
            WatchTarget::Repo(repo) => repo.0,
        };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    if targets.len() > WEBHOOK_WATCHED_MAX {
        let what = format!("a webhook watches at most {WEBHOOK_WATCHED_MAX} accounts and repositories");
        return Err(Error::Conflict { what });
    }
    for (place, target) in (0_i64..).zip(targets) {
        tx.execute(INSERT_WATCH, args![id, place, target]).await?;
    }
    Ok(())
}

fn webhook(row: &Row, targets: &[Row]) -> Result<Webhook> {
    let watched: Result<Vec<Option<Watched>>> = targets.iter().map(watched).collect();
    Ok(Webhook {
        id: row.read(0)?,
        settings: settings(row, 1)?,
        disabled: row.read(5)?,
        last_error: row.read(6)?,
        watched: watched?.into_iter().flatten().collect(),
    })
}

/// The columns url, secret, `repo_events`, `talk_events` from `at` on.
fn settings(row: &Row, at: usize) -> Result<WebhookSettings> {
    Ok(WebhookSettings {
        url: row.read(at)?,
        secret: row.read(at + 1)?,
        repo_events: row.read(at + 2)?,
        talk_events: row.read(at + 3)?,
    })
}

fn watched(row: &Row) -> Result<Option<Watched>> {
    if let Some(kind) = row.read::<Option<String>>(0)? {
        let name = row.read(1)?;
        return Ok(Some(if kind == "org" { Watched::Org(name) } else { Watched::User(name) }));
    }
    let Some(repo) = row.read::<Option<i64>>(2)? else { return Ok(None) };
    let (name, namespace): (String, String) = (row.read(4)?, row.read(5)?);
    Ok(Some(Watched::Repo(RepoId(repo), row.word(3)?, format!("{namespace}/{name}"))))
}

/// Since when nothing got through, after a try that failed at `now`.
const fn failing(since: Option<UnixMillis>, now: UnixMillis) -> UnixMillis {
    match since {
        Some(since) => since,
        None => now,
    }
}
