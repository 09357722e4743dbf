//! The server over real sockets: what a client sees, in bytes.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{Request, Response, ResponseFuture};
use crate::file_response::{FileSource, file_response};
use crate::peer::Peer;
use crate::server::{ServerLimits, serve};
use crate::stop::Stop;

/// No step of a test may take longer; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
const BIG: u64 = 64 << 20;

struct Server {
    address: std::net::SocketAddr,
    stop: Stop,
    ended: JoinHandle<usize>,
}

impl Server {
    async fn start<A, F>(limits: ServerLimits, answer: A) -> Self
    where
        A: Fn(Request) -> F + Clone + Send + Sync + Unpin + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), Stop::default());
        let answer = move |request| -> ResponseFuture { Box::pin(answer(request)) };
        let ended = tokio::spawn(serve(listener, answer, limits, stop.clone()));
        Self { address, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) -> usize {
        self.stop.press();
        timeout(DEADLINE, self.ended).await.expect("the server ends").unwrap()
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the connection ends").unwrap();
    String::from_utf8(answer).unwrap()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let byte = timeout(DEADLINE, stream.read_u8()).await.expect("an answer comes").unwrap();
        answer.push(char::from(byte));
    }
    answer
}

async fn echo(request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let body = request.into_body().collect().await;
    let text = body.map_or_else(|error| format!("failed: {error}"), |body| format!("{:?}", body.to_bytes()));
    Response::new(Body::from(format!("{} {text}|", peer.is_some_and(|peer| peer.is_loopback()))))
}

/// The body of the request comes back as an error text, and `seen` says which one it was.
fn report_error(
    seen: mpsc::Sender<String>,
) -> impl Fn(Request) -> ResponseFuture + Clone + Send + Sync + Unpin {
    move |request| {
        let seen = seen.clone();
        Box::pin(async move {
            let outcome = request.into_body().collect().await;
            seen.send(outcome.err().map_or_else(String::new, |error| format!("{error:?}"))).await.unwrap();
            Response::new(Body::from("done"))
        })
    }
}

fn big_file() -> Arc<File> {
    let file = tempfile::tempfile().unwrap();
    file.set_len(BIG).unwrap();
    Arc::new(file)
}

#[tokio::test]
async fn requests_follow_one_another_on_a_connection_and_carry_their_peer() {
    let server = Server::start(ServerLimits::default(), echo).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        send(&mut stream, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab").await;
        let answer = read_until(&mut stream, "|").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("true b\"ab\"|"), "{answer}");
    }
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (listener, stop) = (UnixListener::bind(&path).unwrap(), Stop::default());
    let answer = |request| -> ResponseFuture { Box::pin(echo(request)) };
    let ended = tokio::spawn(serve(listener, answer, ServerLimits::default(), stop.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("true b\"\"|"), "{answer}");
    stop.press();
    assert_eq!(timeout(DEADLINE, ended).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let server = Server::start(ServerLimits::default(), echo).await;
    let mut stream = server.connect().await;
    send(&mut stream, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut stream, "ab").await;
    assert!(read_until(&mut stream, "|").await.ends_with("b\"ab\"|"));
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_or_is_too_long_is_cut() {
    let limits = ServerLimits { header_timeout: SHORT, header_bytes_max: 2000, ..Default::default() };
    let server = Server::start(limits, echo).await;
    let mut slow = server.connect().await;
    send(&mut slow, "GET / HTTP/1.1\r\nhost").await;
    assert!(!read_to_end(&mut slow).await.contains("200"));
    let mut silent = server.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut long = server.connect().await;
    send(&mut long, &format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(3000))).await;
    assert!(read_to_end(&mut long).await.starts_with("HTTP/1.1 431 "));
    let mut many = server.connect().await;
    send(&mut many, &format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(101))).await;
    assert!(read_to_end(&mut many).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_body_that_stops_coming_fails_and_one_that_moves_does_not() {
    let limits = ServerLimits { body_idle_timeout: SHORT, ..Default::default() };
    let (seen, mut outcomes) = mpsc::channel(1);
    let server = Server::start(limits, report_error(seen)).await;
    let mut stream = server.connect().await;
    send(&mut stream, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    let outcome = timeout(DEADLINE, outcomes.recv()).await.expect("it is cut").unwrap();
    assert!(outcome.contains("TimedOut"), "{outcome}");

    // Four windows long, 16 KiB and more in each.
    let mut stream = server.connect().await;
    send(&mut stream, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n").await;
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 2).await;
        stream.write_all(&vec![b'x'; 50_000]).await.unwrap();
    }
    let outcome = timeout(DEADLINE, outcomes.recv()).await.expect("it ends").unwrap();
    assert_eq!(outcome, "");
}

#[tokio::test]
async fn a_reader_that_stands_still_is_cut_and_one_that_moves_gets_everything() {
    let limits = ServerLimits { write_idle_timeout: SHORT, connections_max: 1, ..Default::default() };
    let file = big_file();
    let answer = move |request: Request| {
        let source = FileSource::File { file: Arc::clone(&file), size_bytes: BIG };
        async move { file_response(request.method(), request.headers(), source, "\"f\"") }
    };
    let server = Server::start(limits, answer).await;
    let mut stalled = server.connect().await;
    send(&mut stalled, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // There is one seat, so the second is served only once the first was cut.
    let mut moving = server.connect().await;
    send(&mut moving, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let head = read_until(&mut moving, "\r\n\r\n").await;
    assert!(head.contains(&format!("content-length: {BIG}\r\n")), "{head}");
    let received = timeout(DEADLINE, tokio::io::copy(&mut moving, &mut tokio::io::sink())).await.unwrap();
    assert_eq!(received.unwrap(), BIG);
    let received = timeout(DEADLINE, tokio::io::copy(&mut stalled, &mut tokio::io::sink())).await.unwrap();
    assert!(received.is_err() || received.is_ok_and(|bytes| bytes < BIG));
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let answer = |request: Request| async move {
        drop(request);
        let mut response = Response::new(Body::from("no|"));
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        response
    };
    let server = Server::start(ServerLimits::default(), answer).await;
    let mut stream = server.connect().await;
    send(&mut stream, &format!("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: {BIG}\r\n\r\n")).await;
    // More than socket buffers hold: without a taker this would fail or block.
    let chunk = vec![0; 1 << 20];
    for _ in 0..32 {
        timeout(DEADLINE, stream.write_all(&chunk)).await.expect("it is taken").unwrap();
    }
    let answer = read_until(&mut stream, "no|").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

/// A proxy that passes bodies on while they come ends its client's connection where not all of one is taken, and
/// does not say so.
#[tokio::test]
async fn a_connection_goes_on_after_a_small_body_that_nobody_reads() {
    let (dropped, mut drops) = mpsc::channel(1);
    let answer = move |request: Request| {
        let dropped = dropped.clone();
        async move {
            drop(request);
            dropped.send(()).await.unwrap();
            Response::new(Body::from("no|"))
        }
    };
    let server = Server::start(ServerLimits::default(), answer).await;
    let mut stream = server.connect().await;
    for chunked in [false, true, false] {
        let (length, body) = if chunked {
            ("transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")
        } else {
            ("content-length: 3", "abc")
        };
        send(&mut stream, &format!("PUT / HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n")).await;
        // So late that nobody can have read it.
        timeout(DEADLINE, drops.recv()).await.unwrap().unwrap();
        send(&mut stream, body).await;
        let answer = read_until(&mut stream, "no|").await;
        assert!(!answer.contains("connection: close"), "{answer}");
    }
    // What does not come is not waited for long, and what is asked for first is not asked for.
    for head in ["content-length: 3", "content-length: 3\r\nexpect: 100-continue", "content-length: 65537"] {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("PUT / HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n")).await;
        timeout(DEADLINE, drops.recv()).await.unwrap().unwrap();
        let answer = read_until(&mut stream, "no|").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_lets_running_requests_finish() {
    let (begun, mut running) = mpsc::channel(1);
    let (finish, may_finish) = oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(may_finish)));
    let answer = move |request: Request| {
        let (begun, gate) = (begun.clone(), Arc::clone(&gate));
        async move {
            if request.uri() == "/slow" {
                begun.send(()).await.unwrap();
                let may_finish = gate.lock().await.take().unwrap();
                may_finish.await.unwrap();
            }
            Response::new(Body::from("done|"))
        }
    };
    let server = Server::start(ServerLimits::default(), answer).await;
    let mut fresh = server.connect().await;
    let mut idle = server.connect().await;
    send(&mut idle, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut idle, "done|").await;
    let mut busy = server.connect().await;
    send(&mut busy, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    timeout(DEADLINE, running.recv()).await.unwrap().unwrap();

    server.stop.press();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut fresh).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "no new work");
    finish.send(()).unwrap();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.ends_with("done|") && answer.contains("connection: close"), "{answer}");
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn a_request_that_never_finishes_cannot_hold_up_a_stop() {
    let (begun, mut running) = mpsc::channel(1);
    let limits = ServerLimits { drain_timeout: SHORT, ..Default::default() };
    let answer = move |_| {
        let begun = begun.clone();
        async move {
            begun.send(()).await.unwrap();
            std::future::pending().await
        }
    };
    let server = Server::start(limits, answer).await;
    let mut stuck = server.connect().await;
    send(&mut stuck, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    timeout(DEADLINE, running.recv()).await.unwrap().unwrap();
    assert_eq!(server.stop().await, 1);
    assert_eq!(read_to_end(&mut stuck).await, "");
}
