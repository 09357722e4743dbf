//! The parts become the object.

use std::fs::File;
use std::io::Read as _;

use polder_blob::Staged;
use polder_db::{UploadPart, UploadState};
use polder_types::{RepoName, Sha256, UnixMillis, UploadId, failpoint};
use tokio::runtime::Handle;

use super::tag;
use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::lfs_batch::LfsObject;
use crate::lfs_transfer::{WRITE_BATCH_BYTES, wrong_bytes};
use crate::signed_url::{Action, Link};

impl Hub {
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

/// The stored parts from 1 to `count`, if they are those that the client names.
pub(super) fn in_turn(stored: &[UploadPart], named: &[(u64, String)], count: u64) -> Result<Vec<UploadPart>> {
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

fn changed(number: i64) -> Error {
    Error::invalid(format!("part {number} was sent again meanwhile; complete with its new tag"))
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
