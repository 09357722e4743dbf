//! A small HTTP/1.1 client: one connection, answers whole, or thrown away unseen.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::net::RecvFlags;

use crate::tools::Result;

/// Longest answer kept, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Bytes thrown away at a time.
const DISCARD_BYTES: usize = 1 << 20;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Client(BufReader<TcpStream>);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    status: u16,
    length: Option<u64>,
    is_chunked: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request with a short body and reads the answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let length = u64::try_from(body.len())?;
        self.send_head(method, target, headers, length, body)?;
        self.answer()
    }

    /// Sends the head of a request and the first bytes of its body in one write.
    pub(crate) fn send_head(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        length: u64,
        first: &[u8],
    ) -> Result<()> {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n");
        let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut bytes = [head, lines.concat(), "\r\n".to_owned()].concat().into_bytes();
        bytes.extend_from_slice(first);
        self.send(&bytes)
    }

    /// Sends more of a body.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(bytes)?)
    }

    /// Reads an answer whole.
    pub(crate) fn answer(&mut self) -> Result<Answer> {
        let head = self.head()?;
        let mut body = Vec::new();
        match head {
            Head { is_chunked: true, .. } => self.read_chunks(&mut body)?,
            Head { length: Some(length), .. } if length <= ANSWER_BYTES_MAX => {
                (&mut self.0).take(length).read_to_end(&mut body)?;
            }
            Head { status: 204 | 304, .. } => {}
            Head { .. } => return Err("an answer without a length, or a very long one".into()),
        }
        Ok(Answer { status: head.status, body })
    }

    /// Asks with no body and requires success; the answer is thrown away.
    pub(crate) fn success(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<()> {
        self.send_head(method, target, headers, 0, b"")?;
        let status = if method == "HEAD" { self.head()?.status } else { self.answer()?.status };
        if status == 200 { Ok(()) } else { Err(format!("{method} {target}: {status}").into()) }
    }

    /// Reads an answer of known length without ever copying it out of the system.
    pub(crate) fn discard_answer(&mut self) -> Result<u64> {
        let head = self.head()?;
        let length =
            head.length.filter(|_| head.status == 200).ok_or("not a whole answer with its length")?;
        let mut left = length.saturating_sub(u64::try_from(self.0.buffer().len())?);
        self.0.consume(self.0.buffer().len());
        let mut space = vec![0; DISCARD_BYTES];
        while left > 0 {
            let want = usize::try_from(left)?.min(DISCARD_BYTES);
            let space = space.get_mut(..want).ok_or("impossible length")?;
            let (_, taken) = rustix::net::recv(self.0.get_ref(), space, RecvFlags::TRUNC)?;
            if taken == 0 {
                return Err("the answer ended early".into());
            }
            left = left.saturating_sub(u64::try_from(taken)?);
        }
        Ok(length)
    }

    /// Reads an answer of known length into a file, and makes it durable.
    pub(crate) fn save_answer(&mut self, file: &mut File) -> Result<u64> {
        let head = self.head()?;
        let length =
            head.length.filter(|_| head.status == 200).ok_or("not a whole answer with its length")?;
        let saved = std::io::copy(&mut (&mut self.0).take(length), file)?;
        file.sync_all()?;
        if saved == length { Ok(length) } else { Err("the answer ended early".into()) }
    }

    fn head(&mut self) -> Result<Head> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut head = Head { status: code.ok_or("not an HTTP answer")?, length: None, is_chunked: false };
        loop {
            let line = self.line()?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else { return Ok(head) };
            match name {
                "content-length" => head.length = value.trim().parse().ok(),
                "transfer-encoding" => head.is_chunked = value.trim() == "chunked",
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if (&mut self.0).take(1 << 16).read_line(&mut line)? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Result<()> {
        loop {
            let length = u64::from_str_radix(&self.line()?, 16)?;
            if u64::try_from(body.len())? + length > ANSWER_BYTES_MAX {
                return Err("a very long answer".into());
            }
            (&mut self.0).take(length).read_to_end(body)?;
            self.line()?;
            if length == 0 {
                return Ok(());
            }
        }
    }
}
