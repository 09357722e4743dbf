//! Reads that wait for the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::buffer::Buffer;

pub(super) fn read_waiting(file: &File, offset: u64, mut buffer: Buffer) -> io::Result<Buffer> {
    let read = read_some(file, offset, buffer.space())?;
    buffer.truncate(read);
    Ok(buffer)
}

/// Reads bytes for no other use than that the page cache has them.
pub(super) fn fill_page_cache(file: &File, mut range: Range<u64>) -> io::Result<()> {
    while !range.is_empty() {
        let read = read_some(file, range.start, Buffer::take(range.end - range.start).space())?;
        range.start = range.start.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Reads at least one byte.
fn read_some(file: &File, offset: u64, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(space, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
