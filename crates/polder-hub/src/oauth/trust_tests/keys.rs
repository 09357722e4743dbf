//! Which keys prove what, and when an issuer is asked for them.

use jsonwebtoken::{Algorithm, Header};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_proves_what_it_is_for() {
    let place = Place::new().await;
    let rs256 = Key::rsa("rs", Algorithm::RS256);
    let ps256 = Key::rsa("ps", Algorithm::PS256);
    let es256 = Key::p256("es");
    place.issuer.publish(&[&rs256, &ps256, &es256, &place.key]);
    for key in [&rs256, &ps256, &es256, &place.key] {
        let answer = place.signed_by(key).await;
        assert!(answer.is_ok(), "{:?}: {answer:?}", key.header.alg);
    }
    assert_eq!(place.issuer.asked(), ["/.well-known/openid-configuration", "/keys"], "once for all");
    // A key that is for one way of signing is for no other of its kind. Not before the issuer is asked again.
    place.pass_seconds(60);
    let other_way = Header { alg: Algorithm::PS256, ..rs256.header.clone() };
    refused(
        place.exchange(&rs256.sign_with(&other_way, &place.claims())).await,
        "PS256 with a key for RS256",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_key_proves_anything() {
    let place = Place::new().await;
    let evil = Key::ed25519("first");
    refused(place.signed_by(&evil).await, "another key of the same name");
    let elsewhere = Issuer::start(&[&evil]).await;
    let jwk = serde_json::from_value(evil.public.clone()).unwrap();
    let brings = Header { jwk: Some(jwk), ..evil.header.clone() };
    refused(place.exchange(&evil.sign_with(&brings, &place.claims())).await, "a key that it brings along");
    let url = format!("{}/keys", elsewhere.url());
    let points = Header { jku: Some(url.clone()), x5u: Some(url), ..evil.header.clone() };
    refused(place.exchange(&evil.sign_with(&points, &place.claims())).await, "a key that it points to");
    assert_eq!(elsewhere.asked().len(), 0);

    let place = Place::new().await;
    let mut keys = [Key::ed25519("enc"), Key::ed25519("ops"), Key::ed25519("alg"), Key::p256("curve")];
    keys[0].public["use"] = "enc".into();
    keys[1].public["key_ops"] = json!(["sign"]);
    keys[2].public["alg"] = "ES256".into();
    keys[3].public["crv"] = "P-384".into();
    place.issuer.publish(&keys.iter().collect::<Vec<_>>());
    for key in &keys {
        refused(place.signed_by(key).await, &key.public.to_string());
        place.pass_seconds(60);
    }
    // The public half of a pair, given out as if it were a secret.
    let place = Place::new().await;
    let secret = json!({"kty": "oct", "kid": "first", "k": place.key.public["x"], "alg": "HS256"});
    place.issuer.publish_raw(&json!({"keys": [secret, 7, {"kty": "new"}]}).to_string());
    refused(place.signed_by(&place.key).await, "a secret is no public key");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_issuer_says_is_bounded_and_leads_nowhere_else() {
    let place = Place::new().await;
    let (url, elsewhere) = (place.issuer.url(), Issuer::start(&[&place.key]).await);
    let own = format!("{url}/keys");
    let many: Vec<_> = (0..101).map(|_| place.key.public.clone()).collect();
    let there = format!("{}/keys", elsewhere.url());
    let private = ["https://10.0.0.1/keys", "https://169.254.169.254/keys", "https://127.0.0.1:1/keys"];
    let places =
        private.iter().copied().chain([there.as_str(), "http://1.1.1.1/keys", "file:///etc/passwd", ""]);
    for keys in places {
        place.issuer.describe(&url, keys);
        unavailable(place.signed_by(&place.key).await, keys);
        place.pass_seconds(10);
    }
    place.issuer.describe(&elsewhere.url(), &own);
    unavailable(place.signed_by(&place.key).await, "it says it is another");
    place.pass_seconds(10);
    place.issuer.describe(&url, &own);
    for head in
        [format!("302 Found\r\nlocation: {there}\r\n"), "500 Oh\r\n".to_owned(), "204 No\r\n".to_owned()]
    {
        place.issuer.answer_for_keys(&head);
        unavailable(place.signed_by(&place.key).await, &head);
        place.pass_seconds(10);
    }
    let large = json!({"keys": [place.key.public], "more": "x".repeat(256 << 10)});
    for body in [json!({ "keys": many }), large, json!([]), json!({"keys": {}})] {
        place.issuer.publish_raw(&body.to_string());
        unavailable(place.signed_by(&place.key).await, "a list that is none");
        place.pass_seconds(10);
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
    place.issuer.publish(&[&place.key]);
    place.signed_by(&place.key).await.expect("once it answers as it should");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_asked_now_and_then_and_its_keys_outlast_its_absence() {
    let place = Place::new().await;
    place.signed_by(&place.key).await.unwrap();
    place.pass_seconds(3599);
    place.signed_by(&place.key).await.unwrap();
    assert_eq!(place.issuer.asked().len(), 2, "an hour");

    // Another key: asked for at once, but not each time that somebody shows what is signed with none.
    let (next, never) = (Key::ed25519("next"), Key::ed25519("never"));
    place.issuer.publish(&[&next]);
    place.signed_by(&next).await.expect("the issuer has another key now");
    assert_eq!(unavailable(place.signed_by(&place.key).await, "which took the place of the first"), 60);
    place.pass_seconds(59);
    assert_eq!(unavailable(place.signed_by(&never).await, "it may have it by now"), 1);
    assert_eq!(place.issuer.asked().len(), 2, "a minute");
    place.pass_seconds(1);
    refused(place.signed_by(&never).await, "no key of it");
    assert_eq!(place.issuer.asked().len(), 2);

    place.issuer.answer_for_keys("503 Later\r\n");
    place.pass_seconds(3600);
    place.signed_by(&next).await.expect("what it said before is good still");
    assert_eq!(unavailable(place.signed_by(&never).await, "nobody knows"), 10);
    place.pass_seconds(9);
    place.signed_by(&next).await.expect("good still");
    assert_eq!(place.issuer.asked().len(), 2, "ten seconds");
    place.pass_seconds(24 * 3600);
    unavailable(place.signed_by(&next).await, "too old");
    place.issuer.publish(&[&next]);
    unavailable(place.signed_by(&next).await, "asked a moment ago");
    place.pass_seconds(10);
    place.signed_by(&next).await.expect("it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_ask_an_issuer_once() {
    let place = Arc::new(Place::new().await);
    let id_token = place.key.sign(&place.claims());
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (place, id_token) = (Arc::clone(&place), id_token.clone());
            tokio::spawn(async move { place.exchange(&id_token).await.map(drop) })
        })
        .collect();
    for one in all {
        one.await.unwrap().expect("given");
    }
    assert_eq!(place.issuer.asked().len(), 2);
}
