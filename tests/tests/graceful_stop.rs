//! SIGTERM: no new work, running transfers finish, and the process ends by itself in good time.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use polder_tests::{Hub, LargeObject, poll, until};
use rustix::process::Signal;

#[test]
fn running_transfers_finish_new_ones_are_refused_and_the_process_ends() {
    let mut hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = LargeObject::random(1, 40 << 20);
    object.upload(hub.http(), "acme/m", &token);
    let href = object.action(hub.http(), "acme/m", "download", None).unwrap();

    // A download that has begun, and an upload that has begun.
    let mut download = hub.http().connect();
    download.write_all(&hub.http().get(&href).to_bytes()).unwrap();
    let mut start = vec![0; 1 << 16];
    download.read_exact(&mut start).unwrap();
    let second = LargeObject::random(2, 4 << 20);
    let put = second.action(hub.http(), "acme/m", "upload", Some(&token)).unwrap();
    let bytes = hub.http().put(&put, second.bytes.clone()).to_bytes();
    let mut upload = hub.http().connect();
    upload.write_all(&bytes[..bytes.len() / 2]).unwrap();
    until("the upload to arrive", 10, || {
        hub.stored_files().iter().any(|n| n.contains("quarantine/")).then_some(())
    });

    let asked = Instant::now();
    hub.signal(Signal::TERM);
    let address = hub.address();
    let refused = poll(10, || TcpStream::connect(address).is_err().then_some(()));
    assert!(refused.is_some(), "it still takes connections");
    assert!(hub.is_running(), "it waits for the transfers");

    upload.write_all(&bytes[bytes.len() / 2..]).unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    let body = [start, rest].concat();
    let head = body.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(body[head..] == object.bytes, "the download is whole");

    let status = hub.wait_exit(40);
    assert!(status.success(), "{status}");
    assert!(asked.elapsed().as_secs() <= 30, "{:?}", asked.elapsed());
    hub.serve(None);
    let href = second.action(hub.http(), "acme/m", "download", None).unwrap();
    assert!(hub.http().get(&href).send().expect(200).body == second.bytes, "what was acknowledged is there");
    hub.fsck();
}

#[test]
fn a_client_that_never_finishes_does_not_hold_the_process_for_ever() {
    let mut hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = LargeObject::random(1, 4 << 20);
    let put = object.action(hub.http(), "acme/m", "upload", Some(&token)).unwrap();
    let bytes = hub.http().put(&put, object.bytes.clone()).to_bytes();
    let mut upload = hub.http().connect();
    upload.write_all(&bytes[..bytes.len() / 2]).unwrap();
    let idle = hub.http().connect();
    let asked = Instant::now();
    hub.signal(Signal::TERM);
    hub.wait_exit(60);
    // It waits for 25 s, and a busy machine takes its time to end.
    assert!(asked.elapsed().as_secs() < 40, "{:?}", asked.elapsed());
    drop((idle, upload));
    hub.serve(None);
    assert!(!hub.stored_files().iter().any(|name| name.contains("quarantine/")));
    hub.fsck();
}

#[test]
fn an_idle_server_stops_at_once() {
    let mut hub = Hub::start();
    let connections: Vec<TcpStream> = (0..5).map(|_| hub.http().connect()).collect();
    let asked = Instant::now();
    assert!(hub.stop().success());
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    drop(connections);
}
