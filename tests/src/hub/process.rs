//! The process of a hub: its start, its end and what it prints.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Hub, MACHINE_PORT};
use crate::{binary, poll, program, until, workspace_root};

const START_SECONDS_MAX: u64 = 60;
const STOP_SECONDS_MAX: u64 = 40;
/// Lines of the log that a failing test shows.
const SHOWN_LINES_MAX: usize = 30;
const ANNOUNCEMENT: &str = "listening on ";

impl Hub {
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

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
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
}

fn announced(log: &str) -> Option<(&'static str, SocketAddr)> {
    let rest = log.split_once(ANNOUNCEMENT)?.1;
    let schemes = [("http", "http://"), ("https", "https://")];
    let (scheme, rest) =
        schemes.into_iter().find_map(|(scheme, start)| Some((scheme, rest.strip_prefix(start)?)))?;
    let (address, _) = rest.split_once(|c: char| c != ':' && c != '.' && !c.is_ascii_digit())?;
    Some((scheme, address.parse().unwrap_or_else(|error| panic!("{error}: {address}"))))
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
