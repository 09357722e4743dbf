//! The headers of all shards of a safetensors model, without their tensors.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `get_sharded_safetensors_metadata`; `constants.py` for how long
//! a header may be.

use std::collections::{BTreeMap, BTreeSet};

use polder_git::Snapshot;
use polder_types::{ObjectId, RepoId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::safetensors::{Source, each_tensor, read_header};

/// Longest index, and longest header, in bytes.
const INDEX_BYTES_MAX: u64 = 25_000_000;
/// Most bytes of all headers together.
const HEADERS_BYTES_MAX: u64 = 25_000_000;
/// Most shards of a model.
const SHARDS_MAX: usize = 1_000;

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
    /// stand in the index's folder.
    ///
    /// # Errors
    /// [`OpenError::Entry`] when the index or a shard is not there; [`Kind::Invalid`] when one is something else;
    /// [`Kind::TooLarge`] over a bound; [`Kind::Conflict`] for shards that this mirror has not fetched.
    pub async fn shard_headers(&self, grant: &Grant<Read>, path: &str) -> Result<ShardHeaders, OpenError> {
        let commit_id = self.resolve_revision(grant, "HEAD").await.map_err(OpenError::Revision)?;
        let held = self.held(grant.repo_id()).await?;
        let (hub, repo, path) = (self.clone(), grant.repo_id(), path.to_owned());
        let read = self.leaf.run(move || {
            let files = Files { hub, repo, snapshot: &held.snapshot, commit_id };
            Ok(files.read_headers(&path))
        });
        read.await?
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
    fn read_headers(&self, path: &str) -> Result<ShardHeaders, OpenError> {
        let Index { metadata, weight_map } = self.index(path)?;
        let shards: BTreeSet<String> = weight_map.into_values().collect();
        if shards.len() > SHARDS_MAX {
            let message = format!("`{path}` names {} shards; at most {SHARDS_MAX} are read", shards.len());
            return Err(Error::new(Kind::TooLarge, message).into());
        }
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let (mut headers, mut left) = (BTreeMap::new(), HEADERS_BYTES_MAX);
        for shard in shards {
            let at = format!("{folder}{shard}");
            let header = read_header(&at, &self.open(&at)?, left)?;
            left = left.saturating_sub(u64::try_from(header.len()).map_err(Error::internal)?);
            headers.insert(shard, checked(&at, header)?);
        }
        Ok(ShardHeaders { commit_id: self.commit_id, metadata, headers })
    }

    fn index(&self, path: &str) -> Result<Index, OpenError> {
        let source = self.open(path)?;
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

    fn open(&self, path: &str) -> Result<Source, OpenError> {
        let commit_id = self.commit_id;
        let missing = |error| OpenError::Entry { commit_id, error };
        let entry =
            polder_git::entry(self.snapshot, commit_id, path).map_err(|error| missing(error.into()))?;
        if !entry.kind.is_file() {
            return Err(missing(Error::not_found(format!("`{path}` is not a file"))));
        }
        let Some(pointer) = entry.pointer else {
            return Ok(Source::Git(polder_git::read_file(self.snapshot, entry.oid).map_err(Error::from)?));
        };
        match Handle::current().block_on(self.hub.open_linked(self.repo, pointer.oid)) {
            Ok(blob) => Ok(Source::Object(blob.file, blob.size_bytes)),
            Err(error) if error.kind() == Kind::NotFound => {
                let message =
                    format!("`{path}` was not fetched from its home yet; download it, and ask again");
                Err(Error::new(Kind::Conflict, message).caused_by(error).into())
            }
            Err(error) => Err(error.into()),
        }
    }
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
