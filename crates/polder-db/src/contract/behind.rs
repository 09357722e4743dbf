use super::Home;
use super::follow::{mirrored, publish, target, upstream};
use crate::{Blocked, Mirror, MirrorEnd, MirrorState};

const LEASE: i64 = 60;

async fn untried(home: &Home, log: i64, since: polder_types::UnixMillis) -> u64 {
    home.db.count_untried(log, home.now(), since, LEASE).await.unwrap()
}

async fn claim(home: &Home, log: i64) -> Mirror {
    home.db.claim_mirrors(log, LEASE, 1).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn what_is_due_or_worked_on_is_untried_until_it_is_served_or_fails() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    assert_eq!(untried(&home, log, home.now()).await, 0);
    target(&home, log, 1, None).await;
    let since = home.now();
    assert_eq!(untried(&home, log, since).await, 1);
    let mirror = claim(&home, log).await;
    home.pass_seconds(1);
    assert_eq!(untried(&home, log, since).await, 1, "it is worked on");
    let end = |state, seconds| {
        let due = Some(home.now().plus_seconds(seconds));
        MirrorEnd { state, why: "no answer".to_owned(), due }
    };
    home.db.end_mirror(&mirror, end(MirrorState::Retry, 1)).await.unwrap();
    assert_eq!(untried(&home, log, since).await, 0);
    home.pass_seconds(1);
    assert_eq!(untried(&home, log, since).await, 0, "it is due, and failed since");
    assert_eq!(untried(&home, log, home.now()).await, 1, "whoever asks later waits for it");
    let since = home.now();
    let mirror = claim(&home, log).await;
    assert_eq!(untried(&home, log, since).await, 1);
    // Something newer comes while it is worked on.
    target(&home, log, 2, None).await;
    home.db.end_mirror(&mirror, end(MirrorState::Retry, 1)).await.unwrap();
    let (count, behind) = home.db.mirrors_behind(log, 10).await.unwrap();
    assert_eq!(
        (count, behind[0].state, behind[0].why.as_deref()),
        (1, MirrorState::Retry, Some("no answer"))
    );

    let repo = mirrored(&home, log).await;
    target(&home, log, 3, None).await;
    let mirror = claim(&home, log).await;
    home.db.set_mirror_repo(&mirror, repo.id).await.unwrap();
    assert!(home.db.publish_mirror(publish(&mirror, &repo)).await.unwrap());
    assert_eq!(untried(&home, log, home.now()).await, 0);
    assert_eq!(home.db.mirrors_behind(log, 10).await.unwrap(), (0, Vec::new()));
}

#[tokio::test]
async fn what_cannot_be_taken_is_behind_unless_the_operator_blocked_it() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    target(&home, log, 1, None).await;
    let end = MirrorEnd { state: MirrorState::Blocked, why: "no name".to_owned(), due: None };
    home.db.end_mirror(&claim(&home, log).await, end).await.unwrap();
    let (count, behind) = home.db.mirrors_behind(log, 10).await.unwrap();
    assert_eq!((count, behind.len()), (1, 1));
    assert_eq!((behind[0].path.as_str(), behind[0].why.as_deref()), ("acme/m", Some("no name")));
    assert_eq!(home.db.mirrors_behind(log, 0).await.unwrap(), (1, Vec::new()));
    let blocked = Blocked::Namespace { origin: "hub.example.org".to_owned(), handle: "acme".to_owned() };
    home.db.block(blocked, "spam".to_owned()).await.unwrap();
    assert_eq!(home.db.mirrors_behind(log, 10).await.unwrap(), (0, Vec::new()));
}
