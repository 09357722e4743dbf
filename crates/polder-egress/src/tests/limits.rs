//! What a bad server can make the hub spend.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::server::{After, Server, ok};
use super::{Scripted, get, local, quick, text};
use crate::{Allowance, Egress, Kind, Options, Request};

async fn fails(server: &Server) -> Kind {
    let answer = get(&local(), &server.url("/")).await;
    let failed = match answer {
        Ok(answer) => answer.bytes(1 << 20).await.map(|_| ()).expect_err("a bad server"),
        Err(failed) => failed,
    };
    failed.kind()
}

#[tokio::test]
async fn a_bad_answer_is_bounded_and_named() {
    let head = "HTTP/1.1 200 OK\r\n";
    let bad: Vec<(Vec<u8>, After, Kind)> = vec![
        (format!("{head}x: ").into_bytes(), After::Stall, Kind::TimedOut),
        ([head.as_bytes(), b"x: ", &vec![b'a'; 100 << 10]].concat(), After::HangUp, Kind::BadAnswer),
        (
            [head.to_owned(), "a: b\r\n".repeat(200), "\r\n".to_owned()].concat().into_bytes(),
            After::HangUp,
            Kind::BadAnswer,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(), After::HangUp, Kind::BadAnswer),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(), After::Stall, Kind::TimedOut),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc".to_vec(),
            After::HangUp,
            Kind::BadAnswer,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n".to_vec(),
            After::HangUp,
            Kind::BadAnswer,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n".to_vec(),
            After::GoOn,
            Kind::BadAnswer,
        ),
        (
            format!("{head}content-length: 9999999\r\n\r\n{}", "x".repeat(2 << 20)).into_bytes(),
            After::Stall,
            Kind::TooLarge,
        ),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec(), After::HangUp, Kind::BadAnswer),
        (b"".to_vec(), After::HangUp, Kind::BadAnswer),
    ];
    let asks: Vec<_> = bad
        .into_iter()
        .map(|(bytes, after, kind)| {
            tokio::spawn(async move {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
                let server = Server::start(move |_| (bytes.clone(), after)).await;
                assert_eq!(fails(&server).await, kind, "{shown:?}");
            })
        })
        .collect();
    for ask in asks {
        ask.await.expect("as it should");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_where_it_may_not_go_on() {
    let server = Server::start(|head| {
        if head.is_empty() {
            return ok("");
        }
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        (
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(4_096))
                .into_bytes(),
            After::Stall,
        )
    })
    .await;
    let body = get(&local(), &server.url("/")).await.expect("answer").into_body();
    let mut body = body.at_most(1 << 20);
    let mut came = 0;
    let failed = loop {
        match body.chunk().await {
            Ok(Some(chunk)) => came += chunk.len(),
            Ok(None) => panic!("it ended"),
            Err(failed) => break failed,
        }
    };
    assert_eq!(failed.kind(), Kind::TooLarge);
    assert!((1..=1 << 20).contains(&came), "{came}");
}

#[tokio::test]
async fn one_host_holds_only_its_own_places() {
    let stuck = Server::start(|_| (Vec::new(), After::Stall)).await;
    let healthy = Server::start(|_| ok("well")).await;
    let options = Options { per_host_max: 1, in_all_max: 8, ..quick(Scripted::new(&[&["127.0.0.1"]])) };
    let egress = Egress::new(options).expect("client");
    let url = stuck.url("/");
    let ask = |longest: Duration| {
        let request = Request::get(&url, &Allowance::naming(&url)).wait_max(longest);
        let egress = egress.clone();
        tokio::spawn(async move { egress.send(request).await.map(|_| ()) })
    };
    let first = ask(Duration::from_mins(1));
    while stuck.heads().is_empty() {
        assert!(!first.is_finished());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let others: Vec<_> = (0..3).map(|_| ask(Duration::from_millis(300))).collect();
    assert_eq!(text(get(&egress, &healthy.url("/")).await.expect("answer")).await, "well");
    for other in others {
        assert_eq!(other.await.expect("task").expect_err("stuck").kind(), Kind::TimedOut);
    }
    assert!(!first.is_finished());
    assert_eq!(stuck.heads().len(), 1, "one at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_where_blocking_is_allowed() {
    let long = "0123456789".repeat(100_000);
    let expected = long.clone();
    let server = Server::start(move |_| ok(&long)).await;
    let body = get(&local(), &server.url("/")).await.expect("answer").into_body();
    let runtime = Handle::current();
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        body.blocking(runtime).read_to_string(&mut text).map(|_| text)
    });
    let read = tokio::task::block_in_place(|| read.join().expect("thread"));
    assert_eq!(read.expect("body"), expected);
    drop(Arc::new(server));
}
