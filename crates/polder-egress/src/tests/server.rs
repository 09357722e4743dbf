//! A server that says what the test tells it to, byte for byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::Url;

/// Answers to a request's head: the bytes to send, and whether to hang up after them.
type Answer = dyn Fn(&str) -> (Vec<u8>, After) + Send + Sync;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next request may come.
    GoOn,
    HangUp,
    /// Says nothing more, and keeps the connection.
    Stall,
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&str) -> (Vec<u8>, After) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let (connections, heads) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counted, kept) = (Arc::clone(&connections), Arc::clone(&heads));
        let answer: Arc<Answer> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, Arc::clone(&kept), Arc::clone(&answer)));
            }
        });
        Self { port, connections, heads }
    }

    pub(super) fn url(&self, path: &str) -> Url {
        super::url(&format!("http://127.0.0.1:{}{path}", self.port))
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("lock").clone()
    }
}

/// Reads requests and answers each.
pub(super) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Arc<Answer>,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let mut more = [0; 4_096];
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(length) => buffer.extend_from_slice(&more[..length]),
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let body = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let whole = end + body.unwrap_or(0);
        while buffer.len() < whole {
            let mut more = [0; 4_096];
            match stream.read(&mut more).await {
                Ok(0) | Err(_) => return,
                Ok(length) => buffer.extend_from_slice(&more[..length]),
            }
        }
        let seen = String::from_utf8_lossy(&buffer[..whole]).into_owned();
        buffer.drain(..whole);
        let (bytes, after) = answer(&seen);
        heads.lock().expect("lock").push(seen);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match after {
            After::GoOn => {}
            After::HangUp => return drop(stream.shutdown().await),
            After::Stall => return std::future::pending().await,
        }
    }
}

/// An answer with a body.
pub(super) fn ok(body: &str) -> (Vec<u8>, After) {
    (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(), After::GoOn)
}

/// A redirect.
pub(super) fn to(status: u16, location: &str) -> (Vec<u8>, After) {
    let head = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    (head.into_bytes(), After::GoOn)
}
