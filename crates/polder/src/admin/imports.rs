//! Repositories in from elsewhere.

use std::fmt;
use std::path::PathBuf;

use polder_hub::{Hub, ImportReport, Kind, PullOptions, PullSource, Pulled};
use polder_types::{RepoName, Visibility};

use serde::{Deserialize, Serialize};

use super::{Answer, Progress};
use crate::Error;

/// Where a repository comes from, as it was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line")]
pub enum ImportFrom {
    /// A directory of this machine.
    Directory { dir: PathBuf },
    /// Another server.
    Server {
        url: String,
        /// The server of an `hf:acme/m`.
        endpoint: Option<String>,
        user: Option<String>,
        token_file: Option<PathBuf>,
        /// Keep tips that are deleted or rewritten there.
        keep: bool,
        /// Pull again so often.
        every_seconds: Option<u64>,
    },
}

enum Source {
    Directory(PathBuf),
    Server { source: Box<PullSource>, keep: bool, every_seconds: Option<u64> },
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(out),
            Self::Server { source, .. } => source.fmt(out),
        }
    }
}

impl Source {
    fn parse(hub: &Hub, from: ImportFrom) -> Result<Self, Error> {
        match from {
            ImportFrom::Directory { dir } => {
                std::fs::read_dir(&dir).map_err(|error| Error::io("reading", &dir, error))?;
                Ok(Self::Directory(dir))
            }
            ImportFrom::Server { url, endpoint, user, token_file, keep, every_seconds } => {
                let source = Box::new(hub.pull_source(&url, endpoint.as_deref(), user, token_file)?);
                Ok(Self::Server { source, keep, every_seconds })
            }
        }
    }

    /// What it is called there.
    fn name(&self) -> Result<RepoName, Error> {
        let name = match self {
            Self::Directory(_) => None,
            Self::Server { source, .. } => source.name_there()?,
        };
        name.ok_or_else(|| Error::plain("say what it shall be called here, such as acme/m"))
    }

    /// Who may read it there.
    async fn check(&self, hub: &Hub) -> Result<Visibility, Error> {
        match self {
            Self::Directory(dir) => Ok(hub.check_source(dir).await.map(|()| Visibility::Public)?),
            Self::Server { source, .. } => Ok(hub.check_pull_source(source).await?),
        }
    }

    async fn take(
        &self,
        hub: &Hub,
        id: &RepoName,
        stays_open: bool,
        progress: &Progress,
    ) -> polder_hub::Result<ImportReport> {
        match self {
            Self::Directory(dir) => hub.import(dir, id, progress.teller()).await,
            Self::Server { source, keep, every_seconds } => {
                let options = PullOptions { keep: *keep, stays_open };
                let Pulled { report, there } = hub.pull(source, id, options, progress.teller()).await?;
                if let Some(seconds) = every_seconds {
                    hub.mirror_by_clock(source, id, *seconds, options, there).await?;
                }
                Ok(report)
            }
        }
    }
}

/// Imports, after making the repository unless it is there, as open as its source unless something else was
/// said; a source that cannot be opened is refused before that.
pub(super) async fn import(
    hub: &Hub,
    from: ImportFrom,
    id: Option<RepoName>,
    visibility: Option<Visibility>,
    progress: &Progress,
) -> Result<Answer, Error> {
    let source = Source::parse(hub, from)?;
    let id = &id.map_or_else(|| source.name(), Ok)?;
    let is_there = hub.has_repo(id).await?;
    // Whoever comes between finds nobody who may read it.
    let there = if is_there { Visibility::Private } else { source.check(hub).await? };
    let visibility_here = visibility.unwrap_or(there);
    let taken = match hub.add_copy(id, visibility_here).await {
        Ok(()) => None,
        Err(error) if error.kind() == Kind::Conflict => Some(error),
        Err(error) => return Err(error.into()),
    };
    if taken.is_none() && visibility_here != Visibility::Public {
        progress.teller()(&format!("`{id}` is {visibility_here}"));
    }
    let stays_open = visibility == Some(Visibility::Public);
    match (source.take(hub, id, stays_open, progress).await, taken) {
        (Ok(ImportReport { refs, objects }), _) => {
            let told = format!("imported `{source}` as `{id}`: {refs} refs changed, {objects} new objects");
            Ok(Answer::Done(told))
        }
        // The name was taken, but not by a repository that is there now.
        (Err(error), Some(taken)) if error.kind() == Kind::NotFound && !hub.has_repo(id).await? => {
            Err(taken.into())
        }
        (Err(error), Some(_)) => Err(error.into()),
        // Deleting it again would retire its name for ever.
        (Err(error), None) => {
            let made = format!("nothing was imported; the new repository `{id}` is there and empty");
            Err(Error::caused_by(made, Error::from(error)))
        }
    }
}

/// Lists what is pulled by the clock, or stops pulling one.
pub(super) async fn mirrors(hub: &Hub, stop: Option<RepoName>) -> Result<Answer, Error> {
    let Some(id) = stop else {
        let listed = hub.list_pull_mirrors().await?;
        return Ok(Answer::Mirrors(listed.into_iter().map(Into::into).collect()));
    };
    hub.stop_mirroring(&id).await?;
    Ok(Answer::Done(format!("`{id}` is no longer a mirror and takes pushes")))
}
