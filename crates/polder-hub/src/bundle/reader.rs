//! Finding items in a bundle.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::layout::{
    CHECKPOINT, Contents, INDEX, Whole, hex, length, part_name, read_bounded, unreadable, wrong,
};
use super::resume::hash_of;
use super::row::{Key, Row, Span};
use crate::error::Result;
use crate::follow::CHECKPOINT_BYTES_MAX;

/// An open bundle.
#[derive(Debug)]
pub(super) struct Bundle {
    dir: PathBuf,
    pub(super) contents: Contents,
    /// The signed end of the log.
    pub(super) note: String,
    index: File,
    rows: u64,
}

impl Bundle {
    /// Opens a bundle, when every file is there and is what `bundle.json` says. All of it is read.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for a file that is missing, [`crate::Kind::Invalid`] for one that is another; both
    /// name it.
    pub(super) fn open(dir: &Path, say: &dyn Fn(&str)) -> Result<Self> {
        let contents = Contents::read(dir)?;
        let path = dir.join(CHECKPOINT);
        let note = read_bounded(&path, length(CHECKPOINT_BYTES_MAX))?;
        check(&path, &contents.checkpoint)?;
        let note = String::from_utf8(note).map_err(|_source| wrong(&path, "it is not UTF-8"))?;
        let path = dir.join(INDEX);
        check(&path, &contents.index)?;
        let index = File::open(&path).map_err(|error| unreadable(&path, error))?;
        for (at, part) in contents.parts.iter().enumerate() {
            let name = part_name(at + 1);
            say(&format!("checking {name}, {} of {}", at + 1, contents.parts.len()));
            check(&dir.join(name), part)?;
        }
        let rows = contents.index.bytes / length(Row::BYTES);
        Ok(Self { dir: dir.to_owned(), contents, note, index, rows })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        format!("bundle {}", self.dir.display())
    }

    /// The item with the largest key up to this one, if it differs from that in its place only.
    pub(super) fn find(&self, key: &Key) -> Result<Option<Row>> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(middle)?.key <= *key { low = middle + 1 } else { high = middle }
        }
        let Some(at) = low.checked_sub(1) else { return Ok(None) };
        let row = self.row(at)?;
        Ok(Some(row).filter(|row| (row.key.kind, row.key.id) == (key.kind, key.id)))
    }

    /// The item with this key.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Span>> {
        Ok(self.find(key)?.filter(|row| row.key == *key).map(|row| row.span))
    }

    fn row(&self, at: u64) -> Result<Row> {
        let path = self.dir.join(INDEX);
        let mut bytes = [0; Row::BYTES];
        let read = self.index.read_exact_at(&mut bytes, at * length(Row::BYTES));
        read.map_err(|error| unreadable(&path, error))?;
        let row = Row::decode(&bytes).filter(|row| row.span.end() <= self.contents.stream_bytes());
        row.ok_or_else(|| wrong(&path, &format!("line {at} is none of an index")))
    }

    /// The bytes of a small item.
    pub(super) fn read(&self, span: Span, bytes_max: usize) -> Result<Bytes> {
        let bytes = usize::try_from(span.bytes).unwrap_or(usize::MAX);
        if bytes > bytes_max {
            let what = format!("an item has {bytes} bytes, and {bytes_max} at most are taken");
            return Err(wrong(&self.dir.join(INDEX), &what));
        }
        let mut content = vec![0; bytes];
        self.fill(span.offset, &mut content)?;
        Ok(content.into())
    }

    /// Reads a place in the stream.
    fn fill(&self, offset: u64, content: &mut [u8]) -> Result<()> {
        let (mut offset, mut rest) = (offset, content);
        while !rest.is_empty() {
            let (number, at) = (offset / self.contents.file_size, offset % self.contents.file_size);
            let room = usize::try_from(self.contents.file_size - at).unwrap_or(usize::MAX).min(rest.len());
            let Some((some, after)) = rest.split_at_mut_checked(room) else { break };
            let path =
                self.dir.join(part_name(usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1)));
            let read = File::open(&path).and_then(|part| part.read_exact_at(some, at));
            read.map_err(|error| unreadable(&path, error))?;
            offset += length(room);
            rest = after;
        }
        Ok(())
    }
}

/// The bytes of an item, one after the other.
pub(super) struct ItemReader {
    bundle: Arc<Bundle>,
    rest: Span,
}

impl ItemReader {
    pub(super) fn new(bundle: Arc<Bundle>, span: Span) -> Self {
        Self { bundle, rest: span }
    }
}

impl Read for ItemReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.rest.bytes).unwrap_or(usize::MAX).min(out.len());
        let out = out.get_mut(..count).unwrap_or_default();
        self.bundle.fill(self.rest.offset, out).map_err(io::Error::other)?;
        self.rest = Span { offset: self.rest.offset + length(count), bytes: self.rest.bytes - length(count) };
        Ok(count)
    }
}

/// Whether a file is what it is said to be.
fn check(path: &Path, said: &Whole) -> Result<()> {
    match hash_of(path, said.bytes) {
        Ok(hash) if hex(hash) == said.sha256 => Ok(()),
        Ok(_) => Err(wrong(path, "its bytes are not those that bundle.json names")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(wrong(path, &format!("it has not the {} bytes that bundle.json names", said.bytes)))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}
