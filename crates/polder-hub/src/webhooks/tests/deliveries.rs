//! What is delivered, how often, and in which order.

use polder_types::Visibility;
use serde_json::{Value, json};

use super::super::deliver::signature;
use super::{Place, Received, events, header};
use crate::tests::repo;

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_to_a_repository_is_told_in_the_clients_shape() {
    let place = Place::new().await;
    let hook = place.hook(&[("org", "acme")]).await;
    let commit = place.commit("acme/open").await;
    place.hub.set_visibility(&repo("acme/open"), Visibility::Private).await.unwrap();
    place.hub.rename_repo(&repo("acme/open"), &repo("alice/new")).await.unwrap();
    place.hub.add_repo(&repo("datasets/acme/d"), Visibility::Public).await.unwrap();
    place.hub.add_repo(&repo("kernels/acme/k"), Visibility::Public).await.unwrap();
    place.hub.delete_repo(&repo("datasets/acme/d")).await.unwrap();
    let told = place.told().await;
    let triple =
        |action: &str, scope: &str, name: &str| (action.to_owned(), scope.to_owned(), name.to_owned());
    // What moved elsewhere is watched there.
    assert_eq!(
        events(&told),
        [triple("create", "repo", "acme/d"), triple("delete", "repo", "acme/d")],
        "as of the moment of telling"
    );
    let moved = place.hook(&[("model", "alice/new")]).await;
    place.hub.rename_repo(&repo("alice/new"), &repo("acme/back")).await.unwrap();
    place.hub.set_visibility(&repo("acme/back"), Visibility::Public).await.unwrap();
    let next = place.commit("acme/back").await;
    let told = place.told().await;
    let of_moved: Received =
        told.into_iter().filter(|(_, body)| body["webhook"]["id"] == format!("{:024x}", moved.id)).collect();
    assert_eq!(
        events(&of_moved),
        [
            triple("move", "repo", "alice/new"),
            triple("update", "repo.config", "acme/back"),
            triple("update", "repo.content", "acme/back")
        ]
    );
    let (_, body) = of_moved.last().unwrap();
    let repo_id = body["repo"]["id"].as_str().unwrap();
    assert!(repo_id.len() == 24 && body["repo"]["owner"]["id"].as_str().unwrap().len() == 24);
    assert_eq!(body["updatedRefs"], json!([{"ref": "refs/heads/main", "oldSha": commit, "newSha": next}]));
    assert_eq!(body["repo"]["headSha"], json!(next));
    assert_eq!((&body["repo"]["private"], &body["repo"]["type"]), (&json!(false), &json!("model")));
    let urls =
        json!({"web": "http://hub.example/acme/back", "api": "http://hub.example/api/models/acme/back"});
    assert_eq!(body["repo"]["url"], urls);
    assert_eq!(body["webhook"]["version"], json!(3));
    assert_eq!(of_moved[0].1["movedTo"]["name"], json!("acme/back"));
    assert_eq!(of_moved[1].1["updatedConfig"], json!({"private": false}));
    assert_eq!(place.state(&hook).await, (false, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_carries_the_secret_and_is_signed_over_time_id_and_body() {
    let place = Place::new().await;
    place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let told = place.told().await;
    let [(head, body)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(header(head, "x-webhook-secret").as_deref(), Some("s3cret"));
    let id = header(head, "x-polder-delivery").unwrap();
    let seconds = crate::tests::START / 1000;
    let expected = signature("s3cret", seconds, &id, &body.to_string()).unwrap();
    assert_eq!(header(head, "x-polder-signature"), Some(format!("t={seconds},v1={expected}")));
    for (secret, time, other, text) in [
        ("other", seconds, id.as_str(), body.to_string()),
        ("s3cret", seconds + 1, id.as_str(), body.to_string()),
        ("s3cret", seconds, "0", body.to_string()),
        ("s3cret", seconds, id.as_str(), "{}".to_owned()),
    ] {
        assert_ne!(signature(secret, time, other, &text).unwrap(), expected);
    }
    assert_eq!(head.lines().next(), Some("POST /hook HTTP/1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_tried_again_with_the_same_id_before_what_came_after_it() {
    let place = Place::new().await;
    let hook = place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let second = place.commit("acme/open").await;
    place.receiver.answer("500 Broken\r\n");
    let first = place.told().await;
    assert_eq!(first.len(), 1, "what comes after waits");
    assert_eq!(place.state(&hook).await, (false, Some("it answered with status 500".to_owned())));
    assert_eq!(place.told().await, [], "not before its time");
    place.pass(10);
    let again = place.told().await;
    assert_eq!(again.len(), 2);
    let id = |one: &(String, Value)| header(&one.0, "x-polder-delivery").unwrap();
    assert_eq!((id(&again[0]), &again[0].1), (id(&first[0]), &first[0].1));
    assert_ne!(id(&again[1]), id(&again[0]));
    assert_ne!(header(&again[0].0, "x-polder-signature"), header(&first[0].0, "x-polder-signature"));
    assert_eq!(again[1].1["updatedRefs"][0]["newSha"], json!(second));
    assert_eq!(place.state(&hook).await, (false, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_given_up_after_some_tries_and_a_webhook_after_some_days() {
    let place = Place::new().await;
    let hook = place.hook(&[("model", "acme/open")]).await;
    place.commit("acme/open").await;
    let last = place.commit("acme/open").await;
    for _ in 0..6 {
        place.receiver.answer("500 Broken\r\n");
    }
    for pause in [0, 10, 60, 300, 1_800, 7_200] {
        place.pass(pause);
        assert_eq!(place.told().await.len(), 1, "after {pause}");
    }
    place.pass(7_200);
    let told = place.told().await;
    assert_eq!(told.len(), 1, "the second, at once taken");
    assert_eq!(told[0].1["updatedRefs"][0]["newSha"], json!(last));

    place.commit("acme/open").await;
    for _ in 0..2 {
        place.receiver.answer("404 Gone\r\n");
    }
    assert_eq!(place.told().await.len(), 1);
    place.pass(3 * 86_400);
    assert_eq!(place.told().await.len(), 1);
    assert_eq!(place.state(&hook).await, (true, Some("it answered with status 404".to_owned())));
    place.commit("acme/open").await;
    place.pass(86_400);
    assert_eq!(place.told().await, []);
    place.hub.enable_webhook(&place.alice, hook.id, true).await.unwrap();
    place.commit("acme/open").await;
    assert_eq!(place.told().await.len(), 1, "only what came after");
}
