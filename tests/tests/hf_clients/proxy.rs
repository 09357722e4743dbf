//! A hub below a path of a reverse proxy (check 50).

use std::io::{Read, Write};
use std::process::Child;
use std::time::Duration;

use polder_tests::{Client, Hub, HubClient, free_port, have, program, until};

use crate::Place;

/// nginx in front of a hub, which it serves below `/hf`. The rest of the URL goes on as it was sent:
/// `%2F` must stay what it is.
struct Proxy(Child);

impl Proxy {
    fn start(dir: &std::path::Path, port: u16, hub: std::net::SocketAddr) -> Self {
        let conf = format!(
            "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log {dir}/error;\nevents {{}}\nhttp {{\n\
             access_log off; client_max_body_size 0; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;\n\
             fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             map $request_uri $rest {{ ~^/hf(?<tail>/.*)$ $tail; }}\n\
             server {{ listen 127.0.0.1:{port}; location /hf/ {{ proxy_pass http://{hub}$rest; proxy_set_header Host $http_host;\n\
             proxy_request_buffering off; }} }}\n}}\n",
            dir = dir.display()
        );
        std::fs::write(dir.join("nginx.conf"), conf).unwrap();
        let mut nginx = program("/usr/sbin/nginx");
        nginx.arg("-p").arg(dir).arg("-e").arg(dir.join("error")).arg("-c").arg(dir.join("nginx.conf"));
        let proxy = Self(nginx.spawn().unwrap());
        until("the proxy to listen", 10, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// A hub that is outside below a path of a proxy.
struct Below {
    url: String,
    place: Place,
    _proxy: Proxy,
    _dir: tempfile::TempDir,
}

impl Below {
    fn start() -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}/hf");
        let place = Place::with(Hub::builder().config(&format!("public-url = \"{url}\"")).start());
        let dir = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(dir.path(), port, place.hub.address());
        Self { url, place, _proxy: proxy, _dir: dir }
    }
}

fn everything_below_a_path(client: &HubClient, with_xet: bool) {
    if !have(&[Client::Nginx]) {
        return;
    }
    let Below { url, place, .. } = &Below::start();
    let said = client.script_at(url, &place.ada, place.dir.path(), crate::versions::CYCLE, &[]).ok();
    assert!(said.ends_with("done with 2.4.0"), "{said}");
    let log = place.hub.log();
    let is_sent = ["/v1/xorbs/", "/v2/shards", "/info/lfs/objects/batch"].map(|part| log.contains(part));
    assert_eq!((is_sent, log.contains("/cas/data/")), ([with_xet, with_xet, true], with_xet), "{log}");
    place.hub.fsck();
}

#[test]
fn everything_works_below_a_path_of_a_proxy() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    everything_below_a_path(&client.without_xet(), false);
}

/// Nothing but what lies below the path leads to the hub: the links to the CAS and to its data do too.
#[test]
fn everything_works_chunk_by_chunk_below_a_path_of_a_proxy() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    everything_below_a_path(&client, true);
}

/// The proxy passes bodies on while they come, and ends its client's connection without a word where the hub does not
/// take all of one. Clients that were answered send their next request into that.
#[test]
fn a_body_that_the_hub_does_not_need_costs_no_connection() {
    if !have(&[Client::Nginx]) {
        return;
    }
    let Below { url, place, .. } = &Below::start();
    place.hub.repo("acme/m");
    place.hub.cli(&["repo", "rename", "acme/m", "acme/n"]).ok();
    let (host, _) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for _ in 0..3 {
        let path = "/hf/api/models/acme/m/commit/main";
        let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // So late that an early answer has gone by.
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"{}\n\n").unwrap();
        let (mut told, mut buffer) = (String::new(), [0; 4096]);
        let is_whole = |told: &str| {
            let Some((head, body)) = told.split_once("\r\n\r\n") else { return false };
            let length = head
                .to_ascii_lowercase()
                .split_once("content-length: ")
                .map(|(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            body.len() == length.expect("a length")
        };
        while !is_whole(&told) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the connection ended after {told:?}");
            told += &String::from_utf8_lossy(&buffer[..count]);
        }
        assert!(told.starts_with("HTTP/1.1 307 "), "{told}");
    }
}

const PAGES: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work = sys.argv[1:4]
listed = [one.id for one in HfApi(endpoint=endpoint, token=False).list_models(author='acme', full=True)]
assert len(set(listed)) == len(listed), listed
print(len(listed))
";

/// Check 36: each page leads to the next one by the URL that the hub has outside.
#[test]
fn a_list_of_three_pages_is_read_below_a_path_of_a_proxy() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    if !have(&[Client::Nginx]) {
        return;
    }
    let Below { url, place, .. } = &Below::start();
    for n in 0..210 {
        place.create("model", &format!("m-{n}"));
    }
    let said = client.script_at(url, &place.ada, place.dir.path(), PAGES, &[]).ok();
    assert_eq!(said, "210");
    let log = place.hub.log();
    let pages = log.lines().filter(|line| line.contains("method=GET path=/api/models ")).count();
    assert_eq!(pages, 3, "{log}");
}
