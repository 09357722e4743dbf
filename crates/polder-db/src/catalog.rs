//! What repositories are looked for by, and the looking.

use polder_types::{AccountId, ObjectId, RepoId, RepoKind, UnixMillis};

use crate::catalog_search::statement;
use crate::downloads::DAY_MILLIS;
use crate::repos::{REPO_COLUMNS, Repo};
use crate::row::{Row, each};
use crate::sql::{ROWS_PER_STATEMENT_MAX, statements, templates};
use crate::tx::{Tx, Verdict};
use crate::value::{Value, args};
use crate::{Db, Result};

/// Tags that a search may ask for at once.
pub const CATALOG_TAGS_ASKED_MAX: usize = 8;
/// Parts of names that a search may ask for at once.
pub const CATALOG_TEXTS_ASKED_MAX: usize = 2;
/// Which reading of a repository's files this build writes. Counted up, it has every entry written anew.
const READING: i64 = 3;

statements! {
    PUBLIC_TAGS = "SELECT t.tag, t.type, COUNT(*) AS times FROM catalog_tag t JOIN repo r ON r.id = t.repo \
        WHERE r.kind = $1 AND r.state = 'live' AND r.withheld IS NULL AND r.visibility = 'public' \
        AND t.type NOT IN ('app', 'model') GROUP BY t.tag, t.type ORDER BY times DESC, t.tag, t.type LIMIT $2";
    INSERT_ENTRY = "INSERT INTO catalog (repo, changed_at, likes, facts) VALUES ($1, $2, 0, '{}')";
    UPDATE_ENTRY = "UPDATE catalog SET commit_oid = $2, changed_at = $3, parameters = $4, facts = $5, reading = $6 WHERE repo = $1";
    DELETE_TAGS = "DELETE FROM catalog_tag WHERE repo = $1";
    DELETE_ENTRY = "DELETE FROM catalog WHERE repo = $1";
    DELETE_LIKES = "DELETE FROM repo_like WHERE repo = $1";
    ENTRY = "SELECT commit_oid, changed_at, likes, facts FROM catalog WHERE repo = $1";
    FACTS_AT_TIP = "SELECT c.facts FROM catalog c JOIN repo r ON r.id = c.repo \
        JOIN ref f ON f.repo = r.id AND f.name = r.head WHERE c.repo = $1 AND c.commit_oid = f.oid";
    TIP = "SELECT f.oid FROM ref f JOIN repo r ON r.id = f.repo AND f.name = r.head \
        WHERE r.id = $1 AND r.state = 'live'";
    STALE_AFTER = "SELECT c.repo, f.oid FROM catalog c JOIN repo r ON r.id = c.repo AND r.state = 'live' \
        JOIN ref f ON f.repo = r.id AND f.name = r.head \
        WHERE c.repo > $1 AND (c.commit_oid IS NULL OR c.commit_oid <> f.oid OR c.reading < $3) ORDER BY c.repo LIMIT $2";
    INSERT_LIKE = "INSERT INTO repo_like (repo, account, liked_at) VALUES ($1, $2, $3) \
        ON CONFLICT (repo, account) DO NOTHING";
    DELETE_LIKE = "DELETE FROM repo_like WHERE repo = $1 AND account = $2";
    ADD_LIKES = "UPDATE catalog SET likes = likes + $2 WHERE repo = $1";
    LIKERS = "SELECT a.name, l.liked_at, l.account FROM repo_like l JOIN account a ON a.id = l.account \
        WHERE l.repo = $1 AND (l.liked_at < $2 OR (l.liked_at = $2 AND l.account < $3)) \
        ORDER BY l.liked_at DESC, l.account DESC LIMIT $4";
    // Of what the account $6 may know of, or all ($5).
    LIKED_BY = "SELECT l.repo, l.liked_at FROM repo_like l JOIN repo r ON r.id = l.repo AND r.state = 'live' \
        WHERE l.account = $1 AND (l.liked_at < $2 OR (l.liked_at = $2 AND l.repo < $3)) \
        AND (r.withheld IS NULL OR ($5 AND r.withheld NOT IN ('takedown', 'blocked'))) \
        AND (r.visibility = 'public' OR r.shown OR $5 OR r.ns = $6 \
        OR EXISTS (SELECT 1 FROM member m WHERE m.org = r.ns AND m.user_id = $6)) \
        ORDER BY l.liked_at DESC, l.repo DESC LIMIT $4";
}

templates! {
    INSERT_TAGS(1) = "INSERT INTO catalog_tag (repo, tag, type) VALUES ", "($1, ?, ?)", "";
}

/// A tag and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTag {
    /// As it is looked for.
    pub tag: String,
    /// `license`, `language`, `library` and so on, or `other`.
    pub kind: String,
}

/// What a repository is looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCatalogEntry {
    /// The commit that it describes.
    pub commit: ObjectId,
    /// When that was made, and not later than now.
    pub changed: UnixMillis,
    /// How many parameters a model has.
    pub parameters: Option<i64>,
    /// Each once.
    pub tags: Vec<CatalogTag>,
    /// A JSON object.
    pub facts: String,
}

/// A repository's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The commit that it describes; `None` while there is none.
    pub commit: Option<ObjectId>,
    /// When that was made (never later than it was described), or the repository.
    pub changed: UnixMillis,
    /// How many accounts like it.
    pub likes: i64,
    /// A JSON object.
    pub facts: String,
}

/// What a page is ordered by, largest first unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogOrder {
    /// When the default branch last changed.
    Changed,
    /// When the repository was made.
    Created,
    /// How many like it.
    Likes,
    /// How often it was downloaded here since [`CatalogQuery::since_day`].
    Downloads,
    /// Downloads and likes here since [`CatalogQuery::since_day`].
    Trend,
}

/// Who looks, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogQuery {
    /// What kind of repository.
    pub kind: RepoKind,
    /// Whether private ones of everybody are shown too.
    pub sees_all: bool,
    /// Whose own and whose organisations' private ones are shown.
    pub account: Option<AccountId>,
    /// The namespace, folded.
    pub author: Option<String>,
    /// Parts of `namespace/name`, in lower case; at most [`CATALOG_TEXTS_ASKED_MAX`] count.
    pub texts: Vec<String>,
    /// Each must be there; at most [`CATALOG_TAGS_ASKED_MAX`] count.
    pub tags: Vec<String>,
    /// Only those that use a model or a dataset.
    pub linked: bool,
    /// Fewest and most parameters.
    pub parameters: (Option<i64>, Option<i64>),
    /// Only those with a gate, or without.
    pub gated: Option<bool>,
    /// The order.
    pub order: CatalogOrder,
    /// Whether the smallest comes first.
    pub ascending: bool,
    /// From which day on downloads and likes count, in days since 1970.
    pub since_day: i64,
    /// Where the page before ended: [`Cataloged::place`] of its last one.
    pub after: Option<(i64, RepoId)>,
    /// Most repositories of a page.
    pub limit: i64,
}

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cataloged {
    /// The repository.
    pub repo: Repo,
    /// Its entry.
    pub entry: CatalogEntry,
    /// Its place in the order.
    pub place: (i64, RepoId),
}

impl Db {
    /// One page of the repositories that fit.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn search_catalog(&self, query: &CatalogQuery) -> Result<Vec<Cataloged>> {
        let statement = statement(query.order, query.ascending);
        let text =
            |at: usize| query.texts.get(at).map(|text| format!("%{}%", escaped(text))).unwrap_or_default();
        let (least, most) = query.parameters;
        let mut args = args![
            query.kind.as_str(),
            query.sees_all,
            query.account.map_or(-1, |account| account.0),
            query.author.clone().unwrap_or_default(),
            text(0),
            least.unwrap_or(-1),
            most.unwrap_or(-1),
        ];
        for at in 0..CATALOG_TAGS_ASKED_MAX {
            args.push(Value::from(query.tags.get(at).cloned().unwrap_or_default()));
        }
        let before_all = if query.ascending { i64::MIN } else { i64::MAX };
        let (place, id) = query.after.unwrap_or((before_all, RepoId(before_all)));
        args.extend(args![place, id, query.limit, query.gated.map_or(-1, i64::from), text(1), query.linked]);
        if matches!(query.order, CatalogOrder::Downloads | CatalogOrder::Trend) {
            args.extend(args![query.since_day]);
        }
        if query.order == CatalogOrder::Trend {
            args.extend(args![query.since_day.saturating_mul(DAY_MILLIS)]);
        }
        each(&self.rows(statement, args).await?, |row| {
            let repo = Repo::from_row(row)?;
            let place = (row.read(REPO_COLUMNS + 4)?, repo.id);
            Ok(Cataloged { repo, entry: entry(row, REPO_COLUMNS)?, place })
        })
    }

    /// The tags of public repositories of a kind, the most frequent first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn public_tags(&self, kind: RepoKind, limit: i64) -> Result<Vec<CatalogTag>> {
        each(&self.rows(PUBLIC_TAGS, args![kind.as_str(), limit]).await?, |row| {
            Ok(CatalogTag { tag: row.read(0)?, kind: row.read(1)? })
        })
    }

    /// The entry of a repository.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn catalog_entry(&self, repo: RepoId) -> Result<Option<CatalogEntry>> {
        self.row(ENTRY, args![repo]).await?.map(|row| entry(&row, 0)).transpose()
    }

    /// Repositories whose entry does not describe the tip of their default branch, or as an older build read it,
    /// with that tip, by id: at most `limit` after `after`.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn stale_catalog(&self, after: Option<RepoId>, limit: i64) -> Result<Vec<(RepoId, ObjectId)>> {
        let after = after.map_or(i64::MIN, |id| id.0);
        each(&self.rows(STALE_AFTER, args![after, limit, READING]).await?, |row| {
            Ok((RepoId(row.read(0)?), row.oid(1)?))
        })
    }

    /// Describes a repository anew, if the commit is still the tip of its default branch; says whether.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn describe_repo(&self, repo: RepoId, entry: NewCatalogEntry) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move {
                let tip = tx.row(TIP, args![repo]).await?.map(|row| row.oid(0)).transpose()?;
                if tip != Some(entry.commit) {
                    return Ok(Verdict::Discard(false));
                }
                describe(tx, repo, &entry).await?;
                Ok(Verdict::Keep(true))
            })
        })
        .await
    }

    /// Notes that an account likes a repository, or no longer does; twice is once.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_like(&self, repo: RepoId, account: AccountId, likes: bool) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let (changed, more) = if likes {
                    (tx.execute(INSERT_LIKE, args![repo, account, now]).await?, 1_i64)
                } else {
                    (tx.execute(DELETE_LIKE, args![repo, account]).await?, -1)
                };
                if changed == 0 {
                    return Ok(Verdict::Discard(()));
                }
                tx.execute(ADD_LIKES, args![repo, more]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Who likes a repository and since when, the latest first: at most `limit` after the one that ended a page.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn likers(&self, repo: RepoId, after: Liked, limit: i64) -> Result<Vec<(String, Liked)>> {
        each(&self.rows(LIKERS, args![repo, after.since, after.id, limit]).await?, |row| {
            Ok((row.read(0)?, Liked { since: UnixMillis(row.read(1)?), id: row.read(2)? }))
        })
    }

    /// What an account likes and since when, the latest first, as far as `reader` may know of it: at most `limit`
    /// after the one that ended a page.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn liked_by(
        &self,
        account: AccountId,
        reader: Reader,
        after: Liked,
        limit: i64,
    ) -> Result<Vec<(RepoId, Liked)>> {
        let mut args = args![account, after.since, after.id, limit];
        args.extend(args![reader.sees_all, reader.account]);
        each(&self.rows(LIKED_BY, args).await?, |row| {
            let id = row.read(0)?;
            Ok((RepoId(id), Liked { since: UnixMillis(row.read(1)?), id }))
        })
    }
}

/// Who reads a list: what is private is in it for its owners only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reader {
    /// The account, if it is one.
    pub account: Option<AccountId>,
    /// Whether it administers the hub.
    pub sees_all: bool,
}

/// Where a like stands in a list, the latest first: since when, and whose or of which repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liked {
    /// Since when.
    pub since: UnixMillis,
    /// The account, or the repository.
    pub id: i64,
}

impl Liked {
    /// Before every other.
    pub const FIRST: Self = Self { since: UnixMillis(i64::MAX), id: i64::MAX };
}

/// Opens the entry of a new repository.
pub(crate) async fn open(tx: &mut Tx, repo: RepoId) -> Result<()> {
    let now = tx.now();
    tx.execute(INSERT_ENTRY, args![repo, now]).await.map(drop)
}

/// What an entry says, if it is about what the default branch is now.
pub(crate) async fn facts_at_tip(tx: &mut Tx, repo: RepoId) -> Result<Option<String>> {
    tx.row(FACTS_AT_TIP, args![repo]).await?.map(|row| row.read(0)).transpose()
}

/// Replaces what an entry says.
pub(crate) async fn describe(tx: &mut Tx, repo: RepoId, entry: &NewCatalogEntry) -> Result<()> {
    let NewCatalogEntry { commit, changed, parameters, tags, facts } = entry;
    let args = args![repo, *commit, *changed, *parameters, facts.as_str(), READING];
    tx.execute(UPDATE_ENTRY, args).await?;
    tx.execute(DELETE_TAGS, args![repo]).await?;
    for tags in tags.chunks(ROWS_PER_STATEMENT_MAX) {
        let mut args = args![repo];
        args.extend(
            tags.iter()
                .flat_map(|CatalogTag { tag, kind }| [tag, kind])
                .map(|text| Value::from(text.as_str())),
        );
        tx.execute(INSERT_TAGS.statement(tags.len()), args).await?;
    }
    Ok(())
}

/// Removes the entry of a deleted repository.
pub(crate) async fn close(tx: &mut Tx, repo: RepoId) -> Result<()> {
    for statement in [DELETE_TAGS, DELETE_LIKES, DELETE_ENTRY] {
        tx.execute(statement, args![repo]).await?;
    }
    Ok(())
}

fn entry(row: &Row, first: usize) -> Result<CatalogEntry> {
    Ok(CatalogEntry {
        commit: row.maybe_oid(first)?,
        changed: UnixMillis(row.read(first + 1)?),
        likes: row.read(first + 2)?,
        facts: row.read(first + 3)?,
    })
}

/// A text in a pattern of LIKE, in which it stands for itself.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, char| {
        if matches!(char, '%' | '_' | '!') {
            out.push('!');
        }
        out.push(char);
        out
    })
}
