//! How much each namespace may store, how much it stores, and what is promised to uploads under way.
//!
//! Large objects count once for a namespace, whichever of its repositories and attachments have them; packs count as
//! they are. Whatever adds bytes first updates the namespace's row, and only if the sum stays within the
//! limit: that update is both the check and the lock, on every engine, so that no race gets past it.

use polder_types::{AccountId, RepoId, ReservationId, Sha256, UnixMillis};

use crate::db::missing;
use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result, contributed};

/// The columns that [`Usage::from_row`] reads.
macro_rules! select_usage {
    ($rest:literal) => {
        concat!(
            "SELECT a.name, q.bytes_max, d.bytes_max, q.blob_bytes, q.pack_bytes, q.reserved_bytes ",
            "FROM quota q JOIN account a ON a.id = q.ns JOIN quota_default d ON d.id = 1 ",
            $rest
        )
    };
}

statements! {
    INSERT_QUOTA = "INSERT INTO quota (ns, blob_bytes, pack_bytes, reserved_bytes) VALUES ($1, 0, 0, 0)";
    SET_DEFAULT = "UPDATE quota_default SET bytes_max = $1 WHERE bytes_max <> $1";
    SET_QUOTA = "UPDATE quota SET bytes_max = $2 WHERE ns = $1";
    USAGE_OF = select_usage!("WHERE q.ns = $1");
    USAGE_OF_REPO = select_usage!("JOIN repo r ON r.ns = q.ns WHERE r.id = $1");
    USAGES_AFTER = select_usage!("WHERE a.fold > $1 ORDER BY a.fold LIMIT $2");
    // What adds nothing is never refused, however full it is.
    CHARGE = "UPDATE quota SET blob_bytes = blob_bytes + $2, pack_bytes = pack_bytes + $3, \
        reserved_bytes = reserved_bytes + $4 WHERE ns = $1 AND (blob_bytes + pack_bytes + reserved_bytes + $5 \
        <= COALESCE(bytes_max, (SELECT bytes_max FROM quota_default)) OR $5 <= 0)";
    NAMESPACE_OF = "SELECT ns FROM repo WHERE id = $1 AND state = 'live'";
    LINKED_BESIDE = "SELECT 1 FROM repo_blob l JOIN repo r ON r.id = l.repo \
        WHERE l.sha256 = $1 AND l.repo <> $2 AND r.ns = $3 UNION ALL \
        SELECT 1 FROM attachment t WHERE t.sha256 = $1 AND t.account = $3 LIMIT 1";
    OWN_BLOB_BYTES = "SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repo_blob l \
        JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' WHERE l.repo = $1 AND NOT EXISTS \
        (SELECT 1 FROM repo_blob o JOIN repo r ON r.id = o.repo \
        WHERE o.sha256 = l.sha256 AND o.repo <> $1 AND r.ns = $2) AND NOT EXISTS \
        (SELECT 1 FROM attachment t WHERE t.sha256 = l.sha256 AND t.account = $2)";
    PACK_BYTES = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM pack WHERE repo = $1 AND state = 'live'";
    INSERT_RESERVATION = "INSERT INTO reservation (id, ns, bytes, survives, expires, contributor) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    TAKE_RESERVATION = "DELETE FROM reservation WHERE id = $1 RETURNING ns, bytes";
    LAPSED = "SELECT id FROM reservation WHERE expires <= $1 ORDER BY expires LIMIT $2";
    LEFT_BEHIND = "SELECT id FROM reservation WHERE NOT survives LIMIT $1";
    WRONG_USAGE = "SELECT a.id, a.name, q.blob_bytes + q.pack_bytes, CAST( \
        COALESCE((SELECT SUM(held.size) FROM (SELECT b.sha256, b.size FROM repo r \
        JOIN repo_blob l ON l.repo = r.id JOIN blob b ON b.sha256 = l.sha256 AND b.state = 'live' \
        WHERE r.ns = a.id UNION SELECT b.sha256, b.size FROM attachment t \
        JOIN blob b ON b.sha256 = t.sha256 AND b.state = 'live' WHERE t.account = a.id) held), 0) + COALESCE((SELECT SUM(p.bytes) FROM repo r \
        JOIN pack p ON p.repo = r.id AND p.state = 'live' WHERE r.ns = a.id), 0) AS BIGINT), \
        q.reserved_bytes, CAST(COALESCE((SELECT SUM(v.bytes) FROM reservation v WHERE v.ns = a.id), 0) AS BIGINT) \
        FROM quota q JOIN account a ON a.id = q.ns WHERE a.id > $1 ORDER BY a.id LIMIT $2";
}

/// What stands for "no limit".
const UNLIMITED: i64 = i64::MAX;
/// Most reservations looked at in one go.
const LAPSED_PAGE: i64 = 500;

/// What a namespace may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// What the configuration says for all.
    Default,
    /// No limit, whatever the configuration says.
    None,
    /// This many bytes.
    Bytes(i64),
}

/// What a namespace may store and stores, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The namespace.
    pub namespace: String,
    /// What was set for it.
    pub limit: Limit,
    /// What holds for it; `None` is no limit.
    pub bytes_max: Option<i64>,
    /// Large objects, each counted once.
    pub blob_bytes: i64,
    /// Packs.
    pub pack_bytes: i64,
    /// Promised to uploads under way.
    pub reserved_bytes: i64,
}

impl Usage {
    fn from_row(row: &Row) -> Result<Self> {
        let (set, default): (Option<i64>, i64) = (row.read(1)?, row.read(2)?);
        let limit = match set {
            None => Limit::Default,
            Some(UNLIMITED) => Limit::None,
            Some(bytes) => Limit::Bytes(bytes),
        };
        Ok(Self {
            namespace: row.read(0)?,
            limit,
            bytes_max: Some(set.unwrap_or(default)).filter(|max| *max != UNLIMITED),
            blob_bytes: row.read(3)?,
            pack_bytes: row.read(4)?,
            reserved_bytes: row.read(5)?,
        })
    }

    /// Everything that counts.
    pub fn used_bytes(&self) -> i64 {
        self.blob_bytes.saturating_add(self.pack_bytes).saturating_add(self.reserved_bytes)
    }

    /// What can still be added; `None` is no limit. Zero also where more is stored than may be.
    pub fn bytes_left(&self) -> Option<i64> {
        self.bytes_max.map(|max| max.saturating_sub(self.used_bytes()).max(0))
    }
}

/// What a change adds to a namespace, or takes from it, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) blobs: i64,
    pub(crate) packs: i64,
    pub(crate) reserved: i64,
}

impl Db {
    /// Sets what holds for namespaces without a limit of their own.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_default_quota(&self, bytes_max: Option<i64>) -> Result<()> {
        let bytes_max = bytes_max.unwrap_or(UNLIMITED);
        self.write(move |tx| {
            Box::pin(async move {
                let changed = tx.execute(SET_DEFAULT, args![bytes_max]).await? > 0;
                Ok(if changed { Verdict::Keep(()) } else { Verdict::Discard(()) })
            })
        })
        .await
    }

    /// Sets the limit of a namespace. It may be lower than what is stored: then nothing can be added.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account.
    pub async fn set_quota(&self, namespace: AccountId, limit: Limit) -> Result<()> {
        let bytes_max = match limit {
            Limit::Default => None,
            Limit::None => Some(UNLIMITED),
            Limit::Bytes(bytes) => Some(bytes),
        };
        self.write(move |tx| {
            Box::pin(async move {
                match tx.execute(SET_QUOTA, args![namespace, bytes_max]).await? {
                    0 => Err(missing(format!("account {namespace}"))),
                    _ => Ok(Verdict::Keep(())),
                }
            })
        })
        .await
    }

    /// Reads what a namespace stores.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account.
    pub async fn usage(&self, namespace: AccountId) -> Result<Usage> {
        let row = self.row(USAGE_OF, args![namespace]).await?;
        Usage::from_row(&row.ok_or_else(|| missing(format!("account {namespace}")))?)
    }

    /// Reads what the namespace of a repository stores.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such repository.
    pub async fn usage_of_repo(&self, repo: RepoId) -> Result<Usage> {
        let row = self.row(USAGE_OF_REPO, args![repo]).await?;
        Usage::from_row(&row.ok_or_else(|| missing(format!("repository {repo}")))?)
    }

    /// Lists what namespaces store, by folded name, at most `limit` after the name `after` (folded).
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_usage(&self, after: &str, limit: i64) -> Result<Vec<Usage>> {
        each(&self.rows(USAGES_AFTER, args![after, limit]).await?, Usage::from_row)
    }

    /// Promises `bytes` of the namespace of `repo` to an upload until `expires`. One that does not
    /// survive is also released by [`Db::release_left_behind`].
    ///
    /// # Errors
    /// [`Error::OverQuota`]; [`Error::NotFound`] if there is no such repository.
    pub async fn reserve(
        &self,
        repo: RepoId,
        bytes: i64,
        survives: bool,
        expires: UnixMillis,
    ) -> Result<ReservationId> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = namespace_of(tx, repo).await?;
                let id = ReservationId(tx.next_id());
                promise(tx, id, namespace, bytes, survives, expires).await?;
                Ok(Verdict::Keep(id))
            })
        })
        .await
    }

    /// A handle whose next write of a large object or a link uses what was promised to it.
    #[must_use]
    pub fn spending(&self, reservation: Option<ReservationId>) -> Self {
        self.with(|goes_along| goes_along.reservation = reservation)
    }

    /// Takes a promise back; nothing happens if it was used or taken back before.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release(&self, reservation: ReservationId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                take_back(tx, reservation).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Takes back every promise whose time is over; how many.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_lapsed(&self, now: UnixMillis) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.rows(LAPSED, args![now, LAPSED_PAGE]).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += self.release_each(&page).await?;
        }
    }

    /// Takes back the promises to requests of a process that is gone; how many. Call before the first
    /// request, and only if no other process can hold any: with an embedded database.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_left_behind(&self) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.rows(LEFT_BEHIND, args![LAPSED_PAGE]).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += self.release_each(&page).await?;
        }
    }

    async fn release_each(&self, ids: &[Row]) -> Result<usize> {
        for row in ids {
            self.release(ReservationId(row.read(0)?)).await?;
        }
        Ok(ids.len())
    }

    /// Namespaces whose numbers are not the sums of what they store or promise, in words: of `limit` after
    /// `after`, and the last of these.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn check_usage(
        &self,
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<(Option<AccountId>, Vec<String>)> {
        let (mut last, mut wrong) = (None, Vec::new());
        let after = after.map_or(i64::MIN, |id| id.0);
        for row in self.rows(WRONG_USAGE, args![after, limit]).await? {
            last = Some(AccountId(row.read(0)?));
            let name: String = row.read(1)?;
            let (says, stored): (i64, i64) = (row.read(2)?, row.read(3)?);
            let (promised, sum): (i64, i64) = (row.read(4)?, row.read(5)?);
            if says != stored {
                wrong.push(format!("{name}: {says} bytes are counted, {stored} are stored"));
            }
            if promised != sum {
                wrong.push(format!("{name}: {promised} bytes are counted as reserved, {sum} are"));
            }
        }
        Ok((last, wrong))
    }
}

/// Makes the row of a new account.
pub(crate) async fn open(tx: &mut Tx, namespace: AccountId) -> Result<()> {
    tx.execute(INSERT_QUOTA, args![namespace]).await.map(drop)
}

/// The namespace of a live repository.
pub(crate) async fn namespace_of(tx: &mut Tx, repo: RepoId) -> Result<AccountId> {
    let row = tx.row(NAMESPACE_OF, args![repo]).await?;
    Ok(AccountId(row.ok_or_else(|| missing(format!("repository {repo}")))?.read(0)?))
}

/// Applies a change, or refuses it; holds the namespace's row until the transaction ends.
///
/// # Errors
/// [`Error::OverQuota`].
pub(crate) async fn charge(tx: &mut Tx, namespace: AccountId, change: Change) -> Result<()> {
    let Change { blobs, packs, reserved } = change;
    let sum = blobs + packs + reserved;
    if tx.execute(CHARGE, args![namespace, blobs, packs, reserved, sum]).await? > 0 {
        return Ok(());
    }
    let row = tx.row(USAGE_OF, args![namespace]).await?;
    let usage = Usage::from_row(&row.ok_or_else(|| missing(format!("account {namespace}")))?)?;
    Err(Error::OverQuota {
        bytes_max: usage.bytes_max.unwrap_or(UNLIMITED),
        bytes_left: usage.bytes_left().unwrap_or(UNLIMITED),
        namespace: usage.namespace,
    })
}

/// Begins a change of what `repo` links: holds its namespace's row, and frees what was promised to this
/// write ([`Db::spending`]).
pub(crate) async fn begin(tx: &mut Tx, repo: RepoId) -> Result<AccountId> {
    let reservation = tx.reservation();
    begin_spending(tx, repo, reservation).await
}

/// The same, freeing what `reservation` promised.
pub(crate) async fn begin_spending(
    tx: &mut Tx,
    repo: RepoId,
    reservation: Option<ReservationId>,
) -> Result<AccountId> {
    let namespace = namespace_of(tx, repo).await?;
    let promised = match reservation {
        Some(id) => take(tx, id).await?,
        None => None,
    };
    match promised {
        Some((of, bytes)) => {
            charge(tx, of, Change { reserved: -bytes, ..Change::default() }).await?;
            if of != namespace {
                charge(tx, namespace, Change::default()).await?;
            }
        }
        None => charge(tx, namespace, Change::default()).await?,
    }
    Ok(namespace)
}

/// Counts an object that `repo` has just linked, unless its namespace had it.
pub(crate) async fn count_link(
    tx: &mut Tx,
    namespace: AccountId,
    repo: RepoId,
    sha256: Sha256,
    size_bytes: i64,
) -> Result<()> {
    if tx.row(LINKED_BESIDE, args![sha256, repo, namespace]).await?.is_some() {
        return Ok(());
    }
    charge(tx, namespace, Change { blobs: size_bytes, ..Change::default() }).await?;
    contributed::add(tx, namespace, repo, size_bytes).await
}

/// No longer counts an object that `repo` has just let go, unless its namespace has it elsewhere.
pub(crate) async fn uncount_link(
    tx: &mut Tx,
    namespace: AccountId,
    repo: RepoId,
    sha256: Sha256,
    size_bytes: i64,
) -> Result<()> {
    if tx.row(LINKED_BESIDE, args![sha256, repo, namespace]).await?.is_some() {
        return Ok(());
    }
    charge(tx, namespace, Change { blobs: -size_bytes, ..Change::default() }).await
}

/// What the namespace would have less without this repository: what it alone links, and its packs.
pub(crate) async fn weight(tx: &mut Tx, repo: RepoId, namespace: AccountId) -> Result<Change> {
    let number = |row: Option<Row>| row.map_or(Ok(0), |row| row.read(0));
    Ok(Change {
        blobs: number(tx.row(OWN_BLOB_BYTES, args![repo, namespace]).await?)?,
        packs: number(tx.row(PACK_BYTES, args![repo]).await?)?,
        reserved: 0,
    })
}

/// Promises bytes of a namespace under an id that no promise has.
///
/// # Errors
/// [`Error::OverQuota`], [`Error::OverContribution`].
pub(crate) async fn promise(
    tx: &mut Tx,
    id: ReservationId,
    namespace: AccountId,
    bytes: i64,
    survives: bool,
    expires: UnixMillis,
) -> Result<()> {
    charge(tx, namespace, Change { reserved: bytes, ..Change::default() }).await?;
    let contributor = tx.contributor();
    let account = contributor.map(|contributor| contributor.account);
    tx.execute(INSERT_RESERVATION, args![id, namespace, bytes, survives, expires, account]).await?;
    match contributor {
        Some(contributor) => contributed::check(tx, namespace, contributor).await,
        None => Ok(()),
    }
}

/// Takes a promise back, if it was not used or taken back before.
pub(crate) async fn take_back(tx: &mut Tx, reservation: ReservationId) -> Result<()> {
    match take(tx, reservation).await? {
        Some((namespace, bytes)) => {
            charge(tx, namespace, Change { reserved: -bytes, ..Change::default() }).await
        }
        None => Ok(()),
    }
}

async fn take(tx: &mut Tx, reservation: ReservationId) -> Result<Option<(AccountId, i64)>> {
    let row = tx.row(TAKE_RESERVATION, args![reservation]).await?;
    row.map(|row| Ok((AccountId(row.read(0)?), row.read(1)?))).transpose()
}

impl std::ops::Neg for Change {
    type Output = Self;
    fn neg(self) -> Self {
        Self { blobs: -self.blobs, packs: -self.packs, reserved: -self.reserved }
    }
}
