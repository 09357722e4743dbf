use polder_types::{BlobId, RepoId, Sha256};
use polder_xet::{ChunkHash, Cut, FileHash};

use super::{Home, sha};
use crate::RowState;

fn cut(n: u8) -> Cut {
    Cut {
        file_hash: FileHash::new([n; 32]),
        key_chunks: vec![ChunkHash::new([n; 32]), ChunkHash::new([7; 32])],
    }
}

impl Home {
    async fn blob(&self, repo: RepoId, sha256: Sha256, cut: Option<Cut>) -> BlobId {
        let id = BlobId(self.db.next_id());
        self.db.publish_blob(id, sha256, 10, repo, cut).await.unwrap().id
    }
}

#[tokio::test]
async fn an_object_comes_with_the_hash_of_its_chunks_or_gets_it_later() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    home.blob(repo, sha(1), Some(cut(1))).await;
    let (first, second) = (home.blob(repo, sha(2), None).await, home.blob(repo, sha(3), None).await);
    let ids = |blobs: Vec<crate::Blob>| blobs.into_iter().map(|blob| blob.id).collect::<Vec<_>>();
    assert_eq!(ids(home.db.unlisted_blobs(None, 10).await.unwrap()), [first, second]);
    assert_eq!(ids(home.db.unlisted_blobs(None, 1).await.unwrap()), [first]);
    assert_eq!(ids(home.db.unlisted_blobs(Some(first), 10).await.unwrap()), [second]);

    assert!(home.db.set_cut(first, cut(2)).await.unwrap());
    assert!(home.db.set_cut(first, cut(2)).await.unwrap(), "a retry is no error");
    assert!(!home.db.set_cut(BlobId(home.db.next_id()), cut(2)).await.unwrap());
    assert_eq!(ids(home.db.unlisted_blobs(None, 10).await.unwrap()), [second]);
    for (n, hash) in [(1, Some(cut(1).file_hash)), (2, Some(cut(2).file_hash)), (3, None)] {
        assert_eq!(home.db.find_blob(&sha(n)).await.unwrap().unwrap().xet, hash);
    }
}

#[tokio::test]
async fn what_was_remembered_of_an_object_s_chunks_goes_with_it() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let id = home.blob(repo.id, sha(1), Some(cut(1))).await;
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert!(home.db.unlisted_blobs(None, 10).await.unwrap().is_empty());
    assert!(!home.db.set_cut(id, cut(2)).await.unwrap(), "a condemned one is not written to");
    assert!(home.db.forget_blob(id).await.unwrap());
    assert!(!home.db.forget_blob(id).await.unwrap());
    assert!(home.db.list_blobs(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_object_gives_way_to_a_sound_one() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let old = home.blob(a, sha(1), Some(cut(1))).await;
    assert!(home.db.mark_damaged_blob(old).await.unwrap());
    assert!(!home.db.mark_damaged_blob(old).await.unwrap(), "it is known");
    assert!(home.db.find_blob(&sha(1)).await.unwrap().unwrap().damaged);
    assert_eq!(home.db.damaged_blobs(10).await.unwrap().len(), 1);
    assert!(home.db.unlisted_blobs(None, 10).await.unwrap().is_empty());

    let new = home.blob(b, sha(1), Some(cut(1))).await;
    assert_ne!(new, old);
    for repo in [a, b] {
        let linked = home.db.linked_blobs(repo, &[sha(1)]).await.unwrap();
        assert_eq!((linked[0].id, linked[0].damaged), (new, false));
    }
    let rows = home.db.list_blobs(None, 10).await.unwrap();
    assert!(matches!(rows[0].state, RowState::Condemned(_)) && rows[1].state == RowState::Live);
    assert!(home.db.damaged_blobs(10).await.unwrap().is_empty());
}
