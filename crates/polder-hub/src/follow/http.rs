//! Other hubs over HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::RANGE;
use http::{HeaderName, HeaderValue, StatusCode};
use polder_egress::{Allowance, Body, Egress, Request, Response, Url};
use polder_git::client::Exchange;
use polder_log::{
    BODIES_BYTES_MAX, BODIES_MAX, BODY_BYTES_MAX, Checkpoint, LogName, Origin, PAGE_BYTES_MAX, PART_ROWS_MAX,
    REF_MAP_BYTES_MAX, SnapshotRow, TileId, VerifierKey,
};
use polder_types::Sha256;
use polder_xet::{EXTENTS_BYTES_MAX, Extent};
use serde::Deserialize;

use super::peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
use super::via::Via;
use crate::body::BodyStream;
use crate::error::{Error, Result};
use crate::pull::HttpExchange;
use crate::{LIST_PAGE_CHUNKS_MAX, ObjectSource, SourceError, SourceFuture};

/// Largest `/.well-known/polder`, in bytes.
const ABOUT_BYTES_MAX: usize = 64 << 10;
/// Largest manifest, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: usize = 64 << 20;
/// Longest list of the operations of a namespace, in bytes.
pub(crate) const CHAIN_BYTES_MAX: usize = 8 << 20;
/// Longest part of a snapshot, and longest tile, in bytes.
pub(crate) const PART_BYTES_MAX: usize = PART_ROWS_MAX * SnapshotRow::BYTES;
pub(crate) const TILE_BYTES_MAX: usize = 256 * Sha256::BYTES;
/// How long an answer may take beyond the time that was asked for.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Largest page of a chunk list, in bytes.
const LIST_BYTES_MAX: usize = 8 << 20;

/// Largest checkpoint, in bytes.
pub(crate) const CHECKPOINT_BYTES_MAX: usize = 16 << 10;

/// A hub at a URL, and which of its logs is asked for.
pub(super) struct HttpPeer {
    inner: Arc<Inner>,
    /// The key of the hub whose log it mirrors, when that is asked for, and it is known.
    of: Option<VerifierKey>,
    /// For whom it is asked for large objects.
    via: Via,
}

struct Inner {
    egress: Egress,
    name: String,
    base: Url,
    /// What the paths of the log and all that belongs to it begin with.
    prefix: String,
    allowance: Allowance,
}

#[derive(Deserialize)]
struct AboutAnswer {
    origin: String,
    epoch: u32,
    keys: Vec<String>,
}

impl HttpPeer {
    /// A hub at `url`, which the operator named, so that it may be at a private address; whose log that is
    /// asked for is below `prefix`.
    pub(super) fn new(egress: &Egress, url: &str, prefix: String) -> Result<Self> {
        Self::below(egress, url, prefix, None, true)
    }

    /// A hub at `url`, which nobody named here, or that `may_be_here`.
    pub(super) fn stranger(egress: &Egress, url: &str, may_be_here: bool) -> Result<Self> {
        Self::below(egress, url, "polder/v1".to_owned(), None, may_be_here)
    }

    /// What a hub at `url` mirrors of the one that has this key. Only one that the operator `named` may be at a
    /// private address.
    pub(super) fn mirror(egress: &Egress, url: &str, key: &VerifierKey, named: bool) -> Result<Self> {
        let origin: Origin = key.name().parse().map_err(|error: polder_log::Error| {
            Error::invalid(format!("the key is not that of a hub: {error}"))
        })?;
        Self::below(egress, url, format!("polder/v1/mirror/{}", origin.sha256()), Some(key.clone()), named)
    }

    fn below(
        egress: &Egress,
        url: &str,
        prefix: String,
        of: Option<VerifierKey>,
        named: bool,
    ) -> Result<Self> {
        let name = url.trim_end_matches('/').to_owned();
        let base: Url = name.parse()?;
        let allowance = if named { Allowance::naming(&base) } else { Allowance::none() };
        let inner = Inner { egress: egress.clone(), name, base, prefix, allowance };
        Ok(Self { inner: Arc::new(inner), of, via: Via::default() })
    }

    /// The same, asked for large objects by these.
    pub(super) fn asked_via(self, via: Via) -> Self {
        Self { via, ..self }
    }

    fn get(&self, path: String, bytes_max: usize) -> PeerFuture<'_, Bytes> {
        Box::pin(async move {
            let answer = self.inner.get(&path, ANSWER_MAX, None).await?;
            answer.bytes(bytes_max).await.map_err(failed)
        })
    }
}

fn failed(error: polder_egress::Error) -> PeerError {
    PeerError::Failed(error.into())
}

fn malformed(error: impl std::fmt::Display) -> PeerError {
    PeerError::Malformed(error.to_string())
}

impl Inner {
    /// The URL of a path; what belongs to the log is below the prefix.
    fn under(&self, path: &str) -> Result<Url, polder_egress::Error> {
        match path.strip_prefix("polder/v1/") {
            Some(rest) => self.base.under(&format!("{}/{rest}", self.prefix)),
            None => self.base.under(path),
        }
    }

    async fn get(
        &self,
        path: &str,
        wait: Duration,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Response, PeerError> {
        let url = self.under(path).map_err(failed)?;
        let request = Request::get(&url, &self.allowance).wait_max(wait);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        self.answer(request).await
    }

    async fn answer(&self, request: Request) -> Result<Response, PeerError> {
        let answer = self.egress.send(request).await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NO_CONTENT => Ok(answer),
            StatusCode::NOT_FOUND => Err(PeerError::Missing),
            StatusCode::GONE => Err(PeerError::Gone),
            status => {
                let message = format!("`{}` answers {}", self.name, status.as_u16());
                Err(PeerError::Failed(Error::unavailable(message)))
            }
        }
    }
}

impl Peer for HttpPeer {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn about(&self) -> PeerFuture<'_, About> {
        Box::pin(async move {
            if let Some(key) = &self.of {
                let note = self.get("polder/v1/log/checkpoint".to_owned(), CHECKPOINT_BYTES_MAX).await?;
                let note = std::str::from_utf8(&note).map_err(malformed)?;
                let log = Checkpoint::open(note, key).map_err(malformed)?.log;
                return Ok(About { log, key: key.clone() });
            }
            let answer = self.get(".well-known/polder".to_owned(), ABOUT_BYTES_MAX).await?;
            let answer: AboutAnswer = serde_json::from_slice(&answer).map_err(malformed)?;
            let origin = answer.origin.parse().map_err(malformed)?;
            let key = answer.keys.first().ok_or_else(|| malformed("it has no key"))?;
            let log = LogName { origin, epoch: answer.epoch };
            Ok(About { log, key: key.parse().map_err(malformed)? })
        })
    }

    fn events(&self, from: u64, limit: u64, wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let seconds = wait.as_secs();
            let path = format!("polder/v1/log/events?from={from}&limit={limit}&wait={seconds}");
            let answer = self.inner.get(&path, wait + ANSWER_MAX, None).await?;
            if answer.status() == StatusCode::NO_CONTENT {
                return Ok(None);
            }
            answer.bytes(PAGE_BYTES_MAX).await.map(Some).map_err(failed)
        })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/log/body/{sha256}"), BODY_BYTES_MAX)
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/ns/{nsid}"), CHAIN_BYTES_MAX)
    }

    fn newest_snapshot(&self) -> PeerFuture<'_, NewestSnapshot> {
        Box::pin(async move {
            let answer = self.get("polder/v1/snapshot".to_owned(), ABOUT_BYTES_MAX).await?;
            serde_json::from_slice(&answer).map_err(malformed)
        })
    }

    fn snapshot_part(&self, index: u64, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/snapshot/{index}/{sha256}"), PART_BYTES_MAX)
    }

    fn tile(&self, tile: TileId) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/log/tile/{tile}"), TILE_BYTES_MAX)
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        Box::pin(async move {
            let url = self.inner.under("polder/v1/log/bodies").map_err(failed)?;
            let wanted: Vec<u8> = hashes.iter().take(BODIES_MAX).flat_map(|hash| *hash.as_bytes()).collect();
            let request = Request::post(&url, &self.inner.allowance, wanted).wait_max(ANSWER_MAX);
            self.inner.answer(request).await?.bytes(BODIES_BYTES_MAX).await.map_err(failed)
        })
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/repos/{rid}/refs/{sha256}"), REF_MAP_BYTES_MAX)
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.get(format!("polder/v1/repos/{rid}/manifest/{sha256}"), MANIFEST_BYTES_MAX)
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let url = self.inner.under(&format!("polder/v1/git/{rid}"))?;
        Ok(Box::new(HttpExchange::open(&self.inner.egress, url, self.inner.allowance.clone())))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(HttpObjects(Arc::clone(&self.inner), self.via.clone()))
    }
}

/// The large objects of a hub, and who asks for them.
struct HttpObjects(Arc<Inner>, Via);

pub(super) fn not_had(error: PeerError) -> SourceError {
    match error {
        PeerError::Missing | PeerError::Gone => SourceError::Missing,
        error => SourceError::Failed(error.to_string()),
    }
}

impl ObjectSource for HttpObjects {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        Box::pin(async move {
            let path =
                format!("polder/v1/objects/sha256/{oid}/chunks?from={from}&count={LIST_PAGE_CHUNKS_MAX}");
            let answer = self.0.get(&path, ANSWER_MAX, None).await.map_err(not_had)?;
            answer.bytes(LIST_BYTES_MAX).await.map_err(|error| SourceError::Failed(error.to_string()))
        })
    }

    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(async move {
            let range = format!("bytes={}-{}", place.offset, place.end().saturating_sub(1));
            let range =
                HeaderValue::from_str(&range).map_err(|error| SourceError::Failed(error.to_string()))?;
            let path = format!("polder/v1/objects/sha256/{oid}");
            let headers = [(RANGE, range)].into_iter().chain(self.1.header());
            let answer = self.0.get(&path, ANSWER_MAX, headers).await.map_err(not_had)?;
            // The whole of it is also an answer, to who asked for the whole.
            if answer.status() == StatusCode::PARTIAL_CONTENT || place.offset == 0 {
                return Ok(Chunks::stream(answer.into_body().at_most(place.size_bytes.into())));
            }
            Err(SourceError::Failed("it does not give out ranges".to_owned()))
        })
    }

    fn extents(&self, oid: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        Box::pin(async move {
            let fail = |error: polder_egress::Error| SourceError::Failed(error.to_string());
            let url = self.0.under(&format!("polder/v1/objects/sha256/{oid}/extents")).map_err(fail)?;
            let request = Request::post(&url, &self.0.allowance, Extent::encode_all(&places));
            let answer = self.0.answer(request.wait_max(ANSWER_MAX)).await.map_err(not_had)?;
            Ok(Chunks::stream(answer.into_body().at_most(EXTENTS_BYTES_MAX)))
        })
    }
}

type NextChunk = Pin<Box<dyn Future<Output = (Body, io::Result<Option<Bytes>>)> + Send>>;

/// A body as a stream.
struct Chunks(Option<NextChunk>);

impl Chunks {
    fn stream(body: Body) -> BodyStream {
        Box::pin(Self(Some(Self::next(body))))
    }

    fn next(mut body: Body) -> NextChunk {
        Box::pin(async move {
            let chunk = body.chunk().await.map_err(io::Error::other);
            (body, chunk)
        })
    }
}

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let (body, chunk) = std::task::ready!(next.as_mut().poll(context));
        let chunk = chunk.transpose();
        self.0 = matches!(chunk, Some(Ok(_))).then(|| Self::next(body));
        Poll::Ready(chunk)
    }
}
