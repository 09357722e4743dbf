//! The one server of a run.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

/// Where Debian puts the servers of each version.
const VERSIONS_DIR: &str = "/usr/lib/postgresql";
/// The account that the server runs as when the tests run as root.
const SERVER_USER: &str = "postgres";
/// The superuser of the cluster.
pub(crate) const OWNER: &str = "polder";
const START_SECONDS_MAX: u64 = 60;

/// Starts the server, waits until no test uses it, ends it by its process id and removes the cluster.
/// The arguments are: lock file, directory, then the server's command line.
const KEEPER: &str = r#"
users=$1 dir=$2; shift 2
"$@" >"$dir/log" 2>&1 &
server=$!
exec 9>"$users"
flock --exclusive 9
kill -QUIT "$server"
wait "$server"
rm -rf "$dir"
"#;

/// Why this machine cannot start a server, if so.
pub fn problem() -> Option<String> {
    match bin_dir() {
        None => Some(format!("no PostgreSQL server in {VERSIONS_DIR}")),
        Some(_) if geteuid().is_root() && !has_server_user() => {
            Some(format!("root cannot run PostgreSQL, and there is no user `{SERVER_USER}`"))
        }
        Some(_) => None,
    }
}

fn has_server_user() -> bool {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.split(':').next() == Some(SERVER_USER))
}

/// Where the programs of the newest installed version are.
pub fn bin_dir() -> Option<PathBuf> {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let versions = std::fs::read_dir(VERSIONS_DIR).ok()?.flatten();
        let found = versions.filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            entry.path().join("bin/initdb").exists().then(|| (version, entry.path().join("bin")))
        });
        found.max_by_key(|(version, _)| *version).map(|(_, dir)| dir)
    });
    FOUND.clone()
}

/// The running cluster; the lock on its users' file ends with the process.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) socket_dir: PathBuf,
    _users: File,
}

impl Cluster {
    /// The cluster of this run, started when it does not run yet.
    pub(crate) fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::join().unwrap_or_else(|error| panic!("no PostgreSQL cluster: {error}")))
    }

    fn join() -> io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("polder-postgres-{}", geteuid().as_raw()));
        std::fs::create_dir_all(&dir)?;
        // Waits while a keeper is ending the server before.
        let users = locked(&dir.join("users"), FlockOperation::LockShared)?;
        let _starting = locked(&dir.join("starting"), FlockOperation::LockExclusive)?;
        let cluster = dir.join("cluster");
        if !answers(&cluster) {
            start(&dir.join("users"), &cluster)?;
        }
        Ok(Self { socket_dir: cluster, _users: users })
    }

    /// Runs SQL as the owner; what it printed, one row a line, columns separated by `|`.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> io::Result<String> {
        let mut psql = program("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-h"]).arg(&self.socket_dir);
        psql.args(["-d", database, "-c", sql]);
        let done = psql.output()?;
        require(&done, sql)?;
        Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
    }
}

fn locked(path: &Path, how: FlockOperation) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    flock(&file, how)?;
    Ok(file)
}

fn answers(cluster: &Path) -> bool {
    let ready = program("pg_isready").arg("-q").arg("-h").arg(cluster).status();
    ready.is_ok_and(|status| status.success())
}

fn start(users: &Path, cluster: &Path) -> io::Result<()> {
    if cluster.exists() {
        std::fs::remove_dir_all(cluster)?;
    }
    std::fs::create_dir(cluster)?;
    std::fs::set_permissions(cluster, std::fs::Permissions::from_mode(0o700))?;
    if geteuid().is_root() {
        let chown = run(command("chown").arg(SERVER_USER).arg(cluster))?;
        require(&chown, "chown")?;
    }
    let data = cluster.join("data");
    let mut init = as_server("initdb");
    init.args(["-A", "trust", "-U", OWNER, "--no-sync", "--locale=C", "--encoding=UTF8", "-D"]).arg(&data);
    require(&run(&mut init)?, "initdb")?;

    let mut server = as_server("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(cluster);
    for setting in
        ["listen_addresses=", "max_connections=300", "fsync=off", "full_page_writes=off", "autovacuum=off"]
    {
        server.args(["-c", setting]);
    }
    let mut keeper = command("sh");
    keeper.args(["-c", KEEPER, "keeper"]).arg(users).arg(cluster);
    keeper.arg(server.get_program()).args(server.get_args());
    // A signal to the test's own group must not reach it.
    keeper.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    // Nobody waits for it: it ends after this process.
    let _keeper = keeper.spawn()?;
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while !answers(cluster) {
        if Instant::now() > deadline {
            let log = std::fs::read_to_string(cluster.join("log")).unwrap_or_default();
            return Err(io::Error::other(format!("the server did not start\n{log}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A program of PostgreSQL.
fn program(name: &str) -> Command {
    command(bin_dir().unwrap_or_default().join(name))
}

#[expect(clippy::disallowed_methods, reason = "the test kit starts programs")]
fn command(path: impl AsRef<OsStr>) -> Command {
    Command::new(path)
}

/// A program of the server, as the account that may run it.
fn as_server(name: &str) -> Command {
    let plain = program(name);
    if !geteuid().is_root() {
        return plain;
    }
    let mut dropped = command("setpriv");
    dropped.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups"]);
    dropped.arg(plain.get_program());
    dropped
}

fn run(command: &mut Command) -> io::Result<Output> {
    command.current_dir("/").stdin(Stdio::null()).output()
}

fn require(done: &Output, what: &str) -> io::Result<()> {
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{what}: {}", String::from_utf8_lossy(&done.stderr))))
}
