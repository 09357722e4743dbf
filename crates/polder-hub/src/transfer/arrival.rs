//! Reading an object while it comes: for mirrors that fetch an object when someone first asks for it.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_types::Sha256;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::plan::UNIT_BYTES_MAX;
use super::run::Run;
use super::running::Begun;
use super::source::ObjectSource;
use super::state::{Ending, Shared};
use super::{TransferOptions, TransferProgress, Wanted};
use crate::Hub;
use crate::blocking::in_place;
use crate::body::ByteStream;
use crate::error::{Error, Result};
use crate::lfs_transfer::OpenBlob;

/// Most bytes that one read answers.
const READ_BYTES_MAX: u64 = 1 << 20;
/// Most reads of a stream that wait for whoever takes them.
const READS_WAITING_MAX: usize = 2;
/// How long a reader waits until an object may be fetched for it.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);

/// An object that is here or on its way.
#[derive(Debug)]
pub enum Arriving {
    /// It is here.
    Here(OpenBlob),
    /// It can be read as it comes.
    Coming(Arrival),
}

/// An object on its way. It comes whether or not anyone reads along.
#[derive(Debug, Clone)]
pub struct Arrival {
    shared: Arc<Shared>,
    oid: Sha256,
    /// Whether who reads along checks the whole itself.
    for_a_hub: bool,
}

impl Arriving {
    /// The same for another hub: only the last of the whole is held back from it, not the last of each part that
    /// it asks for.
    pub(crate) fn for_a_hub(self) -> Self {
        match self {
            Self::Coming(arrival) => Self::Coming(Arrival { for_a_hub: true, ..arrival }),
            here @ Self::Here(_) => here,
        }
    }
}

impl Hub {
    /// Opens an object, or begins to fetch it; whoever asks meanwhile reads along.
    ///
    /// # Errors
    /// As [`Hub::fetch_object`], before anything can be read.
    pub async fn open_or_fetch(
        &self,
        wanted: Wanted,
        sources: Vec<Arc<dyn ObjectSource>>,
        options: TransferOptions,
    ) -> Result<Arriving> {
        if let Some(shared) = self.transfers.find(&wanted.key()) {
            return Ok(Arriving::Coming(Arrival { shared, oid: wanted.oid, for_a_hub: false }));
        }
        let place = self.fetch_place().await?;
        let shared = match self.begin_transfer(wanted).await? {
            Begun::Here(_) => return Ok(Arriving::Here(self.open_linked(wanted.repo, wanted.oid).await?)),
            Begun::Another(shared) => shared,
            Begun::Own(run) => {
                let shared = Arc::clone(run.shared());
                tokio::spawn(async move {
                    bring(run, sources, options, wanted.oid).await;
                    drop(place);
                });
                shared
            }
        };
        Ok(Arriving::Coming(Arrival { shared, oid: wanted.oid, for_a_hub: false }))
    }

    /// A place among what is fetched for those who wait.
    async fn fetch_place(&self) -> Result<impl Send + use<>> {
        let place = Arc::clone(&self.transfers.places).acquire_owned();
        timeout(PLACE_PATIENCE, place).await.map_err(|_elapsed| {
            Error::unavailable("too many objects are being fetched already; try again later")
        })
    }
}

/// Those who read along are told by the transfer itself how it ended.
async fn bring(run: Run, sources: Vec<Arc<dyn ObjectSource>>, options: TransferOptions, oid: Sha256) {
    if let Err(error) = run.finish(sources, options).await {
        tracing::warn!(object = %oid, error = %error.chain(), "an object that someone reads did not arrive");
    }
}

impl Arrival {
    /// Its length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    /// How far it is.
    pub fn progress(&self) -> TransferProgress {
        self.shared.progress()
    }

    /// The next bytes of a stream from `at` to before `end`, once they are here; empty at its end.
    ///
    /// The last 8 MiB of a stream are held back until the SHA-256 of the whole is right, so that nobody ends up
    /// with all of something that proves to be wrong.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when the object does not arrive: the stream must be cut.
    pub async fn read(&self, at: u64, end: u64) -> Result<Bytes> {
        let end = end.min(self.shared.size_bytes);
        let last = if self.for_a_hub { self.shared.size_bytes } else { end };
        let held_back = last.saturating_sub(UNIT_BYTES_MAX).min(end);
        let (mut changed, mut ending) = (self.shared.watch(), self.shared.ending.subscribe());
        if at >= end {
            return Ok(Bytes::new());
        }
        loop {
            changed.borrow_and_update();
            let now = *ending.borrow_and_update();
            let to = match now {
                Ending::Whole => end,
                Ending::UnderWay => self.shared.good_end(at).min(held_back),
                Ending::Failed => return Err(self.lost()),
            };
            if to > at {
                return in_place(|| self.read_now(at, to.min(at.saturating_add(READ_BYTES_MAX))));
            }
            self.shared.wish_for(at);
            self.wait(&mut changed, &mut ending).await;
        }
    }

    /// Waits until all of it is here.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when it does not arrive.
    pub(crate) async fn whole(&self) -> Result<()> {
        // The last byte is held back until then.
        let last = self.shared.size_bytes.saturating_sub(1);
        self.read(last, self.shared.size_bytes).await.map(drop)
    }

    /// Streams a range as it comes, as [`Arrival::read`] does, once its first bytes are here.
    ///
    /// # Errors
    /// As [`Arrival::read`], when there are no first bytes.
    pub async fn stream(self, range: Range<u64>) -> Result<ByteStream> {
        let first = self.read(range.start, range.end).await?;
        let (sender, stream) = mpsc::channel(READS_WAITING_MAX);
        tokio::spawn(async move {
            let (mut at, mut bytes) = (range.start, first);
            while !bytes.is_empty() {
                at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if sender.send(Ok(bytes)).await.is_err() {
                    return;
                }
                let read = tokio::select! {
                    read = self.read(at, range.end) => read,
                    () = sender.closed() => return,
                };
                bytes = match read {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        // Who takes it is gone, or is told: either way this is the end.
                        let _told = sender.send(Err(io::Error::other(error))).await;
                        return;
                    }
                };
            }
        });
        Ok(stream)
    }

    /// Waits until there is more, or it is over.
    async fn wait(&self, changed: &mut watch::Receiver<u64>, ending: &mut watch::Receiver<Ending>) {
        // The senders live in what this holds on to: neither can be gone.
        tokio::select! {
            told = changed.changed() => drop(told),
            told = ending.changed() => drop(told),
        }
    }

    fn read_now(&self, at: u64, to: u64) -> Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(at)).map_err(Error::internal)?];
        self.shared.data.read_exact_at(&mut bytes, at).map_err(Error::internal)?;
        Ok(bytes.into())
    }

    fn lost(&self) -> Error {
        Error::unavailable(format!("object `{}` did not arrive; try again later", self.oid))
    }
}
