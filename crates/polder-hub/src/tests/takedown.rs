use super::*;

/// What is said to someone who asks for `at` in each way there is.
async fn told(hub: &Hub, who: &Principal, at: &str) -> [Option<Error>; 5] {
    let at = repo(at);
    [
        hub.see(who, &at).await.err(),
        hub.read(who, &at).await.err(),
        hub.write(who, &at).await.err(),
        hub.manage(who, &at).await.err(),
        hub.contribute(who, &at, Contribution::NewPull).await.err(),
    ]
}

/// Whether it is said to be disabled, for this reason, in each way.
async fn is_told(hub: &Hub, who: &Principal, at: &str, reason: &str) -> bool {
    told(hub, who, at).await.iter().all(|error| {
        error.as_ref().is_some_and(|error| {
            error.is_disabled() && error.kind() == Kind::Forbidden && error.message().ends_with(reason)
        })
    })
}

/// Whether each answer is that about a repository that never was.
async fn is_missing(hub: &Hub, who: &Principal, at: &str) -> bool {
    let words = |errors: [Option<Error>; 5], name: &str| {
        errors.map(|error| {
            error.map(|error| (error.kind(), error.is_disabled(), error.message().replace(name, "acme/it")))
        })
    };
    let (this, never) = (told(hub, who, at).await, told(hub, who, "acme/never").await);
    assert!(this.iter().all(Option::is_some));
    words(this, at) == words(never, "acme/never")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_could_write_are_told_that_a_repository_was_taken_down() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let alice = fixture.login(token("alice")).await;
    let to_read = fixture.login(TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let elsewhere = TokenRequest { repos: vec![repo("acme/closed")], ..token("alice") };
    let elsewhere = fixture.login(elsewhere).await;
    let (bob, carol) = (fixture.login(token("bob")).await, fixture.login(token("carol")).await);
    hub.take_down(&repo("acme/open"), "a claim", false).await.expect("taken down");
    assert!(is_told(hub, &alice, "acme/open", "down: a claim").await);
    for (n, who) in [Principal::ANONYMOUS, to_read, elsewhere.clone(), bob.clone(), carol].iter().enumerate()
    {
        assert!(is_missing(hub, who, "acme/open").await, "{n}");
    }
    hub.set_gate(&repo("acme/open"), Some(polder_types::Gate::Manual)).await.expect("gated");
    assert!(is_missing(hub, &bob, "acme/open").await);
    hub.take_down(&repo("acme/closed"), "another", false).await.expect("taken down");
    assert!(is_told(hub, &elsewhere, "acme/closed", "down: another").await);
    assert!(is_missing(hub, &bob, "acme/closed").await);

    // Under its former name, too; and what is back is there for all.
    hub.rename_repo(&repo("acme/closed"), &repo("acme/shut")).await.expect("renamed");
    assert!(is_told(hub, &alice, "acme/closed", "took `acme/shut` down: another").await);
    hub.set_gate(&repo("acme/open"), None).await.expect("open");
    hub.undo_takedown(&repo("acme/open")).await.expect("put back");
    assert!(told(hub, &alice, "acme/open").await.iter().all(Option::is_none));
    hub.read(&bob, &repo("acme/open")).await.expect("readable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_missing_for_all() {
    let fixture = fixture().await;
    let alice = fixture.login(token("alice")).await;
    fixture.hub.take_down(&repo("acme/open"), "a claim", true).await.expect("taken down");
    assert!(is_missing(&fixture.hub, &alice, "acme/open").await);
}
