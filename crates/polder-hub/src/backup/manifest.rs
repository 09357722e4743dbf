//! What a backup directory holds, and the file that says that it is whole.
//!
//! `manifest.json` names everything else and is put in its place last, with one rename: a directory without
//! it is no backup, and while another backup is made into a directory, the one before stays whole.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

pub(super) const MANIFEST: &str = "manifest.json";
/// Packs and large objects, as in a data directory. Shared by all backups made into the directory.
pub(super) const STORE: &str = "store";
/// What the directories of the rows' files begin with; each backup has its own.
pub(super) const DATABASE: &str = "database-";
/// The list of stored files, one JSON object a line.
pub(super) const FILES: &str = "files.jsonl";
/// The version of this layout.
const VERSION: u32 = 1;

/// A whole backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    /// Version of the database's schema.
    pub(super) schema: i64,
    /// When the rows were read (RFC 3339).
    pub(super) made: String,
    /// The hub's public key.
    pub(super) hub: String,
    /// The directory of the rows' files.
    pub(super) database: String,
    /// Each of these files, in the order in which they are loaded, the list of stored files last.
    pub(super) parts: Vec<Part>,
}

/// One file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    /// Names of the columns, for a table.
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
    pub(super) sha256: String,
}

/// A line of the list of stored files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(super) enum Stored {
    Blob { id: i64, bytes: u64, sha256: String, xet: Option<String> },
    Pack { id: i64, bytes: u64, sha256: String, index_sha256: String },
}

impl Manifest {
    pub(super) fn new(hub: String, made: String, database: String, parts: Vec<Part>) -> Self {
        Self { version: VERSION, schema: polder_db::schema_version(), made, hub, database, parts }
    }

    /// Reads the manifest of `dir`, if it has one.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("read", &path, error)),
        };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| {
            Error::invalid(format!("`{}` cannot be read: {error}", path.display())).caused_by(error)
        })?;
        if manifest.version != VERSION {
            return Err(Error::invalid(format!("`{}` is of another version of Polder", path.display())));
        }
        let is_plain = |name: &str| {
            !name.is_empty() && !name.contains('/') && !name.starts_with('.') && !name.contains('\0')
        };
        if !is_plain(&manifest.database) || !manifest.parts.iter().all(|part| is_plain(&part.name)) {
            return Err(Error::invalid(format!("`{}` names files elsewhere", path.display())));
        }
        Ok(Some(manifest))
    }

    /// Puts the manifest in its place, durably.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let (staged, path) = (dir.join("manifest.json.new"), dir.join(MANIFEST));
        let text = serde_json::to_vec_pretty(self).map_err(Error::internal)?;
        let mut file = File::create(&staged).map_err(|error| cannot("write", &staged, error))?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|error| cannot("write", &staged, error))?;
        fs::rename(&staged, &path).map_err(|error| cannot("write", &path, error))?;
        sync(dir)
    }

    /// Where the rows' files are.
    pub(super) fn rows_in(&self, dir: &Path) -> PathBuf {
        dir.join(&self.database)
    }
}

/// Makes `dir` a place for backups of the hub with this key: one that has some, or an empty one.
pub(super) fn prepare(dir: &Path, hub: &str) -> Result<()> {
    make(dir)?;
    if let Some(manifest) = Manifest::read(dir)? {
        if manifest.hub == hub {
            return Ok(());
        }
        return Err(Error::new(Kind::Conflict, format!("`{}` holds backups of another hub", dir.display())));
    }
    for entry in fs::read_dir(dir).map_err(|error| cannot("read", dir, error))? {
        let name = entry.map_err(|error| cannot("read", dir, error))?.file_name();
        let name = name.to_string_lossy();
        let is_ours = name == STORE || name.starts_with(DATABASE) || name.starts_with(MANIFEST);
        if !is_ours && name != "lost+found" {
            let message = format!("`{}` is not empty and holds no backup", dir.display());
            return Err(Error::new(Kind::Conflict, message));
        }
    }
    Ok(())
}

/// Makes a directory that only its owner can look into.
pub(crate) fn make(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| cannot("make", dir, error))
}

pub(crate) fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| cannot("sync", dir, error))
}

pub(crate) fn cannot(doing: &str, path: &Path, error: std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::StorageFull { Kind::Full } else { Kind::Invalid };
    Error::new(kind, format!("cannot {doing} `{}`: {error}", path.display())).caused_by(error)
}
