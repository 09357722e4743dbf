//! `polder namespace …`

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use polder_hub::Hub;
use polder_log::RecoveryKit;
use polder_types::AccountName;
use serde::{Deserialize, Serialize};

use super::Answer;
use super::command::text;
use super::key::read_key;
use crate::Error;

/// What is asked about a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command line, described in cli.rs")]
pub enum NamespaceTask {
    /// `namespace kit`
    Kit {
        #[serde(with = "text")]
        name: AccountName,
        out: PathBuf,
        replace: Option<PathBuf>,
    },
}

impl NamespaceTask {
    /// The paths that are given on the command line.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self::Kit { out, replace, .. } = self;
        std::iter::once(out).chain(replace)
    }

    pub(super) async fn execute(self, hub: &Hub) -> Result<Answer, Error> {
        let Self::Kit { name, out, replace } = self;
        let old = replace.as_deref().map(read_key).transpose()?;
        hub.make_namespace_kit(&name, old, |kit| write(&out, kit)).await?;
        Ok(Answer::Done(format!(
            "wrote the recovery kit of `{name}` to `{}`: keep it elsewhere, this hub has no copy",
            out.display()
        )))
    }
}

/// Writes a kit to a new file that only its owner can read.
fn write(path: &Path, kit: &RecoveryKit) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(kit.to_text().as_bytes())?;
    file.sync_all()
}
