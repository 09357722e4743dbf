//! Moving the write-ahead log into the file, off the writer's path.
//!
//! `PASSIVE` checkpoints block nobody but cannot restart the log while writes keep coming; so once
//! the log is long, one `RESTART` right after a `PASSIVE` copies the little that is left while the
//! writer waits a moment. Source: <https://www.sqlite.org/wal.html#ckpt>.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::error_of;
use crate::Error;
use crate::error::warn;
use crate::write_queue::Failed;

/// Log length from which it is restarted, in pages of 4 KiB (64 MiB).
const LOG_PAGES_MAX: i64 = 16 << 10;

/// The task and the bell that wakes it.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    bell: mpsc::Sender<()>,
    ended: mpsc::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    /// What the writer rings when a checkpoint is worth while. Ringing twice is ringing once.
    pub(super) fn bell(&self) -> mpsc::Sender<()> {
        self.bell.clone()
    }

    /// Checkpoints everything, truncates the log, closes. Call after the writer has closed.
    pub(super) async fn close(&self) {
        if let Some(task) = self.task.lock().await.take() {
            if self.ended.send(()).await.is_err() {
                tracing::warn!("the checkpoint task had ended before");
            }
            if let Err(error) = task.await {
                tracing::error!(%error, "the checkpoint task failed");
            }
        }
    }
}

/// Starts the task on its own connection.
pub(super) fn start(connection: SqliteConnection, failed: Failed) -> Checkpointer {
    let (bell, rings) = mpsc::channel(1);
    let (ended, end) = mpsc::channel(1);
    let task = tokio::spawn(run(connection, rings, end, failed));
    Checkpointer { bell, ended, task: Mutex::new(Some(task)) }
}

async fn run(
    mut connection: SqliteConnection,
    mut rings: mpsc::Receiver<()>,
    mut end: mpsc::Receiver<()>,
    failed: Failed,
) {
    loop {
        tokio::select! {
            biased;
            _ = end.recv() => break,
            ring = rings.recv() => if ring.is_none() { break },
        }
        let pages = checkpoint(&mut connection, "PRAGMA wal_checkpoint(PASSIVE)", &failed).await;
        if pages >= LOG_PAGES_MAX {
            checkpoint(&mut connection, "PRAGMA wal_checkpoint(RESTART)", &failed).await;
        }
    }
    checkpoint(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)", &failed).await;
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "closing the database");
    }
}

/// Runs one checkpoint; the length of the log in pages. Being late is no failure, a failed sync is.
async fn checkpoint(connection: &mut SqliteConnection, sql: &'static str, failed: &Failed) -> i64 {
    let row = match sqlx::query(sql).fetch_one(connection).await {
        Ok(row) => row,
        Err(error) => {
            match error_of("checkpointing", "the database", error) {
                Error::StorageFailed { reason } => failed.set(reason),
                error => warn("checkpointing", &error),
            }
            return 0;
        }
    };
    row.try_get(1).unwrap_or(0)
}
