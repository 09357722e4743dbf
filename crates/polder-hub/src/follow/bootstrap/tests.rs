//! A follower that begins with a snapshot, beside one that has read every event.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use polder_db::{LogEntry, Mirror, MirrorState, UpstreamState};
use polder_log::{Checkpoint, Cursor, EventType, EventsPage, Frontier, SignerKey, Statement};
use polder_types::{UnixMillis, Visibility};

use crate::follow::evil::{EvilPeer, Question, Said};
use crate::follow::hub_peer::{HubPeer, Pair, read_all};
use crate::tests::{Fixture, fixture, name, repo};
use crate::{Hub, PageQuery, Select};

/// What a follower knows of the mirrors of a log.
async fn mirrors(hub: &Hub, log: i64) -> Vec<(String, MirrorState, u64, polder_types::Sha256)> {
    let rows = hub.db.list_mirrors(log, None, 1_000).await.expect("listed");
    let known = |row: Mirror| (row.path, row.state, row.rseq, row.body);
    rows.into_iter().map(known).collect()
}

/// A home with a long past, of which only what is after the newest snapshot is still kept, and who has read all
/// of that; the pair's follower has read nothing.
async fn grown() -> (Pair, Fixture, i64) {
    let pair = Pair::new("*").await;
    let (home, reader) = (&pair.home.hub, fixture().await);
    let log = pair.follow(&reader, "*").await;
    home.add_org(&name("other"), &name("alice")).await.expect("added");
    for number in 0..20 {
        home.add_repo(&repo(&format!("acme/m{number}")), Visibility::Public).await.expect("added");
    }
    home.add_repo(&repo("datasets/other/d"), Visibility::Public).await.expect("added");
    home.sequence_once().await.expect("sequenced");
    home.delete_repo(&repo("acme/m7")).await.expect("deleted");
    home.set_visibility(&repo("acme/m8"), Visibility::Private).await.expect("hidden");
    home.rename_repo(&repo("acme/m9"), &repo("acme/n9")).await.expect("renamed");
    home.rotate_log_key(None).await.expect("rotated");
    pair.beat(700).await;
    read_all(&reader.hub, log, &pair.peer).await.expect("read");
    prune(&pair).await;
    home.rename_repo(&repo("acme/m10"), &repo("acme/n10")).await.expect("renamed");
    home.sequence_once().await.expect("sequenced");
    read_all(&reader.hub, log, &pair.peer).await.expect("read");
    (pair, reader, log)
}

/// Makes a snapshot and drops what is before it, as far as that goes by bundles.
async fn prune(pair: &Pair) {
    let home = &pair.home.hub;
    let index = home.snapshot_log().await.expect("made");
    let log = home.db.own_log().await.expect("read").expect("there");
    while home.db.prune_log(log.id, index).await.expect("pruned") + 256 <= index {}
    home.sequence_once().await.expect("given out");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_with_a_snapshot_knows_what_one_knows_who_read_everything() {
    let (mut pair, reader, log) = grown().await;
    pair.read().await.expect("begun with the snapshot");
    let (home, follower) = (&pair.home.hub, &pair.follower.hub);
    let held = pair.followed().await;
    assert_eq!(held.key, home.log_key().await.expect("shown").verifier, "the second key");
    assert_eq!(held.tree, home.db.own_log().await.expect("read").expect("there").tree);
    assert!(held.min_index >= 512 && held.checkpoint_size == held.tree.size());
    let expected = mirrors(&reader.hub, log).await;
    assert_eq!(expected.len(), 22, "and one that was never shown");
    assert_eq!(mirrors(follower, pair.log).await, expected);

    // It goes on as any other: with repositories that the snapshot told of, new ones, and another key.
    home.rename_repo(&repo("acme/m3"), &repo("acme/n3")).await.expect("renamed");
    home.set_visibility(&repo("acme/m8"), Visibility::Public).await.expect("shown");
    home.delete_repo(&repo("datasets/other/d")).await.expect("deleted");
    home.add_repo(&repo("other/new"), Visibility::Public).await.expect("added");
    home.rotate_log_key(None).await.expect("rotated");
    pair.peer.page = 2;
    pair.read().await.expect("read on");
    read_all(&reader.hub, log, &pair.peer).await.expect("read on");
    assert_eq!(mirrors(follower, pair.log).await, mirrors(&reader.hub, log).await);
    for (_, _, _, body) in mirrors(follower, pair.log).await {
        follower.log_body(body).await.expect("every newest body is here");
    }
    // What it gives out of the log is what the origin signed.
    let tip = follower.mirrored_log_tip(held.name.origin.sha256()).await.expect("given out");
    assert!(follower.newest_log_snapshot(&tip).await.expect("read").is_some(), "its snapshot, too");
    let key = follower.db.log(pair.log).await.expect("read").expect("there").key;
    for first in held.tree.size()..tip.size {
        let query = PageQuery { from: first, limit: 1, select: Select::All };
        let page =
            EventsPage::decode(&follower.log_page(&tip, query).await.expect("a page")).expect("well formed");
        let tree =
            Frontier::new(first, follower.db.log_peaks(tip.id, first).await.expect("read")).expect("a tree");
        let cursor = Cursor { tree, ..Cursor::start(tip.name.clone()) };
        assert_eq!(cursor.advance(&page, &key).expect("proven").entries.len(), 1, "{first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stopped_at_any_point_goes_on_and_ends_alike() {
    let (pair, reader, log) = grown().await;
    let mut stopped = 0;
    for answers in 0.. {
        pair.peer.answers.store(answers, Ordering::Relaxed);
        match pair.read().await {
            Ok(_) => break,
            Err(error) => assert!(error.message().contains("gone"), "{}", error.chain()),
        }
        stopped += 1;
        assert!(stopped < 50, "it never ends");
        let size = pair.followed().await.tree.size();
        assert!(size == 0 || size >= 512, "begun with the snapshot or not at all");
    }
    assert!(stopped > 5, "{stopped}");
    assert_eq!(mirrors(&pair.follower.hub, pair.log).await, mirrors(&reader.hub, log).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_too_long_hides_what_was_taken_away_meanwhile() {
    let pair = Pair::new("acme/*").await;
    let home = &pair.home.hub;
    home.add_repo(&repo("acme/stays"), Visibility::Public).await.expect("added");
    pair.read().await.expect("read");
    home.delete_repo(&repo("acme/open")).await.expect("deleted");
    home.add_org(&name("other"), &name("alice")).await.expect("added");
    home.add_repo(&repo("other/m"), Visibility::Public).await.expect("added");
    pair.beat(600).await;
    prune(&pair).await;
    pair.read().await.expect("begun again");
    let states: Vec<_> =
        mirrors(&pair.follower.hub, pair.log).await.into_iter().map(|row| (row.0, row.1)).collect();
    let of = |path: &str| states.iter().find(|row| row.0 == path).map(|row| row.1);
    assert_eq!(of("acme/open"), Some(MirrorState::Hidden));
    assert_eq!((of("acme/stays"), of("other/m")), (Some(MirrorState::Known), None));
    assert!(pair.followed().await.min_index >= 512);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_signed_another_past_than_the_one_here_is_frozen_when_its_snapshot_is_asked_for() {
    let pair = Pair::new("*").await;
    let (home, follower) = (&pair.home.hub, &pair.follower.hub);
    pair.read().await.expect("read");
    // The home said this, too, to this follower alone.
    let log = pair.followed().await;
    let said = Statement::new(log.name.clone(), EventType::Heartbeat, UnixMillis(1), [9; 16]);
    let leaf = said.seal(&[]).expect("sealed").leaf();
    let mut tree = log.tree.clone();
    tree.push(leaf.hash(), |_, _| ());
    let key = SignerKey::new(log.key.name(), home.keys.log_key(&log.key.key()).expect("its key"));
    let checkpoint = Checkpoint { log: log.name.clone(), size: tree.size(), root: tree.root() };
    let mut append = log.append(vec![LogEntry { leaf, body: None, nsid: None }]);
    append.checkpoint = Some(checkpoint.sign(&[&key.expect("a key")]));
    follower.db.append_to_log(append).await.expect("appended");
    pair.beat(600).await;
    prune(&pair).await;
    let told = pair.read().await.expect_err("two pasts");
    assert!(told.message().contains("signed two different logs"), "{told}");
    let upstream = follower.db.upstream(pair.log).await.expect("read").expect("there");
    assert_eq!(upstream.state, UpstreamState::Frozen);
    assert_eq!(pair.followed().await.tree, tree, "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_begun_with_its_snapshot_although_all_of_it_is_kept() {
    let pair = Pair::new("*").await;
    pair.beat(20_000).await;
    let index = pair.home.hub.snapshot_log().await.expect("made");
    pair.read().await.expect("read");
    assert_eq!(pair.followed().await.min_index, index - index % 256);
    assert_eq!(mirrors(&pair.follower.hub, pair.log).await.len(), 1);
}

/// A home whose newest snapshot is of 600 events before the one that tells of it, and what it is of.
async fn told_late() -> (Pair, u64) {
    let pair = Pair::new("*").await;
    let home = &pair.home.hub;
    home.add_repo(&repo("acme/stays"), Visibility::Public).await.expect("added");
    home.add_repo(&repo("acme/goes"), Visibility::Public).await.expect("added");
    pair.beat(600).await;
    let size = home.own_log_tip().expect("a log").size;
    let mut making = home.begin_snapshot().await.expect("begun");
    home.delete_repo(&repo("acme/goes")).await.expect("deleted");
    home.rename_repo(&repo("acme/stays"), &repo("acme/stayed")).await.expect("renamed");
    home.add_repo(&repo("acme/late"), Visibility::Public).await.expect("added");
    pair.beat(600).await;
    while home.make_part(&mut making).await.expect("made") {}
    let index = home.tell_snapshot(making).await.expect("told");
    assert!(index >= size + 600, "{index}");
    while home.db.prune_log(home.own_log_tip().expect("a log").id, size).await.expect("pruned") + 256 <= size
    {
    }
    home.sequence_once().await.expect("given out");
    (pair, size)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_told_of_late_is_begun_with_where_it_is_of() {
    let (mut pair, size) = told_late().await;
    pair.peer.page = 100;
    pair.read().await.expect("begun with it, and read on");
    let held = pair.followed().await;
    assert_eq!(held.min_index, size - size % 256);
    assert_eq!(held.tree, pair.home.hub.db.own_log().await.expect("read").expect("there").tree);
    let rows = mirrors(&pair.follower.hub, pair.log).await;
    let of = |path: &str| rows.iter().find(|row| row.0 == path).map(|row| row.1);
    assert_eq!(of("acme/goes"), Some(MirrorState::Hidden));
    assert_eq!((of("acme/stayed"), of("acme/late")), (Some(MirrorState::Known), Some(MirrorState::Known)));
    // Whoever follows the follower begins with it, too.
    let tip = pair.follower.hub.mirrored_log_tip(held.name.origin.sha256()).await.expect("given out");
    assert!(pair.follower.hub.newest_log_snapshot(&tip).await.expect("read").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_snapshot_that_is_told_of_late_nothing_in_between_can_be_altered() {
    let (pair, _) = told_late().await;
    // Only the pages in between, not the one with the event that tells of it.
    let liar = liar(&pair.home.hub, |asked, answer| {
        (matches!(asked, Question::Events(..)) && answer.len() > 20_000).then(|| altered(answer))
    });
    let told = read_all(&pair.follower.hub, pair.log, &liar).await.expect_err("altered");
    assert!(told.message().starts_with("`home`"), "{told}");
    assert_eq!(pair.followed().await.tree.size(), 0, "nothing was begun");
}

fn altered(answer: &Bytes) -> Bytes {
    let mut answer = answer.to_vec();
    if let Some(last) = answer.last_mut() {
        *last ^= 1;
    }
    answer.into()
}

/// What a liar says in place of the right answer, if it lies about that question.
type Lie = fn(&Question, &Bytes) -> Option<Bytes>;

fn liar(home: &Hub, lie: Lie) -> EvilPeer {
    EvilPeer::saying(HubPeer::new(home), move |asked, answer| {
        Said::This(lie(asked, &answer).unwrap_or(answer))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_alters_any_of_it_is_not_believed() {
    let lies: [(&str, Lie); 5] = [
        ("events", |asked, answer| matches!(asked, Question::Events(..)).then(|| altered(answer))),
        ("part", |asked, answer| matches!(asked, Question::Part(..)).then(|| altered(answer))),
        ("tile", |asked, answer| matches!(asked, Question::Tile(_)).then(|| altered(answer))),
        ("namespace", |asked, answer| matches!(asked, Question::Namespace(_)).then(|| altered(answer))),
        ("no keys", |asked, _| matches!(asked, Question::Namespace(_)).then(Bytes::new)),
    ];
    let (pair, reader, log) = grown().await;
    let Pair { home, follower, peer, log: followed } = pair;
    for (what, lie) in lies {
        let liar = liar(&home.hub, lie);
        let told = read_all(&follower.hub, followed, &liar).await.expect_err(what);
        assert!(told.message().starts_with("`home`"), "{what}: {told}");
        let held = follower.hub.db.log(followed).await.expect("read").expect("there");
        assert_eq!(held.tree.size(), 0, "{what}: nothing was begun");
    }
    // Bodies that are not those asked for are as good as none.
    let liar =
        liar(&home.hub, |asked, _| matches!(asked, Question::Bodies(_)).then(|| Bytes::from_static(&[0; 4])));
    let other = fixture().await;
    let about = super::super::peer::Peer::about(&peer).await.expect("it answers");
    let begun = other.hub.db.open_log(about.log, about.key, false).await.expect("begun").id;
    read_all(&other.hub, begun, &liar).await.expect("begun without them");
    assert_eq!(mirrors(&other.hub, begun).await, []);
    read_all(&follower.hub, followed, &peer).await.expect("the home is believed");
    assert_eq!(mirrors(&follower.hub, followed).await, mirrors(&reader.hub, log).await);
}
