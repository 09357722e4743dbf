use polder_db::{NewRepo, RemoteNamespace};
use polder_types::Sha256;

use super::*;

pub(super) const MIRROR: &str = "acme.other.example/m";

/// A mirror of `acme/m` of another hub, which is `acme.other.example/m` and for short `friends/m` here.
pub(super) async fn mirror(fixture: &Fixture) -> polder_types::RepoId {
    let namespace = RemoteNamespace {
        name: name("acme.other.example"),
        nsid: Sha256::new([1; 32]),
        home: "https://other.example".to_owned(),
    };
    let db = &fixture.hub.db;
    db.open_remote_namespace(namespace).await.expect("opened");
    let new = NewRepo {
        name: repo(MIRROR),
        visibility: Visibility::Public,
        actor: None,
        rid: [1; 32],
        upstream: Some(7),
    };
    let made = db.create_repo(new).await.expect("created");
    db.withhold_repo(made.id, None).await.expect("shown");
    db.add_namespace_alias(name("friends"), name("acme.other.example")).await.expect("named");
    fixture.hub.names.clear();
    made.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_read_under_both_names_and_written_under_none() {
    let fixture = fixture().await;
    mirror(&fixture).await;
    let hub = &fixture.hub;
    let alice = fixture.login(token("alice")).await;
    hub.add_user(&name("zoe"), true).await.expect("added");
    let root = fixture.login(token("zoe")).await;
    for at in [MIRROR, "Friends/M"] {
        let grant = hub.read(&Principal::ANONYMOUS, &repo(at)).await.expect("readable");
        assert_eq!(grant.repo(), &repo(MIRROR));
        for who in [&Principal::ANONYMOUS, &alice, &root] {
            let error = hub.write(who, &repo(at)).await.expect_err("refused");
            assert_eq!(error.kind(), Kind::Mirrored);
            assert!(error.message().contains("https://other.example/acme/m"), "{error}");
        }
        for refused in [
            hub.set_visibility(&repo(at), Visibility::Private).await,
            hub.rename_repo(&repo(at), &repo("acme/mine")).await,
            hub.set_default_branch(&repo(at), "main").await,
        ] {
            assert_eq!(refused.expect_err("refused").kind(), Kind::Mirrored);
        }
        let request = TrustRequest {
            user: name("zoe"),
            issuer: "https://issuer.example".to_owned(),
            subject: "repo:acme/ci:*".to_owned(),
            claims: Vec::new(),
        };
        let trusted = hub.trust(&Trusting::Repo(repo(at)), request).await;
        assert_eq!(trusted.expect_err("nobody writes to it").kind(), Kind::Mirrored);
    }
    hub.add_user(&name("friends"), false).await.expect("added");
    let error = hub.read(&alice, &repo("friends/m")).await.expect_err("a local account wins");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_other_hubs_are_not_given_out_here() {
    let fixture = fixture().await;
    mirror(&fixture).await;
    let hub = &fixture.hub;
    for refused in [
        hub.add_user(&name("bob.other.example"), false).await,
        hub.add_org(&name("bob.other.example"), &name("alice")).await,
        hub.add_repo(&repo("acme.other.example/mine"), Visibility::Public).await,
        hub.rename_repo(&repo("acme/open"), &repo("acme.other.example/open")).await,
        hub.set_member(&name("acme.other.example"), &name("alice"), Role::Admin).await,
    ] {
        assert_eq!(refused.expect_err("refused").kind(), Kind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_know_of_what_is_withheld() {
    let fixture = fixture().await;
    let id = mirror(&fixture).await;
    let hub = &fixture.hub;
    hub.add_user(&name("zoe"), true).await.expect("added");
    hub.db.withhold_repo(id, Some("private".to_owned())).await.expect("withheld");
    hub.names.clear();
    for who in [Principal::ANONYMOUS, fixture.login(token("alice")).await] {
        for at in [MIRROR, "friends/m"] {
            let withheld = hub.read(&who, &repo(at)).await.expect_err("withheld");
            let missing = hub.read(&who, &repo(&at.replace("/m", "/x"))).await.expect_err("missing");
            assert_eq!(withheld.kind(), missing.kind());
            assert_eq!(withheld.message().replace("/m`", "/x`"), missing.message());
            assert_eq!(hub.write(&who, &repo(at)).await.expect_err("withheld").kind(), missing.kind());
        }
    }
    let root = fixture.login(token("zoe")).await;
    hub.read(&root, &repo(MIRROR)).await.expect("administrators see it");
    for why in ["takedown", "blocked"] {
        hub.db.withhold_repo(id, Some(why.to_owned())).await.expect("withheld");
        hub.names.clear();
        assert_eq!(hub.read(&root, &repo(MIRROR)).await.expect_err("banned").kind(), Kind::NotFound);
    }
}
