//! Making and changing collections.

use polder_db::{COLLECTION_ITEMS_MAX, Collected, Collection, CollectionText};
use polder_types::AccountName;

use super::{CollectionChange, ShownCollection};
use crate::Hub;
use crate::access::Principal;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// Longest title, description and note, in characters.
const TITLE_CHARS_MAX: usize = 100;
const TEXT_CHARS_MAX: usize = 1_000;
/// Colours of a collection's page; the first is that of one that names none.
const THEMES: [&str; 6] = ["orange", "blue", "green", "purple", "pink", "indigo"];

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
