//! The files of rows: lines of JSON, hashed as they are written and before they are read.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_db::DumpedTable;
use polder_types::Sha256;
use polder_xet::FileHash;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sha2::Digest as _;

use super::copy::{hash_of, hex};
use super::manifest::{Manifest, Part, cannot};
use crate::Hub;
use crate::blocking::in_place;
use crate::error::{Error, Result};

/// A file of rows being written.
pub(super) struct PartWriter {
    name: String,
    path: PathBuf,
    out: BufWriter<File>,
    hash: sha2::Sha256,
    rows: u64,
}

impl PartWriter {
    pub(super) fn new(place: &Path, name: &str) -> Result<Self> {
        let path = place.join(name);
        let file = File::create(&path).map_err(|error| cannot("write", &path, error))?;
        let (out, hash) = (BufWriter::with_capacity(1 << 20, file), sha2::Sha256::new());
        Ok(Self { name: name.to_owned(), path, out, hash, rows: 0 })
    }

    pub(super) fn write(&mut self, row: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(row).map_err(Error::internal)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.rows += 1;
        self.out.write_all(&line).map_err(|error| cannot("write", &self.path, error))
    }

    /// Makes it durable.
    pub(super) fn finish(self, columns: Vec<String>) -> Result<Part> {
        let Self { name, path, out, hash, rows } = self;
        let synced = out.into_inner().map_err(std::io::IntoInnerError::into_error);
        synced.and_then(|file| file.sync_all()).map_err(|error| cannot("write", &path, error))?;
        Ok(Part { name, columns, rows, sha256: hex(hash) })
    }
}

/// A file of rows being read.
pub(super) struct PartReader {
    path: PathBuf,
    lines: BufReader<File>,
}

impl PartReader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| cannot("read", path, error))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::with_capacity(1 << 20, file) })
    }

    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line);
        read.map_err(|error| cannot("read", &self.path, error))?;
        if line.is_empty() {
            return Ok(None);
        }
        let row = serde_json::from_slice(&line).map_err(|error| {
            Error::invalid(format!("a line of `{}` cannot be read", self.path.display())).caused_by(error)
        })?;
        Ok(Some(row))
    }
}

/// Checks that every file of rows is what the manifest says.
pub(super) fn check_parts(manifest: &Manifest, place: &Path) -> Result<()> {
    for part in &manifest.parts {
        let path = place.join(&part.name);
        if hash_of(&path)? != part.sha256 {
            return Err(Error::invalid(format!("`{}` is damaged", path.display())));
        }
    }
    Ok(())
}

fn file_name(table: DumpedTable) -> String {
    format!("{}.jsonl", table.name)
}

/// The part of a table.
pub(super) fn part_of(manifest: &Manifest, table: DumpedTable) -> Result<&Part> {
    let name = file_name(table);
    let part = manifest.parts.iter().find(|part| part.name == name && part.columns == table.columns());
    part.ok_or_else(|| Error::invalid(format!("the backup has no table `{}` of this version", table.name)))
}

impl Hub {
    /// Writes every row as of one moment.
    pub(super) async fn write_rows(&self, place: &Path) -> Result<Vec<Part>> {
        let mut dump = self.db.dump().await?;
        let mut parts = Vec::new();
        for table in DumpedTable::all() {
            let mut part = PartWriter::new(place, &file_name(table))?;
            dump.table(table);
            loop {
                let rows = dump.next().await?;
                if rows.is_empty() {
                    break;
                }
                in_place(|| rows.iter().try_for_each(|row| part.write(row)))?;
            }
            parts.push(in_place(|| part.finish(table.columns().into_iter().map(str::to_owned).collect()))?);
        }
        dump.close().await?;
        Ok(parts)
    }
}

/// A stored file that a row names.
pub(super) enum StoredRow {
    Blob { id: i64, bytes: u64, sha256: Sha256, xet: Option<FileHash> },
    Pack { id: i64, bytes: u64 },
}

/// The rows of packs and large objects, as they were written.
pub(super) struct StoredRows {
    tables: Vec<(DumpedTable, PartReader)>,
}

impl StoredRow {
    pub(super) fn all(place: &Path) -> Result<StoredRows> {
        let ours = DumpedTable::all().filter(|table| ["blob", "pack"].contains(&table.name));
        let tables: Result<Vec<_>> =
            ours.map(|table| Ok((table, PartReader::open(&place.join(file_name(table)))?))).collect();
        Ok(StoredRows { tables: tables? })
    }

    /// What a row names; `None` for one that names no file, or one that is on its way out.
    fn read(table: DumpedTable, row: &Json) -> Result<Option<Self>> {
        let unreadable = || Error::internal(format!("a row of `{}` makes no sense", table.name));
        let column =
            |name: &str| table.place_of(name).and_then(|place| row.get(place)).ok_or_else(unreadable);
        let is_live = column("state")?.as_str().ok_or_else(unreadable)? == "live";
        if !is_live || (table.name == "pack" && !column("data")?.is_null()) {
            return Ok(None);
        }
        let id = column("id")?.as_i64().ok_or_else(unreadable)?;
        let length = if table.name == "pack" { "bytes" } else { "size" };
        let bytes = column(length)?.as_u64().ok_or_else(unreadable)?;
        if table.name == "pack" {
            return Ok(Some(Self::Pack { id, bytes }));
        }
        let hash = |value: &Json| value.as_str().and_then(|text| STANDARD.decode(text).ok());
        let sha256 = hash(column("sha256")?).and_then(|hash| Sha256::from_slice(&hash));
        let sha256 = sha256.ok_or_else(unreadable)?;
        let xet = hash(column("xet")?).and_then(|hash| FileHash::from_slice(&hash));
        Ok(Some(Self::Blob { id, bytes, sha256, xet }))
    }
}

impl StoredRows {
    pub(super) fn next(&mut self) -> Result<Option<StoredRow>> {
        while let Some((table, reader)) = self.tables.last_mut() {
            match reader.next::<Json>()? {
                None => drop(self.tables.pop()),
                Some(row) => {
                    if let Some(stored) = StoredRow::read(*table, &row)? {
                        return Ok(Some(stored));
                    }
                }
            }
        }
        Ok(None)
    }
}
