//! A mirror that fetches large objects when somebody first asks for one.
#![cfg(test)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

use polder_tests::{Git, Hub, HubClient, LargeObject, Token, Work, run, until};

/// More than is held back at the end of a stream.
const BYTES: usize = 20 << 20;

struct Pair {
    home: Hub,
    token: Token,
    mirror: Hub,
    /// `acme/m` on the mirror.
    there: String,
    work: Work,
    dir: tempfile::TempDir,
}

impl Pair {
    /// A home with the object at `model.bin` of `acme/m`, and a lazy mirror that is in step.
    fn with(object: &LargeObject) -> Self {
        let (home, mirror) = (Hub::start(), Hub::start());
        let token = home.acme();
        home.repo("acme/m");
        object.upload(home.http(), "acme/m", &token);
        let work = Work::new();
        work.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n");
        work.commit_file("model.bin", object.pointer().as_bytes());
        let there = format!("acme.{}/m", home.address().to_string().replace(':', "_"));
        let pair = Self { home, token, mirror, there, work, dir: tempfile::tempdir().unwrap() };
        pair.push();
        pair.follow("lazy");
        pair.in_step();
        pair
    }

    fn push(&self) {
        self.work.ok(&["push", "-q", &self.home.repo_url_as("acme/m", &self.token), "main"]);
    }

    fn follow(&self, mode: &str) {
        self.mirror.cli(&["follow", &format!("http://{}", self.home.address()), "--mode", mode]).ok();
    }

    /// Waits until the mirror serves the refs that its home does.
    fn in_step(&self) {
        until("the mirror to be in step", 30, || {
            let [home, here] = [self.home.repo_url("acme/m"), self.mirror.repo_url(&self.there)]
                .map(|url| self.work.run(&["ls-remote", &url]));
            (home.success() && here.success() && home.stdout == here.stdout).then_some(())
        });
    }

    fn objects(&self) -> usize {
        self.mirror.stored_objects().len()
    }

    /// Clones from the mirror as somebody who has git-lfs and nothing else does.
    fn clone(&self, name: &str, skip_smudge: bool) -> Result<Vec<u8>, String> {
        let (home, to) = (self.dir.path().join(format!("home-{name}")), self.dir.path().join(name));
        std::fs::create_dir_all(&home).unwrap();
        let git = Git::new(&home);
        git.ok(&home, &["lfs", "install"]);
        let url = self.mirror.repo_url(&self.there);
        let path = to.to_str().unwrap();
        let mut clone = git.command(&home, &["-c", "lfs.transfer.maxretries=1", "clone", "-q", &url, path]);
        if skip_smudge {
            clone.env("GIT_LFS_SKIP_SMUDGE", "1");
        }
        let done = run(&mut clone);
        if done.success() { Ok(std::fs::read(to.join("model.bin")).unwrap()) } else { Err(done.stderr) }
    }

    fn resolve(&self) -> String {
        format!("/{}/resolve/main/model.bin", self.there)
    }
}

#[test]
fn the_first_clone_has_the_files_fetched_and_the_next_needs_no_home() {
    let object = LargeObject::random(1, BYTES);
    let mut pair = Pair::with(&object);
    assert_eq!(pair.objects(), 0, "nothing is fetched that nobody asked for");
    pair.mirror.fsck();
    assert!(pair.clone("first", false).expect("cloned") == object.bytes);
    assert_eq!(pair.objects(), 1);
    pair.home.kill();
    assert!(pair.clone("second", false).expect("cloned") == object.bytes);
    pair.mirror.fsck();
}

#[test]
fn a_file_is_resolved_as_it_comes_and_asking_for_its_size_fetches_nothing() {
    let object = LargeObject::random(2, BYTES);
    let pair = Pair::with(&object);
    let http = pair.mirror.http();
    let head = http.head(&pair.resolve()).send().expect(200);
    let (size, etag) = (BYTES.to_string(), format!("\"{}\"", object.oid));
    assert_eq!(head.header("content-length"), Some(size.as_str()));
    assert_eq!(head.header("x-xet-hash"), None, "it could not be served chunk by chunk");
    assert_eq!(head.header("x-linked-size"), Some(size.as_str()));
    assert_eq!(head.header("etag"), Some(etag.as_str()));
    let known = http.get(&pair.resolve()).header("If-None-Match", &etag).send().expect(304);
    assert!(known.body.is_empty());
    let beyond = format!("bytes={BYTES}-");
    http.get(&pair.resolve()).header("Range", &beyond).send().expect(416);
    assert_eq!(pair.objects(), 0, "none of these needs a byte of it");
    let before = pair.mirror.received_bytes();

    let range = |from: usize, to: usize| {
        let range = format!("bytes={from}-{}", to - 1);
        let part = http.get(&pair.resolve()).header("Range", &range).within(60).send().expect(206);
        let said = format!("bytes {from}-{}/{BYTES}", to - 1);
        assert_eq!(part.header("content-range"), Some(said.as_str()));
        assert!(part.body == object.bytes[from..to], "{range}");
    };
    // Several at once, from both ends and whole.
    std::thread::scope(|scope| {
        scope.spawn(|| range(5, 1_000_000));
        scope.spawn(|| range(BYTES - 100, BYTES));
        scope.spawn(|| range(1_000_000, BYTES - 1));
        scope.spawn(|| {
            let whole = http.get(&pair.resolve()).within(60).send().expect(200);
            assert!(whole.body == object.bytes);
        });
    });
    assert_eq!(pair.objects(), 1);
    let received = usize::try_from(pair.mirror.received_bytes() - before).unwrap();
    assert!(received <= BYTES + BYTES / 50, "{received} bytes: it came once");
    let announced = http.head(&pair.resolve()).send().expect(200).header("x-xet-hash").map(str::to_owned);
    let home = pair.home.http().head("/acme/m/resolve/main/model.bin").send().expect(200);
    assert!(announced.is_some() && announced.as_deref() == home.header("x-xet-hash"));
}

const CHUNK_BY_CHUNK: &str = r"
import hashlib, sys
from hf_xet import XetFileInfo
from huggingface_hub.utils import build_hf_headers
from huggingface_hub.utils._xet import XetFileData, get_xet_session, refresh_xet_connection_info
endpoint, token, work, repo, file, size = sys.argv[1:]
headers = build_hf_headers(token=False)
route = f'{endpoint}/api/models/{repo}/xet-read-token/main'
at = refresh_xet_connection_info(file_data=XetFileData(file_hash=file, refresh_route=route), headers=headers)
group = get_xet_session().new_download_stream_group(endpoint=at.endpoint, token=at.access_token,
    token_expiry_unix_secs=at.expiration_unix_epoch, token_refresh_url=route, token_refresh_headers=headers)
hash = hashlib.sha256()
for piece in group.download_stream(XetFileInfo(file, int(size)), start=0, end=int(size)):
    hash.update(piece)
print(hash.hexdigest())
";

/// As a client does that is told of a file of more than 50 GB, which it would fetch no other way.
#[test]
fn who_asks_for_the_chunks_of_a_file_that_is_away_has_it_fetched() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let object = LargeObject::random(8, BYTES);
    let pair = Pair::with(&object);
    let home = pair.home.http().head("/acme/m/resolve/main/model.bin").send().expect(200);
    let (file, size) = (home.header("x-xet-hash").expect("announced"), BYTES.to_string());
    let args = [pair.there.as_str(), file, &size];
    assert_eq!(pair.objects(), 0);
    let said = client.script(&pair.mirror, &pair.token, pair.dir.path(), CHUNK_BY_CHUNK, &args).ok();
    assert_eq!((said.trim(), pair.objects()), (object.oid.as_str(), 1));
    // A request is in the log when its answer is over, which the client may be first to know.
    until("the log to say so", 10, || pair.mirror.log().contains("/cas/data/").then_some(()));
}

#[test]
fn without_its_home_git_works_and_a_file_is_refused() {
    let object = LargeObject::random(3, 100_000);
    let mut pair = Pair::with(&object);
    pair.home.kill();
    let told = pair.mirror.http().get(&pair.resolve()).within(60).send().expect(503);
    assert!(told.text().contains("did not arrive"), "{}", told.text());
    let href = object.action(pair.mirror.http(), &pair.there, "download", None).expect("it can be had");
    let refused = pair.mirror.http().get(&href).within(60).send().expect(503);
    assert!(refused.json()["message"].as_str().unwrap().contains("did not arrive"), "{}", refused.text());
    let told = pair.clone("smudged", false).expect_err("there is no file");
    assert!(told.contains("did not arrive"), "{told}");
    let pointer = pair.clone("skipped", true).expect("cloned");
    assert_eq!(String::from_utf8(pointer).unwrap(), object.pointer());

    pair.mirror.cli(&["unfollow", &format!("http://{}", pair.home.address())]).ok();
    let told = pair.mirror.http().get(&pair.resolve()).send().expect(503);
    assert!(told.text().contains("no longer followed"), "{}", told.text());
}

#[test]
fn what_a_home_alters_is_never_given_out_whole() {
    let object = LargeObject::random(4, BYTES);
    let pair = Pair::with(&object);
    let stored = pair.home.stored_objects();
    let path = pair.home.data().join(&stored[0]);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let at = BYTES - 3;
    file.write_all_at(&[object.bytes[at] ^ 1], u64::try_from(at).unwrap()).unwrap();
    // The announced length never comes.
    assert!(pair.mirror.http().get(&pair.resolve()).within(60).try_send().is_none());
    let mut stream = pair.mirror.http().connect();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", pair.resolve());
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    // However it ends: what came is judged.
    let _end = stream.read_to_end(&mut received);
    assert!(received.len() < BYTES, "{} bytes", received.len());
    assert_eq!(pair.objects(), 0, "nor is it kept");
    file.write_all_at(&object.bytes[at..=at], u64::try_from(at).unwrap()).unwrap();
    let whole = pair.mirror.http().get(&pair.resolve()).within(60).send().expect(200);
    assert!(whole.body == object.bytes);
}

#[test]
fn another_mode_fetches_the_rest_or_keeps_what_is_here() {
    let (first, second) = (LargeObject::random(5, 100_000), LargeObject::random(6, 100_000));
    let pair = Pair::with(&first);
    assert_eq!(pair.objects(), 0);
    // Nothing happens at home, and the mirror fetches what it has only heard of.
    pair.follow("full");
    until("the rest to be fetched", 30, || (pair.objects() == 1).then_some(()));
    pair.follow("lazy");
    second.upload(pair.home.http(), "acme/m", &pair.token);
    pair.work.commit_file("second.bin", second.pointer().as_bytes());
    pair.push();
    pair.in_step();
    assert_eq!(pair.objects(), 1, "what is here stays, what is new does not come");
    let other = format!("/{}/resolve/main/second.bin", pair.there);
    let read = pair.mirror.http().get(&other).within(60).send().expect(200);
    assert!(read.body == second.bytes);
    pair.mirror.fsck();
}
