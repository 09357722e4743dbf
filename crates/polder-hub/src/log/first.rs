//! The beginning of the own log: the hub's key, and the recovery key that outranks it.

use std::fmt::Write as _;

use polder_db::Appended;
use polder_log::{Data, EventType, SecretKey, VerifierKey};

use super::author::{Author, entry};
use super::origin;
use crate::Hub;
use crate::error::{Error, Result};
use crate::secret::{Secret, random};

/// What the text of a recovery key starts with.
const RECOVERY_PREFIX: &str = "pldr_";

impl Hub {
    /// Begins this hub's own log when there is none. Then the answer is the recovery key, which is kept
    /// nowhere else: whoever has it can give the hub another key.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] when the hub has no name that others could know it by.
    pub async fn begin_log(&self) -> Result<Option<Secret>> {
        if !self.federation.is_enabled {
            return Ok(None);
        }
        let log = if let Some(log) = self.db.own_log().await? {
            log
        } else {
            let name = origin::first_log(&self.federation, &self.public_url)?;
            let key = VerifierKey::new(name.origin.as_str(), self.keys.log().public());
            self.db.open_log(name, key.map_err(Error::internal)?, true).await?
        };
        if log.tree.size() > 0 {
            self.give_out(&log);
            return Ok(None);
        }
        let seed = random::<32>()?;
        let recovery = SecretKey::new(&seed);
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let mut event = author.statement(EventType::HubKey, self.clock.now())?;
        event.rseq = 1;
        event.data =
            Data::HubKey { key: self.keys.log().public(), recovery_sha256: recovery.public().sha256() };
        let body = event.seal(&[self.keys.log()]).map_err(Error::internal)?;
        let append = log.append(vec![entry(&body)]);
        // Another node may have been first: then it shows its recovery key.
        let made = matches!(self.db.append_to_log(append).await?, Appended::Done(_));
        Ok(made.then(|| recovery_text(&seed)))
    }
}

fn recovery_text(seed: &[u8; 32]) -> Secret {
    let mut text = RECOVERY_PREFIX.to_owned();
    for byte in seed {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    Secret::new(text)
}
