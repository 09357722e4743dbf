//! The large objects of a bundle.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use polder_types::Sha256;
use polder_xet::{Extent, HEADER_BYTES, list_offset};

use super::layout::length;
use super::reader::Bundle;
use super::row::{Key, Kind, Span};
use crate::blocking::{Door, in_place};
use crate::body::BodyStream;
use crate::error::{Error, Result};
use crate::{LIST_PAGE_CHUNKS_MAX, ObjectSource, SourceError, SourceFuture};

/// Bytes read at a time.
const READ_BYTES: u64 = 256 << 10;

/// Gives out large objects, and their chunk lists.
pub(super) struct BundleObjects {
    bundle: Arc<Bundle>,
    name: String,
    leaf: Door,
}

impl BundleObjects {
    pub(super) fn new(bundle: Arc<Bundle>, leaf: Door) -> Self {
        Self { name: bundle.name(), bundle, leaf }
    }
}

fn failed(error: &Error) -> SourceError {
    SourceError::Failed(error.message().to_owned())
}

impl ObjectSource for BundleObjects {
    fn name(&self) -> &str {
        &self.name
    }

    fn chunks(&self, oid: Sha256, from: u32) -> SourceFuture<'_, Bytes> {
        let bundle = Arc::clone(&self.bundle);
        Box::pin(async move {
            let page = self.leaf.run(move || chunks(&bundle, oid, from)).await;
            page.map_err(|error| failed(&error))?.ok_or(SourceError::Missing)
        })
    }

    fn range(&self, oid: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        self.extents(oid, vec![place])
    }

    fn extents(&self, oid: Sha256, places: Vec<Extent>) -> SourceFuture<'_, BodyStream> {
        let bundle = Arc::clone(&self.bundle);
        Box::pin(async move {
            let of = Arc::clone(&bundle);
            let first = self.leaf.run(move || of.get(&Key::object(oid, 0))).await;
            first.map_err(|error| failed(&error))?.ok_or(SourceError::Missing)?;
            let places = places.iter().map(|place| (place.offset, place.end())).collect();
            let body: BodyStream = Box::pin(Places { bundle, oid, left: places });
            Ok(body)
        })
    }
}

/// A page of a chunk list: the header, and some chunks.
fn chunks(bundle: &Bundle, oid: Sha256, from: u32) -> Result<Option<Bytes>> {
    let Some(list) = bundle.get(&Key::of(Kind::List, oid))? else { return Ok(None) };
    let part = |from: u64, to: u64| -> Result<Bytes> {
        let (from, to) = (from.min(list.bytes), to.min(list.bytes));
        let span = Span { offset: list.offset + from, bytes: to.saturating_sub(from) };
        bundle.read(span, usize::try_from(span.bytes).map_err(Error::internal)?)
    };
    let mut page = BytesMut::from(&*part(0, length(HEADER_BYTES))?);
    page.extend(part(list_offset(from), list_offset(from.saturating_add(LIST_PAGE_CHUNKS_MAX)))?);
    Ok(Some(page.freeze()))
}

/// The bytes of some places of an object, as they are read.
struct Places {
    bundle: Arc<Bundle>,
    oid: Sha256,
    /// Where each begins and ends.
    left: VecDeque<(u64, u64)>,
}

impl Places {
    fn next(&mut self) -> Result<Option<Bytes>> {
        let Some((from, to)) = self.left.pop_front() else { return Ok(None) };
        let piece = self.bundle.find(&Key::object(self.oid, from))?;
        let piece = piece.filter(|piece| from - piece.key.at < piece.span.bytes);
        let piece = piece.ok_or_else(|| {
            Error::invalid(format!("`{}` has not byte {from} of object `{}`", self.bundle.name(), self.oid))
        })?;
        let skip = from - piece.key.at;
        let bytes = READ_BYTES.min(to - from).min(piece.span.bytes - skip);
        let span = Span { offset: piece.span.offset + skip, bytes };
        let read = self.bundle.read(span, usize::try_from(bytes).map_err(Error::internal)?)?;
        if from + bytes < to {
            self.left.push_front((from + bytes, to));
        }
        Ok(Some(read))
    }
}

impl Stream for Places {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(in_place(|| self.next()).map_err(io::Error::other).transpose())
    }
}
