//! Connections that break and a hub that is busy, as the client meets them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use polder_tests::{Hub, HubClient, LargeObject, until};

use crate::Place;

/// Passes on what one connection after the other says and tells what was asked; the first answer that is longer than
/// `cut` ends there.
fn proxy(hub: SocketAddr, cut: usize) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut is_whole = false;
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(hub).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let tell = tell.clone();
            std::thread::spawn(move || {
                pass(from, to, usize::MAX, |bytes| {
                    let _over = tell.send(String::from_utf8_lossy(bytes).into_owned());
                })
            });
            // Of the answers only one connection's at a time: which is the first long one is certain then.
            is_whole |= pass(server, client, if is_whole { usize::MAX } else { cut }, |_| {});
        }
    });
    (address, told)
}

/// Whether it ended because it was cut.
fn pass(mut from: TcpStream, mut to: TcpStream, cut: usize, mut see: impl FnMut(&[u8])) -> bool {
    let (mut space, mut passed) = (vec![0; 64 << 10], 0);
    while let Ok(count @ 1..) = from.read(&mut space) {
        see(&space[..count]);
        passed += count;
        if to.write_all(&space[..count]).is_err() || passed > cut {
            break;
        }
    }
    let _closed = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    passed > cut
}

/// Check 26: what came stays, and the client asks for the rest.
#[test]
fn a_download_that_breaks_goes_on_where_it_was() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let (place, object) = (Place::new(), LargeObject::random(70, 30_000_000));
    place.create("model", "broken");
    std::fs::write(place.dir.path().join("w.bin"), &object.bytes).unwrap();
    let hf = |endpoint: &str, args: &[&str]| client.hf(endpoint, Some(&place.ada), place.dir.path(), args);
    hf(place.hub.url("").trim_end_matches('/'), &["upload", "acme/broken", "w.bin", "w.bin"]).ok();
    let (address, told) = proxy(place.hub.address(), 15_000_000);
    hf(&format!("http://{address}"), &["download", "acme/broken", "w.bin", "--local-dir", "back"]).ok();
    assert!(std::fs::read(place.dir.path().join("back/w.bin")).unwrap() == object.bytes);
    let asked: String = told.try_iter().collect::<String>().to_lowercase();
    assert!(asked.contains("range: bytes=10485760-"), "{asked}");
}

/// Check 35: the client is told how long to wait, does, and is served.
#[test]
fn a_client_that_is_told_to_wait_waits_and_succeeds() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let limits = "[limits]\nper-client-max = 1\nqueue-max = 0\n";
    let place = Place::with(Hub::builder().config(limits).start());
    place.create("model", "busy");
    let held = LargeObject::random(71, 100_000);
    let batch = held.batch(place.hub.http(), "acme/busy", "upload", Some(&place.ada)).expect(200).json();
    let href = batch["objects"][0]["actions"]["upload"]["href"].as_str().unwrap().to_owned();
    let target = href.strip_prefix(&place.hub.url("")).unwrap();
    let mut stream = TcpStream::connect(place.hub.address()).unwrap();
    let head = format!("PUT /{target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", held.bytes.len());
    stream.write_all(&[head.as_bytes(), &held.bytes[..50_000]].concat()).unwrap();
    let is_held = || {
        place.hub.http().get("/metrics").send().text().lines().any(|line| {
            line.starts_with("polder_transfers_running") && line.contains("upload") && line.ends_with(" 1")
        })
    };
    until("the upload to take its place", 10, || is_held().then_some(()));

    std::fs::write(place.dir.path().join("w.bin"), vec![7; 300_000]).unwrap();
    let url = place.hub.url("");
    std::thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let args = ["upload", "acme/busy", "w.bin", "w.bin"];
            client.hf(url.trim_end_matches('/'), Some(&place.ada), place.dir.path(), &args)
        });
        until("the client to be told", 60, || place.hub.log().contains("status=429").then_some(()));
        stream.write_all(&held.bytes[50_000..]).unwrap();
        upload.join().unwrap().ok();
    });
    let told = place.hub.http().get("/acme/busy/resolve/main/w.bin").send().expect(200);
    assert!(told.body == vec![7; 300_000]);
}
