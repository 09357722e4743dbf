use polder_types::{AccountId, BlobId, RepoId, Role, StagedXorbId, UnixMillis};
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

    home.pass_seconds(1);
    home.db.void_chunks(sister).await.unwrap();
    assert_eq!(since().await.1, home.now());
}

/// Whether what `account` sent for `repo` and made no file of voids what all remember of it, once its time is over.
async fn is_voided_by(home: &Home, repo: RepoId, account: AccountId) -> bool {
    let before = home.db.chunks_since(repo).await.unwrap();
    let id = StagedXorbId(home.db.next_id());
    let new = NewXorb { id, repo, account, xorb: XorbHash::new([9; 32]), size_bytes: 25, chunks: 3 };
    home.db.stage_xorb(new, home.now().plus_seconds(9)).await.unwrap();
    assert_eq!(home.db.forget_expired_xorb(id, home.now()).await.unwrap(), None);
    assert_eq!(home.db.chunks_since(repo).await.unwrap(), before, "it waits");
    home.pass_seconds(10);
    let forgotten = home.db.forget_expired_xorb(id, home.now()).await.unwrap();
    assert_eq!(forgotten, Some((repo, account)));
    let after = home.db.chunks_since(repo).await.unwrap();
    assert!(after == before || after == home.now(), "{after:?}");
    after != before
}

#[tokio::test]
async fn what_was_sent_and_never_used_voids_what_others_remember_only_if_its_sender_may_write() {
    let home = Home::open().await;
    let (reader, writer) = (home.user("ann").await, home.user("bob").await);
    let (owner, stranger) = (home.user("cyd").await, home.user("dan").await);
    let org = home.db.add_org(&"org".parse().unwrap(), owner).await.unwrap();
    home.db.set_member(org, reader, Role::Read).await.unwrap();
    home.db.set_member(org, writer, Role::Write).await.unwrap();
    let repo = home.repo("org/a").await.id;
    let operator = home.db.add_user(&"eve".parse().unwrap(), true).await.unwrap();
    let own = home.repo("dan/own").await.id;
    for (repo, account, expected) in [
        (repo, stranger, false),
        (repo, reader, false),
        (repo, writer, true),
        (repo, owner, true),
        (repo, operator, true),
        (own, stranger, true),
        (own, owner, false),
    ] {
        assert_eq!(is_voided_by(&home, repo, account).await, expected, "{repo} {account}");
    }
}
