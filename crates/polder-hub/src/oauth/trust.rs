//! Whom repositories and users trust, as the operator says.

use std::collections::BTreeMap;

use polder_db::{NewPublisher, Publisher, PublisherTarget};
use polder_types::{AccountName, PublisherId, RepoName, Role, UnixMillis};

use super::issuer_keys::issuer_url;
use super::subject::check_pattern;
use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Result};

/// Most claims that are asked for beside the subject.
const CLAIMS_MAX: usize = 8;
/// Longest name of one, and longest value, in bytes.
const CLAIM_BYTES_MAX: usize = 512;
/// What is looked at anyway, each in its own way.
const OWN_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nbf"];
/// Publishers read at a time.
const PAGE: i64 = 500;

/// What trusts, and so what the tokens are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusting {
    /// A repository, to which they write.
    Repo(RepoName),
    /// A user: they read what the user may.
    User(AccountName),
}

/// A publisher to be trusted.
#[derive(Debug, Clone)]
pub struct TrustRequest {
    /// The user for whom its tokens act; of a user who trusts, the same one.
    pub user: AccountName,
    /// Who speaks for it, to the letter.
    pub issuer: String,
    /// A subject, or the beginning of some and a star.
    pub subject: String,
    /// What else must be claimed, to the letter.
    pub claims: Vec<(String, String)>,
}

/// A publisher as it is listed.
#[derive(Debug, Clone)]
pub struct PublisherSummary {
    /// Its number.
    pub id: PublisherId,
    /// What trusts it.
    pub trusting: Trusting,
    /// The user for whom its tokens act.
    pub user: AccountName,
    /// Who speaks for it.
    pub issuer: String,
    /// A subject, or the beginning of some and a star.
    pub subject: String,
    /// What else must be claimed.
    pub claims: BTreeMap<String, String>,
    /// Since when it is trusted.
    pub created: UnixMillis,
}

impl Hub {
    /// Trusts a publisher.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for an issuer that is not asked, a subject that is too broad, and a user who may not write to
    /// the repository; [`crate::Kind::Mirrored`] for one of another hub; [`crate::Kind::NotFound`]; [`crate::Kind::Conflict`] for too many.
    pub async fn trust(&self, trusting: &Trusting, request: TrustRequest) -> Result<PublisherId> {
        issuer_url(&request.issuer)?;
        check_pattern(&request.subject)?;
        let claims = checked(request.claims)?;
        let (target, mut entry) = self.publisher_target(trusting, "publisher.trust").await?;
        let user = self.user(&request.user).await?;
        let repo = match target {
            PublisherTarget::User(_) => None,
            PublisherTarget::Repo(id) => {
                let row =
                    self.db.repo(id).await?.ok_or_else(|| Error::not_found("the repository is gone"))?;
                crate::repos::refuse_mirror(&row)?;
                if row.pulls_from.is_some() {
                    return Err(Error::invalid(format!("`{}` is a mirror: nobody writes to it", row.name)));
                }
                if self.repo_role(&user, &row).await? < Some(Role::Write) {
                    let message = format!("`{}` may not write to `{}`", user.name, row.name);
                    return Err(Error::invalid(message));
                }
                Some(id)
            }
        };
        let names: serde_json::Map<_, _> =
            claims.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        entry = entry.with("user", user.name.as_str()).with("issuer", request.issuer.as_str());
        entry = entry.with("subject", request.subject.as_str()).with("claims", names);
        let (issuer, subject) = (request.issuer, request.subject);
        let new = NewPublisher { repo, account: user.id, issuer, subject, claims };
        Ok(self.audited(entry).add_publisher(new).await?)
    }

    /// Whom one repository or user trusts, or all do, oldest first.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`].
    pub async fn publishers(&self, trusting: Option<&Trusting>) -> Result<Vec<PublisherSummary>> {
        let mut rows = Vec::new();
        if let Some(trusting) = trusting {
            rows = self.db.publishers_of(self.publisher_target(trusting, "").await?.0).await?;
        } else {
            let mut after = None;
            loop {
                let page = self.db.list_publishers(after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                rows.extend(page);
            }
        }
        let mut summaries = Vec::with_capacity(rows.len());
        for row in rows {
            summaries.extend(self.summary_of(row).await?);
        }
        Ok(summaries)
    }

    async fn summary_of(&self, row: Publisher) -> Result<Option<PublisherSummary>> {
        let Publisher { id, repo, account, issuer, subject, claims, created } = row;
        let trusting = match repo {
            None => Trusting::User(account.name.clone()),
            Some(repo) => match self.db.repo(repo).await? {
                Some(repo) => Trusting::Repo(repo.name),
                // Deleted a moment ago.
                None => return Ok(None),
            },
        };
        Ok(Some(PublisherSummary { id, trusting, user: account.name, issuer, subject, claims, created }))
    }

    /// Trusts a publisher no longer; its tokens are revoked at once.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] where it is not trusted.
    pub async fn untrust(&self, trusting: &Trusting, id: PublisherId) -> Result<()> {
        let (target, entry) = self.publisher_target(trusting, "publisher.untrust").await?;
        if self.db.publishers_of(target).await?.iter().all(|publisher| publisher.id != id) {
            return Err(Error::not_found(format!("no publisher `{id}` is trusted there")));
        }
        let entry = entry.with("publisher", id.to_string());
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry).remove_publisher(id).await?;
            hub.tokens.clear();
            Ok(())
        })
        .await
    }

    async fn publisher_target(
        &self,
        trusting: &Trusting,
        action: &'static str,
    ) -> Result<(PublisherTarget, Entry)> {
        let entry = Entry::operator(action);
        match trusting {
            Trusting::Repo(name) => {
                let repo = self.live_repo(name).await?;
                Ok((PublisherTarget::Repo(repo.id), entry.on(repo.id, &repo.name)))
            }
            Trusting::User(name) => Ok((PublisherTarget::User(self.user(name).await?.id), entry)),
        }
    }
}

fn checked(claims: Vec<(String, String)>) -> Result<BTreeMap<String, String>> {
    if claims.len() > CLAIMS_MAX {
        return Err(Error::invalid(format!("at most {CLAIMS_MAX} claims are asked for")));
    }
    let mut checked = BTreeMap::new();
    for (name, value) in claims {
        if OWN_CLAIMS.contains(&name.as_str()) {
            return Err(Error::invalid(format!("the claim `{name}` is looked at anyway")));
        }
        if name.is_empty() || name.len() > CLAIM_BYTES_MAX || value.len() > CLAIM_BYTES_MAX {
            return Err(Error::invalid(format!("a claim has a name, and at most {CLAIM_BYTES_MAX} bytes")));
        }
        if checked.insert(name.clone(), value).is_some() {
            return Err(Error::invalid(format!("the claim `{name}` is asked for twice")));
        }
    }
    Ok(checked)
}
