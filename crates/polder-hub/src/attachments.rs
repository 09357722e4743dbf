//! Files that accounts attach to what they write: pictures, video and sound, each at an address that nobody
//! guesses and that gives it to everybody who has it.

mod media;

use polder_db::{Blob, NewAttachment};
use polder_types::{AccountId, BlobId, Role, Sha256};
use polder_xet::Cut;

use crate::Hub;
use crate::access::Principal;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::body::{BodyEncoding, BodyStream, HeldBody};
use crate::error::{Error, Kind, Result};
use crate::lfs_transfer::{DAMAGED, OpenBlob};
use crate::secret::random;

pub use media::Media;

/// Most bytes of an attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 10 << 20;
/// Digits of an attachment's address: 128 random bits.
const ID_DIGITS: usize = 32;

impl Hub {
    /// Takes a file, and says at which address everybody may have it.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Forbidden`] for a token that may not write, or only
    /// for some repositories, and for what the operator blocked; [`Kind::TooLarge`]; [`Kind::Invalid`] for what
    /// is neither a picture nor video nor sound, whatever it is called; [`Kind::OverQuota`]; [`Kind::Conflict`]
    /// when the account has too many.
    pub async fn attach(
        &self,
        principal: &Principal,
        content_length: Option<u64>,
        body: BodyStream,
    ) -> Result<String> {
        let entry = Entry::of(principal, "attachment.add");
        let attached = self.take_attachment(principal, content_length, body, entry.clone()).await;
        if let Err(error) = &attached {
            self.record_refusal(entry, error).await;
        }
        attached
    }

    async fn take_attachment(
        &self,
        principal: &Principal,
        content_length: Option<u64>,
        body: BodyStream,
        entry: Entry,
    ) -> Result<String> {
        let account = attacher(principal)?;
        if content_length.is_some_and(|length| length > ATTACHMENT_BYTES_MAX) {
            let message = format!("an attachment has at most {ATTACHMENT_BYTES_MAX} bytes");
            return Err(Error::new(Kind::TooLarge, message));
        }
        let bytes = self.hold_body(body, BodyEncoding::Identity, ATTACHMENT_BYTES_MAX).await?;
        let media = Media::of(&bytes).ok_or_else(|| {
            let known: Vec<&str> = Media::ALL.iter().map(|media| media.extension()).collect();
            Error::invalid(format!(
                "these bytes are not of a kind that can be attached: {}",
                known.join(", ")
            ))
        })?;
        let id = format!("{:032x}", u128::from_be_bytes(random()?));
        let url = format!("{}/uploads/{id}.{}", self.public_url(), media.extension());
        let hub = self.clone();
        to_the_end(async move {
            let (blob, media) = (BlobId(hub.db.next_id()), media.media_type().to_owned());
            let (sha256, size_bytes, cut) = hub.store_attachment(blob, bytes).await?;
            let entry = entry.with("sha256", sha256.to_string()).with("size_bytes", size_bytes);
            let new = NewAttachment { id, account, sha256, size_bytes, media };
            let added = hub.audited(entry).add_attachment(new, blob, Some(cut)).await;
            hub.keep_recorded(blob, added)?;
            Ok(url)
        })
        .await
    }

    /// Makes bytes durable under `id`.
    async fn store_attachment(&self, id: BlobId, bytes: HeldBody) -> Result<(Sha256, i64, Cut)> {
        let store = self.store.clone();
        let store_them = move || {
            let size_bytes = u64::try_from(bytes.len()).map_err(Error::internal)?;
            let mut stage = store.stage(size_bytes)?;
            stage.write(&bytes)?;
            let staged = stage.finish()?;
            let stored = (*staged.sha256(), size_bytes, staged.cut().clone());
            staged.publish(id)?;
            Ok(stored)
        };
        let (sha256, size_bytes, cut) = self.leaf.run(store_them).await?;
        Ok((sha256, i64::try_from(size_bytes).map_err(Error::internal)?, cut))
    }

    /// Opens an attachment by the last part of its address.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for one that is not here, or that the operator blocked; [`Kind::Unavailable`] while it is
    /// damaged.
    pub async fn open_attachment(&self, name: &str) -> Result<(Media, OpenBlob)> {
        let found = match parsed(name) {
            Some((id, media)) => self.db.attachment(id).await?.map(|found| (media, found)),
            None => None,
        };
        let found = found.filter(|(media, found)| found.media == media.media_type());
        let (media, found) = found.ok_or_else(missing)?;
        if found.blob.damaged {
            return Err(Error::unavailable(DAMAGED));
        }
        let store = self.store.clone();
        let Blob { id, sha256, xet, .. } = found.blob;
        let opened = self.leaf.run(move || Ok(store.open_blob(id)?)).await?;
        Ok((media, OpenBlob { file: opened.file, size_bytes: opened.size_bytes, sha256, xet }))
    }

    /// Deletes an attachment of the caller's, or anybody's for administrators of the hub.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without credentials; [`Kind::Forbidden`] for a token that may not write, or only
    /// for some repositories; [`Kind::NotFound`] alike for one that is not here and another's.
    pub async fn delete_attachment(&self, principal: &Principal, name: &str) -> Result<()> {
        let (id, _media) = parsed(name).ok_or_else(missing)?;
        let entry = Entry::of(principal, "attachment.delete").with("attachment", id);
        let account = match attacher(principal) {
            Ok(account) => account,
            Err(error) => {
                self.record_refusal(entry, &error).await;
                return Err(error);
            }
        };
        let owner = (!principal.is_admin()).then_some(account);
        let is_deleted = self.audited(entry).delete_attachment(id.to_owned(), owner).await?;
        if is_deleted { Ok(()) } else { Err(missing()) }
    }
}

/// Whose attachments the caller adds and deletes.
fn attacher(principal: &Principal) -> Result<AccountId> {
    let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
    if token.scope < Role::Write || token.repos.is_some() {
        return Err(Error::new(Kind::Forbidden, "this token may neither attach files nor delete such"));
    }
    Ok(token.account.id)
}

/// The digits and the kind of the last part of an address, if it can be one.
fn parsed(name: &str) -> Option<(&str, Media)> {
    let (id, extension) = name.split_once('.')?;
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let media = Media::ALL.iter().find(|media| media.extension() == extension)?;
    is_id.then_some((id, *media))
}

fn missing() -> Error {
    Error::not_found("there is no such attachment")
}
