//! The rows of a snapshot: keys, namespaces, and of the repositories that are followed, the newest bodies.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use polder_db::{FileKind, Log, LogHeadRow, LogOp, SnapshotRows};
use polder_log::{
    Body, Data, HubKeys, Misfit, NamespaceChain, SnapshotRow, bodies_by_hash, decode_part, open_body,
    read_bodies,
};
use polder_types::Sha256;

use super::super::keys::HUB;
use super::super::moves::Moves;
use super::super::peer::Peer;
use super::super::read::Reader;
use super::super::selection::Selection;
use super::super::sources::SourceSet;
use super::{Snapshot, Stop, asked, malformed};
use crate::Hub;

/// Rows that are loaded in one write.
const PAGE: usize = 1_000;

/// The handles of namespaces, by the beginnings of their ids that rows have.
type Handles = HashMap<[u8; 8], String>;

impl Hub {
    pub(crate) async fn snapshot_part(
        &self,
        log: i64,
        sha256: Sha256,
    ) -> Result<Option<Bytes>, polder_db::Error> {
        self.db.log_file(log, HUB, sha256, FileKind::Snapshot).await
    }

    /// Loads the events that gave the hub its keys, so that the next one can be told from a stranger's. The
    /// newest must be the one that signs; it names the one before it, and so on.
    pub(super) async fn load_keys(
        &self,
        log: &Log,
        snapshot: &Snapshot,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let list = peer.namespace(HUB).await.map_err(asked(peer))?;
        let bodies = decode_all(&list)?;
        let keys = HubKeys::follow(&bodies).map_err(malformed)?;
        if keys.key != snapshot.key.key() {
            return Err(Stop::source(peer, "the keys that it tells of do not lead to the one that signs"));
        }
        let newest = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
        let rows = SnapshotRows {
            log: log.id,
            ops: bodies.iter().map(|body| op(HUB, body, newest, snapshot.head.size - 1)).collect(),
            bodies: bodies.iter().map(kept).collect(),
            ..SnapshotRows::default()
        };
        Ok(self.db.load_snapshot_rows(rows).await?)
    }

    /// Loads all parts, which are here: namespaces first, because what a repository becomes depends on them.
    pub(super) async fn load_parts(
        &self,
        reader: &Reader,
        snapshot: &Snapshot,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let mut handles = Handles::new();
        for is_first in [true, false] {
            let selection = self.selection(reader.log.id).await?;
            for part in &snapshot.head.parts {
                let data = self.snapshot_part(reader.log.id, part.sha256).await?.unwrap_or_default();
                let mut rows = decode_part(part, &data).map_err(malformed)?;
                rows.retain(|row| row.kind.is_namespace() == is_first);
                let moves = self.moves(reader.log.id).await?;
                for rows in rows.chunks(PAGE) {
                    if is_first {
                        self.load_namespaces(&reader.log, rows, &mut handles, peer).await?;
                    } else {
                        self.load_repos(&reader.log, (&selection, &moves), rows, &handles, peer).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn load_namespaces(
        &self,
        log: &Log,
        rows: &[SnapshotRow],
        handles: &mut Handles,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let mut loaded = SnapshotRows { log: log.id, ..SnapshotRows::default() };
        let mut ops = Vec::new();
        let bodies = self.bodies_of(rows.iter(), peer).await?;
        for row in rows {
            let Some(newest) = opened(log, row, &bodies, peer)? else {
                loaded.heads.push(LogHeadRow { rid: row.rid, index: row.index, leaf: row.leaf() });
                continue;
            };
            if let Data::Namespace(namespace) = &newest.data {
                handles.insert(beginning(&row.rid), namespace.handle.clone());
            }
            loaded.heads.push(LogHeadRow { rid: row.rid, index: row.index, leaf: newest.leaf() });
            let chain = if newest.rseq == 1 {
                vec![newest]
            } else {
                let chain = decode_all(&peer.namespace(row.rid).await.map_err(asked(peer))?)?;
                // The source may have read on: what comes after the snapshot comes with its event.
                let end = chain.iter().position(|body| body.sha256() == row.body_sha256);
                let end = end.ok_or_else(|| Stop::source(peer, "operations of a namespace are missing"))?;
                chain.into_iter().take(end + 1).collect()
            };
            NamespaceChain::follow(&chain).map_err(malformed)?;
            loaded.ops.extend(chain.iter().map(|body| op(row.rid, body, row.rseq, row.index)));
            loaded.bodies.extend(chain.iter().map(kept));
            ops.extend(chain.into_iter().filter(|body| body.rseq > 1).map(|body| (row.index, body)));
        }
        self.db.load_snapshot_rows(loaded).await?;
        // All that comes before one of them is here now.
        let nobody = SourceSet::new(self.db.clone(), log.id, Vec::new());
        for (index, op) in ops {
            Box::pin(self.hear_move(log, index, &op, &nobody)).await?;
        }
        Ok(())
    }

    async fn load_repos(
        &self,
        log: &Log,
        (selection, moves): (&Selection, &Moves),
        rows: &[SnapshotRow],
        handles: &Handles,
        peer: &dyn Peer,
    ) -> Result<(), Stop> {
        let mut loaded = SnapshotRows { log: log.id, ..SnapshotRows::default() };
        let rids: Vec<Sha256> = rows.iter().map(|row| row.rid).collect();
        let mirrored: HashSet<Sha256> = self.db.mirrors_among(log.id, &rids).await?.into_iter().collect();
        let is_wanted =
            |row: &&SnapshotRow| mirrored.contains(&row.rid) || may_be_followed(row, handles, selection);
        let bodies = self.bodies_of(rows.iter().filter(is_wanted), peer).await?;
        for row in rows {
            let body = opened(log, row, &bodies, peer)?;
            let leaf = body.as_ref().map_or_else(|| row.leaf(), Body::leaf);
            loaded.heads.push(LogHeadRow { rid: row.rid, index: row.index, leaf });
            if let Some(body) = body {
                loaded.targets.extend(selection.target(&body).filter(|_| !moves.has_left(&leaf)));
                loaded.bodies.push(kept(&body));
            }
        }
        Ok(self.db.load_snapshot_rows(loaded).await?)
    }

    /// The newest bodies of rows, from here or from the source. One that is missing was erased, or is no longer
    /// the newest of its repository: then a newer one comes with its event.
    async fn bodies_of(
        &self,
        rows: impl Iterator<Item = &SnapshotRow>,
        peer: &dyn Peer,
    ) -> Result<HashMap<Sha256, Bytes>, Stop> {
        let wanted: Vec<Sha256> = rows.map(|row| row.body_sha256).collect();
        let mut held: HashMap<_, _> = self.db.log_bodies(&wanted).await?.into_iter().collect();
        loop {
            let missing: Vec<Sha256> =
                wanted.iter().filter(|body| !held.contains_key(*body)).copied().collect();
            if missing.is_empty() {
                return Ok(held);
            }
            let list = peer.bodies(&missing).await.map_err(asked(peer))?;
            let missing: HashSet<Sha256> = missing.into_iter().collect();
            let mut came = bodies_by_hash(&list).map_err(malformed)?;
            came.retain(|sha256, _| missing.contains(sha256));
            if came.is_empty() {
                return Ok(held);
            }
            held.extend(came.into_iter().map(|(sha256, body)| (sha256, Bytes::copy_from_slice(body))));
        }
    }
}

/// The body of a row, if it is here and in order.
fn opened(
    log: &Log,
    row: &SnapshotRow,
    bodies: &HashMap<Sha256, Bytes>,
    peer: &dyn Peer,
) -> Result<Option<Body>, Stop> {
    let Some(bytes) = bodies.get(&row.body_sha256) else { return Ok(None) };
    let body = Body::decode(bytes).map_err(Misfit::Malformed);
    let body = body.and_then(|body| open_body(&log.name, &body.leaf(), bytes));
    match body {
        Ok(body) if row.is_of(&body) => Ok(Some(body)),
        Ok(_) => Err(Stop::source(peer, "a row of its snapshot is not that of the body it names")),
        Err(why) => {
            tracing::warn!(index = row.index, origin = %log.name, %why, "an event is not applied");
            Ok(None)
        }
    }
}

fn may_be_followed(row: &SnapshotRow, handles: &Handles, selection: &Selection) -> bool {
    let (Some(kind), Some(handle)) = (row.repo_kind(), handles.get(&row.nsid)) else { return true };
    selection.may_fit(&format!("{}{handle}/", kind.prefix()))
}

fn decode_all(list: &[u8]) -> Result<Vec<Body>, Stop> {
    let bodies = read_bodies(list).map_err(malformed)?;
    bodies.into_iter().map(Body::decode).collect::<polder_log::Result<_>>().map_err(malformed)
}

/// An operation before the newest one, which is the `newest`-th and at `index`: where it is at the latest.
fn op(nsid: Sha256, body: &Body, newest: u64, index: u64) -> LogOp {
    let index = index.saturating_sub(newest.saturating_sub(body.rseq));
    LogOp { nsid, seq: body.rseq, index, body_sha256: body.sha256() }
}

fn kept(body: &Body) -> (Sha256, Bytes) {
    (body.sha256(), Bytes::copy_from_slice(body.bytes()))
}

fn beginning(id: &Sha256) -> [u8; 8] {
    id.as_bytes().first_chunk().copied().unwrap_or_default()
}
