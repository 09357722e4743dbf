use polder_types::{AccountId, BlobId};

use super::{Home, sha};
use crate::{Blocked, Error, Limit, NewAttachment};

fn new(id: &str, account: AccountId, n: u8, size_bytes: i64) -> NewAttachment {
    NewAttachment { id: id.to_owned(), account, sha256: sha(n), size_bytes, media: "image/png".to_owned() }
}

async fn attach(home: &Home, new: NewAttachment) -> crate::Result<crate::Blob> {
    home.db.add_attachment(new, BlobId(home.db.next_id()), None).await
}

async fn used(home: &Home, account: AccountId) -> i64 {
    home.db.usage(account).await.unwrap().used_bytes()
}

async fn is_sound(home: &Home) -> bool {
    home.db.check_usage(None, 100).await.unwrap().1.is_empty()
        && home.db.dangling_attachments(10).await.unwrap().is_empty()
        && home.db.dangling_links(10).await.unwrap().is_empty()
}

#[tokio::test]
async fn an_attachment_holds_its_object_until_it_and_every_repository_let_go() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let (repo, other) = (home.repo("ada/m").await, home.repo("bob/m").await);
    let first = attach(&home, new("one", ada, 1, 100)).await.unwrap();
    assert_eq!(attach(&home, new("two", ada, 1, 100)).await.unwrap(), first, "stored once");
    home.db.link_blob(repo.id, &sha(1)).await.unwrap();
    home.db.link_blob(other.id, &sha(1)).await.unwrap();
    assert_eq!(
        (used(&home, ada).await, used(&home, other.namespace).await),
        (100, 100),
        "counted once for each"
    );
    assert!(is_sound(&home).await);
    let found = home.db.attachment("one").await.unwrap().unwrap();
    assert_eq!((found.blob, found.media.as_str()), (first.clone(), "image/png"));
    assert_eq!(home.db.attachment("none").await.unwrap(), None);

    // Neither a repository's end nor that of its link takes the object away, nor its size.
    assert_eq!(home.db.delete_repo(repo.id, None).await.unwrap().blobs, 0);
    assert_eq!(home.db.unlink_blobs(other.id, 0, vec![sha(1)]).await.unwrap(), Some(1));
    assert_eq!((used(&home, ada).await, used(&home, other.namespace).await), (100, 0));
    assert!(home.db.delete_attachment("one".to_owned(), Some(ada)).await.unwrap());
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), Some(first));
    assert_eq!((used(&home, ada).await, home.db.attachment("one").await.unwrap()), (100, None));
    assert!(is_sound(&home).await);

    // Only its account's, or the operator's to delete; the last one condemns.
    assert!(!home.db.delete_attachment("two".to_owned(), Some(other.namespace)).await.unwrap());
    assert!(home.db.delete_attachment("two".to_owned(), None).await.unwrap());
    assert!(!home.db.delete_attachment("two".to_owned(), None).await.unwrap());
    assert_eq!((used(&home, ada).await, home.db.find_blob(&sha(1)).await.unwrap()), (0, None));
    assert_eq!(home.db.condemned_blobs(home.now(), 10).await.unwrap().len(), 1);
    assert_eq!(home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap().len(), 1);
    assert!(is_sound(&home).await);
}

#[tokio::test]
async fn an_object_outlives_its_attachment_in_a_repository() {
    let home = Home::open().await;
    let repo = home.repo("ada/m").await;
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 100, repo.id, None).await.unwrap();
    attach(&home, new("one", repo.namespace, 1, 100)).await.unwrap();
    assert!(home.db.delete_attachment("one".to_owned(), Some(repo.namespace)).await.unwrap());
    assert_eq!(used(&home, repo.namespace).await, 100);
    assert!(home.db.find_blob(&sha(1)).await.unwrap().is_some() && is_sound(&home).await);
}

#[tokio::test]
async fn neither_what_is_blocked_nor_what_is_over_the_quota_is_attached() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    home.db.set_quota(ada, Limit::Bytes(150)).await.unwrap();
    attach(&home, new("one", ada, 1, 100)).await.unwrap();
    assert!(matches!(attach(&home, new("two", ada, 2, 51)).await, Err(Error::OverQuota { .. })));
    assert!(home.db.attachment("two").await.unwrap().is_none());
    assert_eq!((used(&home, ada).await, home.db.list_blobs(None, 9).await.unwrap().len()), (100, 1));
    attach(&home, new("again", ada, 1, 100)).await.unwrap();

    home.db.block(Blocked::Object(sha(1)), "a claim".to_owned()).await.unwrap();
    assert_eq!(home.db.attachment("one").await.unwrap(), None);
    assert!(matches!(attach(&home, new("three", ada, 1, 100)).await, Err(Error::Blocked { .. })));
    home.db.unblock(Blocked::Object(sha(1))).await.unwrap();
    assert!(home.db.attachment("one").await.unwrap().is_some() && is_sound(&home).await);
}
