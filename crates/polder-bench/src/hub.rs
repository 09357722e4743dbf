//! Our server, started as anyone would start it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::cgi::GitRequest;
use crate::cpu;
use crate::http::{Answer, Client};
use crate::tools::{Result, Running, Tools, output, program};
use crate::world::{PUSHERS, World};

/// How long the first start may take.
const START: Duration = Duration::from_mins(1);

/// A running hub.
#[derive(Debug)]
pub(crate) struct Hub {
    polder: PathBuf,
    data: PathBuf,
    pub(crate) address: SocketAddr,
    /// The value of an `Authorization` header.
    pub(crate) authorization: String,
    process: Running,
}

impl Hub {
    /// With its data under `directory`.
    pub(crate) fn start(tools: &Tools, directory: &Path) -> Result<Self> {
        Self::start_as(tools, directory, None)
    }

    /// The same, reached by clients at the address `public`.
    pub(crate) fn start_as(tools: &Tools, directory: &Path, public: Option<SocketAddr>) -> Result<Self> {
        if !tools.polder.is_file() {
            let place = tools.polder.display();
            return Err(format!("`{place}` is missing: run `cargo build --release` first").into());
        }
        let data = directory.join("hub");
        let url = public.map(|address| ["--public-url".to_owned(), format!("http://{address}")]);
        let mut child = program(&tools.polder)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(url.iter().flatten())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (found, address) = mpsc::channel();
        watch(child.stdout.take(), found.clone());
        watch(child.stderr.take(), found);
        let process = Running(child);
        let address =
            address.recv_timeout(START).map_err(|error| format!("polder did not start: {error}"))?;
        let mut hub =
            Self { polder: tools.polder.clone(), data, address, authorization: String::new(), process };
        hub.command(&["user", "add", "bench"])?;
        let token = hub.command(&["token", "add", "--user", "bench"])?;
        hub.authorization = format!("Bearer {}", token.trim());
        Ok(hub)
    }

    /// The token alone.
    pub(crate) fn token(&self) -> &str {
        self.authorization.trim_start_matches("Bearer ")
    }

    /// The value of an `Authorization` header of somebody who may do nothing but read what is public.
    pub(crate) fn stranger(&self) -> Result<String> {
        self.command(&["user", "add", "stranger"])?;
        let token = self.command(&["token", "add", "--user", "stranger"])?;
        Ok(format!("Bearer {}", token.trim()))
    }

    /// Imports the repositories as `bench/m` and `bench/p0` ….
    pub(crate) fn take_in(&self, world: &World) -> Result<()> {
        let pushed_to = (0..PUSHERS).map(|pusher| format!("p{pusher}"));
        for name in std::iter::once("m".to_owned()).chain(pushed_to) {
            let source = world.root.join(format!("{name}.git"));
            let source = source.to_str().ok_or("the temporary directory's name is not UTF-8")?;
            self.command(&["repo", "import", source, &format!("bench/{name}")])?;
        }
        Ok(())
    }

    /// Processor time of the server while `work` runs.
    pub(crate) fn cpu(&self, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let pid = self.process.0.id();
        let before = cpu::of_process(pid)?;
        work()?;
        Ok(cpu::of_process(pid)?.saturating_sub(before))
    }

    /// Asks what `git http-backend` is asked, and requires success.
    pub(crate) fn ask(&self, client: &mut Client, repo: &str, request: &GitRequest) -> Result<Vec<u8>> {
        require_success(request.tail, self.try_ask(client, repo, request)?)
    }

    /// The same, whatever the answer is.
    pub(crate) fn try_ask(&self, client: &mut Client, repo: &str, request: &GitRequest) -> Result<Answer> {
        let target = format!("/bench/{repo}.git{}", request.tail);
        let content_type = request.content_type();
        let mut headers = vec![("authorization", self.authorization.as_str())];
        headers.extend(content_type.as_deref().map(|value| ("content-type", value)));
        headers.extend(request.protocol.map(|value| ("git-protocol", value)));
        client.ask(request.method, &target, &headers, &request.body)
    }

    /// The most memory that the server has had so far, in MiB.
    pub(crate) fn peak_memory_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    /// Runs a command of an operator.
    pub(crate) fn command(&self, words: &[&str]) -> Result<String> {
        let out = output(program(&self.polder).args(words).arg("--data").arg(&self.data))?;
        Ok(String::from_utf8(out)?)
    }
}

/// The body of an answer that is a success.
pub(crate) fn require_success(target: &str, answer: Answer) -> Result<Vec<u8>> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    Err(format!("{target}: {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
}

/// Reads what the server prints to its end, so that it never waits for us, and tells its address.
fn watch(stream: Option<impl Read + Send + 'static>, found: mpsc::Sender<SocketAddr>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
            let address = line.split("listening on http://").nth(1).and_then(|rest| {
                rest.split(|c: char| c.is_whitespace() || c == '/' || c == '"').next()?.parse().ok()
            });
            if let Some(address) = address
                && found.send(address).is_err()
            {
                // Nobody waits for a second address.
            }
        }
    });
}
