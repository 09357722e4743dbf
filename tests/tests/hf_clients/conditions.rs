//! Connections that break and a hub that is busy, as the client meets them.

use std::io::Write;
use std::net::TcpStream;

use polder_tests::{Door, Hub, HubClient, LargeObject, until};

use crate::Place;

/// Check 26: what came stays, and the client asks for the rest.
#[test]
fn a_download_that_breaks_goes_on_where_it_was() {
    let Some(client) = HubClient::of("2.4.0").map(HubClient::without_xet) else { return };
    let (place, object) = (Place::new(), LargeObject::random(70, 30_000_000));
    place.create("model", "broken");
    std::fs::write(place.dir.path().join("w.bin"), &object.bytes).unwrap();
    let hf = |endpoint: &str, args: &[&str]| client.hf(endpoint, Some(&place.ada), place.dir.path(), args);
    hf(place.hub.url("").trim_end_matches('/'), &["upload", "acme/broken", "w.bin", "w.bin"]).ok();
    let door = Door::open();
    let url = door.url();
    let told = door.lead_to(place.hub.address(), Some(15_000_000));
    hf(&url, &["download", "acme/broken", "w.bin", "--local-dir", "back"]).ok();
    assert!(std::fs::read(place.dir.path().join("back/w.bin")).unwrap() == object.bytes);
    let asked = told.try_iter().collect::<Vec<_>>().concat();
    let asked = String::from_utf8_lossy(&asked).to_lowercase();
    assert!(asked.contains("range: bytes=10485760-"), "{asked}");
}

/// When a line of the log was written, in seconds of its day, and how long its request had taken by then.
fn times(line: &str) -> [f64; 2] {
    let clock = line.split_once('T').and_then(|(_, rest)| rest.split_once('Z')).unwrap().0;
    let seconds = clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
    let millis = line.split_once(" millis=").unwrap().1.split(' ').next().unwrap();
    [seconds, millis.parse::<f64>().unwrap() / 1000.0]
}

/// Check 35: the client is told how long to wait, does, and is served.
#[test]
fn a_client_that_is_told_to_wait_waits_and_succeeds() {
    let Some(client) = HubClient::of("2.4.0").map(HubClient::without_xet) else { return };
    let limits = "[limits]\nper-client-max = 1\nqueue-max = 0\n";
    let place = Place::with(Hub::builder().config(limits).start());
    place.create("model", "busy");
    let slow = LargeObject::random(71, 100_000);
    let batch = slow.batch(place.hub.http(), "acme/busy", "upload", Some(&place.ada)).expect(200).json();
    let href = batch["objects"][0]["actions"]["upload"]["href"].as_str().unwrap().to_owned();
    let target = href.strip_prefix(&place.hub.url("")).unwrap();
    let mut stream = TcpStream::connect(place.hub.address()).unwrap();
    let head = format!("PUT /{target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", slow.bytes.len());
    stream.write_all(&[head.as_bytes(), &slow.bytes[..50_000]].concat()).unwrap();
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
        stream.write_all(&slow.bytes[50_000..]).unwrap();
        upload.join().unwrap().ok();
    });
    let told = place.hub.http().get("/acme/busy/resolve/main/w.bin").send().expect(200);
    assert!(told.body == vec![7; 300_000]);
    // `RETRY_AFTER_SECONDS` of the hub; a request is in the log when it is over.
    let log = place.hub.log();
    let puts: Vec<&str> = log.lines().skip_while(|line| !line.contains("status=429")).collect();
    let path = puts[0].split_once(" path=").unwrap().1.split(' ').next().unwrap();
    let next = puts[1..].iter().find(|line| line.contains(path)).expect("it comes again");
    let ([told, _], [over, took]) = (times(puts[0]), times(next));
    let waited = (over - took - told).rem_euclid(86_400.0);
    assert!((5.0..60.0).contains(&waited), "{waited} seconds between\n{}\n{next}", puts[0]);
}
