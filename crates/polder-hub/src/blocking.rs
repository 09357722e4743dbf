//! The one door through which blocking work (git, disks) leaves the async threads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::admission::Place;
use crate::body::ResponseSink;
use crate::error::{Error, Result};

/// Most pieces of short work under way at once, which wait for disks only.
pub(crate) const LEAF_TASKS_MAX: usize = 64;
/// Most imports, exports and checks under way at once. These, the short work, and as many fetches and pushes
/// as may be configured stay below the runtime's 512 blocking threads.
pub(crate) const OPERATOR_TASKS_MAX: usize = 64;
/// Most mirrors of other hubs' repositories that are fetched at once.
pub(crate) const MIRROR_TASKS_MAX: usize = 32;
/// Most large objects put together from parts at once: each keeps a processor and a disk busy.
pub(crate) const ASSEMBLIES_MAX: usize = 4;
/// Most shards of clients of Xet accepted at once: each keeps a processor and a disk busy, and memory for some
/// chunk lists.
pub(crate) const SHARDS_MAX: usize = 4;
/// Most walks through history at once: each keeps a processor busy, and may take a while.
pub(crate) const HISTORY_TASKS_MAX: usize = 4;
/// How long a request waits for a place before it is told to come back.
const PLACE_WAIT: Duration = Duration::from_secs(10);

/// Bounds and starts blocking work.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    places: Arc<Semaphore>,
    wait: Option<Duration>,
}

impl Door {
    /// For requests, which wait for a moment only.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), wait: Some(PLACE_WAIT) }
    }

    /// For the hub's own work, which waits for its turn: nobody is there to come back.
    pub(crate) fn patient(places: usize) -> Self {
        Self { wait: None, ..Self::new(places) }
    }

    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = match self.wait {
            Some(wait) => tokio::time::timeout(wait, place).await.ok().and_then(Result::ok),
            None => place.await.ok(),
        };
        place.ok_or_else(|| Error::unavailable("the hub is busy; try again in a moment"))
    }

    /// Runs `work` on a blocking thread and waits for its answer.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when no place came free in time; whatever `work` answers; internal on a
    /// panic.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.place().await?;
        spawn(move || {
            let answer = work();
            drop(permit);
            answer
        })
        .await
        .map_err(Error::internal)?
    }
}

/// Runs work that was admitted on a blocking thread and waits for its answer.
///
/// # Errors
/// Whatever `work` answers; internal on a panic.
pub(crate) async fn run_admitted<T: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let task = spawn(move || {
        let answer = work();
        drop(place);
        answer
    });
    task.await.map_err(Error::internal)?
}

/// Starts work on a blocking thread that answers through `sink`, which holds its place.
pub(crate) fn start_admitted(sink: ResponseSink, work: impl FnOnce(ResponseSink) + Send + 'static) {
    let task = spawn(move || work(sink));
    tokio::spawn(async move {
        if let Err(error) = task.await {
            tracing::error!(%error, "blocking work died");
        }
    });
}

/// Runs a change to its end even if the caller goes away meanwhile: what is held in memory must follow
/// what was committed, and a queued write commits whether or not anyone still waits for it.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(change).await.map_err(Error::internal)?
}

#[expect(clippy::disallowed_methods, reason = "this is the one door")]
fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// Does a bounded piece of disk work (≤ 1 MiB) where it stands, while the bytes are still in the cache.
///
/// On the many-thread runtime other tasks move to another thread meanwhile.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_told_to_come_back_and_the_hubs_own_work_waits() {
        let hasty = Door { wait: Some(Duration::ZERO), ..Door::new(1) };
        let held = hasty.place().await.expect("a place");
        assert!(hasty.place().await.is_err());
        drop(held);

        let patient = Door { places: Arc::clone(&hasty.places), ..Door::patient(1) };
        let held = patient.place().await.expect("a place");
        let waiting = patient.run(|| Ok(7));
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        drop(held);
        assert_eq!(waiting.await.expect("its turn"), 7);
    }
}
