//! Hugging Face's own Python clients, in the versions that `tests/run` installs.

use std::path::Path;
use std::process::Command;

use crate::{Done, Hub, Token, program, run, skip, workspace_root};

/// Every version of `huggingface_hub` that is tried: the last before 1.0, the last that let the server choose
/// how large files travel, one between, and today's.
pub const HUB_VERSIONS: [&str; 4] = ["0.36.2", "1.19.0", "1.33.0", "2.4.0"];
/// Today's `huggingface_hub` with `datasets` and `transformers`.
pub const LIBRARIES: &str = "libraries";

/// One installed environment.
#[derive(Debug, Clone)]
pub struct HubClient {
    bin: std::path::PathBuf,
    variables: Vec<(&'static str, String)>,
    seconds: u32,
}

impl HubClient {
    /// The environment of a version as its users have it, with Xet and telemetry; fails in CI and names the skip
    /// elsewhere if it is not there.
    #[track_caller]
    pub fn of(version: &str) -> Option<Self> {
        let bin = workspace_root().join(format!(".tools/hub-{version}/bin"));
        if bin.join("python").exists() {
            return Some(Self { bin, variables: Vec::new(), seconds: 120 });
        }
        skip(&format!("no {}", bin.display()));
        None
    }

    /// The same as it is where `hf_xet` is switched off.
    #[must_use]
    pub fn without_xet(self) -> Self {
        self.variable("HF_HUB_DISABLE_XET", "1")
    }

    /// The same that may take so long.
    #[must_use]
    pub fn for_seconds(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs a script with the hub's URL, the token and `dir` as its arguments, then `args`.
    pub fn script(&self, hub: &Hub, token: &Token, dir: &Path, script: &str, args: &[&str]) -> Done {
        self.script_at(hub.url("").trim_end_matches('/'), token, dir, script, args)
    }

    /// The same for a hub at another URL.
    pub fn script_at(&self, url: &str, token: &Token, dir: &Path, script: &str, args: &[&str]) -> Done {
        let mut command = self.command("python", url, dir);
        command.args(["-c", script, url, &token.secret]).arg(dir).args(args);
        run(&mut command)
    }

    /// Runs the command line.
    pub fn hf(&self, endpoint: &str, token: Option<&Token>, dir: &Path, args: &[&str]) -> Done {
        let mut command = self.command("hf", endpoint, dir);
        if let Some(token) = token {
            command.env("HF_TOKEN", &token.secret);
        }
        command.args(args);
        run(&mut command)
    }

    /// Lets a command, and what it runs, find the environment's programs as in a shell where it is activated.
    pub fn on_path<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display());
        command.env("PATH", path).env("HF_HUB_DISABLE_UPDATE_CHECK", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)))
    }

    /// A program of the environment, with a home of its own, and no other hub to turn to.
    fn command(&self, name: &str, endpoint: &str, dir: &Path) -> Command {
        let mut command = program("/usr/bin/timeout");
        command
            .args(["-k", "5", &self.seconds.to_string()])
            .arg(self.bin.join(name))
            .current_dir(dir)
            .env("HOME", dir)
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
            .env("PYTHONWARNINGS", "ignore")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
