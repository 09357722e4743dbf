//! Connections that do nothing, or too little: they are cut, and hinder nobody.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use polder_tests::{Hub, Work};

#[test]
fn a_request_that_never_finishes_its_head_is_cut() {
    let hub = Hub::start();
    let mut stream = hub.http().connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").unwrap();
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert!(ended.is_ok() || begun.elapsed() < Duration::from_secs(30), "it is still open: {ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
}

#[test]
fn three_hundred_idle_connections_hinder_nobody() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let idle: Vec<TcpStream> = (0..300).map(|_| hub.http().connect()).collect();
    let half: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = hub.http().connect();
            stream.write_all(b"POST /acme/m.git/git-upload-pack HTTP/1.1\r\nHost: x\r\n").unwrap();
            stream
        })
        .collect();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    work.git.ok(&work.beside(""), &["clone", "-q", &hub.repo_url("acme/m"), "clone"]);
    hub.http().get("/readyz").send().expect(200);
    drop((idle, half));
}

#[test]
fn one_connection_carries_many_requests() {
    let hub = Hub::start();
    let mut stream = hub.http().connect();
    for _ in 0..50 {
        stream.write_all(b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("version"));
    }
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_a_clone_is_forgotten() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let work = Work::new();
    work.write("weights", &polder_tests::LargeObject::random(1, 20 << 20).bytes);
    work.commit("Weights");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    let tip = work.ok(&["rev-parse", "HEAD"]);
    let request = hub.http().fetch("acme/m", &tip).to_bytes();
    for _ in 0..20 {
        let mut stream = hub.http().connect();
        stream.write_all(&request).unwrap();
        let mut start = [0; 1000];
        stream.read_exact(&mut start).unwrap();
        drop(stream);
    }
    let threads = || std::fs::read_dir(format!("/proc/{}/task", hub.pid())).unwrap().count();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", hub.pid())).unwrap().count();
    let calm = polder_tests::poll(20, || (files() < 60 && threads() < 100).then_some(()));
    assert!(calm.is_some(), "{} files and {} threads are left", files(), threads());
    work.git.ok(&work.beside(""), &["clone", "-q", &hub.repo_url("acme/m"), "clone"]);
    work.git.fsck(&work.beside("clone"));
}
