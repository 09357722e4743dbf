use polder_types::{RepoId, RepoKind, RepoName, Visibility};

use super::{Home, inline_pack, new_repo, push_of, sha, update};
use crate::{Deleted, Error, NameState, Repo, RowState};

async fn state(home: &Home, fold: &str) -> Option<NameState> {
    home.db.find_repo(RepoKind::Model, fold).await.unwrap()
}

fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

async fn rename(home: &Home, repo: &Repo, to: &str) -> crate::Result<Repo> {
    home.db.rename_repo(repo.id, name(to), None).await
}

#[tokio::test]
async fn a_name_is_unique_per_kind_whatever_its_case() {
    let home = Home::open().await;
    let model = home.repo("Acme/Model").await;
    assert_eq!(model.name.to_string(), "Acme/Model");
    assert_eq!((model.head.as_str(), model.generation), ("refs/heads/main", 0));
    let again = home.db.create_repo(new_repo(name("acme/mODEL"), 9)).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let dataset = home.repo("datasets/acme/model").await;
    // The namespace is shown as its owner writes it.
    assert_eq!(dataset.name.to_string(), "datasets/Acme/model");

    assert_eq!(state(&home, "acme/model").await, Some(NameState::Live(model.clone())));
    let found = home.db.find_repo(RepoKind::Dataset, "acme/model").await.unwrap();
    assert_eq!(found, Some(NameState::Live(dataset.clone())));
    assert_eq!(state(&home, "acme/other").await, None);
    assert_eq!(home.db.list_repos(None, 10).await.unwrap(), vec![model.clone(), dataset.clone()]);
    assert_eq!(home.db.list_repos(Some(model.id), 10).await.unwrap(), vec![dataset]);
    assert_eq!(home.db.list_repos(None, 1).await.unwrap(), vec![model]);
}

#[tokio::test]
async fn a_repository_needs_a_namespace_and_an_unused_rid() {
    let home = Home::open().await;
    let orphan = home.db.create_repo(new_repo(name("nobody/m"), 9)).await;
    assert!(matches!(orphan, Err(Error::NotFound { .. })), "{orphan:?}");
    home.user("acme").await;
    home.db.create_repo(new_repo(name("acme/a"), 9)).await.unwrap();
    let twin = home.db.create_repo(new_repo(name("acme/b"), 9)).await;
    assert!(matches!(twin, Err(Error::Conflict { .. })), "{twin:?}");
    assert_eq!(state(&home, "acme/b").await, None);
}

#[tokio::test]
async fn every_former_name_leads_to_the_repository_as_it_is_now() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.user("other").await;
    rename(&home, &repo, "acme/b").await.unwrap();
    let now = rename(&home, &repo, "other/c").await.unwrap();
    assert_eq!((now.id, now.name.to_string().as_str()), (repo.id, "other/c"));
    for former in ["acme/a", "acme/b"] {
        assert_eq!(state(&home, former).await, Some(NameState::Moved(now.clone())), "{former}");
    }
    assert_eq!(state(&home, "other/c").await, Some(NameState::Live(now.clone())));

    // A former name is for nobody else, neither a new repository nor a renamed one.
    let stranger = home.repo("acme/x").await;
    for former in ["acme/a", "Acme/B", "other/c"] {
        let created = home.db.create_repo(new_repo(name(former), 9)).await;
        assert!(matches!(created, Err(Error::Conflict { .. })), "{former} {created:?}");
        let renamed = rename(&home, &stranger, former).await;
        assert!(matches!(renamed, Err(Error::Conflict { .. })), "{former} {renamed:?}");
    }
    assert_eq!(home.db.repo(stranger.id).await.unwrap(), Some(stranger));
    // But its own repository may take it back.
    let back = rename(&home, &repo, "acme/a").await.unwrap();
    assert_eq!(state(&home, "acme/a").await, Some(NameState::Live(back.clone())));
    assert_eq!(state(&home, "other/c").await, Some(NameState::Moved(back)));
}

#[tokio::test]
async fn a_rename_may_change_only_case_but_never_the_kind() {
    let home = Home::open().await;
    let repo = home.repo("acme/model").await;
    let now = rename(&home, &repo, "acme/Model").await.unwrap();
    assert_eq!(now.name.to_string(), "acme/Model");
    assert_eq!(state(&home, "acme/model").await, Some(NameState::Live(now)));
    assert!(matches!(rename(&home, &repo, "datasets/acme/m").await, Err(Error::Conflict { .. })));
    assert!(matches!(rename(&home, &repo, "nobody/m").await, Err(Error::NotFound { .. })));
    let missing = home.db.rename_repo(RepoId(1), name("acme/z"), None).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

#[tokio::test]
async fn hiding_voids_certificates_and_caches() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let same = home.db.set_visibility(repo.id, Visibility::Public, None).await.unwrap();
    assert_eq!(same, repo);
    let hidden = home.db.set_visibility(repo.id, Visibility::Private, None).await.unwrap();
    assert_eq!(hidden.visibility, Visibility::Private);
    assert_eq!((hidden.generation, hidden.rewind_gen, hidden.cache_epoch), (1, 1, 1));
    assert_eq!(home.db.repo(repo.id).await.unwrap(), Some(hidden));
}

#[tokio::test]
async fn deleting_retires_the_names_and_condemns_what_nobody_else_holds() {
    let mut home = Home::open().await;
    let (gone, kept) = (home.repo("acme/a").await, home.repo("acme/kept").await);
    let mut push = push_of(&gone, vec![update("refs/heads/main", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 1));
    home.push(push).await;
    let (own, shared) = (home.db.next_id(), home.db.next_id());
    home.db.publish_blob(polder_types::BlobId(own), sha(1), 10, gone.id, None).await.unwrap();
    home.db.publish_blob(polder_types::BlobId(shared), sha(2), 20, gone.id, None).await.unwrap();
    assert!(home.db.link_blob(kept.id, &sha(2)).await.unwrap());
    rename(&home, &gone, "acme/b").await.unwrap();

    let deleted = home.db.delete_repo(gone.id, None).await.unwrap();
    assert_eq!(deleted, Deleted { packs: 1, blobs: 1 });
    home.reopen().await;
    for former in ["acme/a", "acme/b"] {
        assert_eq!(state(&home, former).await, Some(NameState::Retired));
        let created = home.db.create_repo(new_repo(name(former), 9)).await;
        assert!(matches!(created, Err(Error::Retired { .. })), "{former} {created:?}");
    }
    assert_eq!(home.db.repo(gone.id).await.unwrap(), None);
    assert_eq!(home.db.load_repo_state(gone.id).await.unwrap(), None);
    assert_eq!(home.db.list_repos(None, 10).await.unwrap(), vec![kept.clone()]);
    assert_eq!(home.db.blob_repos(&sha(2), 10).await.unwrap(), vec![kept.id]);
    assert_eq!(home.db.blob_repos(&sha(1), 10).await.unwrap(), vec![]);
    assert_eq!(home.db.find_blob(&sha(1)).await.unwrap(), None);
    assert!(home.db.find_blob(&sha(2)).await.unwrap().is_some());

    let packs = home.db.list_packs(None, 10).await.unwrap();
    assert!(matches!(packs[0].state, RowState::Condemned(_)), "{packs:?}");
    assert!(packs[0].inline);
    let condemned = home.db.condemned_blobs(home.now(), 10).await.unwrap();
    assert_eq!(condemned.iter().map(|blob| blob.sha256).collect::<Vec<_>>(), vec![sha(1)]);
    assert_eq!(home.db.condemned_packs(home.now(), 10).await.unwrap(), packs);
    let sweeps = home.db.claim_jobs(&["sweep"], 60, 10).await.unwrap();
    assert_eq!(sweeps.len(), 1);
    assert_eq!(home.db.dangling_links(10).await.unwrap(), vec![]);
    assert!(matches!(home.db.delete_repo(gone.id, None).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn only_condemned_rows_can_be_forgotten() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    push.pack = Some(inline_pack(&home.db, 1));
    home.push(push).await;
    let blob = polder_types::BlobId(home.db.next_id());
    home.db.publish_blob(blob, sha(1), 10, repo.id, None).await.unwrap();
    let pack = home.db.list_packs(None, 10).await.unwrap()[0].id;
    assert!(!home.db.forget_pack(pack).await.unwrap());
    assert!(!home.db.forget_blob(blob).await.unwrap());
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert!(home.db.forget_pack(pack).await.unwrap());
    assert!(home.db.forget_blob(blob).await.unwrap());
    assert_eq!(home.db.list_packs(None, 10).await.unwrap(), vec![]);
    assert_eq!(home.db.list_blobs(None, 10).await.unwrap(), vec![]);
}
