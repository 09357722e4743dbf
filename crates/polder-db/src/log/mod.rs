//! Signed logs: the own one and those of other hubs, which are kept and read alike.

mod append;
mod bodies;
mod epoch;
mod erasures;
mod files;
mod heads;
mod lease;
mod pending;
mod published;
mod refill;
mod start;
mod tiles;

use polder_log::{Frontier, LogName, VerifierKey};
use polder_types::{Sha256, UnixMillis};

pub use append::{Appended, LogAppend, LogEntry, LogOp};
pub(crate) use append::{append, put_heads, put_ops};
pub use bodies::LogBody;
pub(crate) use bodies::put_bodies;
pub use erasures::{Erased, Erasure};
pub(crate) use erasures::{begin_erasure, erase_at};
pub use files::{FileKind, LogFile};
pub(crate) use files::{drop_all as drop_files, put as put_file};
pub use heads::{LogHeadRow, LogHeads};
pub use lease::Lease;
pub use pending::{PendingBatch, PendingRepo};
pub use published::{Outgoing, Published, PublishedNamespace, PublishedState, Sequenced};
pub(crate) use published::{put as put_published, put_namespace};
pub use refill::{Came, Refill, Retold, RetoldNamespace};
pub use start::LogStart;

use crate::row::{Row, each};
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, Result};

/// Every statement about logs.
#[cfg(test)]
pub(crate) const EVERY: &[&[&str]] = &[
    ALL,
    append::ALL,
    bodies::ALL,
    epoch::ALL,
    erasures::ALL,
    files::ALL,
    heads::ALL,
    lease::ALL,
    pending::ALL,
    published::ALL,
    refill::ALL,
    start::ALL,
    tiles::ALL,
];
#[cfg(test)]
pub(crate) const TEMPLATES: &[&[&crate::sql::Template]] =
    &[append::TEMPLATES, bodies::TEMPLATES, heads::TEMPLATES, pending::TEMPLATES, tiles::TEMPLATES];

/// The columns that [`Log::from_row`] reads.
macro_rules! select_log {
    ($rest:literal) => {
        concat!(
            "SELECT id, origin, epoch, own, vkey, version, size, peaks, checkpoint, checkpoint_size, min_index, ",
            "fact_seq, appended_at FROM log ",
            $rest
        )
    };
}

statements! {
    INSERT_LOG = "INSERT INTO log (id, origin, origin_sha256, epoch, own, vkey, version, size, root, peaks, \
        checkpoint_size, min_index, fact_seq, appended_at, lease_until, fence, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, 0, 0, 0, $9, 0, 0, $9) ON CONFLICT (origin, epoch) DO NOTHING";
    LOG_BY_ID = select_log!("WHERE id = $1");
    LOG_BY_NAME = select_log!("WHERE origin = $1 AND epoch = $2");
    LOG_BY_HASH = select_log!("WHERE origin_sha256 = $1 ORDER BY epoch DESC LIMIT 1");
    OWN_LOG = select_log!("WHERE own ORDER BY epoch DESC LIMIT 1");
    LOGS = select_log!("ORDER BY id LIMIT $1");
    SET_CHECKPOINT = "UPDATE log SET checkpoint = $2, checkpoint_size = $3 \
        WHERE id = $1 AND size >= $3 AND checkpoint_size <= $3";
    SET_VKEY = "UPDATE log SET vkey = $2 WHERE id = $1";
}

/// Under which name the keys of the hub itself are kept among the operations of its namespaces.
const HUB_KEYS: Sha256 = Sha256::new([0; 32]);
/// Most logs that are listed.
const LOGS_MAX: i64 = 10_000;

/// A log of which leaves are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Local id.
    pub id: i64,
    /// Whose log it is.
    pub name: LogName,
    /// Whether this hub writes it.
    pub is_own: bool,
    /// The key that signs its checkpoints now.
    pub key: VerifierKey,
    /// The highest version of a leaf in it; 0 without one.
    pub version: u8,
    /// The tree over all leaves that are here.
    pub tree: Frontier,
    /// The newest signed note over leaves that are here.
    pub checkpoint: Option<String>,
    /// Leaves under that note.
    pub checkpoint_size: u64,
    /// Leaves before this index are no longer kept.
    pub min_index: u64,
    /// The last fact that the own log tells of.
    pub fact_seq: i64,
    /// When the last leaf came.
    pub appended_at: UnixMillis,
}

impl Log {
    fn from_row(row: &Row) -> Result<Self> {
        let size = unsigned(row, 6)?;
        let peaks: Vec<u8> = row.read(7)?;
        Ok(Self {
            id: row.read(0)?,
            name: LogName {
                origin: row.word(1)?,
                epoch: u32::try_from(row.read::<i64>(2)?).map_err(|error| damaged("an epoch", error))?,
            },
            is_own: row.read(3)?,
            key: row.word(4)?,
            version: u8::try_from(row.read::<i64>(5)?).map_err(|error| damaged("a version", error))?,
            tree: Frontier::from_bytes(size, &peaks).map_err(|error| damaged("a tree", error))?,
            checkpoint: row.read(8)?,
            checkpoint_size: unsigned(row, 9)?,
            min_index: unsigned(row, 10)?,
            fact_seq: row.read(11)?,
            appended_at: UnixMillis(row.read(12)?),
        })
    }
}

/// The error for a row that no program of ours can have written.
pub(crate) fn damaged(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other { doing: "reading", subject: format!("{what} of a log"), source: Some(source.into()) }
}

/// Reads a number that is never negative.
fn unsigned(row: &Row, index: usize) -> Result<u64> {
    u64::try_from(row.read::<i64>(index)?).map_err(|error| damaged("a number", error))
}

/// A position in a log as the engines keep it; no log is ever longer than that.
fn place(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

impl Db {
    /// The log of that name, begun empty when there is none yet.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn open_log(&self, name: LogName, key: VerifierKey, is_own: bool) -> Result<Log> {
        self.write(move |tx| Box::pin(async move { Ok(Verdict::Keep(open(tx, &name, &key, is_own).await?)) }))
            .await
    }

    /// Reads a log by its local id.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log(&self, id: i64) -> Result<Option<Log>> {
        self.row(LOG_BY_ID, args![id]).await?.map(|row| Log::from_row(&row)).transpose()
    }

    /// The log of that name, if anything of it is here.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_named(&self, name: &LogName) -> Result<Option<Log>> {
        let row = self.row(LOG_BY_NAME, args![name.origin.as_str(), i64::from(name.epoch)]).await?;
        row.map(|row| Log::from_row(&row)).transpose()
    }

    /// The newest epoch of this hub's own log.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn own_log(&self) -> Result<Option<Log>> {
        self.row(OWN_LOG, args![]).await?.map(|row| Log::from_row(&row)).transpose()
    }

    /// The newest epoch of the log of the hub whose origin has this hash.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn log_of_origin(&self, origin_sha256: Sha256) -> Result<Option<Log>> {
        self.row(LOG_BY_HASH, args![origin_sha256]).await?.map(|row| Log::from_row(&row)).transpose()
    }

    /// Every log that is here.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn list_logs(&self) -> Result<Vec<Log>> {
        each(&self.rows(LOGS, args![LOGS_MAX]).await?, Log::from_row)
    }

    /// Makes a signed note over `size` leaves the one that is given out; false when a newer one is, or the
    /// leaves are not here.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_log_checkpoint(&self, id: i64, note: String, size: u64) -> Result<bool> {
        self.write(move |tx| {
            Box::pin(async move { Ok(Verdict::Keep(set_checkpoint(tx, id, note, size).await?)) })
        })
        .await
    }

    /// Changes the key that signs a log's checkpoints.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn set_log_key(&self, id: i64, key: VerifierKey) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute(SET_VKEY, args![id, key.to_string()]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }
}

/// As [`Db::open_log`], in a write.
pub(crate) async fn open(tx: &mut Tx, name: &LogName, key: &VerifierKey, is_own: bool) -> Result<Log> {
    let (id, now, empty) = (tx.next_id(), tx.now(), Frontier::default());
    let (origin, epoch) = (name.origin.as_str(), i64::from(name.epoch));
    let hash = name.origin.sha256();
    let peaks = bytes::Bytes::from(empty.to_bytes());
    tx.execute(INSERT_LOG, args![id, origin, hash, epoch, is_own, key.to_string(), empty.root(), peaks, now])
        .await?;
    let row = tx.row(LOG_BY_NAME, args![origin, epoch]).await?;
    row.map_or_else(|| Err(crate::db::missing(format!("log `{name}`"))), |row| Log::from_row(&row))
}

/// As [`Db::set_log_checkpoint`], in a write.
pub(crate) async fn set_checkpoint(tx: &mut Tx, id: i64, note: String, size: u64) -> Result<bool> {
    Ok(tx.execute(SET_CHECKPOINT, args![id, note, place(size)]).await? > 0)
}
