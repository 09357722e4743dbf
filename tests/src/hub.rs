//! A hub in a process of its own.

mod builder;
mod process;
mod stored;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use polder_cluster::Database;
use tempfile::TempDir;

use crate::{Done, Http, Machine, binary, program, run};

pub use builder::HubBuilder;

/// Where a hub listens that has a machine of its own.
const MACHINE_PORT: u16 = 8080;

/// An access token and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The user's name.
    pub user: String,
    /// What the user sends.
    pub secret: String,
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
}
