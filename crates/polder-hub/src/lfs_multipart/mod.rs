//! Large objects that arrive in parts, as the clients of Hugging Face send them.
//!
//! Parts may come at the same time, in any order and again; each is durable when it is acknowledged. The
//! last request names them all: they are put together, hashed while that is done, and published only if
//! the whole is what was announced. State is in rows and files, so a restart does not matter.
//!
//! Links expire like others, but each part that comes keeps those of its upload alive: an upload ends
//! 15 minutes after the last sign of life, and its parts are removed within two hours.

mod ask;
mod complete;
mod receive;
#[cfg(test)]
mod tests;

use polder_types::{PartId, RepoName, Sha256, UnixMillis, UploadId, failpoint};

use crate::Hub;
use crate::access::{Contribute, Grant};
use crate::error::{Error, Result};
use crate::signed_url::{Action, InParts, LINK_SECONDS, Link};

pub use ask::{LfsParts, LfsTransfer};

/// How long an upload may be idle before its parts are removed, in seconds: nothing can bring it back by then.
const IDLE_SECONDS: i64 = 3_600;
/// Most idle uploads removed in one round of upkeep.
const IDLE_UPLOADS_MAX: i64 = 10_000;

impl Hub {
    /// Checks a link to an upload in parts, and that its holder may still write.
    async fn parts_link(
        &self,
        name: &RepoName,
        oid: Sha256,
        action: Action,
        query: &str,
    ) -> Result<(Link, InParts, Grant<Contribute>)> {
        let repo = self.linked_repo(name).await?;
        let link = Link::read((action, repo.id, oid), query, &self.keys.url)?;
        let in_parts = link.in_parts.ok_or_else(Error::bad_link)?;
        let holder = self.still_writes(&repo, &link).await?;
        Ok((link, in_parts, holder))
    }

    fn alive_since(&self) -> UnixMillis {
        self.clock.now().plus_seconds(-LINK_SECONDS)
    }

    /// Row first: parts without a row are found by the sweep, a row without parts would be a promise.
    async fn end_upload(&self, upload: UploadId) -> Result<()> {
        self.db.forget_upload(upload).await?;
        failpoint::hit("lfs.upload_forgotten");
        let store = self.store.clone();
        self.leaf.run(move || Ok(store.remove_upload(upload)?)).await.map(drop)
    }

    /// Removes what unfinished uploads left: those that are idle, and parts that no row knows.
    pub(crate) async fn sweep_uploads(&self) -> Result<()> {
        let due = self.clock.now().plus_seconds(-IDLE_SECONDS);
        for upload in self.db.idle_uploads(due, IDLE_UPLOADS_MAX).await? {
            self.end_upload(upload).await?;
        }
        // The directory is younger than its row: one listed here without a row has lost it.
        let store = self.store.clone();
        for upload in self.leaf.run(move || Ok(store.uploads()?)).await? {
            if !self.db.is_upload_open(upload).await? {
                self.end_upload(upload).await?;
            }
        }
        Ok(())
    }
}

/// The entity tag of a received part: another each time it is sent.
fn tag(part: PartId) -> String {
    format!("\"{:016x}\"", part.0)
}
