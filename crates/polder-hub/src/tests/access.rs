use std::sync::atomic::Ordering;

use super::*;
use crate::secret::Secret;

async fn kind_of(fixture: &Fixture, who: &Principal, at: &str) -> (Option<Kind>, Option<Kind>) {
    let read = fixture.hub.read(who, &repo(at)).await.err().map(|error| error.kind());
    let write = fixture.hub.write(who, &repo(at)).await.err().map(|error| error.kind());
    (read, write)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_may_do_exactly_what_the_table_says() {
    use Kind::{Forbidden, NotFound, Unauthenticated};
    let fixture = fixture().await;
    let read_only = TokenRequest { scope: Role::Read, ..token("alice") };
    let elsewhere = TokenRequest { repos: vec![repo("acme/open")], ..token("alice") };
    let table = [
        (
            "nobody",
            Principal::ANONYMOUS,
            (None, Some(Unauthenticated)),
            Some(Unauthenticated),
            Some(Unauthenticated),
        ),
        ("alice", fixture.login(token("alice")).await, (None, None), None, None),
        ("alice, reading", fixture.login(read_only).await, (None, Some(Forbidden)), None, Some(Forbidden)),
        ("alice, open only", fixture.login(elsewhere).await, (None, None), Some(NotFound), Some(NotFound)),
        ("bob", fixture.login(token("bob")).await, (None, Some(Forbidden)), None, Some(Forbidden)),
        (
            "carol",
            fixture.login(token("carol")).await,
            (None, Some(Forbidden)),
            Some(NotFound),
            Some(NotFound),
        ),
    ];
    for (who, principal, open, closed_read, closed_write) in table {
        assert_eq!(kind_of(&fixture, &principal, "acme/open").await, open, "{who}, public");
        assert_eq!(
            kind_of(&fixture, &principal, "acme/closed").await,
            (closed_read, closed_write),
            "{who}, private"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_answers_like_a_missing_one() {
    let fixture = fixture().await;
    for who in [Principal::ANONYMOUS, fixture.login(token("carol")).await] {
        let private = fixture.hub.read(&who, &repo("acme/closed")).await.expect_err("hidden");
        let missing = fixture.hub.read(&who, &repo("acme/absent")).await.expect_err("missing");
        assert_eq!(private.kind(), missing.kind());
        assert_eq!(private.message().replace("closed", "absent"), missing.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_expires_and_a_wrong_one_never_begins() {
    let fixture = fixture().await;
    let secret = fixture
        .hub
        .add_token(TokenRequest { lifetime_seconds: Some(60), ..token("bob") })
        .await
        .expect("a token");
    fixture.hub.authenticate(Credentials::Token(secret.clone()), None).await.expect("valid");
    fixture.millis.store(START + 60_000, Ordering::Relaxed);
    for bad in [secret, Secret::new("pld_x"), Secret::new(""), crate::secret::new_token().expect("random")] {
        let error = fixture.hub.authenticate(Credentials::Token(bad), None).await.expect_err("refused");
        assert_eq!(error.kind(), Kind::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_access_holds_at_once() {
    let fixture = fixture().await;
    let carol = fixture.login(token("carol")).await;
    assert_eq!(kind_of(&fixture, &carol, "acme/closed").await.0, Some(Kind::NotFound));
    fixture.hub.set_visibility(&repo("acme/closed"), Visibility::Public).await.expect("set");
    assert_eq!(kind_of(&fixture, &carol, "acme/closed").await.0, None);
    fixture.hub.set_visibility(&repo("acme/closed"), Visibility::Private).await.expect("set");
    assert_eq!(kind_of(&fixture, &carol, "acme/closed").await.0, Some(Kind::NotFound));
    fixture.hub.set_member(&name("acme"), &name("carol"), Role::Write).await.expect("set");
    assert_eq!(kind_of(&fixture, &carol, "acme/closed").await, (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_name_leads_on_only_for_those_who_may_read() {
    let fixture = fixture().await;
    fixture.hub.rename_repo(&repo("acme/closed"), &repo("acme/new")).await.expect("renamed");
    let bob = fixture.login(token("bob")).await;
    let moved = fixture.hub.read(&bob, &repo("acme/closed")).await.expect_err("moved");
    assert_eq!(moved.kind(), Kind::Moved);
    assert_eq!(moved.moved_to(), Some(&repo("acme/new")));
    let carol = fixture.login(token("carol")).await;
    assert_eq!(kind_of(&fixture, &carol, "acme/closed").await.0, Some(Kind::NotFound));
    for taken in ["acme/closed", "ACME/Closed", "acme/new"] {
        let error = fixture.hub.add_repo(&repo(taken), Visibility::Public).await.expect_err("taken");
        assert_eq!(error.kind(), Kind::Conflict, "{taken}");
    }
    fixture.hub.delete_repo(&repo("acme/new")).await.expect("deleted");
    assert_eq!(kind_of(&fixture, &bob, "acme/new").await.0, Some(Kind::NotFound));
    let error = fixture.hub.add_repo(&repo("acme/new"), Visibility::Public).await.expect_err("retired");
    assert_eq!(error.kind(), Kind::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_at_once() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let secret = hub.add_token(token("bob")).await.expect("a token");
    let kept = hub.add_token(token("bob")).await.expect("a token");
    for held in [&secret, &kept] {
        hub.authenticate(Credentials::Token(held.clone()), None).await.expect("valid, and now in the cache");
    }
    let id = hub.list_tokens(Some(&name("bob"))).await.expect("listed")[0].id;
    hub.revoke_token(id).await.expect("revoked");
    let error = hub.authenticate(Credentials::Token(secret), None).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Unauthenticated);
    hub.authenticate(Credentials::Token(kept), None).await.expect("the other one is valid");
    let error = hub.revoke_token(polder_types::TokenId(1)).await.expect_err("unknown");
    assert_eq!((error.kind(), error.message()), (Kind::NotFound, "there is no token `1`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_who_there_is() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    assert!(!hub.has_any_admin().await.expect("read"));
    hub.add_user(&name("Zoe"), true).await.expect("added");
    assert!(hub.has_any_admin().await.expect("read"));
    let users = hub.list_users().await.expect("listed");
    let shown: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.is_admin)).collect();
    assert_eq!(shown, [("alice", false), ("bob", false), ("carol", false), ("Zoe", true)]);
    let orgs = hub.list_orgs().await.expect("listed");
    assert_eq!(orgs[0].members, [(name("alice"), Role::Admin), (name("bob"), Role::Read)]);
    assert_eq!((orgs.len(), orgs[0].name.as_str()), (1, "acme"));

    let repos = vec![repo("acme/open"), repo("acme/closed")];
    let narrow = TokenRequest { repos, lifetime_seconds: Some(60), scope: Role::Read, ..token("bob") };
    hub.add_token(narrow).await.expect("a token");
    hub.add_token(token("alice")).await.expect("a token");
    hub.rename_repo(&repo("acme/open"), &repo("acme/new")).await.expect("renamed");
    hub.delete_repo(&repo("acme/closed")).await.expect("deleted");
    let tokens = hub.list_tokens(None).await.expect("listed");
    assert_eq!(tokens.iter().map(|token| token.user.as_str()).collect::<Vec<_>>(), ["bob", "alice"]);
    assert_eq!(tokens[0].repos, Some(vec![repo("acme/new")]));
    assert_eq!(tokens[0].expires, Some(tokens[0].created.plus_seconds(60)));
    assert_eq!((&tokens[1].repos, tokens[1].scope, tokens[1].expires), (&None, Role::Admin, None));
    let error = hub.list_tokens(Some(&name("nobody"))).await.expect_err("unknown");
    assert_eq!(error.kind(), Kind::NotFound);
}
