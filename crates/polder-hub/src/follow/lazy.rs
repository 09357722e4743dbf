//! Large objects that a mirror gets when somebody first asks for one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use polder_db::{LazyObject, UpstreamState};
use polder_git::NewPointer;
use polder_types::{RepoId, Sha256};
use polder_xet::FileHash;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::PeerObjects;
use super::limits::Declared;
use super::sources::SourceSet;
use super::via::Via;
use crate::error::{Error, Kind, Result};
use crate::lfs_transfer::OpenBlob;
use crate::transfer::WholeOf;
use crate::{Arriving, Hub, ObjectSource, TransferOptions, Wanted};

/// Objects looked through at a time.
const PAGE: i64 = 500;

/// Larger objects clients of Hugging Face fetch chunk by chunk or not at all, in bytes.
///
/// Source: `huggingface_hub` 2.4.0 `constants.py`, `MAX_HTTP_DOWNLOAD_SIZE`.
const PLAIN_BYTES_MAX: u64 = 50_000_000_000;
/// How long one who asks for an object's chunks waits for the object: less than clients wait for an answer.
///
/// Source: `hf_xet` 1.8.0 gives up after 300 seconds, and asks five times.
const WHOLE_PATIENCE: Duration = Duration::from_mins(4);

/// A large object of a repository, for who may read it.
#[derive(Debug)]
pub enum OpenObject {
    /// It is here.
    Here(OpenBlob),
    /// It can be fetched.
    Away(AwayObject),
}

impl OpenObject {
    /// Its length in bytes.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Here(blob) => blob.size_bytes,
            Self::Away(object) => object.size_bytes(),
        }
    }

    /// By what file hash clients are to fetch it chunk by chunk, if they are. What is not here comes as it is fetched
    /// where they take that; of the rest they have nothing until all of it is here.
    pub fn announced(&self) -> Option<FileHash> {
        match self {
            Self::Here(blob) => blob.xet,
            Self::Away(object) => object.wanted.xet.filter(|_| object.size_bytes() > PLAIN_BYTES_MAX),
        }
    }

    /// Its hash, which is also its entity tag.
    pub fn sha256(&self) -> Sha256 {
        match self {
            Self::Here(blob) => blob.sha256,
            Self::Away(object) => object.wanted.oid,
        }
    }
}

/// A large object that can be fetched.
pub struct AwayObject {
    hub: Hub,
    wanted: Wanted,
    /// The hubs that ask for it, if a hub does.
    asked_by: Option<Via>,
}

impl std::fmt::Debug for AwayObject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("AwayObject").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl AwayObject {
    /// Its length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.wanted.size_bytes
    }

    /// Its SHA-256.
    pub(crate) fn oid(&self) -> Sha256 {
        self.wanted.oid
    }

    /// The hash of the tree over its chunks, to which all that comes of it is held.
    pub(crate) fn file_hash(&self) -> Option<FileHash> {
        self.wanted.xet
    }

    /// The upstream that has it, by its log.
    pub(crate) fn upstream(&self) -> i64 {
        self.wanted.upstream
    }

    /// Reads its first bytes, as [`Hub::read_beginning`] does, without the rest of it.
    ///
    /// # Errors
    /// As [`Hub::read_beginning`], and as [`AwayObject::fetch`] before anything is asked for.
    pub(crate) async fn read_beginning(&self, first: u64, whole_of: WholeOf<'_>) -> Result<Vec<u8>> {
        let Self { hub, wanted, .. } = self;
        let sources = hub.object_sources(wanted.upstream, &Via::default()).await?;
        // Nothing is kept that a budget would count.
        let admitted = hub.admit_at_any_hour(wanted.upstream, Declared::default()).await?;
        let options =
            TransferOptions { rate: Some(Arc::clone(admitted.rate())), ..TransferOptions::default() };
        hub.read_beginning(wanted, &sources, &options, first, whole_of).await
    }

    /// Has it fetched, unless it is on its way already or came meanwhile.
    ///
    /// # Errors
    /// As [`Hub::open_or_fetch`]; [`Kind::Unavailable`] when the hub that has it is no longer followed;
    /// [`Kind::OverQuota`] when the object would be over that hub's budget.
    pub async fn fetch(self) -> Result<Arriving> {
        let Self { hub, wanted, asked_by } = self;
        let sources = hub.object_sources(wanted.upstream, &asked_by.clone().unwrap_or_default()).await?;
        let mut options = TransferOptions::default();
        if !hub.is_coming(&wanted) {
            let admitted = hub.admit_at_any_hour(wanted.upstream, hub.declared(&[wanted]).await?).await?;
            options.rate = Some(Arc::clone(admitted.rate()));
            options.admitted = Some(Arc::new(admitted));
        }
        let arriving = hub.open_or_fetch(wanted, sources, options).await?;
        Ok(if asked_by.is_some() { arriving.for_a_hub() } else { arriving })
    }
}

impl Hub {
    /// A large object of a repository, here or to be fetched.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when the repository has no such object; [`Kind::Unavailable`] while it is damaged
    /// and cannot be fetched anew.
    pub(crate) async fn open_object(&self, repo: RepoId, oid: Sha256) -> Result<OpenObject> {
        let error = match self.open_linked(repo, oid).await {
            Ok(blob) => return Ok(OpenObject::Here(blob)),
            Err(error) if [Kind::NotFound, Kind::Unavailable].contains(&error.kind()) => error,
            Err(error) => return Err(error),
        };
        let Some(object) = self.db.lazy_objects(repo, &[oid]).await?.pop() else { return Err(error) };
        let Some(upstream) = self.db.repo(repo).await?.and_then(|repo| repo.upstream) else {
            return Err(error);
        };
        let wanted = wanted(repo, upstream, object)?;
        Ok(OpenObject::Away(AwayObject { hub: self.clone(), wanted, asked_by: None }))
    }

    /// Has the object fetched that a file hash names, and waits until it is here; false where a repository has none.
    ///
    /// # Errors
    /// As [`AwayObject::fetch`]; [`Kind::Unavailable`] when it does not arrive, or not soon: it goes on arriving then.
    pub(crate) async fn bring_file(&self, repo: RepoId, file: FileHash) -> Result<bool> {
        let Some(object) = self.db.lazy_file(repo, file).await? else { return Ok(false) };
        if let OpenObject::Away(away) = self.open_object(repo, object.sha256).await?
            && let Arriving::Coming(arrival) = away.fetch().await?
        {
            let whole = timeout(WHOLE_PATIENCE, arrival.whole()).await;
            whole.map_err(|_elapsed| Error::unavailable("the file is on its way here; ask again"))??;
        }
        Ok(true)
    }

    /// A large object that is not here, and that a public mirror of the hub whose origin has this hash gets when
    /// somebody asks for it: for another hub, which others have asked.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none, or this hub may not ask on for them.
    pub async fn lazy_object_for(&self, origin_sha256: Sha256, oid: Sha256, via: Via) -> Result<OpenObject> {
        let found = match via.and(&self.mark) {
            Some(_) => self.db.public_lazy_object(origin_sha256, oid).await?,
            None => None,
        };
        let Some((object, repo, upstream)) = found else {
            return Err(Error::not_found(format!("no public object `{oid}` is here")));
        };
        let wanted = wanted(repo, upstream, object)?;
        Ok(OpenObject::Away(AwayObject { hub: self.clone(), wanted, asked_by: Some(via) }))
    }

    /// Where the large objects of an upstream's repositories can be had, for others who ask.
    pub(crate) async fn object_sources(
        &self,
        upstream: i64,
        via: &Via,
    ) -> Result<Vec<Arc<dyn ObjectSource>>> {
        let followed = self.db.upstream(upstream).await?;
        let Some(followed) = followed.filter(|one| one.state != UpstreamState::Unfollowed) else {
            return Err(Error::unavailable("the hub that this object comes from is no longer followed"));
        };
        let sources = self.read_sources_for(followed.log, via).await?;
        Ok(SourceSet::new(self.db.clone(), followed.log, sources).objects())
    }

    /// The objects that pointers need and the repository does not have, to be written down, with what `xet`
    /// knows of their chunks. Blocking.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a size that no object has, or another one than before.
    pub(crate) fn later_objects(
        &self,
        repo: RepoId,
        xet: &HashMap<Sha256, FileHash>,
        pointers: &[NewPointer],
    ) -> Result<Vec<LazyObject>> {
        let runtime = Handle::current();
        let oids: Vec<Sha256> = pointers.iter().map(|new| new.pointer.oid).collect();
        let known = runtime.block_on(self.db.lazy_objects(repo, &oids))?;
        let mut later: HashMap<Sha256, LazyObject> =
            known.into_iter().map(|object| (object.sha256, object)).collect();
        for new in pointers {
            let (sha256, xet) = (new.pointer.oid, xet.get(&new.pointer.oid).copied());
            let size_bytes = i64::try_from(new.pointer.size_bytes).map_err(|error| {
                Error::invalid(format!("`{}` points to an object that is too large", new.path))
                    .caused_by(error)
            })?;
            let object = later.entry(sha256).or_insert(LazyObject { sha256, size_bytes, xet });
            object.xet = xet.or(object.xet);
            if object.size_bytes != size_bytes {
                let message = format!("the pointer `{}` gives another size for object {sha256}", new.path);
                return Err(Error::invalid(message));
            }
        }
        for blob in runtime.block_on(self.db.linked_blobs(repo, &oids))? {
            later.remove(&blob.sha256);
        }
        Ok(later.into_values().collect())
    }

    /// Fetches what was to come later, for a mirror that shall have everything. Blocking.
    ///
    /// # Errors
    /// As [`Hub::fetch_all`].
    pub(super) fn bring_the_rest(&self, repo: RepoId, from: &PeerObjects) -> Result<()> {
        let (runtime, mut after) = (Handle::current(), None);
        loop {
            let page = runtime.block_on(self.db.away_objects(repo, after, PAGE))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.sha256);
            let wanted = page.into_iter().map(|object| wanted(repo, from.sources.log(), object));
            self.fetch_all(&from.sources, &wanted.collect::<Result<Vec<_>>>()?, &mut |_| {})?;
        }
    }
}

fn wanted(repo: RepoId, upstream: i64, object: LazyObject) -> Result<Wanted> {
    let size_bytes = u64::try_from(object.size_bytes).map_err(Error::internal)?;
    Ok(Wanted { repo, oid: object.sha256, size_bytes, xet: object.xet, upstream })
}
