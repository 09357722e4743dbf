//! What is in a collection.

use polder_types::RepoId;

use super::{collected, load, touch};
use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Most items of one collection.
pub const COLLECTION_ITEMS_MAX: usize = 500;

statements! {
    ITEMS = "SELECT id, repo, inside, note FROM collection_item WHERE collection = $1 ORDER BY place, id LIMIT $2";
    ITEM = "SELECT id, repo, inside, note FROM collection_item WHERE collection = $1 AND id = $2";
    INSERT_ITEM = "INSERT INTO collection_item (id, collection, place, repo, inside, note) \
        SELECT $1, $2, COALESCE(MAX(i.place), -1) + 1, $3, $4, $5 FROM collection_item i WHERE i.collection = $2";
    SET_NOTE = "UPDATE collection_item SET note = $2 WHERE id = $1";
    SET_PLACE = "UPDATE collection_item SET place = $2 WHERE id = $1";
    DELETE_ITEM = "DELETE FROM collection_item WHERE collection = $1 AND id = $2";
    DELETE_OF_REPO = "DELETE FROM collection_item WHERE repo = $1";
}

/// What may be in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collected {
    /// A repository.
    Repo(RepoId),
    /// Another collection.
    Collection(i64),
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionItem {
    /// Local id.
    pub id: i64,
    /// What it is.
    pub what: Collected,
    /// What its owner says of it.
    pub note: Option<String>,
}

impl Db {
    /// The items of a collection in their order, at most `limit`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn collection_items(&self, collection: i64, limit: i64) -> Result<Vec<CollectionItem>> {
        let items = each(&self.rows(ITEMS, args![collection, limit]).await?, item)?;
        Ok(items.into_iter().flatten().collect())
    }

    /// Adds an item at the end; false if it is there already.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such collection; [`Error::Conflict`] if it has
    /// [`COLLECTION_ITEMS_MAX`].
    pub async fn add_collection_item(
        &self,
        collection: i64,
        what: Collected,
        note: Option<String>,
    ) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                load(tx, collection).await?;
                let items = all(tx, collection).await?;
                if items.iter().any(|item| item.what == what) {
                    return Ok(Verdict::Discard(false));
                }
                if items.len() >= COLLECTION_ITEMS_MAX {
                    let what = format!("a collection has at most {COLLECTION_ITEMS_MAX} items");
                    return Err(Error::Conflict { what });
                }
                let (repo, inside) = match what {
                    Collected::Repo(repo) => (Some(repo), None),
                    Collected::Collection(inside) => (None, Some(inside)),
                };
                let id = tx.next_id();
                tx.execute(INSERT_ITEM, args![id, collection, repo, inside, note]).await?;
                touch(tx, collection).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Sets an item's note, if one is given; and moves it before another, or to the end, if that is asked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the collection has no such item.
    pub async fn set_collection_item(
        &self,
        collection: i64,
        item: i64,
        note: Option<String>,
        before: Option<Option<i64>>,
    ) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.row(ITEM, args![collection, item]).await?.is_none() {
                    return Err(gone(item));
                }
                if let Some(note) = note {
                    tx.execute(SET_NOTE, args![item, Some(note).filter(|note| !note.is_empty())]).await?;
                }
                if let Some(before) = before {
                    let others = all(tx, collection).await?.into_iter().map(|other| other.id);
                    let mut order: Vec<i64> = others.filter(|other| *other != item).collect();
                    let at = order.iter().position(|other| Some(*other) == before).unwrap_or(order.len());
                    order.insert(at, item);
                    for (place, id) in (0_i64..).zip(order) {
                        tx.execute(SET_PLACE, args![id, place]).await?;
                    }
                }
                touch(tx, collection).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Takes an item out.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the collection has no such item.
    pub async fn delete_collection_item(&self, collection: i64, item: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                if tx.execute(DELETE_ITEM, args![collection, item]).await? == 0 {
                    return Err(gone(item));
                }
                touch(tx, collection).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// Takes a repository out of every collection, in the write that deletes it.
pub(crate) async fn forget_repo(tx: &mut Tx, repo: RepoId) -> Result<()> {
    tx.execute(DELETE_OF_REPO, args![repo]).await.map(drop)
}

async fn all(tx: &mut Tx, collection: i64) -> Result<Vec<CollectionItem>> {
    let limit = i64::try_from(COLLECTION_ITEMS_MAX).unwrap_or(i64::MAX);
    let items = each(&tx.rows(ITEMS, args![collection, limit]).await?, item)?;
    Ok(items.into_iter().flatten().collect())
}

fn gone(item: i64) -> Error {
    missing(format!("item `{item:024x}` of the collection"))
}

fn item(row: &Row) -> Result<Option<CollectionItem>> {
    let what = collected(row.read(1)?, row.read(2)?);
    let (id, note) = (row.read(0)?, row.read(3)?);
    Ok(what.map(|what| CollectionItem { id, what, note }))
}
