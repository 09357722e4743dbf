//! What webhooks are still to be told.
//!
//! A push says nothing to webhooks: it leaves its fact, and a cursor over the facts makes rows of it later, in a
//! write of its own. So no push waits for those who watch, and no fact is passed over, whenever the hub dies.

use std::collections::BTreeSet;

use polder_types::{AccountId, UnixMillis};

use super::{WebhookSettings, failing, settings};
use crate::jobs::{NewJob, enqueue};
use crate::repos::{REPO_COLUMNS, Repo, repo_columns};
use crate::row::Row;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

/// The kind of the job that tells one webhook; its payload is the webhook's id.
pub const WEBHOOK_JOB: &str = "webhook";
/// Where the cursor is kept: the last fact, and the last webhook that it was queued for.
const CURSOR: &str = "webhook_cursor";
/// Facts looked at in one write, and rows made of them.
const FACTS_MAX: i64 = 1_000;
const ROWS_MAX: usize = 500;
/// Most that one webhook is still to be told; one that falls further behind is disabled.
const WAITING_MAX: i64 = 10_000;
const TOO_MUCH_WAITS: &str = "more than 10000 deliveries wait for it";

statements! {
    LAST_FACT = "SELECT COALESCE(MAX(seq), 0) FROM event";
    FIRST_WANTED = "SELECT MIN(after_seq) FROM webhook WHERE NOT disabled AND repo_events";
    READ_CURSOR = "SELECT value FROM meta WHERE name = $1";
    SET_CURSOR = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    WATCHED_FACTS = "SELECT DISTINCT e.seq, w.id, e.repo FROM event e JOIN repo r ON r.id = e.repo \
        JOIN webhook_watch t ON t.target IN (r.id, r.ns) \
        JOIN webhook w ON w.id = t.webhook AND NOT w.disabled AND w.repo_events AND w.after_seq < e.seq \
        WHERE (e.seq > $1 OR (e.seq = $1 AND w.id > $2)) AND e.seq >= $1 AND e.seq <= $3 AND r.kind <> 'kernel' \
        AND e.type IN ('repo.create', 'repo.refs', 'repo.rename', 'repo.visibility', 'repo.delete') \
        ORDER BY e.seq, w.id LIMIT $4";
    INSERT_DELIVERY = "INSERT INTO webhook_delivery (id, webhook, repo, seq, told, attempts) VALUES ($1, $2, $3, $4, $5, 0)";
    WAITS_TOO_LONG = "SELECT id FROM webhook_delivery WHERE webhook = $1 ORDER BY id LIMIT 1 OFFSET $2";
    GIVE_UP_WEBHOOK = "UPDATE webhook SET disabled = TRUE, last_error = $2 WHERE id = $1";
    DELETE_DELIVERIES = "DELETE FROM webhook_delivery WHERE webhook = $1";
    NEXT_DELIVERY = concat!("SELECT d.id, d.attempts, d.told, w.account, w.url, w.secret, w.repo_events, w.talk_events, \
        e.type, e.facts, e.time, e.seq, ", "d.repo FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook \
        LEFT JOIN event e ON e.seq = d.seq WHERE d.webhook = $1 AND NOT w.disabled ORDER BY d.id LIMIT 1");
    REPO_EVER = concat!("SELECT ", repo_columns!(), ", r.state FROM repo r JOIN account a ON a.id = r.ns WHERE r.id = $1");
    FORGET_DELIVERY = "DELETE FROM webhook_delivery WHERE id = $1";
    MORE_ATTEMPTS = "UPDATE webhook_delivery SET attempts = attempts + 1 WHERE id = $1";
    GOT_THROUGH = "UPDATE webhook SET failing_since = NULL, last_error = NULL WHERE id = $1 AND failing_since IS NOT NULL";
    FAILING_SINCE = "SELECT failing_since FROM webhook WHERE id = $1";
    FAILED = "UPDATE webhook SET failing_since = $2, last_error = $3 WHERE id = $1";
}

/// The next thing that a webhook is to be told.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What it is known by, however often it is tried.
    pub id: i64,
    /// The webhook.
    pub webhook: i64,
    /// Whose that is.
    pub account: AccountId,
    /// How often it was tried already.
    pub attempts: i64,
    /// Where to, and with which secret.
    pub settings: WebhookSettings,
    /// The repository as it is now, or was when it was deleted.
    pub repo: Repo,
    /// Whether it is there.
    pub is_live: bool,
    /// A fact's kind and its JSON; `None` if `told` says it.
    pub fact: Option<(String, String)>,
    /// JSON of a [`super::Talk`].
    pub told: Option<String>,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It was taken.
    Taken,
    /// Its account may not know of it.
    Withheld,
    /// It was not taken; it is tried again.
    Failed(String),
    /// It was not taken, and is not tried again.
    GivenUp(String),
    /// It was not taken, and its webhook is told nothing more.
    Disabled(String),
}

impl Db {
    /// Makes deliveries of what happened in discussions and of facts that are not looked at yet; says whether there
    /// may be more.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn queue_webhooks(&self) -> Result<bool> {
        Ok(self.queue_talk().await? | self.queue_facts().await?)
    }

    async fn queue_facts(&self) -> Result<bool> {
        let Some(wanted) =
            self.row(FIRST_WANTED, args![]).await?.map(|row| row.read(0)).transpose()?.flatten()
        else {
            return Ok(false);
        };
        let head: i64 = self.row(LAST_FACT, args![]).await?.map_or(Ok(0), |row| row.read(0))?;
        if cursor(self.meta(CURSOR).await?.as_deref(), wanted).0 >= head {
            return Ok(false);
        }
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(queue(tx, wanted).await?)) })).await
    }

    /// What a webhook is to be told next.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_delivery(&self, webhook: i64) -> Result<Option<Delivery>> {
        let Some(row) = self.row(NEXT_DELIVERY, args![webhook]).await? else { return Ok(None) };
        let repo: i64 = row.read(12)?;
        let Some(of) = self.row(REPO_EVER, args![repo]).await? else { return Ok(None) };
        let (kind, facts): (Option<String>, Option<String>) = (row.read(8)?, row.read(9)?);
        let state: String = of.read(REPO_COLUMNS)?;
        Ok(Some(Delivery {
            id: row.read(0)?,
            webhook,
            account: AccountId(row.read(3)?),
            attempts: row.read(1)?,
            settings: settings(&row, 4)?,
            repo: Repo::from_row(&of)?,
            is_live: state == "live",
            fact: kind.zip(facts),
            told: row.read(2)?,
        }))
    }

    /// Writes down what came of a try; since when none got through, if that is so.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn end_delivery(&self, delivery: &Delivery, end: DeliveryEnd) -> Result<Option<UnixMillis>> {
        let (id, webhook) = (delivery.id, delivery.webhook);
        self.write(move |tx| {
            Box::pin(async move {
                let statement = match end {
                    DeliveryEnd::Failed(_) => MORE_ATTEMPTS,
                    _ => FORGET_DELIVERY,
                };
                tx.execute(statement, args![id]).await?;
                Ok(Verdict::Keep(note(tx, webhook, end).await?))
            })
        })
        .await
    }
}

async fn queue(tx: &mut Tx, wanted: i64) -> Result<bool> {
    let stored: Option<String> =
        tx.row(READ_CURSOR, args![CURSOR]).await?.map(|row| row.read(0)).transpose()?;
    let (seq, webhook) = cursor(stored.as_deref(), wanted);
    let head: i64 = tx.row(LAST_FACT, args![]).await?.map_or(Ok(0), |row| row.read(0))?;
    let until = head.min(seq.saturating_add(FACTS_MAX));
    let limit = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let rows = tx.rows(WATCHED_FACTS, args![seq, webhook, until, limit]).await?;
    let (mut told_to, mut next) = (BTreeSet::new(), (until, i64::MAX));
    for row in &rows {
        let (seq, webhook, repo): (i64, i64, i64) = (row.read(0)?, row.read(1)?, row.read(2)?);
        let id = tx.next_id();
        tx.execute(INSERT_DELIVERY, args![id, webhook, repo, seq, None::<&str>]).await?;
        told_to.insert(webhook);
        if rows.len() == ROWS_MAX {
            next = (seq, webhook);
        }
    }
    start(tx, told_to).await?;
    tx.execute(SET_CURSOR, args![CURSOR, format!("{} {}", next.0, next.1)]).await?;
    Ok(next != (head, i64::MAX))
}

/// Queues the jobs that tell them; gives up those for whom too much waits.
pub(super) async fn start(tx: &mut Tx, webhooks: BTreeSet<i64>) -> Result<()> {
    for webhook in webhooks {
        if tx.row(WAITS_TOO_LONG, args![webhook, WAITING_MAX]).await?.is_some() {
            tx.execute(GIVE_UP_WEBHOOK, args![webhook, TOO_MUCH_WAITS]).await?;
            tx.execute(DELETE_DELIVERIES, args![webhook]).await?;
            continue;
        }
        let (kind, dedup) = (WEBHOOK_JOB.to_owned(), format!("{WEBHOOK_JOB} {webhook}"));
        let due = tx.now();
        enqueue(tx, NewJob { kind, dedup, payload: webhook.to_string(), due }).await?;
    }
    Ok(())
}

/// Where to go on: after this fact, or after this webhook of that fact.
fn cursor(stored: Option<&str>, wanted: i64) -> (i64, i64) {
    let read = |text: &str| {
        let (seq, webhook) = text.split_once(' ')?;
        Some((seq.parse().ok()?, webhook.parse().ok()?))
    };
    let stored = stored.and_then(read).unwrap_or((0, i64::MAX));
    stored.max((wanted, i64::MAX))
}

async fn note(tx: &mut Tx, webhook: i64, end: DeliveryEnd) -> Result<Option<UnixMillis>> {
    let (error, is_disabled) = match end {
        DeliveryEnd::Withheld => return Ok(None),
        DeliveryEnd::Taken => {
            tx.execute(GOT_THROUGH, args![webhook]).await?;
            return Ok(None);
        }
        DeliveryEnd::Failed(error) | DeliveryEnd::GivenUp(error) => (error, false),
        DeliveryEnd::Disabled(error) => (error, true),
    };
    let row: Option<Row> = tx.row(FAILING_SINCE, args![webhook]).await?;
    let since = row.map(|row| row.read::<Option<i64>>(0)).transpose()?.flatten().map(UnixMillis);
    let since = failing(since, tx.now());
    tx.execute(FAILED, args![webhook, since, error.as_str()]).await?;
    if is_disabled {
        tx.execute(GIVE_UP_WEBHOOK, args![webhook, error]).await?;
        tx.execute(DELETE_DELIVERIES, args![webhook]).await?;
    }
    Ok(Some(since))
}
