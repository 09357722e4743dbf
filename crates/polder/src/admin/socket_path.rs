//! Where the admin socket is, and how to name it when its path is too long for the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

const SOCKET_FILE: &str = "polder.sock";
/// Longest path that `sockaddr_un` holds, in bytes, its final NUL left out.
const PATH_BYTES_MAX: usize = 107;

/// A path that can be bound or connected to while this value lives.
#[derive(Debug)]
pub(super) struct SocketPath {
    path: PathBuf,
    /// What `/proc/self/fd/N` in `path` stands for.
    _dir: Option<File>,
}

impl SocketPath {
    /// The socket in `data_dir`.
    pub(super) fn new(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET_FILE);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(SOCKET_FILE);
        Ok(Self { path, _dir: Some(dir) })
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.path
    }
}
