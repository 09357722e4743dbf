use polder_types::{Role, Visibility};

use super::*;
use crate::access::Principal;
use crate::error::{Error, Kind, Result};
use crate::tests::{Fixture, fixture, repo, token};

async fn make(place: &Fixture, who: &Principal, title: &str) -> Result<String> {
    let change = CollectionChange { title: Some(title.to_owned()), ..CollectionChange::default() };
    let made = place.hub.add_collection(who, "acme", change).await?;
    made.map(|made| collection_slug(&made.collection))
        .map_err(|there| Error::new(Kind::Conflict, collection_slug(&there)))
}

fn names(shown: &ShownCollection) -> Vec<String> {
    let name = |item: &ShownItem| match &item.what {
        ShownWhat::Repo(name, _) => name.to_string(),
        ShownWhat::Collection(collection) => collection.text.title.clone(),
    };
    shown.items.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_may_not_read_is_not_there_for_them() {
    let place = fixture().await;
    let alice = place.login(token("alice")).await;
    let (bob, carol) = (place.login(token("bob")).await, place.login(token("carol")).await);
    let hub = &place.hub;
    let slug = make(&place, &alice, "Best of 2026!").await.unwrap();
    assert!(slug.starts_with("acme/best-of-2026-0"), "{slug}");
    let inner = make(&place, &alice, "模型").await.unwrap();
    assert_eq!(inner.len(), "acme/".len() + 24, "no word of it may be in a URL");
    for (kind, id) in [("model", "acme/closed"), ("collection", inner.as_str()), ("model", "acme/open")] {
        hub.add_collection_item(&alice, &slug, (kind, id), None).await.unwrap();
    }
    let seen = async |who: &Principal| names(&hub.collection(who, &slug).await.unwrap());
    assert_eq!(seen(&alice).await, ["acme/closed", "模型", "acme/open"]);
    assert_eq!(seen(&bob).await, ["acme/closed", "模型", "acme/open"]);
    assert_eq!(seen(&carol).await, ["模型", "acme/open"]);
    let hide = CollectionChange { private: Some(true), ..CollectionChange::default() };
    hub.set_collection(&alice, &inner, hide.clone()).await.unwrap();
    assert_eq!(seen(&carol).await, ["acme/open"]);
    assert_eq!(seen(&Principal::ANONYMOUS).await, ["acme/open"]);
    hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
    assert_eq!(seen(&carol).await, [""; 0]);
    hub.rename_repo(&repo("acme/open"), &repo("acme/renamed")).await.unwrap();
    assert_eq!(seen(&bob).await, ["acme/closed", "模型", "acme/renamed"]);

    hub.set_collection(&alice, &slug, hide).await.unwrap();
    let never = slug.replace("acme/", "bob/");
    for (who, slug) in [(&carol, &slug), (&alice, &never), (&Principal::ANONYMOUS, &slug)] {
        assert_eq!(hub.collection(who, slug).await.unwrap_err().kind(), Kind::NotFound);
    }
    let listed = async |who: &Principal| {
        hub.collections(who, CollectionSearch { limit: 10, ..CollectionSearch::default() })
            .await
            .unwrap()
            .0
            .len()
    };
    assert_eq!((listed(&bob).await, listed(&carol).await), (2, 0));
    // Nor is a listing a way to learn that something is there.
    let search =
        CollectionSearch { items: vec!["models/acme/closed".to_owned()], limit: 10, ..Default::default() };
    assert_eq!(hub.collections(&carol, search).await.unwrap().0.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_write_to_its_namespace_changes_a_collection() {
    let place = fixture().await;
    let alice = place.login(token("alice")).await;
    let bob = place.login(token("bob")).await;
    let reading = place.login(crate::TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let limited = place.login(crate::TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
    let hub = &place.hub;
    let slug = make(&place, &alice, "Best").await.unwrap();
    hub.add_collection_item(&alice, &slug, ("model", "acme/open"), None).await.unwrap();
    let item = hub.collection(&alice, &slug).await.unwrap().items[0].id;
    for who in [&bob, &reading, &limited] {
        let change = || CollectionChange { title: Some("Mine".to_owned()), ..Default::default() };
        let made = hub.add_collection(who, "acme", change()).await.unwrap_err();
        let set = hub.set_collection(who, &slug, change()).await.unwrap_err();
        let added = hub.add_collection_item(who, &slug, ("model", "acme/open"), None).await.unwrap_err();
        let moved = hub.set_collection_item(who, &slug, item, None, Some(0)).await.unwrap_err();
        let taken = hub.delete_collection_item(who, &slug, item).await.unwrap_err();
        let deleted = hub.delete_collection(who, &slug).await.unwrap_err();
        for error in [made, set, added, moved, taken, deleted] {
            assert_eq!(error.kind(), Kind::Forbidden, "{error}");
        }
    }
    let stranger = hub.delete_collection(&Principal::ANONYMOUS, &slug).await.unwrap_err();
    assert_eq!(stranger.kind(), Kind::Unauthenticated);
    assert_eq!(make(&place, &alice, "Best").await.unwrap_err().message(), slug);
    let hidden = hub.add_collection_item(&bob, &slug, ("model", "acme/never"), None).await.unwrap_err();
    assert_eq!(hidden.kind(), Kind::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_texts_and_items_are_refused_and_change_nothing() {
    let place = fixture().await;
    let alice = place.login(token("alice")).await;
    let hub = &place.hub;
    let slug = make(&place, &alice, "Best").await.unwrap();
    for title in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert_eq!(make(&place, &alice, title).await.unwrap_err().kind(), Kind::Invalid, "{title:?}");
    }
    for change in [
        CollectionChange { theme: Some("beige".to_owned()), ..Default::default() },
        CollectionChange { position: Some(-1), ..Default::default() },
        CollectionChange { description: Some("x".repeat(1_001)), ..Default::default() },
    ] {
        assert_eq!(hub.set_collection(&alice, &slug, change).await.unwrap_err().kind(), Kind::Invalid);
    }
    for (kind, id, expected) in [
        ("paper", "2401.00001", Kind::Invalid),
        ("kernel", "acme/k", Kind::Invalid),
        ("model", "acme/never", Kind::NotFound),
        ("model", "open", Kind::NotFound),
        ("collection", "acme/never", Kind::NotFound),
        ("collection", &slug, Kind::Invalid),
    ] {
        let refused = hub.add_collection_item(&alice, &slug, (kind, id), None).await.unwrap_err();
        assert_eq!(refused.kind(), expected, "{kind} {id}");
    }
    assert_eq!(names(&hub.collection(&alice, &slug).await.unwrap()), [""; 0]);
}
