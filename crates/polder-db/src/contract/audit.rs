use polder_types::{AccountId, AuditId, TokenId, Visibility};

use super::{Home, oid, push_of, update};
use crate::{AuditActor, AuditFilter, AuditResult, AuditRow, NewAudit};

pub(super) fn entry(action: &'static str) -> NewAudit {
    NewAudit {
        actor: AuditActor::Account,
        account: Some((AccountId(7), "ada".to_owned())),
        token: Some(TokenId(8)),
        address: None,
        action,
        repo: None,
        repo_name: Some("acme/a".to_owned()),
        result: AuditResult::Ok,
        request: Some("r-1".to_owned()),
        detail: serde_json::Map::new(),
    }
}

/// Not a hash, but as telling.
fn hash(row: &AuditRow, index: i64, before: &str) -> String {
    format!("{index}:{}<{}", row.action, before.len())
}

impl Home {
    async fn actions(&self) -> Vec<String> {
        let rows = self.db.latest_audit(&AuditFilter::default(), None, 100).await.unwrap();
        rows.into_iter().rev().map(|row| row.action).collect()
    }
}

#[tokio::test]
async fn a_change_is_recorded_with_it_and_only_if_it_stays() {
    let mut home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let name = "acme/new".parse().unwrap();
    let new = super::new_repo(name, 99);
    let made = home.db.audited(entry("repo.add")).create_repo(new.clone()).await.unwrap();
    // Taken, refused by the rules, and no change at all.
    home.db.audited(entry("repo.add.again")).create_repo(new).await.unwrap_err();
    let stale = push_of(&repo, vec![update("refs/heads/main", 5, 1)]);
    home.db.audited(entry("git.push.stale")).commit_push(stale).await.unwrap();
    home.db.audited(entry("same")).set_visibility(repo.id, Visibility::Public, None).await.unwrap();
    let push = push_of(&repo, vec![update("refs/heads/main", 0, 1), update("refs/heads/x", 5, 1)]);
    home.db.audited(entry("git.push")).commit_push(push).await.unwrap();
    // The handle of one write leaves no trace on another.
    home.user("bob").await;
    home.reopen().await;

    assert_eq!(home.actions().await, ["repo.add", "git.push"]);
    let rows = home.db.latest_audit(&AuditFilter::default(), None, 1).await.unwrap();
    let expected =
        format!(r#"{{"generation":1,"refs":[["refs/heads/main",null,"{}"]],"refs_omitted":0}}"#, oid(1));
    assert_eq!(rows[0].detail, expected);
    assert_eq!((rows[0].token, rows[0].request.as_deref()), (Some(TokenId(8)), Some("r-1")));
    let of_made = AuditFilter { repo: Some(made.id), ..AuditFilter::default() };
    assert_eq!(home.db.latest_audit(&of_made, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn rows_get_their_places_in_order_and_keep_them() {
    let mut home = Home::open().await;
    for action in ["a", "b", "c"] {
        home.db.record_audit(entry(action)).await.unwrap();
    }
    assert!(home.db.audit_after(0, 10).await.unwrap().is_empty());
    assert_eq!(home.db.chain_audit(2, hash).await.unwrap(), 2);
    home.db.record_audit(entry("d")).await.unwrap();
    home.reopen().await;
    assert_eq!(home.db.chain_audit(10, hash).await.unwrap(), 2);
    assert_eq!(home.db.chain_audit(10, hash).await.unwrap(), 0);
    let chain: Vec<_> =
        home.db.audit_after(0, 10).await.unwrap().into_iter().filter_map(|row| row.chain).collect();
    let expected = [(1, "1:a<64"), (2, "2:b<6"), (3, "3:c<5"), (4, "4:d<5")];
    assert_eq!(chain, expected.map(|(index, hash)| (index, hash.to_owned())));
    let head = home.db.audit_head().await.unwrap();
    assert_eq!((head.index, head.hash.as_str(), head.gone_index), (4, "4:d<5", 0));
    assert_eq!(home.db.audit_after(2, 1).await.unwrap()[0].action, "c");
}

#[tokio::test]
async fn two_who_chain_at_once_make_one_chain() {
    let home = Home::open().await;
    for _ in 0..40 {
        home.db.record_audit(entry("a")).await.unwrap();
    }
    let (one, two) = tokio::join!(home.db.chain_audit(30, hash), home.db.chain_audit(30, hash));
    assert_eq!(one.unwrap() + two.unwrap(), 40);
    let rows = home.db.audit_after(0, 100).await.unwrap();
    let places: Vec<i64> =
        rows.iter().filter_map(|row| row.chain.as_ref()).map(|(index, _)| *index).collect();
    assert_eq!(places, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listing_is_by_time_repository_and_account() {
    let home = Home::open().await;
    home.db.record_audit(entry("old")).await.unwrap();
    home.pass_seconds(60);
    home.db.record_audit(NewAudit { repo: Some(polder_types::RepoId(5)), ..entry("of five") }).await.unwrap();
    home.db.record_audit(NewAudit { account: None, ..entry("of nobody") }).await.unwrap();
    let list = async |filter| {
        let rows = home.db.latest_audit(&filter, None, 9).await.unwrap();
        rows.into_iter().map(|row| row.action).collect::<Vec<_>>()
    };
    let since = AuditFilter { since: Some(home.now()), ..AuditFilter::default() };
    assert_eq!(list(since).await, ["of nobody", "of five"]);
    let repo = AuditFilter { repo: Some(polder_types::RepoId(5)), ..AuditFilter::default() };
    assert_eq!(list(repo).await, ["of five"]);
    let account = AuditFilter { account: Some(AccountId(7)), ..AuditFilter::default() };
    assert_eq!(list(account).await, ["of five", "old"]);
    let first = home.db.latest_audit(&AuditFilter::default(), None, 1).await.unwrap();
    let next = home.db.latest_audit(&AuditFilter::default(), Some(first[0].id), 1).await.unwrap();
    assert_eq!(next[0].action, "of five");
    assert!(home.db.latest_audit(&AuditFilter::default(), Some(AuditId(0)), 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_too_old_goes_from_the_beginning_only_and_the_end_stays() {
    let home = Home::open().await;
    for action in ["a", "b", "c"] {
        home.db.record_audit(entry(action)).await.unwrap();
        home.pass_seconds(10);
    }
    home.db.chain_audit(10, hash).await.unwrap();
    home.db.record_audit(entry("not chained")).await.unwrap();
    assert_eq!(home.db.drop_audit(home.now().plus_seconds(-30)).await.unwrap(), 0);
    assert_eq!(home.db.drop_audit(home.now().plus_seconds(-20)).await.unwrap(), 1);
    let head = home.db.audit_head().await.unwrap();
    assert_eq!((head.gone_index, head.gone_hash.as_str()), (1, "1:a<64"));
    assert_eq!(home.db.drop_audit(home.now().plus_seconds(60)).await.unwrap(), 1);
    assert_eq!(home.db.drop_audit(home.now().plus_seconds(60)).await.unwrap(), 0);
    assert_eq!(home.actions().await, ["c", "not chained"]);
    assert_eq!(home.db.audit_head().await.unwrap().gone_index, 2);
}
