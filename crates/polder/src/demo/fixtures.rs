//! The scripts of `fixtures/`, if this program stands in its source tree: the one place where the
//! product runs programs of its own accord, and only for the demo.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use polder_types::RepoName;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// Longest run of `fixtures/make`.
const MAKE_TIME_MAX: Duration = Duration::from_mins(2);
/// Longest run of `fixtures/minilm`, which downloads 90 MB.
const MINILM_TIME_MAX: Duration = Duration::from_mins(10);
/// Most output of a script that is read, in bytes.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
/// How far above the program the source tree is looked for: `target/release/polder`.
const LEVELS_UP: usize = 4;

/// Runs `fixtures/make`; the repositories it made, by id.
///
/// # Errors
/// Why there are none, for the person who watches.
pub(super) async fn make(scratch: &Path) -> Result<Vec<(RepoName, PathBuf)>, String> {
    let out = scratch.join("fixtures");
    let printed = run("make", &out, MAKE_TIME_MAX).await?;
    printed.lines().map(|id| Ok((read_id(id)?, out.join(format!("{id}.git"))))).collect()
}

/// Whether there is a script to try.
pub(super) fn can_have_minilm() -> bool {
    script("minilm").is_some()
}

/// Runs `fixtures/minilm`; the repository it made.
///
/// # Errors
/// Why there is none, for the person who watches.
pub(super) async fn minilm(scratch: &Path) -> Result<(RepoName, PathBuf), String> {
    let out = scratch.join("minilm");
    let printed = run("minilm", &out, MINILM_TIME_MAX).await?;
    let id = printed.lines().last().unwrap_or_default();
    Ok((read_id(id)?, out.join(id)))
}

fn read_id(text: &str) -> Result<RepoName, String> {
    text.parse().map_err(|error| format!("the fixtures script printed {error}"))
}

/// The script in `fixtures/` of the working directory or of the source tree around this program.
fn script(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let above = program.ancestors().skip(1).take(LEVELS_UP);
    std::iter::once(Path::new("."))
        .chain(above)
        .map(|dir| dir.join("fixtures").join(name))
        .find(|path| path.is_file())
        .and_then(|path| std::path::absolute(path).ok())
}

#[expect(clippy::disallowed_methods, reason = "the demo's one door: scripts of our own source tree")]
fn command(script: &Path) -> Command {
    Command::new(script)
}

/// Runs a script with `out` as its argument; what it printed.
async fn run(name: &str, out: &Path, time_max: Duration) -> Result<String, String> {
    let script = script(name).ok_or_else(|| format!("there is no fixtures/{name} here"))?;
    let mut child = command(&script)
        .arg(out)
        // A script that is ended leaves its temporary files; they go with the demo's.
        .env("TMPDIR", out.parent().unwrap_or(out))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("fixtures/{name}: {error}"))?;
    // Ends the script and what it started when this future ends or is dropped.
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
    let ended = async { tokio::join!(stdout, stderr, child.wait()) };
    let (stdout, stderr, status) = tokio::time::timeout(time_max, ended)
        .await
        .map_err(|_elapsed| format!("fixtures/{name} took more than {} seconds", time_max.as_secs()))?;
    drop(group);
    match status {
        Ok(status) if status.success() => Ok(stdout),
        Ok(status) => Err(stderr.lines().last().map_or(format!("fixtures/{name}: {status}"), str::to_owned)),
        Err(error) => Err(format!("fixtures/{name}: {error}")),
    }
}

/// The beginning of what a pipe brings; the rest is read and dropped.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut head = Vec::new();
    // A pipe that breaks has said what it had to say.
    let _read = (&mut pipe).take(OUTPUT_BYTES_MAX).read_to_end(&mut head).await;
    let _dropped = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&head).into_owned()
}

struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It is gone already when the script ended well.
            let _ended = kill_process_group(pid, Signal::KILL);
        }
    }
}
