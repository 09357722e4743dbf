//! A hub in a process of its own.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use polder_cluster::Database;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shared::on_postgres;
use crate::{Done, Http, Machine, binary, poll, program, run, until, workspace_root};

const START_SECONDS_MAX: u64 = 60;
const STOP_SECONDS_MAX: u64 = 40;
/// Lines of the log that a failing test shows.
const SHOWN_LINES_MAX: usize = 30;
/// Where a hub listens that has a machine of its own.
const MACHINE_PORT: u16 = 8080;
const ANNOUNCEMENT: &str = "listening on ";

/// An access token and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The user's name.
    pub user: String,
    /// What the user sends.
    pub secret: String,
}

/// How a hub is to be started.
#[derive(Debug, Default)]
pub struct HubBuilder {
    data: Option<PathBuf>,
    config: String,
    failpoint: Option<String>,
    demo: bool,
    machine: Option<Machine>,
}

/// A running (or killed) `polder serve` with its data directory.
#[derive(Debug)]
pub struct Hub {
    root: TempDir,
    data: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    address: Option<SocketAddr>,
    scheme: &'static str,
    action: &'static str,
    machine: Option<Machine>,
    _postgres: Option<Database>,
}

impl HubBuilder {
    /// Keeps the data there, not in a directory that goes with the hub.
    #[must_use]
    pub fn data(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data = Some(dir.into());
        self
    }

    /// Adds lines to the configuration file.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config += toml;
        self.config.push('\n');
        self
    }

    /// Makes the process die at this step; `name` or `name:count`.
    #[must_use]
    pub fn failpoint(mut self, name: &str) -> Self {
        self.failpoint = Some(name.to_owned());
        self
    }

    /// Runs it there, on port 8080.
    #[must_use]
    pub fn on(self, machine: Machine) -> Self {
        let public_url = format!("public-url = \"http://{}:{MACHINE_PORT}\"\n", machine.address);
        // Before any table.
        Self { config: public_url + &self.config, machine: Some(machine), ..self }
    }

    /// Runs `polder demo` in place of `polder serve`.
    #[must_use]
    pub fn demo(mut self) -> Self {
        self.demo = true;
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Hub {
        let failpoint = self.failpoint.clone();
        let mut hub = self.prepare();
        hub.serve(failpoint.as_deref());
        hub
    }

    /// Makes the directories and writes the configuration, without starting anything.
    pub fn prepare(self) -> Hub {
        let root = TempDir::with_prefix("polder-hub-").expect("a temporary directory");
        let data = self.data.unwrap_or_else(|| root.path().join("data"));
        let postgres = (on_postgres() && !self.config.contains("[database]"))
            .then(|| Database::create().expect("PostgreSQL, as a moment ago"));
        let database =
            postgres.as_ref().map(|database| format!("[database]\nurl = \"{}\"\n", database.url()));
        let config = self.config + &database.unwrap_or_default();
        std::fs::write(root.path().join("polder.toml"), config).expect("write the configuration");
        let log = root.path().join("log");
        std::fs::create_dir(root.path().join("tmp")).expect("make a directory for temporary files");
        let action = if self.demo { "demo" } else { "serve" };
        let (child, address, scheme) = (None, None, "http");
        let machine = self.machine;
        Hub { root, data, log, child, address, scheme, action, machine, _postgres: postgres }
    }
}

impl Hub {
    /// Starts a hub with new data and no configuration.
    #[track_caller]
    pub fn start() -> Self {
        HubBuilder::default().start()
    }

    /// A hub to be described first.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }

    /// Starts the server (again) on the same data, dying at `failpoint` if one is named.
    #[track_caller]
    pub fn serve(&mut self, failpoint: Option<&str>) {
        if let Err(status) = self.try_serve(failpoint) {
            panic!("polder serve ended with {status}\n{}", self.log());
        }
    }

    /// Starts the server (again).
    ///
    /// # Errors
    /// With its exit status, if it ends before it listens.
    #[track_caller]
    pub fn try_serve(&mut self, failpoint: Option<&str>) -> Result<(), ExitStatus> {
        self.spawn(failpoint);
        let started = poll(START_SECONDS_MAX, || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().expect("wait")) {
                self.child = None;
                return Some(Err(status));
            }
            announced(&self.log()).map(Ok)
        });
        let started = started.unwrap_or_else(|| panic!("polder serve printed no address\n{}", self.log()));
        let (scheme, address) = started?;
        (self.scheme, self.address) = (scheme, Some(address));
        Ok(())
    }

    /// Starts the server (again) and kills it after so long, however far it is by then.
    #[track_caller]
    pub fn serve_for(&mut self, time: Duration) {
        self.spawn(None);
        std::thread::sleep(time);
        self.kill();
    }

    #[track_caller]
    fn spawn(&mut self, failpoint: Option<&str>) {
        assert!(self.child.is_none(), "it is running already");
        let log = File::create(&self.log).expect("make the log");
        let (mut command, listen) = match &self.machine {
            None => (program(binary()), "127.0.0.1:0".to_owned()),
            Some(machine) => {
                let mut command = program("nsenter");
                command.arg(format!("--net=/run/netns/{}", machine.namespace)).arg(binary());
                (command, format!("{}:{MACHINE_PORT}", machine.address))
            }
        };
        command
            .args([self.action, "--listen", &listen, "--config"])
            .arg(self.config_file())
            .current_dir(self.root.path())
            .env("HOME", self.root.path())
            .env("TMPDIR", self.temporary())
            .env("XDG_CACHE_HOME", workspace_root().join("target/fixtures/cache"))
            .stdout(Stdio::from(log.try_clone().expect("share the log")))
            .stderr(Stdio::from(log));
        match self.action {
            "serve" => command.arg("--data").arg(&self.data),
            _ => command.stdin(Stdio::piped()),
        };
        if let Some(failpoint) = failpoint {
            command.env("POLDER_FAILPOINT", failpoint);
        }
        self.child = Some(command.spawn().expect("start polder"));
    }

    /// Everything the server printed since it was last started.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.root.path().join("polder.toml")
    }

    /// A path that lives as long as the hub, outside its data.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where the server puts what belongs in a temporary directory.
    pub fn temporary(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it was started")
    }

    /// An HTTP client of it.
    pub fn http(&self) -> Http {
        Http::new(self.address())
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address())
    }

    /// The URL to clone `repo` from.
    pub fn repo_url(&self, repo: &str) -> String {
        self.url(&format!("{repo}.git"))
    }

    /// The URL to clone from or push to with a token in it.
    pub fn repo_url_as(&self, repo: &str, token: &Token) -> String {
        format!("{}://{}:{}@{}/{repo}.git", self.scheme, token.user, token.secret, self.address())
    }

    /// Runs `polder … --data … --config …` beside the server, or without one.
    pub fn cli(&self, args: &[&str]) -> Done {
        run(&mut self.command(args))
    }

    /// The same, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program(binary());
        command
            .args(args)
            .arg("--data")
            .arg(&self.data)
            .arg("--config")
            .arg(self.config_file())
            .current_dir(self.root.path())
            .env("HOME", self.root.path());
        command
    }

    /// Adds a user and gives a token of that scope.
    #[track_caller]
    pub fn user(&self, name: &str, scope: &str) -> Token {
        self.cli(&["user", "add", name]).ok();
        self.token(name, scope)
    }

    /// Gives one more token.
    #[track_caller]
    pub fn token(&self, name: &str, scope: &str) -> Token {
        let secret = self.cli(&["token", "add", "--user", name, "--scope", scope]).ok();
        Token { user: name.to_owned(), secret }
    }

    /// Adds the user `ada` and her organisation `acme`; her token, which may write.
    #[track_caller]
    pub fn acme(&self) -> Token {
        let token = self.user("ada", "write");
        self.cli(&["org", "add", "acme", "--owner", "ada"]).ok();
        token
    }

    /// Adds a public repository.
    #[track_caller]
    pub fn repo(&self, id: &str) {
        self.cli(&["repo", "add", id]).ok();
    }

    /// Checks everything stored; panics with the list if anything is wrong.
    #[track_caller]
    pub fn fsck(&self) {
        self.cli(&["fsck", "--deep"]).ok();
    }

    /// Ends the process as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit(STOP_SECONDS_MAX)
    }

    /// Presses Enter, as the person who watches a demo does.
    pub fn press_enter(&mut self) {
        let input = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        input.expect("it reads its input").write_all(b"\n").expect("write to it");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("send the signal");
    }

    /// Waits until the process has ended by itself.
    #[track_caller]
    pub fn wait_exit(&mut self, seconds: u64) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        until("polder to end", seconds, || child.try_wait().expect("wait"))
    }

    /// Waits until the armed failpoint has ended the process.
    #[track_caller]
    pub fn wait_crash(&mut self) {
        let status = self.wait_exit(START_SECONDS_MAX);
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}\n{}", self.log());
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("wait").is_none())
    }

    /// The files of large objects, as relative paths.
    pub fn stored_objects(&self) -> Vec<String> {
        let mut names = self.stored_files();
        names.retain(|name| name.contains("blobs/") && !name.ends_with(".chunks"));
        names
    }

    /// Of which objects that are being fetched some bytes are noted as good, as relative paths.
    pub fn noted_transfers(&self) -> Vec<String> {
        let mut names = self.files_in(&["transfers/"]);
        let is_empty = |name: &String| self.data.join(name).metadata().is_ok_and(|file| file.len() == 0);
        names.retain(|name| name.ends_with("/done") && !is_empty(name));
        names
    }

    /// Every file in the data directory but the database's, the log's own and what is being fetched, as relative
    /// paths.
    pub fn stored_files(&self) -> Vec<String> {
        self.files_in(&["blobs/", "packs/", "quarantine/", "lost/", "uploads/", "xorbs/"])
    }

    fn files_in(&self, directories: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.data, &mut found);
        let base = self.data.display().to_string() + "/";
        let mut names: Vec<String> =
            found.iter().map(|path| path.display().to_string().replacen(&base, "", 1)).collect();
        names.retain(|name| directories.iter().any(|directory| name.contains(directory)));
        names.sort();
        names
    }
}

fn announced(log: &str) -> Option<(&'static str, SocketAddr)> {
    let rest = log.split_once(ANNOUNCEMENT)?.1;
    let schemes = [("http", "http://"), ("https", "https://")];
    let (scheme, rest) =
        schemes.into_iter().find_map(|(scheme, start)| Some((scheme, rest.strip_prefix(start)?)))?;
    let (address, _) = rest.split_once(|c: char| c != ':' && c != '.' && !c.is_ascii_digit())?;
    Some((scheme, address.parse().unwrap_or_else(|error| panic!("{error}: {address}"))))
}

fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&path, found),
            _ => found.push(path),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(SHOWN_LINES_MAX);
            let tail: Vec<&str> = log.lines().skip(from).collect();
            eprintln!("--- the last lines that the hub printed ---\n{}", tail.join("\n"));
        }
        if let Some(mut child) = self.child.take() {
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}
