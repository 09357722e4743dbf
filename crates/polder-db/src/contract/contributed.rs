use polder_types::{AccountId, BlobId, RepoId};

use super::discussions::{merging, opening};
use super::{Home, inline_pack, push_of, sha, update};
use crate::{Contributor, Db, Error, Limit};

const MAX: i64 = 10;

impl Home {
    fn by(&self, account: AccountId) -> Db {
        self.db.brought_by(Some(Contributor { account, bytes_max: MAX }))
    }

    async fn brought(&self, repo: RepoId, account: AccountId) -> i64 {
        self.db.contributed(repo, account).await.unwrap().bytes
    }
}

async fn store(db: &Db, n: u8, size_bytes: i64, repo: RepoId) -> Result<(), Error> {
    db.publish_blob(BlobId(db.next_id()), sha(n), size_bytes, repo, None).await.map(drop)
}

fn is_too_much<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::OverContribution { namespace, bytes_max: MAX }) if namespace == "acme")
}

#[tokio::test]
async fn what_a_contributor_brings_counts_in_all_of_a_namespace_and_nobody_elses_does() {
    let home = Home::open().await;
    let (a, b, other) = (home.repo("acme/a").await, home.repo("acme/b").await, home.repo("eve/c").await);
    let (carol, dave) = (home.user("carol").await, home.user("dave").await);
    let carols = home.by(carol);
    store(&carols, 1, 4, a.id).await.unwrap();
    store(&carols, 2, 5, b.id).await.unwrap();
    // What is there already costs nothing, and nor does what it does not bring.
    store(&carols, 1, 4, b.id).await.unwrap();
    store(&home.db, 3, 1_000, a.id).await.unwrap();
    assert_eq!((home.brought(a.id, carol).await, home.brought(other.id, carol).await), (9, 0));
    assert!(is_too_much(&store(&carols, 4, 2, a.id).await));
    assert!(home.db.linked_blobs(a.id, &[sha(4)]).await.unwrap().is_empty());
    store(&carols, 4, 1, a.id).await.unwrap();
    store(&carols, 5, 10, other.id).await.unwrap();
    store(&home.by(dave), 6, 10, a.id).await.unwrap();

    // Packs count as objects do, and a repository takes what was brought to it along.
    let push = |n| {
        let mut push = push_of(&b, vec![update("refs/pr/1", 0, 1)]);
        push.pack = Some(inline_pack(&home.db, n));
        push
    };
    assert!(is_too_much(&carols.commit_push(push(7)).await));
    assert_eq!(home.db.load_repo_state(b.id).await.unwrap().unwrap().refs, vec![]);
    home.db.delete_repo(a.id, None).await.unwrap();
    assert_eq!(home.brought(b.id, carol).await, 5);
    carols.commit_push(push(7)).await.unwrap();
    assert_eq!(home.brought(b.id, carol).await, 9);
    home.db.rename_repo(b.id, "eve/b".parse().unwrap(), None).await.unwrap();
    assert_eq!(home.brought(b.id, carol).await, 19);
    home.numbers_are_right().await;
}

#[tokio::test]
async fn what_is_promised_to_a_contributor_counts_until_it_is_there_or_taken_back() {
    let home = Home::open().await;
    let (repo, carol) = (home.repo("acme/a").await, home.user("carol").await);
    let (carols, later) = (home.by(carol), home.now().plus_seconds(60));
    let first = carols.reserve(repo.id, 6, false, later).await.unwrap();
    assert!(is_too_much(&carols.reserve(repo.id, 5, false, later).await));
    home.db.reserve(repo.id, 5, false, later).await.unwrap();
    assert_eq!((home.brought(repo.id, carol).await, home.used("acme").await), (6, (0, 0, 11)));
    store(&carols.spending(Some(first)), 1, 6, repo.id).await.unwrap();
    assert_eq!(home.brought(repo.id, carol).await, 6);
    let second = carols.reserve(repo.id, 4, true, later).await.unwrap();
    assert!(is_too_much(&store(&carols, 2, 1, repo.id).await));
    home.db.release(second).await.unwrap();
    store(&carols, 2, 1, repo.id).await.unwrap();
    assert_eq!(home.brought(repo.id, carol).await, 7);
    home.numbers_are_right().await;
}

#[tokio::test]
async fn however_many_uploads_end_at_once_a_contributor_brings_no_more_than_the_limit() {
    let home = Home::open().await;
    let (a, b, carol) = (home.repo("acme/a").await, home.repo("acme/b").await, home.user("carol").await);
    let carols = home.by(carol);
    let stored = (0_u8..20).map(|n| {
        let (db, repo) = (carols.clone(), if n % 2 == 0 { a.id } else { b.id });
        tokio::spawn(async move { store(&db, n, 1, repo).await.is_ok() })
    });
    let mut landed = 0;
    for stored in stored.collect::<Vec<_>>() {
        landed += i64::from(stored.await.unwrap());
    }
    assert_eq!((landed, home.brought(a.id, carol).await, home.used("acme").await), (MAX, MAX, (MAX, 0, 0)));
}

#[tokio::test]
async fn a_merge_gives_back_what_its_author_brought_to_the_repository() {
    let home = Home::open().await;
    let (repo, other) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let (carol, dave) = (home.user("carol").await, home.user("dave").await);
    home.limit("acme", Limit::Bytes(100)).await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    store(&home.by(carol), 1, 4, repo.id).await.unwrap();
    store(&home.by(carol), 2, 3, other.id).await.unwrap();
    store(&home.by(dave), 3, 5, repo.id).await.unwrap();
    home.by(carol).commit_push(opening(&repo, 1, carol, 2)).await.unwrap();
    assert_eq!((home.brought(repo.id, carol).await, home.brought(repo.id, dave).await), (7, 5));
    home.push(merging(&repo, 1, dave, 2)).await;
    assert_eq!((home.brought(repo.id, carol).await, home.brought(repo.id, dave).await), (3, 5));
    assert_eq!(home.used("acme").await, (12, 0, 0), "the namespace has it still");
}
