//! How far behind a hub is, by the clocks of both.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use polder_db::{MirrorMode, MirrorState};

use super::Lag;
use super::hub_peer::HubPeer;
use super::rehearsal::{Pair, URL};
use super::sources::{Source, SourceSet};

impl Pair {
    /// Something happens at home, and is signed there and then.
    async fn happen(&self, content: &str) {
        self.commit("acme/open", "a", content).await;
        self.home.hub.sequence_once().await.expect("sequenced");
    }

    /// The log is read to its end, and nothing is worked on.
    async fn read(&self) {
        self.home.hub.sequence_once().await.expect("sequenced");
        self.hub().read_to_the_end(&self.sources()).await.expect("read");
    }

    async fn lag(&self) -> Lag {
        self.hub().list_followed().await.expect("listed").pop().expect("followed").lag
    }
}

fn level(heard_seconds: u64) -> Lag {
    Lag { events: 0, seconds: 0, heard_seconds: Some(heard_seconds) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_behind_from_the_time_of_the_oldest_event_until_that_is_served() {
    let pair = Pair::open(MirrorMode::Full).await;
    assert_eq!(pair.lag().await, Lag { heard_seconds: None, ..level(0) }, "nothing was heard");
    pair.happen("one").await;
    pair.sync().await;
    assert_eq!(pair.lag().await, level(0));
    pair.pass_seconds(40);
    assert_eq!(pair.lag().await, level(40));

    pair.happen("two").await;
    pair.pass_seconds(90);
    pair.happen("three").await;
    pair.pass_seconds(10);
    pair.read().await;
    pair.pass_seconds(5);
    assert_eq!(pair.lag().await, Lag { seconds: 105, ..level(5) }, "read, and not fetched");
    let claimed = pair.claim().await.expect("due");
    assert_eq!(claimed.state, MirrorState::Waiting);
    pair.pass_seconds(300);
    pair.sync().await;
    assert_eq!(pair.state("acme/open").await, MirrorState::Ready);
    assert_eq!(pair.lag().await, level(0));

    pair.happen("four").await;
    pair.read().await;
    pair.pass_seconds(60);
    assert_eq!(pair.lag().await.seconds, 60);
    pair.hub().unfollow(URL).await.expect("unfollowed");
    assert_eq!(pair.lag().await, Lag::default(), "nothing is awaited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_whose_clock_is_ahead_makes_no_lag_below_zero() {
    let pair = Pair::open(MirrorMode::Full).await;
    pair.home.millis.fetch_add(3_600_000, Ordering::Relaxed);
    pair.happen("one").await;
    pair.read().await;
    assert_eq!(pair.lag().await, level(0));
    pair.pass_seconds(3_630);
    assert_eq!(pair.lag().await, Lag { seconds: 30, ..level(3_630) });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_and_not_read_is_behind_since_the_last_that_was() {
    let pair = Pair::open(MirrorMode::Metadata).await;
    pair.sync().await;
    for content in ["one", "two", "three"] {
        pair.pass_seconds(10);
        pair.happen(content).await;
    }
    pair.pass_seconds(10);
    let answers = Arc::new(1.into());
    let peer = Arc::new(HubPeer { page: 1, answers, ..HubPeer::new(&pair.home.hub) });
    let cut = SourceSet::new(pair.hub().db.clone(), pair.log, vec![Source::home(peer)]);
    pair.hub().read_to_the_end(&cut).await.expect_err("it is gone after a page");
    let lag = pair.lag().await;
    assert_eq!((lag.events, lag.seconds), (2, 30));
    pair.read().await;
    assert_eq!(pair.lag().await, level(0), "what is not to be fetched is not behind");
}
