//! The files of a bundle, and the one that says what all others are.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use polder_types::Sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::row::Row;
use crate::backup::{cannot, sync};
use crate::error::{Error, Result};

pub(super) const BUNDLE: &str = "bundle.json";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const INDEX: &str = "index";
/// What the next export goes on from.
pub(super) const CURSOR: &str = "cursor.json";
/// What an export under way writes.
pub(super) const PLAN: &str = "unfinished.json";
pub(super) const JOURNAL: &str = "unfinished.index";
/// The version of this layout.
pub(super) const VERSION: u32 = 1;
/// Least and most bytes of a part.
pub(super) const PART_BYTES_MIN: u64 = 64 << 10;
pub(super) const PART_BYTES_MAX: u64 = 1 << 50;
/// Most parts.
pub(super) const PARTS_MAX: usize = 100_000;
/// Most bytes of one of the files in JSON.
const JSON_BYTES_MAX: u64 = 32 << 20;
/// Most bytes of the index: `ROWS_MAX` rows.
const INDEX_BYTES_MAX: u64 = 228_000_000;

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whole {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Whole {
    pub(super) fn of(content: &[u8]) -> Self {
        Self { bytes: length(content.len()), sha256: hex(sha2::Sha256::digest(content).into()) }
    }
}

pub(super) fn hex(hash: [u8; 32]) -> String {
    Sha256::new(hash).to_string()
}

pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    pub(super) version: u32,
    /// The hub whose log it has, and which of its logs.
    pub(super) origin: String,
    pub(super) epoch: u32,
    /// The first event, and how many there are with those before.
    pub(super) from: u64,
    pub(super) size: u64,
    /// Which repositories it has.
    pub(super) select: Vec<String>,
    /// Bytes of each part but the last.
    pub(super) file_size: u64,
    pub(super) checkpoint: Whole,
    pub(super) index: Whole,
    pub(super) parts: Vec<Whole>,
}

/// The file: the contents, and the hash of their JSON without spaces.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    bundle: Contents,
    sha256: String,
}

impl Contents {
    /// Bytes of all parts.
    pub(super) fn stream_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }

    fn seal(&self) -> Result<String> {
        let text = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(hex(sha2::Sha256::digest(&text).into()))
    }

    /// Puts it in its place: from then on the directory is a bundle.
    pub(super) fn write(self, dir: &Path) -> Result<()> {
        let sha256 = self.seal()?;
        write_json(dir, BUNDLE, &Sealed { bundle: self, sha256 })
    }

    /// Reads it; all that it says of sizes fits together.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(BUNDLE);
        let Some(Sealed { bundle, sha256 }) = read_json::<Sealed>(dir, BUNDLE)? else {
            let message = format!("`{}` is not there: no bundle, or one that is not whole", path.display());
            return Err(Error::not_found(message));
        };
        if bundle.version != VERSION {
            return Err(wrong(&path, "it is of another version of Polder"));
        }
        if bundle.seal()? != sha256 {
            return Err(wrong(&path, "it is not what its own hash says"));
        }
        let whole = bundle.parts.iter().rev().skip(1).all(|part| part.bytes == bundle.file_size);
        let last = bundle.parts.last().is_none_or(|last| last.bytes <= bundle.file_size);
        let fits = (PART_BYTES_MIN..=PART_BYTES_MAX).contains(&bundle.file_size)
            && bundle.parts.len() <= PARTS_MAX
            && bundle.from <= bundle.size
            && bundle.index.bytes <= INDEX_BYTES_MAX
            && bundle.index.bytes.is_multiple_of(length(Row::BYTES));
        if whole && last && fits { Ok(bundle) } else { Err(wrong(&path, "its numbers do not fit together")) }
    }
}

/// The name of a part; they are counted from 1.
pub(super) fn part_name(number: usize) -> String {
    format!("{number:06}.part")
}

/// What is wrong with a file.
pub(super) fn wrong(path: &Path, what: &str) -> Error {
    Error::invalid(format!("`{}`: {what}", path.display()))
}

/// Reads a file in JSON, if it is there.
pub(super) fn read_json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Option<T>> {
    let path = dir.join(name);
    let text = match read_bounded(&path, JSON_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == crate::Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| wrong(&path, &format!("it cannot be read: {error}")).caused_by(error))
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// [`crate::Kind::NotFound`] when it is not there.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, error))?;
    if length(bytes.len()) > bytes_max {
        return Err(wrong(path, &format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Why a file of a bundle cannot be read.
pub(super) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::not_found(format!("`{}` is missing", path.display())).caused_by(error)
        }
        _ => cannot("read", path, error),
    }
}

/// Puts a file in its place, durably and in one step.
pub(super) fn write_json<T: Serialize>(dir: &Path, name: &str, value: &T) -> Result<()> {
    write_whole(dir, name, &serde_json::to_vec_pretty(value).map_err(Error::internal)?)
}

/// Puts a file in its place, durably and in one step.
pub(super) fn write_whole(dir: &Path, name: &str, content: &[u8]) -> Result<()> {
    let (staged, path): (PathBuf, PathBuf) = (dir.join(format!("{name}.new")), dir.join(name));
    let mut file = File::create(&staged).map_err(|error| cannot("write", &staged, error))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| cannot("write", &staged, error))?;
    fs::rename(&staged, &path).map_err(|error| cannot("write", &path, error))?;
    sync(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::row::ROWS_MAX;

    fn contents() -> Contents {
        Contents {
            version: VERSION,
            origin: "hub.example.org".to_owned(),
            epoch: 1,
            from: 0,
            size: 3,
            select: vec!["acme/*".to_owned()],
            file_size: PART_BYTES_MIN,
            checkpoint: Whole::of(b"a note"),
            index: Whole::of(&[0; Row::BYTES]),
            parts: vec![Whole { bytes: PART_BYTES_MIN, ..Whole::of(b"") }, Whole::of(b"the rest")],
        }
    }

    #[test]
    fn no_byte_of_it_can_be_another() {
        let dir = tempfile::tempdir().unwrap();
        contents().write(dir.path()).unwrap();
        assert_eq!(Contents::read(dir.path()).unwrap(), contents());
        let path = dir.path().join(BUNDLE);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            match Contents::read(dir.path()) {
                // White space of another kind.
                Ok(read) => assert!(good[at].is_ascii_whitespace() && read == contents(), "byte {at}"),
                Err(error) => assert!(error.message().contains(BUNDLE), "{error}"),
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_together_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(length(ROWS_MAX * Row::BYTES), INDEX_BYTES_MAX);
        let changes: [fn(&mut Contents); 7] = [
            |it| it.version = 2,
            |it| it.from = 4,
            |it| it.file_size = 1,
            |it| it.file_size = PART_BYTES_MAX + 1,
            |it| it.index.bytes += 1,
            |it| it.index.bytes = INDEX_BYTES_MAX + length(Row::BYTES),
            |it| it.parts.reverse(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut bad = contents();
            change(&mut bad);
            bad.write(dir.path()).unwrap();
            let error = Contents::read(dir.path()).unwrap_err();
            assert!(
                error.kind() == crate::Kind::Invalid && error.message().contains(BUNDLE),
                "{number}: {error}"
            );
        }
    }
}
