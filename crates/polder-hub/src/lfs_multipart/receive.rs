//! One part, as it comes.

use bytes::Bytes;
use polder_blob::StagedPart;
use polder_db::{Upload, UploadPart, UploadState};
use polder_types::{PartId, RepoName, Sha256, UnixMillis, UploadId};

use super::tag;
use crate::Hub;
use crate::access::{Contribute, Grant};
use crate::blocking::{in_place, to_the_end};
use crate::body::{BodyStream, next};
use crate::error::{Error, Result};
use crate::lfs_transfer::WRITE_BATCH_BYTES;
use crate::signed_url::{Action, InParts, Link};

/// Seconds between two signs of life of a part that takes long.
const ALIVE_SECONDS: i64 = 60;

impl Hub {
    /// Takes one part by its signed link; answers the tag that names these very bytes on completion.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] for a bad link, [`crate::Kind::Invalid`] for a part of another length,
    /// [`crate::Kind::Full`] when the disk is.
    pub async fn lfs_upload_part(
        &self,
        name: &RepoName,
        oid: Sha256,
        number: u64,
        query: &str,
        content_length: u64,
        body: BodyStream,
    ) -> Result<String> {
        let (link, in_parts, holder) = self.parts_link(name, oid, Action::Part(number), query).await?;
        let place = self.uploads.enter(holder.share()).await?;
        let part_bytes = part_length(link.size_bytes, in_parts.part_bytes, number);
        if content_length != part_bytes {
            return Err(Error::invalid(format!("part {number} has {part_bytes} bytes; nothing was stored")));
        }
        self.keep_alive(&link, in_parts, &holder).await?;
        let staged = self.stage_part(in_parts.upload, part_bytes, body).await?;
        let part = UploadPart {
            number: i64::try_from(number).map_err(Error::internal)?,
            id: PartId(self.db.next_id()),
            size_bytes: i64::try_from(part_bytes).map_err(Error::internal)?,
        };
        let (hub, upload) = (self.clone(), in_parts.upload);
        to_the_end(async move {
            hub.leaf.run(move || Ok(staged.keep(upload, part.id)?)).await?;
            let recorded = hub.db.set_part(upload, part).await;
            // One that was replaced, or that came too late, is nobody's any more.
            let stale = match &recorded {
                Ok(replaced) => *replaced,
                Err(polder_db::Error::NotFound { .. }) => Some(part.id),
                Err(_) => None,
            };
            if let Some(stale) = stale
                && let Err(error) = in_place(|| hub.store.remove_part(upload, stale))
            {
                tracing::warn!(%upload, %error, "a replaced part stays until its upload ends");
            }
            recorded.map_err(|error| match error {
                polder_db::Error::NotFound { .. } => Link::expired(),
                error => error.into(),
            })?;
            drop(place);
            Ok(tag(part.id))
        })
        .await
    }

    /// A fresh link begins its upload; an older one works while the upload lives.
    async fn keep_alive(&self, link: &Link, in_parts: InParts, holder: &Grant<Contribute>) -> Result<()> {
        let state = if link.is_fresh(self.clock.now()) {
            let upload = Upload {
                id: in_parts.upload,
                repo: link.repo,
                account: holder.actor(),
                sha256: link.oid,
                size_bytes: i64::try_from(link.size_bytes).map_err(Error::internal)?,
                part_bytes: i64::try_from(in_parts.part_bytes).map_err(Error::internal)?,
            };
            self.bill(holder).counting(&self.db).open_upload(upload).await?
        } else {
            self.db.keep_upload(in_parts.upload, self.alive_since()).await?
        };
        match state {
            UploadState::Open => Ok(()),
            UploadState::Gone => Err(Link::expired()),
            UploadState::TooMany => {
                Err(Error::unavailable("this repository has too many unfinished uploads; try again later"))
            }
        }
    }

    async fn stage_part(
        &self,
        upload: UploadId,
        part_bytes: u64,
        mut body: BodyStream,
    ) -> Result<StagedPart> {
        let mut stage = in_place(|| self.store.stage_part(part_bytes))?;
        let mut batch: Vec<Bytes> = Vec::new();
        let mut batched = 0;
        let mut alive_until = self.clock.now().plus_seconds(ALIVE_SECONDS);
        while let Some(chunk) = next(&mut body).await {
            let chunk = chunk.map_err(|error| {
                Error::invalid("the upload was cut short; send this part again").caused_by(error)
            })?;
            batched += chunk.len();
            batch.push(chunk);
            if batched >= WRITE_BATCH_BYTES {
                in_place(|| stage.write_batch(&batch))?;
                batch.clear();
                batched = 0;
            }
            if self.clock.now() >= alive_until {
                self.db.keep_upload(upload, UnixMillis(i64::MIN)).await?;
                alive_until = self.clock.now().plus_seconds(ALIVE_SECONDS);
            }
        }
        in_place(|| stage.write_batch(&batch))?;
        Ok(in_place(|| stage.finish())?)
    }
}

/// Length of one part; 0 for a number that the object has not.
pub(super) fn part_length(size_bytes: u64, part_bytes: u64, number: u64) -> u64 {
    let before = number.saturating_sub(1).saturating_mul(part_bytes);
    size_bytes.saturating_sub(before).min(part_bytes)
}
