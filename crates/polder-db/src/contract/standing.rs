use polder_types::UnixMillis;

use super::Home;
use super::follow::{mirrored, publish, target, upstream};
use crate::{Mirror, MirrorEnd, MirrorMode, MirrorState};

/// The state of the one mirror, and since when it is behind.
async fn standing(home: &Home, log: i64) -> (MirrorState, Option<i64>) {
    let standings = home.db.mirror_standings(log).await.unwrap();
    let [one] = standings.as_slice() else { panic!("{standings:?}") };
    assert_eq!(one.mirrors, 1);
    (one.state, one.behind_since.map(|UnixMillis(at)| at))
}

async fn claim(home: &Home, log: i64) -> Mirror {
    home.db.claim_mirrors(log, 60, 1).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn a_mirror_is_behind_since_the_oldest_event_that_it_does_not_serve() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    assert_eq!(home.db.mirror_standings(log).await.unwrap(), []);
    let repo = mirrored(&home, log).await;
    target(&home, log, 1, None).await;
    target(&home, log, 2, None).await;
    assert_eq!(standing(&home, log).await, (MirrorState::Waiting, Some(1)));
    let first = claim(&home, log).await;
    home.db.set_mirror_repo(&first, repo.id).await.unwrap();
    // What comes while the second is fetched is not served with it.
    target(&home, log, 3, None).await;
    target(&home, log, 4, None).await;
    assert_eq!(standing(&home, log).await, (MirrorState::Waiting, Some(1)));
    assert!(home.db.publish_mirror(publish(&first, &repo)).await.unwrap());
    assert_eq!(standing(&home, log).await, (MirrorState::Waiting, Some(3)));

    let failed = claim(&home, log).await;
    target(&home, log, 5, None).await;
    let end = MirrorEnd { state: MirrorState::Retry, why: "no answer".to_owned(), due: None };
    home.db.end_mirror(&failed, end).await.unwrap();
    assert_eq!(standing(&home, log).await, (MirrorState::Retry, Some(3)));
    let last = claim(&home, log).await;
    assert!(home.db.publish_mirror(publish(&last, &repo)).await.unwrap());
    assert_eq!(standing(&home, log).await, (MirrorState::Ready, None));

    // Hiding is done at once; what comes after it is new.
    target(&home, log, 6, None).await;
    target(&home, log, 7, Some("private")).await;
    assert_eq!(standing(&home, log).await, (MirrorState::Hidden, None));
    target(&home, log, 8, None).await;
    assert_eq!(standing(&home, log).await, (MirrorState::Waiting, Some(8)));
    home.db.set_mirror_modes(log, vec![(first.rid, MirrorMode::Metadata)]).await.unwrap();
    assert_eq!(standing(&home, log).await, (MirrorState::Known, Some(8)));
    assert!(!MirrorState::Known.is_behind() && MirrorState::PausedQuota.is_behind());
}
