//! One HTTP/1 connection from its first byte to its close.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::app::{Request, Response, ResponseFuture};
use crate::file_body::Outlet;
use crate::idle::{IdleBody, IdleWriter};
use crate::peer::Peer;
use crate::rest::Rest;
use crate::server::ServerLimits;
use crate::stop::Stop;
use crate::transport::Transport;

/// Most header lines of a request.
const HEADERS_MAX: usize = 100;
/// Bytes hyper buffers in each direction: as much as two buffers of a file body.
const BUFFER_BYTES_MAX: usize = 512 << 10;
/// How long a client may go on sending a body that nobody wants before it reads our answer.
const LINGER: Duration = Duration::from_secs(30);
/// How long it may pause meanwhile.
const LINGER_PAUSE: Duration = Duration::from_secs(5);
/// Bytes thrown away at a time meanwhile.
const LINGER_BUFFER_BYTES: usize = 64 << 10;

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

pub(crate) async fn serve_connection<T, A>(io: T, peer: Peer, answer: A, limits: &ServerLimits, stop: Stop)
where
    A: Fn(Request) -> ResponseFuture + Unpin,
    T: Transport,
{
    let files = io.files();
    let body_was_left = Arc::new(AtomicBool::new(false));
    let (window, left) = (limits.body_idle_timeout, Arc::clone(&body_was_left));
    let stopping = stop.clone();
    let service = service_fn(move |request: http::Request<Incoming>| -> Answer {
        let rest = Rest::new(Arc::clone(&left));
        let asks_first = request.headers().contains_key(EXPECT);
        let mut request = request.map(|body| Body::new(IdleBody::new(body, window, Arc::clone(&rest))));
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(stopping.clone());
        let (answer, files, left) = (answer(request), files.clone(), Arc::clone(&left));
        Box::pin(async move {
            let mut response = answer.await;
            if asks_first {
                // Reading would ask for what the client has not begun to send.
                drop(rest.end());
            } else {
                rest.read_away().await;
            }
            if left.load(Ordering::Acquire) {
                // Hyper ends the connection, and a client must not send its next request into that.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if let (Some(outlet), Some(files)) = (response.extensions().get::<Outlet>(), files) {
                outlet.open(files);
            }
            Ok(response)
        })
    });
    let io = TokioIo::new(IdleWriter::new(io, limits.write_idle_timeout));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_header_size(limits.header_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, service);

    let mut stop_pressed = pin!(stop.pressed());
    let mut is_stopping = false;
    let ended = std::future::poll_fn(|cx| {
        if !is_stopping && stop_pressed.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    if let Err(error) = ended {
        // The client's doing, nearly always; what our side did wrong was logged where it happened.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::debug!(?peer, %error, cause, "connection ended early");
        if !error.is_parse() {
            return;
        }
    }
    let io = connection.into_parts().io.into_inner();
    close(io, body_was_left.load(Ordering::Acquire), &stop).await;
}

/// Ends our side. A client that is still sending would lose an answer it has not read (the system
/// resets a connection closed with bytes unread), so those bytes are taken and thrown away for a while.
async fn close<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, is_peer_sending: bool, stop: &Stop) {
    if io.shutdown().await.is_err() || !is_peer_sending {
        return;
    }
    let discard = async {
        let mut buffer = vec![0; LINGER_BUFFER_BYTES];
        while let Ok(Ok(1..)) = timeout(LINGER_PAUSE, io.read(&mut buffer)).await {}
    };
    tokio::select! {
        () = stop.pressed() => {}
        _ = timeout(LINGER, discard) => {}
    }
}
