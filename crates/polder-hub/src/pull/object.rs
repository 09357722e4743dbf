//! A large object on another server, as a source of a transfer: by ranges of the link that its LFS server
//! gives, which is asked for again when it has expired.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderValue, StatusCode};
use polder_egress::{Body, Request, Response};
use polder_types::{RepoId, Sha256};
use polder_xet::Extent;

use super::RemoteObjects;
use super::large_objects::{Download, Pointed};
use super::patience::Rest;
use crate::Hub;
use crate::body::BodyStream;
use crate::error::{Error, Result};
use crate::transfer::{ObjectSource, SourceError, SourceFuture, TransferOptions, Wanted};

/// How much of an answer from a server that gives no ranges is read past, in bytes.
const PASSED_BYTES_MAX: u64 = 64 << 20;

impl Hub {
    /// Fetches an object and links it to a repository, going on where an earlier attempt ended.
    pub(super) async fn fetch_pointed(
        &self,
        repo: RepoId,
        from: &RemoteObjects,
        pointed: Pointed,
        download: Download,
        options: TransferOptions,
    ) -> Result<Pointed> {
        let wanted =
            Wanted { repo, oid: pointed.oid, size_bytes: pointed.size_bytes, xet: None, upstream: 0 };
        let (server, rest) = (download.url.clone(), Arc::new(Rest::of(from.patience())));
        let source: Arc<dyn ObjectSource> = Arc::new(LfsObject {
            hub: self.clone(),
            from: from.clone(),
            name: server.origin().to_string(),
            pointed: pointed.clone(),
            download: Mutex::new(Arc::new(download)),
            rest: Arc::clone(&rest),
        });
        self.fetch_patiently(wanted, source, &server, &rest, options).await?;
        Ok(pointed)
    }
}

/// One object on one LFS server.
struct LfsObject {
    hub: Hub,
    from: RemoteObjects,
    name: String,
    pointed: Pointed,
    download: Mutex<Arc<Download>>,
    rest: Arc<Rest>,
}

impl LfsObject {
    async fn ask(&self, place: Extent) -> Result<BodyStream, SourceError> {
        let link = Arc::clone(&self.download.lock().unwrap_or_else(PoisonError::into_inner));
        let mut answer = self.get(&link, place).await?;
        if matches!(answer.status().as_u16(), 401 | 403 | 404 | 410) {
            // The link may have expired.
            let again = self.locate().await.map_err(|error| failed(&error))?;
            let again = Arc::new(again.ok_or(SourceError::Missing)?);
            *self.download.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&again);
            answer = self.get(&again, place).await?;
        }
        self.rest.hear(&answer);
        ranged(answer, place)
    }

    /// Asks for the link again, once: who waits for a range does not wait long.
    async fn locate(&self) -> Result<Option<Download>> {
        let pointed = std::slice::from_ref(&self.pointed);
        let answer = self.from.ask(&self.hub, pointed).await?;
        self.rest.hear(&answer);
        Ok(self.from.read(answer, pointed).await?.remove(&self.pointed.oid))
    }

    async fn get(&self, link: &Download, place: Extent) -> Result<Response, SourceError> {
        let range = format!("bytes={}-{}", place.offset, place.end().saturating_sub(1));
        let range = HeaderValue::from_str(&range).map_err(|error| SourceError::Failed(error.to_string()))?;
        let request = Request::get(&link.url, self.from.allowance())
            .credential(Some(link.credential.clone()))
            .header(RANGE, range);
        let answer = self.hub.egress.send(request).await;
        answer.map_err(|error| failed(&Error::from(error)))
    }
}

/// The bytes of `place` out of an answer to whoever asked for them.
pub(super) fn ranged(answer: Response, place: Extent) -> Result<BodyStream, SourceError> {
    let past = match answer.status() {
        StatusCode::PARTIAL_CONTENT if begins_at(answer.header(&CONTENT_RANGE), place.offset) => 0,
        StatusCode::OK if place.offset <= PASSED_BYTES_MAX => place.offset,
        StatusCode::OK => {
            return Err(SourceError::Failed("it gives no ranges of large objects".to_owned()));
        }
        status => return Err(SourceError::Failed(format!("it answers {}", status.as_u16()))),
    };
    Ok(Box::pin(Ranged { body: answer.into_body(), past }))
}

fn failed(error: &Error) -> SourceError {
    SourceError::Failed(error.message().to_owned())
}

impl ObjectSource for LfsObject {
    fn name(&self) -> &str {
        &self.name
    }

    fn range(&self, _: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(self.ask(place))
    }
}

/// An answer without its first bytes.
struct Ranged {
    body: Body,
    past: u64,
}

impl Stream for Ranged {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(chunk) = std::task::ready!(self.body.poll_chunk(cx)).transpose() else {
                return Poll::Ready(None);
            };
            let mut bytes = match chunk {
                Ok(bytes) => bytes,
                Err(error) => return Poll::Ready(Some(Err(std::io::Error::other(error)))),
            };
            let passed = usize::try_from(self.past).unwrap_or(usize::MAX).min(bytes.len());
            self.past -= u64::try_from(passed).unwrap_or_default();
            let rest = bytes.split_off(passed);
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(rest)));
            }
        }
    }
}

/// Whether a `Content-Range` begins where it should.
fn begins_at(range: Option<&str>, start: u64) -> bool {
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first == Some(start)
}
