//! Which key an upstream's log is signed with now: one that the trusted key, or the recovery key, has agreed to.

use polder_db::{Log, LogBody};
use polder_log::{
    Body, Checkpoint, Error as LogError, EventType, EventsPage, HubKeys, PublicKey, VerifierKey, read_bodies,
};
use polder_types::Sha256;

use super::bootstrap::Stop;
use super::peer::{Peer, PeerError};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Under which id a hub gives out its own keys.
pub(crate) const HUB: Sha256 = Sha256::new([0; 32]);

/// The keys of a hub one after the other, seen from the one that is trusted.
struct Chain {
    trusted: PublicKey,
    keys: Option<HubKeys>,
    has_trusted: bool,
}

impl Chain {
    fn new(trusted: &VerifierKey) -> Self {
        Self { trusted: trusted.key(), keys: None, has_trusted: false }
    }

    /// Goes on with events; one that does not follow, or was seen before, changes nothing.
    fn push_all(&mut self, bodies: &[Body]) {
        for body in bodies {
            let next = self.keys.as_ref().map_or_else(|| HubKeys::start(body), |keys| keys.next(body));
            if let Ok(next) = next {
                self.has_trusted |= next.key == self.trusted;
                self.keys = Some(next);
            }
        }
    }

    /// The newest key, if the trusted one leads to it.
    fn newest(&self) -> Option<PublicKey> {
        self.keys.filter(|_| self.has_trusted).map(|keys| keys.key)
    }

    /// The key that the trusted one has given way to, if it has.
    fn next(&self, name: &VerifierKey) -> Result<Option<VerifierKey>> {
        let next = self.newest().filter(|key| *key != self.trusted);
        next.map(|key| VerifierKey::new(name.name(), key).map_err(Error::internal)).transpose()
    }
}

/// Those of some bodies that have anything to say of keys.
fn decoded<'b>(bodies: impl IntoIterator<Item = &'b [u8]>) -> Vec<Body> {
    let bodies = bodies.into_iter().filter_map(|body| Body::decode(body).ok());
    bodies.filter(|body| body.kind == EventType::HubKey).collect()
}

impl Hub {
    /// The key that signed a page, when it is not the one that is trusted but one that follows it: by events
    /// in the page, or by what the source says of its keys. Only signatures of keys before count.
    pub(super) async fn next_key(
        &self,
        log: &Log,
        page: &EventsPage,
        peer: &dyn Peer,
    ) -> Result<Option<VerifierKey>, Stop> {
        if !matches!(Checkpoint::open(&page.checkpoint, &log.key), Err(LogError::Unsigned { .. })) {
            return Ok(None);
        }
        let has_signed = |key: &VerifierKey| Checkpoint::open(&page.checkpoint, key).is_ok();
        let mut chain = self.chain_of_keys(log).await?;
        chain.push_all(&decoded(page.bodies.iter().map(Vec::as_slice)));
        if let Some(next) = chain.next(&log.key)?.filter(has_signed) {
            return Ok(Some(next));
        }
        let list = match peer.namespace(HUB).await {
            Ok(list) => list,
            Err(error @ PeerError::Failed(_)) => return Err(Stop::Source(error.of(peer.name()))),
            Err(_) => return Ok(None),
        };
        chain.push_all(&decoded(read_bodies(&list).unwrap_or_default()));
        Ok(chain.next(&log.key)?.filter(has_signed))
    }

    /// The key that is trusted once events with keys are applied, if it is another than the one stored.
    /// `whole` is whether they are all there are: then the log must lead to the key that signs it.
    pub(super) async fn key_after(
        &self,
        log: &Log,
        events: &[Body],
        whole: bool,
    ) -> Result<Option<VerifierKey>> {
        if log.tree.size() == 0 && events.first().is_none_or(|first| HubKeys::start(first).is_err()) {
            let message = format!("the log of `{}` does not begin with a key", log.name);
            return Err(Error::new(Kind::Unavailable, message));
        }
        if events.is_empty() {
            return Ok(None);
        }
        let stored = self.db.log(log.id).await?.map_or_else(|| log.key.clone(), |log| log.key);
        let mut chain = self.chain_of_keys(&Log { key: stored, ..log.clone() }).await?;
        chain.push_all(events);
        if whole && chain.newest() != Some(log.key.key()) {
            let message =
                format!("the keys in the log of `{}` do not lead to the key that signs it", log.name);
            return Err(Error::new(Kind::Unavailable, message));
        }
        chain.next(&log.key)
    }

    async fn chain_of_keys(&self, log: &Log) -> Result<Chain> {
        let mut chain = Chain::new(&log.key);
        for (_, sha256) in self.db.hub_keys(log.id).await? {
            if let LogBody::Held(bytes) = self.db.log_body(sha256).await? {
                chain.push_all(&[Body::decode(&bytes).map_err(Error::internal)?]);
            }
        }
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use polder_log::{SecretKey, SignerKey};

    use super::*;
    use crate::follow::hub_peer::{HubPeer, Pair, read_all};
    use crate::tests::{fixture, repo};

    async fn change(pair: &Pair, from: &str, to: &str) {
        pair.home.hub.rename_repo(&repo(from), &repo(to)).await.expect("renamed");
        pair.home.hub.sequence_once().await.expect("sequenced");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_follower_goes_on_under_the_keys_that_follow_the_one_it_trusts() {
        let mut pair = Pair::new("*").await;
        let home = pair.home.hub.clone();
        pair.read().await.expect("read");
        let first = pair.followed().await.key;
        home.rotate_log_key(None).await.expect("rotated");
        change(&pair, "acme/open", "acme/two").await;
        pair.read().await.expect("read under the second key");
        let second = home.log_key().await.expect("shown").verifier;
        assert_ne!(first, second);
        assert_eq!(pair.followed().await.key, second);

        // Two more while it is away, told of in pages that come after the one read first.
        change(&pair, "acme/two", "acme/three").await;
        home.rotate_log_key(None).await.expect("rotated");
        home.rotate_log_key(None).await.expect("rotated");
        pair.peer = HubPeer { page: 1, ..pair.peer };
        pair.read().await.expect("read under the fourth key");
        let fourth = home.log_key().await.expect("shown").verifier;
        assert_eq!(pair.followed().await.key, fourth);
        assert_eq!(pair.followed().await.tree.size(), home.own_log_tip().expect("a log").size);

        // Who comes now trusts the newest, which the log leads to.
        let late = fixture().await;
        let log = pair.follow(&late, "*").await;
        read_all(&late.hub, log, &pair.peer).await.expect("read from the beginning");
        assert_eq!(late.hub.db.log(log).await.expect("read").expect("there").key, fourth);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_the_trusted_one_did_not_agree_to_is_not_taken() {
        let pair = Pair::new("*").await;
        let home = pair.home.hub.clone();
        pair.read().await.expect("read");
        let before = pair.followed().await;
        // Signed by a stranger, whose key nothing leads to; what the home says of its keys is no help.
        home.rotate_log_key(None).await.expect("rotated");
        let log = home.db.own_log().await.expect("read").expect("there");
        let checkpoint = Checkpoint { log: log.name.clone(), size: log.tree.size(), root: log.tree.root() };
        let stranger = SignerKey::new(log.key.name(), SecretKey::new(&[66; 32])).expect("a key");
        let note = checkpoint.sign(&[&stranger]);
        let page = EventsPage { first: before.tree.size(), checkpoint: note, ..EventsPage::default() };
        let found = pair.follower.hub.next_key(&before, &page, &pair.peer).await.ok();
        assert_eq!(found, Some(None));
        // Who was given the second key does not go back to the first.
        let second = Log { key: log.key.clone(), ..before.clone() };
        let first = SignerKey::new(log.key.name(), home.keys.log_key(&before.key.key()).expect("kept"));
        let page = EventsPage { checkpoint: checkpoint.sign(&[&first.expect("a key")]), ..page };
        assert_eq!(pair.follower.hub.next_key(&second, &page, &pair.peer).await.ok(), Some(None));
    }
}
