use polder_types::{BlobId, RepoId, UnixMillis};

use super::audit::entry;
use super::xorbs::cut;
use super::{Home, sha};
use crate::{AuditFilter, Blob, Error, Limit, NewBlob, RowState};

#[tokio::test]
async fn the_first_incarnation_wins_and_is_linked_for_both() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let (first, second) = (BlobId(home.db.next_id()), BlobId(home.db.next_id()));
    let winner = home.db.publish_blob(first, sha(1), 10, a.id, None).await.unwrap();
    assert_eq!(winner, Blob { id: first, sha256: sha(1), size_bytes: 10, xet: None, damaged: false });
    assert_eq!(home.db.publish_blob(second, sha(1), 10, b.id, None).await.unwrap(), winner);
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), Some(winner.clone()));
    assert_eq!(home.db.blob_repos(&sha(1), 10).await.unwrap(), vec![a.id, b.id]);
    assert_eq!(home.db.blob_repos(&sha(1), 1).await.unwrap(), vec![a.id]);
    assert_eq!(home.db.list_blobs(None, 10).await.unwrap().len(), 1);
    // A retry is no error.
    assert_eq!(home.db.publish_blob(first, sha(1), 10, a.id, None).await.unwrap(), winner);
}

#[tokio::test]
async fn a_condemned_object_never_comes_back_to_life() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let (old, new) = (BlobId(home.db.next_id()), BlobId(home.db.next_id()));
    home.db.publish_blob(old, sha(1), 10, a.id, None).await.unwrap();
    home.db.delete_repo(a.id, None).await.unwrap();
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), None);
    assert!(!home.db.link_blob(b.id, &sha(1)).await.unwrap());

    let published = home.db.publish_blob(new, sha(1), 10, b.id, None).await.unwrap();
    assert_eq!(published.id, new);
    let rows = home.db.list_blobs(None, 10).await.unwrap();
    assert!(matches!(rows[0].state, RowState::Condemned(_)));
    assert_eq!((rows[0].id, rows[1].id, rows[1].state), (old, new, RowState::Live));
    assert_eq!(home.db.list_blobs(Some(old), 10).await.unwrap(), rows[1..]);
    // The sweep of the old one leaves the new one alone.
    assert!(home.db.forget_blob(old).await.unwrap());
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), Some(published));
}

#[tokio::test]
async fn an_object_is_held_by_the_repositories_it_is_linked_to_only() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await, home.repo("acme/b").await);
    for n in 1..=5 {
        home.db.publish_blob(BlobId(home.db.next_id()), sha(n), 10, a.id, None).await.unwrap();
    }
    let oids: Vec<_> = (3..=250).map(sha).collect();
    let mut linked = home.db.linked_blobs(a.id, &oids).await.unwrap();
    linked.sort_by_key(|blob| blob.sha256);
    assert_eq!(linked.iter().map(|blob| blob.sha256).collect::<Vec<_>>(), vec![sha(3), sha(4), sha(5)]);
    assert_eq!(home.db.linked_blobs(b.id, &oids).await.unwrap(), vec![]);
    assert_eq!(home.db.linked_blobs(a.id, &[]).await.unwrap(), vec![]);

    assert!(home.db.link_blob(b.id, &sha(3)).await.unwrap());
    assert!(home.db.link_blob(b.id, &sha(3)).await.unwrap());
    assert!(!home.db.link_blob(b.id, &sha(9)).await.unwrap());
    assert_eq!(home.db.linked_blobs(b.id, &oids).await.unwrap().len(), 1);

    let page = home.db.list_repo_blobs(a.id, None, 2).await.unwrap();
    assert_eq!(page.iter().map(|blob| blob.sha256).collect::<Vec<_>>(), vec![sha(1), sha(2)]);
    let rest = home.db.list_repo_blobs(a.id, Some(sha(2)), 10).await.unwrap();
    assert_eq!(rest.iter().map(|blob| blob.sha256).collect::<Vec<_>>(), vec![sha(3), sha(4), sha(5)]);
}

#[tokio::test]
async fn a_deleted_repository_takes_no_object() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let other = home.repo("acme/b").await;
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 10, other.id, None).await.unwrap();
    home.db.delete_repo(repo.id, None).await.unwrap();
    for repo in [repo.id, RepoId(1)] {
        let published = home.db.publish_blob(BlobId(home.db.next_id()), sha(2), 10, repo, None).await;
        assert!(matches!(published, Err(Error::NotFound { .. })), "{published:?}");
        let linked = home.db.link_blob(repo, &sha(1)).await;
        assert!(matches!(linked, Err(Error::NotFound { .. })), "{linked:?}");
    }
    assert_eq!(home.db.find_blob(&sha(2)).await.unwrap(), None);
}

#[tokio::test]
async fn several_objects_become_a_repositorys_together_or_not_at_all() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let other = home.repo("acme/b").await.id;
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 10, other, None).await.unwrap();
    let new = |n: u8, promised| NewBlob {
        sha256: sha(n),
        size_bytes: 20,
        new: Some((BlobId(home.db.next_id()), cut(n))),
        promised,
        audit: entry("upload"),
    };
    let here = |n: u8| NewBlob { size_bytes: 10, new: None, ..new(n, None) };
    let linked = async || home.db.linked_blobs(repo, &[sha(1), sha(2), sha(3)]).await.unwrap().len();
    let entries = async || home.db.latest_audit(&AuditFilter::default(), None, 9).await.unwrap().len();

    let far = UnixMillis(i64::MAX);
    let promised = home.db.promise_to_files(repo, Vec::new(), vec![20, 20], far).await.unwrap();
    let promise = |at: usize| promised.get(at).copied();
    let gone = vec![new(2, promise(0)), here(7)];
    assert_eq!(home.db.publish_blobs(repo, gone).await.unwrap(), None, "one is not here");
    home.limit("acme", Limit::Bytes(50)).await;
    let over = vec![new(2, promise(0)), new(3, promise(1)), new(4, None)];
    let over = home.db.publish_blobs(repo, over).await;
    assert!(matches!(over, Err(Error::OverQuota { .. })), "{over:?}");
    assert_eq!((linked().await, entries().await, home.used("acme").await), (0, 0, (10, 0, 40)));

    let all = vec![new(2, promise(0)), here(1), new(3, promise(1)), new(2, None)];
    let found = home.db.publish_blobs(repo, all).await.unwrap().unwrap();
    let found: Vec<_> = found.into_iter().map(|blob| (blob.sha256, blob.xet)).collect();
    let xet = |n: u8| Some(cut(n).file_hash);
    assert_eq!(found, [(sha(2), xet(2)), (sha(1), None), (sha(3), xet(3)), (sha(2), xet(2))]);
    assert_eq!((linked().await, entries().await, home.used("acme").await), (3, 4, (50, 0, 0)));
    home.numbers_are_right().await;
}
