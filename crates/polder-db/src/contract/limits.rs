//! What limits the mirrors of a hub: kept, changed one by one, and counted against what they hold.

use std::num::NonZeroU64;

use polder_types::BlobId;

use super::follow::{mirrored, target, upstream};
use super::{Home, inline_pack, new_repo, push_of, sha, update};
use crate::{FollowLimits, LimitChange, LimitChanges, MirrorEnd, MirrorState, NewRepo};

async fn limits(home: &Home, log: i64) -> FollowLimits {
    home.db.upstream(log).await.unwrap().unwrap().limits
}

#[tokio::test]
async fn each_limit_is_kept_until_it_is_changed_or_lifted() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    assert_eq!(limits(&home, log).await, FollowLimits::default());
    let all = FollowLimits {
        budget_bytes: Some(2_000_000_000_000),
        bytes_per_second: NonZeroU64::new(100),
        hours: Some("22:30-04:00".parse().unwrap()),
    };
    let changes = LimitChanges {
        budget: all.budget_bytes.map(LimitChange::Set),
        rate: all.bytes_per_second.map(LimitChange::Set),
        hours: all.hours.map(LimitChange::Set),
    };
    home.db.change_limits(log, changes).await.unwrap();
    assert_eq!(limits(&home, log).await, all);
    assert_eq!(home.db.list_upstreams().await.unwrap()[0].limits, all);

    // Following it again with other rules leaves them; so does changing another.
    assert_eq!(upstream(&home).await, log);
    home.db.change_limits(log, LimitChanges::default()).await.unwrap();
    assert_eq!(limits(&home, log).await, all);
    let lift = LimitChanges { rate: Some(LimitChange::Lift), ..LimitChanges::default() };
    home.db.change_limits(log, lift).await.unwrap();
    assert_eq!(limits(&home, log).await, FollowLimits { bytes_per_second: None, ..all });
    let none = LimitChanges { budget: Some(LimitChange::Set(0)), hours: Some(LimitChange::Lift), rate: None };
    home.db.change_limits(log, none).await.unwrap();
    assert_eq!(limits(&home, log).await, FollowLimits { budget_bytes: Some(0), ..FollowLimits::default() });
    // Of what is not followed there is nothing to change.
    home.db.change_limits(log + 1, changes).await.unwrap();
    assert_eq!(home.db.upstream(log + 1).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_paused_is_no_failure_and_goes_on_in_time_or_when_limits_change() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    target(&home, log, 1, None).await;
    let claim = async || home.db.claim_mirrors(log, 60, 10).await.unwrap().pop();
    for state in [MirrorState::PausedQuota, MirrorState::PausedWindow, MirrorState::PausedDisk] {
        let pause = |state| {
            let due = Some(home.now().plus_seconds(100));
            MirrorEnd { state, why: "not now".to_owned(), due }
        };
        let mirror = claim().await.unwrap();
        home.db.end_mirror(&mirror, pause(MirrorState::Retry)).await.unwrap();
        home.db.wake_mirrors(log).await.unwrap();
        let mirror = claim().await.unwrap();
        assert_eq!(mirror.failures, 1);
        home.db.end_mirror(&mirror, pause(state)).await.unwrap();
        let paused = home.db.list_mirrors(log, None, 10).await.unwrap().pop().unwrap();
        assert_eq!((paused.state, paused.failures), (state, 0));
        assert_eq!(paused.last_error.as_deref(), Some("not now"));
        assert_eq!(claim().await, None);
        home.pass_seconds(100);
        home.db.end_mirror(&claim().await.unwrap(), pause(state)).await.unwrap();
        assert_eq!(claim().await, None);
        home.db.change_limits(log, LimitChanges::default()).await.unwrap();
        home.db.end_mirror(&claim().await.unwrap(), pause(state)).await.unwrap();
        assert_eq!(claim().await, None);
        home.db.wake_mirrors(log).await.unwrap();
    }
}

#[tokio::test]
async fn an_upstream_holds_the_packs_and_objects_of_its_namespaces_and_nothing_else() {
    let home = Home::open().await;
    let log = upstream(&home).await;
    assert_eq!(home.db.upstream_bytes(log).await.unwrap(), 0);
    let mirror = mirrored(&home, log).await;
    let sibling = new_repo("acme.hub.example.org/n".parse().unwrap(), 10);
    let sibling = home.db.create_repo(NewRepo { upstream: Some(log), ..sibling }).await.unwrap();
    let own = home.repo("acme/own").await;
    for (n, repo, bytes) in [(1, mirror.id, 10), (2, own.id, 100)] {
        home.db.publish_blob(BlobId(home.db.next_id()), sha(n), bytes, repo, None).await.unwrap();
    }
    assert_eq!(home.db.upstream_bytes(log).await.unwrap(), 10);
    let mut push = push_of(&mirror, vec![update("refs/heads/main", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 7));
    home.push(push).await;
    assert_eq!(home.db.upstream_bytes(log).await.unwrap(), 14);

    // What one of its repositories has counts already when another needs it.
    let beside = async |repo| home.db.blobs_beside(repo, &[sha(1), sha(2)]).await.unwrap();
    assert_eq!(beside(sibling.id).await, [sha(1)]);
    assert_eq!(beside(own.id).await, [sha(2)]);
    home.db.delete_repo(mirror.id, None).await.unwrap();
    assert_eq!(home.db.upstream_bytes(log).await.unwrap(), 0);
    assert_eq!(beside(sibling.id).await, []);
}
