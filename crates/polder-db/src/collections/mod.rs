//! Collections: repositories that somebody put together, in an order.

mod items;

use polder_types::{AccountId, AccountName, RepoId, UnixMillis};

pub(crate) use items::forget_repo;
pub use items::{COLLECTION_ITEMS_MAX, Collected, CollectionItem};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Most collections of one namespace.
pub const COLLECTIONS_PER_NAMESPACE_MAX: i64 = 1_000;
/// Owners, and items, that one listing may ask for.
pub const COLLECTIONS_ASKED_MAX: usize = 8;

/// The columns that [`Collection::from_row`] reads.
macro_rules! select_collection {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.ns, a.name, a.kind, c.title, c.description, c.private, c.theme, c.place, c.updated_at ",
            "FROM collection c JOIN account a ON a.id = c.ns ",
            $rest
        )
    };
}

statements! {
    INSERT_COLLECTION = "INSERT INTO collection (id, ns, title, description, private, theme, place, updated_at) \
        SELECT $1, $2, $3, $4, $5, $6, COUNT(*), $7 FROM collection c WHERE c.ns = $2";
    COUNT_OF_NAMESPACE = "SELECT COUNT(*) FROM collection WHERE ns = $1";
    UPDATE_COLLECTION = "UPDATE collection SET title = $2, description = $3, private = $4, theme = $5, place = $6, \
        updated_at = $7 WHERE id = $1";
    TOUCH = "UPDATE collection SET updated_at = $2 WHERE id = $1";
    DELETE_COLLECTION = "DELETE FROM collection WHERE id = $1";
    DELETE_ITEMS = "DELETE FROM collection_item WHERE collection = $1 OR inside = $1";
    BY_ID = select_collection!("WHERE c.id = $1");
    BY_TITLE = select_collection!("WHERE c.ns = $1 AND c.title = $2");
    LISTED = select_collection!(
        "WHERE (NOT c.private OR $1 OR c.ns = $2 \
        OR EXISTS (SELECT 1 FROM member m WHERE m.org = c.ns AND m.user_id = $2)) \
        AND ($3 OR c.ns IN ($4, $5, $6, $7, $8, $9, $10, $11)) \
        AND ($12 OR EXISTS (SELECT 1 FROM collection_item i WHERE i.collection = c.id \
        AND (i.repo IN ($13, $14, $15, $16, $17, $18, $19, $20) \
        OR i.inside IN ($13, $14, $15, $16, $17, $18, $19, $20)))) \
        AND (c.updated_at < $21 OR (c.updated_at = $21 AND c.id < $22)) \
        ORDER BY c.updated_at DESC, c.id DESC LIMIT $23"
    );
}

/// Every statement about collections.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[ALL, items::ALL];

/// What its owners decide of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionText {
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Whether only its owners see it.
    pub private: bool,
    /// The colour of its page.
    pub theme: String,
    /// Its place among those of its namespace.
    pub place: i64,
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Local id.
    pub id: i64,
    /// Whose it is.
    pub namespace: AccountId,
    /// That account's name.
    pub owner: AccountName,
    /// Whether that is an organisation.
    pub is_org: bool,
    /// What its owners decide.
    pub text: CollectionText,
    /// When it or its items last changed.
    pub updated: UnixMillis,
}

impl Collection {
    fn from_row(row: &Row) -> Result<Self> {
        let kind: String = row.read(3)?;
        Ok(Self {
            id: row.read(0)?,
            namespace: AccountId(row.read(1)?),
            owner: row.word(2)?,
            is_org: kind == "org",
            text: CollectionText {
                title: row.read(4)?,
                description: row.read(5)?,
                private: row.read(6)?,
                theme: row.read(7)?,
                place: row.read(8)?,
            },
            updated: UnixMillis(row.read(9)?),
        })
    }
}

/// Who looks for which collections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectionQuery {
    /// Whether private ones of everybody are shown too.
    pub sees_all: bool,
    /// Whose own and whose organisations' private ones are shown.
    pub account: Option<AccountId>,
    /// Of these namespaces only, if any are named; at most [`COLLECTIONS_ASKED_MAX`].
    pub owners: Vec<AccountId>,
    /// With one of these in it, if any are named; at most [`COLLECTIONS_ASKED_MAX`].
    pub with: Vec<Collected>,
    /// Where the page before ended: when its last one changed, and its id.
    pub after: Option<(i64, i64)>,
    /// Most collections of a page.
    pub limit: i64,
}

impl Db {
    /// Adds a collection without items; its place is the last. The one that has the title already, if so.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the namespace has [`COLLECTIONS_PER_NAMESPACE_MAX`].
    pub async fn add_collection(
        &self,
        namespace: AccountId,
        text: CollectionText,
    ) -> Result<std::result::Result<Collection, Collection>> {
        self.write(move |tx| {
            Box::pin(async move {
                if let Some(row) = tx.row(BY_TITLE, args![namespace, text.title.as_str()]).await? {
                    return Ok(Verdict::Discard(Err(Collection::from_row(&row)?)));
                }
                let count = tx.row(COUNT_OF_NAMESPACE, args![namespace]).await?;
                if count.map_or(Ok(0), |row| row.read::<i64>(0))? >= COLLECTIONS_PER_NAMESPACE_MAX {
                    let most = COLLECTIONS_PER_NAMESPACE_MAX;
                    return Err(Error::Conflict {
                        what: format!("a namespace has at most {most} collections"),
                    });
                }
                let (id, now) = (tx.next_id(), tx.now());
                let CollectionText { title, description, private, theme, place: _ } = text;
                let args = args![id, namespace, title, description, private, theme, now];
                tx.execute(INSERT_COLLECTION, args).await?;
                Ok(Verdict::Keep(Ok(load(tx, id).await?)))
            })
        })
        .await
    }

    /// Changes what its owners decide.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such collection; [`Error::Conflict`] if another has the title.
    pub async fn set_collection(&self, id: i64, text: CollectionText) -> Result<Collection> {
        self.write(move |tx| {
            Box::pin(async move {
                let before = load(tx, id).await?;
                let same = tx.row(BY_TITLE, args![before.namespace, text.title.as_str()]).await?;
                if same.map(|row| row.read::<i64>(0)).transpose()?.is_some_and(|other| other != id) {
                    let what = format!("`{}` has a collection `{}` already", before.owner, text.title);
                    return Err(Error::Conflict { what });
                }
                let now = tx.now();
                let CollectionText { title, description, private, theme, place } = text;
                tx.execute(UPDATE_COLLECTION, args![id, title, description, private, theme, place, now])
                    .await?;
                Ok(Verdict::Keep(load(tx, id).await?))
            })
        })
        .await
    }

    /// Removes a collection, also from those that it is in.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such collection.
    pub async fn delete_collection(&self, id: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                load(tx, id).await?;
                tx.execute(DELETE_ITEMS, args![id]).await?;
                tx.execute(DELETE_COLLECTION, args![id]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Reads a collection.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn collection(&self, id: i64) -> Result<Option<Collection>> {
        self.row(BY_ID, args![id]).await?.map(|row| Collection::from_row(&row)).transpose()
    }

    /// One page of the collections that someone may see, the last changed first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_collections(&self, query: &CollectionQuery) -> Result<Vec<Collection>> {
        let mut args = args![query.sees_all, query.account.map_or(-1, |account| account.0)];
        let owners = query.owners.iter().map(|owner| owner.0).collect();
        let with = query.with.iter().map(|one| match one {
            Collected::Repo(repo) => repo.0,
            Collected::Collection(id) => *id,
        });
        for mut wanted in [owners, with.collect::<Vec<i64>>()] {
            let any = wanted.is_empty();
            wanted.resize(COLLECTIONS_ASKED_MAX, -1);
            args.extend(args![any]);
            args.extend(wanted.into_iter().map(crate::value::Value::from));
        }
        let (updated, id) = query.after.unwrap_or((i64::MAX, i64::MAX));
        args.extend(args![updated, id, query.limit]);
        each(&self.rows(LISTED, args).await?, Collection::from_row)
    }
}

fn gone(id: i64) -> Error {
    missing(format!("collection `{id:024x}`"))
}

/// Reads a collection inside a write.
async fn load(tx: &mut Tx, id: i64) -> Result<Collection> {
    let row = tx.row(BY_ID, args![id]).await?.ok_or_else(|| gone(id))?;
    Collection::from_row(&row)
}

/// Notes that a collection has changed.
async fn touch(tx: &mut Tx, id: i64) -> Result<()> {
    let now = tx.now();
    tx.execute(TOUCH, args![id, now]).await.map(drop)
}

/// What an item is.
fn collected(repo: Option<i64>, inside: Option<i64>) -> Option<Collected> {
    repo.map(|repo| Collected::Repo(RepoId(repo))).or(inside.map(Collected::Collection))
}
