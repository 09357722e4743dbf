//! What somebody may know of a collection, and what they may do with it.

use polder_db::{COLLECTION_ITEMS_MAX, Collected, Collection, CollectionItem, NameState, Repo};
use polder_types::{AccountId, AccountName, RepoKind, RepoName, Role, Visibility};

use super::{ShownCollection, ShownItem, ShownWhat, parse_slug};
use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Kind, Result};

impl Hub {
    /// A collection, with what the caller may know of its items.
    ///
    /// # Errors
    /// [`Kind::NotFound`] alike for one that is not here and one that the caller may not see.
    pub async fn collection(&self, principal: &Principal, slug: &str) -> Result<ShownCollection> {
        let collection = self.seen_collection(principal, slug).await?;
        let items = self.shown_items(principal, collection.id, COLLECTION_ITEMS_MAX).await?;
        Ok(ShownCollection { collection, items })
    }

    /// What an item names, if the caller may read it.
    pub(super) async fn collected(&self, principal: &Principal, kind: &str, id: &str) -> Result<Collected> {
        if kind == "collection" {
            return Ok(Collected::Collection(self.seen_collection(principal, id).await?.id));
        }
        let kind =
            kind.parse::<RepoKind>().ok().filter(|kind| *kind != RepoKind::Kernel).ok_or_else(|| {
                let known = "model, dataset, space or collection";
                Error::invalid(format!("there is no `{kind}` here to be collected; say {known}"))
            })?;
        let missing = || Error::not_found(format!("there is no {} `{id}`", kind.as_str()));
        let (namespace, name) = id.split_once('/').ok_or_else(missing)?;
        let namespace: AccountName = namespace.parse().map_err(|_why| missing())?;
        let name = RepoName::new(kind, namespace, name).map_err(|_why| missing())?;
        let repo = match self.name_state(&name).await? {
            Some(NameState::Live(repo) | NameState::Moved(repo)) => repo,
            Some(NameState::Retired) | None => return Err(missing()),
        };
        if self.sees(principal, &repo).await? { Ok(Collected::Repo(repo.id)) } else { Err(missing()) }
    }

    /// A collection that the caller may see.
    pub(super) async fn seen_collection(&self, principal: &Principal, slug: &str) -> Result<Collection> {
        let missing = || Error::not_found(format!("there is no collection `{slug}`"));
        let (owner, id) = parse_slug(slug).ok_or_else(missing)?;
        let found = self.db.collection(id).await?.ok_or_else(missing)?;
        if !found.owner.as_str().eq_ignore_ascii_case(owner)
            || !self.sees_collection(principal, &found).await?
        {
            return Err(missing());
        }
        Ok(found)
    }

    /// A collection that the caller may change.
    pub(super) async fn own_collection(&self, principal: &Principal, slug: &str) -> Result<Collection> {
        let found = self.seen_collection(principal, slug).await?;
        if principal.is_anonymous() {
            return Err(Error::hidden(true, ""));
        }
        if !self.may_change(principal, found.namespace).await? {
            return Err(Error::new(Kind::Forbidden, format!("you may see `{slug}` but not change it")));
        }
        Ok(found)
    }

    async fn sees_collection(&self, principal: &Principal, collection: &Collection) -> Result<bool> {
        if !collection.text.private {
            return Ok(true);
        }
        match principal.unbound() {
            Some(token) => Ok(self.account_role(&token.account, collection.namespace).await?.is_some()),
            None => Ok(false),
        }
    }

    pub(super) async fn may_change(&self, principal: &Principal, namespace: AccountId) -> Result<bool> {
        let Some(token) = principal.unbound() else { return Ok(false) };
        let role = self.account_role(&token.account, namespace).await?.map(|role| role.min(token.scope));
        Ok(role >= Some(Role::Write))
    }

    /// The first items that the caller may know of.
    pub(super) async fn shown_items(
        &self,
        principal: &Principal,
        id: i64,
        most: usize,
    ) -> Result<Vec<ShownItem>> {
        let limit = i64::try_from(COLLECTION_ITEMS_MAX).map_err(Error::internal)?;
        let mut shown = Vec::new();
        for CollectionItem { id, what, note } in self.db.collection_items(id, limit).await? {
            if shown.len() >= most {
                break;
            }
            if let Some(what) = self.shown_what(principal, what).await? {
                shown.push(ShownItem { id, what, note });
            }
        }
        Ok(shown)
    }

    async fn shown_what(&self, principal: &Principal, what: Collected) -> Result<Option<ShownWhat>> {
        match what {
            Collected::Repo(id) => {
                let Some(repo) = self.db.repo(id).await? else { return Ok(None) };
                let may_know = self.sees(principal, &repo).await?;
                let Repo { name, visibility, .. } = repo;
                let is_private = visibility == Visibility::Private;
                Ok(may_know.then_some(ShownWhat::Repo(name, is_private)))
            }
            Collected::Collection(id) => {
                let Some(collection) = self.db.collection(id).await? else { return Ok(None) };
                let may_see = self.sees_collection(principal, &collection).await?;
                Ok(may_see.then(|| ShownWhat::Collection(Box::new(collection))))
            }
        }
    }
}
