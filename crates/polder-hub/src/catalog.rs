//! The catalogue: what repositories are found by, kept right by every push, and finding them.

use std::time::Duration;

use polder_db::{
    Activity, CATALOG_TAGS_ASKED_MAX, CATALOG_TEXTS_ASKED_MAX, CatalogOrder, CatalogQuery, Cataloged, Liked,
    NewCatalogEntry, Reader,
};
use polder_git::{Command, Snapshot};
use polder_types::{AccountName, Gate, ObjectId, RepoId, RepoKind, RepoName, UnixMillis, Visibility};
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Grant, Principal, Sees};
use crate::error::{Error, Result};
use crate::facts::{Facts, read_facts};

/// Time between two looks for entries that no push described.
const HEAL_PERIOD: Duration = Duration::from_hours(1);
/// Rows read at a time.
const PAGE: i64 = 100;
/// Most repositories of a page.
const FOUND_MAX: usize = 1_000;

/// Who looks for what.
#[derive(Debug, Clone)]
pub struct RepoQuery {
    /// What kind of repository.
    pub kind: RepoKind,
    /// Only those with a gate, or without.
    pub gated: Option<bool>,
    /// Of this namespace only.
    pub author: Option<String>,
    /// Parts of `namespace/name`, two at most; case does not count.
    pub texts: Vec<String>,
    /// Each must be there, eight at most.
    pub tags: Vec<String>,
    /// Only spaces that use a model or a dataset.
    pub linked: bool,
    /// Fewest and most parameters.
    pub parameters: (Option<i64>, Option<i64>),
    /// What comes first.
    pub order: CatalogOrder,
    /// Whether the smallest of it comes first, not the largest.
    pub ascending: bool,
    /// What the page before gave as `next`.
    pub cursor: Option<String>,
    /// Most repositories of a page.
    pub limit: usize,
}

/// A repository that was found.
#[derive(Debug, Clone)]
pub struct FoundRepo {
    /// Its name.
    pub name: RepoName,
    /// Who may read it.
    pub visibility: Visibility,
    /// Its gate, if it has one.
    pub gate: Option<Gate>,
    /// When it was made.
    pub created: UnixMillis,
    /// The tip of its default branch.
    pub commit_id: Option<ObjectId>,
    /// When that was committed, or described if it dates itself later; or when the repository was made.
    pub changed: UnixMillis,
    /// How many accounts like it.
    pub likes: i64,
    /// How often it was downloaded here in thirty days and ever, and its trend of seven.
    pub activity: Activity,
    /// What its files say.
    pub facts: Facts,
}

/// A page of repositories.
#[derive(Debug, Clone)]
pub struct RepoPage {
    /// Those that were found.
    pub repos: Vec<FoundRepo>,
    /// What to pass as `cursor` for the next page.
    pub next: Option<String>,
}

impl Hub {
    /// One page of the repositories that fit and that the caller may know of. A token for some repositories
    /// only finds what is public.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for a cursor that is none, and for more tags or texts than are looked for.
    pub async fn find_repos(&self, principal: &Principal, query: RepoQuery) -> Result<RepoPage> {
        if query.tags.len() > CATALOG_TAGS_ASKED_MAX || query.texts.len() > CATALOG_TEXTS_ASKED_MAX {
            let message = format!(
                "ask for at most {CATALOG_TAGS_ASKED_MAX} tags and {CATALOG_TEXTS_ASKED_MAX} parts of a name at once"
            );
            return Err(Error::invalid(message));
        }
        let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
        let token = principal.unbound();
        let limit = query.limit.clamp(1, FOUND_MAX);
        let asked = CatalogQuery {
            kind: query.kind,
            sees_all: token.is_some_and(|token| token.account.is_admin),
            account: token.map(|token| token.account.id),
            author: query.author.map(|author| author.to_ascii_lowercase()),
            texts: query.texts.iter().map(|text| text.to_ascii_lowercase()).collect(),
            gated: query.gated,
            tags: query.tags,
            linked: query.linked,
            parameters: query.parameters,
            order: query.order,
            ascending: query.ascending,
            since_day: match query.order {
                CatalogOrder::Trend => self.trend_since(),
                _ => self.shown_since(),
            },
            after,
            limit: rows_for(limit),
        };
        let mut found = self.db.search_catalog(&asked).await?;
        let next = cut(&mut found, limit).map(|last| format!("{}-{}", last.place.0, last.place.1));
        let mut repos = Vec::with_capacity(found.len());
        for one in found {
            let activity = self.activity_of(one.repo.id).await?;
            repos.push(shown(one, activity));
        }
        Ok(RepoPage { repos, next })
    }

    /// What is known of a repository at a commit, and how many like it.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub async fn facts(&self, grant: &Grant<impl Sees>, commit_id: ObjectId) -> Result<(Facts, i64)> {
        let entry = self.db.catalog_entry(grant.repo_id()).await?;
        let likes = entry.as_ref().map_or(0, |entry| entry.likes);
        if let Some(entry) = entry.filter(|entry| entry.commit == Some(commit_id)) {
            return Ok((serde_json::from_str(&entry.facts).unwrap_or_default(), likes));
        }
        let (repo, kind) = (grant.repo_id(), grant.repo().kind());
        let (hub, held) = (self.clone(), self.held(repo).await?);
        let facts = self.leaf.run(move || {
            // Reading them may be reading the beginnings of many large files.
            if let Some(facts) = hub.figures.facts.get(&(repo, commit_id)) {
                return Ok(serde_json::from_str(&facts).unwrap_or_default());
            }
            let facts = hub.read_facts(repo, kind, &held.snapshot, commit_id)?;
            let json = serde_json::to_string(&facts).map_err(Error::internal)?;
            hub.figures.facts.insert((repo, commit_id), json.into());
            Ok(facts)
        });
        Ok((facts.await?, likes))
    }

    /// How many like a repository.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn likes(&self, grant: &Grant<impl Sees>) -> Result<i64> {
        Ok(self.db.catalog_entry(grant.repo_id()).await?.map_or(0, |entry| entry.likes))
    }

    /// Blocking.
    fn read_facts(
        &self,
        repo: RepoId,
        kind: RepoKind,
        snapshot: &Snapshot,
        commit_id: ObjectId,
    ) -> Result<Facts> {
        let open = |oid| Handle::current().block_on(self.open_linked(repo, oid)).ok().map(|blob| blob.file);
        read_facts(snapshot, commit_id, kind, &open)
    }

    /// What a push will make of the entry, if it moves the default branch. `after` is what the repository
    /// will hold. A repository that cannot be described is pushed to all the same. Blocking.
    pub(crate) fn entry_after(
        &self,
        repo: RepoId,
        kind: RepoKind,
        after: &Snapshot,
        commands: &[Command],
        head: &str,
    ) -> Option<NewCatalogEntry> {
        let command = commands.iter().find(|command| command.name == head && !command.new.is_zero())?;
        let described = self.describe(repo, kind, after, command.new);
        if let Err(error) = &described {
            tracing::warn!(%repo, error = %error.chain(), "a repository is left out of the catalogue");
        }
        described.ok()
    }

    /// Blocking.
    fn describe(
        &self,
        repo: RepoId,
        kind: RepoKind,
        snapshot: &Snapshot,
        commit: ObjectId,
    ) -> Result<NewCatalogEntry> {
        let facts = self.read_facts(repo, kind, snapshot, commit)?;
        let total = facts.safetensors.as_ref().map(|numbers| numbers.total);
        Ok(NewCatalogEntry {
            commit,
            // A commit dates itself. Nothing that changed later than now may be the newest of all for ever.
            changed: polder_git::commit_info(snapshot, commit)?.time.min(self.clock.now()),
            parameters: total.and_then(|total| i64::try_from(total).ok()),
            tags: facts.catalog_tags(kind),
            facts: serde_json::to_string(&facts).map_err(Error::internal)?,
        })
    }

    /// Describes what no push has: what was there before there was a catalogue, and what became the default
    /// branch otherwise. Ends never; failures are logged and tried again.
    pub(crate) async fn keep_catalog(&self) {
        loop {
            if let Err(error) = self.heal_catalog().await {
                tracing::error!(error = %error.chain(), "describing repositories failed");
            }
            tokio::time::sleep(HEAL_PERIOD).await;
        }
    }

    /// One round of it; says how many were described.
    ///
    /// # Errors
    /// When rows cannot be read or written.
    pub async fn heal_catalog(&self) -> Result<usize> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.db.stale_catalog(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = Some(*last);
            for (repo, tip) in page {
                match self.describe_now(repo, tip).await {
                    Ok(()) => count += 1,
                    Err(error) => tracing::warn!(%repo, error = %error.chain(), "not described"),
                }
            }
        }
    }

    /// Describes a repository by what its default branch is now.
    pub(crate) async fn describe_default(&self, repo: RepoId) -> Result<()> {
        let held = self.held(repo).await?;
        let tip = held.snapshot.head_ref().map(|named| named.oid);
        match tip {
            Some(tip) => self.describe_now(repo, tip).await,
            None => Ok(()),
        }
    }

    /// Describes a repository whose default branch is at `tip`.
    pub(crate) async fn describe_now(&self, repo: RepoId, tip: ObjectId) -> Result<()> {
        let Some(row) = self.db.repo(repo).await? else { return Ok(()) };
        let held = self.held(repo).await?;
        let (hub, kind) = (self.clone(), row.name.kind());
        let entry = self.leaf.run(move || hub.describe(repo, kind, &held.snapshot, tip)).await?;
        self.db.describe_repo(repo, entry).await?;
        Ok(())
    }

    /// Likes a repository, or no longer.
    ///
    /// # Errors
    /// [`crate::Kind::Unauthenticated`] without credentials.
    pub async fn set_like(&self, grant: &Grant<impl Sees>, likes: bool) -> Result<()> {
        let account = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        self.db.set_like(grant.repo_id(), account, likes).await?;
        self.figures.activities.clear();
        Ok(())
    }

    /// A page of who likes a repository, the latest first, and the cursor of the next one.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for a cursor that is none.
    pub async fn likers(
        &self,
        grant: &Grant<impl Sees>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, Option<String>)> {
        let mut page = self.db.likers(grant.repo_id(), liked_after(cursor)?, rows_for(limit)).await?;
        let next = cut(&mut page, limit).map(|(_, last)| cursor_of(*last));
        Ok((page.into_iter().map(|(name, _)| name).collect(), next))
    }

    /// A page of what an account likes and since when, as far as the caller may know of it, and the cursor of
    /// the next one.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown user; [`crate::Kind::Invalid`] for a cursor that is none.
    pub async fn liked_by(
        &self,
        principal: &Principal,
        user: &AccountName,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(RepoName, UnixMillis)>, Option<String>)> {
        let (account, token) = (self.user(user).await?, principal.unbound());
        let reader = Reader {
            account: token.map(|token| token.account.id),
            sees_all: token.is_some_and(|token| token.account.is_admin),
        };
        let mut page = self.db.liked_by(account.id, reader, liked_after(cursor)?, rows_for(limit)).await?;
        let next = cut(&mut page, limit).map(|(_, last)| cursor_of(*last));
        let mut shown = Vec::with_capacity(page.len());
        for (repo, liked) in page {
            if let Some(repo) = self.db.repo(repo).await? {
                shown.push((repo.name, liked.since));
            }
        }
        Ok((shown, next))
    }
}

/// How many rows are asked for, for a page of so many: one more tells whether there is another page.
pub(crate) fn rows_for(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Cuts what was found so to one page; its last entry, if another page follows.
pub(crate) fn cut<T>(found: &mut Vec<T>, limit: usize) -> Option<&T> {
    let has_more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| has_more)
}

fn cursor_of(liked: Liked) -> String {
    format!("{}-{}", liked.since.0, liked.id)
}

fn liked_after(cursor: Option<&str>) -> Result<Liked> {
    let Some(text) = cursor else { return Ok(Liked::FIRST) };
    let (since, id) = parse_cursor(text)?;
    Ok(Liked { since: UnixMillis(since), id: id.0 })
}

/// The branch that will be the default one.
pub(crate) fn head_after<'a>(
    snapshot: &'a Snapshot,
    commands: &[Command],
    first: Option<&'a str>,
    exact: Option<&'a str>,
) -> &'a str {
    let head = snapshot.head();
    let is_there = snapshot.find_ref(head).is_some() || commands.iter().any(|command| command.name == head);
    exact.unwrap_or(if is_there { head } else { first.unwrap_or(head) })
}

fn shown(found: Cataloged, activity: Activity) -> FoundRepo {
    let Cataloged { repo, entry, .. } = found;
    FoundRepo {
        name: repo.name,
        visibility: repo.visibility,
        gate: repo.gate,
        created: repo.created,
        commit_id: entry.commit,
        changed: entry.changed,
        likes: entry.likes,
        activity,
        facts: serde_json::from_str(&entry.facts).unwrap_or_default(),
    }
}

fn parse_cursor(text: &str) -> Result<(i64, RepoId)> {
    let parsed =
        text.rsplit_once('-').and_then(|(place, id)| Some((place.parse().ok()?, RepoId(id.parse().ok()?))));
    parsed.ok_or_else(|| Error::invalid("this cursor belongs to another listing; start again without one"))
}
