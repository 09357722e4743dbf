//! What is being fetched for mirrors, as an operator sees it.

use std::fmt;

use polder_hub::{FetchProgress, SyncStatus};
use serde::{Deserialize, Serialize};

use crate::size::show_size;

/// What is being fetched for a repository of `mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchingRow {
    /// `git` or `objects`.
    pub what: String,
    /// Large objects that have come.
    pub objects_done: Option<usize>,
    /// All that are to come.
    pub objects: Option<usize>,
    /// Bytes that are here.
    pub bytes_done: u64,
    /// Bytes of it all; null where git does not say.
    pub bytes: Option<u64>,
    /// Received on the average since it began.
    pub bytes_per_second: u64,
}

impl From<FetchProgress> for FetchingRow {
    fn from(progress: FetchProgress) -> Self {
        let what = if progress.objects.is_some() { "objects" } else { "git" };
        Self {
            what: what.to_owned(),
            objects_done: progress.objects.map(|(done, _)| done),
            objects: progress.objects.map(|(_, of)| of),
            bytes_done: progress.done_bytes,
            bytes: progress.of_bytes,
            bytes_per_second: progress.bytes_per_second,
        }
    }
}

impl fmt::Display for FetchingRow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: u64| show_size(i64::try_from(bytes).unwrap_or(i64::MAX));
        write!(out, "fetching {}", self.what)?;
        if let (Some(done), Some(of)) = (self.objects_done, self.objects) {
            write!(out, " {done}/{of}")?;
        }
        write!(out, ", {}", size(self.bytes_done))?;
        if let Some(bytes) = self.bytes {
            write!(out, " of {}", size(bytes))?;
        }
        write!(out, ", {}/s", size(self.bytes_per_second))
    }
}

/// How far a sync is, in a line.
pub(super) fn describe(status: &SyncStatus) -> String {
    let fetches = status.fetches.iter().map(|(repo, fetch)| format!("{repo}: {}", FetchingRow::from(*fetch)));
    let to_go = if status.to_go == 1 {
        "1 mirror to go".to_owned()
    } else {
        format!("{} mirrors to go", status.to_go)
    };
    [to_go].into_iter().chain(fetches).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_how_many_are_to_go_and_how_far_each_fetch_is() {
        let objects = FetchProgress {
            objects: Some((2, 5)),
            done_bytes: 3 << 20,
            of_bytes: Some(8 << 20),
            bytes_per_second: 1 << 20,
        };
        let pack = FetchProgress { objects: None, of_bytes: None, done_bytes: 1 << 10, ..objects };
        let named = |name: &str, fetch| (name.parse().unwrap(), fetch);
        let fetches = vec![named("acme/m", objects), named("acme/n", pack)];
        assert_eq!(
            describe(&SyncStatus { to_go: 3, fetches }),
            "3 mirrors to go; acme/m: fetching objects 2/5, 3 MiB of 8 MiB, 1 MiB/s; \
             acme/n: fetching git, 1 KiB, 1 MiB/s"
        );
        assert_eq!(describe(&SyncStatus { to_go: 1, fetches: Vec::new() }), "1 mirror to go");
    }
}
