//! Who may read a source, and a copy of it that is open to no more people.

use polder_db::Repo;
use polder_types::{Gate, RepoName, Visibility};
use tokio::runtime::Handle;

use super::attempt::Attempt;
use super::exchange::HttpExchange;
use super::hf::Api;
use super::{Patience, PullOptions, PullSource};
use crate::Hub;
use crate::accept::Say;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

impl Hub {
    /// Makes an empty repository for a copy. What is gated has its gate from the start, and is public at no moment.
    ///
    /// # Errors
    /// As [`Hub::add_repo`].
    pub async fn add_copy(&self, name: &RepoName, visibility: Visibility) -> Result<()> {
        self.account(name.namespace()).await?;
        let new = polder_db::NewRepo {
            name: name.clone(),
            visibility,
            actor: None,
            rid: random()?,
            upstream: None,
        };
        let entry = Entry::operator("repo.add").on_name(name).with("visibility", visibility.as_str());
        self.put_repo(new, entry).await
    }

    /// Who may read a source, as far as its server lets that be known. The API says so. Git servers do not; but
    /// what they show to a token and not to anyone is private. Blocking.
    pub(super) fn visibility_there(&self, source: &PullSource, patience: &Patience) -> Result<Visibility> {
        let Some(from) = source.hf() else {
            let anyone = HttpExchange::of_anyone(&self.egress, source, patience);
            let is_private = source.token_file().is_some() && !anyone.is_shown()?;
            return Ok(if is_private { Visibility::Private } else { Visibility::Public });
        };
        let (api, runtime) = (Api::new(&self.egress, source, from, patience)?, Handle::current());
        if let Some(told) = runtime.block_on(api.info(from.revision()))?.visibility() {
            return Ok(told);
        }
        let Some(anyone) = api.without_token() else { return Ok(Visibility::Public) };
        match runtime.block_on(anyone.info(from.revision())) {
            Ok(_) => Ok(Visibility::Public),
            Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => Ok(Visibility::Private),
            Err(error) => Err(error),
        }
    }

    /// Lets no more people read a copy than may read the source, unless the operator said that they may; who that
    /// is. What was opened there is not opened here. Blocking.
    ///
    /// # Errors
    /// As asking the source; then nothing more of it is fetched.
    pub(super) fn close_as_there(
        &self,
        repo: &Repo,
        source: &PullSource,
        options: PullOptions,
        attempt: &Attempt,
        say: Say<'_>,
    ) -> Result<Visibility> {
        let there = self.visibility_there(source, attempt.patience())?;
        let runtime = Handle::current();
        // It may have been shown while the pull waited and asked.
        let repo = runtime.block_on(self.db.repo(repo.id))?;
        let repo = repo.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let closed = if options.stays_open { None } else { closed_by(there, repo.visibility) };
        let entry = |action| attempt.entry(action).on(repo.id, &repo.name).with("from", source.to_string());
        match closed {
            None => return Ok(there),
            Some(Visibility::Gated) => {
                let gate = Some(Gate::Manual);
                runtime.block_on(self.gate(repo.clone(), gate, None, entry("repo.gate")))?;
            }
            Some(hidden) => {
                runtime.block_on(self.show_repo(repo.clone(), hidden, None, entry("repo.visibility")))?;
            }
        }
        tracing::warn!(repo = %repo.name, %source, %there, "a copy is closed as its source is");
        say(&format!("the source is {there}: so is `{}` from now on", repo.name));
        Ok(there)
    }
}

/// What a copy that is `here` must become when its source is `there`.
fn closed_by(there: Visibility, here: Visibility) -> Option<Visibility> {
    match (there, here) {
        (Visibility::Private, Visibility::Public | Visibility::Gated)
        | (Visibility::Gated, Visibility::Public) => Some(there),
        (Visibility::Public, _) | (_, Visibility::Private) | (Visibility::Gated, Visibility::Gated) => None,
    }
}

#[cfg(test)]
mod tests {
    use polder_types::Visibility::{Gated, Private, Public};

    use super::closed_by;

    #[test]
    fn a_copy_becomes_what_its_source_is_and_never_more_open() {
        for (there, here, becomes) in [
            (Public, Public, None),
            (Public, Gated, None),
            (Public, Private, None),
            (Gated, Public, Some(Gated)),
            (Gated, Gated, None),
            (Gated, Private, None),
            (Private, Public, Some(Private)),
            (Private, Gated, Some(Private)),
            (Private, Private, None),
        ] {
            assert_eq!(closed_by(there, here), becomes, "{there} there, {here} here");
        }
    }
}
