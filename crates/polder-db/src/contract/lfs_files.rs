use polder_types::{BlobId, RepoId};

use super::{Home, push_of, sha, update};

async fn publish(home: &Home, repo: RepoId, n: u8, size: i64) {
    home.db.publish_blob(BlobId(home.db.next_id()), sha(n), size, repo, None).await.unwrap();
}

async fn stored(home: &Home) -> i64 {
    home.number("SELECT CAST(SUM(blob_bytes) AS BIGINT) FROM quota").await
}

#[tokio::test]
async fn what_a_repository_lets_go_is_condemned_and_uncounted_unless_another_has_it() {
    let home = Home::open().await;
    let (repo, sister) = (home.repo("acme/a").await, home.repo("acme/b").await);
    for (n, size) in [(1, 10), (2, 200), (3, 3_000)] {
        publish(&home, repo.id, n, size).await;
    }
    home.db.link_blob(sister.id, &sha(2)).await.unwrap();
    let listed = home.db.linked_files(repo.id, None, 2).await.unwrap();
    let shown: Vec<_> = listed.iter().map(|file| (file.sha256, file.size_bytes)).collect();
    assert_eq!(shown, [(sha(1), 10), (sha(2), 200)]);
    let rest = home.db.linked_files(repo.id, Some(sha(2)), 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].added), (1, home.now()));
    assert_eq!(stored(&home).await, 3_210);

    let gone = home.db.unlink_blobs(repo.id, 0, vec![sha(1), sha(2), sha(9)]).await.unwrap();
    assert_eq!(gone, Some(2));
    assert_eq!(stored(&home).await, 3_200);
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), None);
    assert_eq!(home.db.blob_repos(&sha(2), 9).await.unwrap(), [sister.id]);
    assert_eq!(home.db.condemned_blobs(home.now(), 10).await.unwrap().len(), 1);
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().len(), 1);

    // Whoever looked at other refs than those of now takes nothing away.
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    assert_eq!(home.db.unlink_blobs(repo.id, 0, vec![sha(3)]).await.unwrap(), None);
    assert!(home.db.find_blob(&sha(3)).await.unwrap().is_some());
    assert_eq!(home.db.unlink_blobs(repo.id, 1, vec![sha(3)]).await.unwrap(), Some(1));
    assert_eq!(stored(&home).await, 200);
    assert_eq!(home.db.repo_bytes(sister.id).await.unwrap(), 200);
}
