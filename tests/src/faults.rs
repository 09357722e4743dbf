//! System calls of a running server that fail, as a broken disk makes them fail.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program;

/// While it lives, reads of one file by one process fail; needs what [`crate::Client::Strace`] names.
#[derive(Debug)]
pub struct FailingReads {
    strace: Child,
    record: PathBuf,
    _root: TempDir,
}

/// Every call that takes bytes out of a file.
const READS: &str = "read,readv,pread64,preadv,preadv2,sendfile,copy_file_range";

impl FailingReads {
    /// Makes the reads of `path` by process `pid` fail with EIO, from each thread's `first` one on.
    #[track_caller]
    pub fn of(path: &Path, pid: u32, first: u32) -> Self {
        let root = TempDir::with_prefix("polder-faults-").expect("a temporary directory");
        let record = root.path().join("record");
        let mut command = program("/usr/bin/strace");
        command
            .args(["-f", "-e", &format!("trace={READS}"), "-P"])
            .arg(path)
            .args(["-e", &format!("inject={READS}:error=EIO:when={first}+")])
            .arg("-o")
            .arg(&record)
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped());
        let mut strace = command.spawn().expect("start strace");
        let mut lines = BufReader::new(strace.stderr.take().expect("its standard error")).lines();
        let attached = lines.find_map(|line| line.ok().filter(|line| line.contains("attached")));
        assert!(attached.is_some(), "strace did not attach");
        // It must never wait for somebody to read what it says.
        std::thread::spawn(move || lines.count());
        Self { strace, record, _root: root }
    }

    /// How many reads have failed.
    pub fn count(&self) -> usize {
        let record = std::fs::read_to_string(&self.record).unwrap_or_default();
        record.matches("(INJECTED)").count()
    }
}

impl Drop for FailingReads {
    fn drop(&mut self) {
        // Asked politely, it lets go of the process.
        let pid = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw);
        let _asked = pid.map(|pid| kill_process(pid, Signal::INT));
        let _ended = self.strace.wait();
    }
}
