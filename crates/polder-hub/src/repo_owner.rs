//! Making, renaming, hiding and deleting repositories, as their owners do it with a token.

use polder_db::NewRepo;
use polder_types::{RepoName, Role, Visibility};

use crate::Hub;
use crate::access::{Grant, Manage, Principal};
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::first_commit::SpaceSdk;

impl Hub {
    /// Makes a repository whose first commit says which files are stored with LFS, so that its default
    /// branch exists from the start, as clients of the Hugging Face API expect. A Space's card says what runs it.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Forbidden`] where the caller may not write to
    /// the namespace, or there is no such namespace; [`Kind::Conflict`] for a name that is or was taken.
    pub async fn create_repo(
        &self,
        principal: &Principal,
        name: &RepoName,
        visibility: Visibility,
        sdk: Option<SpaceSdk>,
    ) -> Result<RepoName> {
        let entry = Entry::of(principal, "repo.add").on_name(name).with("visibility", visibility.as_str());
        let created = async {
            self.require_namespace(principal, name).await?;
            let rid = crate::secret::random()?;
            let new = NewRepo {
                name: name.clone(),
                visibility,
                actor: principal.account_id(),
                rid,
                upstream: None,
            };
            self.make_repo(new, entry.clone()).await
        };
        if let Err(error) = created.await {
            self.record_refusal(entry, &error).await;
            return Err(error);
        }
        let grant = self.write(principal, name).await?;
        self.commit_first_with(&grant, sdk.map(|sdk| sdk.card(name))).await?;
        Ok(grant.repo().clone())
    }

    /// Deletes a repository. Its name is never given to anyone again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_managed(&self, grant: &Grant<Manage>) -> Result<()> {
        self.remove_repo(grant.repo_row().clone(), grant.actor(), grant.entry("repo.delete")).await
    }

    /// Gives a repository another name, in this or another namespace that the caller may write to.
    ///
    /// # Errors
    /// [`Kind::Conflict`], [`Kind::Forbidden`]; [`Kind::Invalid`] for another kind.
    pub async fn rename_managed(&self, grant: &Grant<Manage>, to: &RepoName) -> Result<()> {
        self.require_namespace(grant.principal(), to).await?;
        self.move_repo(grant.repo_row().clone(), to, grant.actor(), grant.entry("repo.rename")).await
    }

    /// Shows or hides a repository.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn show_managed(&self, grant: &Grant<Manage>, visibility: Visibility) -> Result<()> {
        self.show_repo(grant.repo_row().clone(), visibility, grant.actor(), grant.entry("repo.visibility"))
            .await
    }

    /// Whether the caller may make repositories in a namespace; one that does not exist is answered alike.
    pub(crate) async fn require_namespace(&self, principal: &Principal, name: &RepoName) -> Result<()> {
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        let refused = || {
            let namespace = name.namespace();
            Error::new(
                Kind::Forbidden,
                format!("you may not make repositories in the namespace `{namespace}`"),
            )
        };
        let namespace = self.db.find_account(&name.namespace().fold()).await?.ok_or_else(refused)?;
        let role = self.account_role(&token.account, namespace.id).await?.map(|role| role.min(token.scope));
        if token.repos.is_none() && role >= Some(Role::Write) { Ok(()) } else { Err(refused()) }
    }
}
