//! What an event says happened.

/// The type of an event, one byte in its leaf.
///
/// ```
/// use polder_log::EventType;
/// assert_eq!(EventType::from_code(33), EventType::RepoRefs);
/// assert_eq!(EventType::RepoRefs.name(), "repo.refs");
/// assert_eq!(EventType::from_code(200).code(), 200);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// The hub's key; the first event of every log.
    HubKey,
    /// A log that continues a lost one.
    HubEpoch,
    /// Nothing happened, and the hub lives.
    Heartbeat,
    /// A namespace begins.
    NsCreate,
    /// A namespace gets other keys, another name or another home.
    NsOp,
    /// A repository is published for the first time.
    RepoCreate,
    /// Branches and tags moved.
    RepoRefs,
    /// Licence, tags, default branch or gate changed.
    RepoMeta,
    /// The path changed.
    RepoRename,
    /// It became public, or is public no more.
    RepoVisibility,
    /// Its owner deleted it.
    RepoDelete,
    /// The hub's operator took it down.
    RepoTakedown,
    /// A deletion or takedown is taken back.
    RepoRestore,
    /// The body of an earlier event is erased.
    BodyErase,
    /// The newest body of every repository at some size of the log.
    Snapshot,
    /// What this hub saw of another one's log.
    Attest,
    /// Any other, kept and relayed.
    Other(u8),
}

/// Every type of this version with its code and name. Reserved for later: 96–111 `social.*`,
/// 112–127 `replica.*`, 128 `offer`.
const TYPES: [(EventType, u8, &str); 16] = [
    (EventType::HubKey, 1, "hub.key"),
    (EventType::HubEpoch, 2, "hub.epoch"),
    (EventType::Heartbeat, 3, "heartbeat"),
    (EventType::NsCreate, 16, "ns.create"),
    (EventType::NsOp, 17, "ns.op"),
    (EventType::RepoCreate, 32, "repo.create"),
    (EventType::RepoRefs, 33, "repo.refs"),
    (EventType::RepoMeta, 34, "repo.meta"),
    (EventType::RepoRename, 35, "repo.rename"),
    (EventType::RepoVisibility, 36, "repo.visibility"),
    (EventType::RepoDelete, 37, "repo.delete"),
    (EventType::RepoTakedown, 38, "repo.takedown"),
    (EventType::RepoRestore, 39, "repo.restore"),
    (EventType::BodyErase, 64, "body.erase"),
    (EventType::Snapshot, 65, "snapshot"),
    (EventType::Attest, 66, "attest"),
];

impl EventType {
    /// Every type of this version.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|(kind, _, _)| *kind)
    }

    /// The byte in the leaf.
    pub fn code(self) -> u8 {
        match self {
            Self::Other(code) => code,
            known => TYPES.iter().find(|(kind, _, _)| *kind == known).map_or(0, |(_, code, _)| *code),
        }
    }

    /// The type of that code.
    pub fn from_code(code: u8) -> Self {
        TYPES.iter().find(|(_, known, _)| *known == code).map_or(Self::Other(code), |(kind, _, _)| *kind)
    }

    /// The word for people, `unknown` for those of a later version.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(kind, _, _)| *kind == self).map_or("unknown", |(_, _, name)| name)
    }

    /// Whether it is about one repository.
    pub fn is_repo(self) -> bool {
        (32..64).contains(&self.code())
    }

    /// Whether it is about one namespace.
    pub fn is_namespace(self) -> bool {
        (16..32).contains(&self.code())
    }

    /// Whether it is about the hub itself.
    pub fn is_hub(self) -> bool {
        (1..16).contains(&self.code())
    }
}
