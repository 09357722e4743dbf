//! A peer that is honest but for one thing, so that an attack is one line of a table.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use polder_git::Protocol;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_log::TileId;
use polder_types::Sha256;
use polder_xet::Extent;

use super::peer::{About, NewestSnapshot, Peer, PeerError, PeerFuture};
use crate::body::{BodyStream, next};
use crate::error::{Error, Kind, Result};
use crate::tests::body;
use crate::{ObjectSource, SourceError, SourceFuture};

/// What a peer is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Events(u64, u64),
    Body(Sha256),
    Namespace(Sha256),
    Part(u64, Sha256),
    Tile(TileId),
    Bodies(Vec<Sha256>),
    RefMap(Sha256, Sha256),
    Manifest(Sha256, Sha256),
    /// What git posts to fetch.
    Git(Vec<u8>),
    Chunks(Sha256, u32),
    Range(Sha256, Extent),
    Extents(Sha256, Vec<Extent>),
}

/// What it says.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    This(Bytes),
    /// This, and then more and more, where a stream is asked for.
    Endless(Bytes),
    /// This, and then the other again and again, where git asks.
    Repeated(Bytes, Bytes),
    /// Nothing; it fails.
    Nothing,
    /// That it does not have it.
    Missing,
    /// That it may not be asked; only git is told so.
    Forbidden,
}

type Hears = Arc<dyn Fn(Question) -> Question + Send + Sync>;
type Says = Arc<dyn Fn(&Question, Bytes) -> Said + Send + Sync>;

/// Answers as another peer would, but for what it hears and says.
#[derive(Clone)]
pub(crate) struct EvilPeer {
    honest: Arc<dyn Peer>,
    hears: Hears,
    says: Says,
}

impl EvilPeer {
    /// One that says something else than what `honest` does.
    pub(crate) fn saying(
        honest: impl Peer + 'static,
        says: impl Fn(&Question, Bytes) -> Said + Send + Sync + 'static,
    ) -> Self {
        Self { honest: Arc::new(honest), hears: Arc::new(|question| question), says: Arc::new(says) }
    }

    /// One that answers another question than the one it was asked.
    pub(crate) fn hearing(
        honest: impl Peer + 'static,
        hears: impl Fn(Question) -> Question + Send + Sync + 'static,
    ) -> Self {
        let says: Says = Arc::new(|_, answer| Said::This(answer));
        Self { honest: Arc::new(honest), hears: Arc::new(hears), says }
    }

    /// Answers that are whole when they are read.
    fn ask(&self, question: Question) -> PeerFuture<'_, Bytes> {
        Box::pin(async move {
            let answer = match (self.hears)(question.clone()) {
                Question::Events(from, limit) => {
                    let page = self.honest.events(from, limit, Duration::ZERO).await?;
                    page.ok_or(PeerError::Missing)?
                }
                Question::Body(sha256) => self.honest.body(sha256).await?,
                Question::Namespace(nsid) => self.honest.namespace(nsid).await?,
                Question::Part(index, sha256) => self.honest.snapshot_part(index, sha256).await?,
                Question::Tile(tile) => self.honest.tile(tile).await?,
                Question::Bodies(hashes) => self.honest.bodies(&hashes).await?,
                Question::RefMap(rid, sha256) => self.honest.ref_map(rid, sha256).await?,
                Question::Manifest(rid, sha256) => self.honest.manifest(rid, sha256).await?,
                other => panic!("{other:?} is not answered at once"),
            };
            match (self.says)(&question, answer) {
                Said::This(answer) | Said::Endless(answer) | Said::Repeated(answer, _) => Ok(answer),
                Said::Nothing | Said::Forbidden => {
                    Err(PeerError::Failed(Error::unavailable("it says nothing")))
                }
                Said::Missing => Err(PeerError::Missing),
            }
        })
    }
}

impl Peer for EvilPeer {
    fn name(&self) -> &str {
        self.honest.name()
    }

    fn about(&self) -> PeerFuture<'_, About> {
        self.honest.about()
    }

    fn events(&self, from: u64, limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        let page = self.ask(Question::Events(from, limit));
        Box::pin(async move { page.await.map(Some) })
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(Question::Body(sha256))
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(Question::Namespace(nsid))
    }

    fn newest_snapshot(&self) -> PeerFuture<'_, NewestSnapshot> {
        self.honest.newest_snapshot()
    }

    fn snapshot_part(&self, index: u64, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(Question::Part(index, sha256))
    }

    fn tile(&self, tile: TileId) -> PeerFuture<'_, Bytes> {
        self.ask(Question::Tile(tile))
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        self.ask(Question::Bodies(hashes.to_vec()))
    }

    fn ref_map(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(Question::RefMap(rid, sha256))
    }

    fn manifest(&self, rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.ask(Question::Manifest(rid, sha256))
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        Ok(Box::new(Git { honest: self.honest.git(rid)?, peer: self }))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(Objects { honest: self.honest.objects(), peer: self.clone() })
    }
}

struct Git<'a> {
    honest: Box<dyn Exchange + 'a>,
    peer: &'a EvilPeer,
}

impl Exchange for Git<'_> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        self.honest.advertisement()
    }

    fn post(&self, protocol: Protocol, request: Vec<u8>) -> io::Result<RemoteBody> {
        if !request.windows(13).any(|part| part == b"command=fetch") {
            return self.honest.post(protocol, request);
        }
        let question = Question::Git(request);
        let Question::Git(heard) = (self.peer.hears)(question.clone()) else { panic!("git asks of git") };
        let mut answer = Vec::new();
        self.honest.post(protocol, heard)?.read_to_end(&mut answer)?;
        match (self.peer.says)(&question, answer.into()) {
            Said::This(answer) => Ok(Box::new(io::Cursor::new(answer))),
            // The last frames, again and again.
            Said::Endless(answer) => {
                let frame = Bytes::from_static(b"0009\x01more");
                Ok(Box::new(io::Cursor::new(answer).chain(Again { frame, at: 0 })))
            }
            Said::Repeated(answer, frame) => {
                Ok(Box::new(io::Cursor::new(answer).chain(Again { frame, at: 0 })))
            }
            Said::Nothing | Said::Missing => Err(io::Error::other(Error::unavailable("it says nothing"))),
            Said::Forbidden => {
                Err(io::Error::other(Error::new(Kind::Forbidden, "it wants to know who asks")))
            }
        }
    }
}

/// A frame of a pack, without end.
struct Again {
    frame: Bytes,
    at: usize,
}

impl io::Read for Again {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = &self.frame[self.at..];
        let bytes = rest.len().min(out.len());
        out[..bytes].copy_from_slice(&rest[..bytes]);
        self.at = (self.at + bytes) % self.frame.len();
        Ok(bytes)
    }
}

struct Objects {
    honest: Arc<dyn ObjectSource>,
    peer: EvilPeer,
}

impl Objects {
    async fn heard(&self, question: Question) -> Result<BodyStream, SourceError> {
        match question {
            Question::Range(oid, place) => self.honest.range(oid, place).await,
            Question::Extents(oid, places) => self.honest.extents(oid, places).await,
            other => panic!("{other:?} is not asked for a stream"),
        }
    }

    fn stream(&self, question: Question) -> SourceFuture<'_, BodyStream> {
        Box::pin(async move {
            let mut honest = self.heard((self.peer.hears)(question.clone())).await?;
            let mut answer = Vec::new();
            while let Some(chunk) = next(&mut honest).await {
                let chunk = chunk.map_err(|error| SourceError::Failed(error.to_string()))?;
                answer.extend_from_slice(&chunk);
            }
            let stream: BodyStream = match (self.peer.says)(&question, answer.into()) {
                Said::This(answer) | Said::Repeated(answer, _) => body(&[&answer]),
                Said::Endless(answer) => Box::pin(Endless(Some(answer))),
                Said::Nothing | Said::Forbidden => {
                    return Err(SourceError::Failed("it says nothing".to_owned()));
                }
                Said::Missing => return Err(SourceError::Missing),
            };
            Ok(stream)
        })
    }
}

impl ObjectSource for Objects {
    fn name(&self) -> &str {
        self.honest.name()
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        Box::pin(async move {
            let question = Question::Chunks(oid, from);
            let Question::Chunks(heard, first) = (self.peer.hears)(question.clone()) else {
                panic!("a list is asked for")
            };
            match (self.peer.says)(&question, self.honest.chunks(heard, first).await?) {
                Said::This(page) | Said::Endless(page) | Said::Repeated(page, _) => Ok(page),
                Said::Nothing | Said::Forbidden => Err(SourceError::Failed("it says nothing".to_owned())),
                Said::Missing => Err(SourceError::Missing),
            }
        })
    }

    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        self.stream(Question::Range(oid, place))
    }

    fn extents(&self, oid: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        self.stream(Question::Extents(oid, places))
    }
}

/// Something, and zeros after it.
struct Endless(Option<Bytes>);

impl futures_core::Stream for Endless {
    type Item = io::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(self.0.take().unwrap_or_else(|| Bytes::from_static(&[0; 4096])))))
    }
}
