//! Running programs, and finding the one under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, as it was.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
    what: String,
}

impl Done {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, without the last newline.
    ///
    /// Panics with the program's own words if it failed.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert!(
            self.success(),
            "`{}` ended with {:?}\n{}\n{}",
            self.what,
            self.code,
            self.text(),
            self.stderr
        );
        self.text()
    }

    /// Everything it said, if it failed as it should have.
    #[track_caller]
    pub fn fails(&self) -> String {
        assert!(!self.success(), "`{}` worked, and should not have\n{}", self.what, self.text());
        format!("{}\n{}", self.text(), self.stderr)
    }

    /// Standard output as text, without the last newline.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }
}

/// A command with nothing of this process's environment but a plain PATH.
#[expect(clippy::disallowed_methods, reason = "tests drive real programs; this is their one door")]
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Done {
    let what = format!("{command:?}");
    let what = what.rsplit_once("TZ=\"UTC\" ").map_or(what.as_str(), |(_, tail)| tail).to_owned();
    let out = command.output().unwrap_or_else(|error| panic!("cannot run {what}: {error}"));
    Done {
        code: out.status.code(),
        stdout: out.stdout,
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        what,
    }
}

/// The root of the source tree.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// The built `polder`, beside this test's own executable.
///
/// Panics if it is missing: `tests/run` builds it, with the feature `failpoints`.
pub fn binary() -> PathBuf {
    let me = std::env::current_exe().expect("this executable's path");
    let found = me.ancestors().skip(1).take(2).map(|dir| dir.join("polder")).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("no `polder` beside {}: run `cargo build -p polder --features failpoints`", me.display())
    })
}
