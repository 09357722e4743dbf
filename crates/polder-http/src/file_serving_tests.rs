//! Files over real sockets: over TCP, where the system sends them, and over a Unix socket, where they
//! are read and written.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Advice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use crate::app::{Request, ResponseFuture};
use crate::file_body::{FileBody, FilePart};
use crate::file_response::{FileSource, file_response};
use crate::server::{ServerLimits, serve};
use crate::stop::Stop;
use crate::transport::Transport;

/// No step of a test may take longer; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(20);
/// Several stretches and a last one that is none.
const BYTES: usize = (3 << 20) + 17;

fn pattern() -> Vec<u8> {
    (0..BYTES).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// A file whose bytes after the first `BYTES` must never be seen.
fn file() -> Arc<File> {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&pattern(), 0).unwrap();
    file.write_all_at(&vec![b'!'; 1 << 20], u64::try_from(BYTES).unwrap()).unwrap();
    file.sync_all().unwrap();
    Arc::new(file)
}

fn answer(file: &Arc<File>) -> impl Fn(Request) -> ResponseFuture + Clone + Send + Sync + Unpin + 'static {
    let source = FileSource::File { file: Arc::clone(file), size_bytes: u64::try_from(BYTES).unwrap() };
    move |request: Request| {
        let source = source.clone();
        Box::pin(async move { file_response(request.method(), request.headers(), source, "\"f\"") })
    }
}

/// A connection of each kind to a server of `file`.
async fn connections(file: &Arc<File>) -> (tempfile::TempDir, TcpStream, UnixStream) {
    connections_to(answer(file)).await
}

async fn connections_to<A>(answer: A) -> (tempfile::TempDir, TcpStream, UnixStream)
where
    A: Fn(Request) -> ResponseFuture + Clone + Send + Sync + Unpin + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), UnixListener::bind(&path).unwrap());
    let address = tcp.local_addr().unwrap();
    tokio::spawn(serve(tcp, answer.clone(), ServerLimits::default(), Stop::default()));
    tokio::spawn(serve(unix, answer, ServerLimits::default(), Stop::default()));
    (directory, TcpStream::connect(address).await.unwrap(), UnixStream::connect(&path).await.unwrap())
}

/// Sends all requests at once and reads everything that comes.
async fn exchange(mut stream: impl Transport, requests: &str) -> Vec<u8> {
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // A cut connection is an end like another here: what arrived is judged.
    let _end = timeout(DEADLINE, stream.read_to_end(&mut received)).await.expect("the connection ends");
    received
}

impl Transport for TcpStream {}

fn without_head(answer: &[u8]) -> &[u8] {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    &answer[head + 4..]
}

#[tokio::test]
async fn every_range_arrives_as_it_is_in_the_file_by_either_way() {
    let (file, content) = (file(), pattern());
    for (first, last) in
        [(0, BYTES - 1), (1, BYTES - 2), (5, 5 + (1 << 20)), (BYTES - 70_000, BYTES - 1), (9, 9)]
    {
        let (_directory, tcp, unix) = connections(&file).await;
        let request =
            format!("GET / HTTP/1.1\r\nhost: x\r\nrange: bytes={first}-{last}\r\nconnection: close\r\n\r\n");
        for received in [exchange(tcp, &request).await, exchange(unix, &request).await] {
            assert!(received.starts_with(b"HTTP/1.1 206 "));
            assert!(without_head(&received) == &content[first..=last], "{first}-{last}");
        }
    }
}

#[tokio::test]
async fn answers_to_requests_sent_at_once_keep_their_order_and_bytes() {
    let (file, content) = (file(), pattern());
    let (_directory, tcp, unix) = connections(&file).await;
    let ranges = [(0, 99_999), (100_000, 100_003), (100_004, BYTES - 1)];
    let requests: String = ranges
        .iter()
        .map(|(first, last)| format!("GET / HTTP/1.1\r\nhost: x\r\nrange: bytes={first}-{last}\r\n\r\n"))
        .chain(["HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned()])
        .collect();
    for received in [exchange(tcp, &requests).await, exchange(unix, &requests).await] {
        let (mut rest, mut seen) = (&received[..], Vec::new());
        for (first, last) in ranges {
            let body = without_head(rest);
            seen.extend_from_slice(&body[..=last - first]);
            rest = &body[last - first + 1..];
        }
        assert!(seen == content);
        assert!(rest.starts_with(b"HTTP/1.1 200 ") && without_head(rest).is_empty());
    }
}

#[tokio::test]
async fn a_file_that_left_the_page_cache_is_served_all_the_same() {
    let (file, content) = (file(), pattern());
    for kind in ["tcp", "unix"] {
        let (_directory, tcp, unix) = connections(&file).await;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let received =
            if kind == "tcp" { exchange(tcp, request).await } else { exchange(unix, request).await };
        assert!(without_head(&received) == content, "{kind}");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_served_cuts_the_connection() {
    let file = file();
    let (_directory, tcp, unix) = connections(&file).await;
    let left = BYTES / 2;
    file.set_len(u64::try_from(left).unwrap()).unwrap();
    // The client asked to keep the connection; that it ends before the length says that it failed.
    let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for received in [exchange(tcp, request).await, exchange(unix, request).await] {
        let head = String::from_utf8_lossy(&received[..200]).into_owned();
        assert!(head.contains(&format!("content-length: {BYTES}\r\n")), "{head}");
        assert!(without_head(&received).len() <= left);
    }
}

#[tokio::test]
async fn a_file_goes_over_tcp_without_passing_through_this_process() {
    let (file, content) = (file(), pattern());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut transport = crate::TcpTransport::new(listener.accept().await.unwrap().0);
    let stretch = 100_000;
    let placeholder = transport.files().unwrap().placeholder(&file, 3, stretch).unwrap();
    let mut received = vec![0; stretch];
    let sent = tokio::join!(transport.write_all(&placeholder), client.read_exact(&mut received));
    sent.0.and(sent.1).unwrap();
    assert!(received == content[3..3 + stretch]);
    assert!(placeholder.iter().all(|byte| *byte == 0), "nobody filled the placeholder");
}

/// Parts of all lengths that chunks have and shorter ones, with some memory before each, and what they are
/// together.
fn parts_of(content: &[u8], mut seed: u32) -> (Vec<FilePart>, Vec<u8>) {
    let (mut parts, mut whole, mut at) = (Vec::new(), Vec::new(), 0);
    while at < content.len() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = match seed >> 30 {
            0 => usize::try_from(seed >> 16 & 0x3f).unwrap(),
            _ => usize::try_from(seed >> 13 & 0x1_ffff).unwrap(),
        };
        let (memory, end) = (seed.to_be_bytes().repeat(1 + len % 3), (at + len).min(content.len()));
        whole.extend_from_slice(&memory);
        whole.extend_from_slice(&content[at..end]);
        parts.push(FilePart::Memory(memory.into()));
        parts.push(FilePart::Range(u64::try_from(at).unwrap()..u64::try_from(end).unwrap()));
        at = end;
    }
    // More than a stretch may have, of zeros as a placeholder is.
    whole.resize(whole.len() + 100_000, 0);
    parts.push(FilePart::Memory(vec![0; 100_000].into()));
    (parts, whole)
}

/// What a client gets of these parts, over each kind of connection.
async fn exchange_parts(file: &Arc<File>, parts: &[FilePart]) -> [Vec<u8>; 2] {
    let (file, parts) = (Arc::clone(file), parts.to_vec());
    let answer = move |_: Request| -> ResponseFuture {
        let body = FileBody::of_parts(Arc::clone(&file), parts.clone());
        Box::pin(async move { body.into_response() })
    };
    let (_directory, tcp, unix) = connections_to(answer).await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    [exchange(tcp, request).await, exchange(unix, request).await]
}

#[tokio::test]
async fn parts_of_a_file_and_memory_arrive_in_their_order_by_either_way() {
    let (file, content) = (file(), pattern());
    for seed in 0..8 {
        let (parts, whole) = parts_of(&content, seed);
        if seed % 2 == 1 {
            rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        }
        for received in exchange_parts(&file, &parts).await {
            assert!(without_head(&received) == whole, "{seed}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_shorter_than_its_parts_cuts_the_connection() {
    let (file, content) = (file(), pattern());
    let (parts, whole) = parts_of(&content, 9);
    file.set_len(u64::try_from(BYTES / 2).unwrap()).unwrap();
    for received in exchange_parts(&file, &parts).await {
        let head = String::from_utf8_lossy(&received[..200]).into_owned();
        assert!(head.contains(&format!("content-length: {}\r\n", whole.len())), "{head}");
        let body = without_head(&received);
        assert!(body.len() < whole.len() && body == &whole[..body.len()]);
    }
}

#[tokio::test]
async fn a_head_waits_for_the_file_and_both_leave_in_full_segments() {
    let (file, content) = (file(), pattern());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut transport = crate::TcpTransport::new(crate::accept_tcp(&listener).await.unwrap().0);
    let (head, stretch) = (b"HTTP/1.1 200 OK\r\n\r\n", 100_000);
    let placeholder = transport.files().unwrap().placeholder(&file, 0, stretch).unwrap();
    let slices = [std::io::IoSlice::new(head), std::io::IoSlice::new(&placeholder)];
    assert_eq!(transport.write_vectored(&slices).await.unwrap(), head.len());
    let early = client.try_read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "a segment of a head alone");
    let mut received = vec![0; head.len() + stretch];
    let sent = tokio::join!(
        async {
            transport.write_all(&placeholder).await?;
            transport.flush().await
        },
        client.read_exact(&mut received)
    );
    sent.0.and(sent.1.map(drop)).unwrap();
    assert!(received[..head.len()] == *head && received[head.len()..] == content[..stretch]);
    // What comes after the file is not held back.
    transport.write_all(b"+").await.unwrap();
    assert_eq!(timeout(Duration::from_millis(150), client.read_u8()).await.unwrap().unwrap(), b'+');
}
