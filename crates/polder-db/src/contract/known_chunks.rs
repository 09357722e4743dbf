use polder_types::{BlobId, RepoId, StagedXorbId, UnixMillis};
use polder_xet::XorbHash;

use super::{Home, sha};
use crate::{Blocked, NewXorb};

async fn publish(home: &Home, repo: RepoId, n: u8) -> BlobId {
    let id = BlobId(home.db.next_id());
    home.db.publish_blob(id, sha(n), 10, repo, None).await.unwrap();
    id
}

#[tokio::test]
async fn whatever_takes_chunks_away_voids_what_is_remembered_of_them_where_they_were() {
    let home = Home::open().await;
    let (repo, sister, other) =
        (home.repo("acme/a").await.id, home.repo("acme/b").await.id, home.repo("acme/c").await.id);
    let ada = home.user("ada").await;
    let since = async || {
        let [a, b, c] = [repo, sister, other].map(|id| home.db.chunks_since(id));
        (a.await.unwrap(), b.await.unwrap(), c.await.unwrap())
    };
    let blob = publish(&home, repo, 1).await;
    home.db.link_blob(sister, &sha(1)).await.unwrap();
    publish(&home, repo, 2).await;
    publish(&home, other, 3).await;
    let never = UnixMillis(0);
    assert_eq!(since().await, (never, never, never), "what comes takes nothing away");

    home.pass_seconds(1);
    assert!(home.db.mark_damaged_blob(blob).await.unwrap());
    let damaged = home.now();
    assert_eq!(since().await, (damaged, damaged, never));

    home.pass_seconds(1);
    assert!(!home.db.mark_damaged_blob(blob).await.unwrap());
    assert_eq!(home.db.unlink_blobs(repo, 9, vec![sha(2)]).await.unwrap(), None);
    assert_eq!(since().await, (damaged, damaged, never), "nothing was done");
    home.db.unlink_blobs(repo, 0, vec![sha(2)]).await.unwrap();
    let unlinked = home.now();
    assert_eq!(since().await, (unlinked, damaged, never));

    home.pass_seconds(1);
    home.db.block(Blocked::Object(sha(1)), "a claim".to_owned()).await.unwrap();
    let blocked = home.now();
    assert_eq!(since().await, (blocked, blocked, never));

    let id = StagedXorbId(home.db.next_id());
    let new =
        NewXorb { id, repo: other, account: ada, xorb: XorbHash::new([9; 32]), size_bytes: 25, chunks: 3 };
    home.db.stage_xorb(new, home.now().plus_seconds(9)).await.unwrap();
    assert!(!home.db.forget_expired_xorb(id, home.now()).await.unwrap());
    assert_eq!(since().await, (blocked, blocked, never), "it waits");
    home.pass_seconds(10);
    assert!(home.db.forget_expired_xorb(id, home.now()).await.unwrap());
    assert_eq!(since().await, (blocked, blocked, home.now()));

    home.pass_seconds(1);
    home.db.void_chunks(sister).await.unwrap();
    assert_eq!(since().await.1, home.now());
}
