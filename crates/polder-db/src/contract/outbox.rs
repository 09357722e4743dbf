use polder_types::{BlobId, Visibility};
use serde_json::{Value, json};

use super::{Home, oid, push_of, sha, update};

#[tokio::test]
async fn every_change_leaves_its_fact_in_order() {
    let mut home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    home.db.publish_blob(BlobId(home.db.next_id()), sha(1), 10, repo.id, None).await.unwrap();
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1), update("refs/heads/x/y", 9, 1)]);
    push.actor = Some(ada);
    push.pointers = vec![(sha(1), oid(4))];
    home.push(push).await;
    home.repo("acme/other").await;
    home.db.rename_repo(repo.id, "acme/b".parse().unwrap(), Some(ada)).await.unwrap();
    home.db.set_visibility(repo.id, Visibility::Private, None).await.unwrap();
    home.db.set_head(repo.id, "refs/heads/dev".to_owned(), None).await.unwrap();
    home.reopen().await;
    home.db.delete_repo(repo.id, Some(ada)).await.unwrap();

    let events = home.db.list_events(0, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    let own: Vec<_> = events.iter().filter(|event| event.repo == repo.id).collect();
    assert_eq!(own.iter().map(|event| event.rseq).collect::<Vec<_>>(), (1..=6).collect::<Vec<_>>());
    let facts: Vec<(&str, bool, Value)> = own
        .iter()
        .map(|event| {
            (event.kind.as_str(), event.actor.is_some(), serde_json::from_str(&event.facts).unwrap())
        })
        .collect();
    let rid = sha_of(&repo.rid);
    let expected = [
        (
            "repo.create",
            false,
            json!({"v": 1, "rid": rid, "kind": "model", "path": "acme/a",
            "visibility": "public", "head": "refs/heads/main"}),
        ),
        (
            "repo.refs",
            true,
            json!({"v": 1, "generation": 1, "visibility": "public", "head": "refs/heads/main",
            "refs": [["refs/heads/main", null, oid(1).to_string()]], "refs_omitted": 0,
            "objects": [sha(1).to_string()], "objects_omitted": 0}),
        ),
        ("repo.rename", true, json!({"v": 1, "from": "acme/a", "to": "acme/b", "visibility": "public"})),
        ("repo.visibility", false, json!({"v": 1, "from": "public", "to": "private"})),
        (
            "repo.meta",
            false,
            json!({"v": 1, "visibility": "private",
            "head": {"from": "refs/heads/main", "to": "refs/heads/dev"}}),
        ),
        ("repo.delete", true, json!({"v": 1, "kind": "model", "path": "acme/b", "visibility": "private"})),
    ];
    assert_eq!(facts, expected);

    let page = home.db.list_events(3, 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.seq).collect::<Vec<_>>(), vec![4, 5]);
}

fn sha_of(rid: &[u8; 32]) -> String {
    polder_types::Sha256::new(*rid).to_string()
}

#[tokio::test]
async fn small_facts_about_the_store_are_kept() {
    let mut home = Home::open().await;
    assert_eq!(home.db.meta("epoch").await.unwrap(), None);
    assert_eq!(home.db.init_meta("epoch", "a").await.unwrap(), "a");
    assert_eq!(home.db.init_meta("epoch", "b").await.unwrap(), "a");
    home.db.set_meta("epoch", "c").await.unwrap();
    home.reopen().await;
    assert_eq!(home.db.meta("epoch").await.unwrap().as_deref(), Some("c"));
}

#[tokio::test]
async fn a_write_rings_if_its_changes_stay_and_have_a_fact_among_them() {
    let home = Home::open().await;
    let mut facts = home.db.facts();
    let mut rang = || {
        let rang = facts.has_changed().unwrap();
        facts.mark_unchanged();
        rang
    };
    home.user("ada").await;
    assert!(!rang(), "no fact");
    let repo = home.repo("acme/a").await;
    assert!(rang());
    assert!(!rang(), "once");
    home.db.rename_repo(repo.id, "acme/b".parse().unwrap(), None).await.unwrap();
    assert!(rang());
    home.repo("acme/c").await;
    assert!(rang());
    home.db.rename_repo(repo.id, "acme/c".parse().unwrap(), None).await.unwrap_err();
    assert!(!rang(), "nothing has changed");
}
