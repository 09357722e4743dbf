//! One large object from another server: whole or not at all, and no byte twice where the server can go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderValue, StatusCode};
use polder_blob::{Stage, Staged};
use polder_egress::{Body, Request};
use polder_types::{RepoId, Sha256};

use super::RemoteObjects;
use super::large_objects::Download;
use crate::Hub;
use crate::blocking::in_place;
use crate::error::{Error, Kind, Result};
use crate::lfs_transfer::{WRITE_BATCH_BYTES, wrong_bytes};
use crate::quota::Hold;

/// Attempts in a row that bring nothing before an object is given up.
const ATTEMPTS_MAX: u32 = 5;
/// Pause after the first of them; each next is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// A large object that is needed.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) oid: Sha256,
    pub(super) size_bytes: u64,
    /// A file that it is the content of.
    pub(super) path: String,
}

impl Hub {
    /// Fetches an object and links it to a repository. `came` grows with what arrives.
    pub(super) async fn fetch_object_from(
        &self,
        repo: RepoId,
        from: &RemoteObjects,
        wanted: Wanted,
        download: Download,
        came: &AtomicU64,
    ) -> Result<Wanted> {
        let promised = self.reserve(repo, wanted.size_bytes, Hold::Request).await?;
        let stored = match self.receive_object(from, &wanted, download, came).await {
            Ok(staged) => self.publish(repo, staged, promised, None).await.map(drop),
            Err(error) => Err(error),
        };
        if stored.is_err() {
            self.release(promised).await;
        }
        stored.map(|()| wanted)
    }

    async fn receive_object(
        &self,
        from: &RemoteObjects,
        wanted: &Wanted,
        mut download: Download,
        came: &AtomicU64,
    ) -> Result<Staged> {
        let mut stage = in_place(|| self.store.stage(wanted.size_bytes))?;
        let mut failures = 0;
        while stage.received_bytes() < wanted.size_bytes {
            let before = stage.received_bytes();
            let attempt = self.receive_some(from, wanted, &download, &mut stage, came).await;
            if stage.received_bytes() > before {
                failures = 0;
            }
            match attempt {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::Unavailable && failures + 1 < ATTEMPTS_MAX => {
                    tracing::debug!(error = %error.chain(), oid = %wanted.oid, "an object broke off; going on");
                    tokio::time::sleep(PAUSE * 2_u32.pow(failures)).await;
                    failures += 1;
                    // The link may have expired meanwhile.
                    let found = from.locate(self, std::slice::from_ref(wanted)).await;
                    if let Some(again) = found.ok().and_then(|mut found| found.remove(&wanted.oid)) {
                        download = again;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let staged = in_place(|| stage.finish())?;
        if *staged.sha256() == wanted.oid { Ok(staged) } else { Err(wrong_bytes(&staged, wanted.oid)) }
    }

    /// Receives from where `stage` is to where the server breaks off.
    async fn receive_some(
        &self,
        from: &RemoteObjects,
        wanted: &Wanted,
        download: &Download,
        stage: &mut Stage,
        came: &AtomicU64,
    ) -> Result<()> {
        let start = stage.received_bytes();
        let mut request =
            Request::get(&download.url, from.allowance()).credential(Some(download.credential.clone()));
        if start > 0 {
            let range = HeaderValue::from_str(&format!("bytes={start}-")).map_err(Error::internal)?;
            request = request.header(RANGE, range);
        }
        let answer = self.egress.send(request).await?;
        let origin = download.url.origin().clone();
        let skip = match answer.status() {
            StatusCode::OK => start,
            StatusCode::PARTIAL_CONTENT if begins_at(answer.header(&CONTENT_RANGE), start) => 0,
            status => {
                let message =
                    format!("`{origin}` answers {} for the object of `{}`", status.as_u16(), wanted.path);
                return Err(Error::unavailable(message));
            }
        };
        let mut body = answer.into_body().at_most(wanted.size_bytes - start + skip);
        let ended = write_all(&mut body, skip, stage, came).await;
        if ended.is_ok() && stage.received_bytes() < wanted.size_bytes {
            let message = format!("`{origin}` sends less than all of the object of `{}`", wanted.path);
            return Err(Error::unavailable(message));
        }
        ended
    }
}

/// Writes what comes behind the first `skip` bytes; what came before a failure is written too.
async fn write_all(body: &mut Body, mut skip: u64, stage: &mut Stage, came: &AtomicU64) -> Result<()> {
    let mut batch: Vec<Bytes> = Vec::new();
    let mut batched = 0;
    loop {
        let chunk = body.chunk().await;
        let ended = !matches!(chunk, Ok(Some(_)));
        if let Ok(Some(mut bytes)) = chunk {
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            skip -= u64::try_from(skipped).unwrap_or_default();
            let rest = bytes.split_off(skipped);
            batched += rest.len();
            batch.push(rest);
        } else if let Err(error) = chunk {
            in_place(|| flush(stage, &mut batch, came))?;
            return Err(error.into());
        }
        if ended || batched >= WRITE_BATCH_BYTES {
            in_place(|| flush(stage, &mut batch, came))?;
            batched = 0;
        }
        if ended {
            return Ok(());
        }
    }
}

fn flush(stage: &mut Stage, batch: &mut Vec<Bytes>, came: &AtomicU64) -> Result<()> {
    let before = stage.received_bytes();
    stage.write_batch(batch)?;
    came.fetch_add(stage.received_bytes() - before, Ordering::Relaxed);
    batch.clear();
    Ok(())
}

/// Whether a `Content-Range` begins where the last answer broke off.
fn begins_at(range: Option<&str>, start: u64) -> bool {
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first == Some(start)
}
