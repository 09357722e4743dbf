//! Large objects as other hubs fetch them: by hash alone, so only what anyone may read.
//!
//! A chunk's hash proves that one has the chunk, so lists are given out as the bytes are.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use polder_db::Blob;
use polder_types::Sha256;
use polder_xet::{ENTRY_BYTES, Extent, HEADER_BYTES, ListHeader, list_offset};

use crate::Hub;
use crate::body::HeldBody;
use crate::error::{Error, Result};
use crate::lfs_transfer::{DAMAGED, OpenBlob};

/// Most chunks in one page of a list: 3.6 MB.
pub const LIST_PAGE_CHUNKS_MAX: u32 = 100_000;

/// Proof that a large object may be given to anyone: a public repository links it.
#[derive(Debug, Clone)]
struct Published(Blob);

impl Hub {
    /// An object by its hash alone, if anyone may have it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] alike for one that is not here and one that only some may read.
    async fn published(&self, oid: Sha256) -> Result<Published> {
        let blob = self.db.public_blob(&oid).await?;
        blob.map(Published).ok_or_else(|| Error::not_found(format!("no public object `{oid}` is here")))
    }

    /// Opens an object that someone without credentials may read.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when no public repository links it, [`crate::Kind::Unavailable`] while it
    /// is damaged.
    pub async fn public_object(&self, oid: Sha256) -> Result<OpenBlob> {
        let blob = sound(self.published(oid).await?)?;
        let store = self.store.clone();
        let opened = self.leaf.run(move || Ok(store.open_blob(blob.id)?)).await?;
        Ok(OpenBlob { file: opened.file, size_bytes: opened.size_bytes, sha256: oid, xet: blob.xet })
    }

    /// A page of the chunk list of a public object: the list's header, and at most `count` chunks from
    /// number `from` on.
    ///
    /// # Errors
    /// As [`Hub::public_object`]; also [`crate::Kind::NotFound`] while it has no list.
    pub async fn public_chunks(&self, oid: Sha256, from: u32, count: u32) -> Result<Bytes> {
        let blob = self.published(oid).await?.0;
        let store = self.store.clone();
        let page = self.leaf.run(move || match store.open_list(blob.id) {
            Ok(list) => page(&list.file, from, count).map_err(Error::internal).map(Some),
            Err(polder_blob::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        });
        page.await?.ok_or_else(|| Error::not_found(format!("object `{oid}` has no chunk list yet")))
    }

    /// Bytes of several places of a public object, joined. `request` is what [`Extent::decode_all`] reads.
    ///
    /// # Errors
    /// As [`Hub::public_object`]; [`crate::Kind::Invalid`] for places outside it or beyond the bounds of a
    /// request; [`crate::Kind::Unavailable`] when other requests have all the memory there is.
    pub async fn public_extents(&self, oid: Sha256, request: &[u8]) -> Result<HeldBody> {
        let blob = sound(self.published(oid).await?)?;
        let extents = Extent::decode_all(request)
            .map_err(|error| Error::invalid("the body is no list of extents").caused_by(error))?;
        let is_beyond =
            |extent: &Extent| i64::try_from(extent.end()).map_or(true, |end| end > blob.size_bytes);
        if extents.iter().any(is_beyond) {
            return Err(Error::invalid(format!("object `{oid}` has only {} bytes", blob.size_bytes)));
        }
        let mut reserved = self.bodies.open();
        let size_bytes: usize =
            extents.iter().map(|extent| usize::try_from(extent.size_bytes).unwrap_or(usize::MAX)).sum();
        reserved.grow_to(size_bytes)?;
        let store = self.store.clone();
        let read = self.leaf.run(move || {
            let file = store.open_blob(blob.id)?.file;
            let mut bytes = vec![0; size_bytes];
            let mut rest = bytes.as_mut_slice();
            for extent in extents {
                let size = usize::try_from(extent.size_bytes).map_err(Error::internal)?;
                let Some((piece, after)) = rest.split_at_mut_checked(size) else { break };
                file.read_exact_at(piece, extent.offset).map_err(Error::internal)?;
                rest = after;
            }
            Ok(bytes)
        });
        Ok(HeldBody::new(read.await?, reserved))
    }
}

fn sound(object: Published) -> Result<Blob> {
    let blob = object.0;
    if blob.damaged { Err(Error::unavailable(DAMAGED)) } else { Ok(blob) }
}

fn page(list: &File, from: u32, count: u32) -> std::io::Result<Bytes> {
    let mut header = [0; HEADER_BYTES];
    list.read_exact_at(&mut header, 0)?;
    let (decoded, _) = ListHeader::decode(&header).map_err(std::io::Error::other)?;
    let count = count.min(LIST_PAGE_CHUNKS_MAX).min(decoded.chunks.saturating_sub(from));
    let mut bytes = header.to_vec();
    let entries_bytes = usize::try_from(count).unwrap_or_default().saturating_mul(ENTRY_BYTES);
    bytes.resize(HEADER_BYTES.saturating_add(entries_bytes), 0);
    list.read_exact_at(bytes.get_mut(HEADER_BYTES..).unwrap_or_default(), list_offset(from))?;
    Ok(bytes.into())
}
