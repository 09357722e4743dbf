use polder_types::{ObjectId, RepoId};

use super::{Home, oid, push_of, update};

async fn recent(home: &Home, repo: RepoId) -> Vec<ObjectId> {
    home.db.recent_tips(repo, home.now().plus_seconds(-600)).await.unwrap()
}

#[tokio::test]
async fn what_a_ref_was_is_told_for_a_while() {
    let home = Home::open().await;
    let (repo, other) = (home.repo("acme/a").await, home.repo("acme/b").await);
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    assert_eq!(recent(&home, repo.id).await, []);
    home.pass_seconds(60);
    home.push(push_of(&repo, vec![update("refs/heads/main", 1, 2)])).await;
    home.pass_seconds(300);
    home.push(push_of(&repo, vec![update("refs/heads/main", 2, 3)])).await;
    assert_eq!(recent(&home, repo.id).await, [oid(2), oid(1)]);
    assert_eq!(recent(&home, other.id).await, []);
    home.pass_seconds(301);
    assert_eq!(recent(&home, repo.id).await, [oid(2)]);
    home.pass_seconds(301);
    assert_eq!(recent(&home, repo.id).await, []);
}

#[tokio::test]
async fn of_hidden_and_deleted_refs_nothing_is_told() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let refs = ["refs/polder/keep", "refs/heads/gone", "refs/heads/again", "refs/pr/1"];
    home.push(push_of(&repo, refs.map(|name| update(name, 0, 1)).to_vec())).await;
    home.push(push_of(&repo, refs.map(|name| update(name, 1, 2)).to_vec())).await;
    home.push(push_of(&repo, refs[1..3].iter().map(|name| update(name, 2, 0)).collect())).await;
    assert_eq!(recent(&home, repo.id).await, [oid(1)], "of refs/pr/1");
    home.push(push_of(&repo, vec![update("refs/heads/again", 0, 4)])).await;
    assert_eq!(recent(&home, repo.id).await, [oid(1)]);
    home.push(push_of(&repo, vec![update("refs/heads/again", 4, 5)])).await;
    assert_eq!(recent(&home, repo.id).await, [oid(4), oid(1)]);
}
