//! Who changes webhooks, and who is told what.

use polder_types::{Role, Visibility};

use super::{Place, events, login, watching};
use crate::tests::{repo, token};
use crate::{Kind, Principal, TokenRequest};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_no_longer_read_a_repository_is_told_nothing_of_it() {
    let place = Place::new().await;
    let bob = login(&place.hub, token("bob")).await;
    let carol = login(&place.hub, token("carol")).await;
    let watched = [("org", "acme"), ("model", "acme/open")];
    for who in [&bob, &carol] {
        place.hub.add_webhook(who, watching(&place.receiver.url(), &watched)).await.unwrap();
    }
    let hidden = watching(&place.receiver.url(), &[("model", "acme/closed")]);
    let refused = place.hub.add_webhook(&carol, hidden.clone()).await.unwrap_err();
    let missing = watching(&place.receiver.url(), &[("model", "acme/never")]);
    let never = place.hub.add_webhook(&carol, missing).await.unwrap_err();
    assert_eq!((refused.kind(), never.kind()), (Kind::NotFound, Kind::NotFound));
    assert_eq!(refused.message().replace("closed", "never"), never.message());

    place.commit("acme/closed").await;
    assert_eq!(place.told().await.len(), 1, "bob, a member");
    place.commit("acme/open").await;
    assert_eq!(place.told().await.len(), 2, "both");
    place.commit("acme/open").await;
    place.hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
    assert_eq!(place.told().await.len(), 2, "carol may not know any more, of what was before either");
    place.hub.delete_repo(&repo("acme/open")).await.unwrap();
    assert_eq!(events(&place.told().await)[0].0, "delete");
    place.commit("acme/closed").await;
    place.hub.take_down(&repo("acme/closed"), "No", false).await.unwrap();
    assert_eq!(place.told().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_that_may_write_for_the_whole_account_changes_webhooks() {
    let place = Place::new().await;
    let hook = place.hook(&[("org", "acme")]).await;
    assert_eq!(hook.settings.secret.as_deref(), Some("s3cret"));
    let reader = login(&place.hub, TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let limited = login(&place.hub, TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
    let bob = login(&place.hub, token("bob")).await;
    let seen = place.hub.webhooks(&reader).await.unwrap();
    assert_eq!((seen.len(), seen[0].settings.secret.as_deref()), (1, None));
    assert_eq!(place.hub.webhook(&reader, hook.id).await.unwrap().settings.secret, None);
    let url = place.receiver.url();
    for (who, kind) in [
        (&reader, Kind::Forbidden),
        (&limited, Kind::Forbidden),
        (&Principal::ANONYMOUS, Kind::Unauthenticated),
        (&bob, Kind::NotFound),
    ] {
        let change = || watching(&url, &[("org", "acme")]);
        let set = place.hub.set_webhook(who, hook.id, change()).await.unwrap_err();
        let enabled = place.hub.enable_webhook(who, hook.id, false).await.unwrap_err();
        let deleted = place.hub.delete_webhook(who, hook.id).await.unwrap_err();
        assert_eq!([set.kind(), enabled.kind(), deleted.kind()], [kind; 3]);
        if kind != Kind::NotFound {
            assert_eq!(place.hub.add_webhook(who, change()).await.unwrap_err().kind(), kind);
        }
    }
    assert_eq!(place.hub.webhooks(&limited).await.unwrap_err().kind(), Kind::Forbidden);
    assert_eq!(place.hub.webhooks(&bob).await.unwrap(), []);
    assert_eq!(place.state(&hook).await, (false, None));
}
