//! A job shows what its issuer says of it, and has a short token (RFC 8693).
//!
//! Source: `huggingface_hub` 2.4.0 `_oidc.py`: a repository, or a bare user name, as `resource`. Its every process
//! shows the same id token, so one is good for as many tokens as it likes until it ends.

use std::net::IpAddr;

use polder_db::{Given, NameState, NewToken, Publisher, PublisherTarget};
use polder_types::{AccountName, RepoName, Role};

use super::NoToken;
use super::id_token::{Claims, Unproven, Why};
use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::secret::{Secret, new_token};

/// How long a token works that a publisher gets, in seconds.
const TOKEN_SECONDS: i64 = 3600;
/// When a publisher may try again that has too many, in seconds.
const TOO_MANY_SECONDS: u32 = 60;
/// Longest name of such a token, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The one answer to all that is not trusted: it tells nothing of who is, or of what is here.
const NOT_TRUSTED: NoToken = NoToken::BadGrant(
    "this id token gives no access to that here; the log of the hub says why, and `polder repo trusted` who has it",
);

/// What a publisher has now.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// An access token like any other.
    pub token: Secret,
    /// The most it may do.
    pub scope: Role,
    /// How long it works, in seconds.
    pub expires_in_seconds: i64,
}

/// Why a publisher has no token.
enum Refused {
    /// It is not trusted.
    Because(Why),
    /// That is not known now, or it has too many.
    Failed(Error),
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Self::Because(why)
    }
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a token is wanted for.
enum Resource {
    Repo(RepoName),
    User(AccountName),
}

impl Hub {
    /// Gives a publisher that is trusted a token for an hour: to write to `resource` and nothing else, if that is a
    /// repository; to read what a user may, if that is the user's name. `address` is where it is, if that is known.
    ///
    /// No issuer is asked for keys but one that is trusted for this, and only if all else in the token fits.
    ///
    /// # Errors
    /// As [`NoToken`] says: alike for what is not here, is not trusted, and is not genuine.
    pub async fn exchange_id_token(
        &self,
        id_token: &Secret,
        resource: &str,
        address: Option<IpAddr>,
    ) -> Result<Exchanged, NoToken> {
        let named = named(resource).ok_or(NoToken::BadTarget)?;
        self.logins.check(address, self.clock.now())?;
        match self.exchange(id_token, named).await {
            Ok(exchanged) => Ok(exchanged),
            Err(Refused::Failed(error)) => Err(error.into()),
            Err(Refused::Because(why)) => {
                self.logins.failed(address, self.clock.now());
                self.note_refusal(id_token, resource, why).await;
                Err(NOT_TRUSTED)
            }
        }
    }

    async fn exchange(&self, id_token: &Secret, resource: Resource) -> Result<Exchanged, Refused> {
        let (publishers, entry) = self.trusted_for(resource).await?;
        let shown = Unproven::read(id_token.reveal())?;
        let publisher = self.publisher_meant(&publishers, shown.claims())?;
        let (hub, issuer) = (self.clone(), publisher.issuer.clone());
        let (key_id, algorithm) = (shown.key_id().to_owned(), shown.algorithm());
        // To the end, so that whoever goes away does not have the issuer asked again and again.
        let key = to_the_end(async move {
            hub.issuer_keys.key(&hub.egress, &hub.clock, &issuer, (&key_id, algorithm)).await
        });
        let key = key.await?.ok_or("its issuer has no such key")?;
        let proven = shown.proven(&key)?;
        proven.fit(publisher, &self.public_url, self.clock.now())?;
        self.give(publisher, &proven, entry).await
    }

    /// Whom what is asked for trusts; nobody, if it is not here.
    async fn trusted_for(&self, resource: Resource) -> Result<(Vec<Publisher>, Entry)> {
        let mut entry = Entry::anonymous("token.exchange");
        let target = match resource {
            Resource::Repo(name) => match self.name_state(&name).await? {
                // Who has the old name may write there, too.
                Some(NameState::Live(repo) | NameState::Moved(repo)) if repo.home_url().is_none() => {
                    entry = entry.on(repo.id, &repo.name);
                    Some(PublisherTarget::Repo(repo.id))
                }
                _ => None,
            },
            Resource::User(name) => {
                let account = self.db.find_account(&name.fold()).await?;
                account.map(|account| PublisherTarget::User(account.id))
            }
        };
        let publishers = match target {
            Some(target) => self.db.publishers_of(target).await?,
            None => Vec::new(),
        };
        Ok((publishers, entry))
    }

    /// The oldest publisher that this may be, or why it is none: what stands against the one that fits best.
    fn publisher_meant<'a>(
        &self,
        publishers: &'a [Publisher],
        claims: &Claims,
    ) -> Result<&'a Publisher, Why> {
        let now = self.clock.now();
        let mut why = "nobody is trusted for this";
        for publisher in publishers {
            match claims.fit(publisher, &self.public_url, now) {
                Ok(()) => return Ok(publisher),
                Err(against) if claims.issuer() == Some(&publisher.issuer) => why = against,
                Err(against) if why == "nobody is trusted for this" => why = against,
                Err(_other) => {}
            }
        }
        Err(why)
    }

    async fn give(&self, publisher: &Publisher, proven: &Claims, entry: Entry) -> Result<Exchanged, Refused> {
        let (token, now) = (new_token()?, self.clock.now());
        let subject = proven.subject().unwrap_or_default();
        let scope = if publisher.repo.is_some() { Role::Write } else { Role::Read };
        let row = NewToken {
            account: publisher.account.id,
            hash: token.hash(),
            scope,
            repos: publisher.repo.map(|repo| vec![repo]),
            expires: Some(now.plus_seconds(TOKEN_SECONDS)),
            name: Some(token_name(&publisher.issuer, subject)),
        };
        let entry = entry.with("publisher", publisher.id.to_string()).with("subject", subject);
        let db = self.audited(entry.with("user", publisher.account.name.as_str()));
        let id = publisher.id;
        match to_the_end(async move { Ok(db.give_token(id, row).await?) }).await? {
            Given::Token(_) => Ok(Exchanged { token, scope, expires_in_seconds: TOKEN_SECONDS }),
            Given::Untrusted => Err(Refused::Because("it was trusted until a moment ago")),
            Given::TooMany => {
                let message = "too many tokens of this publisher work now; use one for longer";
                Err(Refused::Failed(Error::throttled(message, TOO_MANY_SECONDS)))
            }
        }
    }

    /// Tells the operator why, with what the token says of itself.
    async fn note_refusal(&self, id_token: &Secret, resource: &str, why: Why) {
        let shown = Unproven::read(id_token.reveal()).ok();
        let said = |text: Option<&str>| printable(text.unwrap_or_default());
        let issuer = said(shown.as_ref().and_then(|shown| shown.claims().issuer()));
        let subject = said(shown.as_ref().and_then(|shown| shown.claims().subject()));
        tracing::info!(resource, issuer, subject, why, "an id token is not taken");
        let entry = Entry::anonymous("token.exchange").with("resource", resource);
        let entry = entry.with("claimed_issuer", issuer).with("claimed_subject", subject);
        self.record_refusal(entry, &Error::new(Kind::Forbidden, why)).await;
    }
}

fn named(resource: &str) -> Option<Resource> {
    if resource.contains('/') {
        return resource.parse().ok().map(Resource::Repo);
    }
    resource.parse().ok().map(Resource::User)
}

/// What `token list` says it is: the host of the issuer, and the subject.
fn token_name(issuer: &str, subject: &str) -> String {
    let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    printable(&format!("{host} {subject}"))
}

/// What others wrote, for a line of text.
fn printable(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c)).take(NAME_CHARS_MAX).collect()
}
