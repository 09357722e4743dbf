use polder_types::Gate;
use serde_json::{Map, json};

use super::*;
use crate::gate::ACCESS_FIELDS_BYTES_MAX;

/// What someone may do with `acme/open`: see it, read it, write to it.
async fn rights(hub: &Hub, who: &Principal) -> [Option<Kind>; 3] {
    let at = repo("acme/open");
    [
        hub.see(who, &at).await.err().map(|error| error.kind()),
        hub.read(who, &at).await.err().map(|error| error.kind()),
        hub.write(who, &at).await.err().map(|error| error.kind()),
    ]
}

fn fields(of: usize) -> Map<String, serde_json::Value> {
    let mut fields = Map::new();
    fields.insert("why".to_owned(), json!("x".repeat(of)));
    fields
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_lets_everyone_see_and_only_members_and_the_accepted_read() {
    use Kind::{Forbidden, NotFound, Unauthenticated};
    let fixture = fixture().await;
    let (hub, at) = (&fixture.hub, repo("acme/open"));
    let alice = fixture.login(token("alice")).await;
    let bob = fixture.login(token("bob")).await;
    let carol = fixture.login(token("carol")).await;
    let elsewhere = TokenRequest { repos: vec![repo("acme/closed")], ..token("carol") };
    let elsewhere = fixture.login(elsewhere).await;
    hub.set_gate(&at, Some(Gate::Manual)).await.expect("gated");
    assert_eq!(rights(hub, &alice).await, [None, None, None]);
    assert_eq!(rights(hub, &bob).await, [None, None, Some(Forbidden)]);
    assert_eq!(rights(hub, &carol).await, [None, Some(Forbidden), Some(Forbidden)]);
    let nobody = rights(hub, &Principal::ANONYMOUS).await;
    assert_eq!(nobody, [None, Some(Unauthenticated), Some(Unauthenticated)]);
    let told = hub.read(&carol, &at).await.expect_err("gated");
    assert!(told.is_gated() && told.message().contains("http://hub.example/acme/open"), "{told}");

    // What was proven before is proven no longer, and what is accepted counts at once.
    let seen = hub.see(&carol, &at).await.expect("seen");
    let asked = hub.ask_access(&seen, fields(10)).await.expect("asked");
    assert_eq!(rights(hub, &carol).await[1], Some(Forbidden), "it is not decided");
    let manager = hub.manage(&alice, &at).await.expect("an administrator");
    hub.decide_access(&manager, Asked::Id(asked.id), AccessStatus::Accepted, None).await.expect("accepted");
    assert_eq!(rights(hub, &carol).await, [None, None, Some(Forbidden)]);
    assert_eq!(rights(hub, &elsewhere).await[1], Some(Forbidden), "a token for other repositories");
    let grant = hub.read(&carol, &at).await.expect("may read");
    let reads = async |user: &str| {
        let account = hub.account(&name(user)).await.expect("there");
        hub.account_reads(&account, grant.repo_row()).await.expect("decided")
    };
    assert!(reads("carol").await && reads("bob").await, "for what is told to webhooks");
    hub.read_again(&carol, grant.repo_id()).await.expect("still");
    let no = Some("no".to_owned());
    hub.decide_access(&manager, Asked::Id(asked.id), AccessStatus::Rejected, no).await.expect("rejected");
    assert_eq!(hub.read_again(&carol, grant.repo_id()).await.expect_err("no more").kind(), Forbidden);

    // Access to what becomes private is none.
    hub.grant_access(&manager, &name("carol")).await.expect("granted");
    hub.set_visibility(&at, Visibility::Private).await.expect("hidden");
    assert_eq!(rights(hub, &carol).await, [Some(NotFound); 3]);
    hub.set_visibility(&at, Visibility::Public).await.expect("shown");
    assert_eq!(rights(hub, &carol).await, [None, None, Some(Forbidden)]);
    hub.set_gate(&at, None).await.expect("open");
    assert_eq!(rights(hub, &Principal::ANONYMOUS).await[1], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_bounded_and_needs_an_account_and_a_gate() {
    let fixture = fixture().await;
    let (hub, at) = (&fixture.hub, repo("acme/open"));
    let carol = fixture.login(token("carol")).await;
    let ask = async |who: &Principal, of| {
        let seen = hub.see(who, &at).await.expect("seen");
        hub.ask_access(&seen, fields(of)).await.map(|asked| asked.status).map_err(|error| error.kind())
    };
    assert_eq!(ask(&carol, 1).await, Err(Kind::Conflict), "there is no gate");
    hub.set_gate(&at, Some(Gate::Auto)).await.expect("gated");
    assert_eq!(ask(&Principal::ANONYMOUS, 1).await, Err(Kind::Unauthenticated));
    assert_eq!(ask(&carol, ACCESS_FIELDS_BYTES_MAX).await, Err(Kind::TooLarge));
    assert_eq!(hub.list_access_requests(&at, AccessStatus::Accepted).await.expect("listed"), []);
    assert_eq!(ask(&carol, 1).await, Ok(AccessStatus::Accepted));
    hub.decide_request(&at, &name("carol"), AccessStatus::Rejected).await.expect("decided");
    assert_eq!(ask(&carol, 1).await, Ok(AccessStatus::Rejected));
    let again = hub.decide_request(&at, &name("carol"), AccessStatus::Rejected).await;
    assert_eq!(again.expect_err("already").kind(), Kind::Conflict);

    let alice = fixture.login(token("alice")).await;
    let manager = hub.manage(&alice, &at).await.expect("an administrator");
    for (user, kind) in [("bob", Kind::Invalid), ("acme", Kind::Invalid), ("nobody", Kind::NotFound)] {
        let refused = hub.grant_access(&manager, &name(user)).await.expect_err("refused");
        assert_eq!(refused.kind(), kind, "{user}");
    }
    let query = AuditQuery { since: None, repo: Some(at), user: None, limit: 100 };
    let audit = hub.list_audit(&query).await.expect("listed");
    let actions: Vec<_> = audit.iter().map(|entry| (entry.action.as_str(), entry.detail.as_str())).collect();
    let decided = r#"{"account":"carol","status":"rejected"}"#;
    assert!(
        actions.contains(&("access.decide", decided)) && actions.contains(&("access.ask", "{}")),
        "{actions:?}"
    );
}
