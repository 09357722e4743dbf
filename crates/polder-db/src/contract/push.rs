use polder_types::{BlobId, RepoId};

use super::{Home, inline_pack, oid, push_of, sha, update};
use crate::{PushOutcome, RefRefusal, RefUpdate, RepoState};

async fn state(home: &Home, repo: RepoId) -> RepoState {
    home.db.load_repo_state(repo).await.unwrap().unwrap()
}

fn names(state: &RepoState) -> Vec<&str> {
    state.refs.iter().map(|row| row.name.as_str()).collect()
}

#[track_caller]
fn results(outcome: PushOutcome) -> Vec<Result<(), RefRefusal>> {
    match outcome {
        PushOutcome::Done { refs, .. } => refs.into_iter().map(|one| one.result).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_push_stores_refs_pack_and_generation_together() {
    let mut home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let mut tag = update("refs/tags/v1", 0, 3);
    tag.peeled = Some(oid(1));
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1), tag]);
    push.pack = Some(inline_pack(&home.db, 7));
    let outcome = home.push(push).await;
    let PushOutcome::Done { generation, head, changed, refs } = outcome else { panic!("{outcome:?}") };
    assert_eq!((generation, head.as_str(), changed, refs.len()), (1, "refs/heads/main", true, 2));
    home.reopen().await;

    let state = state(&home, repo.id).await;
    assert_eq!(state.repo.generation, 1);
    assert_eq!(names(&state), ["refs/heads/main", "refs/tags/v1"]);
    assert_eq!((state.refs[0].oid, state.refs[0].peeled, state.refs[0].generation), (oid(1), None, 1));
    assert_eq!((state.refs[1].oid, state.refs[1].peeled), (oid(3), Some(oid(1))));
    let pack = &state.packs[0];
    assert_eq!((pack.hash, pack.bytes, pack.objects), (oid(7), 4, 1));
    let (data, index) = pack.data.clone().unwrap();
    assert_eq!((&data[..], &index[..]), (&[7; 4][..], &[7; 8][..]));
}

#[tokio::test]
async fn two_pushes_of_one_pack_are_two_incarnations() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    for (name, n) in [("refs/heads/a", 1), ("refs/heads/b", 1)] {
        let mut push = push_of(&repo, vec![update(name, 0, n)]);
        push.pack = Some(inline_pack(&home.db, 7));
        home.push(push).await;
    }
    let packs = state(&home, repo.id).await.packs;
    assert_eq!(packs.len(), 2);
    assert!(packs[0].id < packs[1].id && packs[0].hash == packs[1].hash);
}

#[tokio::test]
async fn the_loser_of_a_race_is_told_and_writes_nothing() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    let before = state(&home, repo.id).await;
    let mut late = push_of(&repo, vec![update("refs/heads/main", 0, 2)]);
    late.pack = Some(inline_pack(&home.db, 7));
    let outcome = home.push(late).await;
    let PushOutcome::Done { generation, changed, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((generation, changed), (1, false));
    assert_eq!(state(&home, repo.id).await, before);
    assert_eq!(home.db.list_packs(None, 10).await.unwrap(), vec![]);
    assert_eq!(home.db.list_events(0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_can_be_done_is_done_unless_the_push_is_atomic() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    let updates = vec![update("refs/heads/main", 9, 2), update("refs/heads/new", 0, 2)];
    let mut atomic = push_of(&repo, updates.clone());
    atomic.atomic = true;
    let late = Err(RefRefusal::Stale { current: Some(oid(1)) });
    let refused = results(home.push(atomic).await);
    assert_eq!(refused, vec![late.clone(), Err(RefRefusal::AtomicAborted)]);
    assert_eq!(state(&home, repo.id).await.repo.generation, 1);
    assert_eq!(results(home.push(push_of(&repo, updates)).await), vec![late, Ok(())]);
    let state = state(&home, repo.id).await;
    assert_eq!(
        (names(&state).as_slice(), state.repo.generation),
        (&["refs/heads/main", "refs/heads/new"][..], 2)
    );
    assert_eq!(state.refs[1].generation, 2);
}

#[tokio::test]
async fn changing_nothing_succeeds_and_writes_nothing() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    let updates = vec![update("refs/heads/main", 1, 1), update("refs/heads/never", 0, 0)];
    let outcome = home.push(push_of(&repo, updates)).await;
    let PushOutcome::Done { generation, changed, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!((*generation, *changed), (1, false));
    assert_eq!(results(outcome), vec![Ok(()), Ok(())]);
    assert_eq!(home.db.list_events(0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_and_a_directory_of_one_name_cannot_both_be_refs() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let first =
        vec![update("refs/heads/a", 0, 1), update("refs/heads/d/e/f", 0, 1), update("refs/heads/d-x", 0, 1)];
    home.push(push_of(&repo, first)).await;
    let conflict = |with: &str| Err(RefRefusal::DirectoryFileConflict { with: with.to_owned() });
    let updates = vec![
        update("refs/heads/a/b", 0, 2),
        update("refs/heads/d", 0, 2),
        update("refs/heads/d/e", 0, 2),
        update("refs/heads/x/y", 0, 2),
        update("refs/heads/x", 0, 2),
    ];
    let expected = vec![
        conflict("refs/heads/a"),
        conflict("refs/heads/d/e/f"),
        conflict("refs/heads/d/e/f"),
        Ok(()),
        conflict("refs/heads/x/y"),
    ];
    assert_eq!(results(home.push(push_of(&repo, updates)).await), expected);
}

#[tokio::test]
async fn an_atomic_push_may_put_a_directory_where_it_deletes_a_file() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let first =
        vec![update("refs/heads/a", 0, 1), update("refs/heads/b/c", 0, 1), update("refs/heads/b/d", 0, 1)];
    home.push(push_of(&repo, first)).await;
    let mut swap = push_of(
        &repo,
        vec![
            update("refs/heads/a/b", 0, 2),
            update("refs/heads/a", 1, 0),
            update("refs/heads/b/d", 1, 0),
            update("refs/heads/b", 0, 2),
            update("refs/heads/b/c", 1, 0),
        ],
    );
    swap.atomic = true;
    assert_eq!(results(home.push(swap).await), vec![Ok(()); 5]);
    assert_eq!(names(&state(&home, repo.id).await), ["refs/heads/a/b", "refs/heads/b"]);
}

#[tokio::test]
async fn many_new_refs_are_checked_like_few() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/tags/t7", 0, 1), update("refs/tags/t8/x", 0, 1)])).await;
    let many: Vec<RefUpdate> = (0..1000).map(|n| update(&format!("refs/tags/t{n}"), 0, 1)).collect();
    let results = results(home.push(push_of(&repo, many)).await);
    assert_eq!(results[7], Err(RefRefusal::Stale { current: Some(oid(1)) }));
    let with = "refs/tags/t8/x".to_owned();
    assert_eq!(results[8], Err(RefRefusal::DirectoryFileConflict { with }));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 998);
    assert_eq!(state(&home, repo.id).await.refs.len(), 1000);

    // And as many again in one deletion.
    let all = state(&home, repo.id).await.refs;
    let gone = all.iter().map(|row| RefUpdate {
        name: row.name.clone(),
        old: Some(row.oid),
        new: None,
        peeled: None,
        rewinds: false,
        forbidden: None,
    });
    home.push(push_of(&repo, gone.collect())).await;
    assert_eq!(state(&home, repo.id).await.refs, vec![]);
    assert_eq!(home.number("SELECT ref_count FROM repo").await, 0);
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    assert_eq!(home.number("SELECT ref_count FROM repo").await, 1);
    // Every change is in the history: two, then 998, then 1000 deletions, then one.
    assert_eq!(home.number("SELECT COUNT(*) FROM ref_log").await, 2001);
}

#[tokio::test]
async fn only_a_rewind_or_a_deletion_voids_certificates_and_caches() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let mut epochs = Vec::new();
    let mut forced = update("refs/heads/main", 2, 3);
    forced.rewinds = true;
    for one in [
        update("refs/heads/main", 0, 1),
        update("refs/heads/main", 1, 2),
        forced,
        update("refs/heads/main", 3, 0),
    ] {
        home.push(push_of(&repo, vec![one])).await;
        let now = home.db.repo(repo.id).await.unwrap().unwrap();
        epochs.push((now.generation, now.rewind_gen, now.cache_epoch));
    }
    assert_eq!(epochs, vec![(1, 0, 0), (2, 0, 0), (3, 3, 1), (4, 4, 2)]);
}

#[tokio::test]
async fn head_moves_only_from_an_unborn_branch_to_a_born_one() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let head = |outcome: PushOutcome| match outcome {
        PushOutcome::Done { head, .. } => head,
        other => panic!("{other:?}"),
    };
    let mut push = push_of(&repo, vec![update("refs/heads/dev", 0, 1)]);
    push.new_head = Some("refs/heads/nowhere".to_owned());
    assert_eq!(head(home.push(push.clone()).await), "refs/heads/main");
    push.updates = vec![update("refs/heads/dev", 1, 2)];
    push.new_head = Some("refs/heads/dev".to_owned());
    assert_eq!(head(home.push(push.clone()).await), "refs/heads/dev");
    // The racing first push of `main` came second: HEAD stays.
    push.updates = vec![update("refs/heads/main", 0, 2)];
    push.new_head = Some("refs/heads/main".to_owned());
    assert_eq!(head(home.push(push.clone()).await), "refs/heads/dev");
    push.updates = vec![update("refs/heads/dev", 2, 0)];
    assert_eq!(head(home.push(push.clone()).await), "refs/heads/main");
    assert_eq!(state(&home, repo.id).await.repo.head, "refs/heads/main");

    let pointed = home.db.set_head(repo.id, "refs/heads/unborn".to_owned(), None).await.unwrap();
    assert_eq!((pointed.head.as_str(), pointed.generation), ("refs/heads/unborn", 5));

    push.updates = vec![update("refs/heads/main", 2, 3)];
    push.exact_head = Some("refs/heads/theirs".to_owned());
    assert_eq!(head(home.push(push).await), "refs/heads/theirs");
    assert_eq!(state(&home, repo.id).await.repo.head, "refs/heads/theirs");
}

#[tokio::test]
async fn a_pointer_needs_its_object_in_this_repository() {
    let home = Home::open().await;
    let (repo, other) = (home.repo("acme/a").await, home.repo("acme/b").await);
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 10, repo.id, None).await.unwrap();
    home.db.publish_blob(BlobId(home.db.next_id()), sha(2), 10, other.id, None).await.unwrap();
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 7));
    push.pointers = vec![(sha(3), oid(3)), (sha(2), oid(2)), (sha(1), oid(1))];
    let outcome = home.push(push.clone()).await;
    assert_eq!(outcome, PushOutcome::MissingObjects(vec![sha(2), sha(3)]));
    let untouched = state(&home, repo.id).await;
    assert_eq!((untouched.repo.generation, untouched.refs.len(), untouched.packs.len()), (0, 0, 0));

    home.db.publish_blob(BlobId(home.db.next_id()), sha(3), 10, repo.id, None).await.unwrap();
    assert!(home.db.link_blob(repo.id, &sha(2)).await.unwrap());
    assert_eq!(results(home.push(push).await), vec![Ok(())]);
    assert_eq!(home.pointer(repo.id, sha(2)).await, Some(oid(2)));
    assert_eq!(home.pointer(other.id, sha(2)).await, None);
}

#[tokio::test]
async fn a_push_that_garbage_collection_or_deletion_overtook_writes_nothing() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    push.expected_gc_epoch = 4;
    assert_eq!(home.push(push.clone()).await, PushOutcome::GcRaced);
    push.expected_gc_epoch = 0;
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(home.push(push).await, PushOutcome::RepoGone);
    assert_eq!(home.db.list_packs(None, 10).await.unwrap(), vec![]);
}
