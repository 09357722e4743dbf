//! Manifests: the large objects of an event that are too many for its body.

use polder_types::Sha256;

use crate::contents::{OBJECTS_BYTES_MAX, ObjectEntry, Objects, check_size};
use crate::error::{Error, Result, malformed};
use crate::hash::sha256;
use crate::reader::Reader;

/// Most objects in a manifest.
pub const MANIFEST_OBJECTS_MAX: usize = 1_000_000;
/// Bytes of one row: hash, size, Xet hash or zeros.
const ROW_BYTES: usize = 72;
const WHAT: &str = "a manifest";

/// Large objects sorted by hash; a file of rows `sha256[32] | size u64 | xet[32]`.
///
/// ```
/// use polder_log::{ObjectEntry, ObjectsManifest};
/// use polder_types::Sha256;
/// let object = ObjectEntry { sha256: Sha256::new([1; 32]), size: 5, xet: None };
/// let manifest = ObjectsManifest::new(vec![object, object]).unwrap();
/// assert_eq!(manifest.entries(), [object]);
/// assert_eq!(ObjectsManifest::decode(&manifest.encode()), Ok(manifest));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectsManifest(Vec<ObjectEntry>);

impl ObjectsManifest {
    /// Sorts the objects, each of which stays once.
    ///
    /// # Errors
    /// When there are too many, or two claims about one object.
    pub fn new(mut entries: Vec<ObjectEntry>) -> Result<Self> {
        entries.sort_unstable();
        entries.dedup();
        if entries.len() > MANIFEST_OBJECTS_MAX {
            return Err(Error::TooLarge { what: "the objects of a manifest", limit: MANIFEST_OBJECTS_MAX });
        }
        let manifest = Self(entries);
        manifest.check().map(|()| manifest)
    }

    fn check(&self) -> Result<()> {
        let sorted = self.0.is_sorted_by(|one, other| one.sha256 < other.sha256);
        if sorted {
            Ok(())
        } else {
            Err(malformed(WHAT, "its objects are not sorted, or one is there twice"))
        }
    }

    /// The objects, sorted by hash.
    pub fn entries(&self) -> &[ObjectEntry] {
        &self.0
    }

    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let none = Sha256::new([0; 32]);
        let row = |entry: &ObjectEntry| {
            let xet = entry.xet.unwrap_or(none);
            [&entry.sha256.as_bytes()[..], &entry.size.to_be_bytes(), xet.as_bytes()].concat()
        };
        self.0.iter().flat_map(row).collect()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not sorted rows, or passes a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MANIFEST_OBJECTS_MAX * ROW_BYTES {
            return Err(Error::TooLarge { what: WHAT, limit: MANIFEST_OBJECTS_MAX * ROW_BYTES });
        }
        let entry = |row| {
            let mut row = Reader::new(row, WHAT);
            let (sha256, size, xet) = (row.sha256()?, row.u64()?, row.sha256()?);
            Ok(ObjectEntry { sha256, size, xet: Some(xet).filter(|xet| !xet.is_zero()) })
        };
        let manifest = Self(bytes.chunks(ROW_BYTES).map(entry).collect::<Result<_>>()?);
        manifest.check().map(|()| manifest)
    }

    /// Its hash, by which events name it.
    pub fn sha256(&self) -> Sha256 {
        sha256(&[&self.encode()])
    }

    /// What an event says of these objects: all of it when it is little, else where to find it.
    pub fn objects(&self) -> Objects {
        let inline = Objects::Inline(self.0.clone());
        if check_size(&inline.write(), WHAT, OBJECTS_BYTES_MAX).is_ok() {
            return inline;
        }
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Objects::Manifest {
            sha256: self.sha256(),
            len: number(self.0.len() * ROW_BYTES),
            count: number(self.0.len()),
            bytes: self.0.iter().fold(0, |sum, entry| sum.saturating_add(entry.size)),
        }
    }
}
