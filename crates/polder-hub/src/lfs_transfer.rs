//! Moving the bytes of large objects: verified before anything is visible, durable before it is said.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use polder_blob::{Stage, Staged};
use polder_db::{Blob, Db, NameState, Repo};
use polder_types::{BlobId, RepoId, RepoName, ReservationId, Sha256, failpoint};

use polder_xet::{Cut, FileHash};

use crate::Hub;
use crate::access::{Contribute, Contributes, Grant, Read};
use crate::audit::Entry;
use crate::blocking::{in_place, to_the_end};
use crate::body::{BodyStream, next};
use crate::error::{Error, Kind, Result};
use crate::follow::OpenObject;
use crate::lfs_batch::LfsObject;
use crate::mechanisms::may_have_committed;
use crate::quota::{Bill, Hold};
use crate::signed_url::{Action, Link};

/// Bytes gathered from the connection before they are hashed and written, while still in the cache.
pub(crate) const WRITE_BATCH_BYTES: usize = 1 << 20;

/// What is said of an object whose bytes are known to be wrong.
pub(crate) const DAMAGED: &str = "this object is damaged here and waits for repair";

/// A verified large object, open for reading.
#[derive(Debug, Clone)]
pub struct OpenBlob {
    /// Its bytes.
    pub file: Arc<File>,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its hash, which is also its entity tag.
    pub sha256: Sha256,
    /// The hash over its chunks, once they are listed.
    pub xet: Option<FileHash>,
}

impl Hub {
    /// Opens an object of a repository that the caller may read.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when this repository does not link it, [`Kind::Unavailable`] while it is damaged.
    pub async fn lfs_open(&self, grant: &Grant<Read>, oid: Sha256) -> Result<OpenBlob> {
        self.open_linked(grant.repo_id(), oid).await
    }

    /// Opens an object by a signed link, without other credentials.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a link that is altered, expired or of another object; [`Kind::NotFound`].
    pub async fn lfs_download(&self, name: &RepoName, oid: Sha256, query: &str) -> Result<OpenObject> {
        let repo = self.linked_repo(name).await?;
        Link::check((Action::Download, repo.id, oid), query, &self.keys.url, self.clock.now())?;
        self.open_object(repo.id, oid).await
    }

    /// Takes an object's bytes by a signed link.
    ///
    /// Nothing is visible until length and hash match and the bytes are durable; a retry is safe.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a bad link, [`Kind::Invalid`] for other bytes than announced,
    /// [`Kind::OverQuota`] before any are taken, [`Kind::Full`] when the disk is, [`Kind::NotFound`];
    /// [`Kind::Throttled`] and [`Kind::Unavailable`] when no place came free.
    pub async fn lfs_upload(
        &self,
        name: &RepoName,
        oid: Sha256,
        query: &str,
        content_length: Option<u64>,
        body: BodyStream,
    ) -> Result<()> {
        let repo = self.linked_repo(name).await?;
        let link = Link::check((Action::Upload, repo.id, oid), query, &self.keys.url, self.clock.now())?;
        let holder = self.still_writes(&repo, &link).await?;
        let entry = Entry::by_link("lfs.upload", holder.account(), link.token).on(repo.id, &repo.name);
        let entry = entry.with("oid", oid.to_string()).with("size_bytes", link.size_bytes);
        let object = LfsObject { oid, size_bytes: link.size_bytes };
        let stored = self.take(&holder, object, content_length, body, entry.clone()).await;
        if let Err(error) = &stored {
            self.record_refusal(entry, error).await;
        }
        stored
    }

    async fn take(
        &self,
        holder: &Grant<Contribute>,
        object: LfsObject,
        content_length: Option<u64>,
        body: BodyStream,
        entry: Entry,
    ) -> Result<()> {
        if content_length.is_some_and(|length| length != object.size_bytes) {
            return Err(wrong_size(object.size_bytes));
        }
        let (bill, place) = (self.bill(holder), self.uploads.enter(holder.share()).await?);
        let promised = self.reserve(bill, object.size_bytes, Hold::Request).await?;
        let staged = self.stage(body, object).await;
        let hub = self.clone();
        to_the_end(async move {
            let stored = match staged {
                Ok(staged) => hub.publish(bill, staged, promised, Some(entry)).await.map(drop),
                Err(error) => Err(error),
            };
            if stored.is_err() {
                hub.release(promised).await;
            }
            drop(place);
            stored
        })
        .await
    }

    /// Confirms that an object is here, whole.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it is not, [`Kind::Invalid`] when its size is another.
    pub async fn lfs_verify<L: Contributes>(&self, grant: &Grant<L>, object: LfsObject) -> Result<()> {
        self.check_size(grant.repo_id(), object).await
    }

    pub(crate) async fn check_size(&self, repo: RepoId, object: LfsObject) -> Result<()> {
        let blob = self.open_linked(repo, object.oid).await?;
        if blob.size_bytes == object.size_bytes { Ok(()) } else { Err(wrong_size(blob.size_bytes)) }
    }

    /// Confirms by a signed link, without other credentials, that an object is here, whole.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a bad link; as [`Hub::lfs_verify`].
    pub async fn lfs_verify_link(&self, name: &RepoName, object: LfsObject, query: &str) -> Result<()> {
        let repo = self.linked_repo(name).await?;
        let wanted = (Action::Verify, repo.id, object.oid);
        let link = Link::check(wanted, query, &self.keys.url, self.clock.now())?;
        self.still_writes(&repo, &link).await?;
        self.check_size(repo.id, object).await
    }

    /// The repository of a signed link. The link proves the permission, so the plain answer is safe.
    pub(crate) async fn linked_repo(&self, name: &RepoName) -> Result<Repo> {
        match self.name_state(name).await? {
            Some(NameState::Live(repo) | NameState::Moved(repo)) if repo.withheld.is_none() => Ok(repo),
            // What was withheld since the link was made is gone for it, too.
            Some(_) | None => Err(Error::bad_link()),
        }
    }

    /// For whom a link was made. A writer who lost the right, or the token, since then must not
    /// use it.
    pub(crate) async fn still_writes(&self, repo: &Repo, link: &Link) -> Result<Grant<Contribute>> {
        let holder = match link.token {
            Some(token) => self.token_holder(token).await?,
            None => None,
        };
        if let Some(holder) = holder
            && let Some(grant) = self.may_contribute(&holder, repo).await?
        {
            return Ok(grant);
        }
        Err(Error::new(Kind::Forbidden, "you may no longer write to this repository"))
    }

    pub(crate) async fn open_linked(&self, repo: RepoId, oid: Sha256) -> Result<OpenBlob> {
        let linked = self.db.linked_blobs(repo, &[oid]).await?;
        let Some(blob) = linked.into_iter().next() else {
            return Err(Error::not_found(format!("this repository has no object `{oid}`")));
        };
        if blob.damaged {
            return Err(Error::unavailable(DAMAGED));
        }
        let opened = in_place(|| self.store.open_blob(blob.id))?;
        if i64::try_from(opened.size_bytes) != Ok(blob.size_bytes) {
            return Err(Error::internal(format!("blob {} has a wrong length on disk", blob.id)));
        }
        Ok(OpenBlob { file: opened.file, size_bytes: opened.size_bytes, sha256: oid, xet: blob.xet })
    }

    async fn stage(&self, mut body: BodyStream, object: LfsObject) -> Result<Staged> {
        let mut stage = in_place(|| self.store.stage(object.size_bytes))?;
        let mut batch: Vec<Bytes> = Vec::new();
        let mut batched = 0;
        while let Some(chunk) = next(&mut body).await {
            let chunk = chunk.map_err(|error| {
                Error::invalid("the upload was cut short; nothing was stored").caused_by(error)
            })?;
            batched += chunk.len();
            batch.push(chunk);
            if batched >= WRITE_BATCH_BYTES {
                in_place(|| write_batch(&mut stage, &mut batch))?;
                batched = 0;
            }
        }
        in_place(|| write_batch(&mut stage, &mut batch))?;
        let staged = in_place(|| stage.finish())?;
        if staged.size_bytes() != object.size_bytes {
            return Err(wrong_size(object.size_bytes));
        }
        if *staged.sha256() != object.oid {
            return Err(wrong_bytes(&staged, object.oid));
        }
        Ok(staged)
    }

    /// Makes staged bytes durable, then visible. Bytes that are here already are not stored twice. What
    /// was promised to them is spent; if this fails, the caller gives it back. `entry` goes to the audit
    /// log with the link.
    ///
    /// # Errors
    /// [`Kind::OverQuota`], promise or not, if the namespace has no room after all.
    pub(crate) async fn publish(
        &self,
        bill: impl Into<Bill>,
        staged: Staged,
        promised: Option<ReservationId>,
        entry: Option<Entry>,
    ) -> Result<Blob> {
        let bill = bill.into();
        let (db, repo) = (bill.counting(&self.audited(entry).spending(promised)), bill.repo);
        let (sha256, size_bytes) = (*staged.sha256(), staged.size_bytes());
        let size_bytes = i64::try_from(size_bytes).map_err(Error::internal)?;
        if self
            .db
            .find_blob(&sha256)
            .await?
            .is_some_and(|blob| blob.size_bytes == size_bytes && !blob.damaged)
            && db.link_blob(repo, &sha256).await?
        {
            let linked = self.db.linked_blobs(repo, &[sha256]).await?;
            return linked
                .into_iter()
                .next()
                .ok_or_else(|| Error::unavailable("the object was removed; try again"));
        }
        let (id, cut) = (BlobId(self.db.next_id()), staged.cut().clone());
        let hub = self.clone();
        self.leaf
            .run(move || {
                staged.publish(id)?;
                hub.note_stored(id);
                Ok(())
            })
            .await?;
        failpoint::hit("lfs.published");
        let blob = self.record_blob(&db, id, (sha256, size_bytes), repo, Some(cut)).await;
        failpoint::hit("lfs.linked");
        blob
    }

    /// Makes the row of an object whose bytes are durable, and links it; takes its files back if the row is
    /// not made.
    pub(crate) async fn record_blob(
        &self,
        db: &Db,
        id: BlobId,
        (sha256, size_bytes): (Sha256, i64),
        repo: RepoId,
        cut: Option<Cut>,
    ) -> Result<Blob> {
        self.keep_recorded(id, db.publish_blob(id, sha256, size_bytes, repo, cut).await)
    }

    /// Takes the files under `id` back unless a row was made for them, or may have been.
    pub(crate) fn keep_recorded(&self, id: BlobId, recorded: polder_db::Result<Blob>) -> Result<Blob> {
        let keep = match &recorded {
            Ok(blob) => blob.id == id,
            Err(error) => may_have_committed(error),
        };
        if !keep && let Err(error) = in_place(|| self.store.remove_blob(id)) {
            tracing::warn!(%id, %error, "a blob file without a row stays for the sweep");
        }
        Ok(recorded?)
    }
}

fn write_batch(stage: &mut Stage, batch: &mut Vec<Bytes>) -> Result<()> {
    stage.write_batch(batch)?;
    batch.clear();
    Ok(())
}

pub(crate) fn wrong_bytes(staged: &Staged, oid: Sha256) -> Error {
    Error::invalid(format!("these bytes are `{}`, not `{oid}`; nothing was stored", staged.sha256()))
}

pub(crate) fn wrong_size(size_bytes: u64) -> Error {
    Error::invalid(format!("the object has {size_bytes} bytes; nothing was stored"))
}
