//! Which clients this machine has.

use std::path::Path;

use crate::workspace_root;

/// A program (or right) that some suites need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Git 2.40 or newer, in /usr/local/bin.
    NewGit,
    /// The distribution's git.
    OldGit,
    /// git-lfs.
    GitLfs,
    /// curl.
    Curl,
    /// nginx.
    Nginx,
    /// openssl's own client.
    Openssl,
    /// pebble, Let's Encrypt's small ACME server for tests, and its DNS server.
    Pebble,
    /// The Python environment in `.tools/venv`, with dulwich and pygit2.
    Python,
    /// Mounting a file as a disk: root, losetup, `mkfs.ext4`, `xfs_io`.
    LoopMount,
    /// Network namespaces: root, ip, nsenter.
    Namespaces,
    /// strace, and the right to follow a process that is not its child: root.
    Strace,
    /// A PostgreSQL server that this user may start.
    Postgres,
}

impl Client {
    fn problem(self) -> Option<String> {
        let missing = |paths: &[&str]| {
            let missing: Vec<&str> = paths.iter().copied().filter(|path| !Path::new(path).exists()).collect();
            (!missing.is_empty()).then(|| format!("no {}", missing.join(", ")))
        };
        match self {
            Self::NewGit => missing(&["/usr/local/bin/git"]),
            Self::OldGit => missing(&["/usr/bin/git"]),
            Self::GitLfs => missing(&["/usr/bin/git-lfs"]),
            Self::Curl => missing(&["/usr/bin/curl"]),
            Self::Nginx => missing(&["/usr/sbin/nginx"]),
            Self::Openssl => missing(&["/usr/bin/openssl"]),
            Self::Pebble => missing(&["/usr/bin/pebble", "/usr/bin/pebble-challtestsrv"]),
            Self::Python => {
                let python = workspace_root().join(".tools/venv/bin/python");
                (!python.exists()).then(|| format!("no {}", python.display()))
            }
            Self::Postgres => polder_cluster::problem(),
            Self::LoopMount | Self::Namespaces | Self::Strace if !rustix::process::geteuid().is_root() => {
                Some("not root".to_owned())
            }
            Self::Strace => missing(&["/usr/bin/strace"]),
            Self::Namespaces => missing(&["/usr/sbin/ip", "/usr/bin/nsenter"]),
            Self::LoopMount => missing(&["/usr/sbin/xfs_io", "/usr/sbin/mkfs.ext4", "/usr/sbin/losetup"]),
        }
    }
}

/// Whether this run must have every client: `CI=true`.
#[expect(clippy::disallowed_methods, reason = "the one variable that the test run itself reads")]
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Whether all of `clients` are here; if not, fails in CI and names the skip elsewhere.
#[track_caller]
pub fn have(clients: &[Client]) -> bool {
    for client in clients {
        if let Some(problem) = client.problem() {
            skip(&format!("{client:?}: {problem}"));
            return false;
        }
    }
    true
}

/// Fails in CI; prints the reason elsewhere.
#[track_caller]
pub fn skip(why: &str) {
    assert!(!in_ci(), "this run must have it (CI=true): {why}");
    println!("SKIPPED ({why})");
}
