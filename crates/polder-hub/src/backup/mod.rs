//! Backups: made while the hub serves, restored into an empty data directory, of either engine.
//!
//! The rows are read as of one moment, then the files that they name are copied; these never change, and
//! none of them is swept before the backup ends ([`Hub::is_sweep_held`]). So every ref of a backup has its
//! objects. Made again into the same directory, a backup copies only what is new.

mod copy;
mod manifest;
mod restore;
mod rows;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use polder_blob::{FileKind, ListClaim, Store};
use polder_types::{BlobId, PackId, failpoint};

use self::copy::{PackHashes, copy_blob, copy_list, copy_pack};
use self::manifest::{DATABASE, FILES, Manifest, Part, STORE, Stored, prepare};
use self::rows::{PartReader, PartWriter, StoredRow};
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::exchange::Progress;
use crate::keys::key_files;

pub(crate) use manifest::{cannot, make, sync};
pub use restore::{RestoreReport, restore};

/// Until when nothing may be removed from the store, in milliseconds.
const HOLD: &str = "backup_holds_until";
/// How long a hold lasts that nobody renews or ends, in seconds.
const HOLD_SECONDS: i64 = 24 * 3600;
/// Files between two lines of progress, at each of which the hold is renewed.
const FILES_BETWEEN_LINES: u64 = 500;

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Rows of the database.
    pub rows: u64,
    /// Packs and large objects.
    pub files: u64,
    /// Those of them that were not there from before.
    pub copied: u64,
}

impl Hub {
    /// Makes a backup into `dir`, which is empty or has backups of this hub, while everything goes on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when `dir` is something else, or a backup runs; [`Kind::Invalid`] when a file is
    /// damaged or `dir` cannot be written. The backup that was there before stays whole.
    pub async fn backup(&self, dir: &Path, say: Progress) -> Result<BackupReport> {
        let Ok(_alone) = self.backing_up.try_lock() else {
            return Err(Error::new(Kind::Conflict, "a backup is made already; wait for it"));
        };
        if dir.starts_with(&self.data_dir) || self.data_dir.starts_with(dir) {
            return Err(Error::invalid("a backup must not be inside the data directory, nor around it"));
        }
        prepare(dir, &self.keys.public_key())?;
        self.hold_sweeps().await?;
        let made = self.make_backup(dir, &say).await;
        self.db.set_meta(HOLD, "0").await?;
        let report = made?;
        self.record(Entry::operator("backup").with("rows", report.rows).with("files", report.files)).await;
        Ok(report)
    }

    /// Whether a backup needs everything that it has seen.
    pub(crate) async fn is_sweep_held(&self) -> Result<bool> {
        let until = self.db.meta(HOLD).await?.and_then(|until| until.parse::<i64>().ok());
        Ok(until.is_some_and(|until| until > self.clock.now().0))
    }

    async fn hold_sweeps(&self) -> Result<()> {
        let until = self.clock.now().plus_seconds(HOLD_SECONDS);
        Ok(self.db.set_meta(HOLD, &until.0.to_string()).await?)
    }

    async fn make_backup(&self, dir: &Path, say: &Progress) -> Result<BackupReport> {
        let before = Manifest::read(dir)?;
        let made = self.clock.now().rfc3339();
        let database = format!("{DATABASE}{:016x}", self.db.next_id());
        let place = dir.join(&database);
        make(&place)?;
        say("reading the database");
        let mut parts = self.write_rows(&place).await?;
        let mut report =
            BackupReport { rows: parts.iter().map(|part| part.rows).sum(), ..Default::default() };
        for name in key_files(&self.keys.dir) {
            let (from, to) = (self.keys.dir.join(name), place.join(name));
            fs::copy(&from, &to).map_err(|error| cannot("write", &to, error))?;
            fs::File::open(&to)
                .and_then(|file| file.sync_all())
                .map_err(|error| cannot("sync", &to, error))?;
        }
        let known = match &before {
            Some(before) => known_packs(&before.rows_in(dir))?,
            None => HashMap::new(),
        };
        let (files, kept) = self.copy_files(dir, &place, known, &mut report, say).await?;
        parts.push(files);
        sync(&place)?;
        failpoint::hit("backup.before_manifest");
        Manifest::new(self.keys.public_key(), made, database.clone(), parts).write(dir)?;
        say("removing what only older backups had");
        remove_older(dir, &database, &kept)?;
        Ok(report)
    }

    /// Copies every file that the rows name; the list of them, and their ids.
    async fn copy_files(
        &self,
        dir: &Path,
        place: &Path,
        known: HashMap<i64, PackHashes>,
        report: &mut BackupReport,
        say: &Progress,
    ) -> Result<(Part, Kept)> {
        let store = Store::open(&dir.join(STORE))?;
        let (mut list, mut kept) = (PartWriter::new(place, FILES)?, Kept::default());
        let mut rows = StoredRow::all(place)?;
        while let Some(row) = rows.next()? {
            if report.files.is_multiple_of(FILES_BETWEEN_LINES) {
                self.hold_sweeps().await?;
                say(&format!("copied {} of {} files so far", report.copied, report.files));
            }
            let (from, to) = (self.store.clone(), store.clone());
            let (copied, stored) = match row {
                StoredRow::Blob { id, bytes, sha256, xet } => {
                    kept.blobs.insert(id);
                    let copy = move || {
                        let copied = copy_blob(&from.blob_path(BlobId(id)), &to, BlobId(id), bytes, &sha256)?;
                        if let Some(file_hash) = xet {
                            let claim = ListClaim { sha256, size_bytes: bytes, file_hash };
                            copy_list(&from.list_path(BlobId(id)), &to, BlobId(id), &claim)?;
                        }
                        Ok(copied)
                    };
                    let (sha256, xet) = (sha256.to_string(), xet.map(|xet| xet.to_string()));
                    (self.leaf.run(copy).await?, Stored::Blob { id, bytes, sha256, xet })
                }
                StoredRow::Pack { id, bytes } => {
                    kept.packs.insert(id);
                    let known = known.get(&id).cloned();
                    let copy = move || {
                        let (pack, index) = from.pack_paths(PackId(id));
                        copy_pack((&pack, &index), &to, PackId(id), known.as_ref())
                    };
                    let (copied, (sha256, index_sha256)) = self.leaf.run(copy).await?;
                    (copied, Stored::Pack { id, bytes, sha256, index_sha256 })
                }
            };
            list.write(&stored)?;
            report.files += 1;
            report.copied += u64::from(copied);
        }
        Ok((list.finish(Vec::new())?, kept))
    }
}

/// Ids of the files that a backup names.
#[derive(Debug, Default)]
struct Kept {
    blobs: HashSet<i64>,
    packs: HashSet<i64>,
}

/// Hashes of the packs that a backup has.
fn known_packs(place: &Path) -> Result<HashMap<i64, PackHashes>> {
    let mut known = HashMap::new();
    let mut files = PartReader::open(&place.join(FILES))?;
    while let Some(stored) = files.next::<Stored>()? {
        if let Stored::Pack { id, sha256, index_sha256, .. } = stored {
            known.insert(id, (sha256, index_sha256));
        }
    }
    Ok(known)
}

/// Removes what the newest manifest does not name.
fn remove_older(dir: &Path, database: &str, kept: &Kept) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| cannot("read", dir, error))? {
        let entry = entry.map_err(|error| cannot("read", dir, error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(DATABASE) && name != database {
            fs::remove_dir_all(entry.path()).map_err(|error| cannot("remove", &entry.path(), error))?;
        }
    }
    let store = Store::open(&dir.join(STORE))?;
    let (mut blobs, mut packs) = (Vec::new(), HashSet::new());
    store.for_each_file(&mut |file| {
        match file.kind {
            FileKind::Blob(id) if !kept.blobs.contains(&id.0) => blobs.push(id),
            FileKind::Pack(id) | FileKind::Index(id) if !kept.packs.contains(&id.0) => {
                packs.insert(id);
            }
            _ => {}
        }
        Ok(())
    })?;
    for id in blobs {
        store.remove_blob(id)?;
    }
    for id in packs {
        store.remove_pack(id)?;
    }
    Ok(())
}
