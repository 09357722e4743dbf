//! Beginning an export, or going on with one that was stopped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::layout::{
    BUNDLE, JOURNAL, PLAN, Whole, hex, length, part_name, read_bounded, read_json, write_json, write_whole,
};
use super::row::{Kind, ROWS_MAX, Row, Span};
use super::writer::{OpenPart, Writer};
use crate::backup::{cannot, make};
use crate::error::{Error, Kind as ErrorKind, Result};

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Most bytes of a journal: a row for each item, and for each part.
const JOURNAL_BYTES_MAX: u64 = 240_000_000;

/// What an export was asked for, and the end of the log that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) asked: Asked,
    pub(super) size: u64,
    /// The signed end.
    pub(super) note: String,
}

/// What an export was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) origin: String,
    pub(super) epoch: u32,
    pub(super) from: u64,
    pub(super) select: Vec<String>,
    pub(super) file_size: u64,
}

/// Makes `dir` the place of an export: the plan of the one that was stopped there, or else `fresh`.
///
/// # Errors
/// [`ErrorKind::Conflict`] when there is something else.
pub(super) fn prepare(dir: &Path, fresh: Plan) -> Result<Plan> {
    make(dir)?;
    let conflict = |what: &str| Error::new(ErrorKind::Conflict, format!("`{}` {what}", dir.display()));
    if dir.join(BUNDLE).exists() {
        return Err(conflict("has a bundle already"));
    }
    if let Some(plan) = read_json::<Plan>(dir, PLAN)? {
        return if plan.asked == fresh.asked {
            Ok(plan)
        } else {
            Err(conflict("has an unfinished export that was asked for something else"))
        };
    }
    for entry in fs::read_dir(dir).map_err(|error| cannot("read", dir, error))? {
        let name = entry.map_err(|error| cannot("read", dir, error))?.file_name();
        if name != "lost+found" && !name.to_string_lossy().starts_with(PLAN) {
            return Err(conflict("is not empty, and has no export to go on with"));
        }
    }
    write_json(dir, PLAN, &fresh)?;
    Ok(fresh)
}

/// What the journal tells of, as far as the parts are what it says.
#[derive(Default)]
struct Done {
    items: Vec<Row>,
    parts: Vec<Row>,
}

impl Done {
    fn read(dir: &Path, file_size: u64, say: &dyn Fn(&str)) -> Result<Self> {
        let rows = match read_bounded(&dir.join(JOURNAL), JOURNAL_BYTES_MAX) {
            Ok(rows) => rows,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let (mut done, mut checked) = (Self::default(), 0);
        let (rows, _torn) = rows.as_chunks::<{ Row::BYTES }>();
        for row in rows.iter().map_while(Row::decode).take(ROWS_MAX) {
            if row.key.kind != Kind::Part {
                done.items.push(row);
                continue;
            }
            let number = done.parts.len() + 1;
            let is_next =
                row.key.at == length(number) && row.span.offset == checked && row.span.bytes <= file_size;
            if !is_next {
                break;
            }
            say(&format!("checking {}", part_name(number)));
            if hash_of(&dir.join(part_name(number)), row.span.bytes).ok() != Some(*row.key.id.as_bytes()) {
                break;
            }
            checked = row.span.end();
            done.parts.push(row);
        }
        // What reached beyond the last part that is whole is written again.
        done.items.retain(|row| row.span.end() <= checked);
        Ok(done)
    }

    fn end(&self) -> u64 {
        self.items.iter().map(|row| row.span.end()).max().unwrap_or(0)
    }
}

/// The writer, after what an export that was stopped has written.
pub(super) fn resume(dir: &Path, file_size: u64, say: &dyn Fn(&str)) -> Result<Writer> {
    let done = Done::read(dir, file_size, say)?;
    let offset = done.end();
    let full: Vec<&Row> =
        done.parts.iter().filter(|row| row.span.bytes == file_size && row.span.end() <= offset).collect();
    let mut rows = Vec::new();
    let mut items = done.items.iter();
    let mut taken = items.next();
    // As it would be had only that been written: each item before the part in which it ends.
    for part in &full {
        while let Some(item) = taken.filter(|item| item.span.end() <= part.span.end()) {
            rows.extend(item.encode());
            taken = items.next();
        }
        rows.extend(part.encode());
    }
    let unsaved: Vec<Row> = taken.into_iter().chain(items).copied().collect();
    let parts: Vec<Whole> =
        full.iter().map(|row| Whole { bytes: row.span.bytes, sha256: hex(*row.key.id.as_bytes()) }).collect();
    let open = reopen(&dir.join(part_name(parts.len() + 1)), offset % file_size)?;
    remove_after(dir, parts.len() + usize::from(open.is_some()))?;
    write_whole(dir, JOURNAL, &rows)?;
    let path = dir.join(JOURNAL);
    let journal =
        OpenOptions::new().append(true).open(&path).map_err(|error| cannot("write", &path, error))?;
    let items: BTreeMap<_, Span> = done.items.iter().map(|row| (row.key, row.span)).collect();
    let dir = PathBuf::from(dir);
    Ok(Writer { dir, file_size, parts, open, offset, items, journal, unsaved, failure: None })
}

/// A part of which the first bytes stay.
fn reopen(path: &Path, bytes: u64) -> Result<Option<OpenPart>> {
    if bytes == 0 {
        return Ok(None);
    }
    let failed = |error| cannot("write", path, error);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    file.set_len(bytes).map_err(failed)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    Ok(Some(OpenPart { file, hash, bytes }))
}

/// Removes the parts behind the first `count`.
fn remove_after(dir: &Path, count: usize) -> Result<()> {
    for number in count + 1.. {
        let path = dir.join(part_name(number));
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(cannot("remove", &path, error)),
        }
    }
    Ok(())
}

/// The hash of a file that has so many bytes.
pub(super) fn hash_of(path: &Path, bytes: u64) -> std::io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != bytes {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let (mut hash, mut buffer) = (sha2::Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
