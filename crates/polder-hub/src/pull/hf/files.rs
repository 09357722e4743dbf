//! The small files of a commit, some at a time, each held to its hash.

use std::time::Duration;

use bytes::Bytes;
use polder_git::BlobSpool;
use polder_types::ObjectId;
use tokio::task::JoinSet;

use super::api::{ANSWER_TIME_MAX, Api};
use crate::error::{Error, Result};

/// Files on their way at once.
const AT_ONCE_MAX: usize = 8;
/// The slowest that a file may come, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// A small file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Small {
    pub(super) path: String,
    pub(super) blob: ObjectId,
    pub(super) size_bytes: u64,
}

impl Api {
    /// Fetches files of a commit into `spool`.
    pub(super) async fn fetch_small(
        &self,
        sha: &str,
        wanted: Vec<Small>,
        spool: &mut BlobSpool,
    ) -> Result<()> {
        let mut running = JoinSet::new();
        for small in wanted {
            if running.len() >= AT_ONCE_MAX {
                self.take(running.join_next().await, spool)?;
            }
            let (api, sha) = (self.clone(), sha.to_owned());
            running.spawn(async move { api.small(&sha, &small).await.map(|content| (small, content)) });
        }
        while !running.is_empty() {
            self.take(running.join_next().await, spool)?;
        }
        Ok(())
    }

    async fn small(&self, sha: &str, small: &Small) -> Result<Bytes> {
        let url = self.repo().file_url(sha, &small.path)?;
        let bytes_max = usize::try_from(small.size_bytes).map_err(Error::internal)?;
        let time_max = ANSWER_TIME_MAX + Duration::from_secs(small.size_bytes / SLOWEST);
        let (content, head) = self.bytes(&url, &small.path, bytes_max, time_max).await?;
        self.require_commit(head.commit.as_deref(), sha)?;
        if content.len() != bytes_max {
            let told = small.size_bytes;
            let message = format!("lists `{}` with {told} bytes and sends {}", small.path, content.len());
            return Err(self.wrong(&message));
        }
        Ok(content)
    }

    /// Refuses what is said of another commit than was asked for.
    pub(super) fn require_commit(&self, told: Option<&str>, sha: &str) -> Result<()> {
        match told {
            Some(other) if other != sha => Err(self.wrong(&format!("answers for another commit than {sha}"))),
            _ => Ok(()),
        }
    }

    fn take(
        &self,
        ended: Option<Result<Result<(Small, Bytes)>, tokio::task::JoinError>>,
        spool: &mut BlobSpool,
    ) -> Result<()> {
        let Some(ended) = ended else { return Ok(()) };
        let (small, content) = ended.map_err(Error::internal)??;
        if spool.add(&content)? != small.blob {
            return Err(self.wrong(&format!("sends for `{}` what is not blob {}", small.path, small.blob)));
        }
        Ok(())
    }
}
