//! Objects that a mirror gets when somebody asks for one.

use std::collections::HashMap;

use polder_db::{LazyObject, Push, RefUpdate};
use polder_git::NewPointer;
use polder_types::{LfsPointer, ObjectId, Sha256};
use polder_xet::FileHash;

use super::super::mirrors::{MIRROR, mirror};
use super::*;
use crate::shards::{AWAY_MAX, AwayShards};

/// Has a mirror need an object, as a push of its refs does.
async fn need(fixture: &Fixture, mirror: RepoId, object: &Object) {
    let Wanted { size_bytes, xet, .. } = object.wanted(mirror);
    let later = LazyObject { sha256: object.oid, size_bytes: i64::try_from(size_bytes).expect("small"), xet };
    need_later(fixture, mirror, later).await;
}

async fn need_later(fixture: &Fixture, mirror: RepoId, later: LazyObject) {
    let oid = ObjectId::new([1; 20]);
    let update = RefUpdate {
        name: "refs/heads/main".to_owned(),
        old: None,
        new: Some(oid),
        peeled: None,
        rewinds: false,
        forbidden: None,
    };
    let push = Push {
        repo: mirror,
        actor: None,
        expected_gc_epoch: 0,
        expected_lock_gen: None,
        atomic: true,
        updates: vec![update],
        new_head: None,
        exact_head: None,
        pack: None,
        pointers: vec![(later.sha256, oid)],
        lazy: vec![later],
        mirror: None,
        proposal: None,
        proposed: Vec::new(),
        catalog: None,
    };
    fixture.hub.db.commit_push(push).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_away_is_offered_until_it_is_here_and_again_when_it_is_damaged() {
    let (fixture, object) = (fixture().await, Object::new(noise(30, MIB)));
    let (hub, mirror) = (&fixture.hub, mirror(&fixture).await);
    need(&fixture, mirror, &object).await;
    let read = hub.read(&Principal::ANONYMOUS, &repo(MIRROR)).await.expect("public");
    let size_bytes = u64::try_from(MIB).expect("small");
    let asked = [(object.oid, size_bytes), (object.oid, 5), (Sha256::new([9; 32]), 5)]
        .map(|(oid, size_bytes)| LfsObject { oid, size_bytes });
    let offered = async || {
        let answers = hub.lfs_batch_download(&read, &asked).await.expect("answered");
        let is_offered = |answer: LfsAnswer| answer.error.map_or(0, |(status, _)| status);
        answers.into_iter().map(is_offered).collect::<Vec<_>>()
    };
    assert_eq!(offered().await, [0, 422, 404]);
    let unknown = hub.open_object(mirror, Sha256::new([9; 32])).await.expect_err("nobody has it");
    assert_eq!(unknown.kind(), Kind::NotFound);

    let bring = async || {
        let OpenObject::Away(away) = hub.open_object(mirror, object.oid).await.expect("known") else {
            panic!("it is not here");
        };
        assert_eq!(away.size_bytes(), size_bytes);
        // The log that it came from is followed no longer.
        assert_eq!(away.fetch().await.expect_err("nobody to ask").kind(), Kind::Unavailable);
        let honest = object.source("honest", Honest);
        hub.fetch_object(object.wanted(mirror), all(&[&honest]), patient()).await.expect("fetched").blob
    };
    let blob = bring().await;
    assert!(matches!(hub.open_object(mirror, object.oid).await.expect("here"), OpenObject::Here(_)));
    assert_eq!(offered().await, [0, 422, 404]);

    assert!(hub.db.mark_damaged_blob(blob).await.expect("marked"));
    assert_eq!(offered().await, [0, 422, 404]);
    assert_ne!(bring().await, blob);
    assert!(matches!(hub.open_object(mirror, object.oid).await.expect("here"), OpenObject::Here(_)));
}

/// Clients fetch what is larger than 50 GB chunk by chunk or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_comes_no_other_way_is_announced_before_it_is_here() {
    let (sha256, file) = (Sha256::new([8; 32]), FileHash::new([9; 32]));
    for (size_bytes, xet, expected) in [
        (50_000_000_000, Some(file), None),
        (50_000_000_001, Some(file), Some(file)),
        (50_000_000_001, None, None),
    ] {
        let fixture = fixture().await;
        let mirror = mirror(&fixture).await;
        need_later(&fixture, mirror, LazyObject { sha256, size_bytes, xet }).await;
        let away = fixture.hub.open_object(mirror, sha256).await.expect("known");
        assert!(matches!(away, OpenObject::Away(_)));
        assert_eq!(away.announced(), expected, "{size_bytes}");
        // The hub that it came from is followed no longer; of another hash nothing is known.
        let read = fixture.hub.read(&Principal::ANONYMOUS, &repo(MIRROR)).await.expect("public");
        let asked = async |file| fixture.hub.xet_file(&read, file).await.expect_err("not here").kind();
        assert_eq!(asked(FileHash::new([7; 32])).await, Kind::NotFound);
        assert_eq!(asked(file).await, if xet.is_some() { Kind::Unavailable } else { Kind::NotFound });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_that_contradict_one_another_are_refused() {
    let (fixture, object) = (fixture().await, Object::new(noise(31, 1_000)));
    let mirror = mirror(&fixture).await;
    let pointer = |size_bytes| NewPointer {
        path: polder_git::TreePath::default(),
        blob: ObjectId::new([1; 20]),
        pointer: LfsPointer { oid: object.oid, size_bytes },
    };
    let note = async |sizes: &[u64]| {
        let (hub, pointers) = (fixture.hub.clone(), sizes.iter().copied().map(pointer).collect::<Vec<_>>());
        let noted = move || hub.later_objects(mirror, &HashMap::new(), &pointers);
        fixture.hub.mirror_door.run(noted).await.map(|noted| noted.len())
    };
    assert_eq!(note(&[1_000, 1_000]).await.expect("agreed"), 1);
    assert_eq!(note(&[1_000, 1_001]).await.expect_err("one is wrong").kind(), Kind::Invalid);
    assert_eq!(note(&[u64::MAX]).await.expect_err("no size").kind(), Kind::Invalid);
    need(&fixture, mirror, &object).await;
    assert_eq!(note(&[1_000]).await.expect("as before"), 1);
    assert_eq!(note(&[1_001]).await.expect_err("not as before").kind(), Kind::Invalid);
    let honest = object.source("honest", Honest);
    fixture.hub.fetch_object(object.wanted(mirror), all(&[&honest]), patient()).await.expect("fetched");
    assert_eq!(note(&[1_000]).await.expect("here"), 0);
}

/// Two that are fetched at once share the work, and its failure only in part: its reason names a path.
#[tokio::test(flavor = "multi_thread")]
async fn shards_of_a_model_with_the_same_bytes_are_asked_for_once() {
    let (fixture, mut shards) = (fixture().await, AwayShards::default());
    let mirror = mirror(&fixture).await;
    let same = Object::new(noise(32, 1_000));
    need(&fixture, mirror, &same).await;
    for n in 0..=AWAY_MAX {
        let OpenObject::Away(away) = fixture.hub.open_object(mirror, same.oid).await.expect("known") else {
            panic!("it is not here");
        };
        let shard = format!("{n}.safetensors");
        shards.add(shard.clone(), shard, away).expect("as the first");
    }
}
