//! Another epoch of the own log: the last resort when what was signed is lost and nobody has it.

use polder_db::Appended;
use polder_log::{Data, EventType, LogHead, LogName, VerifierKey};

use super::author::{Author, entry};
use super::checkpoint_file;
use crate::Hub;
use crate::error::{Error, Kind, Result};

impl Hub {
    /// Begins another epoch of this hub's log, which tells of everything from the beginning. Who follows this hub
    /// keeps what it has until its operator accepts the new epoch.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when the log can go on; [`Kind::NotFound`] while there is none.
    pub async fn begin_log_epoch(&self) -> Result<LogName> {
        let lead = self.own_log.lead.lock().await;
        let old = self.db.own_log().await?.filter(|log| log.tree.size() > 0);
        let old = old.ok_or_else(|| Error::not_found("this hub has no log yet"))?;
        let dir = self.keys.dir.clone();
        let signed = self.leaf.run(move || checkpoint_file::read(&dir)).await?.map(|(signed, _)| signed);
        if lead.is_some() || self.check_not_rolled_back(&old).await.is_ok() {
            return Err(Error::new(Kind::Conflict, "the log of this hub goes on: it needs no other epoch"));
        }
        let lost = signed.filter(|signed| signed.log.origin == old.name.origin).map_or_else(
            || LogHead { log: old.name.clone(), size: old.tree.size(), root: old.tree.root() },
            |signed| LogHead { log: signed.log, size: signed.size, root: signed.root },
        );
        let epoch = lost.log.epoch.max(old.name.epoch).saturating_add(1);
        let name = LogName { origin: old.name.origin.clone(), epoch };
        let recovery_sha256 = self.hub_keys(&old).await?.recovery_sha256;
        // The newest key of this hub: the database may know only an older one.
        let public = self.keys.log_publics()?.pop().unwrap_or_else(|| self.keys.log().public());
        let author = Author { log: name.clone(), keys: self.keys.namespaces() };
        let mut key = author.statement(EventType::HubKey, self.clock.now())?;
        key.rseq = 1;
        key.data = Data::HubKey { key: public, recovery_sha256 };
        let key = key.seal(&[&self.keys.log_key(&public)?]).map_err(Error::internal)?;
        let mut begins = author.statement(EventType::HubEpoch, self.clock.now())?;
        begins.data = Data::HubEpoch(lost);
        let begins = begins.seal(&[]).map_err(Error::internal)?;
        let verifier = VerifierKey::new(name.origin.as_str(), public).map_err(Error::internal)?;
        let entries = vec![entry(&key), entry(&begins)];
        if self.db.begin_epoch(name.clone(), verifier, entries).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another epoch was begun just now"));
        }
        drop(lead);
        self.own_log.bell.notify_one();
        Ok(name)
    }
}
