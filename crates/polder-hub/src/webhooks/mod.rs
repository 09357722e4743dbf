//! Webhooks: an account names a URL, and what it wants to be told of.

mod deliver;
mod payload;
mod talk;
#[cfg(test)]
mod tests;

use http::HeaderValue;
use polder_db::{WatchTarget, Webhook, WebhookSettings};
use polder_egress::Allowance;
use polder_types::{AccountId, AccountName, RepoKind, RepoName, Role};

use crate::Hub;
use crate::access::Principal;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 256;

/// What an account asks of a webhook; what it leaves out stays as it was.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// Where it is told.
    pub url: Option<String>,
    /// What is sent along and signed with; an empty one is none.
    pub secret: Option<String>,
    /// Whether it is told what happens to repositories.
    pub repo_events: Option<bool>,
    /// Whether it is told of discussions.
    pub talk_events: Option<bool>,
    /// What it watches, as kind (`user`, `org`, `model`, …) and name; none leaves that.
    pub watched: Vec<(String, String)>,
}

/// The hosts at addresses that are not public where webhooks may go, by their URLs.
///
/// # Errors
/// [`Kind::Invalid`] for what is no URL.
pub(crate) fn allowance(hosts: &[String]) -> Result<Allowance> {
    let mut allowance = Allowance::none();
    for host in hosts {
        allowance = allowance.and(&host.parse::<polder_egress::Url>()?);
    }
    Ok(allowance)
}

impl Hub {
    /// The webhooks of the caller's account. Only a token that may write is shown their secrets.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Forbidden`] for a token of some repositories.
    pub async fn webhooks(&self, principal: &Principal) -> Result<Vec<Webhook>> {
        let (account, scope) = owner(principal)?;
        let mut webhooks = self.db.webhooks(account).await?;
        for webhook in webhooks.iter_mut().filter(|_| scope < Role::Write) {
            webhook.settings.secret = None;
        }
        Ok(webhooks)
    }

    /// One of them.
    ///
    /// # Errors
    /// As [`Hub::webhooks`]; [`Kind::NotFound`].
    pub async fn webhook(&self, principal: &Principal, id: i64) -> Result<Webhook> {
        let (account, scope) = owner(principal)?;
        let mut webhook = self.db.webhook(account, id).await?;
        if scope < Role::Write {
            webhook.settings.secret = None;
        }
        Ok(webhook)
    }

    /// Adds a webhook, which is told of what happens from now on, as far as the account may know of it.
    ///
    /// # Errors
    /// As [`Hub::webhooks`]; [`Kind::Invalid`] for what is no URL, and where nothing is watched;
    /// [`Kind::NotFound`] for what it watches and the caller may not know of; [`Kind::Conflict`] for too many.
    pub async fn add_webhook(&self, principal: &Principal, change: WebhookChange) -> Result<Webhook> {
        let account = changer(principal)?;
        if change.watched.is_empty() {
            return Err(Error::invalid(
                "a webhook watches something: name users, organisations or repositories",
            ));
        }
        let watched = self.targets(principal, &change.watched).await?;
        let none = WebhookSettings { url: String::new(), secret: None, repo_events: true, talk_events: true };
        let (settings, place) = changed(none, change)?;
        let entry = Entry::of(principal, "webhook.add").with("to", place);
        Ok(self.audited(entry).add_webhook(account, settings, watched).await?)
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// As [`Hub::add_webhook`]; [`Kind::NotFound`].
    pub async fn set_webhook(
        &self,
        principal: &Principal,
        id: i64,
        change: WebhookChange,
    ) -> Result<Webhook> {
        let account = changer(principal)?;
        let before = self.db.webhook(account, id).await?;
        let watched = self.targets(principal, &change.watched).await?;
        let (settings, place) = changed(before.settings, change)?;
        let entry = Entry::of(principal, "webhook.set").with("to", place);
        Ok(self.audited(entry).set_webhook(account, id, settings, watched).await?)
    }

    /// Has a webhook told of what happens from now on, or of nothing more.
    ///
    /// # Errors
    /// As [`Hub::webhooks`]; [`Kind::NotFound`].
    pub async fn enable_webhook(&self, principal: &Principal, id: i64, enable: bool) -> Result<Webhook> {
        let account = changer(principal)?;
        let action = if enable { "webhook.enable" } else { "webhook.disable" };
        Ok(self.audited(Entry::of(principal, action)).enable_webhook(account, id, enable).await?)
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// As [`Hub::webhooks`]; [`Kind::NotFound`].
    pub async fn delete_webhook(&self, principal: &Principal, id: i64) -> Result<()> {
        let account = changer(principal)?;
        Ok(self.audited(Entry::of(principal, "webhook.delete")).delete_webhook(account, id).await?)
    }

    async fn targets(&self, principal: &Principal, watched: &[(String, String)]) -> Result<Vec<WatchTarget>> {
        if watched.len() > polder_db::WEBHOOK_WATCHED_MAX {
            let most = polder_db::WEBHOOK_WATCHED_MAX;
            return Err(Error::invalid(format!(
                "a webhook watches at most {most} accounts and repositories"
            )));
        }
        let mut targets = Vec::with_capacity(watched.len());
        for (kind, name) in watched {
            targets.push(self.target(principal, kind, name).await?);
        }
        Ok(targets)
    }

    async fn target(&self, principal: &Principal, kind: &str, name: &str) -> Result<WatchTarget> {
        if matches!(kind, "user" | "org") {
            let wanted: AccountName =
                name.parse().map_err(|why| Error::invalid(format!("`{name}`: {why}")))?;
            let account = self.account(&wanted).await?;
            if (kind == "org") != (account.kind == polder_db::AccountKind::Org) {
                return Err(Error::not_found(format!("there is no {kind} `{name}`")));
            }
            return Ok(WatchTarget::Account(account.id));
        }
        let kind =
            kind.parse::<RepoKind>().ok().filter(|kind| *kind != RepoKind::Kernel).ok_or_else(|| {
                Error::invalid(format!("`{kind}` cannot be watched; say user, org, model, dataset or space"))
            })?;
        let (namespace, short) = name
            .split_once('/')
            .ok_or_else(|| Error::invalid(format!("`{name}` is no repository; say `namespace/name`")))?;
        let namespace: AccountName =
            namespace.parse().map_err(|why| Error::invalid(format!("`{namespace}`: {why}")))?;
        let wanted = RepoName::new(kind, namespace, short).map_err(|why| Error::invalid(why.to_string()))?;
        Ok(WatchTarget::Repo(self.read(principal, &wanted).await?.repo_id()))
    }
}

/// Whose webhooks they are, and the most the token may do: one for some repositories is not for an account's.
fn owner(principal: &Principal) -> Result<(AccountId, Role)> {
    let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
    if token.repos.is_some() {
        return Err(Error::new(
            Kind::Forbidden,
            "this token is for some repositories only, not for webhooks",
        ));
    }
    Ok((token.account.id, token.scope))
}

fn changer(principal: &Principal) -> Result<AccountId> {
    match owner(principal)? {
        (account, scope) if scope >= Role::Write => Ok(account),
        _ => Err(Error::new(Kind::Forbidden, "this token may only read; webhooks take one that may write")),
    }
}

/// The settings after a change, and the place that they name: the rest of a URL may be a secret.
fn changed(before: WebhookSettings, change: WebhookChange) -> Result<(WebhookSettings, String)> {
    let url = change.url.unwrap_or(before.url);
    let place = url.parse::<polder_egress::Url>()?.origin().to_string();
    let secret = match change.secret {
        Some(secret) => Some(secret).filter(|secret| !secret.is_empty()),
        None => before.secret,
    };
    if let Some(secret) = &secret
        && (secret.len() > SECRET_BYTES_MAX || !secret.is_ascii() || HeaderValue::from_str(secret).is_err())
    {
        let message = format!("a secret has at most {SECRET_BYTES_MAX} characters, all printable ASCII");
        return Err(Error::invalid(message));
    }
    let settings = WebhookSettings {
        url,
        secret,
        repo_events: change.repo_events.unwrap_or(before.repo_events),
        talk_events: change.talk_events.unwrap_or(before.talk_events),
    };
    Ok((settings, place))
}
