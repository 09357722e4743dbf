//! nginx with one file, and the headers that the client wants to see with it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::cpu;
use crate::throughput::{free_address, wait_for};
use crate::tools::{Result, Running, program};

/// A server that has `bench/large` with `w.safetensors`.
pub(super) struct StaticPeer {
    pub(super) address: SocketAddr,
    process: Running,
}

impl StaticPeer {
    /// Serves `file`, whose sha256 is `oid`.
    pub(super) fn start(nginx: &Path, directory: &Path, file: &Path, oid: &str, bytes: u64) -> Result<Self> {
        let folder = directory.join("nginx");
        std::fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let path = folder.join("nginx.conf");
        std::fs::write(&path, configuration(&folder, address, file, oid, bytes))?;
        let mut command = program(nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Running(command.spawn()?);
        wait_for(address)?;
        Ok(Self { address, process })
    }

    /// Its processor time while `work` runs.
    pub(super) fn cpu(&self, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let pid = self.process.0.id();
        let before = cpu::of_process(pid)?;
        work()?;
        Ok(cpu::of_process(pid)?.saturating_sub(before))
    }
}

fn configuration(folder: &Path, address: SocketAddr, file: &Path, oid: &str, bytes: u64) -> String {
    let (root, file, commit_id) = (folder.display(), file.display(), "0123456789".repeat(4));
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("  {kind}_temp_path {root}/{kind};\n")).concat();
    let headers = [
        ("X-Repo-Commit", commit_id),
        ("X-Linked-Etag", format!("'\"{oid}\"'")),
        ("X-Linked-Size", bytes.to_string()),
    ];
    let headers = headers.map(|(name, value)| format!("      add_header {name} {value};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/error.log;\n\
         events {{ worker_connections 64; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n\
         {temporary}  server {{\n    listen {address};\n    root {root};\n    \
         location ~ ^/bench/large/resolve/ {{\n{headers}      alias {file};\n    }}\n  }}\n}}\n"
    )
}
