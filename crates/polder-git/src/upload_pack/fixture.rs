//! Test kit: repositories made by real git, and a loopback HTTP server in front of [`upload_pack`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use polder_types::{ObjectId, PackId};

use crate::{NO_RECENT_TIPS, Pack, Protocol, Ref, Service, Sink, Snapshot, advertise, upload_pack};

/// The git programs on the search path, one of each version.
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
pub(crate) fn gits() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    let mut versions = Vec::new();
    let mut found = Vec::new();
    for git in std::env::split_paths(&path).map(|dir| dir.join("git")).filter(|git| git.exists()) {
        let version = Command::new(&git).arg("--version").output().unwrap().stdout;
        if !versions.contains(&version) {
            versions.push(version);
            found.push(git);
        }
    }
    assert!(!found.is_empty(), "git is not installed");
    found
}

/// Runs git without the user's configuration.
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
pub(crate) fn run(git: &Path, dir: &Path, date: i64, args: &[&str]) -> Output {
    let date = format!("{date} +0000");
    Command::new(git)
        .current_dir(dir)
        .args(["-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false", "-c", "gc.auto=0"])
        .args(args)
        .env_clear()
        .env("PATH", git.parent().unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_AUTHOR_DATE", &date)])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@b"), ("GIT_COMMITTER_DATE", &date)])
        .output()
        .unwrap()
}

/// A repository that only grows, and whose packs the server reads.
pub(crate) struct Source {
    pub(crate) dir: tempfile::TempDir,
    git: PathBuf,
    clock: i64,
}

pub(crate) const FIRST_DATE: i64 = 1_700_000_000;

impl Source {
    /// An empty one.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Self { dir, git: gits().remove(0), clock: FIRST_DATE };
        source.git(&["init", "-q", "."]);
        source
    }

    /// Twelve commits an hour apart, a merge, tags, nested directories, and a file that makes deltas.
    pub(crate) fn with_history() -> Self {
        let mut source = Self::empty();
        for round in 0..10 {
            source.commit_round(round);
            if round == 4 {
                source.git(&["tag", "-a", "v1", "-m", "one"]);
                source.git(&["tag", "light"]);
                source.git(&["checkout", "-q", "-b", "side"]);
                source.write("side 文件.txt", b"side\n");
                source.commit("side");
                source.git(&["checkout", "-q", "main"]);
            }
        }
        source.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        source.git(&["tag", "-a", "v2", "-m", "two"]);
        source.git(&["tag", "-a", "outer", "-m", "a tag on a tag", "v2"]);
        source.repack();
        source
    }

    pub(crate) fn commit_round(&mut self, round: usize) {
        let lines: Vec<_> =
            (0..400).map(|line| format!("{line} {}", if line % 40 == round { round } else { 0 })).collect();
        self.write("data/deep/er/big.txt", lines.join("\n").as_bytes());
        self.write(&format!("data/file-{round}.txt"), format!("{round}\n").repeat(round + 1).as_bytes());
        self.write("README.md", format!("# round {round}\n").as_bytes());
        self.commit(&format!("round {round}"));
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn commit(&mut self, message: &str) {
        self.clock += 3600;
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Packs what is loose into one more pack.
    pub(crate) fn repack(&self) {
        self.git(&["repack", "-d", "-q"]);
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = run(&self.git, self.dir.path(), self.clock, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn oid(&self, revision: &str) -> ObjectId {
        self.git(&["rev-parse", "--verify", revision]).parse().unwrap()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot_with(|pack| pack)
    }

    /// Reads refs and packs; `change` may damage the packs.
    pub(crate) fn snapshot_with(&self, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Snapshot {
        let mut paths: Vec<_> = std::fs::read_dir(self.dir.path().join(".git/objects/pack"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
            .collect();
        paths.sort();
        let packs = paths.iter().enumerate().map(|(at, path)| {
            let id = PackId(at.try_into().unwrap());
            if at % 2 == 1 {
                return Arc::new(Pack::open(id, path, &path.with_extension("idx")).unwrap());
            }
            let pack = change(std::fs::read(path).unwrap());
            let index = std::fs::read(path.with_extension("idx")).unwrap();
            Arc::new(Pack::from_bytes(id, pack.into(), index.into()).unwrap())
        });
        let listed = self.git(&["for-each-ref", "--format=%(objectname) %(refname) %(*objectname)"]);
        let refs = listed.lines().map(|line| {
            let mut words = line.split(' ');
            let oid: ObjectId = words.next().unwrap().parse().unwrap();
            let name = words.next().unwrap().to_owned();
            let peeled = words.next().filter(|word| !word.is_empty());
            let peeled = peeled.map(|_| self.oid(&format!("{oid}^{{}}")));
            Ref { name, oid, peeled }
        });
        let refs = refs.collect();
        Snapshot::new(1, self.git(&["symbolic-ref", "HEAD"]), refs, packs.collect())
    }
}

/// Serves one repository on a loopback port until dropped.
pub(crate) struct Server {
    address: SocketAddr,
    snapshot: Arc<Mutex<Arc<Snapshot>>>,
    stop: Arc<Mutex<bool>>,
}

impl Server {
    pub(crate) fn start(snapshot: Snapshot) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let snapshot = Arc::new(Mutex::new(Arc::new(snapshot)));
        let stop = Arc::new(Mutex::new(false));
        let (shared, stopped) = (Arc::clone(&snapshot), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if *stopped.lock().unwrap() {
                    break;
                }
                let snapshot = Arc::clone(&shared.lock().unwrap());
                let stream = stream.unwrap();
                std::thread::spawn(move || answer(&snapshot, stream));
            }
        });
        Self { address, snapshot, stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/m.git", self.address)
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.lock().unwrap() = Arc::new(snapshot);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.stop.lock().unwrap() = true;
        drop(TcpStream::connect(self.address));
    }
}

struct Raw(TcpStream);

impl Sink for Raw {
    fn send(&mut self, chunk: Bytes) -> std::io::Result<()> {
        write!(self.0, "{:x}\r\n", chunk.len())?;
        self.0.write_all(&chunk)?;
        self.0.write_all(b"\r\n")
    }
}

fn answer(snapshot: &Snapshot, stream: TcpStream) {
    let mut input = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let protocol = Protocol::from_header(header("git-protocol").as_deref());
    let Some(request) = head.first() else { return };
    let mut out = Raw(stream);
    let kind = if request.starts_with("GET") { "advertisement" } else { "result" };
    let start = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-git-upload-pack-{kind}\r\n\r\n"
    );
    if request.starts_with("GET") {
        out.0.write_all(start.as_bytes()).unwrap();
        out.send(advertise(snapshot, Service::UploadPack, protocol)).unwrap();
        out.0.write_all(b"0\r\n\r\n").unwrap();
        return;
    }
    if header("expect").is_some() {
        out.0.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    }
    let body = read_body(
        &mut input,
        header("content-length"),
        header("content-encoding").as_deref() == Some("gzip"),
    );
    out.0.write_all(start.as_bytes()).unwrap();
    let told = upload_pack(snapshot, NO_RECENT_TIPS, protocol, &body, &mut out);
    assert!(!matches!(told, Err(crate::Error::Corrupt { .. })), "{told:?}");
    out.0.write_all(b"0\r\n\r\n").unwrap();
}

fn read_body(input: &mut impl BufRead, length: Option<String>, gzip: bool) -> Vec<u8> {
    let mut raw = Vec::new();
    if let Some(length) = length {
        input.take(length.parse().unwrap()).read_to_end(&mut raw).unwrap();
    } else {
        loop {
            let mut line = String::new();
            input.read_line(&mut line).unwrap();
            let size = u64::from_str_radix(line.trim(), 16).unwrap();
            input.take(size).read_to_end(&mut raw).unwrap();
            input.read_line(&mut line).unwrap();
            if size == 0 {
                break;
            }
        }
    }
    if gzip {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(raw.as_slice()).read_to_end(&mut plain).unwrap();
        return plain;
    }
    raw
}
