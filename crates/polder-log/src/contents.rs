//! What an event says of a repository: its state, the change, the objects, what it is called and is.

use polder_types::{ObjectId, RepoKind, Sha256, Visibility};

use crate::cbor::Value;
use crate::error::{Error, Result, malformed};
use crate::fields::{Fields, MapWriter, WHAT, array, boolean, bytes, hash, items, nullable, text, uint};

/// Most bytes of changed refs a body holds; with more it holds none, and the ref map tells.
pub const REFS_BYTES_MAX: usize = 8 << 10;
/// Most bytes of objects a body holds; with more it names a manifest.
pub const OBJECTS_BYTES_MAX: usize = 16 << 10;
/// Most tags of a repository.
pub const TAGS_MAX: usize = 256;
/// Longest path, licence, tag or ref name, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 4096;
/// Items that an array within a body of 64 KiB can have at all.
const ITEMS_MAX: usize = 64 << 10;

/// The whole state of a repository's refs, by the hash of its ref map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Hash of the [ref map](crate::RefMap).
    pub refs_sha256: Sha256,
    /// Refs in it, without `HEAD`.
    pub count: u64,
}

impl State {
    pub(crate) fn write(self) -> Value {
        Value::Array(vec![Value::bytes(self.refs_sha256.as_bytes()), Value::Uint(self.count)])
    }

    pub(crate) fn read(value: Value) -> Result<Self> {
        let [refs_sha256, count] = array(value)?;
        Ok(Self { refs_sha256: hash(refs_sha256)?, count: uint(count)? })
    }
}

/// One ref that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// In full, `refs/heads/main`.
    pub name: String,
    /// Where it was; `None` when it is new.
    pub old: Option<ObjectId>,
    /// Where it is; `None` when it is gone.
    pub new: Option<ObjectId>,
}

impl RefChange {
    fn write(&self) -> Value {
        let oid = |oid: Option<ObjectId>| Value::optional(oid, |oid| Value::bytes(oid.as_bytes()));
        Value::Array(vec![Value::text(&self.name), oid(self.old), oid(self.new)])
    }

    fn read(value: Value) -> Result<Self> {
        let [name, old, new] = array(value)?;
        let oid = |value| nullable(value, |value| bytes(value).map(ObjectId::new));
        Ok(Self { name: text(name, NAME_BYTES_MAX)?, old: oid(old)?, new: oid(new)? })
    }

    pub(crate) fn write_all(changes: &[Self]) -> Value {
        Value::Array(changes.iter().map(Self::write).collect())
    }

    pub(crate) fn read_all(value: Value) -> Result<Vec<Self>> {
        let changes: Vec<Self> =
            items(value, ITEMS_MAX)?.into_iter().map(Self::read).collect::<Result<_>>()?;
        check_size(&Self::write_all(&changes), "the refs of a body", REFS_BYTES_MAX)?;
        Ok(changes)
    }
}

/// A large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectEntry {
    /// Its LFS oid.
    pub sha256: Sha256,
    /// In bytes.
    pub size: u64,
    /// Its Xet file hash, once its chunks are known.
    pub xet: Option<Sha256>,
}

/// The large objects that an event made reachable, sorted by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objects {
    /// All of them.
    Inline(Vec<ObjectEntry>),
    /// A file that lists them.
    Manifest {
        /// Hash of the [manifest](crate::ObjectsManifest).
        sha256: Sha256,
        /// Its length in bytes.
        len: u64,
        /// Objects in it.
        count: u64,
        /// Their sizes together.
        bytes: u64,
    },
}

impl Objects {
    pub(crate) fn write(&self) -> Value {
        let entry = |entry: &ObjectEntry| {
            let xet = Value::optional(entry.xet, |xet| Value::bytes(xet.as_bytes()));
            Value::Array(vec![Value::bytes(entry.sha256.as_bytes()), Value::Uint(entry.size), xet])
        };
        match self {
            Self::Inline(entries) => Value::Array(entries.iter().map(entry).collect()),
            Self::Manifest { sha256, len, count, bytes } => {
                let mut map = MapWriter::default();
                map.put(1, Value::bytes(sha256.as_bytes()));
                map.put(2, Value::Uint(*len));
                map.put(3, Value::Uint(*count));
                map.put(4, Value::Uint(*bytes));
                map.finish(&[])
            }
        }
    }

    pub(crate) fn read(value: Value) -> Result<Self> {
        if let Value::Array(_) = value {
            let entry = |value| {
                let [sha256, size, xet] = array(value)?;
                Ok(ObjectEntry { sha256: hash(sha256)?, size: uint(size)?, xet: nullable(xet, hash)? })
            };
            let entries = items(value, ITEMS_MAX)?.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
            if !entries.is_sorted_by(|one, other| one.sha256 < other.sha256) {
                return Err(malformed(WHAT, "its objects are not sorted"));
            }
            let objects = Self::Inline(entries);
            check_size(&objects.write(), "the objects of a body", OBJECTS_BYTES_MAX)?;
            return Ok(objects);
        }
        let mut map = Fields::new(value)?;
        let manifest = Self::Manifest {
            sha256: map.required(1, hash)?,
            len: map.required(2, uint)?,
            count: map.required(3, uint)?,
            bytes: map.required(4, uint)?,
        };
        if map.rest().is_empty() {
            Ok(manifest)
        } else {
            Err(malformed(WHAT, "its manifest has more fields"))
        }
    }
}

pub(crate) fn check_size(value: &Value, what: &'static str, limit: usize) -> Result<()> {
    let mut out = Vec::new();
    value.encode(&mut out);
    if out.len() <= limit { Ok(()) } else { Err(Error::TooLarge { what, limit }) }
}

/// What a repository is called and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// What it holds.
    pub kind: RepoKind,
    /// `namespace/name`, the namespace by its own name and without the kind.
    pub path: String,
    /// An SPDX identifier or what the owner wrote.
    pub license: Option<String>,
    /// What it is found by.
    pub tags: Vec<String>,
    /// Whether readers must agree to something first.
    pub gated: bool,
    /// Who may read it. A private one is told of once, and nothing else of it.
    pub visibility: Visibility,
    /// What `HEAD` points to, in full.
    pub default_branch: String,
    /// Fields of later versions.
    pub(crate) rest: Vec<(u64, Value)>,
}

impl Meta {
    /// A public repository without licence, tags or gate.
    pub fn new(kind: RepoKind, path: String, default_branch: String) -> Self {
        Self {
            kind,
            path,
            license: None,
            tags: Vec::new(),
            gated: false,
            visibility: Visibility::Public,
            default_branch,
            rest: Vec::new(),
        }
    }

    pub(crate) fn write(&self) -> Value {
        let mut map = MapWriter::default();
        map.put(1, Value::text(self.kind.as_str()));
        map.put(2, Value::text(&self.path));
        map.put_some(3, self.license.as_deref().map(Value::text));
        map.put(4, Value::Array(self.tags.iter().map(|tag| Value::text(tag)).collect()));
        map.put(5, Value::Bool(self.gated));
        map.put(6, Value::text(self.visibility.as_str()));
        map.put(7, Value::text(&self.default_branch));
        map.finish(&self.rest)
    }

    pub(crate) fn read(value: Value) -> Result<Self> {
        fn word<T: std::str::FromStr>(value: Value) -> Result<T> {
            text(value, NAME_BYTES_MAX)?
                .parse()
                .map_err(|_source| malformed(WHAT, "a word of its meta is not known"))
        }
        let name = |value| text(value, NAME_BYTES_MAX);
        let mut map = Fields::new(value)?;
        Ok(Self {
            kind: map.required(1, word)?,
            path: map.required(2, name)?,
            license: map.optional(3, name)?,
            tags: map.required(4, |tags| items(tags, TAGS_MAX)?.into_iter().map(name).collect())?,
            gated: map.required(5, boolean)?,
            visibility: map.required(6, word)?,
            default_branch: map.required(7, name)?,
            rest: map.rest(),
        })
    }
}
