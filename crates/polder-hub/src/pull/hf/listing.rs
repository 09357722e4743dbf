//! The files of one commit, as a server lists them, and what of that cannot be so.

use std::collections::{BTreeMap, HashMap};

use polder_types::limits::{GIT_OBJECT_BYTES_MAX, LFS_OBJECT_BYTES_MAX};
use polder_types::{ObjectId, Sha256};
use serde::Deserialize;

use super::api::Api;
use crate::error::{Error, Result};

/// Most files and folders of one commit.
const ENTRIES_MAX: usize = polder_git::COMMIT_CHANGES_MAX;
/// Most pages of a listing; servers give a thousand entries on each.
const PAGES_MAX: usize = 1_000;

/// What a commit holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: BTreeMap<String, File>,
    /// The ids of folders, by path.
    pub(super) folders: HashMap<String, ObjectId>,
}

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File {
    /// The blob in git: of the pointer, if it is a large one.
    pub(super) blob: ObjectId,
    pub(super) content: Content,
}

/// Where its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// In git, so many.
    Small(u64),
    /// In a large object.
    Large { oid: Sha256, size_bytes: u64 },
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: ObjectId,
    #[serde(default)]
    size: u64,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    oid: Sha256,
    size: u64,
}

impl Api {
    /// Lists the files of a commit, all of them: what the server names elsewhere and does not list is missed.
    pub(super) async fn listing(&self, sha: &str) -> Result<Listing> {
        let info = self.info(Some(sha)).await?;
        if info.sha.as_deref() != Some(sha) {
            return Err(self.wrong(&format!("answers for another commit than {sha}")));
        }
        let mut listing = Listing::default();
        let mut url = self.repo().api_url(&format!("/tree/{sha}?recursive=true"))?;
        for _page in 0..PAGES_MAX {
            let (entries, head) = self.json::<Vec<Entry>>(&url, "the list of files").await?;
            for entry in entries {
                self.add(&mut listing, &entry)?;
            }
            let Some(next) = head.next else {
                let missing = info.siblings.iter().find(|file| !listing.files.contains_key(&file.rfilename));
                return match missing {
                    None => Ok(listing),
                    Some(file) => Err(self.wrong(&format!("has `{}` and does not list it", file.rfilename))),
                };
            };
            if head.url.origin() != self.repo().endpoint().origin() {
                return Err(self.wrong("lists its files on another server"));
            }
            // A proxy may pass on links to the server behind it: only where they go on counts.
            let (_, query) = next.split_once('?').ok_or_else(|| self.wrong("links to no next page"))?;
            url = head.url.join(&format!("{}?{query}", head.url.path()))?;
        }
        Err(self.wrong(&format!("lists its files on more than {PAGES_MAX} pages")))
    }

    fn add(&self, listing: &mut Listing, entry: &Entry) -> Result<()> {
        polder_git::check_path(&entry.path)?;
        let twice = match entry.kind.as_str() {
            "directory" => listing.folders.insert(entry.path.clone(), entry.oid).is_some(),
            "file" => {
                let content = match &entry.lfs {
                    None => Content::Small(entry.size),
                    Some(Large { oid, size }) => Content::Large { oid: *oid, size_bytes: *size },
                };
                check_size(&entry.path, content)?;
                listing.files.insert(entry.path.clone(), File { blob: entry.oid, content }).is_some()
            }
            kind => {
                let kind: String = kind.chars().take(20).collect();
                return Err(self.wrong(&format!("lists `{}`, which is a {kind:?}", entry.path)));
            }
        };
        if twice {
            return Err(self.wrong(&format!("lists `{}` twice", entry.path)));
        }
        if listing.files.len() + listing.folders.len() > ENTRIES_MAX {
            return Err(
                self.wrong(&format!("lists more than {ENTRIES_MAX} files and folders; import it by git"))
            );
        }
        Ok(())
    }

    /// The error of a server that contradicts itself or the rules.
    pub(super) fn wrong(&self, what: &str) -> Error {
        Error::invalid(format!("{} {what} (`{}`)", self.repo().endpoint().origin(), self.repo().path()))
    }
}

fn check_size(path: &str, content: Content) -> Result<()> {
    let (size, max) = match content {
        Content::Small(size) => (size, GIT_OBJECT_BYTES_MAX),
        Content::Large { size_bytes, .. } => (size_bytes, LFS_OBJECT_BYTES_MAX),
    };
    if size > max {
        let message = format!("`{path}` has {size} bytes, more than the {max} that such a file may have");
        return Err(Error::new(crate::Kind::TooLarge, message));
    }
    Ok(())
}
