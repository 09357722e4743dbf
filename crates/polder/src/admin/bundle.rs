//! Commands about bundles.

use std::path::{Path, PathBuf};

use polder_hub::{BundleImported, BundleReport, BundleRequest, Hub};
use polder_log::VerifierKey;
use serde::{Deserialize, Serialize};

use super::command::text;
use super::{Answer, Progress};
use crate::Error;

/// What the operator asks about bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum BundleTask {
    /// `bundle export`
    Export {
        dir: PathBuf,
        origin: Option<String>,
        select: Vec<String>,
        since: Option<PathBuf>,
        file_size: u64,
    },
    /// `bundle import`
    Import {
        dir: PathBuf,
        #[serde(with = "text::maybe")]
        key: Option<VerifierKey>,
    },
}

impl BundleTask {
    /// The paths in it, which must be absolute before another process reads them.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (dir, since) = match self {
            Self::Export { dir, since, .. } => (dir, since.as_mut()),
            Self::Import { dir, .. } => (dir, None),
        };
        [dir].into_iter().chain(since)
    }

    pub(super) async fn execute(self, hub: &Hub, progress: &Progress) -> Result<Answer, Error> {
        match self {
            Self::Export { dir, origin, select, since, file_size } => {
                let to = dir.clone();
                let request = BundleRequest { dir, origin, select, since, file_size };
                exported(&to, hub.export_bundle(request, progress.teller()).await?)
            }
            Self::Import { dir, key } => {
                imported(&dir, hub.import_bundle(&dir, key, progress.teller()).await?)
            }
        }
    }
}

fn exported(dir: &Path, report: BundleReport) -> Result<Answer, Error> {
    let BundleReport { origin, events, repositories, bytes, parts, left_out } = report;
    let told = format!(
        "bundled {repositories} repositories and {events} events of `{origin}` in `{}`: {bytes} bytes in {parts} parts",
        dir.display()
    );
    if left_out == 0 {
        return Ok(Answer::Done(told));
    }
    Err(Error::plain(format!("{told}; {left_out} repositories are left out, which are not whole here")))
}

fn imported(dir: &Path, report: BundleImported) -> Result<Answer, Error> {
    let BundleImported { origin, events, ready, troubled } = report;
    let told = format!(
        "imported `{}`: {events} new events of `{origin}`, {ready} repositories up to date",
        dir.display()
    );
    let Some((path, why)) = troubled.first() else { return Ok(Answer::Done(told)) };
    let count = troubled.len();
    Err(Error::plain(format!("{told}; {count} are not, see polder mirrors; the first is `{path}`: {why}")))
}
