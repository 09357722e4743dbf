//! What followed hubs say of logs that are here, compared with what is here.
//!
//! An origin that shows one past to some and another to others is found out when they compare. That a hub says
//! so proves nothing yet: it is reported, and that hub is asked for what the origin signed. Only that freezes.

use std::collections::HashMap;
use std::time::Duration;

use polder_db::{Attest, Log, UpstreamState};
use polder_log::{Body, Data, EventsPage, LogHead};

use super::peer::Peer;
use crate::Hub;
use crate::error::{Error, Result};

/// What an event says of another log, if that is what it is for.
pub(super) fn attested(body: &Body) -> Option<LogHead> {
    if let Data::Attest(head) = &body.data { Some(head.clone()) } else { None }
}

impl Hub {
    /// Keeps what a log says of others that are here.
    pub(super) async fn hear_attests(&self, by: i64, said: Vec<LogHead>) -> Result<()> {
        let mut heard = Vec::new();
        for LogHead { log, size, root } in said {
            if let Some(log) = self.db.log_named(&log).await? {
                heard.push(Attest { log: log.id, by, size, root, contradicts: false });
            }
        }
        if heard.is_empty() {
            return Ok(());
        }
        self.db.put_attests(heard).await?;
        self.compare_attests().await
    }

    /// Compares what was said with what is here, as far as that goes; what does not agree is kept and reported.
    pub(crate) async fn compare_attests(&self) -> Result<()> {
        let logs: HashMap<i64, Log> =
            self.db.list_logs().await?.into_iter().map(|log| (log.id, log)).collect();
        for attest in self.db.attests().await? {
            let (Some(log), Some(by)) = (logs.get(&attest.log), logs.get(&attest.by)) else { continue };
            if attest.contradicts && !log.is_own {
                self.confront(log, by).await?;
            }
            let is_here = attest.size <= log.tree.size() && (log.is_own || attest.size >= log.min_index);
            if attest.contradicts || by.is_own || !is_here {
                continue;
            }
            if self.db.log_root(log, attest.size).await? != Some(attest.root)
                && self.db.contradict_attest(attest).await?
            {
                let (of, by) = (&log.name, &by.name);
                tracing::error!(%of, %by, size = attest.size, "a hub has another past of this log than is here");
            }
        }
        Ok(())
    }

    /// Asks a hub that has another past of a followed log for what the origin signed of it.
    async fn confront(&self, log: &Log, by: &Log) -> Result<()> {
        let (of, by) = (self.db.upstream(log.id).await?, self.db.upstream(by.id).await?);
        let is_followed = of.is_some_and(|of| of.state == UpstreamState::Following);
        let Some(by) = by.filter(|_| is_followed) else { return Ok(()) };
        let peer = self.mirror_peer(&by.url, &log.name.origin)?;
        if let Err(error) = self.confront_with(log.id, &*peer).await {
            tracing::warn!(url = by.url, error = %error.chain(), "a hub does not show what it has of a log");
        }
        Ok(())
    }

    /// Freezes a log when what a source has of it is signed by the origin and contradicts what is here.
    async fn confront_with(&self, log: i64, peer: &dyn Peer) -> Result<()> {
        let reader = self.reader(log).await?;
        let size = reader.cursor.tree.size();
        let answer = peer
            .events(size, 0, Duration::ZERO)
            .await
            .map_err(|error| error.of(peer.name()))?
            .unwrap_or_default();
        let page = EventsPage::decode(&answer).map_err(Error::internal)?;
        if let Err(fault) = reader.cursor.advance(&page, &reader.log.key) {
            let fault = self.look_closer(&reader, peer, &page, fault).await?;
            return Err(self.judge(log, peer, fault).await?.into_error());
        }
        Ok(())
    }

    /// What is wrong with followed logs by the word of other hubs: at the log that it is about, or when that is
    /// this hub's, at the one that says it.
    pub(super) async fn contradictions(&self) -> Result<HashMap<i64, String>> {
        let mut wrong = HashMap::new();
        for attest in self.db.attests().await?.into_iter().filter(|attest| attest.contradicts) {
            let (Some(log), Some(by)) = (self.db.log(attest.log).await?, self.db.log(attest.by).await?)
            else {
                continue;
            };
            let message = format!(
                "`{}` says that `{}` had another root at {} events than it has here",
                by.name, log.name, attest.size
            );
            wrong.insert(if log.is_own { by.id } else { log.id }, message);
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use polder_db::{Log, LogEntry, UpstreamState};
    use polder_log::{Checkpoint, EventType, SignerKey, Statement};
    use polder_types::{UnixMillis, Visibility};

    use crate::follow::hub_peer::{HubPeer, Pair, read_all};
    use crate::follow::peer::Peer as _;
    use crate::tests::{Fixture, fixture_as, repo};

    /// A hub with a log of its own that follows the home.
    async fn other(pair: &Pair, origin: &str) -> (Fixture, i64) {
        let hub = fixture_as(Some(origin)).await;
        hub.hub.begin_log().await.expect("begun");
        hub.hub.sequence_once().await.expect("sequenced");
        let log = pair.follow(&hub, "*").await;
        read_all(&hub.hub, log, &pair.peer).await.expect("read");
        (hub, log)
    }

    /// Lets the pair's follower read the log of another hub.
    async fn read(pair: &Pair, hub: &Fixture) -> i64 {
        hub.hub.sequence_once().await.expect("sequenced");
        let peer = HubPeer::new(&hub.hub);
        let about = peer.about().await.expect("it answers");
        let db = &pair.follower.hub.db;
        let log = db.open_log(about.log, about.key, false).await.expect("opened").id;
        db.set_upstream(log, "http://other.example".to_owned(), Vec::new()).await.expect("set");
        read_all(&pair.follower.hub, log, &peer).await.expect("read");
        log
    }

    /// Adds an event to what a hub has of a log, which its origin has not said; the log before that.
    async fn invent(hub: &Fixture, log: i64) -> Log {
        let held = hub.hub.db.log(log).await.expect("read").expect("there");
        let said = Statement::new(held.name.clone(), EventType::Heartbeat, UnixMillis(1), [9; 16]);
        let leaf = said.seal(&[]).expect("sealed").leaf();
        let append = held.append(vec![LogEntry { leaf, body: None, nsid: None }]);
        hub.hub.db.append_to_log(append).await.expect("appended");
        held
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hubs_say_how_far_the_logs_they_follow_are_and_only_when_those_grew() {
        let pair = Pair::new("*").await;
        pair.read().await.expect("read");
        let (hub, log) = other(&pair, "other.example.org").await;
        let other = &hub.hub;
        assert_eq!(other.attest_once().await.expect("said"), 1);
        assert_eq!(other.attest_once().await.expect("looked"), 0, "nothing is new");
        pair.home.hub.add_repo(&repo("acme/m"), Visibility::Public).await.expect("added");
        pair.home.hub.sequence_once().await.expect("sequenced");
        read_all(other, log, &pair.peer).await.expect("read");
        assert_eq!(other.attest_once().await.expect("said"), 1);
        read(&pair, &hub).await;
        let size = other.db.log(log).await.expect("read").expect("there").tree.size();
        let heard = pair.follower.hub.db.attests().await.expect("read");
        let heard: Vec<_> = heard.iter().map(|one| (one.log, one.size, one.contradicts)).collect();
        assert_eq!(heard, [(pair.log, size, false)], "the follower is behind");
        pair.read().await.expect("read");
        pair.follower.hub.compare_attests().await.expect("compared");
        assert!(pair.follower.hub.contradictions().await.expect("none").is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_past_that_a_hub_tells_of_is_kept_and_shown_and_freezes_only_if_the_home_signed_it() {
        let pair = Pair::new("*").await;
        pair.read().await.expect("read");
        let (hub, log) = other(&pair, "other.example.org").await;
        // It has been told something else by the home, or says so.
        let held = invent(&hub, log).await;
        assert_eq!(hub.hub.attest_once().await.expect("said"), 1);
        read(&pair, &hub).await;
        let follower = &pair.follower.hub;
        assert!(follower.contradictions().await.expect("read").is_empty(), "not so far yet");
        pair.home.hub.add_repo(&repo("acme/m"), Visibility::Public).await.expect("added");
        pair.read().await.expect("read");
        follower.log_upkeep_once().await.expect("compared");
        let shown = follower.list_followed().await.expect("listed");
        let home = shown.iter().find(|one| one.url == "http://home.example").expect("there");
        let told = home.last_error.as_deref().unwrap_or_default();
        assert!(told.contains("`other.example.org/polder/1` says"), "{told}");
        assert_eq!(home.state, UpstreamState::Following);
        let theirs = HubPeer { of: Some(held.name.origin.clone()), ..HubPeer::new(&hub.hub) };
        follower.confront_with(pair.log, &theirs).await.ok();
        let state = async || follower.db.upstream(pair.log).await.expect("read").expect("there").state;
        assert_eq!(state().await, UpstreamState::Following, "the home signed no such thing");
        // Neither another word nor an answer of the home makes it undone; the operator does.
        assert!(follower.db.attests().await.expect("read")[0].contradicts);
        pair.read().await.expect("read");
        assert_eq!(follower.contradictions().await.expect("read").len(), 1);
        follower.db.set_upstream(pair.log, "http://home.example".to_owned(), Vec::new()).await.expect("set");
        assert!(follower.contradictions().await.expect("read").is_empty());

        // Once the home has signed it, it is the home that is to blame.
        let key =
            SignerKey::new(held.key.name(), pair.home.hub.keys.log_key(&held.key.key()).expect("its key"));
        let tree = hub.hub.db.log(log).await.expect("read").expect("there").tree;
        let other = Checkpoint { log: held.name.clone(), size: tree.size(), root: tree.root() };
        let note = other.sign(&[&key.expect("a key")]);
        assert!(hub.hub.db.set_log_checkpoint(log, note, tree.size()).await.expect("set"));
        let told = follower.confront_with(pair.log, &theirs).await.expect_err("two pasts");
        assert!(told.message().contains("signed two different logs"), "{told}");
        assert_eq!(state().await, UpstreamState::Frozen);
    }
}
