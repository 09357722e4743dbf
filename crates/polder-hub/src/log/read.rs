//! What other hubs ask of a log that is here: the own one, or that of another hub.

use std::time::Duration;

use bytes::Bytes;
use polder_db::{FileKind, LogBody};
use polder_log::{
    BODIES_BYTES_MAX, BODIES_MAX, Body, BodyProof, BundleId, EventsPage, Leaf, NamespaceChain,
    PAGE_BYTES_MAX, PAGE_LEAVES_MAX, Plan, TILE_WIDTH, TileId, entry_bundle, push_body,
};
use polder_types::{RepoKind, Sha256};

use super::LogTip;
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Longest wait for growth.
pub const LOG_WAIT_MAX: Duration = Duration::from_mins(1);
/// Bytes of a page besides leaves and bodies: the note, the proof and the lengths.
const PAGE_REST_BYTES: usize = 24 << 10;
/// A page that begins within so many leaves of the end is made once for all who wait for it.
const SHARED_LEAVES_MAX: u64 = 256;
/// Bodies of a list that are read together.
const BODIES_AT_ONCE: usize = 64;
/// Most terms of a selection.
pub const SELECT_TERMS_MAX: usize = 64;

/// Which bodies a page shall have; those of hubs and namespaces it always has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Select {
    /// All.
    All,
    /// Those of repositories that any of the terms fits.
    Any(Vec<Term>),
}

/// A term of a selection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// One repository.
    Rid(Sha256),
    /// Those of a namespace.
    Namespace(Sha256),
    /// Those of a kind.
    Kind(RepoKind),
    /// Those under a licence.
    License(String),
}

impl Select {
    fn wants(&self, leaf: &Leaf) -> bool {
        let Self::Any(terms) = self else { return true };
        let fits = |term: &Term| match term {
            Term::Rid(rid) => leaf.rid == *rid,
            Term::Namespace(nsid) => leaf.hint.is_nsid(nsid),
            Term::Kind(kind) => leaf.hint.is_kind(*kind),
            Term::License(license) => leaf.hint.is_license(license),
        };
        !leaf.kind.is_repo() || terms.iter().any(fits)
    }
}

/// A question for leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageQuery {
    /// Index of the first.
    pub from: u64,
    /// Most leaves.
    pub limit: u64,
    /// Which bodies come along.
    pub select: Select,
}

impl Hub {
    /// The end of this hub's own log, as it is given out.
    ///
    /// # Errors
    /// [`Kind::NotFound`] while there is none.
    pub fn own_log_tip(&self) -> Result<LogTip> {
        self.own_log.tip.borrow().clone().ok_or_else(|| Error::not_found("this hub gives out no log"))
    }

    /// The end of the log of another hub, whose origin has this hash, as far as it is here.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn mirrored_log_tip(&self, origin_sha256: Sha256) -> Result<LogTip> {
        let log = self.db.log_of_origin(origin_sha256).await?;
        let blocked = match &log {
            Some(log) => self.db.origin_block(log.name.origin.as_str()).await?.is_some(),
            None => false,
        };
        let tip = log.as_ref().filter(|_| !blocked).and_then(LogTip::of);
        tip.ok_or_else(|| Error::not_found("no log of a hub with this origin is mirrored here"))
    }

    /// Waits until the log has more leaves than `size`, and for so long at most; then says its end.
    ///
    /// # Errors
    /// As the ways to get a tip.
    pub async fn wait_for_log(&self, tip: LogTip, size: u64, wait: Duration) -> Result<LogTip> {
        let deadline = tokio::time::Instant::now() + wait.min(LOG_WAIT_MAX);
        if !tip.is_own {
            let mut grew = self.own_log.mirrors.subscribe();
            // It may have grown before this began to listen.
            let mut tip = self.mirrored_log_tip(tip.name.origin.sha256()).await?;
            while tip.size <= size {
                match tokio::time::timeout_at(deadline, grew.changed()).await {
                    Ok(Ok(())) => tip = self.mirrored_log_tip(tip.name.origin.sha256()).await?,
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            return Ok(tip);
        }
        let mut watch = self.own_log.tip.subscribe();
        let grown = watch.wait_for(|tip| tip.as_ref().is_some_and(|tip| tip.size > size));
        match tokio::time::timeout_at(deadline, grown).await {
            Ok(Ok(grown)) => Ok(grown.clone().unwrap_or(tip)),
            Ok(Err(_)) | Err(_) => Ok(tip),
        }
    }

    /// Wakes who waits for the log of another hub.
    pub fn mirrored_log_grew(&self) {
        self.own_log.mirrors.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A page of leaves with the bodies asked for, encoded. Beyond the end it has no leaves, and shows by its
    /// checkpoint where the log ends here.
    ///
    /// # Errors
    /// [`Kind::Gone`] when the leaves are no longer kept.
    pub async fn log_page(&self, tip: &LogTip, query: PageQuery) -> Result<Bytes> {
        if query.from < tip.min_index {
            return Err(Error::new(Kind::Gone, format!("events before {} are not kept here", tip.min_index)));
        }
        if tip.size.saturating_sub(query.from) > SHARED_LEAVES_MAX {
            return self.make_page(tip, &query).await;
        }
        let key = (tip.id, tip.size, query.clone());
        self.own_log.pages.read(key, self.make_page(tip, &query)).await
    }

    async fn make_page(&self, tip: &LogTip, query: &PageQuery) -> Result<Bytes> {
        let limit = query.limit.min(u64::try_from(PAGE_LEAVES_MAX).unwrap_or(u64::MAX));
        let leaves = self.db.log_leaves(tip.id, query.from, tip.size, limit).await?;
        let (mut page, mut wanted, mut room) =
            (Vec::with_capacity(leaves.len()), Vec::new(), PAGE_BYTES_MAX - PAGE_REST_BYTES);
        for leaf in leaves {
            let wants = query.select.wants(&leaf);
            let body = if wants { usize::try_from(leaf.body_len).unwrap_or(usize::MAX) + 4 } else { 0 };
            let Some(left) = room.checked_sub(Leaf::BYTES + body) else { break };
            room = left;
            if wants {
                wanted.push(leaf.body_sha256);
            }
            page.push(leaf);
        }
        let end = query.from + u64::try_from(page.len()).unwrap_or(u64::MAX);
        let bodies = self.db.log_bodies(&wanted).await?.into_iter().map(|(_, body)| body.to_vec()).collect();
        let proof = if end == 0 || end >= tip.size {
            Vec::new()
        } else {
            let plan = Plan::consistency(end, tip.size).map_err(Error::internal)?;
            self.db.log_path(tip.id, &plan).await?
        };
        let checkpoint = tip.note.to_string();
        let page = EventsPage { first: query.from, checkpoint, proof, leaves: page, bodies };
        Ok(page.encode().map_err(Error::internal)?.into())
    }

    /// A tile of hashes.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for one that the signed tree has not.
    pub async fn log_tile(&self, tip: &LogTip, tile: TileId) -> Result<Bytes> {
        let shift = u32::from(tile.level) * 8;
        let hashes = tip.size.checked_shr(shift).unwrap_or(0);
        let width = u64::from(tile.width);
        let bytes = if tile.index * TILE_WIDTH + width <= hashes {
            self.db.log_tile(tip.id, tile.level, tile.index).await?
        } else {
            None
        };
        let bytes = bytes.ok_or_else(|| Error::not_found("the signed tree has no such tile"))?;
        Ok(cut(bytes, usize::from(tile.width) * Sha256::BYTES))
    }

    /// A bundle of leaves.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for one that the signed tree has not; [`Kind::Gone`] for one no longer kept.
    pub async fn log_entries(&self, tip: &LogTip, bundle: BundleId) -> Result<Bytes> {
        let from = bundle.index.saturating_mul(TILE_WIDTH);
        if from < tip.min_index {
            return Err(Error::new(Kind::Gone, format!("events before {} are not kept here", tip.min_index)));
        }
        if from.saturating_add(u64::from(bundle.width)) > tip.size {
            return Err(Error::not_found("the signed tree has no such entries"));
        }
        let leaves = self.db.log_leaves(tip.id, from, tip.size, u64::from(bundle.width)).await?;
        let leaves: Vec<_> = leaves.iter().map(Leaf::encode).collect();
        Ok(entry_bundle(&leaves).into())
    }

    /// A body.
    ///
    /// # Errors
    /// [`Kind::Gone`] when it was erased, [`Kind::NotFound`] when it is not here.
    pub async fn log_body(&self, sha256: Sha256) -> Result<Bytes> {
        match self.db.log_body(sha256).await? {
            LogBody::Held(body) => Ok(body),
            LogBody::Erased => Err(Error::new(Kind::Gone, "this body was erased")),
            LogBody::Missing => Err(Error::not_found("this body is not here")),
        }
    }

    /// As many of some bodies as are here and fit into a list.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when `wanted` is no list of hashes, or one of too many.
    pub async fn log_body_list(&self, wanted: &[u8]) -> Result<Bytes> {
        let hashes: Option<Vec<Sha256>> = wanted.chunks(Sha256::BYTES).map(Sha256::from_slice).collect();
        let hashes = hashes.filter(|hashes| hashes.len() <= BODIES_MAX);
        let hashes = hashes.ok_or_else(|| {
            Error::invalid(format!("bodies are asked for by at most {BODIES_MAX} hashes of 32 bytes each"))
        })?;
        let mut list = Vec::new();
        for some in hashes.chunks(BODIES_AT_ONCE) {
            for (_, body) in self.db.log_bodies(some).await? {
                if list.len() + 4 + body.len() > BODIES_BYTES_MAX {
                    return Ok(list.into());
                }
                push_body(&mut list, &body).map_err(Error::internal)?;
            }
        }
        Ok(list.into())
    }

    /// The operations of a namespace, its creation first, or, of zeros, the keys of the hub: each body after its
    /// length in four bytes. Of one that the own log does not tell of, as any log that is here tells of it.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn log_namespace(&self, tip: &LogTip, nsid: Sha256) -> Result<Bytes> {
        let mut out = Vec::new();
        for (index, sha256) in self.db.namespace_ops(tip.id, nsid).await? {
            if index < tip.size {
                let body = self.log_body(sha256).await?;
                push_body(&mut out, &body).map_err(Error::internal)?;
            }
        }
        if out.is_empty() && tip.is_own {
            for body in self.longest_chain(nsid).await? {
                push_body(&mut out, body.bytes()).map_err(Error::internal)?;
            }
        }
        if out.is_empty() { Err(Error::not_found("this log has no such namespace")) } else { Ok(out.into()) }
    }

    /// The operations of a namespace of another hub, from whatever log that is here tells most of it.
    async fn longest_chain(&self, nsid: Sha256) -> Result<Vec<Body>> {
        let (mut longest, blocked) = (Vec::new(), self.db.blocked_logs().await?);
        for log in self.db.logs_of_namespace(nsid).await? {
            if blocked.contains(&log) {
                continue;
            }
            let mut bodies = Vec::new();
            for (_, sha256) in self.db.namespace_ops(log, nsid).await? {
                if let LogBody::Held(bytes) = self.db.log_body(sha256).await? {
                    bodies.push(Body::decode(&bytes).map_err(Error::internal)?);
                }
            }
            if bodies.len() > longest.len() && NamespaceChain::follow(&bodies).is_ok() {
                longest = bodies;
            }
        }
        Ok(longest)
    }

    /// The newest event of a repository, or of a namespace by its nsid, with the proof that it is in the log.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Gone`] when its body was erased.
    pub async fn log_repo(&self, tip: &LogTip, rid: Sha256) -> Result<Bytes> {
        let head = self.db.log_head(tip.id, rid).await?.filter(|head| head.index < tip.size);
        let head = head.ok_or_else(|| Error::not_found("this log has no such repository"))?;
        let body = self.log_body(head.leaf.body_sha256).await?.to_vec();
        let plan = Plan::inclusion(head.index, tip.size).map_err(Error::internal)?;
        let path = self.db.held_log_path(tip.id, &plan).await?;
        let path = path.ok_or_else(|| {
            Error::not_found("only a snapshot tells of this repository here: there is no proof")
        })?;
        let proof = BodyProof { index: head.index, checkpoint: tip.note.to_string(), path, body };
        Ok(proof.encode().map_err(Error::internal)?.into())
    }

    /// A ref map or a manifest of a repository that anyone may read.
    ///
    /// # Errors
    /// [`Kind::NotFound`], alike for what is not here and what may not be told.
    pub async fn log_file(&self, tip: &LogTip, rid: Sha256, sha256: Sha256, is_refs: bool) -> Result<Bytes> {
        self.read_logged(rid).await?;
        let kind = if is_refs { FileKind::Refs } else { FileKind::Manifest };
        let file = self.db.log_file(tip.id, rid, sha256, kind).await?;
        file.ok_or_else(|| Error::not_found("this repository has no such file here"))
    }

    /// A part of a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn log_snapshot_part(&self, tip: &LogTip, sha256: Sha256) -> Result<Bytes> {
        let file = self.db.log_file(tip.id, Sha256::new([0; 32]), sha256, FileKind::Snapshot).await?;
        file.ok_or_else(|| Error::not_found("there is no such part of a snapshot here"))
    }
}

fn cut(mut bytes: Vec<u8>, length: usize) -> Bytes {
    bytes.truncate(length);
    bytes.into()
}
