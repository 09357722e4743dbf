//! Large objects that arrive in parts, as the clients of Hugging Face send them.
//!
//! Parts may come at the same time, in any order and again; each is durable when it is acknowledged. The
//! last request names them all: they are put together, hashed while that is done, and published only if
//! the whole is what was announced. State is in rows and files, so a restart does not matter.
//!
//! Links expire like others, but each part that comes keeps those of its upload alive: an upload ends
//! 15 minutes after the last sign of life, and its parts are removed within two hours.

use std::fs::File;
use std::io::Read as _;

use bytes::Bytes;
use polder_blob::Staged;
use polder_db::{Upload, UploadPart, UploadState};
use polder_types::limits::UPLOAD_PARTS_MAX;
use polder_types::{PartId, RepoName, Sha256, UnixMillis, UploadId, failpoint};
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Contribute, Grant};
use crate::audit::Entry;
use crate::blocking::{in_place, to_the_end};
use crate::body::{BodyStream, next};
use crate::error::{Error, Kind, Result};
use crate::lfs_batch::{LfsAnswer, LfsObject};
use crate::lfs_transfer::{WRITE_BATCH_BYTES, wrong_bytes};
use crate::signed_url::{Action, InParts, LINK_SECONDS, Link};

/// How a client can send an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LfsTransfer {
    /// In one request.
    Basic,
    /// In parts.
    Multipart,
}

/// Where to send the parts of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsParts {
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// Path and signed query for each part in turn.
    pub paths_and_queries: Vec<String>,
}

/// Most parts that the objects of one batch have together, which bounds the answer (3 MB).
const BATCH_PARTS_MAX: usize = 10_000;
/// Part sizes are multiples of this, in bytes.
const PART_STEP_BYTES: u64 = 1 << 20;
/// Seconds between two signs of life of a part that takes long.
const ALIVE_SECONDS: i64 = 60;
/// How long an upload may be idle before its parts are removed, in seconds: nothing can bring it back by then.
const IDLE_SECONDS: i64 = 3_600;
/// Most idle uploads removed in one round of upkeep.
const IDLE_UPLOADS_MAX: i64 = 10_000;

impl Hub {
    /// The transfer for a batch: parts when the client can and an object is larger than one, or when it
    /// can nothing else. All objects of a batch go the same way, because git-lfs has one agent per batch.
    pub fn lfs_transfer<'a>(
        &self,
        offered: impl IntoIterator<Item = &'a str>,
        objects: &[LfsObject],
    ) -> LfsTransfer {
        let (mut basic, mut multipart) = (true, false);
        for (at, name) in offered.into_iter().enumerate() {
            basic = (basic && at > 0) || name == "basic";
            multipart = multipart || name == "multipart";
        }
        let is_large = objects.iter().any(|object| object.size_bytes > self.lfs_part_bytes);
        if multipart && (is_large || !basic) { LfsTransfer::Multipart } else { LfsTransfer::Basic }
    }

    /// The answer that asks for an object in parts. `objects` is how many the batch has.
    pub(crate) fn ask_in_parts(
        &self,
        grant: &Grant<Contribute>,
        object: LfsObject,
        objects: usize,
    ) -> LfsAnswer {
        let parts_max = (BATCH_PARTS_MAX / objects.max(1)).clamp(1, UPLOAD_PARTS_MAX);
        let parts_max = u64::try_from(parts_max).unwrap_or(1);
        let part_bytes = part_size(object.size_bytes, self.lfs_part_bytes, parts_max);
        let in_parts = InParts { upload: UploadId(self.db.next_id()), part_bytes };
        let link = |action| self.link(grant, object, action, Some(in_parts));
        let numbers = 1..=object.size_bytes.div_ceil(part_bytes);
        let paths_and_queries = numbers.map(|number| link(Action::Part(number)).path_and_query).collect();
        LfsAnswer {
            object,
            action: Some(link(Action::Complete)),
            verify: Some(self.link(grant, object, Action::Verify, None)),
            parts: Some(LfsParts { part_bytes, paths_and_queries }),
            error: None,
        }
    }

    /// Takes one part by its signed link; answers the tag that names these very bytes on completion.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a bad link, [`Kind::Invalid`] for a part of another length,
    /// [`Kind::Full`] when the disk is.
    pub async fn lfs_upload_part(
        &self,
        name: &RepoName,
        oid: Sha256,
        number: u64,
        query: &str,
        content_length: u64,
        body: BodyStream,
    ) -> Result<String> {
        let (link, in_parts, holder) = self.parts_link(name, oid, Action::Part(number), query).await?;
        let place = self.uploads.enter(holder.share()).await?;
        let part_bytes = part_length(link.size_bytes, in_parts.part_bytes, number);
        if content_length != part_bytes {
            return Err(Error::invalid(format!("part {number} has {part_bytes} bytes; nothing was stored")));
        }
        self.keep_alive(&link, in_parts, &holder).await?;
        let staged = self.stage_part(in_parts.upload, part_bytes, body).await?;
        let part = UploadPart {
            number: i64::try_from(number).map_err(Error::internal)?,
            id: PartId(self.db.next_id()),
            size_bytes: i64::try_from(part_bytes).map_err(Error::internal)?,
        };
        let (hub, upload) = (self.clone(), in_parts.upload);
        to_the_end(async move {
            hub.leaf.run(move || Ok(staged.keep(upload, part.id)?)).await?;
            let recorded = hub.db.set_part(upload, part).await;
            // One that was replaced, or that came too late, is nobody's any more.
            let stale = match &recorded {
                Ok(replaced) => *replaced,
                Err(polder_db::Error::NotFound { .. }) => Some(part.id),
                Err(_) => None,
            };
            if let Some(stale) = stale
                && let Err(error) = in_place(|| hub.store.remove_part(upload, stale))
            {
                tracing::warn!(%upload, %error, "a replaced part stays until its upload ends");
            }
            recorded.map_err(|error| match error {
                polder_db::Error::NotFound { .. } => Link::expired(),
                error => error.into(),
            })?;
            drop(place);
            Ok(tag(part.id))
        })
        .await
    }

    /// Puts the parts together and publishes the object, if it is what was announced. A retry is safe.
    ///
    /// `parts` are the numbers and tags that the client was given.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a bad link; [`Kind::Invalid`] when a part is missing or another than
    /// named, or the whole is not `oid`; [`Kind::Unavailable`] while it is being done already.
    pub async fn lfs_complete(
        &self,
        name: &RepoName,
        oid: Sha256,
        query: &str,
        parts: &[(u64, String)],
    ) -> Result<()> {
        let (link, in_parts, holder) = self.parts_link(name, oid, Action::Complete, query).await?;
        let object = LfsObject { oid, size_bytes: link.size_bytes };
        if self.db.keep_upload(in_parts.upload, self.alive_since()).await? == UploadState::Gone
            && (link.size_bytes > 0 || !link.is_fresh(self.clock.now()))
        {
            // The answer of an earlier completion may have been lost on its way.
            return self.check_size(link.repo, object).await.map_err(|_missing| Link::expired());
        }
        let stored = self.db.upload_parts(in_parts.upload).await?;
        let stored = in_turn(&stored, parts, link.size_bytes.div_ceil(in_parts.part_bytes))?;
        let entry = Entry::by_link("lfs.upload", holder.account(), link.token).on(link.repo, name);
        let entry = entry.with("oid", oid.to_string()).with("size_bytes", link.size_bytes);
        let (hub, bill) = (self.clone(), self.bill(&holder));
        to_the_end(async move {
            let claim = Claim::take(&hub, in_parts.upload)?;
            let staged = hub.assemble(object, in_parts.upload, stored).await;
            let finished = match staged {
                Ok(staged) => {
                    let promised = Some(in_parts.upload.reservation());
                    hub.publish(bill, staged, promised, Some(entry.clone())).await.map(drop)
                }
                Err(error) => Err(error),
            };
            if finished.as_ref().is_ok() || finished.as_ref().is_err_and(|e| e.kind() == Kind::Invalid) {
                hub.end_upload(in_parts.upload).await?;
            }
            if let Err(error) = &finished {
                hub.record_refusal(entry, error).await;
            }
            drop(claim);
            finished
        })
        .await
    }

    /// Checks a link to an upload in parts, and that its holder may still write.
    async fn parts_link(
        &self,
        name: &RepoName,
        oid: Sha256,
        action: Action,
        query: &str,
    ) -> Result<(Link, InParts, Grant<Contribute>)> {
        let repo = self.linked_repo(name).await?;
        let link = Link::read((action, repo.id, oid), query, &self.keys.url)?;
        let in_parts = link.in_parts.ok_or_else(Error::bad_link)?;
        let holder = self.still_writes(&repo, &link).await?;
        Ok((link, in_parts, holder))
    }

    /// A fresh link begins its upload; an older one works while the upload lives.
    async fn keep_alive(&self, link: &Link, in_parts: InParts, holder: &Grant<Contribute>) -> Result<()> {
        let state = if link.is_fresh(self.clock.now()) {
            let upload = Upload {
                id: in_parts.upload,
                repo: link.repo,
                account: holder.actor(),
                sha256: link.oid,
                size_bytes: i64::try_from(link.size_bytes).map_err(Error::internal)?,
                part_bytes: i64::try_from(in_parts.part_bytes).map_err(Error::internal)?,
            };
            self.bill(holder).counting(&self.db).open_upload(upload).await?
        } else {
            self.db.keep_upload(in_parts.upload, self.alive_since()).await?
        };
        match state {
            UploadState::Open => Ok(()),
            UploadState::Gone => Err(Link::expired()),
            UploadState::TooMany => {
                Err(Error::unavailable("this repository has too many unfinished uploads; try again later"))
            }
        }
    }

    fn alive_since(&self) -> UnixMillis {
        self.clock.now().plus_seconds(-LINK_SECONDS)
    }

    async fn stage_part(
        &self,
        upload: UploadId,
        part_bytes: u64,
        mut body: BodyStream,
    ) -> Result<polder_blob::StagedPart> {
        let mut stage = in_place(|| self.store.stage_part(part_bytes))?;
        let mut batch: Vec<Bytes> = Vec::new();
        let mut batched = 0;
        let mut alive_until = self.clock.now().plus_seconds(ALIVE_SECONDS);
        while let Some(chunk) = next(&mut body).await {
            let chunk = chunk.map_err(|error| {
                Error::invalid("the upload was cut short; send this part again").caused_by(error)
            })?;
            batched += chunk.len();
            batch.push(chunk);
            if batched >= WRITE_BATCH_BYTES {
                in_place(|| stage.write_batch(&batch))?;
                batch.clear();
                batched = 0;
            }
            if self.clock.now() >= alive_until {
                self.db.keep_upload(upload, UnixMillis(i64::MIN)).await?;
                alive_until = self.clock.now().plus_seconds(ALIVE_SECONDS);
            }
        }
        in_place(|| stage.write_batch(&batch))?;
        Ok(in_place(|| stage.finish())?)
    }

    /// Copies the parts into one file, hashing it on the way.
    async fn assemble(&self, object: LfsObject, upload: UploadId, parts: Vec<UploadPart>) -> Result<Staged> {
        let hub = self.clone();
        self.assemblies
            .run(move || {
                let mut stage = hub.store.stage(object.size_bytes)?;
                let mut buffer = vec![0; WRITE_BATCH_BYTES];
                for part in parts {
                    let file = hub.store.open_part(upload, part.id).map_err(|error| match error {
                        polder_blob::Error::NotFound { .. } => {
                            Error::unavailable("a part was sent again meanwhile; complete again")
                        }
                        error => error.into(),
                    })?;
                    append(&mut stage, &file.file, &mut buffer)?;
                    Handle::current().block_on(hub.db.keep_upload(upload, UnixMillis(i64::MIN)))?;
                }
                failpoint::hit("lfs.assembled");
                let staged = stage.finish()?;
                if *staged.sha256() == object.oid {
                    Ok(staged)
                } else {
                    Err(wrong_bytes(&staged, object.oid))
                }
            })
            .await
    }

    /// Row first: parts without a row are found by the sweep, a row without parts would be a promise.
    async fn end_upload(&self, upload: UploadId) -> Result<()> {
        self.db.forget_upload(upload).await?;
        failpoint::hit("lfs.upload_forgotten");
        let store = self.store.clone();
        self.leaf.run(move || Ok(store.remove_upload(upload)?)).await.map(drop)
    }

    /// Removes what unfinished uploads left: those that are idle, and parts that no row knows.
    pub(crate) async fn sweep_uploads(&self) -> Result<()> {
        let due = self.clock.now().plus_seconds(-IDLE_SECONDS);
        for upload in self.db.idle_uploads(due, IDLE_UPLOADS_MAX).await? {
            self.end_upload(upload).await?;
        }
        // The directory is younger than its row: one listed here without a row has lost it.
        let store = self.store.clone();
        for upload in self.leaf.run(move || Ok(store.uploads()?)).await? {
            if !self.db.is_upload_open(upload).await? {
                self.end_upload(upload).await?;
            }
        }
        Ok(())
    }
}

/// One completion of an upload at a time in this process; two would only cost twice.
struct Claim {
    hub: Hub,
    upload: UploadId,
}

impl Claim {
    fn take(hub: &Hub, upload: UploadId) -> Result<Self> {
        if hub.completing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(upload) {
            return Ok(Self { hub: hub.clone(), upload });
        }
        Err(Error::unavailable("this object is being put together; ask again in a moment"))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.hub.completing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.upload);
    }
}

/// The part size: the usual one, unless that makes more than `parts_max` of them.
fn part_size(size_bytes: u64, usual_bytes: u64, parts_max: u64) -> u64 {
    usual_bytes.max(size_bytes.div_ceil(parts_max).next_multiple_of(PART_STEP_BYTES))
}

/// Length of one part; 0 for a number that the object has not.
fn part_length(size_bytes: u64, part_bytes: u64, number: u64) -> u64 {
    let before = number.saturating_sub(1).saturating_mul(part_bytes);
    size_bytes.saturating_sub(before).min(part_bytes)
}

/// The entity tag of a received part: another each time it is sent.
fn tag(part: PartId) -> String {
    format!("\"{:016x}\"", part.0)
}

fn changed(number: i64) -> Error {
    Error::invalid(format!("part {number} was sent again meanwhile; complete with its new tag"))
}

/// The stored parts from 1 to `count`, if they are those that the client names.
fn in_turn(stored: &[UploadPart], named: &[(u64, String)], count: u64) -> Result<Vec<UploadPart>> {
    if u64::try_from(named.len()) != Ok(count) {
        return Err(Error::invalid(format!("the object has {count} parts; name each once")));
    }
    let mut found = Vec::with_capacity(named.len());
    for number in 1..=count {
        let part = stored.iter().find(|part| u64::try_from(part.number) == Ok(number));
        let Some(part) = part else {
            return Err(Error::invalid(format!("part {number} has not arrived")));
        };
        let mut of_number = named.iter().filter(|(named, _)| *named == number);
        match (of_number.next(), of_number.next()) {
            (Some((_, named)), None) if named.trim_matches('"') == tag(part.id).trim_matches('"') => {
                found.push(*part);
            }
            (Some(_), None) => return Err(changed(part.number)),
            _ => return Err(Error::invalid(format!("name part {number} once"))),
        }
    }
    Ok(found)
}

fn append(stage: &mut polder_blob::Stage, mut from: &File, buffer: &mut [u8]) -> Result<()> {
    loop {
        let read = match from.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::internal(error)),
        };
        stage.write(buffer.get(..read).unwrap_or_default())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::limits::LFS_OBJECT_BYTES_MAX;

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_object_has_at_most_a_thousand_parts_of_whole_mebibytes() {
        for (size, usual, parts_max, expected) in [
            (0, 256 * MIB, 1_000, 256 * MIB),
            (257 * MIB, 256 * MIB, 1_000, 256 * MIB),
            (LFS_OBJECT_BYTES_MAX, 256 * MIB, 1_000, 1_049 * MIB),
            (LFS_OBJECT_BYTES_MAX, 256 * MIB, 10, 104_858 * MIB),
            (3 * MIB + 1, MIB, 1, 4 * MIB),
        ] {
            let part = part_size(size, usual, parts_max);
            assert_eq!(part, expected, "{size}");
            let count = size.div_ceil(part);
            assert!(count <= parts_max);
            let lengths: Vec<u64> = (1..=count).map(|number| part_length(size, part, number)).collect();
            assert_eq!(lengths.iter().sum::<u64>(), size);
            assert!(lengths.iter().all(|length| *length > 0));
            assert_eq!(part_length(size, part, count + 1), 0);
        }
        assert_eq!(part_length(10, 4, u64::MAX), 0);
    }

    #[test]
    fn a_completion_names_every_part_once_by_its_latest_tag() {
        let stored = [1, 2].map(|n| UploadPart { number: n, id: PartId(10 + n), size_bytes: 1 });
        let named = |list: &[(u64, i64)]| -> Vec<(u64, String)> {
            list.iter().map(|(number, id)| (*number, tag(PartId(*id)))).collect()
        };
        assert_eq!(in_turn(&stored, &named(&[(2, 12), (1, 11)]), 2).expect("in turn"), stored);
        let bare = [(1, "000000000000000b".to_owned()), (2, "\"000000000000000c\"".to_owned())];
        assert!(in_turn(&stored, &bare, 2).is_ok(), "with or without quotes");
        for bad in [
            &[(1, 11)][..],
            &[(1, 11), (1, 11)],
            &[(1, 11), (2, 13)],
            &[(1, 12), (2, 11)],
            &[(1, 11), (3, 12)],
            &[(1, 11), (2, 12), (3, 13)],
        ] {
            assert!(in_turn(&stored, &named(bad), 2).is_err(), "{bad:?}");
        }
        assert!(in_turn(&stored[..1], &named(&[(1, 11), (2, 12)]), 2).is_err());
    }
}
