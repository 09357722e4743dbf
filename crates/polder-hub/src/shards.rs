//! The headers of all shards of a safetensors model, without their tensors.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `get_sharded_safetensors_metadata`; `constants.py` for how long
//! a header may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use polder_git::Snapshot;
use polder_types::{ObjectId, RepoId};
use polder_xet::FileHash;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::follow::{AwayObject, OpenObject};
use crate::kept::Kept;
use crate::safetensors::{LENGTH_BYTES, Source, each_tensor, header_length, read_header};

/// Longest index, and longest header, in bytes.
const INDEX_BYTES_MAX: u64 = 25_000_000;
/// Most bytes of all headers together.
const HEADERS_BYTES_MAX: u64 = 25_000_000;
/// Most shards of a model.
const SHARDS_MAX: usize = 1_000;
/// Shards that are not here whose headers come at once, and how many a model may have.
const AWAY_AT_ONCE: usize = 4;
pub(crate) const AWAY_MAX: usize = 256;
/// How long one request may wait for them. Those that came are kept: the next goes on.
const AWAY_PATIENCE: Duration = Duration::from_mins(1);
/// Most memory for headers of shards that are not here, in bytes.
const HEADERS_KEPT_BYTES_MAX: u64 = 64 << 20;

/// Headers of shards that are not here, checked: of what has this hash and this length, where an upstream says that
/// something has them. Another upstream's word is not enough to be shown what it may not have.
pub(crate) struct AwayHeaders(Kept<(i64, FileHash, u64), Arc<RawValue>>);

impl Default for AwayHeaders {
    fn default() -> Self {
        Self(Kept::new(HEADERS_KEPT_BYTES_MAX, |header| header.get().len()))
    }
}

/// What an index and the shards that it names say.
#[derive(Debug)]
pub struct ShardHeaders {
    /// The commit that was read.
    pub commit_id: ObjectId,
    /// The index's own metadata.
    pub metadata: Option<Box<RawValue>>,
    /// The header of each shard, by the name that the index has for it.
    pub headers: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
    weight_map: BTreeMap<String, String>,
}

impl Hub {
    /// Reads the headers of the shards that the index at `path` names, at the tip of the default branch. Shards
    /// stand in the index's folder. Of those that this mirror has not fetched only the headers come.
    ///
    /// # Errors
    /// [`OpenError::Entry`] when the index or a shard is not there; [`Kind::Invalid`] when one is something else;
    /// [`Kind::TooLarge`] over a bound; [`Kind::Conflict`] for shards that are not here, and whose headers cannot be
    /// had without the rest; [`Kind::Unavailable`] when no hub has them, or not in time.
    pub async fn shard_headers(&self, grant: &Grant<Read>, path: &str) -> Result<ShardHeaders, OpenError> {
        let commit_id = self.resolve_revision(grant, "HEAD").await.map_err(OpenError::Revision)?;
        let held = self.held(grant.repo_id()).await?;
        let (hub, repo, path) = (self.clone(), grant.repo_id(), path.to_owned());
        let read = self.leaf.run(move || {
            let files = Files { hub, repo, snapshot: &held.snapshot, commit_id };
            Ok(files.read_headers(&path))
        });
        let (mut told, away, left) = read.await??;
        let came = timeout(AWAY_PATIENCE, self.read_away(&mut told.headers, away, left)).await;
        came.map_err(|_elapsed| {
            Error::unavailable(
                "headers of the shards are still on their way; ask again to have the rest come",
            )
        })??;
        Ok(told)
    }
}

impl Hub {
    /// Has the headers of shards come that are not here, a few at a time.
    async fn read_away(
        &self,
        headers: &mut BTreeMap<String, Box<RawValue>>,
        away: AwayShards,
        mut left: u64,
    ) -> Result<()> {
        let mut away = away.0.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AWAY_AT_ONCE
                && let Some(one) = away.next()
            {
                running.spawn(one.find(self.clone()));
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let (shards, header) = ended.map_err(Error::internal)??;
            let size_bytes = u64::try_from(header.get().len()).map_err(Error::internal)?;
            for shard in shards {
                left = left.checked_sub(size_bytes).ok_or_else(too_long)?;
                headers.insert(shard, (*header).to_owned());
            }
        }
    }
}

/// Shards that are not here, each object once. Asked for twice at a time, what is wrong with one would be told to one
/// of the two, and the other be told to ask again.
#[derive(Default)]
pub(crate) struct AwayShards(Vec<Away>);

impl AwayShards {
    /// Adds the shard at a path.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it is an object too many.
    pub(crate) fn add(&mut self, shard: String, at: String, object: AwayObject) -> Result<()> {
        let is_full = self.0.len() == AWAY_MAX;
        match self.0.iter_mut().find(|away| away.object.oid() == object.oid()) {
            Some(same) => same.shards.push(shard),
            None if is_full => return Err(not_fetched(&at)),
            None => self.0.push(Away { shards: vec![shard], at, object }),
        }
        Ok(())
    }
}

/// Shards that are not here and have the same bytes.
struct Away {
    shards: Vec<String>,
    /// The path of one.
    at: String,
    object: AwayObject,
}

impl Away {
    /// Their names and their header, which comes once for all who want it.
    async fn find(self, hub: Hub) -> Result<(Vec<String>, Arc<RawValue>)> {
        let header = match self.object.file_hash() {
            Some(hash) => {
                let key = (self.object.upstream(), hash, self.object.size_bytes());
                hub.transfers.headers.0.find(key, Box::pin(self.read())).await?
            }
            None => self.read().await?,
        };
        Ok((self.shards, header))
    }

    async fn read(&self) -> Result<Arc<RawValue>> {
        let Self { at, object, .. } = self;
        let (size_bytes, first) =
            (object.size_bytes(), u64::try_from(LENGTH_BYTES).map_err(Error::internal)?);
        let whole_of =
            |start: &[u8]| Ok(header_length(at, start, size_bytes, HEADERS_BYTES_MAX)?.saturating_add(first));
        let mut header = object.read_beginning(first, &whole_of).await?;
        header.drain(..LENGTH_BYTES.min(header.len()));
        Ok(checked(at, header)?.into())
    }
}

struct Files<'a> {
    hub: Hub,
    repo: RepoId,
    snapshot: &'a Snapshot,
    commit_id: ObjectId,
}

impl Files<'_> {
    /// Blocking, as all of these.
    fn read_headers(&self, path: &str) -> Result<(ShardHeaders, AwayShards, u64), OpenError> {
        let Index { metadata, weight_map } = self.index(path)?;
        let shards: BTreeSet<String> = weight_map.into_values().collect();
        if shards.len() > SHARDS_MAX {
            let message = format!("`{path}` names {} shards; at most {SHARDS_MAX} are read", shards.len());
            return Err(Error::new(Kind::TooLarge, message).into());
        }
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let (mut headers, mut away, mut left) = (BTreeMap::new(), AwayShards::default(), HEADERS_BYTES_MAX);
        for shard in shards {
            let at = format!("{folder}{shard}");
            let source = match self.open(&at)? {
                Opened::Here(source) => source,
                Opened::Away(object) => {
                    away.add(shard, at, object)?;
                    continue;
                }
            };
            let header = read_header(&at, &source, left)?;
            left = left.saturating_sub(u64::try_from(header.len()).map_err(Error::internal)?);
            headers.insert(shard, checked(&at, header)?);
        }
        Ok((ShardHeaders { commit_id: self.commit_id, metadata, headers }, away, left))
    }

    fn index(&self, path: &str) -> Result<Index, OpenError> {
        let Opened::Here(source) = self.open(path)? else { return Err(not_fetched(path).into()) };
        let size_bytes = source.size_bytes();
        if size_bytes > INDEX_BYTES_MAX {
            let message = format!("`{path}` has {size_bytes} bytes; an index may have {INDEX_BYTES_MAX}");
            return Err(Error::new(Kind::TooLarge, message).into());
        }
        let length = usize::try_from(size_bytes).map_err(Error::internal)?;
        let text = source.read(0, length).map_err(Error::internal)?;
        let index = serde_json::from_slice(&text)
            .map_err(|error| Error::invalid(format!("`{path}` is no index of a safetensors model: {error}")));
        Ok(index?)
    }

    fn open(&self, path: &str) -> Result<Opened, OpenError> {
        let commit_id = self.commit_id;
        let missing = |error| OpenError::Entry { commit_id, error };
        let entry =
            polder_git::entry(self.snapshot, commit_id, path).map_err(|error| missing(error.into()))?;
        if !entry.kind.is_file() {
            return Err(missing(Error::not_found(format!("`{path}` is not a file"))));
        }
        let Some(pointer) = entry.pointer else {
            let bytes = polder_git::read_file(self.snapshot, entry.oid).map_err(Error::from)?;
            return Ok(Opened::Here(Source::Git(bytes)));
        };
        match Handle::current().block_on(self.hub.open_object(self.repo, pointer.oid)) {
            Ok(OpenObject::Here(blob)) => Ok(Opened::Here(Source::Object(blob.file, blob.size_bytes))),
            Ok(OpenObject::Away(object)) => Ok(Opened::Away(object)),
            Err(error) if error.kind() == Kind::NotFound => Err(not_fetched(path).caused_by(error).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A file, here or to be had.
enum Opened {
    Here(Source),
    Away(AwayObject),
}

fn not_fetched(path: &str) -> Error {
    let message = format!("`{path}` was not fetched from its home yet; download it, and ask again");
    Error::new(Kind::Conflict, message)
}

fn too_long() -> Error {
    let message = format!("the headers of the shards have more than {HEADERS_BYTES_MAX} bytes together");
    Error::new(Kind::TooLarge, message)
}

/// The header of the shard at a path, if all of it is what clients understand.
fn checked(path: &str, header: Vec<u8>) -> Result<Box<RawValue>> {
    let bad = |error: &dyn std::error::Error| {
        Error::invalid(format!("the safetensors header of `{path}` cannot be read: {error}"))
    };
    each_tensor(&header, &mut |_| Some(())).map_err(|error| bad(&error))?;
    let text = String::from_utf8(header).map_err(|error| bad(&error))?;
    RawValue::from_string(text).map_err(|error| bad(&error))
}
