//! Moving aside what no row knows.

use std::fs;
use std::io;
use std::path::Path;

use polder_types::UnixMillis;

use crate::disk::Disk;
use crate::error::{Error, Result, failed};
use crate::inspect::{FileKind, StoredFile, remove};
use crate::names::LOST;

/// How long an unknown file stays in `lost/` before it is deleted.
const LOST_SECONDS: i64 = 14 * 24 * 3600;
/// How long a published file may wait for its row: a sweep leaves younger files alone.
const ROW_SECONDS: i64 = 24 * 3600;

/// What a sweep must know beforehand.
#[derive(Debug, Clone)]
pub struct SweepRules {
    /// The epoch that the database remembers for this store. Unless the store has the same one,
    /// nothing is swept: a restored backup of the database knows nothing of newer files.
    pub epoch: String,
    /// The time now.
    pub now: UnixMillis,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Files looked at.
    pub seen: u64,
    /// Files moved to `lost/`.
    pub moved: u64,
    /// Bytes moved to `lost/`.
    pub moved_bytes: u64,
    /// Files deleted from `lost/` after 14 days.
    pub deleted: u64,
}

impl Disk {
    pub(crate) fn sweep(
        &self,
        rules: &SweepRules,
        is_known: &mut dyn FnMut(FileKind) -> bool,
    ) -> Result<SweepReport> {
        self.inner.require_writable()?;
        let stored = self.epoch()?;
        if stored.as_deref() != Some(rules.epoch.as_str()) {
            return Err(Error::EpochMismatch { stored });
        }
        let mut report = SweepReport::default();
        self.inner.for_each_file(&mut |file| {
            report.seen = report.seen.saturating_add(1);
            let is_young = file.changed.plus_seconds(ROW_SECONDS) > rules.now;
            if is_young || file.kind != FileKind::Stranger && is_known(file.kind) {
                return Ok(());
            }
            if move_aside(&file, &self.inner.root, rules.now)? {
                report.moved = report.moved.saturating_add(1);
                report.moved_bytes = report.moved_bytes.saturating_add(file.size_bytes);
            }
            Ok(())
        })?;
        report.deleted = delete_old(&self.inner.root.join(LOST), rules.now)?;
        Ok(report)
    }
}

/// The new name starts with the time of the move, which says when the file may go; the rest is its
/// path, so that two files never meet. False when another sweep was first.
fn move_aside(file: &StoredFile, root: &Path, now: UnixMillis) -> Result<bool> {
    let path = file.path.strip_prefix(root).unwrap_or(&file.path);
    let name = path.to_string_lossy().replace('/', "-");
    let to = root.join(LOST).join(format!("{}-{name}", now.0));
    match fs::rename(&file.path, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("move aside", &file.path)(error)),
    }
    tracing::warn!(from = %file.path.display(), to = %to.display(), "moved aside a file that no row knows");
    Ok(true)
}

fn delete_old(lost: &Path, now: UnixMillis) -> Result<u64> {
    let mut deleted = 0_u64;
    for entry in fs::read_dir(lost).map_err(failed("list", lost))? {
        let entry = entry.map_err(failed("list", lost))?;
        let name = entry.file_name();
        let moved_at =
            name.to_str().and_then(|name| name.split_once('-')).and_then(|(at, _)| at.parse().ok());
        // A file without a time in its name was put there by someone else: it stays.
        let Some(moved_at) = moved_at.map(UnixMillis) else { continue };
        let path = entry.path();
        if moved_at.plus_seconds(LOST_SECONDS) <= now && path.is_file() {
            deleted = deleted.saturating_add(u64::from(remove(&path)?));
        }
    }
    Ok(deleted)
}
