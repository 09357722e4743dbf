use polder_types::{Sha256, UnixMillis};

use super::{Home, follow, sha};
use crate::{Blocked, Mirror, MirrorEnd, MirrorMode, MirrorState, MirrorTarget};

use MirrorMode::{Archive, Full, Lazy, Metadata};
use MirrorState::{Hidden, Known, Ready, Retry, Waiting};

fn target(n: u8, mode: MirrorMode, hidden: Option<&'static str>) -> MirrorTarget {
    let (path, body, since) = (format!("acme/m{n}"), sha(100 + n), UnixMillis(i64::from(n)));
    MirrorTarget { rid: sha(n), path, mode, rseq: 1, body, since, hidden }
}

struct Upstream {
    home: Home,
    log: i64,
}

impl Upstream {
    async fn new() -> Self {
        let home = Home::open().await;
        let log = follow::upstream(&home).await;
        Self { home, log }
    }

    async fn add(&self, targets: Vec<MirrorTarget>) {
        self.home.db.add_mirrors(self.log, targets).await.unwrap();
    }

    async fn set(&self, modes: &[(Sha256, MirrorMode)]) {
        self.home.db.set_mirror_modes(self.log, modes.to_vec()).await.unwrap();
    }

    async fn claim(&self) -> Option<Mirror> {
        self.home.db.claim_mirrors(self.log, 60, 1).await.unwrap().pop()
    }

    async fn finish(&self, mirror: &Mirror) -> bool {
        let db = &self.home.db;
        let repo = match mirror.repo {
            Some(id) => db.repo(id).await.unwrap().unwrap(),
            None => follow::mirrored(&self.home, self.log).await,
        };
        (mirror.repo.is_some() || db.set_mirror_repo(mirror, repo.id).await.unwrap())
            && db.publish_mirror(follow::publish(mirror, &repo)).await.unwrap()
    }

    async fn look(&self) -> Vec<(Sha256, MirrorMode, MirrorState)> {
        let mirrors = self.home.db.list_mirrors(self.log, None, 10).await.unwrap();
        mirrors.into_iter().map(|mirror| (mirror.rid, mirror.mode, mirror.state)).collect()
    }
}

#[tokio::test]
async fn what_no_rule_fitted_before_is_mirrored_once_and_what_is_hidden_is_not() {
    let upstream = Upstream::new().await;
    upstream
        .add(vec![target(1, Metadata, None), target(2, Lazy, None), target(3, Full, Some("deleted"))])
        .await;
    assert_eq!(upstream.look().await, [(sha(1), Metadata, Known), (sha(2), Lazy, Waiting)]);
    upstream.add(vec![target(1, Full, None), target(2, Full, None)]).await;
    assert_eq!(upstream.look().await, [(sha(1), Metadata, Known), (sha(2), Lazy, Waiting)], "they are there");
    assert_eq!(upstream.claim().await.unwrap().rid, sha(2));
    assert_eq!(upstream.claim().await, None);
}

#[tokio::test]
async fn another_mode_fetches_what_it_needs_more_and_leaves_what_is_here() {
    let upstream = Upstream::new().await;
    upstream.add(vec![target(1, Lazy, None)]).await;
    // From nothing to ready, and the mode again that it has: nothing to do.
    assert!(upstream.finish(&upstream.claim().await.unwrap()).await);
    upstream.set(&[(sha(1), Lazy), (sha(9), Full)]).await;
    assert_eq!(upstream.look().await, [(sha(1), Lazy, Ready)]);

    for (mode, state, is_due) in [
        (Full, Waiting, true),
        (Archive, Ready, false),
        (Lazy, Ready, false),
        (Archive, Waiting, true),
        (Full, Ready, false),
        (Metadata, Known, false),
        (Lazy, Waiting, true),
    ] {
        upstream.set(&[(sha(1), mode)]).await;
        assert_eq!(upstream.look().await, [(sha(1), mode, state)]);
        let claimed = upstream.claim().await;
        assert_eq!(claimed.is_some(), is_due, "{mode}");
        if let Some(mirror) = claimed {
            assert!(upstream.finish(&mirror).await);
        }
    }
}

#[tokio::test]
async fn another_mode_ends_work_for_the_one_before_and_hides_or_shows_nothing() {
    let upstream = Upstream::new().await;
    upstream.add(vec![target(1, Full, None)]).await;
    let before = upstream.claim().await.unwrap();
    upstream.set(&[(sha(1), Lazy)]).await;
    assert!(!upstream.home.db.still_mirroring(&before, 60).await.unwrap());
    assert!(!upstream.finish(&before).await);
    let now = upstream.claim().await.unwrap();
    assert_eq!((now.mode, now.attempt > before.attempt), (Lazy, true));

    // What failed is tried in the new mode, at once.
    let due = Some(upstream.home.now().plus_seconds(3_600));
    let end = MirrorEnd { state: Retry, why: "no answer".to_owned(), due };
    upstream.home.db.end_mirror(&now, end).await.unwrap();
    assert_eq!(upstream.claim().await, None);
    upstream.set(&[(sha(1), Full)]).await;
    assert_eq!(upstream.claim().await.unwrap().failures, 0);

    // What its home took away stays so in any mode.
    follow::target(&upstream.home, upstream.log, 2, Some("takedown")).await;
    for mode in [Lazy, Metadata, Archive] {
        upstream.set(&[(sha(1), mode)]).await;
        assert_eq!(upstream.look().await, [(sha(1), mode, Hidden)]);
        assert_eq!(upstream.claim().await, None);
    }
}

#[tokio::test]
async fn what_the_operator_blocked_stays_so_in_any_mode() {
    let upstream = Upstream::new().await;
    upstream.add(vec![target(1, Metadata, None)]).await;
    let blocked = Blocked::Origin("hub.example.org".to_owned());
    assert!(upstream.home.db.block(blocked, "spam".to_owned()).await.unwrap());
    upstream.add(vec![target(2, Full, None)]).await;
    for mode in [Lazy, Metadata, Full] {
        upstream.set(&[(sha(1), mode)]).await;
        assert_eq!(upstream.look().await[0], (sha(1), mode, MirrorState::Blocked));
        assert_eq!(upstream.claim().await, None);
    }
    assert_eq!(upstream.look().await[1], (sha(2), Full, MirrorState::Blocked));
}
