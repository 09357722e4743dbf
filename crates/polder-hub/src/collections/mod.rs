//! Collections of repositories, as users and organisations put them together.

mod change;
mod list;
mod see;
#[cfg(test)]
mod tests;

use polder_db::Collection;
use polder_types::RepoName;

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
