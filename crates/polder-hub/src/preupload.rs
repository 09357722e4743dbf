//! Before an upload: which files go into git, which into the large-object store, and which are left out.

use polder_git::{Attributes, Ignore};
use polder_types::ObjectId;
use polder_types::limits::REGULAR_FILE_BYTES_MAX;

use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::error::Result;
use crate::files::OpenError;

/// Longest `.gitattributes` or `.gitignore` that is read here, in bytes.
const RULES_BYTES_MAX: u64 = 8 << 20;

/// A file that a client is about to upload.
#[derive(Debug, Clone)]
pub struct UploadCandidate {
    /// From the root, parts joined by `/`.
    pub path: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its first bytes.
    pub sample: Vec<u8>,
}

/// Where a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadMode {
    /// Into git, with the commit.
    Regular,
    /// Into the large-object store, before the commit.
    Lfs,
}

/// The answer for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preupload {
    /// The file asked about.
    pub path: String,
    /// Where it goes.
    pub mode: UploadMode,
    /// Whether the ignore rules leave it out.
    pub ignored: bool,
    /// Hash of what is there now: of the large object if it is one, else git's of the blob.
    pub oid: Option<String>,
}

impl Hub {
    /// Answers for each file. `ignore` is the text of a `.gitignore` that comes with the upload; without
    /// one, the repository's own counts.
    ///
    /// # Errors
    /// [`OpenError::Revision`] for an unknown revision.
    pub async fn preupload<L: Contributes>(
        &self,
        grant: &Grant<L>,
        revision: &str,
        files: Vec<UploadCandidate>,
        ignore: Option<String>,
    ) -> Result<Vec<Preupload>, OpenError> {
        let read = grant.as_read();
        let commit_id = self.find_revision(&read, revision).await?;
        let held = self.held(grant.repo_id()).await?;
        let answers = self.leaf.run(move || {
            let rules = |name| rules_file(&held.snapshot, commit_id, name);
            let attributes = Attributes::parse(&rules(".gitattributes")?);
            let ignore = match ignore {
                Some(text) => Ignore::parse(&text),
                None => Ignore::parse(&String::from_utf8_lossy(&rules(".gitignore")?)),
            };
            let mut answers = Vec::with_capacity(files.len());
            for file in files {
                let entry = match commit_id {
                    Some(commit_id) => found(polder_git::entry(&held.snapshot, commit_id, &file.path))?,
                    None => None,
                };
                let entry = entry.filter(|entry| entry.kind.is_blob());
                let oid = entry.map(|entry| match entry.pointer {
                    Some(pointer) => pointer.oid.to_string(),
                    None => entry.oid.to_string(),
                });
                let (mode, ignored) = (mode(&attributes, &file), ignore.ignores(&file.path));
                answers.push(Preupload { path: file.path, mode, ignored, oid });
            }
            Ok(answers)
        });
        Ok(answers.await?)
    }
}

fn found<T>(result: polder_git::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(polder_git::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The content of a rules file at the root; empty where there is none, or one that is too long to be read.
fn rules_file(
    snapshot: &polder_git::Snapshot,
    commit_id: Option<ObjectId>,
    name: &str,
) -> Result<bytes::Bytes> {
    let Some(commit_id) = commit_id else { return Ok(bytes::Bytes::new()) };
    match found(polder_git::entry(snapshot, commit_id, name))? {
        Some(entry)
            if entry.kind.is_file() && entry.size_bytes.is_some_and(|size| size <= RULES_BYTES_MAX) =>
        {
            Ok(polder_git::read_file(snapshot, entry.oid)?)
        }
        _ => Ok(bytes::Bytes::new()),
    }
}

/// What the attributes say counts; else large files and those that are no text are stored with LFS.
fn mode(attributes: &Attributes, file: &UploadCandidate) -> UploadMode {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let is_lfs = if file.size_bytes == 0 || name == ".gitattributes" {
        false
    } else {
        attributes
            .is_lfs(&file.path)
            .unwrap_or(file.size_bytes > REGULAR_FILE_BYTES_MAX || !is_text(&file.sample))
    };
    // What git itself could not hold goes to LFS whatever the attributes say.
    if is_lfs || file.size_bytes > polder_types::limits::GIT_OBJECT_BYTES_MAX {
        UploadMode::Lfs
    } else {
        UploadMode::Regular
    }
}

/// Whether the beginning of a file is UTF-8 without NUL; the last character may be cut.
fn is_text(sample: &[u8]) -> bool {
    let is_utf8 = match str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !sample.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_before_size_and_size_before_content() {
        let attributes = Attributes::parse(b"*.bin filter=lfs\n*.json -filter\n");
        let decide = |path: &str, size_bytes, sample: &[u8]| {
            mode(&attributes, &UploadCandidate { path: path.to_owned(), size_bytes, sample: sample.to_vec() })
        };
        let (regular, lfs) = (UploadMode::Regular, UploadMode::Lfs);
        assert_eq!(decide("a.bin", 3, b"abc"), lfs);
        assert_eq!(decide("a.bin", 0, b""), regular);
        assert_eq!(decide("a.json", 20 << 20, b"{"), regular);
        assert_eq!(decide("a.json", 65 << 20, b"{"), lfs);
        assert_eq!(decide("a.txt", 11 << 20, b"text"), lfs);
        assert_eq!(decide("a.txt", 9, "text 模".as_bytes()), regular);
        assert_eq!(decide("a.txt", 9, &"text 模".as_bytes()[..6]), regular);
        assert_eq!(decide("a.unknown", 9, b"\x89PNG\r\n"), lfs);
        assert_eq!(decide("a.unknown", 9, b"a\0b"), lfs);
        assert_eq!(decide("d/.gitattributes", 20 << 20, b"x"), regular);
    }
}
