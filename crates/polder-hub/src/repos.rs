//! Making, listing, renaming, hiding and deleting repositories.

use polder_db::{NameState, NewRepo, Repo};
use polder_types::{AccountId, AccountName, Gate, RepoId, RepoName, Visibility};

use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

/// Repositories in one page of a listing.
const REPO_PAGE: i64 = 500;

/// A repository in a listing.
#[derive(Debug, Clone)]
pub struct RepoSummary {
    /// Its name.
    pub name: RepoName,
    /// Who may read it.
    pub visibility: Visibility,
    /// Its gate, if it has one.
    pub gate: Option<Gate>,
    /// Why it is withheld, if it is.
    pub withheld: Option<String>,
    /// Its default branch's ref.
    pub head: String,
    /// How often its refs have changed.
    pub generation: i64,
}

impl Hub {
    /// Makes an empty repository.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown namespace; [`Kind::Conflict`] for a name that is taken, or leads to a
    /// repository; [`Kind::Gone`] for that of a deleted one; [`Kind::Invalid`] in a namespace of another hub.
    pub async fn add_repo(&self, name: &RepoName, visibility: Visibility) -> Result<()> {
        self.account(name.namespace()).await?;
        let new = NewRepo { name: name.clone(), visibility, actor: None, rid: random()?, upstream: None };
        let entry = Entry::operator("repo.add").on_name(name).with("visibility", visibility.as_str());
        self.make_repo(new, entry).await
    }

    pub(crate) async fn make_repo(&self, new: NewRepo, entry: Entry) -> Result<()> {
        if new.visibility == Visibility::Gated {
            return Err(Error::invalid("make it public, then put a gate before it"));
        }
        self.put_repo(new, entry).await
    }

    /// The same, where it may be gated from the start.
    pub(crate) async fn put_repo(&self, new: NewRepo, entry: Entry) -> Result<()> {
        self.require_home(new.name.namespace()).await?;
        let hub = self.clone();
        to_the_end(async move {
            let name = new.name.clone();
            hub.audited(entry).create_repo(new).await.map_err(|error| taken(error, &name))?;
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Gives a repository another name; the old one leads to it from now on.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Conflict`]; [`Kind::Invalid`] for another kind, or into a namespace of
    /// another hub; [`Kind::Mirrored`].
    pub async fn rename_repo(&self, from: &RepoName, to: &RepoName) -> Result<()> {
        let repo = self.live_repo(from).await?;
        self.account(to.namespace()).await?;
        let entry = Entry::operator("repo.rename").on(repo.id, &repo.name);
        self.move_repo(repo, to, None, entry).await
    }

    pub(crate) async fn move_repo(
        &self,
        repo: Repo,
        to: &RepoName,
        actor: Option<AccountId>,
        entry: Entry,
    ) -> Result<()> {
        refuse_mirror(&repo)?;
        self.require_home(to.namespace()).await?;
        let from = &repo.name;
        if from.kind() != to.kind() {
            return Err(Error::invalid(format!("`{from}` and `{to}` are not of the same kind")));
        }
        let (hub, to) = (self.clone(), to.clone());
        to_the_end(async move {
            hub.audited(entry.with("to", to.to_string()))
                .rename_repo(repo.id, to.clone(), actor)
                .await
                .map_err(|error| taken(error, &to))?;
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Shows or hides a repository.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Mirrored`].
    pub async fn set_visibility(&self, name: &RepoName, visibility: Visibility) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.visibility").on(repo.id, &repo.name);
        self.show_repo(repo, visibility, None, entry).await
    }

    pub(crate) async fn show_repo(
        &self,
        repo: Repo,
        visibility: Visibility,
        actor: Option<AccountId>,
        entry: Entry,
    ) -> Result<()> {
        refuse_mirror(&repo)?;
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry.with("to", visibility.as_str()))
                .set_visibility(repo.id, visibility, actor)
                .await?;
            hub.names.clear();
            Ok(())
        })
        .await
    }

    /// Makes a branch the default one: where `HEAD` points, and what a clone checks out.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown repository, or a branch that is not there though others are;
    /// [`Kind::Invalid`] for what is no branch name; [`Kind::Mirrored`].
    pub async fn set_default_branch(&self, name: &RepoName, branch: &str) -> Result<()> {
        let repo = self.own_repo(name).await?;
        let head = format!("refs/heads/{branch}");
        polder_git::check_ref_name(&head)
            .map_err(|_why| Error::invalid(format!("`{branch}` is no name for a branch")))?;
        let snapshot = self.held(repo.id).await?.snapshot;
        let has_branches = snapshot.visible_refs_below("refs/heads/").next().is_some();
        if has_branches && snapshot.find_ref(&head).is_none() {
            return Err(Error::not_found(format!("`{name}` has no branch `{branch}`")));
        }
        let hub = self.clone();
        to_the_end(async move {
            let entry = Entry::operator("repo.default-branch").on(repo.id, &repo.name);
            hub.audited(entry.with("to", head.as_str())).set_head(repo.id, head, None).await?;
            hub.names.clear();
            hub.forget(repo.id).await;
            hub.describe_default(repo.id).await
        })
        .await
    }

    /// Deletes a repository. Its name is never given to anyone again.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn delete_repo(&self, name: &RepoName) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.delete").on(repo.id, &repo.name);
        self.remove_repo(repo, None, entry).await
    }

    pub(crate) async fn remove_repo(&self, repo: Repo, actor: Option<AccountId>, entry: Entry) -> Result<()> {
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry).delete_repo(repo.id, actor).await?;
            hub.names.clear();
            hub.tokens.clear();
            hub.forget(repo.id).await;
            Ok(())
        })
        .await
    }

    /// Every repository, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_repos(&self) -> Result<Vec<RepoSummary>> {
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let page = self.db.list_repos(after, REPO_PAGE).await?;
            after = page.last().map(|repo: &Repo| repo.id);
            list.extend(page.into_iter().map(summary));
            if after.is_none() {
                return Ok(list);
            }
        }
    }

    /// Whether the name is a repository's now; a former name is not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_repo(&self, name: &RepoName) -> Result<bool> {
        Ok(matches!(self.name_state(name).await?, Some(NameState::Live(_))))
    }

    /// The repository of a name that is in use now.
    pub(crate) async fn live_repo(&self, name: &RepoName) -> Result<Repo> {
        match self.name_state(name).await? {
            Some(NameState::Live(repo)) => Ok(repo),
            Some(NameState::Moved(repo)) => Err(Error::moved(repo.name)),
            Some(NameState::Retired) | None => {
                Err(Error::not_found(format!("there is no repository `{name}`")))
            }
        }
    }

    /// As [`Hub::live_repo`], where it is to be changed: mirrors are changed at home only.
    pub(crate) async fn own_repo(&self, name: &RepoName) -> Result<Repo> {
        let repo = self.live_repo(name).await?;
        refuse_mirror(&repo)?;
        Ok(repo)
    }

    /// Repositories are made where their namespace is at home.
    async fn require_home(&self, namespace: &AccountName) -> Result<()> {
        let is_here = match self.db.find_account(&namespace.fold()).await? {
            Some(account) => self.db.is_at_home(account.id).await?,
            None => !namespace.is_remote(),
        };
        if is_here {
            return Ok(());
        }
        let message = format!("`{namespace}` is a namespace of another hub; make repositories there");
        Err(Error::invalid(message))
    }

    pub(crate) async fn repo_page(&self, after: Option<RepoId>) -> Result<Vec<Repo>> {
        Ok(self.db.list_repos(after, REPO_PAGE).await?)
    }
}

pub(crate) fn refuse_mirror(repo: &Repo) -> Result<()> {
    repo.home_url().map_or(Ok(()), |url| Err(Error::mirrored(&repo.name, &url)))
}

fn summary(repo: Repo) -> RepoSummary {
    let Repo { name, visibility, gate, withheld, head, generation, .. } = repo;
    RepoSummary { name, visibility, gate, withheld, head, generation }
}

fn taken(error: polder_db::Error, name: &RepoName) -> Error {
    match error {
        polder_db::Error::Conflict { .. } => {
            Error::new(Kind::Conflict, format!("the name `{name}` is in use"))
        }
        error => error.into(),
    }
}
