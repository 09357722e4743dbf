//! The client against our own server and both of git's, and against servers that lie.

mod histories;
mod hostile;
mod servers;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::{ObjectId, PackId};

use super::{Advertisement, Exchange, Remote, RemoteBody, RemoteRefs};
use crate::id_set::IdSet;
use crate::upload_pack::random_history::reach::reachable;
use crate::{
    IndexLimits, NO_RECENT_TIPS, Pack, Protocol, Ref, Service, Snapshot, advertise, index_pack, upload_pack,
};

/// Our own server, asked in process, that knows no protocol above `newest`.
struct Polder<'a> {
    snapshot: &'a Snapshot,
    newest: Protocol,
}

impl Exchange for Polder<'_> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let body = advertise(self.snapshot, Service::UploadPack, self.newest);
        let content_type = Some("application/x-git-upload-pack-advertisement".to_owned());
        Ok(Advertisement { content_type, body: Box::new(io::Cursor::new(body)) })
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        assert_eq!(protocol, self.newest);
        let mut out = Vec::new();
        match upload_pack(self.snapshot, NO_RECENT_TIPS, protocol, &body, &mut out) {
            Ok(()) | Err(crate::Error::Refused { .. }) => Ok(Box::new(io::Cursor::new(out))),
            Err(error) => panic!("{error}"),
        }
    }
}

/// `git http-backend`, asked as a web server asks a CGI program.
struct Backend {
    git: PathBuf,
    dir: PathBuf,
    newest: Protocol,
}

impl Backend {
    #[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
    fn ask(&self, vars: &[(&str, &str)], body: &[u8]) -> io::Result<(Vec<String>, Vec<u8>)> {
        use std::io::Write as _;
        let version = match self.newest {
            Protocol::V0 => "",
            Protocol::V1 => "version=1",
            Protocol::V2 => "version=2",
        };
        let mut child = std::process::Command::new(&self.git)
            .arg("http-backend")
            .env_clear()
            .env("PATH", self.git.parent().unwrap())
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "uploadpack.allowAnySHA1InWant")
            .env("GIT_CONFIG_VALUE_0", "true")
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_PROJECT_ROOT", &self.dir)
            .env("GIT_PROTOCOL", version)
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("CONTENT_LENGTH", body.len().to_string())
            .envs(vars.iter().copied())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        // A server that refuses may not read all of it.
        let _sent = child.stdin.take().unwrap().write_all(body);
        let output = child.wait_with_output()?.stdout;
        let at = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&output[..at]).lines().map(str::to_owned).collect();
        Ok((head, output[at + 4..].to_vec()))
    }
}

impl Exchange for Backend {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let vars = [
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/info/refs"),
            ("QUERY_STRING", "service=git-upload-pack"),
        ];
        let (head, body) = self.ask(&vars, b"")?;
        let content_type =
            head.iter().find_map(|line| line.strip_prefix("Content-Type: ")).map(str::to_owned);
        Ok(Advertisement { content_type, body: Box::new(io::Cursor::new(body)) })
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        assert_eq!(protocol, self.newest);
        let vars = [
            ("REQUEST_METHOD", "POST"),
            ("PATH_INFO", "/git-upload-pack"),
            ("CONTENT_TYPE", "application/x-git-upload-pack-request"),
        ];
        let (head, answer) = self.ask(&vars, &body)?;
        assert!(
            head.iter().any(|line| line == "Content-Type: application/x-git-upload-pack-result"),
            "{head:?}"
        );
        Ok(Box::new(io::Cursor::new(answer)))
    }
}

const PROTOCOLS: [Protocol; 3] = [Protocol::V0, Protocol::V1, Protocol::V2];

/// Our own server and both of git's, each with each protocol.
fn each_server(snapshot: &Snapshot, dir: &Path, mut test: impl FnMut(&str, &dyn Exchange)) {
    for newest in PROTOCOLS {
        test(&format!("polder {newest:?}"), &Polder { snapshot, newest });
        for git in crate::upload_pack::fixture::gits() {
            let backend = Backend { git: git.clone(), dir: dir.to_owned(), newest };
            test(&format!("{} {newest:?}", git.display()), &backend);
        }
    }
}

/// What has been fetched so far.
struct Local {
    snapshot: Snapshot,
    scratch: tempfile::TempDir,
    said: Vec<String>,
}

impl Local {
    fn empty() -> Self {
        let snapshot = Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
        Self { snapshot, scratch: tempfile::tempdir().unwrap(), said: Vec::new() }
    }

    /// Fetches `wants` and makes the refs `refs`; the ids received.
    fn fetch(&mut self, exchange: &dyn Exchange, wants: &[ObjectId], refs: Vec<Ref>) -> crate::Result<IdSet> {
        let theirs: Vec<ObjectId> = refs.iter().map(|r| r.oid).collect();
        let mut packs: Vec<Arc<Pack>> = self.snapshot.packs().to_vec();
        let mut ids = IdSet::default();
        if !wants.is_empty() {
            let remote = Remote::connect(exchange)?;
            let said = &mut self.said;
            let progress = Box::new(|line: &str| said.push(line.to_owned()));
            let mut stream = remote.fetch(wants, &theirs, &self.snapshot, Some(progress))?;
            let id = PackId(i64::try_from(packs.len()).unwrap() + 1);
            let limits = IndexLimits { inline_bytes_max: u64::MAX, ..IndexLimits::default() };
            let received = index_pack(id, &mut stream, self.scratch.path(), &limits, &mut |_| {})?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"", "the pack ends where the answer does");
            if let Some(received) = received {
                ids.extend(received.pack.object_ids());
                packs.push(received.pack);
            }
        }
        self.snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), refs, packs);
        Ok(ids)
    }

    /// Makes this a mirror of the server; the ids received.
    fn mirror(&mut self, exchange: &dyn Exchange) -> crate::Result<IdSet> {
        let listed = list(exchange)?;
        let is_new = |r: &&Ref| self.snapshot.refs().iter().all(|ours| ours.oid != r.oid);
        let wants: Vec<ObjectId> = listed.refs.iter().filter(is_new).map(|r| r.oid).collect();
        self.fetch(exchange, &wants, listed.refs)
    }

    /// Everything that our refs reach is here.
    fn all(&self) -> IdSet {
        let roots: Vec<ObjectId> = self.snapshot.refs().iter().map(|r| r.oid).collect();
        reachable(&self.snapshot, &roots, &IdSet::default())
    }
}

fn list(exchange: &dyn Exchange) -> crate::Result<RemoteRefs> {
    Remote::connect(exchange)?.list_refs()
}
