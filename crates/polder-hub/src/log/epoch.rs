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

#[cfg(test)]
mod tests {
    use polder_log::{Body, Checkpoint, EventsPage, SignerKey};
    use polder_types::Sha256;

    use super::*;
    use crate::follow::hub_peer::Pair;
    use crate::{PageQuery, Select};

    #[tokio::test(flavor = "multi_thread")]
    async fn another_epoch_names_what_is_lost_and_who_follows_says_how_to_accept_it() {
        let pair = Pair::new("*").await;
        let home = &pair.home.hub;
        pair.read().await.expect("read");
        let followed = pair.followed().await;
        assert_eq!(home.begin_log_epoch().await.expect_err("it goes on").kind(), Kind::Conflict);
        // More was signed than the database knows.
        let old = home.db.own_log().await.expect("read").expect("there");
        let key = SignerKey::new(old.key.name(), home.keys.log().clone()).expect("a key");
        let size = old.tree.size() + 5;
        let signed = Checkpoint { log: old.name.clone(), size, root: Sha256::new([9; 32]) };
        checkpoint_file::replace(&home.keys.dir, &signed, &signed.sign(&[&key])).expect("signed");
        *home.own_log.lead.lock().await = None;
        assert_eq!(home.sequence_once().await.expect_err("it is behind").kind(), Kind::Conflict);

        let name = home.begin_log_epoch().await.expect("begun");
        assert_eq!(name.to_string(), "hub.example/polder/2");
        home.sequence_once().await.expect("it goes on");
        assert_eq!(home.begin_log_epoch().await.expect_err("it goes on").kind(), Kind::Conflict);
        let tip = home.own_log_tip().expect("a log");
        let query = PageQuery { from: 0, limit: 10, select: Select::All };
        let page = home.log_page(&tip, query).await.expect("a page");
        let page = EventsPage::decode(&page).expect("well formed");
        let bodies: Vec<Body> = page.bodies.iter().map(|body| Body::decode(body).expect("a body")).collect();
        let lost = bodies.iter().find_map(|body| match &body.data {
            Data::HubEpoch(lost) => Some(lost.clone()),
            _ => None,
        });
        assert_eq!(lost, Some(LogHead { log: signed.log, size, root: signed.root }));
        assert_eq!(page.leaves.iter().filter(|leaf| leaf.kind == EventType::RepoCreate).count(), 1);

        let told = pair.read().await.expect_err("another log");
        assert!(told.message().contains("--accept-epoch 2"), "{told}");
        assert_eq!(pair.followed().await, followed, "it keeps what it has");
    }
}
