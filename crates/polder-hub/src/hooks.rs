//! Policy hooks of the operator: programs in git's pre-receive and post-receive shape.
//!
//! A hook sees a read-only view of the repository, an environment made from nothing, and limits of
//! time, memory and output. What it prints is shown to the pusher. Repository content can never become
//! a hook: only paths from the configuration are run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use polder_git::{Command, Snapshot};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{Quarantined, RefResult, Say};
use crate::error::{Error, Result};
use crate::origin::Origin;

/// Which hooks run, and within what limits.
#[derive(Debug, Clone)]
pub struct HookOptions {
    /// Run in order before a push takes effect; the first that fails refuses the whole push.
    pub pre_receive: Vec<PathBuf>,
    /// Run in order after a push took effect; a failure is logged and shown.
    pub post_receive: Vec<PathBuf>,
    /// How long one hook may run, in seconds.
    pub timeout_seconds: u64,
    /// Most address space one hook's processes may each have, in bytes.
    pub memory_bytes: u64,
    /// The `PATH` that hooks get.
    pub path: String,
}

impl Default for HookOptions {
    fn default() -> Self {
        Self {
            pre_receive: Vec::new(),
            post_receive: Vec::new(),
            timeout_seconds: 30,
            memory_bytes: 1 << 30,
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
        }
    }
}

/// Most output of one hook that is shown, in bytes; the rest is read and dropped.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// How long a hook's output may stay open after the hook itself has ended.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

impl Hub {
    /// Runs the pre-receive hooks on a view that holds the quarantined objects. Blocking.
    ///
    /// # Errors
    /// The refusal of the first hook that fails.
    pub(crate) fn pre_receive(
        &self,
        origin: &Origin,
        commands: &[Command],
        before: &Snapshot,
        quarantined: &Quarantined,
        say: Say<'_>,
    ) -> Result<()> {
        if self.hooks.pre_receive.is_empty() {
            return Ok(());
        }
        let view = quarantined.scratch.path().join("view");
        let objects = quarantined.received.as_ref();
        self.write_view(origin, before, objects, &view)?;
        for hook in &self.hooks.pre_receive {
            if !self.hook_passes(hook, origin, &view, commands, say)? {
                return Err(Error::invalid("pre-receive hook declined"));
            }
        }
        Ok(())
    }

    /// Runs the post-receive hooks for the refs that changed. Blocking; failures do not undo a push.
    pub(crate) fn post_receive(
        &self,
        origin: &Origin,
        commands: &[Command],
        results: &[RefResult],
        say: Say<'_>,
    ) {
        let landed = |c: &&Command| results.iter().any(|(name, result)| *name == c.name && result.is_ok());
        let done: Vec<Command> = commands.iter().filter(landed).cloned().collect();
        if self.hooks.post_receive.is_empty() || done.is_empty() {
            return;
        }
        if let Err(error) = self.after_push(origin, &done, say) {
            tracing::warn!(repo = %origin.name, error = %error.chain(), "a post-receive hook failed");
            say("warning: a post-receive hook failed; the push itself is complete");
        }
    }

    fn after_push(&self, origin: &Origin, done: &[Command], say: Say<'_>) -> Result<()> {
        let held = Handle::current().block_on(self.held(origin.repo))?;
        let scratch = self.store.quarantine()?;
        let view = scratch.path().join("view");
        self.write_view(origin, &held.snapshot, None, &view)?;
        for hook in &self.hooks.post_receive {
            if !self.hook_passes(hook, origin, &view, done, say)? {
                tracing::warn!(repo = %origin.name, hook = %hook.display(), "a post-receive hook failed");
                say("warning: a post-receive hook failed; the push itself is complete");
            }
        }
        Ok(())
    }

    /// Runs one hook, shows what it printed, and says whether it succeeded. Blocking.
    fn hook_passes(
        &self,
        hook: &Path,
        origin: &Origin,
        view: &Path,
        commands: &[Command],
        say: Say<'_>,
    ) -> Result<bool> {
        let mut command = self.command(hook, view);
        command.envs(push_options(origin));
        let (ended, output) = Handle::current().block_on(self.run_hook(command, commands))?;
        for line in output.lines() {
            say(&printable(line));
        }
        ended.ok_or_else(|| {
            let seconds = self.hooks.timeout_seconds;
            Error::invalid(format!("a hook of this hub took more than {seconds} s; tell its operator"))
        })
    }

    /// Whether the hook succeeded (`None`: it ran out of time), and what it printed.
    async fn run_hook(
        &self,
        mut hook: tokio::process::Command,
        commands: &[Command],
    ) -> Result<(Option<bool>, String)> {
        let failed = |error: std::io::Error| {
            Error::unavailable("a hook of this hub could not be run; tell its operator").caused_by(error)
        };
        let mut child = hook.spawn().map_err(failed)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let most =
                Rlimit { current: Some(self.hooks.memory_bytes), maximum: Some(self.hooks.memory_bytes) };
            if let Err(error) = rustix::process::prlimit(Some(pid), Resource::As, most) {
                tracing::debug!(%error, "the hook ended before its memory limit was set");
            }
        }
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = lines(commands);
        let feed = async move {
            if let Some(mut stdin) = stdin
                && let Err(error) = stdin.write_all(input.as_bytes()).await
            {
                // A hook may decide without reading its input.
                tracing::debug!(%error, "a hook did not read all its input");
            }
        };
        let output = tokio::spawn(async { tokio::join!(shown(stdout), shown(stderr)) });
        let limit = Duration::from_secs(self.hooks.timeout_seconds);
        let ended = tokio::time::timeout(limit, async { tokio::join!(feed, child.wait()).1 }).await;
        if let Some(pid) = pid {
            // The whole group: nothing a hook started outlives it.
            rustix::process::kill_process_group(pid, Signal::KILL).unwrap_or_default();
        }
        let printed = match tokio::time::timeout(OUTPUT_GRACE, output).await {
            Ok(Ok((out, err))) => out + &err,
            Ok(Err(_)) | Err(_) => String::new(),
        };
        match ended {
            Ok(status) => Ok((Some(status.map_err(failed)?.success()), printed)),
            Err(_) => Ok((None, printed)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one door through which programs are run")]
    fn command(&self, hook: &Path, view: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(hook);
        command
            .env_clear()
            .env("PATH", &self.hooks.path)
            .env("GIT_DIR", view)
            .env("GIT_QUARANTINE_PATH", view.join("objects"))
            .env("GIT_OBJECT_DIRECTORY", view.join("objects"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", view)
            .current_dir(view)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// What a hook finds of the push options in its environment (githooks, "pre-receive").
fn push_options(origin: &Origin) -> Vec<(String, String)> {
    let Some(options) = &origin.push_options else { return Vec::new() };
    let numbered = options.iter().enumerate();
    let mut variables: Vec<_> =
        numbered.map(|(at, option)| (format!("GIT_PUSH_OPTION_{at}"), option.clone())).collect();
    variables.push(("GIT_PUSH_OPTION_COUNT".to_owned(), options.len().to_string()));
    variables
}

/// What a hook reads: `<old> <new> <ref>` a line (githooks, "pre-receive").
fn lines(commands: &[Command]) -> String {
    let mut text = String::new();
    for command in commands {
        for word in [&command.old.to_string(), " ", &command.new.to_string(), " ", &command.name, "\n"] {
            text.push_str(word);
        }
    }
    text
}

/// The start of a stream, all of which is read so that the hook never waits for us.
async fn shown(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = Vec::new();
    let Some(mut stream) = stream else { return String::new() };
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(text.len());
        text.extend_from_slice(chunk.get(..count.min(room)).unwrap_or_default());
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A line without what could drive the pusher's terminal (RUSTSEC-2024-0364).
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
