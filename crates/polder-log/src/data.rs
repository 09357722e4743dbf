//! What events of hubs and namespaces say: keys, operations, erasures, snapshots, attestations.

use polder_types::Sha256;

use crate::cbor::Value;
use crate::error::{Result, malformed};
use crate::event_type::EventType;
use crate::fields::{Fields, MapWriter, WHAT, bytes, hash, items, text, uint};
use crate::key::PublicKey;
use crate::origin::{LogName, ORIGIN_BYTES_MAX, Origin};

/// Most rotation keys of a namespace.
pub const ROTATION_KEYS_MAX: usize = 5;
/// Longest handle of a namespace, in bytes.
const HANDLE_BYTES_MAX: usize = 96;
/// Most parts of a snapshot.
const PARTS_MAX: usize = 1_000;
/// Most hashes in a frontier.
const PEAKS_MAX: usize = 64;

/// The size and root of some log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// Which log.
    pub log: LogName,
    /// Leaves in it.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
}

/// The keys, name and home of a namespace: all of it, in its creation and in each operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name at home: `acme`.
    pub handle: String,
    /// The hub that accepts writes.
    pub home: Origin,
    /// The key that signs every event of the namespace, if it has one of its own.
    pub signer: Option<PublicKey>,
    /// Keys that may sign the next operation, the one that matters most first; one to five.
    pub rotation: Vec<PublicKey>,
    /// Where the old home's log ends to speak for the namespace.
    pub cut: Option<LogHead>,
}

/// A file of rows of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Hash of the file.
    pub sha256: Sha256,
    /// Rows in it.
    pub rows: u64,
}

/// The newest body of every repository at some size of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The events before this index.
    pub size: u64,
    /// The complete subtrees at that size, so that a cursor can begin there.
    pub peaks: Vec<Sha256>,
    /// The files, in the order of their rows.
    pub parts: Vec<SnapshotPart>,
}

/// What an event says besides what every event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Nothing: the event is about a repository, or a heartbeat.
    None,
    /// The hub's key from here on.
    HubKey {
        /// Signs checkpoints.
        key: PublicKey,
        /// Hash of the key that outranks it.
        recovery_sha256: Sha256,
    },
    /// The log that this one continues.
    HubEpoch(LogHead),
    /// A namespace, from its creation or after an operation.
    Namespace(Namespace),
    /// The event whose body is gone.
    Erase {
        /// Its index in this log.
        index: u64,
    },
    /// A snapshot.
    Snapshot(SnapshotHead),
    /// Another hub's log, as this hub has it.
    Attest(LogHead),
    /// Of an event of a later version.
    Other(Value),
}

impl LogHead {
    fn put(&self, map: &mut MapWriter) {
        map.put(1, Value::text(self.log.origin.as_str()));
        map.put(2, Value::Uint(u64::from(self.log.epoch)));
        map.put(3, Value::Uint(self.size));
        map.put(4, Value::bytes(self.root.as_bytes()));
    }

    fn write(&self) -> Value {
        let mut map = MapWriter::default();
        self.put(&mut map);
        map.finish(&[])
    }

    fn read(value: Value) -> Result<Self> {
        let mut map = Fields::new(value)?;
        let log = LogName { origin: map.required(1, origin)?, epoch: map.required(2, epoch)? };
        let head = Self { log, size: map.required(3, uint)?, root: map.required(4, hash)? };
        finished(map, head)
    }
}

pub(crate) fn origin(value: Value) -> Result<Origin> {
    text(value, ORIGIN_BYTES_MAX)?.parse()
}

pub(crate) fn epoch(value: Value) -> Result<u32> {
    let epoch = u32::try_from(uint(value)?).ok().filter(|epoch| *epoch > 0);
    epoch.ok_or(malformed(WHAT, "an epoch is out of range"))
}

fn finished<T>(map: Fields, value: T) -> Result<T> {
    if map.rest().is_empty() { Ok(value) } else { Err(malformed(WHAT, "its data has more fields")) }
}

fn key(value: Value) -> Result<PublicKey> {
    bytes(value).map(PublicKey::new)
}

impl Namespace {
    fn write(&self) -> Value {
        let key = |key: &PublicKey| Value::bytes(key.as_bytes());
        let mut map = MapWriter::default();
        map.put(1, Value::text(&self.handle));
        map.put(2, Value::text(self.home.as_str()));
        map.put_some(3, self.signer.as_ref().map(key));
        map.put(4, Value::Array(self.rotation.iter().map(key).collect()));
        map.put_some(5, self.cut.as_ref().map(LogHead::write));
        map.finish(&[])
    }

    fn read(value: Value) -> Result<Self> {
        let mut map = Fields::new(value)?;
        let namespace = Self {
            handle: map.required(1, |handle| text(handle, HANDLE_BYTES_MAX))?,
            home: map.required(2, origin)?,
            signer: map.optional(3, key)?,
            rotation: map
                .required(4, |keys| items(keys, ROTATION_KEYS_MAX)?.into_iter().map(key).collect())?,
            cut: map.optional(5, LogHead::read)?,
        };
        if namespace.rotation.is_empty() {
            return Err(malformed(WHAT, "its namespace has no rotation key"));
        }
        finished(map, namespace)
    }
}

impl SnapshotHead {
    fn write(&self) -> Value {
        let hash = |hash: &Sha256| Value::bytes(hash.as_bytes());
        let part = |part: &SnapshotPart| Value::Array(vec![hash(&part.sha256), Value::Uint(part.rows)]);
        let mut map = MapWriter::default();
        map.put(1, Value::Uint(self.size));
        map.put(2, Value::Array(self.peaks.iter().map(hash).collect()));
        map.put(3, Value::Array(self.parts.iter().map(part).collect()));
        map.finish(&[])
    }

    fn read(value: Value) -> Result<Self> {
        let part = |value| {
            let [sha256, rows] = crate::fields::array(value)?;
            Ok(SnapshotPart { sha256: hash(sha256)?, rows: uint(rows)? })
        };
        let mut map = Fields::new(value)?;
        let head = Self {
            size: map.required(1, uint)?,
            peaks: map.required(2, |peaks| items(peaks, PEAKS_MAX)?.into_iter().map(hash).collect())?,
            parts: map.required(3, |parts| items(parts, PARTS_MAX)?.into_iter().map(part).collect())?,
        };
        crate::Frontier::new(head.size, head.peaks.clone())?;
        finished(map, head)
    }
}

impl Data {
    pub(crate) fn write(&self) -> Option<Value> {
        let mut map = MapWriter::default();
        match self {
            Self::None => return None,
            Self::Other(value) => return Some(value.clone()),
            Self::Namespace(namespace) => return Some(namespace.write()),
            Self::Snapshot(head) => return Some(head.write()),
            Self::HubKey { key, recovery_sha256 } => {
                map.put(1, Value::bytes(key.as_bytes()));
                map.put(2, Value::bytes(recovery_sha256.as_bytes()));
            }
            Self::HubEpoch(head) | Self::Attest(head) => head.put(&mut map),
            Self::Erase { index } => map.put(1, Value::Uint(*index)),
        }
        Some(map.finish(&[]))
    }

    /// Reads what an event of `kind` says.
    pub(crate) fn read(kind: EventType, value: Option<Value>) -> Result<Self> {
        let wants_some = !kind.is_repo() && kind != EventType::Heartbeat;
        let value = match (kind, value, wants_some) {
            (EventType::Other(_), Some(value), _) => return Ok(Self::Other(value)),
            (EventType::Other(_), None, _) | (_, None, false) => return Ok(Self::None),
            (_, Some(value), true) => value,
            _ => return Err(malformed(WHAT, "it has data of another type, or none")),
        };
        match kind {
            EventType::HubKey => {
                let mut map = Fields::new(value)?;
                let data =
                    Self::HubKey { key: map.required(1, key)?, recovery_sha256: map.required(2, hash)? };
                finished(map, data)
            }
            EventType::HubEpoch => LogHead::read(value).map(Self::HubEpoch),
            EventType::Attest => LogHead::read(value).map(Self::Attest),
            EventType::NsCreate | EventType::NsOp => Namespace::read(value).map(Self::Namespace),
            EventType::Snapshot => SnapshotHead::read(value).map(Self::Snapshot),
            EventType::BodyErase => {
                let mut map = Fields::new(value)?;
                let data = Self::Erase { index: map.required(1, uint)? };
                finished(map, data)
            }
            _ => Err(malformed(WHAT, "it has data of another type, or none")),
        }
    }
}
