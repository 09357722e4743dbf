//! What a follower tells of downloads, and what its home believes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use polder_db::{FollowRule, MirrorMode};
use polder_log::{DownloadCounts, SecretKey, SignedCounts, sign_counts};
use polder_types::{RepoId, Sha256, Visibility};

use super::counts::{ASKED_MAX, Asked};
use super::hub_peer::HubPeer;
use super::rehearsal::{Pair, follow};
use super::sources::{Source, SourceSet};
use crate::tests::{Fixture, fixture, fixture_as, fixture_with, repo};
use crate::{DownloadSummary, FederationOptions, Kind};

const DAY: i64 = 24 * 3600;

/// A home with `acme/open` and `acme/m`, and `mirror.example`, which has mirrors of both.
async fn mirrored() -> Pair {
    mirrored_by(fixture_as(Some("mirror.example")).await).await
}

async fn mirrored_by(place: Fixture) -> Pair {
    let home = fixture().await;
    for hub in [&home.hub, &place.hub] {
        hub.begin_log().await.expect("begun");
        hub.sequence_once().await.expect("sequenced");
    }
    let log = follow(&home.hub, &place.hub, "*", MirrorMode::Full).await;
    let pair = Pair { home, place, log };
    pair.add("acme/m").await;
    for name in ["acme/open", "acme/m"] {
        pair.commit(name, "README.md", "# A model\n").await;
    }
    pair.sync().await;
    pair
}

impl Pair {
    async fn download(&self, name: &str, times: usize) {
        let id: RepoId =
            self.hub().live_repo(&repo(&format!("acme.hub.example/{name}"))).await.expect("mirrored").id;
        (0..times).for_each(|_| self.hub().count_download_of(id));
        self.hub().write_downloads().await.expect("written");
    }

    /// What the follower would send now.
    async fn told(&self) -> Vec<(i64, Vec<u8>)> {
        let own = self.hub().db.own_log().await.expect("read").expect("begun");
        self.hub().counts_for(&own, self.log).await.expect("made")
    }

    /// The home has its key and hears what it is told.
    async fn hear(&self, told: &[u8]) -> crate::Result<()> {
        let said = SignedCounts::decode(told).expect("well formed");
        let key = self.hub().log_key().await.expect("shown").verifier.key();
        self.home.hub.count_heard(said, &key).await
    }

    /// The home has taken it.
    async fn taken(&self, day: i64) {
        self.hub().db.statement_taken(self.log, day).await.expect("noted");
    }

    async fn at_home(&self, name: &str) -> DownloadSummary {
        self.home.hub.repo_downloads(&repo(name)).await.expect("there")
    }

    async fn rid(&self, name: &str) -> Sha256 {
        let id = self.home.hub.live_repo(&repo(name)).await.expect("there").id;
        Sha256::new(self.home.hub.db.repo(id).await.expect("read").expect("there").rid)
    }
}

fn heard(times: i64) -> DownloadSummary {
    DownloadSummary { here: 0, relayed: vec![("mirror.example".to_owned(), times)] }
}

fn rows(told: &[u8]) -> Vec<(Sha256, u64)> {
    SignedCounts::decode(told).expect("well formed").unverified().rows.clone()
}

const NOTHING: DownloadSummary = DownloadSummary { here: 0, relayed: Vec::new() };

#[tokio::test(flavor = "multi_thread")]
async fn a_home_counts_each_statement_once_and_apart_from_its_own() {
    let pair = mirrored().await;
    pair.download("open", 6).await;
    assert_eq!(pair.told().await, [], "the day is not over");
    pair.pass_seconds(DAY);
    let told = pair.told().await;
    assert_eq!(told, pair.told().await, "it is made once");
    let [(day, told)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(rows(told), [(pair.rid("acme/open").await, 6)]);
    pair.hear(told).await.expect("counted");
    pair.hear(told).await.expect("heard before");
    pair.home.hub.hear_downloads(told).await.expect("heard before, so that nobody is asked for a key");
    assert_eq!(pair.at_home("acme/open").await, heard(6));
    let own = pair.home.hub.live_repo(&repo("acme/open")).await.expect("there").id;
    pair.home.hub.count_download_of(own);
    assert_eq!(pair.at_home("acme/open").await, DownloadSummary { here: 1, ..heard(6) });
    pair.taken(*day).await;
    assert_eq!(pair.told().await, []);
    // The hub that has the mirror shows its own.
    let shown = pair.hub().repo_downloads(&repo("acme.hub.example/open")).await.expect("there");
    assert_eq!(shown, DownloadSummary { here: 6, ..NOTHING });
    // Nothing of it is shown for ever.
    pair.pass_seconds(30 * DAY);
    assert_eq!(pair.at_home("acme/open").await, NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_downloads_are_told_of_when_they_have_become_enough() {
    let pair = mirrored().await;
    pair.download("m", 4).await;
    pair.pass_seconds(DAY);
    assert_eq!(pair.told().await, []);
    pair.download("m", 1).await;
    pair.pass_seconds(DAY);
    let told = pair.told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(rows(&told[0].1), [(pair.rid("acme/m").await, 5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_home_does_not_take_is_kept_for_a_month() {
    let pair = mirrored().await;
    pair.download("open", 6).await;
    pair.pass_seconds(DAY);
    let first = pair.told().await;
    pair.download("open", 7).await;
    pair.pass_seconds(DAY);
    // Nobody is at the home's address.
    pair.hub().tell_downloads_once().await.expect("a dead home stops nobody");
    let told = pair.told().await;
    assert_eq!(told[..1], first[..]);
    for (day, told) in told {
        pair.hear(&told).await.expect("counted");
        pair.taken(day).await;
    }
    assert_eq!(pair.at_home("acme/open").await, heard(13));
    pair.download("open", 8).await;
    pair.pass_seconds(DAY);
    assert_eq!(pair.told().await.len(), 1);
    pair.pass_seconds(31 * DAY);
    pair.hub().upkeep_once().await.expect("done");
    assert_eq!(pair.told().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_late_or_for_another_hub_counts_nothing() {
    let pair = mirrored().await;
    let home = &pair.home.hub;
    let day = u64::try_from(home.today()).expect("after 1970");
    let right = DownloadCounts {
        from: "127.0.0.1_9".parse().expect("an origin"),
        home: "hub.example".parse().expect("an origin"),
        day,
        rows: vec![(pair.rid("acme/open").await, 9)],
    };
    let sign = |counts: &DownloadCounts| sign_counts(counts.encode(), &SecretKey::new(&[66; 32]));
    let hub = |text: &str| text.parse().expect("an origin");
    let wrong = [
        DownloadCounts { home: hub("other.example"), ..right.clone() },
        DownloadCounts { from: hub("hub.example"), ..right.clone() },
        DownloadCounts { day: day + 1, ..right.clone() },
        DownloadCounts { day: day - 31, ..right.clone() },
        DownloadCounts { day: u64::MAX, ..right.clone() },
    ];
    for counts in wrong {
        assert_eq!(home.hear_downloads(&sign(&counts)).await.expect_err("wrong").kind(), Kind::Invalid);
    }
    assert_eq!(home.hear_downloads(b"{}").await.expect_err("nothing").kind(), Kind::Invalid);
    // Nobody vouches for one whose key is not to be had.
    home.hear_downloads(&sign(&right)).await.expect_err("no key");
    let forged = DownloadCounts { from: hub("mirror.example"), ..right.clone() };
    assert_eq!(pair.hear(&sign(&forged)).await.expect_err("forged").kind(), Kind::Invalid);
    assert_eq!(pair.at_home("acme/open").await, NOTHING);
    // What was forged does not keep out what is right.
    pair.download("open", 6).await;
    pair.pass_seconds(DAY);
    pair.hear(&pair.told().await[0].1).await.expect("counted");
    assert_eq!(pair.at_home("acme/open").await, heard(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_believed_once_a_day_and_of_what_anyone_may_read_only() {
    let pair = mirrored().await;
    let key = pair.hub().keys.log().clone();
    let (open, hidden) = (pair.rid("acme/open").await, pair.rid("acme/m").await);
    let day = u64::try_from(pair.home.hub.today()).expect("after 1970");
    let says = |rows: Vec<(Sha256, u64)>| {
        let mut rows = rows;
        rows.sort_unstable();
        let hub = |text: &str| text.parse().expect("an origin");
        let counts = DownloadCounts { from: hub("mirror.example"), home: hub("hub.example"), day, rows };
        sign_counts(counts.encode(), &key)
    };
    pair.home.hub.set_visibility(&repo("acme/m"), Visibility::Private).await.expect("hidden");
    pair.hear(&says(vec![(open, 5), (hidden, 5), (Sha256::new([9; 32]), 5)])).await.expect("counted");
    assert_eq!(pair.at_home("acme/open").await, heard(5));
    assert_eq!(pair.at_home("acme/m").await, NOTHING);
    let told = pair.hear(&says(vec![(open, 500)])).await.expect_err("another one of that day");
    assert_eq!(told.kind(), Kind::Conflict);
    let told = pair.home.hub.hear_downloads(&says(vec![(open, 500)])).await.expect_err("the same");
    assert_eq!(told.kind(), Kind::Conflict);
    assert_eq!(pair.at_home("acme/open").await, heard(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_day_no_more_is_told_than_is_believed() {
    let pair = mirrored().await;
    let count = |name: &'static str, times| {
        let pair = &pair;
        async move {
            let repo =
                pair.hub().live_repo(&repo(&format!("acme.hub.example/{name}"))).await.expect("there").id;
            let counted = polder_db::Downloads { repo, day: pair.hub().today(), times };
            pair.hub().db.add_downloads(vec![counted]).await.expect("counted");
        }
    };
    count("open", 700_000).await;
    count("m", 600_000).await;
    pair.pass_seconds(DAY);
    let told = pair.told().await;
    assert_eq!(rows(&told[0].1), [(pair.rid("acme/open").await, 700_000)]);
    pair.pass_seconds(DAY);
    let told = pair.told().await;
    assert_eq!(rows(&told[1].1), [(pair.rid("acme/m").await, 600_000)], "the rest another day");
    // Strangers make the home ask only so many others for their keys.
    let asked = Asked::default();
    assert!((0..ASKED_MAX).all(|_| asked.may_ask(1)));
    assert!(!asked.may_ask(1) && asked.may_ask(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_to_keep_its_counts_to_itself_sends_and_takes_none() {
    for tells_downloads in [true, false] {
        let origin = Some("mirror.example".to_owned());
        let options = FederationOptions { origin, tells_downloads, ..FederationOptions::default() };
        let pair = mirrored_by(fixture_with(options).await).await;
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
        pair.hub().db.set_upstream(pair.log, url, rules).await.expect("set");
        pair.download("open", 6).await;
        pair.pass_seconds(DAY);
        let untaken = async || pair.hub().db.untaken_statements(pair.log, 10).await.expect("read").len();
        if tells_downloads {
            let home = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("asked");
                let mut heard = [0; 30];
                stream.read_exact(&mut heard).expect("read");
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("answered");
                String::from_utf8(heard.to_vec()).expect("text")
            });
            pair.hub().tell_downloads_once().await.expect("told");
            let heard = home.join().expect("over");
            assert!(heard.starts_with("POST /polder/v1/downloads "), "{heard}");
            assert_eq!(untaken().await, 0, "the home has it");
        } else {
            pair.hub().tell_downloads_once().await.expect("nothing to do");
            listener.set_nonblocking(true).expect("set");
            assert_eq!(listener.accept().expect_err("nobody asked").kind(), ErrorKind::WouldBlock);
            assert_eq!(untaken().await, 0, "none is made");
            let counts = pair.hub().hear_downloads(b"anything").await.expect_err("it takes none");
            assert_eq!(counts.kind(), Kind::NotFound);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_a_mirror_tells_the_home_and_nobody_else_and_is_counted_once() {
    let pair = mirrored().await;
    let end = fixture_as(Some("end.example")).await;
    end.hub.begin_log().await.expect("begun");
    end.hub.sequence_once().await.expect("sequenced");
    let log = follow(&pair.home.hub, &end.hub, "*", MirrorMode::Full).await;
    // All that it has came through the mirror.
    let of = Some("hub.example".parse().expect("an origin"));
    let mirror = HubPeer { of, ..HubPeer::new(pair.hub()) };
    let sources = vec![Source::mirror(Arc::new(mirror), "https://mirror.example".to_owned())];
    let sources = Arc::new(SourceSet::new(end.hub.db.clone(), log, sources));
    end.hub.read_to_the_end(&sources).await.expect("read");
    let upstream = end.hub.db.upstream(log).await.expect("read").expect("followed");
    while let Some(mirror) = end.hub.db.claim_mirrors(log, 300, 1).await.expect("claimed").pop() {
        end.hub.work_on(&upstream, &sources, &mirror).await.expect("written down");
    }
    let open = end.hub.live_repo(&repo("acme.hub.example/open")).await.expect("mirrored").id;
    (0..6).for_each(|_| end.hub.count_download_of(open));
    end.hub.write_downloads().await.expect("written");
    pair.download("open", 7).await;
    pair.pass_seconds(DAY);
    end.millis.fetch_add(DAY * 1000, std::sync::atomic::Ordering::Relaxed);

    let own = end.hub.db.own_log().await.expect("read").expect("begun");
    let told = end.hub.counts_for(&own, log).await.expect("made");
    let [(_, of_end)] = &told[..] else { panic!("{told:?}") };
    let refused = pair.hub().hear_downloads(of_end).await.expect_err("it is not the home");
    assert_eq!(refused.kind(), Kind::Invalid);
    let key = end.hub.log_key().await.expect("shown").verifier.key();
    for _ in 0..2 {
        let said = SignedCounts::decode(of_end).expect("well formed");
        pair.home.hub.count_heard(said, &key).await.expect("counted");
        pair.hear(&pair.told().await[0].1).await.expect("counted");
    }
    let mut at_home = pair.at_home("acme/open").await;
    at_home.relayed.sort();
    let relayed = [("end.example", 6), ("mirror.example", 7)].map(|(hub, times)| (hub.to_owned(), times));
    assert_eq!(at_home, DownloadSummary { here: 0, relayed: relayed.into() });
    let between = pair.hub().repo_downloads(&repo("acme.hub.example/open")).await.expect("there");
    assert_eq!(between, DownloadSummary { here: 7, ..NOTHING });
}
