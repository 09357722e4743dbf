//! A git server that is not Polder: `git http-backend` and a small LFS server behind one port.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::listen::answer_all;
use crate::{pkt, program};

/// How it behaves.
#[derive(Debug, Default)]
pub struct Manners {
    /// Wanted in `Authorization`, if anything is.
    pub authorization: Option<String>,
    /// Bytes of a large object after which it hangs up, and how many more times.
    pub cut: Option<(u64, usize)>,
    /// How many more requests for large objects it answers.
    pub objects_max: Option<usize>,
    /// Where it says that large objects are, in place of itself.
    pub objects_at: Option<String>,
    /// Answers this to everything, if anything.
    pub page: Option<(u16, String)>,
    /// What it answers to what is asked below `/api/`, as JSON.
    pub api: Option<String>,
    /// A commit that it gives to nobody who names it, as servers do that give only what their refs name.
    pub unnamed: Option<String>,
    /// Each request is answered 429 so many times first, with so many seconds to wait.
    pub busy: Option<(usize, u64)>,
    /// Answers nothing, and keeps the connection.
    pub hang: bool,
}

struct Inner {
    git: PathBuf,
    root: PathBuf,
    address: SocketAddr,
    manners: Mutex<Manners>,
    seen: Mutex<Vec<String>>,
    /// How often each request was answered 429.
    put_off: Mutex<HashMap<String, usize>>,
    sent: AtomicU64,
}

/// Serves the bare repositories below a directory, with the objects in their `lfs/objects`, until dropped.
pub struct GitServer(Arc<Inner>);

impl GitServer {
    /// Serves what is in `root` with this git binary.
    pub fn start(git: &str, root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (manners, seen, sent) = (Mutex::default(), Mutex::default(), AtomicU64::default());
        let (git, root, put_off) = (git.into(), root.to_owned(), Mutex::default());
        let inner = Arc::new(Inner { git, root, address, manners, seen, put_off, sent });
        answer_all(listener, &inner, Inner::answer);
        Self(inner)
    }

    /// The URL of a repository.
    pub fn url(&self, repo: &str) -> String {
        format!("http://{}/{repo}", self.0.address)
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.0.manners.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Bytes of large objects that it sent so far.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::SeqCst)
    }

    /// The first line of each request since the last call, with its `Range`.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        // The listening thread notices with the next connection.
        let address = self.0.address;
        std::thread::spawn(move || TcpStream::connect(address));
    }
}

struct Asked {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Asked {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut input = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut asked =
            Self { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() };
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        input.take(length).read_to_end(&mut asked.body).ok()?;
        Some(asked)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Inner {
    fn answer(&self, mut stream: TcpStream) {
        let Some(asked) = Asked::read(&stream) else { return };
        let range = asked.header("range").map(|range| format!(" {range}")).unwrap_or_default();
        let line = format!("{} {}{range}", asked.method, asked.path);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        let (page, wanted, busy, hang) = {
            let manners = self.manners.lock().unwrap_or_else(PoisonError::into_inner);
            (manners.page.clone(), manners.authorization.clone(), manners.busy, manners.hang)
        };
        if let Some((times, seconds)) = busy {
            let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
            let before = put_off.entry(line).or_default();
            if *before < times {
                *before += 1;
                let head = "HTTP/1.1 429 X\r\nConnection: close\r\nContent-Length: 0\r\n";
                let _sent = write!(stream, "{head}Retry-After: {seconds}\r\n\r\n");
                return;
            }
        }
        if hang {
            // Until the client gives up.
            let _gone = stream.read(&mut [0]);
            return;
        }
        let (api, unnamed) = {
            let manners = self.manners.lock().unwrap_or_else(PoisonError::into_inner);
            (manners.api.clone(), manners.unnamed.clone())
        };
        let names = |want: &String| {
            let line = format!("want {want}");
            asked.body.windows(line.len()).any(|part| part == line.as_bytes())
        };
        // Whoever hangs up has seen enough.
        let _sent = if let Some(text) = api.filter(|_| asked.path.starts_with("/api/")) {
            whole(&mut stream, 200, "application/json", text.as_bytes())
        } else if let Some((status, text)) = page {
            whole(&mut stream, status, "text/html", text.as_bytes())
        } else if wanted.is_some() && wanted.as_deref() != asked.header("authorization") {
            whole(&mut stream, 401, "text/plain", b"log in")
        } else if let Some(want) = unnamed.filter(names) {
            let kind = "application/x-git-upload-pack-result";
            whole(&mut stream, 200, kind, &pkt(format!("ERR upload-pack: not our ref {want}")))
        } else if asked.path.ends_with("/info/lfs/objects/batch") {
            self.batch(&asked, &mut stream)
        } else if let Some(oid) = asked.path.strip_prefix("/objects/") {
            self.object(oid, &asked, &mut stream)
        } else {
            self.backend(&asked, &mut stream)
        };
    }

    fn batch(&self, asked: &Asked, out: &mut TcpStream) -> std::io::Result<()> {
        let request: Value = serde_json::from_slice(&asked.body).expect("JSON");
        let here = self.manners.lock().unwrap_or_else(PoisonError::into_inner).objects_at.clone();
        let here = here.unwrap_or_else(|| format!("http://{}/objects", self.address));
        let answer = |object: &Value| {
            let oid = object["oid"].as_str().expect("an oid");
            let mut answer = json!({"oid": oid, "size": object["size"]});
            if self.find(oid).is_some() {
                answer["actions"] = json!({"download": {"href": format!("{here}/{oid}")}});
            } else {
                answer["error"] = json!({"code": 404, "message": "not here"});
            }
            answer
        };
        let objects: Vec<Value> =
            request["objects"].as_array().expect("objects").iter().map(answer).collect();
        let body = json!({"transfer": "basic", "objects": objects}).to_string();
        whole(out, 200, "application/vnd.git-lfs+json", body.as_bytes())
    }

    /// The file of an object, in whichever repository it is.
    fn find(&self, oid: &str) -> Option<PathBuf> {
        let place = format!("lfs/objects/{}/{}/{oid}", oid.get(..2)?, oid.get(2..4)?);
        let mut open = vec![self.root.clone()];
        while let Some(dir) = open.pop() {
            let path = dir.join(&place);
            if path.is_file() {
                return Some(path);
            }
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
            open.extend(entries.filter(|path| path.is_dir() && !path.ends_with("objects")));
        }
        None
    }

    fn object(&self, oid: &str, asked: &Asked, out: &mut TcpStream) -> std::io::Result<()> {
        let Some(path) = self.find(oid) else { return whole(out, 404, "text/plain", b"not here") };
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let range = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let number = |text: &str| text.parse::<u64>().ok();
        let first = range.and_then(|(first, _)| number(first)).unwrap_or(0);
        let last = range.and_then(|(_, last)| number(last)).unwrap_or(size - 1).min(size - 1);
        file.seek(SeekFrom::Start(first))?;
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let length = last + 1 - first;
        let most = {
            let mut manners = self.manners.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left) = &mut manners.objects_max {
                if *left == 0 {
                    return Ok(());
                }
                *left -= 1;
            }
            match &mut manners.cut {
                Some((bytes, times)) if *times > 0 => {
                    *times -= 1;
                    *bytes
                }
                _ => length,
            }
        };
        write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n")?;
        if range.is_some() {
            write!(out, "Content-Range: bytes {first}-{last}/{size}\r\n")?;
        }
        out.write_all(b"\r\n")?;
        let sent = std::io::copy(&mut file.take(most.min(length)), out)?;
        self.sent.fetch_add(sent, Ordering::SeqCst);
        Ok(())
    }

    fn backend(&self, asked: &Asked, out: &mut TcpStream) -> std::io::Result<()> {
        let mut command = program("/usr/bin/env");
        command
            .args(["-i", "PATH=/usr/bin:/bin:/usr/local/bin", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"])
            .args(["GIT_HTTP_EXPORT_ALL=1", "REMOTE_ADDR=127.0.0.1"])
            .args(["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"])
            .arg(format!("GIT_PROJECT_ROOT={}", self.root.display()))
            .arg(format!("REQUEST_METHOD={}", asked.method))
            .arg(format!("PATH_INFO={}", asked.path))
            .arg(format!("QUERY_STRING={}", asked.query))
            .arg(format!("CONTENT_TYPE={}", asked.header("content-type").unwrap_or_default()))
            .arg(format!("CONTENT_LENGTH={}", asked.body.len()))
            .arg(format!("GIT_PROTOCOL={}", asked.header("git-protocol").unwrap_or_default()))
            .arg(&self.git)
            .arg("http-backend")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        // A server that refuses may not read all of it.
        let _sent = child.stdin.take().expect("its input").write_all(&asked.body);
        let answer = child.wait_with_output()?.stdout;
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..at]).into_owned();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        let body = &answer[at + 4..];
        write!(
            out,
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n\r\n",
            body.len()
        )?;
        out.write_all(body)
    }
}

fn whole(out: &mut TcpStream, status: u16, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        out,
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    out.write_all(body)
}
