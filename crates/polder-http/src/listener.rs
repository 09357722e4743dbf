//! Where connections come from.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::peer::Peer;
use crate::transport::{TcpTransport, Transport};

/// After how much silence the system asks whether the other end still exists.
const KEEPALIVE_SECONDS: u64 = 60;

/// Something that connections arrive at.
pub trait Listener: Send {
    /// A connection.
    type Io: Transport;

    /// Waits for the next connection. Dropping the future loses none.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

/// Waits for the next TCP connection and sets it up for requests and answers. Dropping the future loses none.
///
/// # Errors
/// When the system has none to give.
pub async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, Peer)> {
    let (stream, address) = listener.accept().await?;
    // Without it an answer of a few hundred bytes can wait 40 ms for the client's delayed ACK.
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(KEEPALIVE_SECONDS));
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok((stream, Peer::Tcp(address)))
}

impl Listener for TcpListener {
    type Io = TcpTransport;

    async fn accept(&mut self) -> io::Result<(TcpTransport, Peer)> {
        let (stream, peer) = accept_tcp(self).await?;
        Ok((TcpTransport::new(stream), peer))
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        Ok((stream, Peer::Unix))
    }
}
