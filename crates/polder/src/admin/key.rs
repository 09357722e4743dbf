//! `polder key …`: the key by which other hubs know this one.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use polder_hub::{Hub, LogKey};
use polder_log::{KIT_BYTES_MAX, SecretKey, read_recovery_key};
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::Error;

/// What is asked about the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "key")]
pub enum KeyCommand {
    /// `key show`
    Show,
    /// `key rotate`
    Rotate {
        /// A file with the recovery key.
        recovery: Option<PathBuf>,
    },
    /// `key new-epoch`
    NewEpoch,
}

/// The key, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// For `--key`.
    pub key: String,
    /// How many there have been.
    pub generation: u64,
    /// Hash of the recovery key.
    pub recovery_sha256: String,
}

impl From<LogKey> for KeyRow {
    fn from(key: LogKey) -> Self {
        Self {
            key: key.verifier.to_string(),
            generation: key.generation,
            recovery_sha256: key.recovery_sha256.to_string(),
        }
    }
}

impl KeyCommand {
    pub(super) async fn execute(self, hub: &Hub) -> Result<Answer, Error> {
        match self {
            Self::Show => Ok(Answer::Key(hub.log_key().await?.into())),
            Self::Rotate { recovery } => {
                let recovery = recovery.as_deref().map(read_key).transpose()?;
                Ok(Answer::Key(hub.rotate_log_key(recovery).await?.into()))
            }
            Self::NewEpoch => {
                let log = hub.begin_log_epoch().await?;
                Ok(Answer::Done(format!(
                    "the log goes on as `{log}`; whoever follows this hub accepts it with `polder follow URL \
                     --accept-epoch {}`",
                    log.epoch
                )))
            }
        }
    }
}

/// The key in a kit, or in a file with its text alone.
pub(super) fn read_key(path: &Path) -> Result<SecretKey, Error> {
    let failed = |error| Error::io("cannot read", path, error);
    let mut text = String::new();
    let most = u64::try_from(KIT_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path).map_err(failed)?.take(most).read_to_string(&mut text).map_err(failed)?;
    read_recovery_key(&text)
        .map_err(|error| Error::caused_by(format!("`{}` has no recovery key", path.display()), error))
}
