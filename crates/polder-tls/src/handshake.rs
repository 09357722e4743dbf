//! From a TCP connection to a TLS connection, or to a clear word to someone who speaks plain HTTP.

use std::io;
use std::time::Duration;

use polder_http::Peer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::TlsConnection;
use crate::served::ACME_TLS_1;

/// Time for the whole handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Most bytes of a plain HTTP request that are read before it is answered.
const PLAIN_REQUEST_BYTES_MAX: usize = 64 << 10;
const PLAIN_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks HTTPS. Use https://; what you just sent was not protected on its way.\n";

/// Does the server's side; `None` when it fails, which is the client's doing.
pub(crate) async fn handshake(
    stream: TcpStream,
    peer: Peer,
    acceptor: &TlsAcceptor,
) -> Option<TlsConnection> {
    let (outcome, connection) = match timeout(HANDSHAKE_MAX, open(stream, peer, acceptor)).await {
        Ok(Ok(Some(stream))) => ("done", Some(TlsConnection::new(stream))),
        Ok(Ok(None)) => ("other", None),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            ("failed", None)
        }
        Err(_) => {
            tracing::debug!(%peer, "a TLS handshake took too long");
            ("timed-out", None)
        }
    };
    metrics::counter!("polder_tls_handshakes_total", "outcome" => outcome).increment(1);
    connection
}

/// The connection, or `None` when it was for something else and has been served.
async fn open(
    stream: TcpStream,
    peer: Peer,
    acceptor: &TlsAcceptor,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    if speaks_plain_http(&stream).await {
        tracing::debug!(%peer, "plain HTTP on the TLS port");
        answer_plain_http(stream).await;
        return Ok(None);
    }
    let mut stream = acceptor.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS_1) {
        tracing::debug!(%peer, "answered a challenge of the certificate authority");
        stream.shutdown().await?;
        return Ok(None);
    }
    Ok(Some(stream))
}

/// A TLS client begins with 22; a method begins with a letter.
async fn speaks_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1..)) && first[0].is_ascii_alphabetic()
}

/// Reads the request's head first: a connection closed with bytes unread loses the answer.
async fn answer_plain_http(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut bounded = (&mut stream).take(u64::try_from(PLAIN_REQUEST_BYTES_MAX).unwrap_or(u64::MAX));
    while !head.ends_with(b"\r\n\r\n") && matches!(bounded.read_buf(&mut head).await, Ok(1..)) {}
    // Whoever hangs up before the answer does not want it.
    if stream.write_all(PLAIN_ANSWER.as_bytes()).await.is_ok() {
        let _closed = stream.shutdown().await;
    }
}
