//! A process that dies: a test starts this executable again, to run a test that is ignored otherwise.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

const CRASH_AT: &str = "POLDER_HUB_TEST_CRASH_AT";
const CRASH_IN: &str = "POLDER_HUB_TEST_CRASH_IN";
const SIGABRT: i32 = 6;

/// In the child: the failpoint where it is to die, and the data directory.
#[expect(clippy::disallowed_methods, reason = "how the parent tells its child what to do")]
pub(crate) fn told() -> (String, PathBuf) {
    (std::env::var(CRASH_AT).expect("set"), std::env::var_os(CRASH_IN).expect("set").into())
}

/// Runs the test `child` in a process of its own, which must die at `point`.
#[expect(clippy::disallowed_methods, reason = "starts this executable again as the process that dies")]
pub(crate) fn die_at(child: &str, point: &str, dir: &Path) {
    let status = std::process::Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(CRASH_AT, point)
        .env(CRASH_IN, dir)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("ran");
    assert_eq!(status.signal(), Some(SIGABRT), "{point}: {status}");
}
