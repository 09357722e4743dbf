//! The command `object-info` of protocol version 2: sizes of objects without the objects.
//!
//! Source: git `Documentation/gitprotocol-v2.adoc`, `protocol-caps.c`.

use polder_types::ObjectId;

use super::request::id_after;
use crate::pkt_line::{write_flush, write_line};
use crate::walk_reachable::unreachable;
use crate::{Error, ObjectReader, Result, Snapshot};

/// Most objects that one request asks about.
const OBJECTS_MAX: usize = 10_000;

/// What to tell of which objects.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectInfo {
    size: bool,
    ids: Vec<ObjectId>,
}

impl ObjectInfo {
    /// Takes one argument line.
    pub(super) fn take(&mut self, line: &str) -> Result<()> {
        if line == "size" {
            self.size = true;
            return Ok(());
        }
        let Some(id) = line.strip_prefix("oid ") else {
            return Err(Error::refused(format!("object-info: unexpected line: '{line}'")));
        };
        if self.ids.len() >= OBJECTS_MAX {
            return Err(Error::refused(format!("object-info: at most {OBJECTS_MAX} objects in one request")));
        }
        self.ids.push(id_after(line, id)?);
        Ok(())
    }

    /// Appends the answer. Nothing is told of an object that no visible ref reaches: as of one that is
    /// not there, git says its id and no size.
    pub(super) fn write(&self, snapshot: &Snapshot, out: &mut Vec<u8>) -> Result<()> {
        if self.size {
            let mut reader = ObjectReader::new(snapshot);
            let unknown = unreachable(&mut reader, &self.ids, &[])?;
            write_line(out, "size");
            for id in &self.ids {
                let header = if unknown.contains(id) { None } else { reader.header(id)? };
                let size = header.map(|(_, size)| size.to_string()).unwrap_or_default();
                write_line(out, &format!("{id} {size}"));
            }
        }
        write_flush(out);
        Ok(())
    }
}
