//! From the state of a repository to the event that tells of it. Pure but for the salt.

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_db::{
    FileKind, LogEntry, Outgoing, PendingBatch, PendingRepo, Published, PublishedNamespace, PublishedState,
};
use polder_log::{
    Body, Data, EventType, LogName, Meta, NAME_BYTES_MAX, Namespace, Objects, ObjectsManifest,
    REFS_BYTES_MAX, RefChange, RefMap, SecretKey, State, Statement, TAGS_MAX,
};
use polder_types::{AccountId, Sha256, UnixMillis, Visibility};

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::keys::NamespaceKeys;
use crate::secret::random;

/// About what a changed ref takes in a body besides its name, in bytes.
const REF_CHANGE_BYTES: usize = 52;
/// Most bytes of tags in a body.
const TAG_BYTES_MAX: usize = 16 << 10;
/// What a repository that may not be read is said to have as its default branch.
const NO_BRANCH: &str = "refs/heads/main";

/// Writes the events of one log.
pub(super) struct Author {
    pub(super) log: LogName,
    pub(super) keys: NamespaceKeys,
}

/// What there is to say of a repository, if anything.
fn event_type(repo: &PendingRepo, refs_sha256: Option<Sha256>) -> Option<EventType> {
    use PublishedState::{Deleted, Open, Private, Takedown};
    let Some(before) = &repo.published else {
        return (repo.state == Open).then_some(EventType::RepoCreate);
    };
    match (before.state, repo.state) {
        (Open, Open) if before.path != repo.path => Some(EventType::RepoRename),
        (Open, Open) if refs_sha256 == Some(before.refs_sha256) => None,
        (Open, Open) if repo.changes.as_ref().is_some_and(Vec::is_empty) => Some(EventType::RepoMeta),
        (Open, Open) => Some(EventType::RepoRefs),
        (Deleted, Deleted) | (Takedown, Takedown) | (Private | Deleted, Private) => None,
        (Private, Open) | (Open | Takedown, Private) => Some(EventType::RepoVisibility),
        (Deleted | Takedown, Open) => Some(EventType::RepoRestore),
        (_, Deleted) => Some(EventType::RepoDelete),
        (_, Takedown) => Some(EventType::RepoTakedown),
    }
}

impl Author {
    /// The events of a batch, in order. What cannot be said of a repository is logged, and keeps nothing
    /// else from being said.
    pub(super) fn events(&self, batch: &PendingBatch) -> Vec<Outgoing> {
        let mut said = Vec::new();
        let mut namespaces = BTreeMap::new();
        for repo in &batch.repos {
            match self.of_repo(repo, &mut namespaces) {
                Ok(events) => said.extend(events),
                Err(error) => {
                    tracing::error!(repo = %repo.id, error = %error.chain(), "the log cannot tell of this");
                }
            }
        }
        said
    }

    fn of_repo(
        &self,
        repo: &PendingRepo,
        namespaces: &mut BTreeMap<AccountId, PublishedNamespace>,
    ) -> Result<Vec<Outgoing>> {
        let is_open = repo.state == PublishedState::Open;
        let map = if is_open {
            Some(RefMap::new(repo.head.clone(), repo.refs.clone()).map_err(Error::internal)?)
        } else {
            None
        };
        let state = map.as_ref().map(RefMap::state);
        let Some(kind) = event_type(repo, state.map(|state| state.refs_sha256)) else {
            return Ok(Vec::new());
        };
        let mut said = Vec::new();
        let known = namespaces.get(&repo.namespace).copied().or(repo.published_namespace);
        let namespace = if let Some(namespace) = known {
            namespace
        } else {
            let begun = self.namespace(repo)?;
            let namespace = begun.namespace.map(|(_, namespace)| namespace);
            said.push(begun);
            namespace.ok_or_else(|| Error::internal("a namespace without a name"))?
        };
        namespaces.insert(repo.namespace, namespace);

        let manifest = ObjectsManifest::new(repo.objects.clone()).map_err(Error::internal)?;
        let mut event = self.statement(kind, repo.now)?;
        event.nsid = Some(namespace.nsid);
        event.ns_head = Some(namespace.head);
        event.rseq = repo.published.as_ref().map_or(1, |before| before.rseq + 1);
        event.rid = repo.published.as_ref().map(|before| before.rid);
        event.prev = repo.published.as_ref().map(|before| before.prev);
        event.state = state;
        event.refs = repo.changes.clone().filter(|changes| fits(changes) && is_open);
        event.objects = (!manifest.entries().is_empty()).then(|| manifest.objects());
        event.meta = Some(meta(repo));
        event.reason.clone_from(&repo.reason);
        let body = event.seal(&[]).map_err(Error::internal)?;
        let mut files: Vec<(Sha256, FileKind, Bytes)> = Vec::new();
        if let Some(map) = map {
            files.push((map.sha256(), FileKind::Refs, map.encode().into()));
        }
        if let Some(Objects::Manifest { sha256, .. }) = body.objects {
            files.push((sha256, FileKind::Manifest, manifest.encode().into()));
        }
        let published = published(repo, &body, state);
        said.push(Outgoing { entry: entry(&body), repo: Some((repo.id, published)), namespace: None, files });
        Ok(said)
    }

    /// The event that begins the namespace of a repository.
    fn namespace(&self, repo: &PendingRepo) -> Result<Outgoing> {
        let body = self.creation(repo.namespace, &repo.handle, repo.now)?;
        let namespace = PublishedNamespace { nsid: body.id(), seq: 1, head: body.sha256() };
        Ok(Outgoing {
            entry: entry(&body),
            repo: None,
            namespace: Some((repo.namespace, namespace)),
            files: Vec::new(),
        })
    }

    /// The body that begins an account's namespace. Its key is the hub's to use, until its owner has one.
    pub(super) fn creation(&self, account: AccountId, handle: &str, now: UnixMillis) -> Result<Body> {
        let key: SecretKey = self.keys.key(account);
        let mut event = self.statement(EventType::NsCreate, now)?;
        event.rseq = 1;
        event.data = Data::Namespace(Namespace {
            handle: handle.to_owned(),
            home: self.log.origin.clone(),
            signer: None,
            rotation: vec![key.public()],
            cut: None,
        });
        event.seal(&[&key]).map_err(Error::internal)
    }

    /// The event that takes the body of the one at `index` back.
    pub(super) fn erasure(&self, index: u64, now: UnixMillis) -> Result<Body> {
        let mut event = self.statement(EventType::BodyErase, now)?;
        event.data = Data::Erase { index };
        event.seal(&[]).map_err(Error::internal)
    }

    /// An event that says only when it is.
    pub(super) fn statement(&self, kind: EventType, now: UnixMillis) -> Result<Statement> {
        Ok(Statement::new(self.log.clone(), kind, now, random()?))
    }
}

/// A body as it is appended.
pub(super) fn entry(body: &Body) -> LogEntry {
    let nsid = body.kind.is_namespace().then(|| body.namespace()).flatten();
    LogEntry { leaf: body.leaf(), body: Some(Bytes::copy_from_slice(body.bytes())), nsid }
}

fn fits(changes: &[RefChange]) -> bool {
    let size: usize = changes.iter().map(|change| change.name.len() + REF_CHANGE_BYTES).sum();
    size <= REFS_BYTES_MAX
}

/// What is said of the repository itself; of one that may not be read, nothing new.
fn meta(repo: &PendingRepo) -> Meta {
    let is_open = repo.state == PublishedState::Open;
    let told = repo.published.as_ref().filter(|_| !is_open);
    let path = told.map_or(&repo.path, |before| &before.path).clone();
    let head = if is_open { repo.head.clone() } else { NO_BRANCH.to_owned() };
    let mut meta = Meta::new(repo.kind, path, head);
    if repo.state == PublishedState::Private {
        meta.visibility = Visibility::Private;
    }
    if let Some(facts) = repo.facts.as_ref().filter(|_| is_open) {
        let facts: Facts = serde_json::from_str(facts).unwrap_or_default();
        meta.license = facts.license().filter(|license| is_name(license)).map(str::to_owned);
        meta.tags = told_tags(facts.tags);
    }
    meta
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX
}

/// Those that an event has room for, the first ones first.
fn told_tags(tags: Vec<String>) -> Vec<String> {
    let (mut told, mut room) = (Vec::new(), TAG_BYTES_MAX);
    for tag in tags.into_iter().filter(|tag| is_name(tag)).take(TAGS_MAX) {
        let Some(left) = room.checked_sub(tag.len()) else { break };
        room = left;
        told.push(tag);
    }
    told
}

fn published(repo: &PendingRepo, body: &Body, state: Option<State>) -> Published {
    let before = repo.published.as_ref();
    let was_open = before.filter(|before| before.state == PublishedState::Open);
    Published {
        rid: body.repo().unwrap_or(body.id()),
        rseq: body.rseq,
        prev: body.sha256(),
        generation: repo.generation,
        state: repo.state,
        path: body.meta.as_ref().map(|meta| meta.path.clone()).unwrap_or_default(),
        refs_sha256: state.map_or(Sha256::new([0; 32]), |state| state.refs_sha256),
        open_since: was_open.map_or(repo.now, |before| before.open_since),
    }
}
