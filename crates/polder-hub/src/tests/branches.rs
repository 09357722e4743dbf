use polder_types::Role;

use super::*;

fn change(branch: &str, content: &str) -> CommitRequest {
    CommitRequest {
        branch: branch.to_owned(),
        parent: None,
        changes: vec![write("a", content)],
        author: signature(),
        message: content.to_owned(),
    }
}

fn rule(pattern: &str) -> ProtectionRule {
    ProtectionRule {
        pattern: pattern.to_owned(),
        allow_force: false,
        allow_delete: false,
        push_role: Some(Role::Admin),
        push_accounts: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_through_the_api_is_bound_by_the_rules_for_its_branch() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let at = repo("acme/open");
    hub.set_member(&name("acme"), &name("bob"), Role::Write).await.expect("set");
    let bob = hub.write(&fixture.login(token("bob")).await, &at).await.expect("may write");
    let alice = fixture.writer("acme/open").await;
    hub.commit(&bob, change("main", "before")).await.expect("no rule yet");

    hub.protect(&at, rule("main")).await.expect("protected");
    let before = hub.resolve_revision(&bob.as_read(), "main").await.expect("a branch");
    let refused = hub.commit(&bob, change("main", "refused")).await.expect_err("a writer is no admin");
    assert_eq!(refused.kind(), Kind::Forbidden);
    assert_eq!(refused.message(), "protected branch: you may not push to it (rule `main`)");
    assert_eq!(hub.resolve_revision(&bob.as_read(), "main").await.expect("a branch"), before);
    hub.commit(&alice, change("main", "by an admin")).await.expect("committed");
    let narrow = TokenRequest { scope: Role::Write, ..token("alice") };
    let narrow = hub.write(&fixture.login(narrow).await, &at).await.expect("may write");
    let refused = hub.commit(&narrow, change("main", "refused")).await.expect_err("the token is a writer's");
    assert_eq!(refused.kind(), Kind::Forbidden);

    hub.protect(&at, ProtectionRule { push_accounts: vec![name("bob")], ..rule("main") }).await.expect("set");
    hub.commit(&bob, change("main", "by name")).await.expect("committed");
    hub.protect(&at, ProtectionRule { push_accounts: vec![name("acme")], ..rule("main") })
        .await
        .expect("set");
    hub.commit(&bob, change("main", "as a member")).await.expect("committed");
    hub.unprotect(&at, "main").await.expect("removed");
    assert_eq!(hub.unprotect(&at, "main").await.expect_err("gone").kind(), Kind::NotFound);
    hub.commit(&narrow, change("main", "after")).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_names_what_is_there() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let at = repo("acme/open");
    for (at, rule, kind) in [
        (&repo("acme/nothing"), rule("main"), Kind::NotFound),
        (&at, rule("a b"), Kind::Invalid),
        (&at, ProtectionRule { push_accounts: vec![name("nobody")], ..rule("main") }, Kind::NotFound),
        (&at, ProtectionRule { push_accounts: vec![name("bob"); 101], ..rule("main") }, Kind::Invalid),
    ] {
        assert_eq!(hub.protect(at, rule).await.expect_err("refused").kind(), kind);
    }
    assert_eq!(hub.protection(&at).await.expect("read"), []);
    let twice = ProtectionRule { push_accounts: vec![name("bob"), name("BOB")], ..rule("main") };
    hub.protect(&at, twice).await.expect("set");
    let kept = ProtectionRule { push_accounts: vec![name("bob")], ..rule("main") };
    assert_eq!(hub.protection(&at).await.expect("read"), [kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_branch_is_one_that_is_there_or_any_while_none_is() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let at = repo("acme/open");
    let grant = fixture.writer("acme/open").await;
    hub.set_default_branch(&at, "dev").await.expect("no branch is there");
    let id = hub.commit(&grant, change("dev", "one")).await.expect("committed");
    assert_eq!(hub.resolve_revision(&grant.as_read(), "HEAD").await.expect("read"), id);
    for (branch, kind) in [("main", Kind::NotFound), ("a..b", Kind::Invalid), ("", Kind::Invalid)] {
        assert_eq!(hub.set_default_branch(&at, branch).await.expect_err("refused").kind(), kind, "{branch}");
    }
    assert_eq!(hub.list_repos().await.expect("listed")[0].head, "refs/heads/dev");
}
