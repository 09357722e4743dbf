//! What a genuine token gives, and what does not fit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use polder_types::{Role, Visibility};

use super::*;

fn base64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_job_writes_to_that_repository_for_an_hour_and_does_nothing_else() {
    let place = Place::new().await;
    place.hub.add_repo(&repo("acme/third"), Visibility::Private).await.unwrap();
    let id_token = place.key.sign(&place.claims());
    let first = place.exchange(&id_token).await.unwrap();
    let second = place.exchange(&id_token).await.expect("each process of a job shows the same");
    assert_ne!(first.token.reveal(), second.token.reveal());
    assert_eq!((first.scope, first.expires_in_seconds), (Role::Write, 3600));

    let job = place.holder(&first).await.unwrap();
    assert_eq!(job.name(), Some("alice"));
    place.hub.write(&job, &repo(AT)).await.expect("that is what it is for");
    for (at, kind) in [("acme/open", Kind::Forbidden), ("acme/third", Kind::NotFound)] {
        assert_eq!(place.hub.write(&job, &repo(at)).await.expect_err(at).kind(), kind, "{at}");
    }
    let account_wide = place.hub.webhooks(&job).await.expect_err("not for an account");
    assert_eq!(account_wide.kind(), Kind::Forbidden);
    let start = place.hub.start_device_login("client", "", None).await.unwrap();
    let login = place.hub.device_request(&job, &start.user_code).await.expect_err("would outlive the trust");
    assert_eq!(login.kind(), Kind::Forbidden);

    let listed = place.hub.list_tokens(Some(&name("alice"))).await.unwrap();
    let called = format!("127.0.0.1:{} {SUBJECT}", place.issuer.url().rsplit_once(':').unwrap().1);
    assert_eq!(listed.iter().filter(|token| token.name.as_deref() == Some(&called)).count(), 2, "{listed:?}");
    place.pass_seconds(3600);
    assert_eq!(place.holder(&first).await.expect_err("over").kind(), Kind::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_trusts_a_job_lets_it_read_what_they_may() {
    let place = Place::new().await;
    let id_token = place.key.sign(&place.claims());
    refused(place.exchange_for(&id_token, "alice").await, "a repository's is not a user's");
    place.hub.trust(&Trusting::User(name("alice")), trust(&place.issuer)).await.unwrap();
    let exchanged = place.exchange_for(&id_token, "Alice").await.unwrap();
    assert_eq!(exchanged.scope, Role::Read);
    let job = place.holder(&exchanged).await.unwrap();
    place.hub.read(&job, &repo(AT)).await.expect("as alice may");
    assert_eq!(place.hub.write(&job, &repo(AT)).await.expect_err("reads").kind(), Kind::Forbidden);
    refused(place.exchange_for(&id_token, "bob").await, "another user");
    refused(place.exchange_for(&id_token, "acme").await, "an organisation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_does_not_fit_is_refused_and_nobody_is_asked_for_a_key() {
    let place = Place::new().await;
    let now = place.now();
    let other = Issuer::start(&[&place.key]).await;
    for (changes, why) in [
        (json!({"iss": other.url()}), "its issuer"),
        (json!({"iss": format!("{}/", place.issuer.url())}), "its issuer"),
        (json!({"iss": null}), "its issuer"),
        (json!({"iss": [place.issuer.url()]}), "its issuer"),
        (json!({"sub": "repo:acme/ci-evil:ref:refs/heads/main"}), "its subject"),
        (json!({"sub": "repo:evil/ci:ref:refs/heads/main"}), "its subject"),
        (json!({"sub": null}), "its subject"),
        (json!({"sub": format!("repo:acme/ci:{}", "x".repeat(600))}), "its subject"),
        (json!({"environment": "test"}), "it does not claim"),
        (json!({"environment": ["release"]}), "it does not claim"),
        (json!({"environment": null}), "it does not claim"),
        (json!({"aud": "http://other.example"}), "it is for another"),
        (json!({"aud": "http://hub.example//"}), "it is for another"),
        (json!({"aud": "http://hub.example.evil.example"}), "it is for another"),
        (json!({"aud": "HTTP://hub.example"}), "it is for another"),
        (json!({"aud": []}), "it is for another"),
        (json!({"aud": null}), "it is for another"),
        (json!({"exp": now - 60}), "it lives"),
        (json!({"iat": now - 600, "exp": now - 60}), "it has ended"),
        (json!({"exp": null}), "it does not say when it ends"),
        (json!({"iat": null}), "it does not say when it was made"),
        (json!({"exp": "never"}), "it has no readable times"),
        (json!({"exp": 1e300}), "it has no readable times"),
        (json!({"iat": now + 61, "exp": now + 600}), "it is not valid yet"),
        (json!({"nbf": now + 61}), "it is not valid yet"),
        (json!({"nbf": "soon"}), "it has no readable times"),
        (json!({"exp": now + 24 * 3600 + 1}), "it lives for more"),
        (json!({"exp": i64::MAX, "iat": i64::MIN}), "it lives for more"),
    ] {
        refused(place.exchange(&place.key.sign(&place.claims_with(&changes))).await, &changes.to_string());
        let reason = place.reasons().await.pop().unwrap();
        assert!(reason.starts_with(why), "{changes}: {reason}");
    }
    let good = place.key.sign(&place.claims());
    for elsewhere in ["acme/open", "acme/nothing", "datasets/acme/closed", "acme.hub.example/closed"] {
        refused(place.exchange_for(&good, elsewhere).await, elsewhere);
    }
    for nothing in ["", "acme/../closed", "acme/closed/x", "a b", "//"] {
        let answer = place.exchange_for(&good, nothing).await;
        assert!(matches!(answer, Err(NoToken::BadTarget)), "{nothing}: {answer:?}");
    }
    assert_eq!((place.issuer.asked().len(), other.asked().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_may_differ_a_little_and_audiences_have_forms() {
    let place = Place::new().await;
    let now = place.now();
    for changes in [
        json!({"aud": "http://hub.example/"}),
        json!({"aud": ["https://else.example", "http://hub.example"]}),
        json!({"iat": now - 600, "exp": now - 59}),
        json!({"iat": now + 60, "exp": now + 600}),
        json!({"nbf": now + 60}),
        json!({"nbf": now - 9}),
        json!({"exp": now + 24 * 3600}),
        serde_json::from_str(&format!("{{\"iat\": {now}.5, \"exp\": {}.25}}", now + 9)).unwrap(),
    ] {
        let answer = place.exchange(&place.key.sign(&place.claims_with(&changes))).await;
        assert!(answer.is_ok(), "{changes}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_choose_whether_or_how_it_is_checked() {
    let place = Place::new().await;
    let claims = place.claims();
    let good = place.key.sign(&claims);
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let named = |alg: &str| base64(json!({"alg": alg, "typ": "JWT", "kid": "first"}).to_string());
    let public = place.key.public["x"].as_str().unwrap();
    // The public key of the issuer as the secret of an HMAC.
    let hs256 = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::HS256) };
    let as_secret = encode(
        &hs256,
        &claims,
        &EncodingKey::from_base64_secret(&format!("{public}=").replace('-', "+").replace('_', "/")).unwrap(),
    );
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..place.key.header.clone() };
    let nameless = Header { kid: None, ..place.key.header.clone() };
    let altered = base64(json!(place.claims_with(&json!({"sub": "repo:acme/ci:pull_request"}))).to_string());
    for (what, token) in [
        ("no signature", format!("{}.{payload}.", named("none"))),
        ("no signature in other letters", format!("{}.{payload}.", named("NONE"))),
        ("an HMAC", as_secret.unwrap()),
        ("another algorithm", format!("{}.{payload}.{signature}", named("RS256"))),
        ("a stripped signature", format!("{head}.{payload}.")),
        ("another payload", format!("{head}.{altered}.{signature}")),
        ("a critical extension", place.key.sign_with(&critical, &claims)),
        ("no name of a key", place.key.sign_with(&nameless, &claims)),
        ("two parts", format!("{head}.{payload}")),
        ("four parts", format!("{good}.x")),
        ("nothing", String::new()),
        ("no token", "pld_x".to_owned()),
        ("too much", format!("{good}{}", "A".repeat(16 << 10))),
    ] {
        refused(place.exchange(&token).await, what);
    }
    place.exchange(&good).await.expect("the one that is genuine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_shows_many_wrong_ones_has_to_wait() {
    let place = Place::new().await;
    let from = Some("192.0.2.1".parse().unwrap());
    let wrong = Secret::new("x");
    let mut last = None;
    for _ in 0..=crate::Limits::default().failed_logins_max {
        last = place.hub.exchange_id_token(&wrong, AT, from).await.err();
    }
    let Some(NoToken::Failed(error)) = last else { panic!("{last:?}") };
    assert_eq!(error.kind(), Kind::Throttled);
    place.signed_by(&place.key).await.expect("from elsewhere");
}

/// An issuer that changes its keys without telling ahead, while somebody has just made the hub ask.
#[tokio::test(flavor = "multi_thread")]
async fn who_shows_a_key_that_is_not_asked_for_yet_has_shown_nothing_wrong() {
    let place = Place::new().await;
    let from = Some("192.0.2.1".parse().unwrap());
    place.signed_by(&place.key).await.expect("so it was asked");
    let next = Key::ed25519("next");
    place.issuer.publish(&[&next]);
    let id_token = Secret::new(next.sign(&place.claims()));
    for _ in 0..=crate::Limits::default().failed_logins_max {
        let answer = place.hub.exchange_id_token(&id_token, AT, from).await;
        assert_eq!(unavailable(answer, "it is not known yet"), 60);
    }
    assert_eq!(place.reasons().await, Vec::<String>::new());
    place.pass_seconds(60);
    place.hub.exchange_id_token(&id_token, AT, from).await.expect("its address is as good as before");
}
