//! Stretches of stored packs, for copying.
//!
//! A mapped pack is read with `pread` here, never through its map: a disk that fails under a map kills
//! the process, under `pread` only the request.

use std::os::unix::fs::FileExt;

use super::{Data, Pack};
use crate::{Error, Result};

/// Longest stretch handed out at once, and how much is read ahead, in bytes.
pub(crate) const SPAN_BYTES_MAX: usize = 256 << 10;

/// Reads stretches of packs, best in ascending order.
#[derive(Default)]
pub(crate) struct SpanReader {
    window: Vec<u8>,
    /// Which pack the window is from, and where in it the window starts.
    place: Option<(u64, u64)>,
}

impl SpanReader {
    /// Bytes of `pack` from `offset` up to `end`, at most [`SPAN_BYTES_MAX`] of them.
    pub(crate) fn bytes<'s>(&'s mut self, pack: &'s Pack, offset: u64, end: u64) -> Result<&'s [u8]> {
        let corrupt = || pack.corrupt_at(offset);
        let length = end.checked_sub(offset).ok_or_else(corrupt)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(SPAN_BYTES_MAX);
        let Data::Mapped { file, .. } = &pack.data else {
            return pack.bytes_from(offset)?.get(..length).ok_or_else(corrupt);
        };
        let inside = self.place.and_then(|(serial, start)| {
            let skip = usize::try_from(offset.checked_sub(start)?).ok()?;
            (serial == pack.serial && skip + length <= self.window.len()).then_some(skip)
        });
        let skip = if let Some(skip) = inside {
            skip
        } else {
            self.place = None;
            fill(&mut self.window, pack, file, offset)?;
            self.place = Some((pack.serial, offset));
            0
        };
        self.window.get(skip..skip + length).ok_or_else(corrupt)
    }
}

fn fill(window: &mut Vec<u8>, pack: &Pack, file: &std::fs::File, offset: u64) -> Result<()> {
    window.resize(SPAN_BYTES_MAX, 0);
    let mut filled = 0;
    while let Some(rest) = window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::io(super::READ, format_args!("pack {} at {at}", pack.id), error));
            }
        }
    }
    window.truncate(filled);
    Ok(())
}
