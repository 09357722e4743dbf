//! Whom the operator may trust, and when that ends.

use polder_types::Role;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cannot_trust_too_much_by_mistake() {
    let place = Place::new().await;
    let good = || trust(&place.issuer);
    let many = (0..9).map(|n| (format!("claim{n}"), "x".to_owned())).collect();
    let claim = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let twice = [claim("ref", "a"), claim("ref", "b")].concat();
    for (what, request) in [
        ("too broad", TrustRequest { subject: "repo:*".to_owned(), ..good() }),
        ("anybody", TrustRequest { subject: "*".to_owned(), ..good() }),
        ("a reader", TrustRequest { user: name("bob"), ..good() }),
        ("a stranger", TrustRequest { user: name("carol"), ..good() }),
        ("an organisation", TrustRequest { user: name("acme"), ..good() }),
        ("in clear", TrustRequest { issuer: "http://issuer.example".to_owned(), ..good() }),
        ("in clear near by", TrustRequest { issuer: "http://10.0.0.1".to_owned(), ..good() }),
        ("no issuer", TrustRequest { issuer: "issuer.example".to_owned(), ..good() }),
        ("with a query", TrustRequest { issuer: "https://issuer.example/?x".to_owned(), ..good() }),
        ("with a password", TrustRequest { issuer: "https://a:b@issuer.example".to_owned(), ..good() }),
        ("many claims", TrustRequest { claims: many, ..good() }),
        ("a claim twice", TrustRequest { claims: twice, ..good() }),
        ("its own claim", TrustRequest { claims: claim("sub", "x"), ..good() }),
        ("a claim without a name", TrustRequest { claims: claim("", "x"), ..good() }),
    ] {
        let error = place.hub.trust(&Trusting::Repo(repo(AT)), request).await.expect_err(what);
        assert_eq!(error.kind(), Kind::Invalid, "{what}: {error}");
    }
    let nowhere = place.hub.trust(&Trusting::Repo(repo("acme/nothing")), good()).await;
    assert_eq!(nowhere.expect_err("not here").kind(), Kind::NotFound);
    let listed = place.hub.publishers(None).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((listed[0].id, listed[0].trusting.clone()), (place.publisher, Trusting::Repo(repo(AT))));
    assert_eq!(listed[0].claims["environment"], "release");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trusted_no_longer_has_nothing_any_more() {
    let place = Place::new().await;
    let exchanged = place.signed_by(&place.key).await.unwrap();
    place.holder(&exchanged).await.expect("valid");
    for (elsewhere, id) in
        [(Trusting::User(name("alice")), place.publisher), (Trusting::Repo(repo(AT)), PublisherId(1))]
    {
        let error = place.hub.untrust(&elsewhere, id).await.expect_err("not there");
        assert_eq!(error.kind(), Kind::NotFound);
    }
    place.hub.untrust(&Trusting::Repo(repo(AT)), place.publisher).await.unwrap();
    assert_eq!(place.holder(&exchanged).await.expect_err("revoked").kind(), Kind::Unauthenticated);
    refused(place.signed_by(&place.key).await, "trusted no longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_what_its_user_may_at_each_use_and_follows_the_repository() {
    let place = Place::new().await;
    let request = TrustRequest { user: name("carol"), ..trust(&place.issuer) };
    place.hub.set_member(&name("acme"), &name("carol"), Role::Write).await.unwrap();
    place.hub.untrust(&Trusting::Repo(repo(AT)), place.publisher).await.unwrap();
    place.hub.trust(&Trusting::Repo(repo(AT)), request).await.unwrap();
    let exchanged = place.signed_by(&place.key).await.unwrap();
    let job = place.holder(&exchanged).await.unwrap();
    place.hub.write(&job, &repo(AT)).await.expect("as carol may");

    place.hub.rename_repo(&repo(AT), &repo("acme/renamed")).await.unwrap();
    place.hub.write(&job, &repo("acme/renamed")).await.expect("the same repository");
    place.signed_by(&place.key).await.expect("by its old name");
    let claims = place.claims();
    place.exchange_for(&place.key.sign(&claims), "acme/renamed").await.expect("by its new name");

    place.hub.set_member(&name("acme"), &name("carol"), Role::Read).await.unwrap();
    let error = place.hub.write(&job, &repo("acme/renamed")).await.expect_err("carol may not");
    assert_eq!(error.kind(), Kind::Forbidden);

    place.hub.delete_repo(&repo("acme/renamed")).await.unwrap();
    assert_eq!(place.holder(&exchanged).await.expect_err("revoked").kind(), Kind::Unauthenticated);
    refused(place.signed_by(&place.key).await, "nothing is here");
    assert_eq!(place.hub.publishers(None).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_in_the_audit_log() {
    let place = Place::new().await;
    place.signed_by(&place.key).await.unwrap();
    refused(place.exchange_for(&place.key.sign(&place.claims()), "acme/open").await, "another");
    place.hub.untrust(&Trusting::Repo(repo(AT)), place.publisher).await.unwrap();
    let query = crate::AuditQuery { limit: 1_000, ..crate::AuditQuery::default() };
    let rows = place.hub.list_audit(&query).await.unwrap();
    let found = |action: &str, result: &str| {
        let row = rows.iter().find(|row| row.action == action && row.result == result);
        let detail = row.unwrap_or_else(|| panic!("{action} {result}")).detail.clone();
        serde_json::from_str::<Value>(&detail).unwrap()
    };
    let id = place.publisher.to_string();
    let trusted = found("publisher.trust", "ok");
    assert_eq!((&trusted["publisher"], &trusted["user"]), (&json!(id), &json!("alice")));
    assert_eq!(trusted["claims"], json!({"environment": "release"}));
    let given = found("token.exchange", "ok");
    assert_eq!((&given["publisher"], &given["subject"]), (&json!(id), &json!(SUBJECT)));
    assert!(given["token"].is_string(), "{given}");
    let not = found("token.exchange", "refused");
    assert_eq!(
        (&not["error"], &not["resource"]),
        (&json!("nobody is trusted for this"), &json!("acme/open"))
    );
    assert_eq!(not["claimed_subject"], SUBJECT);
    assert_eq!(found("publisher.untrust", "ok")["publisher"], id);
}
