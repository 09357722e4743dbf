//! A repository made as a copy of another one here: its branches and tags, and the same large objects.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};

use polder_db::NewRepo;
use polder_git::{IndexLimits, Severity};
use polder_types::{PackId, RepoId, RepoName, Sha256, Visibility};
use tokio::runtime::Handle;

use crate::Hub;
use crate::accept::Quarantined;
use crate::access::{Grant, Principal, Read, Write};
use crate::audit::Entry;
use crate::blocking::run_admitted;
use crate::error::{Error, Kind, Result};
use crate::exchange::differences;
use crate::origin::{LargeObjects, Origin};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// What a copy is called in the audit log.
const DUPLICATE: &str = "repo.duplicate";

impl Hub {
    /// Makes `to` a copy of a repository: its visible branches and tags, and the large objects that they need,
    /// of which no byte moves. Private unless the source is public, or `visibility` says otherwise. An empty
    /// repository that a copy broken off left is filled.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] where the caller may not write to the namespace; [`Kind::Conflict`] for a name that is or
    /// was taken; [`Kind::Invalid`] for another kind; [`Kind::OverQuota`].
    pub async fn duplicate(
        &self,
        from: &Grant<Read>,
        to: &RepoName,
        visibility: Option<Visibility>,
    ) -> Result<RepoName> {
        let source = from.repo_row();
        if source.name.kind() != to.kind() {
            return Err(Error::invalid(format!("`{}` and `{to}` are not of the same kind", source.name)));
        }
        let visibility = visibility.unwrap_or(match source.visibility {
            Visibility::Public => Visibility::Public,
            Visibility::Gated | Visibility::Private => Visibility::Private,
        });
        let principal = from.principal();
        self.require_namespace(principal, to).await?;
        let target = self.empty_repo(principal, to, visibility).await?;
        let entry = target.entry(DUPLICATE).with("from", source.name.to_string());
        let (hub, source, grant) = (self.clone(), source.id, target.clone());
        let place = self.pushes.enter(target.share()).await?;
        let copied = run_admitted(place, move || hub.copy_refs(source, &grant, entry)).await;
        if let Err(error) = copied {
            self.record_refusal(target.entry(DUPLICATE), &error).await;
            return Err(error);
        }
        Ok(target.repo().clone())
    }

    /// The repository of a name, without any ref: made now, or by a copy that was broken off.
    async fn empty_repo(
        &self,
        principal: &Principal,
        name: &RepoName,
        visibility: Visibility,
    ) -> Result<Grant<Write>> {
        let rid = crate::secret::random()?;
        let new =
            NewRepo { name: name.clone(), visibility, actor: principal.account_id(), rid, upstream: None };
        let entry = Entry::of(principal, "repo.add").on_name(name).with("visibility", visibility.as_str());
        let Err(taken) = self.make_repo(new, entry).await else { return self.write(principal, name).await };
        if taken.kind() != Kind::Conflict {
            return Err(taken);
        }
        let Ok(grant) = self.write(principal, name).await else { return Err(taken) };
        let is_as_wanted = grant.repo_row().visibility == visibility;
        let is_empty = self.held(grant.repo_id()).await?.snapshot.refs().is_empty();
        if is_as_wanted && is_empty { Ok(grant) } else { Err(taken) }
    }

    /// Blocking.
    fn copy_refs(&self, source: RepoId, target: &Grant<Write>, entry: Entry) -> Result<()> {
        let runtime = Handle::current();
        let (theirs, ours) =
            (runtime.block_on(self.held(source))?, runtime.block_on(self.held(target.repo_id()))?);
        let scratch = self.store.quarantine()?;
        let pack = scratch.path().join("copy.pack");
        let failed = |error: std::io::Error| Error::internal(error);
        let mut out = BufWriter::with_capacity(COPY_BYTES, File::create(&pack).map_err(failed)?);
        let objects = polder_git::write_import_pack(&theirs.snapshot, &ours.snapshot, &mut out)?;
        out.flush().map_err(failed)?;
        let mut silent = |_: &str| {};
        let received = if objects == 0 {
            None
        } else {
            let mut body = BufReader::with_capacity(COPY_BYTES, File::open(&pack).map_err(failed)?);
            let id = PackId(self.db.next_id());
            polder_git::index_pack(id, &mut body, scratch.path(), &IndexLimits::IMPORT, &mut silent)?
        };
        let visible: Vec<_> = theirs.snapshot.visible_refs().cloned().collect();
        let commands = differences(&visible, &ours.snapshot);
        if commands.is_empty() {
            return Ok(());
        }
        let origin = Origin {
            repo: target.repo_id(),
            name: target.repo().clone(),
            actor: target.actor(),
            pusher: Some(target.as_contributor()),
            push_options: None,
            // They are on this hub already, so they were good enough.
            severity: Severity::Import,
            run_hooks: true,
            atomic: true,
            large_objects: LargeObjects::Repository(source),
            head: Some(theirs.snapshot.head().to_owned()),
            mirror: None,
            proposal: None,
            rewrites: false,
            entry,
        };
        for (name, result) in
            self.accept(&origin, &commands, &Quarantined { received, scratch }, &mut silent)?
        {
            result.map_err(|why| Error::invalid(format!("{name}: {why}")))?;
        }
        Ok(())
    }

    /// Links what another repository here has of `oids`. Blocking.
    pub(crate) fn link_from(&self, source: RepoId, target: RepoId, oids: &[Sha256]) -> Result<()> {
        let runtime = Handle::current();
        for blob in runtime.block_on(self.db.linked_blobs(source, oids))? {
            runtime.block_on(self.db.link_blob(target, &blob.sha256))?;
        }
        Ok(())
    }
}
