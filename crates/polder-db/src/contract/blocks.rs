use polder_log::{SecretKey, VerifierKey};
use polder_types::{BlobId, Sha256};

use super::follow::publish;
use super::{Home, new_repo, oid, push_of, sha, update};
use crate::{
    BLOCKED, Blocked, Error, FollowRule, FollowedPage, MirrorMode, MirrorState, MirrorTarget, NewRepo,
    PushOutcome, RemoteNamespace, Repo,
};

const ORIGIN: &str = "hub.example.org";

async fn upstream(home: &Home) -> i64 {
    let key = VerifierKey::new(ORIGIN, SecretKey::new(&[7; 32]).public()).unwrap();
    let log = home.db.open_log(format!("{ORIGIN}/polder/1").parse().unwrap(), key, false).await.unwrap().id;
    let rule = FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full };
    home.db.set_upstream(log, format!("https://{ORIGIN}"), vec![rule]).await.unwrap();
    let name = format!("acme.{ORIGIN}").parse().unwrap();
    let namespace = RemoteNamespace { name, nsid: sha(2), home: format!("https://{ORIGIN}") };
    home.db.open_remote_namespace(namespace).await.unwrap();
    log
}

/// What a page does that tells of event `rseq` of repository `n`, which is called `path`.
async fn told(home: &Home, log: i64, (n, path): (u8, &str), rseq: u64, hidden: Option<&'static str>) {
    let append = home.db.log(log).await.unwrap().unwrap().append(Vec::new());
    let (rid, body) = (sha(n), Sha256::new([u8::try_from(rseq).unwrap(); 32]));
    let (path, since) = (path.to_owned(), home.now());
    let target = MirrorTarget { rid, path, mode: MirrorMode::Full, rseq, body, since, hidden };
    home.db
        .follow_page(FollowedPage {
            append,
            signed: 9,
            source: None,
            targets: vec![target],
            missing: Vec::new(),
            erased: Vec::new(),
        })
        .await
        .unwrap();
}

/// A mirror that is shown.
async fn mirror(home: &Home, log: i64, n: u8, name: &str) -> Repo {
    let new = new_repo(format!("acme.{ORIGIN}/{name}").parse().unwrap(), n.into());
    let repo = home.db.create_repo(NewRepo { upstream: Some(log), ..new }).await.unwrap();
    told(home, log, (n, &format!("acme/{name}")), 1, None).await;
    let claimed = home.db.claim_mirrors(log, 60, 10).await.unwrap().pop().unwrap();
    assert!(home.db.set_mirror_repo(&claimed, repo.id).await.unwrap());
    assert!(home.db.publish_mirror(publish(&claimed, &repo)).await.unwrap());
    repo
}

async fn state(home: &Home, log: i64, n: u8, repo: &Repo) -> (MirrorState, Option<String>) {
    let listed = home.db.list_mirrors(log, None, 10).await.unwrap();
    let mirror = listed.into_iter().find(|mirror| mirror.rid == sha(n)).unwrap();
    (mirror.state, home.db.repo(repo.id).await.unwrap().unwrap().withheld)
}

fn namespace() -> Blocked {
    Blocked::Namespace { origin: ORIGIN.to_owned(), handle: "acme".to_owned() }
}

fn one(name: &str) -> Blocked {
    let (path, id) = (format!("acme/{name}"), format!("acme.{ORIGIN}/{name}"));
    Blocked::Repo { origin: ORIGIN.to_owned(), path, id }
}

#[tokio::test]
async fn what_is_blocked_is_hidden_and_left_alone_until_nothing_forbids_it() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let (a, b) = (mirror(&home, log, 1, "a_b").await, mirror(&home, log, 2, "axb").await);
    let hidden = (MirrorState::Blocked, Some(BLOCKED.to_owned()));
    assert!(home.db.block(one("a_b"), "a claim".to_owned()).await.unwrap());
    assert!(!home.db.block(one("a_b"), "again".to_owned()).await.unwrap());
    assert_eq!(state(&home, log, 1, &a).await, hidden);
    assert_eq!(state(&home, log, 2, &b).await, (MirrorState::Ready, None), "a name is no pattern");
    // News, and another name, do not bring it back.
    told(&home, log, (1, "acme/renamed"), 2, None).await;
    assert_eq!(state(&home, log, 1, &a).await, hidden);
    assert_eq!(home.db.next_mirror(log).await.unwrap(), None, "nothing is fetched");

    for what in [namespace(), Blocked::Origin(ORIGIN.to_owned())] {
        home.db.block(what, "spam".to_owned()).await.unwrap();
        assert_eq!(state(&home, log, 2, &b).await, hidden);
    }
    assert_eq!(home.db.blocked_logs().await.unwrap(), [log]);
    assert_eq!(home.db.origin_block(ORIGIN).await.unwrap().as_deref(), Some("spam"));
    assert_eq!(home.db.list_blocks().await.unwrap().len(), 3);
    home.db.unblock(one("a_b")).await.unwrap();
    home.db.unblock(namespace()).await.unwrap();
    assert_eq!((state(&home, log, 1, &a).await, state(&home, log, 2, &b).await), (hidden.clone(), hidden));
    home.db.unblock(Blocked::Origin(ORIGIN.to_owned())).await.unwrap();
    assert_eq!(state(&home, log, 1, &a).await, (MirrorState::Waiting, None), "shown as it was");
    assert_eq!(home.db.claim_mirrors(log, 60, 10).await.unwrap().len(), 2, "and brought up to date");
    assert!(matches!(home.db.unblock(namespace()).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn what_is_blocked_before_it_is_known_never_comes_and_a_fetch_under_way_is_lost() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    home.db.block(one("late"), "a claim".to_owned()).await.unwrap();
    told(&home, log, (3, "acme/Late"), 1, None).await;
    assert_eq!(home.db.next_mirror(log).await.unwrap(), None);
    told(&home, log, (3, "acme/other"), 2, None).await;
    assert_eq!(home.db.next_mirror(log).await.unwrap(), None, "it is known by more than its name");
    let repo = mirror(&home, log, 4, "m").await;
    told(&home, log, (4, "acme/m"), 2, None).await;
    let claimed = home.db.claim_mirrors(log, 60, 10).await.unwrap().pop().unwrap();
    home.db.block(namespace(), "spam".to_owned()).await.unwrap();
    assert!(!home.db.publish_mirror(publish(&claimed, &repo)).await.unwrap());
}

#[tokio::test]
async fn what_its_home_took_away_stays_hidden_when_it_is_no_longer_blocked() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let repo = mirror(&home, log, 1, "m").await;
    home.db.block(one("m"), "a claim".to_owned()).await.unwrap();
    told(&home, log, (1, "acme/m"), 2, Some("takedown")).await;
    let taken = (MirrorState::Hidden, Some("takedown".to_owned()));
    assert_eq!(state(&home, log, 1, &repo).await.1, taken.1);
    home.db.unblock(one("m")).await.unwrap();
    assert_eq!(state(&home, log, 1, &repo).await, taken);
    home.db.block(one("m"), "a claim".to_owned()).await.unwrap();
    assert_eq!(state(&home, log, 1, &repo).await, taken);
}

#[tokio::test]
async fn a_blocked_object_is_neither_had_nor_taken() {
    let home = Home::open().await;
    let (repo, other) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let id = BlobId(home.db.next_id());
    home.db.publish_blob(id, sha(1), 10, repo.id, None).await.unwrap();
    let held = || async {
        let linked = home.db.linked_blobs(repo.id, &[sha(1)]).await.unwrap().len();
        let public = home.db.public_blob(&sha(1)).await.unwrap().is_some();
        (linked, public, home.db.reusable_blob(other.id, sha(1)).await.unwrap().is_some())
    };
    assert_eq!(held().await, (1, true, true));
    home.db.block(Blocked::Object(sha(1)), "a claim".to_owned()).await.unwrap();
    assert_eq!(held().await, (0, false, false));
    assert_eq!(home.db.blocked_objects(&[sha(2), sha(1)]).await.unwrap(), [sha(1)]);
    let next = BlobId(home.db.next_id());
    assert!(matches!(home.db.link_blob(other.id, &sha(1)).await, Err(Error::Blocked { .. })));
    assert!(matches!(
        home.db.publish_blob(next, sha(1), 10, other.id, None).await,
        Err(Error::Blocked { .. })
    ));
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    push.pointers = vec![(sha(1), oid(4))];
    assert_eq!(home.db.commit_push(push).await.unwrap(), PushOutcome::MissingObjects(vec![sha(1)]));
    home.db.unblock(Blocked::Object(sha(1))).await.unwrap();
    assert_eq!(held().await, (1, true, true));
}
