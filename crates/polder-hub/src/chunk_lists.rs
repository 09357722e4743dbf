//! Chunk lists of objects that were stored before there were any: made in the background, one object at
//! a time. A job that is interrupted goes on with the objects that have none yet.

use std::time::Duration;

use polder_db::{Blob, Job, NewJob};
use polder_types::BlobId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Hub;
use crate::error::{Error, Result};

const KIND: &str = "chunk_list";
/// How long a claim lasts; what is under way then may be done twice, which does no harm.
const LEASE: Duration = Duration::from_mins(10);
/// How long one claim is worked on before the job is given back with its place.
const WORK: Duration = Duration::from_mins(5);
/// Time between two looks for work.
const PERIOD: Duration = Duration::from_mins(10);
/// Rows read at a time.
const PAGE: i64 = 100;

/// How far a job is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    after: Option<i64>,
}

impl Hub {
    /// Lists the chunks of older objects, now and whenever there are some. Ends never.
    pub(crate) async fn keep_listing_chunks(&self) {
        loop {
            if let Err(error) = self.list_chunks_once().await {
                tracing::error!(error = %error.chain(), "listing the chunks of older objects failed");
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Works until no older object is left, or another node is at it; says how many lists were made.
    ///
    /// # Errors
    /// When rows or files cannot be read or written.
    pub async fn list_chunks_once(&self) -> Result<u64> {
        let mut made = 0;
        if !self.db.unlisted_blobs(None, 1).await?.is_empty() {
            self.queue_listing(Place::default()).await?;
        }
        while let [job] = self.db.claim_jobs(&[KIND], LEASE.as_secs().cast_signed(), 1).await?.as_slice() {
            made += self.list_chunks(job).await?;
        }
        Ok(made)
    }

    async fn list_chunks(&self, job: &Job) -> Result<u64> {
        let (mut place, mut made) = (serde_json::from_str::<Place>(&job.payload).unwrap_or_default(), 0);
        let until = Instant::now() + WORK;
        loop {
            let page = self.db.unlisted_blobs(place.after.map(BlobId), PAGE).await?;
            if page.is_empty() {
                self.db.finish_job(job).await?;
                return Ok(made);
            }
            for blob in page {
                place.after = Some(blob.id.0);
                made += u64::from(self.list_chunks_of(blob).await?);
                if Instant::now() >= until {
                    self.db.finish_job(job).await?;
                    self.queue_listing(place).await?;
                    return Ok(made);
                }
            }
        }
    }

    /// Lists the chunks of one object; one whose bytes are wrong is marked instead.
    pub(crate) async fn list_chunks_of(&self, blob: Blob) -> Result<bool> {
        let store = self.store.clone();
        let cut = self.leaf.run(move || match store.make_list(blob.id, &blob.sha256) {
            Err(polder_blob::Error::NotFound { .. }) => Ok(None),
            cut => Ok(cut?),
        });
        if let Some(cut) = cut.await? {
            return Ok(self.db.set_cut(blob.id, cut).await?);
        }
        tracing::error!(object = %blob.sha256, "an object is damaged");
        self.db.mark_damaged_blob(blob.id).await?;
        Ok(false)
    }

    async fn queue_listing(&self, place: Place) -> Result<bool> {
        let job = NewJob {
            kind: KIND.to_owned(),
            dedup: KIND.to_owned(),
            payload: serde_json::to_string(&place).map_err(Error::internal)?,
            due: self.clock.now(),
        };
        Ok(self.db.enqueue_job(job).await?)
    }
}
