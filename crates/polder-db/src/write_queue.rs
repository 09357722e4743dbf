//! The one writer of this process: queued writes, a savepoint each, one COMMIT for a batch, then all the
//! replies.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use polder_types::failpoint;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::tx::{Tx, Verdict};
use crate::{Error, Result};

/// Writes that may wait; one more is refused as [`Error::Busy`].
const QUEUE_MAX: usize = 1024;
/// Most writes in one commit.
const BATCH_WRITES_MAX: usize = 256;
/// A batch takes no further write after this long.
const BATCH_TIME_MAX: Duration = Duration::from_millis(20);
/// A checkpoint is due when the log grew by about this many bytes.
const CHECKPOINT_BYTES: usize = 32 << 20;
/// What a commit adds to the log besides the values themselves: the pages they touch.
const COMMIT_BYTES: usize = 128 << 10;

/// A future that lives as long as its borrow of the transaction.
pub(crate) type TxFuture<'t, T> = Pin<Box<dyn Future<Output = Result<Verdict<T>>> + Send + 't>>;

/// What stopped all writing for good, if anything did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed(Arc<OnceLock<String>>);

impl Failed {
    /// Stops all writing; the first reason stays.
    pub(crate) fn set(&self, reason: String) {
        tracing::error!(reason, "storage failed: no more writes are taken");
        self.0.get_or_init(|| reason);
    }

    /// The reason.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn check(&self) -> Result<()> {
        self.reason().map_or(Ok(()), |reason| Err(Error::StorageFailed { reason: reason.to_owned() }))
    }
}

/// Where writes are put.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    sender: mpsc::Sender<Message>,
    failed: Failed,
    task: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<dyn Queued>),
    Close,
}

impl WriteQueue {
    /// Runs `work` in the next batch; returns after the commit.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> TxFuture<'t, T> + Send + 'static,
    {
        self.failed.check()?;
        let (reply, answer) = oneshot::channel();
        self.sender.try_send(Message::Write(Box::new(Write { work, reply }))).map_err(
            |refused| match refused {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => closed(),
            },
        )?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The sticky failure.
    pub(crate) fn failed(&self) -> &Failed {
        &self.failed
    }

    /// Starts the writer on its connection; `checkpoint_bell`, if any, is rung now and then.
    pub(crate) fn start(tx: Tx, checkpoint_bell: Option<mpsc::Sender<()>>, failed: Failed) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { tx, checkpoint_bell, failed: failed.clone(), log_bytes: 0 };
        let task = tokio::spawn(supervise(writer, receiver, failed.clone()));
        Self { sender, failed, task: Mutex::new(Some(task)) }
    }

    /// Finishes what is queued and ends the task.
    pub(crate) async fn close(&self) {
        if let Some(task) = self.task.lock().await.take() {
            if self.sender.send(Message::Close).await.is_err() {
                tracing::warn!("the writer had ended before");
            }
            if let Err(error) = task.await {
                tracing::error!(%error, "the writer failed");
            }
        }
    }
}

fn closed() -> Error {
    Error::Other { doing: "writing to", subject: "a closed database".to_owned(), source: None }
}

/// Runs the writer; a panic in it stops all writing and shows.
async fn supervise(writer: Writer, queue: mpsc::Receiver<Message>, failed: Failed) {
    if let Err(error) = tokio::spawn(writer.run(queue)).await {
        failed.set(format!("the writer stopped: {error}"));
    }
}

/// A queued write, whatever its type of answer.
trait Queued: Send {
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> Pin<Box<dyn Future<Output = Done> + Send + 't>>
    where
        Self: 't;
    fn refuse(self: Box<Self>, error: Error);
}

/// A write that ran, and how to answer once the batch's fate is known.
struct Done {
    /// Whether its changes stay.
    keep: bool,
    /// Its error, if it failed.
    failure: Option<Error>,
    reply: Box<dyn FnOnce(Result<()>) + Send>,
}

struct Write<T, F> {
    work: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Queued for Write<T, F>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> TxFuture<'t, T> + Send + 'static,
{
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> Pin<Box<dyn Future<Output = Done> + Send + 't>>
    where
        Self: 't,
    {
        Box::pin(async move {
            let Self { work, reply } = *self;
            let (keep, answer) = match work(tx).await {
                Ok(Verdict::Keep(answer)) => (true, Ok(answer)),
                Ok(Verdict::Discard(answer)) => (false, Ok(answer)),
                Err(error) => (false, Err(error)),
            };
            let failure = answer.as_ref().err().map(echo);
            // Nobody may be waiting any more; the write stands all the same.
            let reply = move |fate: Result<()>| drop(reply.send(fate.and(answer)));
            Done { keep, failure, reply: Box::new(reply) }
        })
    }

    fn refuse(self: Box<Self>, error: Error) {
        drop(self.reply.send(Err(error)));
    }
}

struct Writer {
    tx: Tx,
    checkpoint_bell: Option<mpsc::Sender<()>>,
    failed: Failed,
    log_bytes: usize,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut open = true;
        while open {
            let first = match queue.recv().await {
                Some(Message::Write(write)) => write,
                Some(Message::Close) | None => break,
            };
            if let Err(error) = self.failed.check() {
                first.refuse(error);
                continue;
            }
            open = self.batch(first, &mut queue).await;
        }
        self.tx.close().await;
    }

    /// Runs one batch; false after a request to close.
    async fn batch(&mut self, first: Box<dyn Queued>, queue: &mut mpsc::Receiver<Message>) -> bool {
        let start = Instant::now();
        let (mut open, mut replies, mut next) = (true, Vec::new(), Some(first));
        let mut mark = Mark::Begin;
        let mut fate = Ok(());
        while let Some(write) = next.take() {
            if let Err(error) = mark.set(&mut self.tx).await {
                fate = Err(echo(&error));
                write.refuse(error);
                break;
            }
            let done = write.run(&mut self.tx).await;
            replies.push(done.reply);
            mark = if done.keep { Mark::Next } else { Mark::Same };
            if !done.keep {
                // Fails if the transaction as a whole is gone (disk full, I/O error, connection lost).
                if let Err(error) = self.tx.control("ROLLBACK TO SAVEPOINT one_write").await {
                    fate = Err(done.failure.unwrap_or(error));
                    break;
                }
            }
            if replies.len() < BATCH_WRITES_MAX && start.elapsed() < BATCH_TIME_MAX {
                match queue.try_recv() {
                    Ok(Message::Write(write)) => next = Some(write),
                    Ok(Message::Close) => open = false,
                    Err(_) => {}
                }
            }
        }
        self.finish(fate, replies).await;
        open
    }

    async fn finish(&mut self, fate: Result<()>, replies: Vec<Box<dyn FnOnce(Result<()>) + Send>>) {
        let fate = match fate {
            Ok(()) => self.commit().await,
            Err(error) => Err(error),
        };
        if let Err(error) = &fate {
            if let Error::StorageFailed { reason } = error {
                self.failed.set(reason.clone());
            }
            // Emptying the log makes room for the next, smaller write. The bell may be ringing already.
            if matches!(error, Error::Full) {
                self.ring();
            }
            self.tx.rollback().await;
        }
        for reply in replies {
            reply(fate.as_ref().map_err(echo).copied());
        }
    }

    async fn commit(&mut self) -> Result<()> {
        failpoint::hit("db.before_commit");
        self.tx.commit().await?;
        failpoint::hit("db.after_commit");
        self.log_bytes += self.tx.take_written_bytes() + COMMIT_BYTES;
        if self.log_bytes >= CHECKPOINT_BYTES && self.ring() {
            self.log_bytes = 0;
        }
        Ok(())
    }

    fn ring(&self) -> bool {
        self.checkpoint_bell.as_ref().is_some_and(|bell| bell.try_send(()).is_ok())
    }
}

/// Which savepoint work the next write needs before it starts.
#[derive(Clone, Copy)]
enum Mark {
    Begin,
    Next,
    /// The last one was rolled back to and is still there.
    Same,
}

impl Mark {
    async fn set(self, tx: &mut Tx) -> Result<()> {
        match self {
            Self::Begin => {
                tx.begin().await?;
                tx.control("SAVEPOINT one_write").await
            }
            Self::Next => tx.control("RELEASE SAVEPOINT one_write; SAVEPOINT one_write").await,
            Self::Same => Ok(()),
        }
    }
}

/// The same failure for one more waiting write; only the first keeps the chain of causes.
fn echo(error: &Error) -> Error {
    match error {
        Error::Busy => Error::Busy,
        Error::Full => Error::Full,
        Error::StorageFailed { reason } => Error::StorageFailed { reason: reason.clone() },
        Error::Undecided { reason } => Error::Undecided { reason: reason.clone() },
        error => Error::Other {
            doing: "committing",
            subject: "a batch of writes".to_owned(),
            source: Some(chain(error).into()),
        },
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
