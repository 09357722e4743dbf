//! Looking discussions up.

use polder_types::{AccountId, RepoId, UnixMillis};

use super::{Discussion, DiscussionAt, Pull};
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::Tx;
use crate::value::args;
use crate::{Db, Result};

/// The columns that [`discussion`] reads.
macro_rules! select_discussion {
    ($($rest:expr),+) => {
        concat!(
            "SELECT d.num, d.title, d.author, a.name, d.status, d.created_at, d.events, d.base, d.base_oid, ",
            "d.merge_oid FROM discussion d JOIN account a ON a.id = d.author ",
            $($rest),+
        )
    };
}

/// Which rows a filter lets through: `$2` a kind, `$3` whether they go on, `$4` an author's folded name;
/// an empty text lets all through.
macro_rules! filtered {
    () => {
        "WHERE d.repo = $1 \
        AND ($2 = '' OR ($2 = 'pull' AND d.is_pull_request) OR ($2 = 'talk' AND NOT d.is_pull_request)) \
        AND ($3 = '' OR ($3 = 'open' AND d.status IN ('draft', 'open')) \
            OR ($3 = 'closed' AND d.status IN ('closed', 'merged')) OR d.status = $3) \
        AND ($4 = '' OR a.fold = $4)"
    };
}

statements! {
    DISCUSSION = select_discussion!("WHERE d.repo = $1 AND d.num = $2");
    DISCUSSIONS = select_discussion!(filtered!(), " ORDER BY d.num DESC LIMIT $5 OFFSET $6");
    DISCUSSIONS_COUNT = concat!(
        "SELECT COUNT(*) FROM discussion d JOIN account a ON a.id = d.author ", filtered!()
    );
    OPEN_PULL_OF = "SELECT num FROM discussion WHERE author = $2 AND repo = $1 AND is_pull_request \
        AND status IN ('draft', 'open') LIMIT 1";
    LAST_NUM = "SELECT MAX(num) FROM discussion WHERE repo = $1";
}

/// Which discussions to list. Every filter that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscussionFilter {
    /// Pull requests only, or none of them.
    pub is_pull_request: Option<bool>,
    /// `open`: those that go on, drafts among them; `closed`: those that do not; else where exactly they
    /// stand.
    pub status: Option<String>,
    /// Those of the author whose folded name this is.
    pub author_fold: Option<String>,
}

impl Db {
    /// A discussion by its number.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn discussion(&self, at: DiscussionAt) -> Result<Option<Discussion>> {
        self.row(DISCUSSION, args![at.repo, at.num]).await?.map(|row| discussion(&row)).transpose()
    }

    /// Discussions of a repository, the latest first: `limit` of them after `skip`; and how many there are.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn discussions(
        &self,
        repo: RepoId,
        filter: &DiscussionFilter,
        skip: i64,
        limit: i64,
    ) -> Result<(Vec<Discussion>, i64)> {
        let kind = filter.is_pull_request.map_or("", |is_pull| if is_pull { "pull" } else { "talk" });
        let status = filter.status.as_deref().unwrap_or_default();
        let author = filter.author_fold.as_deref().unwrap_or_default();
        let rows = self.rows(DISCUSSIONS, args![repo, kind, status, author, limit, skip]).await?;
        let count = match self.row(DISCUSSIONS_COUNT, args![repo, kind, status, author]).await? {
            Some(row) => row.read(0)?,
            None => 0,
        };
        Ok((each(&rows, discussion)?, count))
    }

    /// Whether an account has a pull request that goes on.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn has_open_pull(&self, repo: RepoId, author: AccountId) -> Result<bool> {
        Ok(self.row(OPEN_PULL_OF, args![repo, author]).await?.is_some())
    }

    /// The number that the next discussion of a repository will have, unless another comes first.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn next_discussion(&self, repo: RepoId) -> Result<i64> {
        self.row(LAST_NUM, args![repo]).await?.map_or(Ok(1), |row| after(&row))
    }
}

impl Discussion {
    /// As [`Db::discussion`], in a write.
    pub(crate) async fn load(tx: &mut Tx, at: DiscussionAt) -> Result<Option<Self>> {
        tx.row(DISCUSSION, args![at.repo, at.num]).await?.map(|row| discussion(&row)).transpose()
    }
}

/// The number after the last one that a row tells.
pub(super) fn after(row: &Row) -> Result<i64> {
    Ok(row.read::<Option<i64>>(0)?.unwrap_or_default().saturating_add(1))
}

fn discussion(row: &Row) -> Result<Discussion> {
    let base: Option<String> = row.read(7)?;
    let pull = match base {
        Some(base) => Some(Pull { base, base_oid: row.oid(8)?, merge_oid: row.maybe_oid(9)? }),
        None => None,
    };
    Ok(Discussion {
        num: row.read(0)?,
        title: row.read(1)?,
        author: AccountId(row.read(2)?),
        author_name: row.read(3)?,
        status: row.word(4)?,
        created: UnixMillis(row.read(5)?),
        events: row.read(6)?,
        pull,
    })
}
