use polder_types::{BlobId, ReservationId};

use super::{Home, inline_pack, push_of, sha, update};
use crate::{Error, Limit, NameState};

impl Home {
    async fn store(&self, n: u8, size_bytes: i64, repo: polder_types::RepoId) -> Result<(), Error> {
        let id = BlobId(self.db.next_id());
        self.db.publish_blob(id, sha(n), size_bytes, repo, None).await.map(drop)
    }

    /// Large objects, packs, reserved.
    pub(super) async fn used(&self, namespace: &str) -> (i64, i64, i64) {
        let account = self.db.find_account(namespace).await.unwrap().unwrap().id;
        let usage = self.db.usage(account).await.unwrap();
        (usage.blob_bytes, usage.pack_bytes, usage.reserved_bytes)
    }

    pub(super) async fn limit(&self, namespace: &str, limit: Limit) {
        let account = self.db.find_account(namespace).await.unwrap().unwrap().id;
        self.db.set_quota(account, limit).await.unwrap();
    }

    /// The numbers are the sums of what is stored.
    pub(super) async fn numbers_are_right(&self) {
        assert_eq!(self.db.check_usage(None, 100).await.unwrap().1, Vec::<String>::new());
    }
}

fn is_over<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::OverQuota { .. }))
}

#[tokio::test]
async fn an_object_counts_once_for_a_namespace_and_packs_as_they_are() {
    let home = Home::open().await;
    let (a, b, other) = (home.repo("acme/a").await, home.repo("acme/b").await, home.repo("eve/c").await);
    home.store(1, 10, a.id).await.unwrap();
    home.store(1, 10, b.id).await.unwrap();
    home.store(1, 10, other.id).await.unwrap();
    assert!(home.db.link_blob(b.id, &sha(1)).await.unwrap());
    home.store(2, 5, b.id).await.unwrap();
    let mut push = push_of(&a, vec![update("refs/heads/main", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 7));
    home.push(push).await;
    assert_eq!((home.used("acme").await, home.used("eve").await), ((15, 4, 0), (10, 0, 0)));
    home.numbers_are_right().await;

    // What a repository alone had goes with it, to nobody or to its new namespace.
    home.db.rename_repo(b.id, "eve/b".parse().unwrap(), None).await.unwrap();
    assert_eq!((home.used("acme").await, home.used("eve").await), ((10, 4, 0), (15, 0, 0)));
    home.db.delete_repo(a.id, None).await.unwrap();
    assert_eq!(home.used("acme").await, (0, 0, 0));
    home.numbers_are_right().await;
}

#[tokio::test]
async fn nothing_is_added_over_the_limit_and_what_adds_nothing_is_never_refused() {
    let home = Home::open().await;
    let (repo, eve) = (home.repo("acme/a").await, home.repo("eve/e").await);
    home.db.set_default_quota(Some(12)).await.unwrap();
    home.store(1, 10, repo.id).await.unwrap();
    let refused = home.store(2, 3, repo.id).await;
    assert!(
        matches!(&refused, Err(Error::OverQuota { namespace, bytes_max: 12, bytes_left: 2 }) if namespace == "acme")
    );
    assert!(home.db.linked_blobs(repo.id, &[sha(2)]).await.unwrap().is_empty());
    let push = |n| {
        let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
        push.pack = (n > 0).then(|| inline_pack(&home.db, n));
        push
    };
    assert!(is_over(&home.db.commit_push(push(7)).await));
    assert_eq!(home.db.load_repo_state(repo.id).await.unwrap().unwrap().refs, vec![]);
    home.push(push(0)).await;
    assert!(home.db.link_blob(repo.id, &sha(1)).await.unwrap());

    // Its own limit goes before the one for all; none is none.
    home.limit("acme", Limit::Bytes(13)).await;
    home.store(2, 3, repo.id).await.unwrap();
    home.limit("acme", Limit::None).await;
    home.store(3, 1_000_000, repo.id).await.unwrap();
    // A limit below what is stored: nothing more, but everything may go.
    home.limit("acme", Limit::Bytes(1)).await;
    assert!(is_over(&home.store(4, 1, repo.id).await));
    home.store(5, 11, eve.id).await.unwrap();
    let moved = home.db.rename_repo(eve.id, "acme/e".parse().unwrap(), None).await;
    assert!(is_over(&moved));
    let still = home.db.find_repo(eve.name.kind(), "eve/e").await.unwrap();
    assert!(matches!(still, Some(NameState::Live(_))), "a refused move changes nothing");
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!((home.used("acme").await, home.used("eve").await), ((0, 0, 0), (11, 0, 0)));
    home.numbers_are_right().await;
}

#[tokio::test]
async fn what_is_promised_counts_until_it_is_used_or_taken_back() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.limit("acme", Limit::Bytes(10)).await;
    let later = home.now().plus_seconds(60);
    let first = home.db.reserve(repo.id, 6, false, later).await.unwrap();
    assert!(is_over(&home.db.reserve(repo.id, 5, false, later).await));
    assert!(is_over(&home.store(9, 5, repo.id).await));
    assert_eq!(home.used("acme").await, (0, 0, 6));
    home.db
        .spending(Some(first))
        .publish_blob(BlobId(home.db.next_id()), sha(1), 6, repo.id, None)
        .await
        .unwrap();
    assert_eq!(home.used("acme").await, (6, 0, 0));

    let second = home.db.reserve(repo.id, 4, true, later).await.unwrap();
    for _ in 0..2 {
        home.db.release(second).await.unwrap();
        assert_eq!(home.used("acme").await, (6, 0, 0));
    }
    // A promise that is gone does not help: the object itself is weighed.
    home.db.reserve(repo.id, 4, true, later).await.unwrap();
    let late = home
        .db
        .spending(Some(second))
        .publish_blob(BlobId(home.db.next_id()), sha(2), 4, repo.id, None)
        .await;
    assert!(is_over(&late));
    let unknown = home.db.spending(Some(ReservationId(1))).link_blob(repo.id, &sha(1)).await;
    assert!(unknown.unwrap());
    home.numbers_are_right().await;
}

#[tokio::test]
async fn promises_end_with_their_time_or_with_the_process_that_made_them() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let later = home.now().plus_seconds(60);
    home.db.reserve(repo.id, 1, false, later).await.unwrap();
    home.db.reserve(repo.id, 2, true, later).await.unwrap();
    home.db.reserve(repo.id, 4, true, later.plus_seconds(60)).await.unwrap();
    assert_eq!(home.db.release_lapsed(home.now()).await.unwrap(), 0);
    assert_eq!(home.db.release_left_behind().await.unwrap(), 1);
    assert_eq!(home.used("acme").await, (0, 0, 6));
    home.pass_seconds(60);
    assert_eq!(home.db.release_lapsed(home.now()).await.unwrap(), 1);
    assert_eq!(home.used("acme").await, (0, 0, 4));
    home.numbers_are_right().await;
}

#[tokio::test]
async fn many_at_once_never_pass_the_limit() {
    let home = Home::open().await;
    let repos = [home.repo("acme/a").await, home.repo("acme/b").await];
    home.limit("acme", Limit::Bytes(100)).await;
    let later = home.now().plus_seconds(60);
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..60u8 {
        let (db, repo) = (home.db.clone(), repos[usize::from(n % 2)].id);
        racing.spawn(async move {
            let size = i64::from(n % 7) + 3;
            let promised = if n % 3 == 0 { Some(db.reserve(repo, size, false, later).await?) } else { None };
            let stored =
                db.spending(promised).publish_blob(BlobId(db.next_id()), sha(n), size, repo, None).await;
            assert!(promised.is_none() || stored.is_ok(), "what was promised is kept: {stored:?}");
            stored.map(|_| size)
        });
    }
    let done = racing.join_all().await;
    let stored: i64 = done.iter().flatten().sum();
    assert!(done.iter().all(|one| one.is_ok() || is_over(one)), "{done:?}");
    assert_eq!(home.used("acme").await, (stored, 0, 0));
    // The smallest did not fit any more, or nothing was refused.
    assert!((98..=100).contains(&stored), "{stored}");
    home.numbers_are_right().await;
}
