//! The transfers that this process works on, and beginning one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polder_blob::{ListClaim, Transfer};
use polder_types::BlobId;
use tokio::sync::Semaphore;

use super::ranges::Ranges;
use super::run::Run;
use super::source::ObjectSource;
use super::state::{Ending, Shared};
use super::{Fetched, TransferOptions, TransferProgress, Wanted};
use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::shards::AwayHeaders;

/// How long a transfer is kept that nobody goes on with, in seconds.
const ABANDONED_SECONDS: i64 = 7 * 24 * 3600;
/// Most transfers at once that readers began.
const READ_TRANSFERS_MAX: usize = 32;
/// Most objects at once of which only the beginning comes.
const BEGINNINGS_MAX: usize = 8;

/// The transfers that this process works on, by their keys.
pub(crate) struct Transfers {
    running: Mutex<HashMap<String, Arc<Shared>>>,
    /// Held from the look whether a transfer runs until it does.
    beginning: tokio::sync::Mutex<()>,
    /// Places for those that a reader began.
    pub(crate) places: Arc<Semaphore>,
    /// Places for objects of which only the beginning comes: a slow home must not keep readers of whole ones waiting.
    pub(crate) beginnings: Semaphore,
    pub(crate) headers: AwayHeaders,
}

impl Default for Transfers {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(READ_TRANSFERS_MAX));
        Self {
            running: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
            places,
            beginnings: Semaphore::new(BEGINNINGS_MAX),
            headers: AwayHeaders::default(),
        }
    }
}

impl Transfers {
    fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Shared>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Shared>> {
        self.running().get(key).cloned()
    }
}

/// What became of beginning a transfer.
pub(super) enum Begun {
    /// It is the caller's to finish.
    Own(Run),
    /// Another works on it.
    Another(Arc<Shared>),
    /// There is nothing to do.
    Here(BlobId),
}

/// A place in the list of transfers. Giving it up tells those who read along.
pub(super) struct Listed {
    hub: Hub,
    key: String,
    shared: Arc<Shared>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.hub.transfers.running().remove(&self.key);
        self.shared.ending.send_if_modified(|ending| {
            let is_over = *ending == Ending::UnderWay;
            if is_over {
                *ending = Ending::Failed;
            }
            is_over
        });
    }
}

impl Wanted {
    /// Names the transfer: the same bytes by another's word are another transfer.
    pub(crate) fn key(&self) -> String {
        let xet = self.xet.map_or_else(|| "none".to_owned(), |xet| xet.to_string());
        format!("{:x}-{}-{xet}", self.upstream, self.oid)
    }

    pub(super) fn claim(&self) -> Option<ListClaim> {
        let claim = |file_hash| ListClaim { sha256: self.oid, size_bytes: self.size_bytes, file_hash };
        self.xet.filter(|_| self.size_bytes > 0).map(claim)
    }
}

impl Hub {
    /// Fetches an object from sources that need not be trusted, publishes it and links it to the repository.
    /// Goes on where an earlier attempt ended.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when no source can deliver it, or it is being fetched already; [`Kind::Invalid`]
    /// when what was wanted contradicts itself; [`Kind::Full`] and [`Kind::OverQuota`] before a byte is fetched.
    pub async fn fetch_object(
        &self,
        wanted: Wanted,
        sources: Vec<Arc<dyn ObjectSource>>,
        options: TransferOptions,
    ) -> Result<Fetched> {
        match self.begin_transfer(wanted).await? {
            Begun::Own(run) => run.finish(sources, options).await,
            Begun::Another(_) => Err(being_fetched()),
            Begun::Here(blob) => Ok(Fetched { blob, fetched_bytes: 0, reused_bytes: 0, liars: Vec::new() }),
        }
    }

    /// Whether an object is on its way.
    pub(crate) fn is_coming(&self, wanted: &Wanted) -> bool {
        self.transfers.find(&wanted.key()).is_some()
    }

    /// How far an object on its way is.
    pub(crate) fn transfer_progress(&self, wanted: &Wanted) -> Option<TransferProgress> {
        self.transfers.find(&wanted.key()).map(|shared| shared.progress())
    }

    /// Links an object that is here, if the repository may have it unseen.
    pub(super) async fn link_if_here(&self, wanted: &Wanted) -> Result<Option<BlobId>> {
        let blob = self.db.reusable_blob(wanted.repo, wanted.oid).await?;
        let Some(blob) = blob.filter(|blob| !blob.damaged) else { return Ok(None) };
        if u64::try_from(blob.size_bytes) != Ok(wanted.size_bytes) {
            return Err(Error::invalid(format!("object `{}` has {} bytes", wanted.oid, blob.size_bytes)));
        }
        Ok(self.db.link_blob(wanted.repo, &wanted.oid).await?.then_some(blob.id))
    }

    /// Begins the transfer of an object, unless one runs.
    pub(super) async fn begin_transfer(&self, wanted: Wanted) -> Result<Begun> {
        let _beginning = self.transfers.beginning.lock().await;
        if let Some(shared) = self.transfers.find(&wanted.key()) {
            return Ok(Begun::Another(shared));
        }
        self.refuse_blocked_object(wanted.oid).await?;
        // One that ended before this look has linked its object.
        if let Some(blob) = self.link_if_here(&wanted).await? {
            return Ok(Begun::Here(blob));
        }
        Ok(Begun::Own(self.open_transfer(wanted).await?))
    }

    /// Opens the transfer of an object that there is room for.
    async fn open_transfer(&self, wanted: Wanted) -> Result<Run> {
        // What is fetched anew because it is damaged is counted already.
        if self.db.linked_blobs(wanted.repo, &[wanted.oid]).await?.is_empty()
            && let Some(mut room) = self.room(wanted.repo).await?
        {
            room.take(wanted.size_bytes)?;
        }
        let (store, key) = (self.store.clone(), wanted.key());
        let name = key.clone();
        let opened = self.leaf.run(move || {
            if !store.transfers()?.iter().any(|(known, _)| *known == name)
                && wanted.size_bytes > store.free_bytes()?
            {
                return Err(Error::new(Kind::Full, "the hub has no space left for this object"));
            }
            let transfer = store.open_transfer(&name, wanted.size_bytes)?;
            let saved = transfer.as_ref().map(Transfer::saved).transpose()?.flatten();
            Ok(transfer.map(|transfer| (transfer, saved)))
        });
        let Some((transfer, saved)) = opened.await? else {
            return Err(being_fetched());
        };
        let was_begun = saved.is_some();
        let good = saved.map(|saved| Ranges::decode(&saved, wanted.size_bytes)).unwrap_or_default();
        let shared = Arc::new(Shared::new(Arc::clone(transfer.data()), wanted.size_bytes, good));
        self.transfers.running().insert(key.clone(), Arc::clone(&shared));
        let was_listed = transfer.list().is_some();
        let listed = Listed { hub: self.clone(), key, shared: Arc::clone(&shared) };
        Ok(Run { hub: self.clone(), wanted, transfer, shared, was_listed, was_begun, listed })
    }

    /// Removes transfers that nobody went on with for a week.
    pub(crate) async fn sweep_transfers(&self) -> Result<()> {
        let store = self.store.clone();
        let due = self.clock.now().plus_seconds(-ABANDONED_SECONDS);
        let sweep = move || {
            for (key, changed) in store.transfers()? {
                if changed <= due {
                    store.remove_transfer(&key)?;
                }
            }
            Ok(())
        };
        self.leaf.run(sweep).await
    }
}

fn being_fetched() -> Error {
    Error::unavailable("this object is being fetched already")
}
