//! Chunk by chunk: what git-lfs pushed, clients with `hf_xet` fetch from the CAS, and those without as before.

use polder_tests::{Client, Hub, HubClient, LargeObject, Pair, Token, Work, free_port, have, until};
use serde_json::Value;

use crate::Place;

const DOWNLOAD: &str = r"
import sys
from huggingface_hub import hf_hub_download, snapshot_download
endpoint, token, work, target = sys.argv[1:5]
snapshot_download('acme/pushed', endpoint=endpoint, token=token, local_dir=target)
";

/// How often the CAS gave bytes.
fn fetched(hub: &Hub) -> usize {
    hub.log().matches("/cas/data/").count()
}

/// A request is in the log when its answer is over, which the client may be first to know.
pub(crate) fn until_fetched(hub: &Hub, before: usize) {
    until("the log to say that the CAS gave bytes", 10, || (fetched(hub) > before).then_some(()));
}

/// A repository with one large file, pushed by git-lfs.
fn pushed(place: &Place, object: &LargeObject) {
    place.hub.repo("acme/pushed");
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    work.write("weights.bin", &object.bytes);
    work.commit_file("README.md", b"# A model\n");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/pushed", &place.ada), "main"]);
}

fn each_way(version: &str) {
    let Some(client) = HubClient::of(version) else { return };
    if !have(&[Client::GitLfs]) {
        return;
    }
    let (place, object) = (Place::new(), LargeObject::random(11, 9_000_000));
    pushed(&place, &object);
    for (client, target) in [(client.clone().without_xet(), "without"), (client, "with")] {
        client.script(&place.hub, &place.ada, place.dir.path(), DOWNLOAD, &[target]).ok();
        let here = std::fs::read(place.dir.path().join(target).join("weights.bin")).unwrap();
        assert!(here == object.bytes, "{target}");
        if target == "with" {
            until_fetched(&place.hub, 0);
        } else {
            assert_eq!(fetched(&place.hub), 0, "{target}");
        }
    }
}

#[test]
fn huggingface_hub_0_36_fetches_what_git_lfs_pushed() {
    each_way("0.36.2");
}

#[test]
fn huggingface_hub_1_19_fetches_what_git_lfs_pushed() {
    each_way("1.19.0");
}

#[test]
fn huggingface_hub_1_33_fetches_what_git_lfs_pushed() {
    each_way("1.33.0");
}

#[test]
fn huggingface_hub_2_4_fetches_what_git_lfs_pushed() {
    each_way("2.4.0");
}

/// Stands between client and hub; to the first request for bytes it shows the hub a link that is altered.
const EXPIRED: &str = r"
import http.server, sys, threading, urllib.error, urllib.request
endpoint, token, work, port, hub = sys.argv[1:6]
statuses = []
class Between(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def do_GET(self):
        path = self.path
        if '/cas/data/' in path and not statuses:
            path = path.replace('of=', 'of=1')
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ('host', 'connection')}
        try:
            answer = urllib.request.urlopen(urllib.request.Request(hub + path, headers=headers, method=self.command))
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        if '/cas/data/' in path: statuses.append(answer.status)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ('transfer-encoding', 'connection', 'content-length', 'date'): self.send_header(name, value)
        self.send_header('Content-Length', answer.headers.get('Content-Length') if self.command == 'HEAD' else str(len(body)))
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    do_HEAD = do_GET
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), Between)
threading.Thread(target=server.serve_forever, daemon=True).start()
from huggingface_hub import hf_hub_download
path = hf_hub_download('acme/pushed', 'weights.bin', endpoint=endpoint, token=token)
print(path, statuses[0], statuses[-1])
";

/// X12: clients take 403 for a link that has expired, and ask for another one.
#[test]
fn a_client_whose_link_is_refused_asks_for_another_one() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    if !have(&[Client::GitLfs]) {
        return;
    }
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let place = Place::with(Hub::builder().config(&format!("public-url = \"{url}\"")).start());
    let object = LargeObject::random(12, 3_000_000);
    pushed_by_hand(&place, &object);
    let hub = place.hub.url("");
    let args = [&port.to_string(), hub.trim_end_matches('/')];
    let said = client.script_at(&url, &place.ada, place.dir.path(), EXPIRED, &args).ok();
    let [path, first, last] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!((first, last), ("403", "206"));
    assert!(std::fs::read(path).unwrap() == object.bytes);
}

/// The same repository without git-lfs: behind another public URL it would be sent there.
fn pushed_by_hand(place: &Place, object: &LargeObject) {
    place.hub.repo("acme/pushed");
    let url = place.ask("GET", "/api/models/acme/pushed", &Value::Null).status;
    assert_eq!(url, 200);
    object.upload(place.hub.http(), "acme/pushed", &place.ada);
    let work = Work::new();
    work.write("weights.bin", object.pointer().as_bytes());
    work.commit_file("README.md", b"# A model\n");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/pushed", &place.ada), "main"]);
}

/// A token for the chunks of a repository.
fn read_token(hub: &Hub, repo: &str, token: &Token) -> String {
    let path = format!("/api/models/{repo}/xet-read-token/main");
    let answer = hub.http().get(&path).bearer(&token.secret).send().expect(200);
    answer.json()["accessToken"].as_str().unwrap().to_owned()
}

/// X13: by hand, every kind of range, in both forms of the answer.
#[test]
fn a_reconstruction_is_of_the_range_that_was_asked_for() {
    let (place, object) = (Place::new(), LargeObject::random(13, 2_000_000));
    pushed_by_hand(&place, &object);
    let head = place.hub.http().head("/acme/pushed/resolve/main/weights.bin").send().expect(200);
    let hash = head.header("x-xet-hash").expect("announced").to_owned();
    let commit = head.header("x-repo-commit").unwrap();
    let link = format!(
        "<{}>; rel=\"xet-auth\"",
        place.hub.url(&format!("api/models/acme/pushed/xet-read-token/{commit}"))
    );
    assert_eq!(head.header("link"), Some(link.as_str()));
    let tree = place.hub.http().get("/api/models/acme/pushed/tree/main").send().expect(200).json();
    let listed = tree.as_array().unwrap().iter().find(|entry| entry["path"] == "weights.bin").unwrap();
    assert_eq!(listed["xetHash"], hash.as_str());

    let token = read_token(&place.hub, "acme/pushed", &place.ada);
    let ask = |version: &str, range: &str| {
        let request = place.hub.http().get(&format!("/cas/{version}/reconstructions/{hash}")).bearer(&token);
        request.header("Range", range).send()
    };
    for range in ["bytes=0-0", "bytes=1999999-", "bytes=1000000-1000000", "bytes=0-18446744073709551615"] {
        let (one, two) = (ask("v1", range).expect(200).json(), ask("v2", range).expect(200).json());
        let term = &one["terms"][0];
        let fetch = &one["fetch_info"][term["hash"].as_str().unwrap()][0];
        let other = &two["xorbs"][term["hash"].as_str().unwrap()][0];
        assert_eq!(
            (&one["terms"], &fetch["url_range"]),
            (&two["terms"], &other["ranges"][0]["bytes"]),
            "{range}"
        );
        let url = fetch["url"].as_str().unwrap().replace(place.hub.url("").trim_end_matches('/'), "");
        let (from, to) = (&fetch["url_range"]["start"], &fetch["url_range"]["end"]);
        let data =
            place.hub.http().get(&url).header("Range", &format!("bytes={from}-{to}")).send().expect(206);
        assert!(data.header("cache-control").unwrap().starts_with("private"));
        if range.ends_with("615") {
            assert_eq!(one["offset_into_first_range"], 0);
        }
        let beyond = format!("bytes={from}-{}", to.as_u64().unwrap() + 1);
        let refused = place.hub.http().get(&url).header("Range", &beyond).send().status;
        // Past the end of the xorb there is nothing to refuse.
        assert_eq!(
            refused,
            if range.starts_with("bytes=0-0") || range == "bytes=1000000-1000000" { 403 } else { 206 }
        );
    }
    for version in ["v1", "v2"] {
        let beyond = ask(version, "bytes=2000000-");
        assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */2000000")));
    }
    let dedup =
        place.hub.http().get(&format!("/cas/v1/chunks/default/{}", "f".repeat(64))).bearer(&token).send();
    assert_eq!(dedup.expect(200).body[..14], *b"HFRepoMetaData");
}

/// Where the CAS has the first bytes of the file.
fn link(place: &Place) -> String {
    let head = place.hub.http().head("/acme/pushed/resolve/main/weights.bin").send().expect(200);
    let path = format!("/cas/v1/reconstructions/{}", head.header("x-xet-hash").expect("announced"));
    let token = read_token(&place.hub, "acme/pushed", &place.ada);
    let told = place.hub.http().get(&path).bearer(&token).send().expect(200).json();
    let url = told["fetch_info"][told["terms"][0]["hash"].as_str().unwrap()][0]["url"].as_str().unwrap();
    url.replace(place.hub.url("").trim_end_matches('/'), "")
}

/// Waits until the last change of a file is so long ago that what is hashed of it counts.
fn until_settled(place: &Place, file: &std::path::Path) {
    use std::os::unix::fs::MetadataExt as _;
    let (probe, changed) = (place.dir.path().join("now"), std::fs::metadata(file).unwrap().ctime());
    until("a file's last change to be long ago", 10, || {
        std::fs::write(&probe, b"now").unwrap();
        (std::fs::metadata(&probe).unwrap().ctime() > changed + 2).then_some(())
    });
}

/// F08, X17: of what was stored lately the answer comes from the file by itself. A hub that was started since
/// hashes what it sends the first time; the next answers come from the file, and none of one that was touched
/// meanwhile.
#[test]
fn bytes_that_were_hashed_are_sent_again_as_they_were_and_flipped_bits_never() {
    let (mut place, object) = (Place::new(), LargeObject::random(16, 3_000_000));
    pushed_by_hand(&place, &object);
    let stored = place.hub.http().get(&link(&place)).send().expect(200).body;
    assert!(place.hub.stop().success());
    place.hub.serve(None);
    let url = link(&place);
    let [blob] = &place.hub.stored_objects()[..] else { panic!("{:?}", place.hub.stored_objects()) };
    let blob = place.hub.data().join(blob);
    until_settled(&place, &blob);
    let hashed = place.hub.http().get(&url).send().expect(200).body;
    assert!(hashed == stored);
    let from = |at: usize, len: usize| object.bytes[at..at + len].to_vec();
    assert!(hashed.len() > object.bytes.len() && hashed[8..5000] == from(0, 4992));
    let last = hashed.len() - 1;
    for (first, last) in [(0, last), (0, 0), (7, 8), (3, 200_003), (1_000_000, 2_500_000), (last, last)] {
        let range = format!("bytes={first}-{last}");
        let got = place.hub.http().get(&url).header("Range", &range).send().expect(206);
        assert!(got.body == hashed[first..=last], "{range}");
    }
    std::fs::set_permissions(&blob, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[1_500_000] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let answer = place.hub.http().get(&url).try_send();
    assert!(answer.is_none_or(|answer| answer.status >= 500), "a flipped bit was served");
    assert_eq!(place.hub.http().get(&url).send().status, 503);
}

const FROM_A_MIRROR: &str = r"
import hashlib, sys
from huggingface_hub import HfFileSystem, hf_hub_download
endpoint, token, work, *names = sys.argv[1:]
for name in names:
    whole = open(hf_hub_download(name, 'model.bin', endpoint=endpoint, token=False, local_dir=name), 'rb').read()
    with HfFileSystem(endpoint=endpoint, token=False).open(name + '/model.bin', 'rb') as file:
        file.seek(1_000_003)
        assert file.read(77_000) == whole[1_000_003:1_077_003]
    print(hashlib.sha256(whole).hexdigest())
";

#[test]
fn a_mirror_serves_chunk_by_chunk_under_both_its_names() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    if !have(&[Client::GitLfs]) {
        return;
    }
    let pair = Pair::start();
    pair.push(2_000_000);
    pair.follow(&["--alias", "acme=friends"]).ok();
    let names =
        [format!("acme.{}/m", pair.home.address().to_string().replace(':', "_")), "friends/m".to_owned()];
    let head = |hub: &Hub, name: &str| {
        let answer = hub.http().head(&format!("/{name}/resolve/main/model.bin")).send();
        answer.header("x-xet-hash").map(|hash| (hash.to_owned(), answer.header("etag").map(str::to_owned)))
    };
    let home = head(&pair.home, "acme/m").expect("announced");
    for name in &names {
        until("the mirror to have it", 30, || head(&pair.follower, name).filter(|here| *here == home));
    }
    let (before, dir) = (fetched(&pair.follower), tempfile::tempdir().unwrap());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let said = client.script(&pair.follower, &pair.token, dir.path(), FROM_A_MIRROR, &names).ok();
    let hashes: Vec<String> = said.lines().map(|hash| format!("\"{hash}\"")).collect();
    assert_eq!(hashes, [home.1.clone().unwrap(), home.1.unwrap()]);
    until_fetched(&pair.follower, before);
}

const AGAIN: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work, at = sys.argv[1:5]
HfApi(endpoint=endpoint, token=token).upload_file(path_or_fileobj=at, path_in_repo='again.bin', repo_id='acme/pushed')
";

/// X4: the client takes the hint for an answer.
#[test]
fn of_a_file_that_the_repository_has_no_chunk_is_sent_again() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let (place, object) = (Place::new(), LargeObject::random(15, 9_000_000));
    pushed_by_hand(&place, &object);
    let at = place.dir.path().join("weights.bin");
    std::fs::write(&at, &object.bytes).unwrap();
    client.script(&place.hub, &place.ada, place.dir.path(), AGAIN, &[at.to_str().unwrap()]).ok();
    let log = place.hub.log();
    let asked = |path: &str| log.lines().filter(|line| line.contains(path)).collect::<Vec<_>>();
    let [hint] = asked("/v1/chunks/")[..] else { panic!("{log}") };
    assert!(hint.contains("status=200"), "{hint}");
    assert!(asked("/v1/xorb").is_empty() && !asked("/v2/shards").is_empty(), "{log}");
}

const DENIED: &str = r"
import sys
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import RepositoryNotFoundError
endpoint, token, work = sys.argv[1:4]
try:
    hf_hub_download('acme/private', 'weights.bin', endpoint=endpoint, token=token)
except RepositoryNotFoundError:
    print('denied')
";

#[test]
fn a_private_file_is_not_fetched_by_those_who_only_know_its_hash() {
    let (place, object) = (Place::new(), LargeObject::random(14, 500_000));
    let other = place.hub.user("other", "write");
    place.hub.repo("acme/pushed");
    place.hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
    object.upload(place.hub.http(), "acme/private", &place.ada);
    let work = Work::new();
    work.write("weights.bin", object.pointer().as_bytes());
    work.commit_file("README.md", b"# A model\n");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/private", &place.ada), "main"]);
    let head =
        place.hub.http().head("/acme/private/resolve/main/weights.bin").bearer(&place.ada.secret).send();
    let hash = head.header("x-xet-hash").expect("announced").to_owned();
    let ask = |token: &str, hash: &str| {
        place.hub.http().get(&format!("/cas/v1/reconstructions/{hash}")).bearer(token).send().status
    };
    assert_eq!(ask(&read_token(&place.hub, "acme/private", &place.ada), &hash), 200);
    let elsewhere = read_token(&place.hub, "acme/pushed", &other);
    assert_eq!((ask(&elsewhere, &hash), ask(&elsewhere, &"f".repeat(64))), (404, 404));
    let Some(client) = HubClient::of("2.4.0") else { return };
    let said = client.script(&place.hub, &other, place.dir.path(), DENIED, &[]).ok();
    assert_eq!(said, "denied");
}

#[test]
fn a_token_for_chunks_does_what_its_holder_may_do_at_that_moment() {
    let place = Place::new();
    let (reader, writer) = (place.hub.user("reader", "write"), place.hub.user("writer", "write"));
    place.hub.cli(&["org", "member", "acme", "reader", "--role", "read"]).ok();
    place.hub.cli(&["org", "member", "acme", "writer", "--role", "write"]).ok();
    place.hub.repo("acme/open");
    place.hub.cli(&["repo", "add", "acme/private", "--private"]).ok();
    let token = |what: &str, repo: &str, who: Option<&Token>| -> String {
        let request = place.hub.http().get(&format!("/api/models/{repo}/xet-{what}-token/main"));
        let answer = who.map_or(request.clone(), |who| request.bearer(&who.secret)).send().expect(200);
        let json = answer.json();
        let text = json["accessToken"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("x-xet-access-token"), Some(text.as_str()));
        assert_eq!(answer.header("x-xet-cas-url"), json["casUrl"].as_str());
        assert_eq!(answer.header("x-xet-token-expiration"), Some(json["exp"].to_string().as_str()));
        text
    };
    let read = |token: &str| {
        let path = format!("/cas/v1/reconstructions/{}", "f".repeat(64));
        place.hub.http().get(&path).bearer(token).send().status
    };
    let write = |token: &str| place.hub.http().post("/cas/v1/shards", "no shard").bearer(token).send().status;
    let anyone = token("read", "acme/open", None);
    let (may_read, may_write) =
        (token("read", "acme/private", Some(&reader)), token("write", "acme/private", Some(&writer)));
    for good in [&anyone, &may_read, &may_write] {
        assert_eq!(read(good), 404);
    }
    assert_eq!((write(&anyone), write(&may_read)), (403, 403));
    assert!(![401, 403].contains(&write(&may_write)));
    let altered = format!("{may_read}x");
    assert_eq!((read(&altered), write(&altered)), (401, 401));

    // Who may only read may still bring what a pull request is to be about.
    place.hub.cli(&["org", "member", "acme", "writer", "--role", "read"]).ok();
    assert_eq!((read(&may_write), write(&may_write)), (404, 400));
    place.hub.cli(&["repo", "visibility", "acme/open", "private"]).ok();
    assert_eq!((read(&anyone), read(&may_read)), (403, 404));
    place.hub.cli(&["repo", "delete", "acme/private"]).ok();
    assert_eq!((read(&may_write), write(&may_write)), (403, 403));
}
