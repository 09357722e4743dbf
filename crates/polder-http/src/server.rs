//! The accept loop: connections in, requests to what answers them, an orderly end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{Request, ResponseFuture};
use crate::connection::serve_connection;
use crate::listener::Listener;
use crate::stop::Stop;

/// How long to wait after a failed accept, which for lack of file descriptors fails again at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How much a connection may use and how long it may stand still.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections open at once; more wait in the system's queue.
    pub connections_max: usize,
    /// Time for the whole of a request's head, counted from the end of the request before it.
    pub header_timeout: Duration,
    /// Longest request head, in bytes.
    pub header_bytes_max: usize,
    /// Time in which a request body must bring 16 KiB or its end.
    pub body_idle_timeout: Duration,
    /// Time in which a client must take 16 KiB of a response.
    pub write_idle_timeout: Duration,
    /// Time that running requests get after a stop.
    pub drain_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            header_timeout: Duration::from_secs(10),
            header_bytes_max: 64 << 10,
            body_idle_timeout: Duration::from_mins(1),
            write_idle_timeout: Duration::from_mins(2),
            drain_timeout: Duration::from_secs(25),
        }
    }
}

/// Serves connections until `stop` is pressed; then takes no new ones, closes idle ones, lets running
/// requests finish for [`ServerLimits::drain_timeout`] and cuts the rest. Returns how many were cut.
///
/// `answer` is called for every request, which carries its [`crate::Peer`] as an extension. When the client
/// goes away, the answer's future is dropped where it is.
pub async fn serve<L, A>(mut listener: L, answer: A, limits: ServerLimits, stop: Stop) -> usize
where
    L: Listener,
    A: Fn(Request) -> ResponseFuture + Clone + Send + Sync + Unpin + 'static,
{
    let limits = Arc::new(limits);
    let seats = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let seat = tokio::select! {
            biased;
            () = stop.pressed() => break,
            seat = Arc::clone(&seats).acquire_owned() => seat,
        };
        // The semaphore is never closed.
        let Ok(seat) = seat else { break };
        let accepted = tokio::select! {
            biased;
            () = stop.pressed() => break,
            Some(ended) = connections.join_next() => { note(ended); continue }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, peer)) => {
                let (answer, limits, stop) = (answer.clone(), Arc::clone(&limits), stop.clone());
                connections.spawn(async move {
                    serve_connection(io, peer, answer, &limits, stop).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    drain(connections, limits.drain_timeout).await
}

async fn drain(mut connections: JoinSet<()>, patience: Duration) -> usize {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if timeout(patience, all_ended).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    tracing::warn!(cut, "connections did not end in time and were cut");
    connections.shutdown().await;
    cut
}

/// A connection whose task failed has taken its own request with it and nothing else.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}
