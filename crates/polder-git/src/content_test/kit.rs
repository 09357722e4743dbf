//! Repositories made by real git, and ways to look at them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use polder_types::{ObjectId, PackId, UnixMillis};
use tempfile::TempDir;

use crate::{Change, ExportPack, Pack, PackBytes, Ref, Signature, Snapshot, Source, open_source};

/// Runs git with a clean environment and gives everything it said.
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
fn run(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    command
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C.UTF-8")])
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
        .args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    child.stdin.take().unwrap().write_all(input).expect("git reads its input");
    child.wait_with_output().unwrap()
}

/// What git prints; it must succeed.
pub(super) fn git_bytes(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run(dir, args, input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {}: {error}", dir.display());
    output.stdout
}

pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(git_bytes(dir, args, b"")).unwrap().trim_end().to_owned()
}

/// Whether git succeeds.
pub(super) fn git_ok(dir: &Path, args: &[&str]) -> bool {
    run(dir, args, b"").status.success()
}

/// The repository is sound in every respect that git checks, silently.
pub(super) fn assert_sound(dir: &Path) {
    let output = run(dir, &["fsck", "--strict", "--full", "--no-dangling", "--no-progress"], b"");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let noise = |line: &&str| !line.starts_with("notice: ");
    assert!(output.status.success() && said.lines().filter(noise).count() == 0, "{said}");
}

pub(super) fn oid(text: &str) -> ObjectId {
    text.parse().expect(text)
}

pub(super) fn rev(dir: &Path, name: &str) -> ObjectId {
    oid(&git(dir, &["rev-parse", "--verify", name]))
}

/// A directory that goes away with the test.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// An ordinary repository with a branch `main` and no commit.
pub(super) fn new_repo() -> TempDir {
    let dir = scratch();
    git(dir.path(), &["init", "-q"]);
    dir
}

pub(super) fn write(dir: &Path, path: &str, content: &[u8]) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(super) fn commit_all(dir: &Path, message: &str) -> ObjectId {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
    rev(dir, "HEAD")
}

/// A repository opened for reading, with the scratch directory it needs.
pub(super) struct Opened {
    pub(super) source: Source,
    _scratch: TempDir,
}

impl Opened {
    pub(super) fn at(dir: &Path) -> Self {
        let scratch = scratch();
        Self { source: open_source(dir, scratch.path()).expect("opens"), _scratch: scratch }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.source.snapshot
    }
}

pub(super) fn empty_snapshot() -> Snapshot {
    Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), Vec::new())
}

/// Indexes a pack with git, which refuses one that is malformed or not self-contained.
pub(super) fn index(pack: &[u8], dir: &Path) -> (PathBuf, PathBuf) {
    let hash = git_bytes(dir, &["init", "-q", "--bare", "index.git"], b"");
    drop(hash);
    let repo = dir.join("index.git");
    let said = git_bytes(&repo, &["index-pack", "--fsck-objects", "--stdin"], pack);
    let said = String::from_utf8(said).unwrap();
    let hash = said.trim().rsplit('\t').next().unwrap();
    let pack = repo.join(format!("objects/pack/pack-{hash}.pack"));
    (pack.clone(), pack.with_extension("idx"))
}

/// A repository of the hub, as far as this crate knows one: packs in memory, refs as told.
pub(super) struct Hub {
    packs: Vec<(ObjectId, Bytes, Bytes)>,
    pub(super) snapshot: Snapshot,
}

impl Hub {
    pub(super) fn new() -> Self {
        Self { packs: Vec::new(), snapshot: empty_snapshot() }
    }

    /// Receives a pack, then has exactly these refs.
    pub(super) fn receive(&mut self, pack: &[u8], head: &str, refs: Vec<Ref>) {
        let dir = scratch();
        let mut packs = self.snapshot.packs().to_vec();
        if pack.get(8..12) != Some(&[0; 4]) {
            let (data, index) = index(pack, dir.path());
            let (data, index) =
                (Bytes::from(std::fs::read(data).unwrap()), Bytes::from(std::fs::read(index).unwrap()));
            let id = PackId(i64::try_from(packs.len()).unwrap());
            let opened = Pack::from_bytes(id, data.clone(), index.clone()).expect("git's index is read");
            self.packs.push((opened.hash(), data, index));
            packs.push(Arc::new(opened));
        }
        self.snapshot = Snapshot::new(self.snapshot.generation() + 1, head.to_owned(), refs, packs);
    }

    /// Makes a commit on `main` from changes.
    pub(super) fn commit(&mut self, changes: &[Change]) -> crate::Result<crate::WrittenCommit> {
        let main = "refs/heads/main";
        let parent = self.snapshot.find_ref(main).map(|found| found.oid);
        let written = crate::write_commit(&self.snapshot, parent, changes, None, &author(), "Change")?;
        let tip = Ref { name: main.to_owned(), oid: written.commit_id, peeled: None };
        self.receive(&written.whole_pack()?, main, vec![tip]);
        Ok(written)
    }

    pub(super) fn export_packs(&self) -> Vec<ExportPack> {
        let packs = self.packs.iter();
        packs
            .map(|(hash, data, index)| ExportPack {
                hash: *hash,
                pack: PackBytes::Memory(data.clone(), index.clone()),
            })
            .collect()
    }

    /// Imports a source, as an update.
    pub(super) fn import(&mut self, source: &Source) -> u32 {
        let mut pack = Vec::new();
        let count = crate::write_import_pack(&source.snapshot, &self.snapshot, &mut pack).expect("a pack");
        self.receive(&pack, source.snapshot.head(), source.snapshot.refs().to_vec());
        count
    }

    pub(super) fn export(&self, dir: &Path) {
        crate::export(&self.snapshot, dir, &self.export_packs()).expect("exports");
    }
}

pub(super) fn author() -> Signature {
    Signature {
        name: "王 A".to_owned(),
        email: "a@example.org".to_owned(),
        time: UnixMillis(1_700_000_000_000),
    }
}

pub(super) fn put(path: &str, content: &str) -> Change {
    Change::Write { path: path.to_owned(), content: Bytes::from(content.to_owned()), executable: false }
}

pub(super) fn delete(path: &str) -> Change {
    Change::Delete { path: path.to_owned() }
}

pub(super) fn delete_folder(path: &str) -> Change {
    Change::DeleteFolder { path: path.to_owned() }
}

/// Commits what `change` does on a new branch.
pub(super) fn branch(dir: &Path, name: &str, from: &str, change: impl Fn(&Path)) -> ObjectId {
    git(dir, &["checkout", "-q", "-b", name, from]);
    change(dir);
    commit_all(dir, name)
}

/// Forty lines, some of them changed.
pub(super) fn numbered(changed: &[usize]) -> String {
    let line = |n| format!("line {n}{}\n", if changed.contains(&n) { " changed" } else { "" });
    (0..40).map(line).collect::<Vec<_>>().concat()
}

/// A pointer to a large object.
pub(super) fn pointer(byte: &str) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", byte.repeat(64))
}

/// Commits what the branches of a comparison or a merge begin with.
pub(super) fn write_base(path: &Path) {
    write(path, "text", numbered(&[]).as_bytes());
    write(path, "d/file", b"1\n");
    write(path, "gone", b"1\n");
    write(path, "model.bin", pointer("a").as_bytes());
    write(path, "空 \"q\".txt", b"a b\n");
    commit_all(path, "base");
}
