//! `polder namespace …`

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use polder_hub::{Hub, MoveRequest, MovedHere};
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
    /// `namespace move`
    Move {
        #[serde(with = "text")]
        name: AccountName,
        from: String,
        kit: PathBuf,
        #[serde(with = "text")]
        owner: AccountName,
    },
}

impl NamespaceTask {
    /// The paths that are given on the command line.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (file, other) = match self {
            Self::Kit { out, replace, .. } => (out, replace.as_mut()),
            Self::Move { kit, .. } => (kit, None),
        };
        std::iter::once(file).chain(other)
    }

    pub(super) async fn execute(self, hub: &Hub) -> Result<Answer, Error> {
        Ok(Answer::Done(match self {
            Self::Kit { name, out, replace } => {
                let old = replace.as_deref().map(read_key).transpose()?;
                hub.make_namespace_kit(&name, old, |kit| write(&out, kit)).await?;
                format!(
                    "wrote the recovery kit of `{name}` to `{}`: keep it elsewhere, this hub has no copy",
                    out.display()
                )
            }
            Self::Move { name, from, kit, owner } => {
                let kit = read_key(&kit)?;
                let request = MoveRequest { name: name.clone(), from, kit, owner: owner.clone() };
                let MovedHere { name: here, repos } = hub.move_namespace_here(request).await?;
                format!(
                    "`{name}` is at home here now, as `{here}` and `{name}`, with {repos} repositories; `{owner}` \
                     administrates it"
                )
            }
        }))
    }
}

/// Writes a kit to a new file that only its owner can read.
fn write(path: &Path, kit: &RecoveryKit) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(kit.to_text().as_bytes())?;
    file.sync_all()
}
