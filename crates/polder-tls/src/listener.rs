//! TCP connections in, TLS connections out.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use polder_http::{Listener, Peer, accept_tcp};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::handshake::handshake;
use crate::{Error, Served, TlsConnection};

/// Most handshakes under way at once. One more ends the oldest: someone who opens connections and says
/// nothing cannot keep others out.
const HANDSHAKES_MAX: usize = 1024;

/// A listener whose connections have finished their handshake.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    config: Arc<rustls::ServerConfig>,
    handshakes: JoinSet<Option<(TlsConnection, Peer)>>,
    under_way: VecDeque<AbortHandle>,
    handshakes_max: usize,
}

impl TlsListener {
    /// Speaks TLS on `tcp`, showing what `served` has.
    ///
    /// # Errors
    /// When there is no randomness to begin with.
    pub fn new(tcp: TcpListener, served: &Served) -> Result<Self, Error> {
        let (handshakes, under_way) = (JoinSet::new(), VecDeque::new());
        let config = Arc::new(served.server_config()?);
        Ok(Self { tcp, config, handshakes, under_way, handshakes_max: HANDSHAKES_MAX })
    }

    /// Has at most `count` handshakes under way at once, in place of 1024.
    #[must_use]
    pub fn handshakes_max(mut self, count: usize) -> Self {
        self.handshakes_max = count;
        self
    }

    /// Starts a handshake beside those under way, so that none waits for another.
    fn begin(&mut self, stream: tokio::net::TcpStream, peer: Peer) {
        if self.under_way.len() >= self.handshakes_max {
            self.under_way.retain(|handshake| !handshake.is_finished());
        }
        if self.under_way.len() >= self.handshakes_max
            && let Some(oldest) = self.under_way.pop_front()
        {
            oldest.abort();
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let work = async move { Some((handshake(stream, peer, &acceptor).await?, peer)) };
        self.under_way.push_back(self.handshakes.spawn(work));
    }
}

impl Listener for TlsListener {
    type Io = TlsConnection;

    async fn accept(&mut self) -> io::Result<(TlsConnection, Peer)> {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok(Some(connection)) => return Ok(connection),
                    Ok(None) => {}
                    Err(error) if error.is_cancelled() => tracing::debug!("gave up a slow handshake for new ones"),
                    Err(error) => tracing::error!(%error, "a handshake's task failed"),
                },
                accepted = accept_tcp(&self.tcp) => {
                    let (stream, peer) = accepted?;
                    self.begin(stream, peer);
                }
            }
        }
    }
}
