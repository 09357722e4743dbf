//! Branches and tags: listing, making, removing, squashing.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use polder_git::{Command, Snapshot};
use polder_types::ObjectId;
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Contribute, Contributes, Grant, Sees, Write};
use crate::commit::Landed;
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;

/// A ref and the commit it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCommit {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// The commit; for an annotated tag, the one that it tags.
    pub commit_id: ObjectId,
}

impl Hub {
    /// Every visible ref, by name.
    ///
    /// # Errors
    /// When the repository's state cannot be read.
    pub async fn list_refs(&self, grant: &Grant<impl Sees>) -> Result<Vec<NamedCommit>> {
        let held = self.held(grant.repo_id()).await?;
        let named = held.snapshot.visible_refs();
        Ok(named
            .map(|r| NamedCommit { name: r.name.clone(), commit_id: r.peeled.unwrap_or(r.oid) })
            .collect())
    }

    /// Makes a branch at a revision.
    ///
    /// # Errors
    /// [`OpenError::Revision`] for an unknown revision; [`Kind::Conflict`] when the branch is there;
    /// [`Kind::Invalid`] for what is no branch name; [`Kind::Forbidden`] where a rule protects it.
    pub async fn create_branch(
        &self,
        grant: &Grant<Write>,
        branch: &str,
        revision: &str,
    ) -> Result<(), OpenError> {
        let (name, revision) = (format!("refs/heads/{branch}"), revision.to_owned());
        polder_git::check_pushable(&name).map_err(Error::invalid)?;
        self.commit_first(grant, &revision).await?;
        self.change_ref(grant, "branch.add", move |hub, grant, snapshot| {
            let new = start(hub, grant, snapshot, &revision)?;
            Ok((added(snapshot, name, new)?, Bytes::new()))
        })
        .await
    }

    /// Makes a branch whose one commit has no files and no parents.
    ///
    /// # Errors
    /// As [`Hub::create_branch`], but for the revision.
    pub async fn create_empty_branch(&self, grant: &Grant<Write>, branch: &str) -> Result<(), OpenError> {
        let name = format!("refs/heads/{branch}");
        self.change_ref(grant, "branch.add", move |hub, grant, snapshot| {
            let written = polder_git::write_root_commit(snapshot, None, &hub.author(grant), "Initial commit");
            let written = written.map_err(Error::from)?;
            let pack = written.whole_pack().map_err(Error::from)?;
            Ok((added(snapshot, name, written.commit_id)?, pack))
        })
        .await
    }

    /// Removes a branch.
    ///
    /// # Errors
    /// [`OpenError::Revision`] when it is not there; [`Kind::Forbidden`] for the default branch or where a
    /// rule protects it.
    pub async fn delete_branch(&self, grant: &Grant<Write>, branch: &str) -> Result<(), OpenError> {
        let name = format!("refs/heads/{branch}");
        self.change_ref(grant, "branch.delete", move |_, _, snapshot| {
            if name == snapshot.head() {
                return Err(Error::new(Kind::Forbidden, "the default branch cannot be deleted").into());
            }
            Ok((removed(snapshot, name)?, Bytes::new()))
        })
        .await
    }

    /// Makes a tag at a revision; with a message, an annotated one.
    ///
    /// # Errors
    /// As [`Hub::create_branch`].
    pub async fn create_tag(
        &self,
        grant: &Grant<Write>,
        tag: &str,
        revision: &str,
        message: Option<&str>,
    ) -> Result<(), OpenError> {
        let (tag, revision) = (tag.to_owned(), revision.to_owned());
        polder_git::check_pushable(&format!("refs/tags/{tag}")).map_err(Error::invalid)?;
        self.commit_first(grant, &revision).await?;
        let message = message.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        self.change_ref(grant, "tag.add", move |hub, grant, snapshot| {
            let commit_id = start(hub, grant, snapshot, &revision)?;
            let name = format!("refs/tags/{tag}");
            let Some(message) = message else { return Ok((added(snapshot, name, commit_id)?, Bytes::new())) };
            let written = polder_git::write_tag(commit_id, &tag, &hub.author(grant), &message);
            let (tag_id, pack) = written.map_err(Error::from)?;
            Ok((added(snapshot, name, tag_id)?, pack))
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// [`OpenError::Revision`] when it is not there.
    pub async fn delete_tag(&self, grant: &Grant<Write>, tag: &str) -> Result<(), OpenError> {
        let name = format!("refs/tags/{tag}");
        self.change_ref(grant, "tag.delete", move |_, _, snapshot| {
            Ok((removed(snapshot, name)?, Bytes::new()))
        })
        .await
    }

    /// Replaces a branch's history by one commit with the same files.
    ///
    /// # Errors
    /// [`OpenError::Revision`] when it is not there; [`Kind::Forbidden`] where a rule protects its history;
    /// [`Kind::Conflict`] when it moved meanwhile.
    pub async fn squash(&self, grant: &Grant<Write>, branch: &str, message: &str) -> Result<(), OpenError> {
        let (branch, message) = (branch.to_owned(), message.to_owned());
        self.change_ref(grant, "branch.squash", move |hub, grant, snapshot| {
            let name = polder_git::branch_meant(snapshot, &branch);
            let old = there(snapshot, &name)?;
            let message =
                if message.trim().is_empty() { format!("Super-squash branch '{branch}'") } else { message };
            let written = polder_git::write_root_commit(snapshot, Some(old), &hub.author(grant), &message);
            let written = written.map_err(Error::from)?;
            let pack = written.whole_pack().map_err(Error::from)?;
            Ok((Command { name, old, new: written.commit_id }, pack))
        })
        .await
    }

    /// Decides on a change of one ref and what new objects it needs, and makes it as a push would.
    pub(crate) async fn change_ref<L: Contributes>(
        &self,
        grant: &Grant<L>,
        action: &'static str,
        decide: impl FnOnce(&Self, &Grant<Contribute>, &Arc<Snapshot>) -> Result<(Command, Bytes), OpenError>
        + Send
        + 'static,
    ) -> Result<(), OpenError> {
        let held = self.held(grant.repo_id()).await?;
        self.writing(grant, action, move |hub, grant| {
            let (command, pack) = decide(hub, grant, &held.snapshot)?;
            polder_git::check_pushable(&command.name).map_err(Error::invalid)?;
            match hub.land(grant, command, &mut Cursor::new(pack), action, None)? {
                Landed::Done => Ok(()),
                Landed::Stale => Err(Error::new(Kind::Conflict, "it changed meanwhile; look again").into()),
            }
        })
        .await
    }
}

/// Blocking.
fn start(
    hub: &Hub,
    grant: &Grant<Contribute>,
    snapshot: &Arc<Snapshot>,
    revision: &str,
) -> Result<ObjectId, OpenError> {
    let meant = hub.commit_meant(grant.repo_id(), snapshot, revision);
    Handle::current().block_on(meant).map_err(OpenError::Revision)
}

fn there(snapshot: &Snapshot, name: &str) -> Result<ObjectId, OpenError> {
    let found = snapshot.find_ref(name).filter(|r| r.is_visible());
    found.map(|r| r.oid).ok_or_else(|| OpenError::Revision(Error::not_found(format!("there is no `{name}`"))))
}

fn added(snapshot: &Snapshot, name: String, new: ObjectId) -> Result<Command> {
    if snapshot.find_ref(&name).is_some() {
        return Err(Error::new(Kind::Conflict, format!("reference `{name}` already exists")));
    }
    Ok(Command { name, old: ObjectId::ZERO, new })
}

fn removed(snapshot: &Snapshot, name: String) -> Result<Command, OpenError> {
    let old = there(snapshot, &name)?;
    Ok(Command { name, old, new: ObjectId::ZERO })
}
