use polder_log::{SecretKey, VerifierKey};
use polder_types::{Sha256, UnixMillis};

use super::{Home, new_repo, push_of, sha, update};
use crate::{
    FileKind, FollowRule, FollowSource, FollowedPage, LogFile, Mirror, MirrorEnd, MirrorMode, MirrorPublish,
    MirrorState, MirrorTarget, NewRepo, PushOutcome, RemoteNamespace, Repo, UpstreamState,
};

const URL: &str = "https://hub.example.org";

/// A followed hub; the id of its log.
pub(super) async fn upstream(home: &Home) -> i64 {
    let key = VerifierKey::new("hub.example.org", SecretKey::new(&[7; 32]).public()).unwrap();
    let log = home.db.open_log("hub.example.org/polder/1".parse().unwrap(), key, false).await.unwrap();
    let rule = FollowRule { pattern: "acme/*".to_owned(), mode: MirrorMode::Full };
    home.db.set_upstream(log.id, URL.to_owned(), vec![rule]).await.unwrap();
    log.id
}

/// What a page without leaves does for an event of the repository 1, which happened at the millisecond `rseq`.
pub(super) async fn target(home: &Home, log: i64, rseq: u64, hidden: Option<&'static str>) {
    let append = home.db.log(log).await.unwrap().unwrap().append(Vec::new());
    let body = Sha256::new([u8::try_from(rseq).unwrap(); 32]);
    let (path, since) = ("acme/m".to_owned(), UnixMillis(i64::try_from(rseq).unwrap()));
    let target = MirrorTarget { rid: sha(1), path, mode: MirrorMode::Full, rseq, body, since, hidden };
    let (targets, missing, erased) = (vec![target], Vec::new(), Vec::new());
    let page = FollowedPage { append, signed: 9, source: None, targets, missing, erased };
    home.db.follow_page(page).await.unwrap();
}

async fn claim(home: &Home, log: i64) -> Option<Mirror> {
    home.db.claim_mirrors(log, 60, 10).await.unwrap().pop()
}

/// The repository that the mirror is here; its namespace is known from then on.
pub(super) async fn mirrored(home: &Home, log: i64) -> Repo {
    let name: polder_types::AccountName = "acme.hub.example.org".parse().unwrap();
    let namespace = RemoteNamespace { name, nsid: sha(2), home: URL.to_owned() };
    home.db.open_remote_namespace(namespace).await.unwrap();
    let new = new_repo("acme.hub.example.org/m".parse().unwrap(), 9);
    home.db.create_repo(NewRepo { upstream: Some(log), ..new }).await.unwrap()
}

/// The repository and its mirror, which is claimed for the first time.
async fn begun(home: &Home, log: i64) -> (Repo, Mirror) {
    let repo = mirrored(home, log).await;
    target(home, log, 1, None).await;
    let first = claim(home, log).await.unwrap();
    assert!(home.db.set_mirror_repo(&first, repo.id).await.unwrap());
    (repo, first)
}

/// What shows a claimed mirror as it is.
pub(super) fn publish(mirror: &Mirror, repo: &Repo) -> MirrorPublish {
    let file =
        LogFile { owner: mirror.rid, sha256: sha(3), kind: FileKind::Refs, index: 1, data: "map".into() };
    MirrorPublish::of(mirror, repo.id, repo.name.clone(), "refs/heads/trunk".to_owned(), file)
}

async fn state(home: &Home, log: i64) -> (MirrorState, u64, u64) {
    let mirror = home.db.list_mirrors(log, None, 10).await.unwrap().pop().unwrap();
    (mirror.state, mirror.rseq, mirror.ready_rseq)
}

#[tokio::test]
async fn an_upstream_is_followed_by_its_rules_until_it_is_not() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let rules = home.db.follow_rules(log).await.unwrap();
    assert_eq!((rules.len(), rules[0].pattern.as_str()), (1, "acme/*"));
    home.db.heard_upstream(log, Some("no\0answer".to_owned())).await.unwrap();
    assert_eq!(home.db.upstream(log).await.unwrap().unwrap().last_error.as_deref(), Some("noanswer"));
    home.db.heard_upstream(log, None).await.unwrap();
    let heard = home.db.upstream(log).await.unwrap().unwrap();
    assert_eq!((heard.last_error, heard.heard_at), (None, Some(home.now())));
    let evidence = Some("two notes".to_owned());
    home.db.set_upstream_state(log, UpstreamState::Frozen, evidence.clone(), None).await.unwrap();
    upstream(&home).await;
    let frozen = home.db.upstream(log).await.unwrap().unwrap();
    assert_eq!(
        (frozen.state, frozen.evidence),
        (UpstreamState::Frozen, evidence),
        "following again thaws nothing"
    );
    home.db.set_upstream_state(log, UpstreamState::Unfollowed, None, None).await.unwrap();
    upstream(&home).await;
    assert_eq!(home.db.list_upstreams().await.unwrap()[0].state, UpstreamState::Following);
}

#[tokio::test]
async fn a_page_of_another_source_says_nothing_of_the_home() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let urls = ["https://b.example.org", "https://a.example.org"].map(str::to_owned);
    home.db.name_sources(log, urls.to_vec()).await.unwrap();
    home.db.heard_upstream(log, Some("dead".to_owned())).await.unwrap();
    home.db.heard_source(log, urls[0].clone(), Some("a l\0iar".to_owned())).await.unwrap();
    let append = home.db.log(log).await.unwrap().unwrap().append(Vec::new());
    let page = FollowedPage {
        append,
        signed: 7,
        source: Some(urls[1].clone()),
        targets: Vec::new(),
        missing: Vec::new(),
        erased: Vec::new(),
    };
    home.db.follow_page(page).await.unwrap();
    let upstream = home.db.upstream(log).await.unwrap().unwrap();
    assert_eq!((upstream.signed, upstream.last_error.as_deref()), (7, Some("dead")));
    let source = |url: &String, heard_at, error: Option<&str>| FollowSource {
        url: url.clone(),
        named: true,
        heard_at,
        last_error: error.map(str::to_owned),
    };
    let listed = home.db.list_sources(log).await.unwrap();
    assert_eq!(listed, [source(&urls[1], Some(home.now()), None), source(&urls[0], None, Some("a liar"))]);
    home.db.name_sources(log, urls[..1].to_vec()).await.unwrap();
    assert_eq!(home.db.list_sources(log).await.unwrap(), [source(&urls[0], None, None)]);
}

#[tokio::test]
async fn a_long_fetch_keeps_its_target_while_newer_ones_come() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let repo = mirrored(&home, log).await;
    target(&home, log, 1, None).await;
    let first = claim(&home, log).await.unwrap();
    assert!(!home.db.publish_mirror(publish(&first, &repo)).await.unwrap(), "not its repository");
    assert!(home.db.set_mirror_repo(&first, repo.id).await.unwrap());
    target(&home, log, 2, None).await;
    target(&home, log, 3, None).await;
    assert_eq!(claim(&home, log).await, None, "it is being worked on");
    assert!(home.db.still_mirroring(&first, 60).await.unwrap());
    assert!(home.db.publish_mirror(publish(&first, &repo)).await.unwrap());
    assert_eq!(state(&home, log).await, (MirrorState::Waiting, 3, 1));
    let next = claim(&home, log).await.unwrap();
    assert_eq!(next.rseq, 3);
    assert!(home.db.publish_mirror(publish(&next, &repo)).await.unwrap());
    assert_eq!(state(&home, log).await, (MirrorState::Ready, 3, 3));
    assert_eq!(home.db.next_mirror(log).await.unwrap(), None);
    // What was read already changes nothing.
    target(&home, log, 2, None).await;
    assert_eq!(state(&home, log).await, (MirrorState::Ready, 3, 3));
}

#[tokio::test]
async fn what_is_hidden_while_it_is_fetched_stays_hidden() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let (repo, first) = begun(&home, log).await;
    assert!(home.db.publish_mirror(publish(&first, &repo)).await.unwrap());
    let withheld = || async { home.db.repo(repo.id).await.unwrap().unwrap().withheld };
    assert_eq!(withheld().await, None);

    target(&home, log, 2, None).await;
    let second = claim(&home, log).await.unwrap();
    target(&home, log, 3, Some("takedown")).await;
    assert_eq!(withheld().await.as_deref(), Some("takedown"));
    assert!(!home.db.still_mirroring(&second, 60).await.unwrap());
    assert!(!home.db.publish_mirror(publish(&second, &repo)).await.unwrap());
    let end = MirrorEnd { state: MirrorState::Retry, why: "late".to_owned(), due: Some(home.now()) };
    home.db.end_mirror(&second, end).await.unwrap();
    assert_eq!(state(&home, log).await, (MirrorState::Hidden, 3, 1));
    assert_eq!(withheld().await.as_deref(), Some("takedown"));
    target(&home, log, 4, None).await;
    let restored = claim(&home, log).await.unwrap();
    assert!(home.db.publish_mirror(publish(&restored, &repo)).await.unwrap());
    assert_eq!(withheld().await, None);
    let shown = home.db.repo(repo.id).await.unwrap().unwrap();
    assert_eq!(shown.head, "refs/heads/trunk");
    let file = home.db.log_file(log, sha(1), sha(3), FileKind::Refs).await.unwrap();
    assert_eq!(file.as_deref(), Some(&b"map"[..]));
}

#[tokio::test]
async fn refs_and_their_mirror_change_together_or_not_at_all() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let (repo, first) = begun(&home, log).await;
    let push = |mirror: &Mirror, oid: u8| {
        let mut push = push_of(&repo, vec![update("refs/heads/main", 0, oid)]);
        push.mirror = Some(publish(mirror, &repo));
        push
    };
    let refs = || async { home.number("SELECT COUNT(*) FROM ref").await };
    // Hidden while it was fetched: its refs are not taken either.
    target(&home, log, 2, Some("private")).await;
    assert_eq!(home.push(push(&first, 1)).await, PushOutcome::MirrorLost);
    assert_eq!((refs().await, state(&home, log).await), (0, (MirrorState::Hidden, 2, 0)));
    target(&home, log, 3, None).await;
    let third = claim(&home, log).await.unwrap();
    assert!(matches!(home.push(push(&third, 1)).await, PushOutcome::Done { changed: true, .. }));
    assert_eq!((refs().await, state(&home, log).await), (1, (MirrorState::Ready, 3, 3)));
    let shown = home.db.repo(repo.id).await.unwrap().unwrap();
    assert_eq!((shown.withheld, shown.head.as_str()), (None, "refs/heads/trunk"));
}

#[tokio::test]
async fn a_purged_mirror_leaves_nothing_and_is_the_same_repository_when_it_comes_back() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let (repo, first) = begun(&home, log).await;
    assert!(home.db.publish_mirror(publish(&first, &repo)).await.unwrap());
    assert_eq!(home.db.list_purgeable(log, home.now(), 10).await.unwrap(), []);
    home.pass_seconds(1);
    target(&home, log, 2, Some("private")).await;
    let hidden_at = home.now();
    home.pass_seconds(1);
    target(&home, log, 3, Some("deleted")).await;
    let gone = home.db.list_purgeable(log, home.now(), 10).await.unwrap();
    assert_eq!((gone.len(), gone[0].hidden_at), (1, hidden_at), "since it was first hidden");
    assert_eq!(home.db.list_taken_away(log, UnixMillis(0), 10).await.unwrap(), [(hidden_at, 1)]);
    assert_eq!(home.db.list_taken_away(log, hidden_at, 10).await.unwrap(), []);
    assert_eq!(home.db.list_purgeable(log, UnixMillis(hidden_at.0 - 1), 10).await.unwrap(), []);

    // It comes back between the look and the purge.
    target(&home, log, 4, None).await;
    assert!(!home.db.purge_mirror(log, &gone[0]).await.unwrap());
    assert!(home.db.repo(repo.id).await.unwrap().is_some());
    target(&home, log, 5, Some("private")).await;
    let gone = home.db.list_purgeable(log, home.now(), 10).await.unwrap();
    assert!(home.db.purge_mirror(log, &gone[0]).await.unwrap());
    assert_eq!(home.db.repo(repo.id).await.unwrap(), None);
    assert_eq!(home.db.log_file(log, sha(1), sha(3), FileKind::Refs).await.unwrap(), None);
    assert_eq!(home.db.count_held_mirrors(log).await.unwrap(), 0);
    assert_eq!(home.db.list_purgeable(log, home.now(), 10).await.unwrap(), []);

    let back = mirrored(&home, log).await;
    assert_eq!((back.id, back.withheld.as_deref()), (repo.id, Some("incoming")));
    assert_eq!((back.name, back.created), (repo.name, repo.created));
    home.db.release_purge(log).await.unwrap();
    assert_eq!(home.db.upstream(log).await.unwrap().unwrap().purge_until, Some(home.now()));
}

#[tokio::test]
async fn a_failure_waits_for_its_time_or_for_something_new() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    target(&home, log, 1, None).await;
    let fail = |mirror: Mirror| {
        let due = Some(home.now().plus_seconds(100));
        let end = MirrorEnd { state: MirrorState::Retry, why: "no answer".to_owned(), due };
        let db = home.db.clone();
        async move { db.end_mirror(&mirror, end).await.unwrap() }
    };
    fail(claim(&home, log).await.unwrap()).await;
    assert_eq!(claim(&home, log).await, None);
    home.pass_seconds(100);
    fail(claim(&home, log).await.unwrap()).await;
    target(&home, log, 2, None).await;
    let again = claim(&home, log).await.unwrap();
    assert_eq!((again.rseq, again.failures), (2, 0));
    fail(again).await;
    home.db.wake_mirrors(log).await.unwrap();
    assert!(claim(&home, log).await.is_some());
    home.db.release_mirrors().await.unwrap();
    assert!(claim(&home, log).await.is_some(), "a process that died gave it back");
}

#[tokio::test]
async fn another_epoch_takes_the_place_of_the_one_before_and_hides_what_that_told_of() {
    let home = Home::open().await;
    let old = upstream(&home).await;
    let name: polder_types::AccountName = "acme.hub.example.org".parse().unwrap();
    let pinned = |nsid| RemoteNamespace { name: name.clone(), nsid, home: URL.to_owned() };
    home.db.open_remote_namespace(pinned(sha(5))).await.unwrap();
    target(&home, old, 1, None).await;
    let mirror = claim(&home, old).await.unwrap();
    let path = "acme.hub.example.org/m".parse().unwrap();
    let repo = NewRepo { rid: [1; 32], upstream: Some(old), ..new_repo(path, 1) };
    let repo = home.db.create_repo(repo).await.unwrap();
    home.db.set_mirror_repo(&mirror, repo.id).await.unwrap();
    assert!(home.db.publish_mirror(publish(&mirror, &repo)).await.unwrap());
    assert!(!home.db.adopt_repo(repo.id, sha(2), old).await.unwrap(), "a mirror stands for it");

    let key = home.db.log(old).await.unwrap().unwrap().key;
    let next = "hub.example.org/polder/2".parse().unwrap();
    let new = home.db.open_log(next, key, false).await.unwrap().id;
    assert!(home.db.accept_epoch(old, new).await.unwrap());
    assert!(!home.db.accept_epoch(old, new).await.unwrap(), "it is given up already");
    assert_eq!(home.db.list_upstreams().await.unwrap()[0].log, new);
    assert_eq!(home.db.follow_rules(new).await.unwrap().len(), 1);
    let moved = home.db.repo(repo.id).await.unwrap().unwrap();
    assert_eq!((moved.upstream, moved.withheld.as_deref()), (Some(new), Some("epoch")));
    assert!(home.db.list_mirrors(old, None, 10).await.unwrap().is_empty());
    home.db.open_remote_namespace(pinned(sha(6))).await.unwrap();
    assert!(home.db.open_remote_namespace(pinned(sha(5))).await.is_err(), "the new one, for ever");
    assert!(home.db.adopt_repo(repo.id, sha(2), new).await.unwrap());
    assert_eq!(home.db.repo(repo.id).await.unwrap().unwrap().rid, *sha(2).as_bytes());
}
