//! Real git, with an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Done, program, run};

const COMMAND_SECONDS_MAX: &str = "120";

/// One git binary speaking one protocol version, with its own home.
#[derive(Debug, Clone)]
pub struct Git {
    binary: PathBuf,
    home: PathBuf,
    protocol: u8,
}

impl Git {
    /// The distribution's git, protocol 2, with `home` as its home directory.
    pub fn new(home: &Path) -> Self {
        Self { binary: "/usr/bin/git".into(), home: home.to_owned(), protocol: 2 }
    }

    /// Both versions on this machine, each with protocol 0 and 2; only those that exist.
    pub fn every(home: &Path) -> Vec<Self> {
        let binaries = ["/usr/bin/git", "/usr/local/bin/git"];
        let here = binaries.into_iter().map(PathBuf::from).filter(|path| path.exists());
        here.flat_map(|binary| {
            [0, 2].map(|protocol| Self { binary: binary.clone(), protocol, ..Self::new(home) })
        })
        .collect()
    }

    /// The same git speaking another protocol version.
    #[must_use]
    pub fn protocol(mut self, version: u8) -> Self {
        self.protocol = version;
        self
    }

    /// The same git with another binary.
    #[must_use]
    pub fn with_binary(mut self, path: &str) -> Self {
        self.binary = path.into();
        self
    }

    /// A short name for messages.
    pub fn label(&self) -> String {
        format!("{} protocol {}", self.binary.display(), self.protocol)
    }

    /// The command `git …` in `dir`, not yet run; ends by itself after two minutes.
    pub fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = program("/usr/bin/timeout");
        let directory = self.binary.parent().expect("git is in a directory");
        command
            .args(["-k", "5", COMMAND_SECONDS_MAX])
            .arg(&self.binary)
            .args(["-c", &format!("protocol.version={}", self.protocol)])
            .args(args)
            .current_dir(dir)
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", directory.display()))
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Ada Example")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada Example")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org");
        command
    }

    /// Runs `git …` in `dir`.
    pub fn run(&self, dir: &Path, args: &[&str]) -> Done {
        run(&mut self.command(dir, args))
    }

    /// Runs `git …` in `dir`, which must work; its output.
    #[track_caller]
    pub fn ok(&self, dir: &Path, args: &[&str]) -> String {
        self.run(dir, args).ok()
    }

    /// Runs `git …` in `dir` with `input` on standard input.
    pub fn with_input(&self, dir: &Path, args: &[&str], input: &[u8]) -> Done {
        let mut file = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut file, input).expect("write the input");
        std::io::Seek::rewind(&mut file).expect("rewind the input");
        run(self.command(dir, args).stdin(Stdio::from(file)))
    }

    /// Checks every object of the repository in `dir` as strictly as git can.
    #[track_caller]
    pub fn fsck(&self, dir: &Path) {
        let done = self.run(dir, &["fsck", "--strict", "--full", "--no-dangling"]);
        let said = format!("{}{}", done.ok(), done.stderr);
        for word in ["error", "missing", "broken", "corrupt"] {
            assert!(!said.contains(word), "git fsck in {}: {said}", dir.display());
        }
    }

    /// Every ref of the repository in `dir` as `name oid`, sorted.
    #[track_caller]
    pub fn refs(&self, dir: &Path) -> String {
        self.ok(dir, &["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    /// Every object reachable from any ref, sorted.
    #[track_caller]
    pub fn objects(&self, dir: &Path) -> Vec<String> {
        let listed = self.ok(dir, &["rev-list", "--all", "--objects", "--no-object-names"]);
        let mut ids: Vec<String> = listed.lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }
}

/// A working repository in a temporary directory.
#[derive(Debug)]
pub struct Work {
    root: TempDir,
    /// The git it is driven with; its home is beside the repository.
    pub git: Git,
}

impl Work {
    /// An empty repository on the unborn branch `main`.
    pub fn new() -> Self {
        let root = TempDir::with_prefix("polder-work-").expect("a temporary directory");
        let (home, repo) = (root.path().join("home"), root.path().join("repo"));
        std::fs::create_dir_all(&home).expect("make the home directory");
        std::fs::create_dir_all(&repo).expect("make the repository directory");
        let git = Git::new(&home);
        git.ok(&repo, &["-c", "init.defaultBranch=main", "init", "-q"]);
        git.ok(&repo, &["config", "gc.auto", "0"]);
        Self { root, git }
    }

    /// The same with git-lfs installed and `*.bin` kept there.
    pub fn with_lfs() -> Self {
        let work = Self::new();
        work.git.ok(&work.path(), &["lfs", "install", "--local"]);
        work.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n");
        work
    }

    /// The same repository driven by another git.
    #[must_use]
    pub fn with_git(mut self, git: &Git) -> Self {
        self.git = git.clone();
        self
    }

    /// The repository's directory.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    /// A path beside the repository that lives as long as it does.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file of the working tree.
    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("make the folder");
        std::fs::write(path, content).expect("write the file");
    }

    /// Commits the whole working tree; the new commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git.ok(&self.path(), &["add", "-A"]);
        self.git.ok(&self.path(), &["commit", "-q", "--allow-empty", "-m", message]);
        self.git.ok(&self.path(), &["rev-parse", "HEAD"])
    }

    /// Writes one file and commits it; the new commit's id.
    #[track_caller]
    pub fn commit_file(&self, path: &str, content: &[u8]) -> String {
        self.write(path, content);
        self.commit(&format!("Write {path}"))
    }

    /// Runs git in the repository.
    pub fn run(&self, args: &[&str]) -> Done {
        self.git.run(&self.path(), args)
    }

    /// Runs git in the repository, which must work.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).ok()
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::new()
    }
}
