//! Bodies that are missing: looked for, nothing newer called whole before they are here, and missed no longer when the
//! log takes them back.

use polder_log::{Data, EventType, Leaf, Statement};
use polder_types::UnixMillis;

use super::follow::{mirrored, publish, target, upstream};
use super::{Home, sha};
use crate::{FollowedPage, MirrorEnd, MirrorState, MissingBody};

pub(super) fn leaf() -> Leaf {
    let log = "hub.example.org/polder/1".parse().unwrap();
    let mut statement = Statement::new(log, EventType::Heartbeat, UnixMillis(1), [0; 16]);
    statement.data = Data::None;
    Leaf { rid: sha(1), ..statement.seal(&[]).unwrap().leaf() }
}

async fn page(home: &Home, log: i64, missing: Vec<MissingBody>, erased: Vec<u64>) {
    let append = home.db.log(log).await.unwrap().unwrap().append(Vec::new());
    let page = FollowedPage { append, signed: 9, source: None, targets: Vec::new(), missing, erased };
    home.db.follow_page(page).await.unwrap();
}

#[tokio::test]
async fn a_mirror_with_a_missing_body_is_not_whole_until_it_is_found_or_erased() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    let repo = mirrored(&home, log).await;
    target(&home, log, 1, None).await;
    let claim = async || home.db.claim_mirrors(log, 60, 10).await.unwrap().pop();
    let mirror = claim().await.unwrap();
    assert!(home.db.set_mirror_repo(&mirror, repo.id).await.unwrap());
    let event = |index| MissingBody { index, leaf: leaf(), before: None };
    page(&home, log, vec![event(5), event(6)], vec![]).await;
    assert_eq!(home.db.missing_bodies(log, sha(1), 10).await.unwrap(), [event(5), event(6)]);
    assert_eq!(claim().await, None, "what is at work shows what it has");
    assert!(home.db.publish_mirror(publish(&mirror, &repo)).await.unwrap());
    let mirror = claim().await.unwrap();
    assert_eq!((mirror.state, mirror.ready_rseq), (MirrorState::Waiting, 1));

    let due = Some(home.now().plus_seconds(3_600));
    let end = MirrorEnd { state: MirrorState::Incomplete, why: "nobody has it".to_owned(), due };
    home.db.end_mirror(&mirror, end).await.unwrap();
    assert_eq!(claim().await, None);
    page(&home, log, vec![], vec![5]).await;
    assert_eq!(home.db.missing_bodies(log, sha(1), 10).await.unwrap(), [event(6)]);
    let mirror = claim().await.expect("there is a reason to look again");
    assert!(home.db.found_body(&mirror, 6, None, None).await.unwrap(), "the claim still holds");
    assert_eq!(home.db.missing_bodies(log, sha(1), 10).await.unwrap(), []);
    assert!(home.db.publish_mirror(publish(&mirror, &repo)).await.unwrap());
    let ready = home.db.list_mirrors(log, None, 10).await.unwrap().pop().unwrap();
    assert_eq!(ready.state, MirrorState::Ready);
}
