//! HTTP/1.1 written by hand, so that a test can say exactly what goes over the wire.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, socket};

const READ_SECONDS_MAX: u64 = 60;
const RESPONSE_BYTES_MAX: u64 = 256 << 20;

/// A client of one server; every request has its own connection.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    address: SocketAddr,
    source: Option<IpAddr>,
}

/// A request being put together.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    source: Option<IpAddr>,
    seconds_max: u64,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Every header, in order, as sent.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Http {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, source: None }
    }

    /// The same, but its requests come from this address, such as 127.0.0.2.
    #[must_use]
    pub fn from(self, source: &str) -> Self {
        Self { source: Some(source.parse().expect("an address")), ..self }
    }

    /// A request with any method; `target` is a path with query, or a whole URL of this server.
    pub fn request(&self, method: &str, target: &str) -> Request {
        let base = format!("http://{}", self.address);
        let target = target.strip_prefix(&base).unwrap_or(target);
        Request {
            address: self.address,
            source: self.source,
            seconds_max: READ_SECONDS_MAX,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET target`.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// `HEAD target`.
    pub fn head(&self, target: &str) -> Request {
        self.request("HEAD", target)
    }

    /// `POST target` with a body.
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Request {
        self.request("POST", target).body(body)
    }

    /// `PUT target` with a body.
    pub fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Request {
        self.request("PUT", target).body(body)
    }

    /// `DELETE target`.
    pub fn delete(&self, target: &str) -> Request {
        self.request("DELETE", target)
    }

    /// Sends `bytes` as they are and reads what comes back; `None` if the server just hangs up.
    pub fn raw(&self, bytes: &[u8]) -> Option<Response> {
        exchange(connect(self.address, self.source, READ_SECONDS_MAX)?, bytes, false)
    }

    /// A bare connection.
    pub fn connect(&self) -> TcpStream {
        connect(self.address, self.source, READ_SECONDS_MAX).expect("connect")
    }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Authenticates with HTTP Basic.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let value = base64(format!("{user}:{password}").as_bytes());
        self.header("Authorization", &format!("Basic {value}"))
    }

    /// Authenticates with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Gives up when the server says nothing for so long.
    #[must_use]
    pub fn within(mut self, seconds: u64) -> Self {
        self.seconds_max = seconds;
        self
    }

    /// The request as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let has = |name: &str| self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if !has("host") {
            head.extend(["Host: ", &self.address.to_string(), "\r\n"]);
        }
        if !has("connection") {
            head += "Connection: close\r\n";
        }
        let bodied = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") || !self.body.is_empty();
        if bodied && !has("content-length") && !has("transfer-encoding") {
            head.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        for (name, value) in &self.headers {
            head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it; panics if the server hangs up without an answer.
    #[track_caller]
    pub fn send(&self) -> Response {
        self.try_send().unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.target))
    }

    /// Sends it; `None` if the connection fails or ends without a whole answer.
    pub fn try_send(&self) -> Option<Response> {
        let stream = connect(self.address, self.source, self.seconds_max)?;
        exchange(stream, &self.to_bytes(), self.method == "HEAD")
    }
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in a {} answer: {}", self.status, self.text()))
    }

    /// Itself, if the status is the one expected; panics with the body otherwise.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the check is the use")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

fn connect(address: SocketAddr, source: Option<IpAddr>, seconds_max: u64) -> Option<TcpStream> {
    let stream = match source {
        None => TcpStream::connect(address).ok()?,
        Some(source) => {
            let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket(family, SocketType::STREAM, None).ok()?;
            bind(&socket, &SocketAddr::new(source, 0)).ok()?;
            rustix::net::connect(&socket, &address).ok()?;
            TcpStream::from(socket)
        }
    };
    let limit = Some(Duration::from_secs(seconds_max));
    stream.set_read_timeout(limit).ok()?;
    stream.set_write_timeout(limit).ok()?;
    Some(stream)
}

fn exchange(mut stream: TcpStream, bytes: &[u8], head_only: bool) -> Option<Response> {
    // A server may answer and hang up before it has read a body it does not want.
    let _sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    loop {
        match (&mut stream).take(RESPONSE_BYTES_MAX).read_to_end(&mut answer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => break,
        }
    }
    parse(&answer, head_only)
}

fn parse(answer: &[u8], head_only: bool) -> Option<Response> {
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let rest = &answer[split + 4..];
    if status == 100 {
        return parse(rest, head_only);
    }
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    let mut response = Response { status, headers, body: Vec::new() };
    if head_only || status == 204 || status == 304 {
        return Some(response);
    }
    if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().ok()?;
        response.body = rest.get(..length)?.to_vec();
    } else if response.header("transfer-encoding").is_some() {
        response.body = dechunk(rest)?;
    } else {
        response.body = rest.to_vec();
    }
    Some(response)
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(str::from_utf8(&rest[..end]).ok()?.split(';').next()?, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// Bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut word = 0_u32;
        for place in 0..3 {
            word = word << 8 | u32::from(three.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place <= three.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        for (plain, coded) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("a:b?", "YTpiPw==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_cut_body_is_not_an_answer() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", false).is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false).is_none());
        let whole =
            parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", false);
        assert_eq!(whole.expect("an answer").body, b"ab");
    }
}
