//! A bundle as a source that a follower reads.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_git::client::{Exchange, RemoteBody, StoredPack};
use polder_log::{
    BODIES_BYTES_MAX, BODIES_MAX, BODY_BYTES_MAX, Checkpoint, EventsPage, PAGE_BYTES_MAX, REF_MAP_BYTES_MAX,
    TileId, VerifierKey, push_body,
};
use polder_types::Sha256;
use sha2::Digest as _;

use super::objects::BundleObjects;
use super::reader::{Bundle, ItemReader};
use super::row::{Key, Kind};
use crate::blocking::Door;
use crate::error::{Error, Result};
use crate::follow::{CHAIN_BYTES_MAX, MANIFEST_BYTES_MAX, PART_BYTES_MAX, TILE_BYTES_MAX};
use crate::{About, NewestSnapshot, ObjectSource, Peer, PeerError, PeerFuture};

/// A bundle, read by whoever asks.
pub(super) struct BundlePeer {
    bundle: Arc<Bundle>,
    name: Arc<str>,
    /// By which its log is signed.
    key: VerifierKey,
    leaf: Door,
}

impl BundlePeer {
    pub(super) fn new(bundle: Arc<Bundle>, key: VerifierKey, leaf: Door) -> Self {
        let name = bundle.name().into();
        Self { bundle, name, key, leaf }
    }

    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Bundle) -> Result<T, PeerError> + Send + 'static,
    ) -> PeerFuture<'_, T> {
        let bundle = Arc::clone(&self.bundle);
        Box::pin(async move { self.leaf.run(move || Ok(ask(&bundle))).await? })
    }

    fn item(&self, key: Key, bytes_max: usize) -> PeerFuture<'_, Bytes> {
        self.ask(move |bundle| {
            let span = bundle.get(&key)?.ok_or(PeerError::Missing)?;
            Ok(bundle.read(span, bytes_max)?)
        })
    }
}

impl Peer for BundlePeer {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> PeerFuture<'_, About> {
        Box::pin(async move {
            let opened = Checkpoint::open(&self.bundle.note, &self.key);
            let log = opened.map_err(|error| PeerError::Malformed(error.to_string()))?.log;
            Ok(About { log, key: self.key.clone() })
        })
    }

    fn events(&self, from: u64, _limit: u64, _wait: Duration) -> PeerFuture<'_, Option<Bytes>> {
        self.ask(move |bundle| events(bundle, from))
    }

    fn body(&self, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.item(Key::of(Kind::Body, sha256), BODY_BYTES_MAX)
    }

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        self.item(Key::of(Kind::Chain, nsid), CHAIN_BYTES_MAX)
    }

    fn newest_snapshot(&self) -> PeerFuture<'_, NewestSnapshot> {
        self.ask(|bundle| {
            let span = bundle.get(&Key::snapshot())?.ok_or(PeerError::Missing)?;
            let index = bundle.read(span, size_of::<u64>())?;
            let index = index.first_chunk().ok_or_else(|| PeerError::Malformed("its snapshot".to_owned()))?;
            Ok(NewestSnapshot { index: u64::from_be_bytes(*index), size: bundle.contents.size })
        })
    }

    fn snapshot_part(&self, _index: u64, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.item(Key::of(Kind::SnapshotPart, sha256), PART_BYTES_MAX)
    }

    fn tile(&self, tile: TileId) -> PeerFuture<'_, Bytes> {
        self.item(Key::tile(tile), TILE_BYTES_MAX)
    }

    fn bodies<'a>(&'a self, hashes: &'a [Sha256]) -> PeerFuture<'a, Bytes> {
        let hashes: Vec<Sha256> = hashes.iter().take(BODIES_MAX).copied().collect();
        self.ask(move |bundle| bodies(bundle, &hashes))
    }

    fn ref_map(&self, _rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.item(Key::of(Kind::Refs, sha256), REF_MAP_BYTES_MAX)
    }

    fn manifest(&self, _rid: Sha256, sha256: Sha256) -> PeerFuture<'_, Bytes> {
        self.item(Key::of(Kind::Manifest, sha256), MANIFEST_BYTES_MAX)
    }

    fn git(&self, rid: Sha256) -> Result<Box<dyn Exchange + '_>> {
        let span = self.bundle.get(&Key::of(Kind::Pack, rid))?;
        let span = span.ok_or_else(|| Error::not_found(format!("`{}` does not have it", self.name)))?;
        let open = move || -> std::io::Result<RemoteBody> {
            Ok(Box::new(ItemReader::new(Arc::clone(&self.bundle), span)))
        };
        Ok(Box::new(StoredPack::new(open)))
    }

    fn objects(&self) -> Arc<dyn ObjectSource> {
        Arc::new(BundleObjects::new(Arc::clone(&self.bundle), self.leaf.clone()))
    }
}

/// As many bodies as the bundle has and fit into a list.
fn bodies(bundle: &Bundle, hashes: &[Sha256]) -> Result<Bytes, PeerError> {
    let mut list = Vec::new();
    for sha256 in hashes {
        let Some(span) = bundle.get(&Key::of(Kind::Body, *sha256))? else { continue };
        let body = bundle.read(span, BODY_BYTES_MAX)?;
        if list.len() + 4 + body.len() > BODIES_BYTES_MAX {
            break;
        }
        push_body(&mut list, &body).map_err(|error| PeerError::Malformed(error.to_string()))?;
    }
    Ok(list.into())
}

/// The events from `from` on to the end of their page; none at the end of the bundle.
fn events(bundle: &Bundle, from: u64) -> Result<Option<Bytes>, PeerError> {
    let contents = &bundle.contents;
    if from < contents.from {
        let message = format!(
            "`{}` begins at event {}, and only {from} are here: a bundle before it is missing",
            bundle.name(),
            contents.from
        );
        return Err(PeerError::Failed(Error::unavailable(message)));
    }
    if from >= contents.size {
        return Ok(None);
    }
    // Its snapshot stands for those before its first page.
    let row = bundle.find(&Key::page(from))?.ok_or(PeerError::Gone)?;
    let bytes = bundle.read(row.span, PAGE_BYTES_MAX)?;
    if row.key.at == from {
        return Ok(Some(bytes));
    }
    // Whoever comes from elsewhere may be in the midst of it.
    let malformed = |error: polder_log::Error| PeerError::Malformed(error.to_string());
    let mut page = EventsPage::decode(&bytes).map_err(malformed)?;
    let known = usize::try_from(from - row.key.at).unwrap_or(usize::MAX);
    page.leaves.drain(..known.min(page.leaves.len()));
    let wanted: HashSet<Sha256> = page.leaves.iter().map(|leaf| leaf.body_sha256).collect();
    page.bodies.retain(|body| wanted.contains(&Sha256::new(sha2::Sha256::digest(body).into())));
    page.first = from;
    Ok(Some(page.encode().map_err(malformed)?.into()))
}
