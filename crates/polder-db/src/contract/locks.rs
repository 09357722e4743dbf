use polder_types::{AccountId, LockId, RepoId};

use super::{Home, push_of, update};
use crate::{Error, Lock, Locking, NewLock, PushOutcome, Unlocking};

impl Home {
    async fn lock(&self, repo: RepoId, path: &str, owner: AccountId) -> Locking {
        let new = NewLock { repo, path: path.to_owned(), ref_name: None, owner };
        self.db.add_lock(new).await.unwrap()
    }

    async fn made(&self, repo: RepoId, path: &str, owner: AccountId) -> Lock {
        match self.lock(repo, path, owner).await {
            Locking::Made(lock) => lock,
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_path_has_one_lock_and_an_id_counts_in_its_repository_only() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let lock = home.made(a, "w.bin", ann).await;
    assert_eq!((lock.path.as_str(), lock.owner_name.as_str(), lock.locked_at), ("w.bin", "ann", home.now()));
    assert_eq!(home.lock(a, "w.bin", bob).await, Locking::Taken(lock.clone()));
    assert_eq!(home.lock(a, "w.bin", ann).await, Locking::Taken(lock.clone()));
    let elsewhere = home.made(b, "w.bin", bob).await;

    assert_eq!(home.db.lock(b, lock.id).await.unwrap(), None);
    assert_eq!(home.db.lock_at(a, "w.bin").await.unwrap(), Some(lock.clone()));
    for owner in [None, Some(ann)] {
        assert_eq!(home.db.remove_lock(b, lock.id, owner).await.unwrap(), Unlocking::Unknown);
    }
    let refused = home.db.remove_lock(a, lock.id, Some(bob)).await.unwrap();
    assert_eq!(refused, Unlocking::Anothers(lock.clone()));
    assert_eq!(home.db.remove_lock(a, lock.id, Some(ann)).await.unwrap(), Unlocking::Ended(lock.clone()));
    assert_eq!(home.db.remove_lock(a, lock.id, None).await.unwrap(), Unlocking::Unknown);
    assert_eq!(home.db.remove_lock(b, elsewhere.id, None).await.unwrap(), Unlocking::Ended(elsewhere));
}

#[tokio::test]
async fn locks_are_listed_in_pages_and_by_ref() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let ann = home.user("ann").await;
    let mut ids = Vec::new();
    for (path, ref_name) in [("a", None), ("b", Some("refs/heads/x")), ("c", Some("refs/heads/y"))] {
        let ref_name = ref_name.map(str::to_owned);
        let new = NewLock { repo, path: path.to_owned(), ref_name, owner: ann };
        let Locking::Made(lock) = home.db.add_lock(new).await.unwrap() else { panic!("{path}") };
        ids.push(lock.id);
    }
    let listed = async |ref_name: Option<&str>, after: Option<LockId>, limit| {
        let locks = home.db.list_locks(repo, ref_name, after, limit).await.unwrap();
        locks.into_iter().map(|lock| lock.path).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed(None, None, 2).await, "a b");
    assert_eq!(listed(None, Some(ids[1]), 2).await, "c");
    assert_eq!(listed(None, Some(ids[2]), 2).await, "");
    assert_eq!(listed(Some("refs/heads/x"), None, 9).await, "a b");
    assert_eq!(listed(Some("refs/heads/x"), Some(ids[0]), 9).await, "b");
}

#[tokio::test]
async fn a_push_that_looked_before_a_lock_was_made_looks_again() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let before = home.db.locks_against(repo.id, bob).await.unwrap().unwrap();
    assert!(before.locks.is_empty());
    home.made(repo.id, "w.bin", ann).await;
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    push.expected_lock_gen = Some(before.generation);
    assert_eq!(home.push(push.clone()).await, PushOutcome::LockRaced);

    let after = home.db.locks_against(repo.id, bob).await.unwrap().unwrap();
    assert_eq!(after.locks, [("w.bin".to_owned(), "ann".to_owned())]);
    assert!(home.db.locks_against(repo.id, ann).await.unwrap().unwrap().locks.is_empty());
    push.expected_lock_gen = Some(after.generation);
    assert!(matches!(home.push(push).await, PushOutcome::Done { changed: true, .. }));
    assert_eq!(home.db.locks_against(RepoId(1), bob).await.unwrap(), None);
}

#[tokio::test]
async fn locks_go_with_their_repository_and_stay_through_a_rename() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let ann = home.user("ann").await;
    let lock = home.made(repo, "w.bin", ann).await;
    home.db.rename_repo(repo, "acme/b".parse().unwrap(), None).await.unwrap();
    assert_eq!(home.db.lock_at(repo, "w.bin").await.unwrap(), Some(lock));
    home.db.delete_repo(repo, None).await.unwrap();
    assert_eq!(home.number("SELECT COUNT(*) FROM lock").await, 0);
    let new = NewLock { repo, path: "x".to_owned(), ref_name: None, owner: ann };
    assert!(matches!(home.db.add_lock(new).await, Err(Error::NotFound { .. })));
}
