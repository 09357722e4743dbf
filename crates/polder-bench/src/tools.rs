//! The programs that are measured or needed to measure.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What goes wrong here is only ever told to the person who runs the bench.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where programs that are not on everyone's PATH are.
const PLACES: &[&str] = &["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"];

/// The programs found.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) polder: PathBuf,
    pub(crate) git: PathBuf,
    pub(crate) git_version: String,
    pub(crate) http_backend: PathBuf,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) lighttpd: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn find() -> Result<Self> {
        let polder = std::env::current_exe()?.with_file_name("polder");
        let git = find("git").ok_or("git is missing: install it first")?;
        let exec_path = output(program(&git).arg("--exec-path"))?;
        let http_backend = Path::new(String::from_utf8(exec_path)?.trim()).join("git-http-backend");
        if !http_backend.is_file() {
            return Err(format!(
                "`{}` is missing: install git with its web back end",
                http_backend.display()
            )
            .into());
        }
        let git_version = String::from_utf8(output(program(&git).arg("--version"))?)?.trim().to_owned();
        let (nginx, lighttpd) = (find("nginx"), find("lighttpd"));
        Ok(Self { polder, git, git_version, http_backend, nginx, lighttpd })
    }

    /// Git with nothing of this user's settings.
    pub(crate) fn git(&self, directory: &Path) -> Command {
        let mut command = program(&self.git);
        command.arg("-C").arg(directory);
        for (name, value) in GIT_ENVIRONMENT {
            command.env(name, value);
        }
        command
    }
}

/// What makes git behave the same for everyone.
pub(crate) const GIT_ENVIRONMENT: &[(&str, &str)] = &[
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "bench"),
    ("GIT_AUTHOR_EMAIL", "bench@example.org"),
    ("GIT_COMMITTER_NAME", "bench"),
    ("GIT_COMMITTER_EMAIL", "bench@example.org"),
];

fn find(name: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

/// The one place where programs are started.
#[expect(clippy::disallowed_methods, reason = "the peers, and the hub itself, are programs")]
pub(crate) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

/// Runs to the end and returns what was printed.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stderr(Stdio::piped()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}: {said}", output.status).into());
    }
    Ok(output.stdout)
}

/// Runs to the end with `input`, which may be of any length.
pub(crate) fn output_of(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // A program that ends early breaks the pipe; its exit status says more than the broken pipe.
        scope.spawn(move || stdin.map(|mut stdin| std::io::Write::write_all(&mut stdin, input)));
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", output.status).into());
        }
        Ok(output.stdout)
    })
}

/// A server that ends with this value.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        if let Err(error) = ended {
            eprintln!("process {} may still run: {error}", self.0.id());
        }
    }
}
