//! A web server that takes whatever is posted to it, as a receiver of webhooks does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::listen::answer_all;

/// What was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The path.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Posted {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    posted: Mutex<Vec<Posted>>,
}

/// Answers 200 to everything until it is dropped.
#[derive(Debug)]
pub struct Receiver(Arc<Inner>);

impl Receiver {
    /// Listens on this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let inner = Arc::new(Inner { address, posted: Mutex::default() });
        answer_all(listener, &inner, Inner::take);
        Self(inner)
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.address)
    }

    /// All that was posted so far, in order.
    pub fn posted(&self) -> Vec<Posted> {
        self.0.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The listening thread notices with the next connection.
        let address = self.0.address;
        std::thread::spawn(move || TcpStream::connect(address));
    }
}

impl Inner {
    /// Reads one request and keeps it before it is answered; a cut one is nothing.
    fn take(&self, mut stream: TcpStream) -> Option<()> {
        let mut input = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut posted = Posted { path, headers, body: String::new() };
        let length: u64 = posted.header("content-length")?.parse().ok()?;
        input.take(length).read_to_string(&mut posted.body).ok()?;
        if u64::try_from(posted.body.len()).ok()? < length {
            return None;
        }
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
    }
}
