//! A server of the Hugging Face API that has no git and is honest but for one thing.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polder_git::{BlobSpool, EntryKind, folder_id};
use polder_types::{LfsPointer, ObjectId, Sha256};
use serde_json::{Value, json};
use sha2::Digest as _;

/// A file as the server has it.
#[derive(Clone)]
pub(super) struct Has {
    pub(super) bytes: Vec<u8>,
    pub(super) is_large: bool,
    pub(super) may_run: bool,
}

pub(super) fn small(text: &str) -> Has {
    Has { bytes: text.as_bytes().to_vec(), is_large: false, may_run: false }
}

pub(super) fn program(text: &str) -> Has {
    Has { may_run: true, ..small(text) }
}

pub(super) fn large(bytes: Vec<u8>) -> Has {
    Has { bytes, is_large: true, may_run: false }
}

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    pub(super) range: Option<(usize, usize)>,
    /// How often the same was asked before.
    pub(super) before: usize,
}

/// What is said.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// So many bytes, and then silence.
    pub(super) stops_after: Option<usize>,
}

impl Said {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), stops_after: None }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..Self::status(200) }
    }

    pub(super) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.retain(|(held, _)| held != name);
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with another JSON body.
    pub(super) fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).expect("JSON");
        change(&mut body);
        self.body = body.to_string().into_bytes();
        self
    }
}

type Files = BTreeMap<String, Has>;
type Lie = Arc<dyn Fn(&Asked, Said) -> Said + Send + Sync>;

#[derive(Default)]
struct State {
    commits: BTreeMap<String, Files>,
    refs: BTreeMap<String, String>,
    seen: Vec<String>,
    lie: Option<Lie>,
    has_no_refs: bool,
}

/// The server; it has `acme/m`.
#[derive(Clone)]
pub(super) struct EvilHub {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

/// Entries of a page.
const PAGE: usize = 3;

impl EvilHub {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let hub = Self { url, state: Arc::default() };
        let served = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hub = served.clone();
                std::thread::spawn(move || hub.answer(stream));
            }
        });
        hub
    }

    /// Sets a branch or tag (`refs/heads/main`) to a new commit with these files.
    pub(super) fn set(&self, name: &str, sha: &str, files: &[(&str, Has)]) {
        let mut state = self.state.lock().expect("lock");
        let files = files.iter().map(|(path, has)| ((*path).to_owned(), has.clone())).collect();
        state.commits.insert(sha.to_owned(), files);
        state.refs.insert(name.to_owned(), sha.to_owned());
    }

    pub(super) fn drop_ref(&self, name: &str) {
        self.state.lock().expect("lock").refs.remove(name);
    }

    pub(super) fn lie(&self, lie: impl Fn(&Asked, Said) -> Said + Send + Sync + 'static) {
        self.state.lock().expect("lock").lie = Some(Arc::new(lie));
    }

    pub(super) fn be_honest(&self) {
        self.state.lock().expect("lock").lie = None;
    }

    pub(super) fn tell_no_refs(&self) {
        self.state.lock().expect("lock").has_no_refs = true;
    }

    /// What was asked since the last time.
    pub(super) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("lock").seen)
    }

    fn answer(&self, mut stream: TcpStream) {
        let Some(mut asked) = read(&mut stream) else { return };
        let (said, lie) = {
            let mut state = self.state.lock().expect("lock");
            let line = format!("{} {}", asked.method, asked.path);
            asked.before = state.seen.iter().filter(|before| **before == line).count();
            state.seen.push(line);
            (state.honest(&asked, &self.url), state.lie.clone())
        };
        let said = match lie {
            Some(lie) => lie(&asked, said),
            None => said,
        };
        let length = ("Content-Length".to_owned(), said.body.len().to_string());
        let close = ("Connection".to_owned(), "close".to_owned());
        let lines = [length, close].into_iter().chain(said.headers.iter().cloned());
        let lines: String =
            lines.flat_map(|(name, value)| [name, ": ".to_owned(), value, "\r\n".to_owned()]).collect();
        let head = format!("HTTP/1.1 {} X\r\n{lines}", said.status);
        let body = if asked.method == "HEAD" { &[] } else { said.body.as_slice() };
        let sent = stream.write_all(format!("{head}\r\n").as_bytes());
        let count = said.stops_after.unwrap_or(body.len());
        let sent = sent.and_then(|()| stream.write_all(body.get(..count).unwrap_or_default()));
        if sent.is_ok() && said.stops_after.is_some() {
            // Whoever listens gives up first.
            stream.set_read_timeout(Some(Duration::from_mins(2))).expect("set");
            let _closed = stream.read(&mut [0]);
        }
    }
}

impl State {
    fn honest(&self, asked: &Asked, url: &str) -> Said {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        if let Some(rest) = path.strip_prefix("/api/models/acme/m") {
            let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
            return match parts.as_slice() {
                [""] => self.info("main"),
                ["refs"] if !self.has_no_refs => self.told_refs(),
                ["revision", revision] => self.info(revision),
                ["tree", sha] => self.tree(sha, query, &format!("{url}{path}")),
                _ => Said::status(404),
            };
        }
        let file = path.strip_prefix("/acme/m/resolve/").and_then(|rest| rest.split_once('/'));
        let found = file.and_then(|(sha, path)| Some((sha, self.commits.get(sha)?.get(path)?)));
        let Some((sha, has)) = found else { return Said::status(404) };
        let said = Said::status(200).header("X-Repo-Commit", sha);
        match asked.range {
            Some((from, to)) => {
                let body = has.bytes.get(from..=to).unwrap_or_default().to_vec();
                let range = format!("bytes {from}-{to}/{}", has.bytes.len());
                Said { status: 206, body, ..said.header("Content-Range", range) }
            }
            None => Said { body: has.bytes.clone(), ..said },
        }
    }

    fn told_refs(&self) -> Said {
        let below = |prefix: &str| -> Vec<Value> {
            let named = |(name, sha): (&String, &String)| {
                let short = name.strip_prefix(prefix)?;
                Some(json!({"name": short, "ref": name, "targetCommit": sha}))
            };
            self.refs.iter().filter_map(named).collect()
        };
        Said::json(&json!({"branches": below("refs/heads/"), "tags": below("refs/tags/"), "converts": []}))
    }

    fn info(&self, revision: &str) -> Said {
        let named = ["refs/heads/", "refs/tags/"]
            .iter()
            .find_map(|below| self.refs.get(&format!("{below}{revision}")));
        let sha = named.cloned().unwrap_or_else(|| revision.to_owned());
        let Some(files) = self.commits.get(&sha) else { return Said::status(404) };
        let siblings: Vec<Value> = files.keys().map(|path| json!({"rfilename": path})).collect();
        Said::json(&json!({"id": "acme/m", "sha": sha, "siblings": siblings}))
    }

    fn tree(&self, sha: &str, query: &str, url: &str) -> Said {
        let Some(files) = self.commits.get(sha) else { return Said::status(404) };
        let entries = listed(files);
        let from = query.split("cursor=").nth(1).and_then(|at| at.parse().ok()).unwrap_or(0);
        let page: Vec<&Value> = entries.iter().skip(from).take(PAGE).collect();
        let said = Said::json(&json!(page));
        if from + PAGE >= entries.len() {
            return said;
        }
        said.header("Link", format!("<{url}?recursive=true&cursor={}>; rel=\"next\"", from + PAGE))
    }
}

/// The entries of a listing.
fn listed(files: &Files) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut folders: BTreeMap<String, Vec<(String, EntryKind, ObjectId)>> = BTreeMap::new();
    for (path, has) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let kind = if has.may_run { EntryKind::Executable } else { EntryKind::File };
        let mut entry = json!({"type": "file", "path": path, "size": has.bytes.len()});
        if has.is_large {
            let pointer = pointer(&has.bytes);
            let (oid, size) = (pointer.oid.to_string(), pointer.size_bytes);
            entry["oid"] = json!(blob(pointer.to_string().as_bytes()));
            entry["lfs"] = json!({"oid": oid, "size": size, "pointerSize": pointer.to_string().len()});
            entry["xetHash"] = json!(oid);
        } else {
            entry["oid"] = json!(blob(&has.bytes));
        }
        let oid: ObjectId = entry["oid"].as_str().expect("text").parse().expect("an id");
        folders.entry(folder.to_owned()).or_default().push((name.to_owned(), kind, oid));
        entries.push(entry);
    }
    // One level is enough here.
    for (path, inside) in folders.iter().filter(|(path, _)| !path.is_empty()) {
        let named: Vec<_> = inside.iter().map(|(name, kind, oid)| (name.as_str(), *kind, *oid)).collect();
        let oid = folder_id(&named).expect("an id").to_string();
        entries.push(json!({"type": "directory", "path": path, "oid": oid, "size": 0}));
    }
    entries
}

pub(super) fn blob(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    BlobSpool::new(dir.path()).add(bytes).expect("an id").to_string()
}

pub(super) fn pointer(bytes: &[u8]) -> LfsPointer {
    let oid = Sha256::from_slice(&sha2::Sha256::digest(bytes)).expect("32 bytes");
    LfsPointer { oid, size_bytes: u64::try_from(bytes.len()).expect("small") }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let range = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.and_then(|range| {
        let (from, to) = range.split_once('-')?;
        Some((from.parse().ok()?, to.trim().parse().ok()?))
    });
    Some(Asked { method, path, range, before: 0 })
}
