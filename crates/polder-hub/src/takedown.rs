//! Taking repositories down: nobody has them here from then on, and the log tells those who mirror them.

use polder_db::Repo;
use polder_log::REASON_BYTES_MAX;
use polder_types::RepoName;

use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};

impl Hub {
    /// Takes a repository of this hub down: nobody may have it from now on, administrators neither, and the
    /// log says so with the reason. To erase it also deletes it for good, and what the log has said of it
    /// before is taken back.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] without a reason, or for a mirror, which is its home's to take
    /// down; [`Kind::Conflict`] when it is down already.
    pub async fn take_down(&self, name: &RepoName, reason: &str, erase: bool) -> Result<()> {
        let reason = checked_reason(reason)?;
        let repo = self.repo_to_take_down(name).await?;
        let entry = Entry::operator("repo.takedown").on(repo.id, &repo.name);
        let entry = entry.with("reason", reason.as_str()).with("erase", erase);
        let hub = self.clone();
        to_the_end(async move {
            if !hub.audited(entry).take_down(repo.id, reason, erase).await? {
                return Err(Error::new(Kind::Conflict, format!("`{}` is down already", repo.name)));
            }
            hub.names.clear();
            hub.tokens.clear();
            hub.forget(repo.id).await;
            Ok(())
        })
        .await
    }

    /// Puts back what was taken down and not erased; the log gives its whole state again.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] for a mirror; [`Kind::Conflict`] when it is not down.
    pub async fn undo_takedown(&self, name: &RepoName) -> Result<()> {
        let repo = self.repo_to_take_down(name).await?;
        let entry = Entry::operator("repo.restore").on(repo.id, &repo.name);
        let hub = self.clone();
        to_the_end(async move {
            if !hub.audited(entry).undo_takedown(repo.id).await? {
                return Err(Error::new(Kind::Conflict, format!("`{}` is not down", repo.name)));
            }
            hub.names.clear();
            Ok(())
        })
        .await
    }

    async fn repo_to_take_down(&self, name: &RepoName) -> Result<Repo> {
        let repo = self.live_repo(name).await?;
        if let Some(url) = repo.home_url() {
            let message = format!(
                "`{}` is a mirror of {url}, which only its home hub can take down; `polder block add` keeps it \
                 from being here",
                repo.name
            );
            return Err(Error::invalid(message));
        }
        Ok(repo)
    }
}

/// A reason as it can be published.
pub(crate) fn checked_reason(reason: &str) -> Result<String> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.contains('\0') {
        return Err(Error::invalid(format!("a reason has 1 to {REASON_BYTES_MAX} bytes")));
    }
    Ok(reason.to_owned())
}
