//! Repositories in from a disk and out to one: import and export.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_db::{MirrorPublish, PackRow, Repo};
use polder_git::{
    Command, ExportPack, IndexLimits, NewPointer, PackBytes, Place, Received, Ref, Severity, Snapshot,
};
use polder_types::{ObjectId, PackId, RepoId, RepoName, Sha256};
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::{Quarantined, Say};
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::origin::{LargeObjects, Origin};
use crate::snapshots::load;

/// Where lines for the person who waits go.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportReport {
    /// Refs made, moved or removed.
    pub refs: usize,
    /// Git objects taken over.
    pub objects: u32,
}

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// Linked objects read at a time.
const PAGE: i64 = 500;

impl Hub {
    /// Opens a repository on disk as an import would, and changes nothing: what cannot be a source is
    /// refused before a repository is made for it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when nothing is at `dir`; [`crate::Kind::Invalid`] for what is no
    /// repository, or shallow, partial or in another format.
    pub async fn check_source(&self, dir: &Path) -> Result<()> {
        let (hub, dir) = (self.clone(), dir.to_owned());
        let work = move || {
            let scratch = hub.store.quarantine()?;
            polder_git::open_source(&dir, scratch.path())?;
            Ok(())
        };
        self.door.run(work).await
    }

    /// Makes a repository hold exactly the refs and HEAD of one on disk, with its LFS objects.
    /// `refs/pr/*` and `refs/polder/*` are left alone.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] without such a repository here; [`crate::Kind::Invalid`] for a source that
    /// cannot be taken over whole: shallow, partial, with missing LFS objects, in another format.
    pub async fn import(&self, dir: &Path, name: &RepoName, progress: Progress) -> Result<ImportReport> {
        let repo = self.own_repo(name).await?;
        let (hub, dir) = (self.clone(), dir.to_owned());
        self.door.run(move || hub.import_blocking(&repo, &dir, &mut |line| progress(line))).await
    }

    fn import_blocking(&self, repo: &Repo, dir: &Path, say: Say<'_>) -> Result<ImportReport> {
        let scratch = self.store.quarantine()?;
        let source = polder_git::open_source(dir, scratch.path())?;
        let entry = Entry::operator("repo.import").on(repo.id, &repo.name);
        for warning in &source.warnings {
            say(&format!("warning: {warning}"));
        }
        let held = Handle::current().block_on(self.held(repo.id))?;
        say("reading objects");
        let pack = scratch.path().join("import.pack");
        let failed = |error: std::io::Error| Error::internal(error);
        let mut out = BufWriter::with_capacity(COPY_BYTES, File::create(&pack).map_err(failed)?);
        let objects = polder_git::write_import_pack(&source.snapshot, &held.snapshot, &mut out)?;
        out.flush().map_err(failed)?;
        let received = if objects == 0 {
            None
        } else {
            say(&format!("indexing {objects} objects"));
            let mut body = BufReader::with_capacity(COPY_BYTES, File::open(&pack).map_err(failed)?);
            let id = PackId(self.db.next_id());
            polder_git::index_pack(id, &mut body, scratch.path(), &IndexLimits::IMPORT, say)?
        };
        let commands = differences(source.snapshot.refs(), &held.snapshot);
        let taken = Taken {
            head: Some(source.snapshot.head().to_owned()),
            commands,
            quarantined: Quarantined { received, scratch },
            large_objects: LargeObjects::Directory(source.lfs_objects),
            mirror: None,
            entry,
        };
        self.take_over(repo, taken, say)
    }

    /// Makes true what was found in a source, through the same checks as a push: all of it or nothing.
    pub(crate) fn take_over(&self, repo: &Repo, taken: Taken, say: Say<'_>) -> Result<ImportReport> {
        let Taken { head, commands, quarantined, large_objects, mirror, entry } = taken;
        let objects = quarantined.received.as_ref().map_or(0, |received| received.objects);
        let origin = Origin {
            repo: repo.id,
            name: repo.name.clone(),
            actor: None,
            pusher: None,
            push_options: None,
            severity: Severity::Import,
            run_hooks: false,
            atomic: true,
            large_objects,
            head: head.clone(),
            mirror: mirror.clone(),
            proposal: None,
            rewrites: false,
            entry: entry.clone(),
        };
        if !commands.is_empty() {
            for (name, result) in self.accept(&origin, &commands, &quarantined, say)? {
                result.map_err(|why| Error::invalid(format!("{name}: {why}")))?;
            }
        }
        match (mirror, head) {
            (Some(mirror), _) if commands.is_empty() => {
                let db = self.audited(entry);
                let published = Handle::current().block_on(db.publish_mirror(mirror))?;
                published.then_some(()).ok_or_else(mirror_lost)?;
            }
            (None, Some(head)) => self.take_head(repo.id, &head, entry)?,
            _ => {}
        }
        Ok(ImportReport { refs: commands.len(), objects })
    }

    /// For a source that differs in nothing but its HEAD.
    fn take_head(&self, repo: RepoId, head: &str, entry: Entry) -> Result<()> {
        let runtime = Handle::current();
        if runtime.block_on(self.held(repo))?.snapshot.head() != head {
            runtime.block_on(self.audited(entry).set_head(repo, head.to_owned(), None))?;
            runtime.block_on(self.forget(repo));
        }
        Ok(())
    }

    /// Takes the objects that pointers need out of an `lfs/objects` tree. Blocking.
    ///
    /// # Errors
    /// When one cannot be read or is not what its name says; those that are not there are left for the
    /// check that every pointer has its object, which names them all.
    pub(crate) fn take_objects(
        &self,
        repo: RepoId,
        from: &Path,
        pointers: &[NewPointer],
        say: Say<'_>,
    ) -> Result<()> {
        let runtime = Handle::current();
        let oids: Vec<Sha256> = pointers.iter().map(|new| new.pointer.oid).collect();
        let linked = runtime.block_on(self.db.linked_blobs(repo, &oids))?;
        let mut known: HashSet<Sha256> = linked.into_iter().map(|blob| blob.sha256).collect();
        for new in pointers {
            let path = lfs_path(from, &new.pointer.oid);
            if !known.insert(new.pointer.oid) || !path.is_file() {
                continue;
            }
            say(&format!("storing {} ({} bytes)", new.path, new.pointer.size_bytes));
            let failed = |error: std::io::Error| {
                Error::invalid(format!("cannot read the object of `{}`", new.path)).caused_by(error)
            };
            let mut file = File::open(&path).map_err(failed)?;
            let mut stage = self.store.stage(new.pointer.size_bytes)?;
            let mut chunk = vec![0; COPY_BYTES];
            loop {
                match file.read(&mut chunk).map_err(failed)? {
                    0 => break,
                    count => stage.write(chunk.get(..count).unwrap_or_default())?,
                }
            }
            let staged = stage.finish()?;
            if *staged.sha256() != new.pointer.oid {
                return Err(Error::invalid(format!(
                    "the LFS object of `{}` in the source is damaged",
                    new.path
                )));
            }
            runtime.block_on(self.publish(repo, staged, None, None))?;
        }
        Ok(())
    }

    /// Writes a plain bare repository that stock git opens, with an `lfs/objects` tree beside it.
    /// Again = update.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`]; [`crate::Kind::Invalid`] when `dir` holds something else.
    pub async fn export(&self, name: &RepoName, dir: &Path, progress: Progress) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let state = self.db.load_repo_state(repo.id).await?;
        let state = state.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let mut blobs = Vec::new();
        let mut after = None;
        loop {
            let page = self.db.list_repo_blobs(repo.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sha256);
            blobs.extend(page);
        }
        let (hub, dir) = (self.clone(), dir.to_owned());
        let work = move || {
            polder_git::check_export_target(&dir)?;
            let packs: Vec<ExportPack> = state.packs.iter().map(|row| export_pack(row, &hub)).collect();
            let held = load(state, &hub.store)?;
            let target = dir.join("lfs/objects");
            for blob in blobs {
                let path = lfs_path(&target, &blob.sha256);
                if !path.is_file() {
                    progress(&format!("copying object {} ({} bytes)", blob.sha256, blob.size_bytes));
                    copy_object(&hub.store.open_blob(blob.id)?.file, &path)?;
                }
            }
            progress(&format!("writing {} packs and {} refs", packs.len(), held.snapshot.refs().len()));
            polder_git::export(&held.snapshot, &dir, &packs)?;
            Ok(())
        };
        self.door.run(work).await?;
        self.record(Entry::operator("repo.export").on(repo.id, &repo.name)).await;
        Ok(())
    }

    /// The read-only repository that a hook sees.
    pub(crate) fn write_view(
        &self,
        origin: &Origin,
        snapshot: &Snapshot,
        received: Option<&Received>,
        view: &Path,
    ) -> Result<()> {
        let state = Handle::current().block_on(self.db.load_repo_state(origin.repo))?;
        let state = state.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let mut packs: Vec<ExportPack> = state.packs.iter().map(|row| export_pack(row, self)).collect();
        packs.extend(received.map(|received| ExportPack {
            hash: received.hash,
            pack: match &received.place {
                Place::Memory { pack, index } => PackBytes::Memory(pack.clone(), index.clone()),
                Place::Files { pack, index } => PackBytes::Files(pack.clone(), index.clone()),
            },
        }));
        Ok(polder_git::write_view(snapshot, view, &packs)?)
    }
}

fn export_pack(row: &PackRow, hub: &Hub) -> ExportPack {
    let pack = if let Some((pack, index)) = &row.data {
        PackBytes::Memory(pack.clone(), index.clone())
    } else {
        let (pack, index) = hub.store.pack_paths(row.id);
        PackBytes::Files(pack, index)
    };
    ExportPack { hash: row.hash, pack }
}

/// `aa/bb/<oid>` as git-lfs lays out its local storage.
fn lfs_path(objects: &Path, oid: &Sha256) -> PathBuf {
    let text = oid.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    objects.join(part(0, 2)).join(part(2, 4)).join(&text)
}

/// Copies an object so that a reader sees all of it or nothing.
fn copy_object(mut from: &File, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(crate::Kind::Internal, format!("cannot write `{}`", to.display())).caused_by(error)
    };
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let staged = to.with_extension("new");
    let mut file = File::create(&staged).map_err(failed)?;
    std::io::copy(&mut from, &mut file).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&staged, to).map_err(failed)
}

/// What was found in a source, to be made true here.
pub(crate) struct Taken {
    /// Where HEAD shall point; as before if the source does not tell.
    pub(crate) head: Option<String>,
    pub(crate) commands: Vec<Command>,
    pub(crate) quarantined: Quarantined,
    pub(crate) large_objects: LargeObjects,
    /// The mirror that shows it, if one does.
    pub(crate) mirror: Option<MirrorPublish>,
    pub(crate) entry: Entry,
}

/// What a mirror was being brought to is no longer its turn.
pub(crate) fn mirror_lost() -> Error {
    Error::new(Kind::Conflict, "it was hidden, or taken up anew, meanwhile")
}

/// The commands that make the refs of `ours` those of `theirs`.
pub(crate) fn differences(theirs: &[Ref], ours: &Snapshot) -> Vec<Command> {
    differences_besides(theirs, ours, &["refs/pr/", "refs/polder/"])
}

/// The same, leaving alone what is below `ours_alone`.
pub(crate) fn differences_besides(theirs: &[Ref], ours: &Snapshot, ours_alone: &[&str]) -> Vec<Command> {
    let is_ours_alone = |name: &str| ours_alone.iter().any(|below| name.starts_with(below));
    let mut commands = Vec::new();
    for wanted in theirs.iter().filter(|r| !is_ours_alone(&r.name)) {
        let old = ours.find_ref(&wanted.name).map_or(ObjectId::ZERO, |r| r.oid);
        if old != wanted.oid {
            commands.push(Command { name: wanted.name.clone(), old, new: wanted.oid });
        }
    }
    let names: HashSet<&str> = theirs.iter().map(|r| r.name.as_str()).collect();
    let is_gone = |r: &&Ref| !is_ours_alone(&r.name) && !names.contains(r.name.as_str());
    for gone in ours.refs().iter().filter(is_gone) {
        commands.push(Command { name: gone.name.clone(), old: gone.oid, new: ObjectId::ZERO });
    }
    commands
}
