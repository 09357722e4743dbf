//! What the receiver of a bundle has when it has imported it: where the next export goes on.

use std::collections::HashSet;
use std::path::Path;

use polder_db::{FollowRule, MirrorMode};
use polder_log::{LogName, Meta};
use polder_types::Sha256;
use serde::{Deserialize, Serialize};

use super::layout::{CURSOR, VERSION, read_bounded, write_json, wrong};
use crate::error::{Error, Kind, Result};
use crate::follow::select::{self, Subject};
use crate::{Hub, LogTip};

/// Most bytes of the file.
const BYTES_MAX: u64 = 16 << 20;
/// Most repositories that an export may leave out.
pub(super) const LEFT_OUT_MAX: usize = 100_000;

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleCursor {
    version: u32,
    origin: String,
    epoch: u32,
    /// Events, and the root of the tree over them.
    size: u64,
    root: String,
    /// Which repositories it has.
    select: Vec<String>,
    /// But not these, by their rids.
    left_out: Vec<String>,
}

impl BundleCursor {
    pub(super) fn new(
        log: &LogName,
        size: u64,
        root: Sha256,
        select: Vec<String>,
        left_out: &[Sha256],
    ) -> Self {
        let origin = log.origin.to_string();
        let left_out = left_out.iter().map(ToString::to_string).collect();
        Self { version: VERSION, origin, epoch: log.epoch, size, root: root.to_string(), select, left_out }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        write_json(dir, CURSOR, self)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = read_bounded(path, BYTES_MAX)?;
        let cursor: Self = serde_json::from_slice(&text).map_err(|error| {
            wrong(path, &format!("it is no cursor of a bundle: {error}")).caused_by(error)
        })?;
        if cursor.version != VERSION {
            return Err(wrong(path, "it is of another version of Polder"));
        }
        Ok(cursor)
    }
}

/// What the receiver has.
pub(super) struct Since {
    /// Events.
    pub(super) size: u64,
    rules: Vec<FollowRule>,
    left_out: HashSet<Sha256>,
}

impl Since {
    /// Reads a cursor, which must be a place in the log with this end.
    pub(super) async fn read(hub: &Hub, tip: &LogTip, path: &Path) -> Result<Self> {
        let cursor = BundleCursor::read(path)?;
        if cursor.origin != tip.name.origin.as_str() || cursor.epoch != tip.name.epoch {
            let what =
                format!("it is of epoch {} of `{}`, not of `{}`", cursor.epoch, cursor.origin, tip.name);
            return Err(wrong(path, &what));
        }
        let log = hub.db.log(tip.id).await?.ok_or_else(|| Error::not_found("this log is gone"))?;
        let root = if cursor.size <= tip.size { hub.db.log_root(&log, cursor.size).await? } else { None };
        if root.is_none_or(|root| root.to_string() != cursor.root) {
            let message = format!("`{}`: the log here is not the one that it was made of", path.display());
            return Err(Error::new(Kind::Conflict, message));
        }
        let left_out: Option<HashSet<Sha256>> = cursor.left_out.iter().map(|rid| rid.parse().ok()).collect();
        let left_out = left_out.filter(|rids| rids.len() <= LEFT_OUT_MAX);
        let left_out = left_out.ok_or_else(|| wrong(path, "what it has not is no list of repositories"))?;
        Ok(Self { size: cursor.size, rules: rules(&cursor.select), left_out })
    }

    /// Whether the receiver has a repository as it was at the cursor, when it was such a one.
    pub(super) fn has(&self, rid: Sha256, meta: &Meta) -> bool {
        !self.left_out.contains(&rid) && select::mode(&Subject::of(meta), &self.rules).is_some()
    }

    /// Whether the receiver has all that `rules` select, as it was at the cursor.
    pub(super) fn has_all(&self, rules: &[FollowRule]) -> bool {
        self.left_out.is_empty() && self.rules == rules
    }
}

/// The rules that take whole what these patterns select.
pub(super) fn rules(patterns: &[String]) -> Vec<FollowRule> {
    let rule = |pattern: &String| FollowRule { pattern: pattern.clone(), mode: MirrorMode::Full };
    patterns.iter().map(rule).collect()
}
