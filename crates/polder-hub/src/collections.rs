//! Collections of repositories, as users and organisations put them together.

use polder_db::{
    COLLECTION_ITEMS_MAX, COLLECTIONS_ASKED_MAX, Collected, Collection, CollectionItem, CollectionQuery,
    CollectionText, NameState, Repo,
};
use polder_types::{AccountName, RepoKind, RepoName, Role};

use crate::Hub;
use crate::access::Principal;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// Longest title, description and note, in characters.
const TITLE_CHARS_MAX: usize = 100;
const TEXT_CHARS_MAX: usize = 1_000;
/// Colours of a collection's page; the first is that of one that names none.
const THEMES: [&str; 6] = ["orange", "blue", "green", "purple", "pink", "indigo"];
/// Most collections of a page.
const PAGE_MAX: usize = 100;
/// Items that a listing shows of each.
const SHOWN_ITEMS: usize = 4;
/// Longest part of a slug that a title makes.
const SLUG_CHARS_MAX: usize = 80;

/// A collection with what the caller may know of its items.
#[derive(Debug, Clone)]
pub struct ShownCollection {
    /// The collection.
    pub collection: Collection,
    /// Its items.
    pub items: Vec<ShownItem>,
}

/// An item.
#[derive(Debug, Clone)]
pub struct ShownItem {
    /// Local id.
    pub id: i64,
    /// What it is.
    pub what: ShownWhat,
    /// What its owner says of it.
    pub note: Option<String>,
}

/// What an item is.
#[derive(Debug, Clone)]
pub enum ShownWhat {
    /// A repository, and whether only its own know of it.
    Repo(RepoName, bool),
    /// Another collection.
    Collection(Box<Collection>),
}

/// What an owner asks; what is left out stays as it was.
#[derive(Debug, Clone, Default)]
pub struct CollectionChange {
    /// What it is called.
    pub title: Option<String>,
    /// What it is about; an empty text is none.
    pub description: Option<String>,
    /// Whether only its owners see it.
    pub private: Option<bool>,
    /// The colour of its page.
    pub theme: Option<String>,
    /// Its place among those of its namespace, from 0.
    pub position: Option<i64>,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct CollectionSearch {
    /// Of these namespaces only, if any are named.
    pub owners: Vec<String>,
    /// With one of these in it, as `models/acme/m`, if any are named.
    pub items: Vec<String>,
    /// What the page before gave as `next`.
    pub cursor: Option<String>,
    /// Most collections of a page.
    pub limit: usize,
}

/// How URLs name a collection: its owner, its title as far as it may be in a URL, and its id.
pub fn collection_slug(collection: &Collection) -> String {
    let mut words = String::new();
    for c in collection.text.title.chars().take(SLUG_CHARS_MAX) {
        if c.is_ascii_alphanumeric() {
            words.push(c.to_ascii_lowercase());
        } else if !words.ends_with('-') {
            words.push('-');
        }
    }
    let words = words.trim_matches('-');
    let dash = if words.is_empty() { "" } else { "-" };
    format!("{}/{words}{dash}{:024x}", collection.owner, collection.id)
}

/// The owner and the id in a slug; the words between may be those of a former title.
fn parse_slug(slug: &str) -> Option<(&str, i64)> {
    let (owner, rest) = slug.split_once('/')?;
    let id = rest.rsplit('-').next().filter(|id| id.len() == 24)?;
    Some((owner, i64::from_str_radix(id, 16).ok()?))
}

impl Hub {
    /// Makes a collection. Where the namespace has one of that title, that one as the error.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], [`Kind::Forbidden`], [`Kind::Invalid`], [`Kind::Conflict`].
    pub async fn add_collection(
        &self,
        principal: &Principal,
        namespace: &str,
        change: CollectionChange,
    ) -> Result<std::result::Result<ShownCollection, Collection>> {
        if principal.is_anonymous() {
            return Err(Error::hidden(true, ""));
        }
        let refused =
            || Error::new(Kind::Forbidden, format!("you may not make collections of `{namespace}`"));
        let name: AccountName = namespace.parse().map_err(|_why| refused())?;
        let account = self.db.find_account(&name.fold()).await?.ok_or_else(refused)?;
        if !self.may_change(principal, account.id).await? || !self.db.is_at_home(account.id).await? {
            return Err(refused());
        }
        let theme = THEMES.first().copied().unwrap_or_default().to_owned();
        let (title, description) = (String::new(), None);
        let text = changed(CollectionText { title, description, private: false, theme, place: 0 }, change)?;
        let entry = Entry::of(principal, "collection.add").with("title", text.title.as_str());
        let added = self.audited(entry).add_collection(account.id, text).await?;
        Ok(added.map(|collection| ShownCollection { collection, items: Vec::new() }))
    }

    /// A collection, with what the caller may know of its items.
    ///
    /// # Errors
    /// [`Kind::NotFound`] alike for one that is not here and one that the caller may not see.
    pub async fn collection(&self, principal: &Principal, slug: &str) -> Result<ShownCollection> {
        let collection = self.seen_collection(principal, slug).await?;
        let items = self.shown_items(principal, collection.id, COLLECTION_ITEMS_MAX).await?;
        Ok(ShownCollection { collection, items })
    }

    /// Changes a collection.
    ///
    /// # Errors
    /// As [`Hub::collection`]; [`Kind::Forbidden`], [`Kind::Invalid`], [`Kind::Conflict`].
    pub async fn set_collection(
        &self,
        principal: &Principal,
        slug: &str,
        change: CollectionChange,
    ) -> Result<ShownCollection> {
        let before = self.own_collection(principal, slug).await?;
        let text = changed(before.text, change)?;
        let entry = Entry::of(principal, "collection.set").with("title", text.title.as_str());
        let collection = self.audited(entry).set_collection(before.id, text).await?;
        let items = self.shown_items(principal, collection.id, COLLECTION_ITEMS_MAX).await?;
        Ok(ShownCollection { collection, items })
    }

    /// Removes a collection.
    ///
    /// # Errors
    /// As [`Hub::collection`]; [`Kind::Forbidden`].
    pub async fn delete_collection(&self, principal: &Principal, slug: &str) -> Result<()> {
        let collection = self.own_collection(principal, slug).await?;
        let entry = Entry::of(principal, "collection.delete").with("title", collection.text.title);
        Ok(self.audited(entry).delete_collection(collection.id).await?)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// As [`Hub::collection`]; [`Kind::NotFound`] also for an item that the caller may not read;
    /// [`Kind::Conflict`] for one that is there already; [`Kind::Forbidden`], [`Kind::Invalid`].
    pub async fn add_collection_item(
        &self,
        principal: &Principal,
        slug: &str,
        (kind, id): (&str, &str),
        note: Option<String>,
    ) -> Result<ShownCollection> {
        let collection = self.own_collection(principal, slug).await?;
        let note = checked_text("note", note)?;
        let what = self.collected(principal, kind, id).await?;
        if what == Collected::Collection(collection.id) {
            return Err(Error::invalid("a collection is not in itself"));
        }
        let entry = Entry::of(principal, "collection.set").with("adds", id);
        if !self.audited(entry).add_collection_item(collection.id, what, note).await? {
            return Err(Error::new(Kind::Conflict, format!("`{id}` is in this collection already")));
        }
        self.collection(principal, slug).await
    }

    /// Changes an item's note, or its place among those that the caller sees.
    ///
    /// # Errors
    /// As [`Hub::collection`]; [`Kind::Forbidden`], [`Kind::Invalid`].
    pub async fn set_collection_item(
        &self,
        principal: &Principal,
        slug: &str,
        item: i64,
        note: Option<String>,
        position: Option<usize>,
    ) -> Result<()> {
        let collection = self.own_collection(principal, slug).await?;
        let note = match note {
            Some(note) => checked_text("note", Some(note))?.or(Some(String::new())),
            None => None,
        };
        let before = match position {
            Some(position) => {
                let items = self.shown_items(principal, collection.id, COLLECTION_ITEMS_MAX).await?;
                let mut others = items.iter().filter(|other| other.id != item);
                Some(others.nth(position).map(|other| other.id))
            }
            None => None,
        };
        let entry = Entry::of(principal, "collection.set");
        Ok(self.audited(entry).set_collection_item(collection.id, item, note, before).await?)
    }

    /// Takes an item out.
    ///
    /// # Errors
    /// As [`Hub::collection`]; [`Kind::Forbidden`].
    pub async fn delete_collection_item(&self, principal: &Principal, slug: &str, item: i64) -> Result<()> {
        let collection = self.own_collection(principal, slug).await?;
        let entry = Entry::of(principal, "collection.set");
        Ok(self.audited(entry).delete_collection_item(collection.id, item).await?)
    }

    /// One page of collections, the last changed first, each with its first items; and what to pass as `cursor`
    /// for the next.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a cursor that is none, and for too many owners or items.
    pub async fn collections(
        &self,
        principal: &Principal,
        search: CollectionSearch,
    ) -> Result<(Vec<ShownCollection>, Option<String>)> {
        if search.owners.len().max(search.items.len()) > COLLECTIONS_ASKED_MAX {
            let message =
                format!("at most {COLLECTIONS_ASKED_MAX} owners and items may be asked for at once");
            return Err(Error::invalid(message));
        }
        let (mut owners, mut with) = (Vec::new(), Vec::new());
        for owner in &search.owners {
            owners.extend(self.db.find_account(&owner.to_ascii_lowercase()).await?.map(|account| account.id));
        }
        for item in &search.items {
            let (kind, id) = item.split_once('/').unwrap_or((item, ""));
            with.extend(self.collected(principal, kind.trim_end_matches('s'), id).await.ok());
        }
        // Nobody and nothing that is named is here.
        if owners.is_empty() != search.owners.is_empty() || with.is_empty() != search.items.is_empty() {
            return Ok((Vec::new(), None));
        }
        let token = principal.token().filter(|token| token.repos.is_none());
        let limit = search.limit.clamp(1, PAGE_MAX);
        let query = CollectionQuery {
            sees_all: token.is_some_and(|token| token.account.is_admin),
            account: token.map(|token| token.account.id),
            owners,
            with,
            after: search.cursor.as_deref().map(parse_cursor).transpose()?,
            limit: i64::try_from(limit).map_err(Error::internal)?.saturating_add(1),
        };
        let mut found = self.db.list_collections(&query).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|last| format!("{}-{}", last.updated.0, last.id));
        let mut shown = Vec::with_capacity(found.len());
        for collection in found {
            let items = self.shown_items(principal, collection.id, SHOWN_ITEMS).await?;
            shown.push(ShownCollection { collection, items });
        }
        Ok((shown, next))
    }

    /// What an item names, if the caller may read it.
    async fn collected(&self, principal: &Principal, kind: &str, id: &str) -> Result<Collected> {
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
    async fn seen_collection(&self, principal: &Principal, slug: &str) -> Result<Collection> {
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
    async fn own_collection(&self, principal: &Principal, slug: &str) -> Result<Collection> {
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
        match principal.token().filter(|token| token.repos.is_none()) {
            Some(token) => Ok(self.account_role(&token.account, collection.namespace).await?.is_some()),
            None => Ok(false),
        }
    }

    async fn may_change(&self, principal: &Principal, namespace: polder_types::AccountId) -> Result<bool> {
        let Some(token) = principal.token().filter(|token| token.repos.is_none()) else { return Ok(false) };
        let role = self.account_role(&token.account, namespace).await?.map(|role| role.min(token.scope));
        Ok(role >= Some(Role::Write))
    }

    /// The first items that the caller may know of.
    async fn shown_items(&self, principal: &Principal, id: i64, most: usize) -> Result<Vec<ShownItem>> {
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
                let is_private = visibility == polder_types::Visibility::Private;
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

fn changed(before: CollectionText, change: CollectionChange) -> Result<CollectionText> {
    let title = change.title.map_or(before.title, |title| title.trim().to_owned());
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.contains(char::is_control) {
        return Err(Error::invalid(format!("a collection's title has 1 to {TITLE_CHARS_MAX} characters")));
    }
    let description = match change.description {
        Some(text) => checked_text("description", Some(text))?,
        None => before.description,
    };
    let theme = change.theme.unwrap_or(before.theme);
    if !THEMES.contains(&theme.as_str()) {
        return Err(Error::invalid(format!("`{theme}` is no theme; say one of {}", THEMES.join(", "))));
    }
    let place = change.position.unwrap_or(before.place);
    if place < 0 {
        return Err(Error::invalid("positions are counted from 0"));
    }
    Ok(CollectionText { title, description, private: change.private.unwrap_or(before.private), theme, place })
}

/// A text of bounded length; an empty one is none.
fn checked_text(what: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    let is_bad = |text: &String| text.chars().count() > TEXT_CHARS_MAX || text.contains('\0');
    if text.as_ref().is_some_and(is_bad) {
        return Err(Error::invalid(format!("a {what} has at most {TEXT_CHARS_MAX} characters")));
    }
    Ok(text)
}

fn parse_cursor(text: &str) -> Result<(i64, i64)> {
    let parsed = text.split_once('-').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| Error::invalid("this cursor belongs to another listing; start again without one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fixture, fixture, repo, token};
    use polder_types::Visibility;

    async fn make(place: &Fixture, who: &Principal, title: &str) -> Result<String> {
        let change = CollectionChange { title: Some(title.to_owned()), ..CollectionChange::default() };
        let made = place.hub.add_collection(who, "acme", change).await?;
        made.map(|made| collection_slug(&made.collection))
            .map_err(|there| Error::new(Kind::Conflict, collection_slug(&there)))
    }

    fn names(shown: &ShownCollection) -> Vec<String> {
        let name = |item: &ShownItem| match &item.what {
            ShownWhat::Repo(name, _) => name.to_string(),
            ShownWhat::Collection(collection) => collection.text.title.clone(),
        };
        shown.items.iter().map(name).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_reader_may_not_read_is_not_there_for_them() {
        let place = fixture().await;
        let alice = place.login(token("alice")).await;
        let (bob, carol) = (place.login(token("bob")).await, place.login(token("carol")).await);
        let hub = &place.hub;
        let slug = make(&place, &alice, "Best of 2026!").await.unwrap();
        assert!(slug.starts_with("acme/best-of-2026-0"), "{slug}");
        let inner = make(&place, &alice, "模型").await.unwrap();
        assert_eq!(inner.len(), "acme/".len() + 24, "no word of it may be in a URL");
        for (kind, id) in [("model", "acme/closed"), ("collection", inner.as_str()), ("model", "acme/open")] {
            hub.add_collection_item(&alice, &slug, (kind, id), None).await.unwrap();
        }
        let seen = async |who: &Principal| names(&hub.collection(who, &slug).await.unwrap());
        assert_eq!(seen(&alice).await, ["acme/closed", "模型", "acme/open"]);
        assert_eq!(seen(&bob).await, ["acme/closed", "模型", "acme/open"]);
        assert_eq!(seen(&carol).await, ["模型", "acme/open"]);
        let hide = CollectionChange { private: Some(true), ..CollectionChange::default() };
        hub.set_collection(&alice, &inner, hide.clone()).await.unwrap();
        assert_eq!(seen(&carol).await, ["acme/open"]);
        assert_eq!(seen(&Principal::ANONYMOUS).await, ["acme/open"]);
        hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
        assert_eq!(seen(&carol).await, [""; 0]);
        hub.rename_repo(&repo("acme/open"), &repo("acme/renamed")).await.unwrap();
        assert_eq!(seen(&bob).await, ["acme/closed", "模型", "acme/renamed"]);

        hub.set_collection(&alice, &slug, hide).await.unwrap();
        let never = slug.replace("acme/", "bob/");
        for (who, slug) in [(&carol, &slug), (&alice, &never), (&Principal::ANONYMOUS, &slug)] {
            assert_eq!(hub.collection(who, slug).await.unwrap_err().kind(), Kind::NotFound);
        }
        let listed = async |who: &Principal| {
            hub.collections(who, CollectionSearch { limit: 10, ..CollectionSearch::default() })
                .await
                .unwrap()
                .0
                .len()
        };
        assert_eq!((listed(&bob).await, listed(&carol).await), (2, 0));
        // Nor is a listing a way to learn that something is there.
        let search = CollectionSearch {
            items: vec!["models/acme/closed".to_owned()],
            limit: 10,
            ..Default::default()
        };
        assert_eq!(hub.collections(&carol, search).await.unwrap().0.len(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_who_may_write_to_its_namespace_changes_a_collection() {
        let place = fixture().await;
        let alice = place.login(token("alice")).await;
        let bob = place.login(token("bob")).await;
        let reading = place.login(crate::TokenRequest { scope: Role::Read, ..token("alice") }).await;
        let limited =
            place.login(crate::TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
        let hub = &place.hub;
        let slug = make(&place, &alice, "Best").await.unwrap();
        hub.add_collection_item(&alice, &slug, ("model", "acme/open"), None).await.unwrap();
        let item = hub.collection(&alice, &slug).await.unwrap().items[0].id;
        for who in [&bob, &reading, &limited] {
            let change = || CollectionChange { title: Some("Mine".to_owned()), ..Default::default() };
            let made = hub.add_collection(who, "acme", change()).await.unwrap_err();
            let set = hub.set_collection(who, &slug, change()).await.unwrap_err();
            let added = hub.add_collection_item(who, &slug, ("model", "acme/open"), None).await.unwrap_err();
            let moved = hub.set_collection_item(who, &slug, item, None, Some(0)).await.unwrap_err();
            let taken = hub.delete_collection_item(who, &slug, item).await.unwrap_err();
            let deleted = hub.delete_collection(who, &slug).await.unwrap_err();
            for error in [made, set, added, moved, taken, deleted] {
                assert_eq!(error.kind(), Kind::Forbidden, "{error}");
            }
        }
        let stranger = hub.delete_collection(&Principal::ANONYMOUS, &slug).await.unwrap_err();
        assert_eq!(stranger.kind(), Kind::Unauthenticated);
        assert_eq!(make(&place, &alice, "Best").await.unwrap_err().message(), slug);
        let hidden = hub.add_collection_item(&bob, &slug, ("model", "acme/never"), None).await.unwrap_err();
        assert_eq!(hidden.kind(), Kind::Forbidden);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bad_texts_and_items_are_refused_and_change_nothing() {
        let place = fixture().await;
        let alice = place.login(token("alice")).await;
        let hub = &place.hub;
        let slug = make(&place, &alice, "Best").await.unwrap();
        for title in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert_eq!(make(&place, &alice, title).await.unwrap_err().kind(), Kind::Invalid, "{title:?}");
        }
        for change in [
            CollectionChange { theme: Some("beige".to_owned()), ..Default::default() },
            CollectionChange { position: Some(-1), ..Default::default() },
            CollectionChange { description: Some("x".repeat(1_001)), ..Default::default() },
        ] {
            assert_eq!(hub.set_collection(&alice, &slug, change).await.unwrap_err().kind(), Kind::Invalid);
        }
        for (kind, id, expected) in [
            ("paper", "2401.00001", Kind::Invalid),
            ("kernel", "acme/k", Kind::Invalid),
            ("model", "acme/never", Kind::NotFound),
            ("model", "open", Kind::NotFound),
            ("collection", "acme/never", Kind::NotFound),
            ("collection", &slug, Kind::Invalid),
        ] {
            let refused = hub.add_collection_item(&alice, &slug, (kind, id), None).await.unwrap_err();
            assert_eq!(refused.kind(), expected, "{kind} {id}");
        }
        assert_eq!(names(&hub.collection(&alice, &slug).await.unwrap()), [""; 0]);
    }
}
