use bytes::Bytes;
use polder_log::{Body, EventType, LogName, Meta, SecretKey, State, Statement, VerifierKey};
use polder_types::{RepoKind, UnixMillis};
use serde_json::{Value, json};

use super::{Home, sha};
use crate::{Erased, FollowedPage, Log, LogBody, LogEntry, TAKEN_DOWN};

#[tokio::test]
async fn what_is_taken_down_is_banned_until_it_is_put_back_and_each_leaves_its_fact() {
    let home = Home::open().await;
    home.user("ada").await;
    let repo = home.repo("acme/a").await;
    assert_eq!(home.db.takedown_reason(repo.id).await.unwrap(), None);
    assert!(home.db.take_down(repo.id, "a claim".to_owned(), false).await.unwrap());
    assert!(!home.db.take_down(repo.id, "again".to_owned(), false).await.unwrap());
    assert_eq!(home.db.takedown_reason(repo.id).await.unwrap().as_deref(), Some("a claim"));
    let down = home.db.repo(repo.id).await.unwrap().unwrap();
    assert!(down.is_banned() && down.withheld.as_deref() == Some(TAKEN_DOWN));
    assert!(down.cache_epoch > repo.cache_epoch && down.rewind_gen > repo.rewind_gen);
    assert!(home.db.undo_takedown(repo.id).await.unwrap());
    assert!(!home.db.undo_takedown(repo.id).await.unwrap());
    assert!(!home.db.repo(repo.id).await.unwrap().unwrap().is_banned());
    assert!(home.db.take_down(repo.id, "another".to_owned(), false).await.unwrap());
    assert_eq!(home.db.takedown_reason(repo.id).await.unwrap().as_deref(), Some("another"));
    let events = home.db.list_events(1, 100).await.unwrap();
    let facts: Vec<(&str, Value)> = events
        .iter()
        .map(|event| (event.kind.as_str(), serde_json::from_str(&event.facts).unwrap()))
        .collect();
    let expected = [
        ("repo.takedown", json!({"v": 1, "reason": "a claim", "erase": false})),
        ("repo.restore", json!({"v": 1})),
        ("repo.takedown", json!({"v": 1, "reason": "another", "erase": false})),
    ];
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn what_is_to_be_erased_is_deleted_and_waits_for_the_log() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let log = log(&home, "hub.example.org").await;
    assert_eq!(home.db.next_erasure(log.id).await.unwrap(), None);
    assert!(home.db.take_down(repo.id, "a claim".to_owned(), true).await.unwrap());
    assert_eq!(home.db.repo(repo.id).await.unwrap(), None);
    assert!(home.db.undo_takedown(repo.id).await.is_err(), "it is gone for good");
    let erasure = home.db.next_erasure(log.id).await.unwrap().expect("one");
    assert_eq!((erasure.repo, erasure.rid), (repo.id, None), "the log never told of it");
    let erased = Erased { append: log.append(Vec::new()), repo: repo.id, bodies: Vec::new(), next: None };
    home.db.erase(erased).await.unwrap();
    assert_eq!(home.db.next_erasure(log.id).await.unwrap(), None);
}

async fn log(home: &Home, origin: &str) -> Log {
    let name: LogName = format!("{origin}/polder/1").parse().unwrap();
    let key = VerifierKey::new(origin, SecretKey::new(&[7; 32]).public()).unwrap();
    home.db.open_log(name, key, false).await.unwrap()
}

fn event(log: &Log) -> Body {
    let mut event = Statement::new(log.name.clone(), EventType::RepoRefs, UnixMillis(1), [1; 16]);
    (event.rid, event.nsid, event.ns_head) = (Some(sha(9)), Some(sha(1)), Some(sha(2)));
    (event.rseq, event.prev) = (2, Some(sha(3)));
    event.state = Some(State { refs_sha256: sha(4), count: 1 });
    event.meta = Some(Meta::new(RepoKind::Model, "acme/m".to_owned(), "refs/heads/main".to_owned()));
    event.seal(&[]).unwrap()
}

/// Takes a page with one leaf, which takes back the body of another.
async fn page(home: &Home, log: &Log, body: &Body, bytes: bool, erased: Vec<u64>) {
    let held = bytes.then(|| Bytes::copy_from_slice(body.bytes()));
    let entry = LogEntry { leaf: body.leaf(), body: held, nsid: None };
    let append = home.db.log(log.id).await.unwrap().unwrap().append(vec![entry]);
    home.db
        .follow_page(FollowedPage {
            append,
            signed: 9,
            source: None,
            targets: Vec::new(),
            missing: Vec::new(),
            erased,
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_log_takes_back_what_it_said_itself_and_nothing_that_another_said() {
    let home = Home::open().await;
    let (log, other) = (log(&home, "hub.example.org").await, log(&home, "evil.example.org").await);
    let body = event(&log);
    page(&home, &log, &body, true, Vec::new()).await;
    let read = || async { home.db.log_body(body.sha256()).await.unwrap() };
    // The other log has the very leaf, and takes back what it names.
    page(&home, &other, &body, false, Vec::new()).await;
    page(&home, &other, &event(&other), true, vec![0, 77]).await;
    assert_eq!(read().await, LogBody::Held(Bytes::copy_from_slice(body.bytes())));
    page(&home, &log, &event(&log), false, vec![0]).await;
    assert_eq!(read().await, LogBody::Erased);
    page(&home, &log, &body, true, Vec::new()).await;
    assert_eq!(read().await, LogBody::Erased, "it does not come back");
}
