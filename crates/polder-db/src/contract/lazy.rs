use polder_types::{BlobId, RepoId};
use polder_xet::{ChunkHash, Cut, FileHash};

use super::{Home, inline_pack, new_repo, oid, push_of, sha, update};
use crate::{LazyObject, NewRepo, Push, PushOutcome, RemoteNamespace, Repo};

fn later(n: u8) -> LazyObject {
    LazyObject { sha256: sha(n), size_bytes: i64::from(n), xet: Some(FileHash::new([n; 32])) }
}

/// A push that needs the objects `pointers`, of which `lazy` may come later.
fn push(home: &Home, repo: &Repo, to: u8, pointers: &[u8], lazy: &[u8]) -> Push {
    let pointers = pointers.iter().map(|n| (sha(*n), oid(*n))).collect();
    let lazy = lazy.iter().map(|n| later(*n)).collect();
    let pack = Some(inline_pack(&home.db, to));
    Push { pack, pointers, lazy, ..push_of(repo, vec![update("refs/heads/main", to - 1, to)]) }
}

#[tokio::test]
async fn what_may_come_later_is_written_down_with_the_refs_and_linked_when_it_comes() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let here = BlobId(home.db.next_id());
    home.db.publish_blob(here, sha(3), 3, repo.id, None).await.unwrap();

    // What is neither here nor may come later: nothing of it happens.
    let outcome = home.push(push(&home, &repo, 1, &[1, 2, 3], &[1])).await;
    assert_eq!(outcome, PushOutcome::MissingObjects(vec![sha(2)]));
    let oids = [sha(1), sha(2), sha(3)];
    assert_eq!(home.db.lazy_objects(repo.id, &oids).await.unwrap(), []);

    let outcome = home.push(push(&home, &repo, 1, &[1, 2, 3], &[1, 2, 3, 4])).await;
    assert!(matches!(outcome, PushOutcome::Done { changed: true, .. }), "{outcome:?}");
    let mut noted = home.db.lazy_objects(repo.id, &oids).await.unwrap();
    noted.sort_by_key(|object| object.sha256);
    assert_eq!(noted, [later(1), later(2)], "neither what is here nor what nothing points to");
    assert_eq!(home.pointer(repo.id, sha(3)).await, Some(oid(3)));

    let away = async |after| home.db.away_objects(repo.id, after, 10).await.unwrap();
    assert_eq!(away(None).await, [later(1), later(2)]);
    assert_eq!(away(Some(sha(1))).await, [later(2)]);
    let came = BlobId(home.db.next_id());
    home.db.publish_blob(came, sha(1), 1, repo.id, None).await.unwrap();
    assert_eq!(home.pointer(repo.id, sha(1)).await, Some(oid(1)));
    assert_eq!(away(None).await, [later(2)]);
    assert_eq!(home.db.list_lazy_objects(repo.id, None, 10).await.unwrap(), [later(1), later(2)]);

    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(home.db.list_lazy_objects(repo.id, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_mirror_may_take_over_what_came_from_its_upstream_and_nobody_else_may() {
    let home = Home::open().await;
    home.user("acme").await;
    for (nsid, host) in [(1, "hub.example.org"), (2, "other.example.org")] {
        let name = format!("acme.{host}").parse().unwrap();
        let namespace = RemoteNamespace { name, nsid: sha(nsid), home: format!("https://{host}") };
        home.db.open_remote_namespace(namespace).await.unwrap();
    }
    let repo = async |name: &str, upstream: Option<i64>| -> RepoId {
        let new = new_repo(name.parse().unwrap(), home.db.next_id());
        home.db.create_repo(NewRepo { upstream, ..new }).await.unwrap().id
    };
    // A new mirror is withheld until it is whole.
    let first = repo("acme.hub.example.org/first", Some(1)).await;
    let second = repo("acme.hub.example.org/second", Some(1)).await;
    let other = repo("acme.other.example.org/first", Some(2)).await;
    let (own, private) = (repo("acme/own", None).await, repo("acme/private", None).await);
    home.db.set_visibility(private, polder_types::Visibility::Private, None).await.unwrap();
    let cut = |n| Cut { file_hash: FileHash::new([n; 32]), key_chunks: vec![ChunkHash::new([7; 32])] };
    let (mirrored, secret) = (BlobId(home.db.next_id()), BlobId(home.db.next_id()));
    home.db.publish_blob(mirrored, sha(1), 1, first, Some(cut(1))).await.unwrap();
    home.db.publish_blob(secret, sha(2), 1, private, Some(cut(2))).await.unwrap();

    for (repo, may) in [(first, true), (second, true), (other, false), (own, false)] {
        let found = home.db.reusable_blob(repo, sha(1)).await.unwrap();
        assert_eq!(found.map(|blob| blob.id), may.then_some(mirrored));
        let shared = home.db.sharing_blobs(repo, sha(9), &[ChunkHash::new([7; 32])], 10).await.unwrap();
        let shared: Vec<BlobId> = shared.into_iter().map(|blob| blob.id).collect();
        assert_eq!(shared, if may { vec![mirrored] } else { Vec::new() });
        // Repositories that came from nowhere have no upstream in common.
        assert_eq!(home.db.reusable_blob(repo, sha(2)).await.unwrap(), None);
    }
}
