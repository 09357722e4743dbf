use polder_types::{BlobId, RepoId, Sha256, Visibility};
use polder_xet::{ChunkHash, Cut, FileHash, Run, XorbHash};

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

    // Whoever puts the bytes right again may say so.
    assert!(home.db.mark_sound_blob(old).await.unwrap());
    assert!(!home.db.find_blob(&sha(1)).await.unwrap().unwrap().damaged);
    assert!(home.db.mark_damaged_blob(old).await.unwrap());
    let damage = home.db.damage().await.unwrap();
    assert_eq!((damage.blobs, damage.packs), (1, 0));

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

#[tokio::test]
async fn objects_that_share_chunks_are_found_among_those_that_may_be_used() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let keys = |ns: &[u8]| ns.iter().map(|n| ChunkHash::new([*n; 32])).collect::<Vec<_>>();
    let with = |n: u8, ns: &[u8]| Some(Cut { file_hash: FileHash::new([n; 32]), key_chunks: keys(ns) });
    let two = home.blob(a, sha(1), with(1, &[1, 2, 9])).await;
    let three = home.blob(a, sha(2), with(2, &[1, 2, 3])).await;
    home.blob(a, sha(3), with(3, &[8])).await;
    let hidden = home.blob(b, sha(4), with(4, &[1, 2, 3])).await;
    home.db.set_visibility(b, polder_types::Visibility::Private, None).await.unwrap();

    let found = async |repo, oid, ns: &[u8]| {
        let found = home.db.sharing_blobs(repo, oid, &keys(ns), 10).await.unwrap();
        found.into_iter().map(|blob| blob.id).collect::<Vec<_>>()
    };
    assert_eq!(found(a, sha(7), &[1, 2, 3]).await, [three, two], "most in common first");
    assert_eq!(found(b, sha(7), &[1, 2, 3]).await, [three, hidden, two], "its own may be used");
    assert_eq!(found(a, sha(2), &[1, 2, 3]).await, [two], "not itself");
    assert_eq!(found(a, sha(7), &[]).await, []);

    let reusable = async |repo, oid| home.db.reusable_blob(repo, oid).await.unwrap().map(|blob| blob.id);
    assert_eq!((reusable(b, sha(1)).await, reusable(a, sha(4)).await), (Some(two), None));
    assert_eq!((reusable(b, sha(4)).await, reusable(a, sha(9)).await), (Some(hidden), None));
    let lineage = home.db.lineage(a, 2).await.unwrap();
    assert_eq!((lineage.len(), lineage.iter().any(|blob| blob.id == hidden)), (2, false));
}

fn run(n: u8, first: u64) -> Run {
    Run { hash: XorbHash::new([n; 32]), first, chunks: 2, offset: first * 10, size_bytes: 20 }
}

#[tokio::test]
async fn the_xorbs_of_an_object_are_found_by_place_and_by_hash_while_its_chunks_are_those() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let (first, second) =
        (home.blob(a, sha(1), Some(cut(1))).await, home.blob(b, sha(2), Some(cut(2))).await);
    assert!(home.db.runs_of_blob(first, 0..60).await.unwrap().is_empty());
    assert!(!home.db.record_runs(first, cut(9).file_hash, vec![run(1, 0)]).await.unwrap());
    let runs = vec![run(1, 0), run(2, 2), run(3, 4)];
    for _ in 0..2 {
        assert!(home.db.record_runs(first, cut(1).file_hash, runs.clone()).await.unwrap());
    }
    assert!(home.db.record_runs(second, cut(2).file_hash, vec![run(3, 0)]).await.unwrap());

    for (bytes, expected) in [(0..60, 0..3), (19..20, 0..1), (20..21, 1..2), (39..41, 1..3), (60..61, 3..3)] {
        let found = home.db.runs_of_blob(first, bytes.clone()).await.unwrap();
        assert_eq!(found, runs[expected], "{bytes:?}");
    }
    let found = home.db.runs_of_xorb(XorbHash::new([3; 32]), 10).await.unwrap();
    let places: Vec<_> = found.iter().map(|(blob, run)| (blob.sha256, run.first)).collect();
    assert_eq!(places, [(sha(1), 4), (sha(2), 0)]);
    assert_eq!(home.db.runs_of_xorb(XorbHash::new([3; 32]), 1).await.unwrap().len(), 1);

    assert!(home.db.set_cut(first, cut(5)).await.unwrap());
    assert!(home.db.runs_of_blob(first, 0..60).await.unwrap().is_empty(), "its chunks are others now");
    home.db.delete_repo(b, None).await.unwrap();
    assert!(home.db.runs_of_xorb(XorbHash::new([3; 32]), 10).await.unwrap().is_empty());
    assert!(home.db.forget_blob(second).await.unwrap(), "its xorbs go with it");
}

#[tokio::test]
async fn a_file_hash_names_only_what_the_repository_links() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    let id = home.blob(a, sha(1), Some(cut(1))).await;
    let found = |repo| home.db.file_of_repo(repo, cut(1).file_hash);
    assert_eq!(found(a).await.unwrap().map(|blob| blob.id), Some(id));
    assert_eq!(found(b).await.unwrap(), None);
    let by_chunk = |repo| home.db.chunk_of_repo(repo, ChunkHash::new([7; 32]));
    assert_eq!(by_chunk(a).await.unwrap().map(|blob| blob.id), Some(id));
    assert_eq!(by_chunk(b).await.unwrap(), None);
    assert_eq!(home.db.chunk_of_repo(a, ChunkHash::new([8; 32])).await.unwrap(), None);
    assert!(home.db.link_blob(b, &sha(1)).await.unwrap());
    assert_eq!(found(b).await.unwrap().map(|blob| blob.id), Some(id));
}

#[tokio::test]
async fn a_file_and_a_chunk_of_elsewhere_are_found_by_who_may_read_them() {
    let home = Home::open().await;
    let (own, public) = (home.repo("acme/own").await.id, home.repo("acme/public").await);
    let (private, acme) = (home.repo("acme/private").await.id, public.namespace);
    for repo in [own, private] {
        home.db.set_visibility(repo, Visibility::Private, None).await.unwrap();
    }
    let stranger = home.user("ada").await;
    let secret = home.blob(private, sha(1), Some(cut(1))).await;
    let shown = home.blob(public.id, sha(2), Some(cut(2))).await;
    let found = async |reader, n: u8| {
        let file = home.db.readable_file(own, reader, cut(n).file_hash).await.unwrap();
        let chunk = home.db.readable_chunk(own, reader, ChunkHash::new([n; 32])).await.unwrap();
        assert_eq!(file, chunk);
        file.map(|blob| blob.id)
    };
    for reader in [None, Some(stranger), Some(acme)] {
        assert_eq!(found(reader, 1).await, reader.filter(|reader| *reader == acme).map(|_| secret));
        assert_eq!(found(reader, 2).await, Some(shown));
        assert_eq!(found(reader, 3).await, None);
    }
    let newest = home.db.readable_chunk(own, Some(acme), ChunkHash::new([7; 32])).await.unwrap();
    assert_eq!(newest.map(|blob| blob.id), Some(shown));
    home.db.withhold_repo(public.id, Some("takedown".to_owned())).await.unwrap();
    assert_eq!(found(Some(acme), 2).await, None);
}
