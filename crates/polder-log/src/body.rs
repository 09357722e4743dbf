//! Bodies: what an event says in full, in deterministic CBOR, with the signatures of the namespace.

use std::ops::Deref;

use polder_types::{Sha256, UnixMillis, Visibility};

use crate::cbor::Value;
use crate::contents::{Meta, Objects, REASON_BYTES_MAX, RefChange, State};
use crate::data::{Data, epoch, origin};
use crate::error::{Error, Result, malformed};
use crate::event_type::EventType;
use crate::fields::{Fields, MapWriter, WHAT, array, boolean, bytes, hash, items, text, uint};
use crate::hash::sha256;
use crate::key::{PublicKey, SecretKey};
use crate::leaf::{Hint, Leaf, VERSION};
use crate::origin::LogName;

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Most signatures of a body.
const SIGNATURES_MAX: usize = 8;
/// Longest key or signature of any algorithm, in bytes.
const SIGNATURE_BYTES_MAX: usize = 8 << 10;
/// What a signature says besides the body, so that it is good for nothing else.
const DOMAIN: &[u8] = b"polder-fed/1/event\n";
/// How objects of git are named: by SHA-1, the only way of version 1.
const SHA1: u64 = 1;
/// How a body is signed: by Ed25519, the only way of version 1.
const ED25519: u64 = 1;

/// Keys of the map, which can never change.
mod keys {
    pub(super) const VERSION: u64 = 1;
    pub(super) const ORIGIN: u64 = 2;
    pub(super) const EPOCH: u64 = 3;
    pub(super) const NSID: u64 = 4;
    pub(super) const NS_HEAD: u64 = 5;
    pub(super) const RID: u64 = 6;
    pub(super) const RSEQ: u64 = 7;
    pub(super) const PREV: u64 = 8;
    pub(super) const TYPE: u64 = 9;
    pub(super) const CRITICAL: u64 = 10;
    pub(super) const TIME: u64 = 11;
    pub(super) const SALT: u64 = 12;
    pub(super) const OID_ALGO: u64 = 13;
    pub(super) const STATE: u64 = 14;
    pub(super) const REFS: u64 = 15;
    pub(super) const OBJECTS: u64 = 16;
    pub(super) const META: u64 = 17;
    pub(super) const REASON: u64 = 18;
    pub(super) const DATA: u64 = 19;
    pub(super) const SIGNATURES: u64 = 20;
}

/// A signature under a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySignature {
    /// 1 is Ed25519.
    pub algorithm: u64,
    /// The public key.
    pub key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl BodySignature {
    fn write(&self) -> Value {
        Value::Array(vec![
            Value::Uint(self.algorithm),
            Value::bytes(&self.key),
            Value::bytes(&self.signature),
        ])
    }

    fn read(value: Value) -> Result<Self> {
        let [algorithm, key, signature] = array(value)?;
        let bytes = |value| match value {
            Value::Bytes(bytes) if bytes.len() <= SIGNATURE_BYTES_MAX => Ok(bytes),
            _ => Err(malformed(WHAT, "a signature is something else")),
        };
        Ok(Self { algorithm: uint(algorithm)?, key: bytes(key)?, signature: bytes(signature)? })
    }
}

/// What an event says, before it is signed. [`Statement::seal`] makes it a [`Body`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The log that says it.
    pub log: LogName,
    /// The namespace; absent in its creation, and in events of hubs.
    pub nsid: Option<Sha256>,
    /// The newest operation of the namespace, by the hash of its body; for an operation, the one before.
    pub ns_head: Option<Sha256>,
    /// The repository; absent in its creation.
    pub rid: Option<Sha256>,
    /// Position among the published events of the repository, among the operations of the namespace, or
    /// among the keys of the hub, from 1; else 0.
    pub rseq: u64,
    /// The body before it of the same repository, namespace or, for a key, hub.
    pub prev: Option<Sha256>,
    /// What happened.
    pub kind: EventType,
    /// Whether those who do not understand it must not go on with this repository.
    pub critical: bool,
    /// When.
    pub time: UnixMillis,
    /// Makes two events different that say the same, and hides what an erased one said.
    pub salt: [u8; 16],
    /// The refs after the event, for events of repositories that can be read.
    pub state: Option<State>,
    /// The refs that moved, when they are few.
    pub refs: Option<Vec<RefChange>>,
    /// The large objects that became reachable.
    pub objects: Option<Objects>,
    /// What the repository is called and is.
    pub meta: Option<Meta>,
    /// Why, for takedowns.
    pub reason: Option<String>,
    /// What else it says.
    pub data: Data,
    /// Fields of later versions.
    rest: Vec<(u64, Value)>,
}

impl Statement {
    /// A statement that says only what every event says.
    pub fn new(log: LogName, kind: EventType, time: UnixMillis, salt: [u8; 16]) -> Self {
        Self {
            log,
            nsid: None,
            ns_head: None,
            rid: None,
            rseq: 0,
            prev: None,
            kind,
            critical: false,
            time,
            salt,
            state: None,
            refs: None,
            objects: None,
            meta: None,
            reason: None,
            data: Data::None,
            rest: Vec::new(),
        }
    }

    fn encode(&self, signatures: &[BodySignature]) -> Vec<u8> {
        let hash = |hash: Option<Sha256>| hash.map(|hash| Value::bytes(hash.as_bytes()));
        let mut map = MapWriter::default();
        map.put(keys::VERSION, Value::Uint(u64::from(VERSION)));
        map.put(keys::ORIGIN, Value::text(self.log.origin.as_str()));
        map.put(keys::EPOCH, Value::Uint(u64::from(self.log.epoch)));
        map.put_some(keys::NSID, hash(self.nsid));
        map.put_some(keys::NS_HEAD, hash(self.ns_head));
        map.put_some(keys::RID, hash(self.rid));
        map.put(keys::RSEQ, Value::Uint(self.rseq));
        map.put_some(keys::PREV, hash(self.prev));
        map.put(keys::TYPE, Value::Uint(u64::from(self.kind.code())));
        map.put(keys::CRITICAL, Value::Bool(self.critical));
        map.put(keys::TIME, Value::Uint(time_ms(self.time)));
        map.put(keys::SALT, Value::bytes(&self.salt));
        map.put_some(keys::OID_ALGO, self.kind.is_repo().then_some(Value::Uint(SHA1)));
        map.put_some(keys::STATE, self.state.map(State::write));
        map.put_some(keys::REFS, self.refs.as_deref().map(RefChange::write_all));
        map.put_some(keys::OBJECTS, self.objects.as_ref().map(Objects::write));
        map.put_some(keys::META, self.meta.as_ref().map(Meta::write));
        map.put_some(keys::REASON, self.reason.as_deref().map(Value::text));
        map.put_some(keys::DATA, self.data.write());
        if !signatures.is_empty() {
            let signatures = signatures.iter().map(BodySignature::write).collect();
            map.put(keys::SIGNATURES, Value::Array(signatures));
        }
        let mut out = Vec::new();
        map.finish(&self.rest).encode(&mut out);
        out
    }

    /// What a signature is made under.
    pub fn signing_input(&self) -> Vec<u8> {
        [DOMAIN, &self.encode(&[])].concat()
    }

    /// Signs it with each key, encodes it, and checks that it can be read again.
    ///
    /// # Errors
    /// When it says too much, or lacks what its type asks for.
    pub fn seal(self, keys: &[&SecretKey]) -> Result<Body> {
        let input = self.signing_input();
        let sign = |key: &&SecretKey| BodySignature {
            algorithm: ED25519,
            key: key.public().as_bytes().to_vec(),
            signature: key.sign(&input).to_vec(),
        };
        Body::decode(&self.encode(&keys.iter().map(sign).collect::<Vec<_>>()))
    }

    /// Which ids an event of its type has.
    fn check(&self) -> Result<()> {
        let wrong = |problem| Err(malformed(WHAT, problem));
        let ids = (self.nsid.is_some(), self.rid.is_some(), self.prev.is_some(), self.rseq);
        let fits = match self.kind {
            EventType::Other(_) => return Ok(()),
            EventType::RepoCreate => matches!(ids, (true, false, false, 1)),
            kind if kind.is_repo() => matches!(ids, (true, true, true, 2..)),
            EventType::NsCreate => matches!(ids, (false, false, false, 1)),
            EventType::NsOp => matches!(ids, (true, false, true, 2..)),
            EventType::HubKey => matches!(ids, (false, false, false, 1) | (false, false, true, 2..)),
            _ => matches!(ids, (false, false, false, 0)),
        };
        if !fits {
            return wrong("its ids are not those of its type");
        }
        if !self.kind.is_repo() {
            return Ok(());
        }
        let (Some(meta), Some(_)) = (&self.meta, &self.ns_head) else {
            return wrong("it does not say what the repository is");
        };
        let is_gone = matches!(self.kind, EventType::RepoDelete | EventType::RepoTakedown);
        let is_open = meta.visibility == Visibility::Public && !meta.gated;
        if is_open && !is_gone && self.state.is_none() { wrong("it has no state") } else { Ok(()) }
    }
}

fn time_ms(time: UnixMillis) -> u64 {
    u64::try_from(time.0).unwrap_or_default()
}

/// What an event says, as its bytes say it: read only, known by its hash.
///
/// ```
/// use polder_log::{Body, Data, EventType, SecretKey, Statement};
/// use polder_types::{Sha256, UnixMillis};
/// let key = SecretKey::new(&[7; 32]);
/// let log = "hub.example.org/polder/1".parse().unwrap();
/// let mut first = Statement::new(log, EventType::HubKey, UnixMillis(1_790_000_000_000), [1; 16]);
/// first.rseq = 1;
/// first.data = Data::HubKey { key: key.public(), recovery_sha256: Sha256::new([2; 32]) };
/// let body = first.seal(&[&key]).unwrap();
/// assert!(body.is_signed_by(&key.public()));
/// assert_eq!(Body::decode(body.bytes()), Ok(body.clone()));
/// assert_eq!(body.leaf().body_sha256, body.sha256());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    statement: Statement,
    signatures: Vec<BodySignature>,
    bytes: Vec<u8>,
    sha256: Sha256,
    id: Sha256,
}

impl Deref for Body {
    type Target = Statement;
    fn deref(&self) -> &Statement {
        &self.statement
    }
}

impl Body {
    /// Reads a body. Only one encoding of it is read; fields of later versions are kept as they are.
    ///
    /// # Errors
    /// [`Error::Unknown`] for another version; otherwise when a field is wrong or missing.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(Error::TooLarge { what: WHAT, limit: BODY_BYTES_MAX });
        }
        let mut map = Fields::new(Value::decode(bytes)?)?;
        let version = map.required(keys::VERSION, uint)?;
        if version != u64::from(VERSION) {
            return Err(Error::Unknown { what: "a body's version", value: version });
        }
        let signatures = map.optional(keys::SIGNATURES, |value| {
            items(value, SIGNATURES_MAX)?.into_iter().map(BodySignature::read).collect::<Result<Vec<_>>>()
        })?;
        if signatures.as_ref().is_some_and(Vec::is_empty) {
            return Err(malformed(WHAT, "an empty list of signatures"));
        }
        let statement = Self::statement(map)?;
        statement.check()?;
        let id = sha256(&[&statement.encode(&[])]);
        Ok(Self {
            statement,
            signatures: signatures.unwrap_or_default(),
            bytes: bytes.to_vec(),
            sha256: sha256(&[bytes]),
            id,
        })
    }

    fn statement(mut map: Fields) -> Result<Statement> {
        let code = map.required(keys::TYPE, uint)?;
        let code = u8::try_from(code).map_err(|_source| malformed(WHAT, "its type is out of range"))?;
        let kind = EventType::from_code(code);
        let algorithm = map.optional(keys::OID_ALGO, uint)?;
        match algorithm {
            Some(value) if value != SHA1 => {
                return Err(Error::Unknown { what: "an algorithm of git", value });
            }
            known if known.is_some() != kind.is_repo() => {
                return Err(malformed(WHAT, "an algorithm of git where there is none, or the reverse"));
            }
            _ => {}
        }
        let time = i64::try_from(map.required(keys::TIME, uint)?);
        Ok(Statement {
            log: LogName {
                origin: map.required(keys::ORIGIN, origin)?,
                epoch: map.required(keys::EPOCH, epoch)?,
            },
            nsid: map.optional(keys::NSID, hash)?,
            ns_head: map.optional(keys::NS_HEAD, hash)?,
            rid: map.optional(keys::RID, hash)?,
            rseq: map.required(keys::RSEQ, uint)?,
            prev: map.optional(keys::PREV, hash)?,
            kind,
            critical: map.required(keys::CRITICAL, boolean)?,
            time: UnixMillis(time.map_err(|_source| malformed(WHAT, "its time is out of range"))?),
            salt: map.required(keys::SALT, bytes)?,
            state: map.optional(keys::STATE, State::read)?,
            refs: map.optional(keys::REFS, RefChange::read_all)?,
            objects: map.optional(keys::OBJECTS, Objects::read)?,
            meta: map.optional(keys::META, Meta::read)?,
            reason: map.optional(keys::REASON, |reason| text(reason, REASON_BYTES_MAX))?,
            data: Data::read(kind, map.optional(keys::DATA, Ok)?)?,
            rest: map.rest(),
        })
    }

    /// The encoding, of which [`Body::sha256`] is the hash.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// By what the body is known: the hash of all of it, signatures too.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The hash without signatures, which for a creation is the id of the repository or namespace.
    pub fn id(&self) -> Sha256 {
        self.id
    }

    /// The repository it is about.
    pub fn repo(&self) -> Option<Sha256> {
        if self.kind == EventType::RepoCreate { Some(self.id) } else { self.rid }
    }

    /// The namespace it is about.
    pub fn namespace(&self) -> Option<Sha256> {
        if self.kind == EventType::NsCreate { Some(self.id) } else { self.nsid }
    }

    /// The signatures, verified or not.
    pub fn signatures(&self) -> &[BodySignature] {
        &self.signatures
    }

    /// Whether `key` has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let input = self.statement.signing_input();
        let mut of_key = self.signatures.iter().filter(|s| s.algorithm == ED25519 && s.key == key.as_bytes());
        of_key.any(|signature| key.verifies(&input, &signature.signature))
    }

    /// The leaf that stands for it in the tree.
    pub fn leaf(&self) -> Leaf {
        let meta = self.meta.as_ref();
        let license = meta.and_then(|meta| meta.license.as_deref());
        Leaf {
            version: VERSION,
            kind: self.kind,
            flags: Leaf::flags(self.critical),
            body_len: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            rid: self.repo().unwrap_or(Sha256::new([0; 32])),
            rseq: self.rseq,
            time_ms: time_ms(self.time),
            body_sha256: self.sha256,
            hint: Hint::new(meta.map(|meta| meta.kind), license, self.namespace().as_ref()),
        }
    }
}

impl Leaf {
    /// Whether it is the leaf of `body`, in every field.
    pub fn matches(&self, body: &Body) -> bool {
        *self == body.leaf()
    }
}
