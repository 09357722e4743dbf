//! A bundle as a source that a follower reads.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_git::client::{Exchange, RemoteBody, StoredPack};
use polder_log::{Checkpoint, EventsPage, PAGE_BYTES_MAX, REF_MAP_BYTES_MAX, VerifierKey};
use polder_types::Sha256;
use sha2::Digest as _;

use super::objects::BundleObjects;
use super::reader::{Bundle, ItemReader};
use super::row::{Key, Kind};
use crate::blocking::Door;
use crate::error::{Error, Result};
use crate::follow::{CHAIN_BYTES_MAX, HUB, MANIFEST_BYTES_MAX};
use crate::{About, ObjectSource, Peer, PeerError, PeerFuture};

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

    fn namespace(&self, nsid: Sha256) -> PeerFuture<'_, Bytes> {
        if nsid == HUB {
            return self.item(Key::keys(), CHAIN_BYTES_MAX);
        }
        Box::pin(async { Err(PeerError::Missing) })
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
    let row = bundle.find(&Key::page(from))?.ok_or(PeerError::Missing)?;
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
