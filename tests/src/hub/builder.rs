//! How a hub is to be started.

use std::path::PathBuf;

use polder_cluster::Database;
use tempfile::TempDir;

use super::{Hub, MACHINE_PORT};
use crate::Machine;
use crate::shared::on_postgres;

/// How a hub is to be started.
#[derive(Debug, Default)]
pub struct HubBuilder {
    data: Option<PathBuf>,
    config: String,
    failpoint: Option<String>,
    demo: bool,
    machine: Option<Machine>,
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
