//! From a backup to a data directory.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use polder_blob::{ListClaim, Store, blob_path, list_path, pack_paths};
use polder_db::{Db, DumpedTable};
use polder_types::{BlobId, PackId};
use serde_json::Value as Json;

use super::HOLD;
use super::copy::{copy_blob, copy_list, copy_pack};
use super::manifest::{FILES, Manifest, STORE, Stored, cannot};
use super::rows::{PartReader, check_parts, part_of};
use crate::data_dir::{RESTORING, create, lock};
use crate::epochs::agree_anew;
use crate::error::{Error, Kind, Result};
use crate::exchange::Progress;
use crate::hub::HubOptions;
use crate::keys::key_files;
use crate::storage::Storage;

/// Rows written in one transaction.
const ROWS_AT_ONCE: usize = 200;
/// Files between two lines of progress.
const FILES_BETWEEN_LINES: u64 = 500;

/// What was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Rows of the database.
    pub rows: u64,
    /// Packs and large objects.
    pub files: u64,
}

/// Makes the backup in `from` a new data directory. Every hash is checked. One that was interrupted is no
/// data directory: the hub does not open it.
///
/// # Errors
/// [`Kind::Conflict`] when the data directory is not empty, or the database has something in it;
/// [`Kind::Invalid`] when the backup is damaged, not whole, or of another version.
pub async fn restore(options: HubOptions, from: &Path, say: Progress) -> Result<RestoreReport> {
    let manifest = Manifest::read(from)?;
    let manifest = manifest.ok_or_else(|| {
        Error::invalid(format!("`{}` has no manifest: it is no whole backup", from.display()))
    })?;
    let known = polder_db::schema_version();
    if manifest.schema != known {
        return Err(Error::invalid(format!(
            "the backup has schema {}, this version has {known}: restore it with the version that made it, \
             then upgrade",
            manifest.schema
        )));
    }
    let data_dir = options.data_dir.clone();
    require_empty(&data_dir)?;
    let place = manifest.rows_in(from);
    say("checking the backup");
    check_parts(&manifest, &place)?;
    create(&data_dir)?;
    let _lock = lock(&data_dir)?;
    let mark = data_dir.join(RESTORING);
    File::create(&mark).and_then(|file| file.sync_all()).map_err(|error| cannot("write", &mark, error))?;
    let keys_dir = options.shared.store_dir.clone().unwrap_or_else(|| data_dir.clone());
    let opened = Storage::open(&data_dir, options.shared, options.clock).await?;
    let Storage { store, db, starting, .. } = opened;
    require_new(&db, &store).await?;
    for name in key_files(&place) {
        let to = keys_dir.join(name);
        fs::copy(place.join(name), &to).map_err(|error| cannot("write", &to, error))?;
        File::open(&to).and_then(|file| file.sync_all()).map_err(|error| cannot("sync", &to, error))?;
    }
    let mut report = RestoreReport::default();
    db.clear_for_load().await?;
    for table in DumpedTable::all() {
        let part = part_of(&manifest, table)?;
        say(&format!("loading {} ({} rows)", table.name, part.rows));
        let mut reader = PartReader::open(&place.join(&part.name))?;
        let mut rows: Vec<Json> = Vec::new();
        while let Some(row) = reader.next()? {
            rows.push(row);
            if rows.len() == ROWS_AT_ONCE {
                db.load(table, &rows).await?;
                rows.clear();
            }
        }
        db.load(table, &rows).await?;
        report.rows += part.rows;
    }
    db.finish_load().await?;
    db.set_meta(HOLD, "0").await?;
    report.files = copy_files(&place, &from.join(STORE), &store, &say).await?;
    agree_anew(&db, &store).await?;
    db.close().await;
    drop(starting);
    fs::remove_file(&mark).map_err(|error| cannot("remove", &mark, error))?;
    super::manifest::sync(&data_dir)?;
    Ok(report)
}

async fn copy_files(place: &Path, backup: &Path, store: &Store, say: &Progress) -> Result<u64> {
    let (place, backup, store, say) = (place.to_owned(), backup.to_owned(), store.clone(), Arc::clone(say));
    let copy = move || {
        let (mut files, mut count) = (PartReader::open(&place.join(FILES))?, 0_u64);
        while let Some(stored) = files.next::<Stored>()? {
            match stored {
                Stored::Blob { id, bytes, sha256, xet } => {
                    let id = BlobId(id);
                    let sha256 = sha256.parse().map_err(bad_hash)?;
                    copy_blob(&blob_path(&backup, id), &store, id, bytes, &sha256)?;
                    if let Some(xet) = xet {
                        let file_hash = xet.parse().map_err(bad_hash)?;
                        let claim = ListClaim { sha256, size_bytes: bytes, file_hash };
                        copy_list(&list_path(&backup, id), &store, id, &claim)?;
                    }
                }
                Stored::Pack { id, sha256, index_sha256, .. } => {
                    let (pack, index) = pack_paths(&backup, PackId(id));
                    copy_pack((&pack, &index), &store, PackId(id), Some(&(sha256, index_sha256)))?;
                }
            }
            count += 1;
            if count.is_multiple_of(FILES_BETWEEN_LINES) {
                say(&format!("copied {count} files"));
            }
        }
        Ok(count)
    };
    crate::blocking::Door::new(1).run(copy).await
}

fn bad_hash<E>(_error: E) -> Error {
    Error::invalid("the backup has a bad hash")
}

/// Shared storage may be anyone's.
async fn require_new(db: &Db, store: &Store) -> Result<()> {
    if !db.is_empty().await? {
        return Err(Error::new(Kind::Conflict, "the database is not empty: restore into a new one"));
    }
    let mut files = 0_u64;
    store.for_each_file(&mut |_| {
        files += 1;
        Ok(())
    })?;
    if files > 0 {
        return Err(Error::new(Kind::Conflict, "the store is not empty: restore into a new one"));
    }
    Ok(())
}

fn require_empty(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot("read", dir, error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| cannot("read", dir, error))?.file_name();
        if name != "lost+found" {
            let message = format!(
                "the data directory `{}` is not empty: name a new one with --data, or remove it first",
                dir.display()
            );
            return Err(Error::new(Kind::Conflict, message));
        }
    }
    Ok(())
}
