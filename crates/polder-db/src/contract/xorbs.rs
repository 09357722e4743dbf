use polder_types::{AccountId, BlobId, RepoId, StagedXorbId, UnixMillis, Visibility};
use polder_xet::{Cut, FileHash, Run, XorbHash};

use super::{Home, sha};
use crate::{Entries, Error, Limit, NewXorb, Staging, XorbPiece};

fn hash(n: u8) -> XorbHash {
    XorbHash::new([n; 32])
}

async fn stage(home: &Home, (repo, account): (RepoId, AccountId), n: u8) -> (StagedXorbId, Staging) {
    let id = StagedXorbId(home.db.next_id());
    let new = NewXorb { id, repo, account, xorb: hash(n), size_bytes: 25, chunks: 3 };
    (id, home.db.stage_xorb(new, home.now().plus_seconds(100)).await.unwrap())
}

#[tokio::test]
async fn an_xorb_is_its_senders_for_the_repository_it_was_sent_for() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let (ada, bob) = (home.user("ada").await, home.user("bob").await);
    let (id, staging) = stage(&home, (a, ada), 1).await;
    assert_eq!(staging, Staging::Staged);
    assert_eq!(stage(&home, (a, ada), 1).await.1, Staging::Known(id));
    assert_eq!(stage(&home, (b, ada), 2).await.1, Staging::Staged);
    assert_eq!(stage(&home, (a, bob), 3).await.1, Staging::Staged);
    let found = home.db.staged_xorbs(a, ada, &[hash(1), hash(2), hash(3)]).await.unwrap();
    assert_eq!(found.iter().map(|staged| staged.id).collect::<Vec<_>>(), [id]);
    assert_eq!((found[0].size_bytes, found[0].chunks), (25, 3));
}

#[tokio::test]
async fn all_xorbs_of_an_upload_stay_while_one_more_comes() {
    let home = Home::open().await;
    let of = (home.repo("acme/a").await.id, home.user("ada").await);
    let (first, _) = stage(&home, of, 1).await;
    home.pass_seconds(90);
    let (second, _) = stage(&home, of, 2).await;
    home.pass_seconds(90);
    assert_eq!(home.db.expired_xorbs(home.now(), 9).await.unwrap(), []);
    home.pass_seconds(10);
    assert_eq!(home.db.expired_xorbs(home.now(), 9).await.unwrap(), [first, second]);
    assert!(home.db.forget_expired_xorb(first, home.now()).await.unwrap().is_some());
    home.db.keep_xorbs(of.0, of.1, home.now().plus_seconds(1)).await.unwrap();
    assert_eq!(home.db.forget_expired_xorb(second, home.now()).await.unwrap(), None);
    assert_eq!(home.db.expired_xorbs(home.now(), 9).await.unwrap(), []);
    assert!(!home.db.is_xorb_staged(first).await.unwrap() && home.db.is_xorb_staged(second).await.unwrap());
    assert_eq!(home.used("acme").await, (0, 0, 25));
}

#[tokio::test]
async fn bytes_of_xorbs_are_promised_and_pass_to_the_files_made_of_them() {
    let home = Home::open().await;
    let of = (home.repo("acme/a").await.id, home.user("ada").await);
    home.limit("acme", Limit::Bytes(60)).await;
    let (first, _) = stage(&home, of, 1).await;
    let (second, _) = stage(&home, of, 2).await;
    assert_eq!(home.used("acme").await, (0, 0, 50));
    let id = StagedXorbId(home.db.next_id());
    let third = NewXorb { id, repo: of.0, account: of.1, xorb: hash(3), size_bytes: 25, chunks: 3 };
    let over = home.db.stage_xorb(third, UnixMillis(i64::MAX)).await;
    assert!(matches!(over, Err(Error::OverQuota { bytes_left: 10, .. })), "{over:?}");

    let far = UnixMillis(i64::MAX);
    let too_much = home.db.promise_to_files(of.0, vec![first, second], vec![50, 11], far).await;
    assert!(matches!(too_much, Err(Error::OverQuota { .. })), "{too_much:?}");
    assert_eq!(home.used("acme").await, (0, 0, 50), "nothing has changed");
    let promised = home.db.promise_to_files(of.0, vec![first, second], vec![50, 10], far).await.unwrap();
    assert_eq!(home.used("acme").await, (0, 0, 60));

    let staged = home.db.staged_xorbs(of.0, of.1, &[hash(1), hash(2)]).await.unwrap();
    home.db.promise_to_xorbs(of.0, staged, promised).await.unwrap();
    assert_eq!(home.used("acme").await, (0, 0, 50));
    let promised = home.db.promise_to_files(of.0, vec![first, second], vec![50], far).await.unwrap();
    let spending = home.db.spending(Some(promised[0]));
    spending.publish_blob(BlobId(home.db.next_id()), sha(1), 50, of.0, None).await.unwrap();
    home.db.forget_xorbs(vec![first, second]).await.unwrap();
    assert_eq!(home.used("acme").await, (50, 0, 0));
    home.numbers_are_right().await;
}

#[tokio::test]
async fn pieces_are_found_where_the_reader_may_read_the_object() {
    let home = Home::open().await;
    let (own, other) = (home.repo("acme/own").await.id, home.repo("acme/other").await.id);
    let public = home.repo("acme/public").await;
    let (public, acme) = (public.id, public.namespace);
    home.db.set_visibility(own, Visibility::Private, None).await.unwrap();
    home.db.set_visibility(other, Visibility::Private, None).await.unwrap();
    let stranger = home.user("ada").await;
    let mut pieces = Vec::new();
    for (n, repo) in [(1, own), (2, other), (3, public)] {
        let id = BlobId(home.db.next_id());
        home.db.publish_blob(id, sha(n), 25, repo, Some(cut(n))).await.unwrap();
        let of_object = Entries::OfObject { at_chunk: 4, cut: cut(n).file_hash };
        let entries = if n == 1 { of_object } else { Entries::Own(vec![n; 36].into()) };
        let (xorb, at_byte) = (hash(9), 7);
        pieces.push(XorbPiece { xorb, first: 0, chunks: 1, sha256: sha(n), blob: id, at_byte, entries });
    }
    home.db.add_xorb_pieces(pieces.clone()).await.unwrap();
    home.db.add_xorb_pieces(pieces.clone()).await.unwrap();
    let seen = async |reader| home.db.xorb_pieces(own, reader, &[hash(9), hash(8)], 9).await.unwrap();
    assert_eq!(seen(Some(acme)).await, pieces);
    assert_eq!(seen(Some(stranger)).await, [pieces[0].clone(), pieces[2].clone()]);
    assert_eq!(seen(None).await, [pieces[0].clone(), pieces[2].clone()]);
    assert_eq!(home.db.xorb_pieces(public, None, &[hash(9)], 9).await.unwrap(), [pieces[2].clone()]);

    home.db.delete_repo(own, None).await.unwrap();
    assert_eq!(seen(None).await, [pieces[2].clone()]);
    home.db.forget_blob(pieces[0].blob).await.unwrap();
    let again = BlobId(home.db.next_id());
    home.db.publish_blob(again, sha(1), 25, public, None).await.unwrap();
    assert_eq!(seen(None).await, [pieces[2].clone()], "forgotten with the object");
}

#[tokio::test]
async fn xorbs_that_an_object_was_cut_into_are_found_whole() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let id = BlobId(home.db.next_id());
    home.db.publish_blob(id, sha(1), 250, repo, Some(cut(4))).await.unwrap();
    let run = Run { hash: hash(9), first: 5, chunks: 3, offset: 70, size_bytes: 30 };
    assert!(home.db.record_runs(id, FileHash::new([4; 32]), vec![run]).await.unwrap());
    let (xorb, sha256) = (hash(9), sha(1));
    let entries = Entries::OfObject { at_chunk: 5, cut: cut(4).file_hash };
    let whole = XorbPiece { xorb, first: 0, chunks: 3, sha256, blob: id, at_byte: 70, entries };
    assert_eq!(home.db.xorb_pieces(repo, None, &[hash(9)], 9).await.unwrap(), [whole]);
    let damaged = home.db.mark_damaged_blob(id).await;
    damaged.unwrap();
    assert_eq!(home.db.xorb_pieces(repo, None, &[hash(9)], 9).await.unwrap(), []);
}

pub(super) fn cut(n: u8) -> Cut {
    Cut { file_hash: FileHash::new([n; 32]), key_chunks: Vec::new() }
}

#[tokio::test]
async fn pieces_that_count_in_a_list_are_found_only_while_the_object_has_it() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    let id = BlobId(home.db.next_id());
    home.db.publish_blob(id, sha(1), 250, repo, Some(cut(4))).await.unwrap();
    let piece = |cut: Cut| XorbPiece {
        xorb: hash(9),
        first: 0,
        chunks: 3,
        sha256: sha(1),
        blob: id,
        at_byte: 70,
        entries: Entries::OfObject { at_chunk: 5, cut: cut.file_hash },
    };
    let found = async || home.db.xorb_pieces(repo, None, &[hash(9)], 9).await.unwrap();
    home.db.add_xorb_pieces(vec![piece(cut(4))]).await.unwrap();
    assert_eq!(found().await, [piece(cut(4))]);
    assert!(home.db.set_cut(id, cut(5)).await.unwrap());
    assert_eq!(found().await, [], "they are chunks of another list");
    home.db.add_xorb_pieces(vec![piece(cut(5))]).await.unwrap();
    assert_eq!(found().await, [piece(cut(5))]);
    let list = Entries::Own(vec![7; 108].into());
    home.db.add_xorb_pieces(vec![XorbPiece { entries: list.clone(), ..piece(cut(5)) }]).await.unwrap();
    assert!(home.db.set_cut(id, cut(6)).await.unwrap());
    assert_eq!(
        found().await,
        [XorbPiece { entries: list, ..piece(cut(5)) }],
        "its own list holds for any cut"
    );
}
