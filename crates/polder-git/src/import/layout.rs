//! Where the parts of a repository on disk are.
//!
//! Source: git `gitrepository-layout(5)`, `setup.c` (`is_git_directory`, `read_gitfile`).

use std::path::{Path, PathBuf};

use super::{path_from_line, read_small};
use crate::{Error, Result};

/// Largest `.git` file or `commondir` file, in bytes.
const LINK_BYTES_MAX: u64 = 64 << 10;

/// The directories of one repository.
#[derive(Debug)]
pub(super) struct Layout {
    /// Holds `HEAD`; a worktree has its own.
    pub(super) git_dir: PathBuf,
    /// Holds everything that worktrees share.
    pub(super) common_dir: PathBuf,
}

impl Layout {
    pub(super) fn objects_dir(&self) -> PathBuf {
        self.common_dir.join("objects")
    }

    /// What git takes a repository for that does not say whether it is bare: bare, unless it is called
    /// `.git` (`setup.c`, `is_bare_repository_cfg`; `builtin/init-db.c`, `guess_repository_type`).
    pub(super) fn looks_bare(&self) -> bool {
        let name = self.common_dir.canonicalize();
        !name.is_ok_and(|dir| dir.file_name().is_some_and(|name| name == ".git"))
    }
}

/// Finds the repository that is at `dir`, not one above it.
pub(super) fn find(dir: &Path) -> Result<Layout> {
    let metadata = std::fs::metadata(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { what: format!("directory `{}`", dir.display()) },
        _ => Error::io("open a repository", dir.display(), error),
    })?;
    if !metadata.is_dir() {
        return Err(Error::refused(format!("`{}` is not a directory", dir.display())));
    }
    let not_one = || Error::refused(format!("`{}` is not a git repository", dir.display()));
    let git_dir = git_dir(dir)?.ok_or_else(not_one)?;
    let common_dir = common_dir(&git_dir)?;
    if !common_dir.join("objects").is_dir() || !common_dir.join("refs").is_dir() {
        return Err(not_one());
    }
    Ok(Layout { git_dir, common_dir })
}

fn git_dir(dir: &Path) -> Result<Option<PathBuf>> {
    if is_git_dir(dir) {
        return Ok(Some(dir.to_owned()));
    }
    let inner = dir.join(".git");
    if is_git_dir(&inner) {
        return Ok(Some(inner));
    }
    if !inner.is_file() {
        return Ok(None);
    }
    let content = read_small(&inner, LINK_BYTES_MAX)?.unwrap_or_default();
    let target = content.strip_prefix(b"gitdir: ").map(|line| dir.join(path_from_line(line)));
    Ok(target.filter(|target| is_git_dir(target)))
}

fn is_git_dir(dir: &Path) -> bool {
    let has_parts = dir.join("objects").is_dir() && dir.join("refs").is_dir();
    dir.join("HEAD").symlink_metadata().is_ok() && (has_parts || dir.join("commondir").is_file())
}

fn common_dir(git_dir: &Path) -> Result<PathBuf> {
    let content = read_small(&git_dir.join("commondir"), LINK_BYTES_MAX)?;
    Ok(content.map_or_else(|| git_dir.to_owned(), |line| git_dir.join(path_from_line(&line))))
}
