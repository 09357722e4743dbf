use polder_types::Role;

use super::*;
use crate::Credentials;
use crate::tests::{Fixture, fixture, name, repo, token};
use crate::{Principal, TokenRequest};

const CLIENT: &str = "26d6d5f5-0000";

async fn started(fixture: &Fixture) -> DeviceStart {
    fixture.hub.start_device_login(CLIENT, "hf_hub/2.4.0", None).await.expect("waits")
}

async fn poll(fixture: &Fixture, start: &DeviceStart) -> Result<Issued, NoToken> {
    fixture.hub.poll_device_login(&start.device_code, CLIENT).await
}

async fn approved(fixture: &Fixture, by: &Principal, start: &DeviceStart, scope: Role) {
    let asked = fixture.hub.device_request(by, &start.user_code).await.expect("waits");
    fixture.hub.approve_device(by, &start.user_code, &asked.form_key, scope).await.expect("agreed");
}

async fn holder(fixture: &Fixture, secret: &Secret) -> Option<Principal> {
    fixture.hub.authenticate(Credentials::Token(secret.clone()), None).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_until_somebody_agrees_and_then_acts_for_them() {
    let fixture = fixture().await;
    let alice = fixture.login(token("alice")).await;
    let start = started(&fixture).await;
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::Pending)));
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::SlowDown)));
    fixture.pass_seconds(start.interval_seconds);
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::Pending)));
    let other = fixture.hub.poll_device_login(&start.device_code, "another").await;
    assert!(matches!(other, Err(NoToken::BadGrant(_))), "another client");

    approved(&fixture, &alice, &start, Role::Write).await;
    let issued = poll(&fixture, &start).await.expect("a token");
    assert_eq!(issued.expires_in_seconds, TOKEN_SECONDS);
    let client = holder(&fixture, &issued.token).await.expect("valid");
    assert_eq!(client.name(), Some("alice"));
    fixture.hub.write(&client, &repo("acme/closed")).await.expect("as she may");
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::BadGrant(_))), "only once");
    let listed = fixture.hub.list_tokens(Some(&name("alice"))).await.expect("listed");
    let listed =
        listed.iter().find(|token| token.name.as_deref() == Some("hf_hub/2.4.0")).expect("with them");
    fixture.hub.revoke_token(listed.id).await.expect("revoked");
    assert!(holder(&fixture, &issued.token).await.is_none());
    let refresh = issued.refresh.expect("renewable");
    let renewed = fixture.hub.refresh_login(&refresh, CLIENT).await;
    assert!(matches!(renewed, Err(NoToken::BadGrant(_))), "what is revoked is not renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_more_than_the_token_they_agree_with_may() {
    let fixture = fixture().await;
    let narrow = TokenRequest {
        scope: Role::Read,
        repos: vec![repo("acme/closed")],
        lifetime_seconds: Some(3600),
        ..token("alice")
    };
    let narrow = fixture.login(narrow).await;
    let start = started(&fixture).await;
    approved(&fixture, &narrow, &start, Role::Write).await;
    let issued = poll(&fixture, &start).await.expect("a token");
    assert_eq!(issued.expires_in_seconds, 3600);
    let client = holder(&fixture, &issued.token).await.expect("valid");
    let held = client.token().expect("a token");
    assert_eq!((held.scope, held.repos.as_ref().map(Vec::len)), (Role::Read, Some(1)));
    fixture.pass_seconds(1800);
    let renewed =
        fixture.hub.refresh_login(&issued.refresh.expect("renewable"), CLIENT).await.expect("renewed");
    assert_eq!(renewed.expires_in_seconds, 1800, "not longer than it could at first");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_late_gets_nothing() {
    let fixture = fixture().await;
    let alice = fixture.login(token("alice")).await;
    let start = started(&fixture).await;
    let asked = fixture.hub.device_request(&alice, &start.user_code).await.expect("waits");
    fixture.hub.deny_device(&alice, &start.user_code, &asked.form_key).await.expect("refused");
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::Denied)));

    let late = started(&fixture).await;
    fixture.pass_seconds(late.expires_in_seconds);
    assert!(matches!(poll(&fixture, &late).await, Err(NoToken::Expired)));
    let told = fixture.hub.device_request(&alice, &late.user_code).await.expect_err("over");
    assert_eq!(told.kind(), Kind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_agrees_only_for_the_account_and_the_code_that_it_was_made_for() {
    let fixture = fixture().await;
    let alice = fixture.login(token("alice")).await;
    let bob = fixture.login(token("bob")).await;
    let (start, other) = (started(&fixture).await, started(&fixture).await);
    let asked = fixture.hub.device_request(&alice, &start.user_code).await.expect("waits");
    for (who, code) in [(&bob, &start.user_code), (&alice, &other.user_code)] {
        let refused = fixture.hub.approve_device(who, code, &asked.form_key, Role::Read).await;
        assert_eq!(refused.expect_err("made for another").kind(), Kind::Forbidden);
    }
    let nobody = fixture.hub.device_request(&Principal::ANONYMOUS, &start.user_code).await;
    assert_eq!(nobody.expect_err("nobody").kind(), Kind::Unauthenticated);
    assert!(matches!(poll(&fixture, &start).await, Err(NoToken::Pending)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_renewed_a_token_once_revokes_it_the_second_time() {
    let fixture = fixture().await;
    let start = started(&fixture).await;
    fixture
        .hub
        .approve_device_for(&name("alice"), &start.user_code, Role::Write)
        .await
        .expect("the operator");
    let first = poll(&fixture, &start).await.expect("a token");
    let refresh = first.refresh.expect("renewable");
    let second = fixture.hub.refresh_login(&refresh, CLIENT).await.expect("renewed");
    assert!(holder(&fixture, &first.token).await.is_none(), "replaced");
    assert!(holder(&fixture, &second.token).await.is_some());
    let again = fixture.hub.refresh_login(&refresh, CLIENT).await;
    assert!(matches!(again, Err(NoToken::BadGrant(_))));
    assert!(holder(&fixture, &second.token).await.is_none(), "revoked");
    let latest = fixture.hub.refresh_login(&second.refresh.expect("renewable"), CLIENT).await;
    assert!(matches!(latest, Err(NoToken::BadGrant(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_be_is_no_client() {
    let fixture = fixture().await;
    for id in ["", " ", "a b", "é", &"x".repeat(CLIENT_BYTES_MAX + 1)] {
        let refused = fixture.hub.start_device_login(id, "", None).await;
        assert!(matches!(refused, Err(NoToken::BadRequest(_))), "{id}");
    }
    let told = fixture.hub.approve_device_for(&name("alice"), "nonsense", Role::Read).await;
    assert_eq!(told.expect_err("no code").kind(), Kind::NotFound);
    let unknown = fixture.hub.refresh_login(&Secret::new("pld_refresh_x"), CLIENT).await;
    assert!(matches!(unknown, Err(NoToken::BadGrant(_))));
}
