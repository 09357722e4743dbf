//! Making a repository what the API of another server shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use polder_blob::Scratch;
use polder_db::Repo;
use polder_git::{BlobSpool, Change, Command, EntryKind, IndexLimits, Signature, Snapshot, TreeEntry};
use polder_types::limits::TREE_ENTRIES_MAX;
use polder_types::{LfsPointer, ObjectId, PackId, Sha256};
use tokio::runtime::Handle;

use super::HfRepo;
use super::api::{Api, RefAt};
use super::files::Small;
use super::listing::{Content, Listing};
use super::modes::{Modes, modes};
use crate::Hub;
use crate::accept::{Quarantined, Say};
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::exchange::{ImportReport, Taken};
use crate::origin::LargeObjects;
use crate::pull::attempt::Attempt;
use crate::pull::large_objects::Pointed;
use crate::pull::{Patience, PullSource, kept};
use crate::source_commits::{SOURCE_COMMIT, source_of};

/// Most branches and tags; of a repository with more, one revision at a time can be taken.
const REFS_MAX: usize = 1_000;
/// What is wrong with an answer without a commit's id.
const NO_COMMIT: &str = "gives no commit where one should be";
/// The branch of a repository that has none yet.
const MAIN: &str = "refs/heads/main";

/// How a repository comes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// With its history.
    Git,
    /// One commit with its history.
    Commit(ObjectId),
    /// File by file, a commit for what the source was each time.
    Files,
}

/// One import.
struct Import<'a> {
    hub: &'a Hub,
    repo: &'a Repo,
    api: Api,
    keep: bool,
    entry: Entry,
    report: ImportReport,
}

/// A branch or tag of the source.
struct Theirs {
    name: String,
    sha: String,
}

impl Hub {
    /// How a repository comes here: as before, or by git where the server has it. Blocking.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where what is here is not from the source.
    pub(in crate::pull) fn way(
        &self,
        source: &PullSource,
        from: &HfRepo,
        snapshot: &Snapshot,
        patience: &Patience,
    ) -> Result<Way> {
        let is_new = !snapshot.visible_refs().any(|r| is_branch(&r.name));
        let was_files = snapshot.head_ref().is_some_and(|head| source_of(snapshot, head.oid).is_some());
        match (was_files, is_new, from.revision()) {
            (true, ..) => Ok(Way::Files),
            (false, false, None) => Ok(Way::Git),
            (false, _, revision) => {
                let (api, runtime) = (Api::new(&self.egress, source, from, patience)?, Handle::current());
                match (runtime.block_on(api.has_git(source))?, revision) {
                    (true, None) => Ok(Way::Git),
                    (true, Some(revision)) => {
                        let sha = runtime.block_on(api.info(Some(revision)))?.sha;
                        let commit_id = sha.and_then(|sha| sha.parse().ok());
                        commit_id.map(Way::Commit).ok_or_else(|| api.wrong(NO_COMMIT))
                    }
                    (false, _) if is_new => Ok(Way::Files),
                    (false, _) => Err(has_commits()),
                }
            }
        }
    }

    /// Takes over what the API of another server shows. Blocking.
    pub(in crate::pull) fn pull_files(
        &self,
        repo: &Repo,
        (source, from): (&PullSource, &HfRepo),
        keep: bool,
        attempt: &Attempt,
        say: Say<'_>,
    ) -> Result<ImportReport> {
        let api = Api::new(&self.egress, source, from, attempt.patience())?;
        let report = ImportReport { refs: 0, objects: 0 };
        let entry = attempt.import_entry(repo, source);
        let mut import = Import { hub: self, repo, api, keep, entry, report };
        import.run(from, say)?;
        Ok(import.report)
    }
}

impl Import<'_> {
    fn run(&mut self, from: &HfRepo, say: Say<'_>) -> Result<()> {
        let snapshot = self.snapshot()?;
        let head = snapshot.head_ref().map(|head| head.name.clone());
        let (theirs, all) = self.theirs(from, head.as_deref().unwrap_or(MAIN))?;
        let names: HashSet<&str> = theirs.iter().map(|one| one.name.as_str()).collect();
        // A server of this API does not say which branch is the first one; it is always this.
        let first = head.filter(|head| names.contains(head.as_str())).unwrap_or_else(|| {
            let other = theirs.iter().find(|one| is_branch(&one.name));
            if names.contains(MAIN) {
                MAIN.to_owned()
            } else {
                other.map_or(MAIN, |one| &one.name).to_owned()
            }
        });
        for one in &theirs {
            self.bring(one, &first, say)?;
        }
        if !all || theirs.is_empty() {
            return Ok(());
        }
        let snapshot = self.snapshot()?;
        let is_theirs = |name: &str| is_branch(name) || name.starts_with("refs/tags/");
        let gone = snapshot.visible_refs().filter(|r| is_theirs(&r.name) && !names.contains(r.name.as_str()));
        let gone = gone.map(|r| Command { name: r.name.clone(), old: r.oid, new: ObjectId::ZERO }).collect();
        self.land(gone, &first, &snapshot, None, say)
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(Handle::current().block_on(self.hub.held(self.repo.id))?.snapshot)
    }

    /// What the source shows, and whether that is all of its refs.
    fn theirs(&self, from: &HfRepo, head: &str) -> Result<(Vec<Theirs>, bool)> {
        let runtime = Handle::current();
        if from.revision().is_none()
            && let Some(refs) = runtime.block_on(self.api.refs())?
        {
            let below = |prefix: &'static str| {
                move |one: RefAt| Theirs { name: format!("{prefix}{}", one.name), sha: one.target_commit }
            };
            let branches = refs.branches.into_iter().map(below("refs/heads/"));
            let theirs: Vec<_> = branches.chain(refs.tags.into_iter().map(below("refs/tags/"))).collect();
            if theirs.len() > REFS_MAX {
                let what = format!("has more than {REFS_MAX} branches and tags: name one with @");
                return Err(self.api.wrong(&what));
            }
            return Ok((theirs, true));
        }
        let info = runtime.block_on(self.api.info(from.revision()))?;
        let one = info.sha.map(|sha| Theirs { name: head.to_owned(), sha });
        Ok((one.into_iter().collect(), false))
    }

    /// Makes one branch or tag what it is there.
    fn bring(&mut self, theirs: &Theirs, first: &str, say: Say<'_>) -> Result<()> {
        let Theirs { name, sha } = theirs;
        let bad = |why| self.api.wrong(&format!("has a branch or tag with a bad name ({why})"));
        polder_git::check_ref_name(name).map_err(bad)?;
        let Ok(there) = sha.parse::<ObjectId>() else { return Err(self.api.wrong(NO_COMMIT)) };
        let snapshot = self.snapshot()?;
        let ours = snapshot.find_ref(name).map(|r| r.oid);
        if ours.is_some_and(|ours| source_of(&snapshot, ours) == Some(there)) {
            return Ok(());
        }
        let old = ours.unwrap_or(ObjectId::ZERO);
        let command = |new| vec![Command { name: name.clone(), old, new }];
        // A branch goes on from where it is; a tag, and a new branch, may be at a commit that is here.
        let parent = ours.filter(|_| is_branch(name));
        if parent.is_none()
            && let Some(here) = snapshot.visible_refs().find(|r| source_of(&snapshot, r.oid) == Some(there))
        {
            return self.land(command(here.oid), first, &snapshot, None, say);
        }
        say(&format!("reading {name} at {sha}"));
        let scratch = self.hub.store.quarantine()?;
        let written = self.write(sha, parent, &snapshot, scratch, say)?;
        self.land(command(written.0), first, &snapshot, Some(written.1), say)
    }

    /// Fetches what a commit of the source holds, and writes the one that stands for it.
    fn write(
        &self,
        sha: &str,
        parent: Option<ObjectId>,
        snapshot: &Snapshot,
        scratch: Scratch,
        say: Say<'_>,
    ) -> Result<(ObjectId, Quarantined)> {
        let runtime = Handle::current();
        let listing = runtime.block_on(self.api.listing(sha))?;
        let modes = modes(&listing)?;
        for folder in &modes.unexplained {
            say(&format!(
                "warning: the listing does not say which files of `{folder}` may be run or are links"
            ));
        }
        let base = parent.map_or_else(|| Ok(BTreeMap::new()), |parent| files_of(snapshot, parent))?;
        // What is here of another branch need not come again.
        let near = match (parent, snapshot.head_ref()) {
            (None, Some(head)) => files_of(snapshot, head.oid)?,
            _ => BTreeMap::new(),
        };
        let here: HashSet<ObjectId> = base.values().chain(near.values()).map(|entry| entry.oid).collect();
        let (missing, small) = (self.missing(&listing)?, small(&listing, &here));
        self.require_room(&missing, &small)?;
        runtime.block_on(self.hub.fetch_large(self.repo.id, &self.api, sha, &missing, say))?;
        say(&format!("fetching {} small files", small.len()));
        let mut spool = BlobSpool::new(scratch.path());
        runtime.block_on(self.api.fetch_small(sha, small, &mut spool))?;
        let changes = changes(&listing, &modes, &base);
        let author = self.author();
        let message = format!("Import of {} at {sha}\n\n{SOURCE_COMMIT}{sha}\n", self.api.repo().path());
        let written = polder_git::write_taken_commit(snapshot, parent, &changes, &spool, &author, &message)?;
        let id = PackId(self.hub.db.next_id());
        let mut pack = written.pack(Some(&spool));
        let received = polder_git::index_pack(id, &mut pack, scratch.path(), &IndexLimits::IMPORT, say)?;
        Ok((written.commit_id, Quarantined { received, scratch }))
    }

    /// The large objects that are not linked here yet.
    fn missing(&self, listing: &Listing) -> Result<Vec<Pointed>> {
        let mut wanted: HashMap<Sha256, Pointed> = HashMap::new();
        for (path, file) in &listing.files {
            let Content::Large { oid, size_bytes } = file.content else { continue };
            let pointed =
                wanted.entry(oid).or_insert_with(|| Pointed { oid, size_bytes, path: path.clone() });
            if pointed.size_bytes != size_bytes {
                return Err(self.api.wrong(&format!("gives object {oid} two sizes")));
            }
        }
        let oids: Vec<Sha256> = wanted.keys().copied().collect();
        for linked in Handle::current().block_on(self.hub.db.linked_blobs(self.repo.id, &oids))? {
            wanted.remove(&linked.sha256);
        }
        let mut missing: Vec<Pointed> = wanted.into_values().collect();
        missing.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(missing)
    }

    /// Refuses what the namespace has no room for, before any of it comes.
    fn require_room(&self, missing: &[Pointed], small: &[Small]) -> Result<()> {
        let large = missing.iter().map(|one| one.size_bytes);
        let bytes = large.chain(small.iter().map(|one| one.size_bytes)).fold(0, u64::saturating_add);
        match Handle::current().block_on(self.hub.room(self.repo.id))? {
            Some(mut room) => room.take(bytes),
            None => Ok(()),
        }
    }

    fn author(&self) -> Signature {
        let host = self.hub.public_url.split("://").last().unwrap_or_default();
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let email = format!("import@users.noreply.{host}");
        Signature { name: "Polder".to_owned(), email, time: self.hub.clock.now() }
    }

    /// Makes refs so, through the door of every change.
    fn land(
        &mut self,
        mut commands: Vec<Command>,
        first: &str,
        snapshot: &Snapshot,
        quarantined: Option<Quarantined>,
        say: Say<'_>,
    ) -> Result<()> {
        let quarantined = match quarantined {
            Some(quarantined) => quarantined,
            None => Quarantined { received: None, scratch: self.hub.store.quarantine()? },
        };
        if self.keep {
            let received = quarantined.received.as_ref();
            commands.extend(kept(&commands, snapshot, received, snapshot.generation())?);
        }
        let taken = Taken {
            head: Some(first.to_owned()),
            commands,
            quarantined,
            large_objects: LargeObjects::Here,
            mirror: None,
            entry: self.entry.clone(),
        };
        let ImportReport { refs, objects } = self.hub.take_over(self.repo, taken, say)?;
        self.report.refs += refs;
        self.report.objects = self.report.objects.saturating_add(objects);
        Ok(())
    }
}

fn is_branch(name: &str) -> bool {
    name.starts_with("refs/heads/")
}

/// Refuses to put a revision of a source in the place of what is here.
pub(in crate::pull) fn has_commits() -> Error {
    Error::new(
        Kind::Conflict,
        "this repository has commits of its own: one revision of another is taken into an empty one",
    )
}

/// Every file of a commit here.
fn files_of(snapshot: &Snapshot, commit_id: ObjectId) -> Result<BTreeMap<String, TreeEntry>> {
    let page = polder_git::list_tree(snapshot, commit_id, "", true, None, TREE_ENTRIES_MAX)?;
    let files = page.entries.into_iter().filter(|entry| entry.kind != EntryKind::Directory);
    Ok(files.map(|entry| (entry.path.clone(), entry)).collect())
}

/// The small files whose blobs are not `here`, each blob once.
fn small(listing: &Listing, here: &HashSet<ObjectId>) -> Vec<Small> {
    let mut seen = HashSet::new();
    let mut small = Vec::new();
    for (path, file) in &listing.files {
        if let Content::Small(size_bytes) = file.content
            && !here.contains(&file.blob)
            && seen.insert(file.blob)
        {
            small.push(Small { path: path.clone(), blob: file.blob, size_bytes });
        }
    }
    small
}

/// What makes the files of `base` those of the listing.
fn changes(listing: &Listing, modes: &Modes, base: &BTreeMap<String, TreeEntry>) -> Vec<Change> {
    let gone = base.keys().filter(|path| !listing.files.contains_key(*path));
    let mut changes: Vec<Change> = gone.map(|path| Change::Delete { path: path.clone() }).collect();
    for (path, file) in &listing.files {
        let (path, executable) = (path.clone(), modes.executable.contains(path));
        let before = base.get(&path);
        match file.content {
            Content::Small(_) => {
                let kind = if executable { EntryKind::Executable } else { EntryKind::File };
                if before.is_none_or(|entry| (entry.oid, entry.kind) != (file.blob, kind)) {
                    changes.push(Change::Place { path, oid: file.blob, executable });
                }
            }
            Content::Large { oid, size_bytes } => {
                let pointer = LfsPointer { oid, size_bytes };
                if before.is_none_or(|entry| entry.pointer != Some(pointer)) {
                    changes.push(Change::WritePointer { path, pointer });
                }
            }
        }
    }
    changes
}
