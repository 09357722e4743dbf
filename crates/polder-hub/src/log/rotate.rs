//! The key of the own log: shown, and followed by another one.

use polder_db::{Appended, Log, LogAppend};
use polder_log::{Body, HubKeys, SecretKey, VerifierKey};
use polder_types::Sha256;
use tokio::sync::MutexGuard;

use super::Lead;
use super::author::{Author, entry};
use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

/// The key by which other hubs know this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// What is given to those who want to check what this hub signed.
    pub verifier: VerifierKey,
    /// How many keys there have been, this one among them.
    pub generation: u64,
    /// Hash of the recovery key, which outranks it.
    pub recovery_sha256: Sha256,
}

impl LogKey {
    fn new(log: &Log, keys: &HubKeys) -> Result<Self> {
        let verifier = VerifierKey::new(log.name.origin.as_str(), keys.key).map_err(Error::internal)?;
        Ok(Self { verifier, generation: keys.generation, recovery_sha256: keys.recovery_sha256 })
    }
}

impl Hub {
    /// The key that signs this hub's log.
    ///
    /// # Errors
    /// [`Kind::NotFound`] while there is no log.
    pub async fn log_key(&self) -> Result<LogKey> {
        let log = self.begun_log().await?;
        LogKey::new(&log, &self.hub_keys(&log).await?)
    }

    async fn begun_log(&self) -> Result<Log> {
        let log = self.db.own_log().await?.filter(|log| log.tree.size() > 0);
        log.ok_or_else(|| Error::not_found("this hub has no log yet; `polder serve` begins it"))
    }

    /// The right to append to the own log as long as the guard is held, and the log as it is until then.
    pub(super) async fn leading(&self) -> Result<(MutexGuard<'_, Option<Lead>>, Lead, Log)> {
        let log = self.begun_log().await?;
        let mut lead = self.own_log.lead.lock().await;
        *lead = self.lead(&log, *lead).await?;
        let held = lead.ok_or_else(|| {
            Error::new(Kind::Unavailable, "another node appends to the log: ask for it there, or stop it")
        })?;
        let log = self.begun_log().await?;
        Ok((lead, held, log))
    }

    /// Follows the events that gave this hub its keys.
    pub(super) async fn hub_keys(&self, log: &Log) -> Result<HubKeys> {
        let mut bodies = Vec::new();
        for (_, sha256) in self.db.hub_keys(log.id).await? {
            bodies.push(Body::decode(&self.log_body(sha256).await?).map_err(Error::internal)?);
        }
        HubKeys::follow(&bodies).map_err(Error::internal)
    }

    /// Makes another key sign this hub's log from now on, and logs that the present one, or the recovery
    /// key, agrees. Who follows this hub goes on without doing anything.
    ///
    /// # Errors
    /// [`Kind::NotFound`] while there is no log; [`Kind::Invalid`] for another key than the recovery key;
    /// [`Kind::Unavailable`] when another node appends to the log.
    pub async fn rotate_log_key(&self, recovery: Option<SecretKey>) -> Result<LogKey> {
        let (_lead, held, log) = self.leading().await?;
        let keys = self.hub_keys(&log).await?;
        let signer = match recovery {
            Some(recovery) => recovery,
            None => self.keys.log_key(&keys.key)?,
        };
        let seed = random::<32>()?;
        let next = SecretKey::new(&seed);
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let event = keys.rotation(author.log, self.clock.now(), random()?, next.public());
        let body = event.seal(&[&next, &signer]).map_err(Error::internal)?;
        let keys = keys.next(&body).map_err(|error| {
            Error::invalid("this is not the recovery key of this hub; its hash is in `polder key show`")
                .caused_by(error)
        })?;
        let shown = LogKey::new(&log, &keys)?;
        // Before anyone may hear of it.
        self.keys.add_log_key(&seed)?;
        let (sequenced, key) = (Some((held.lease, log.fact_seq)), Some(shown.verifier.clone()));
        let append = LogAppend { sequenced, key, ..log.append(vec![entry(&body)]) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Unavailable, "another node appends to the log; try again"));
        }
        self.sign(log.id).await?;
        Ok(shown)
    }
}
