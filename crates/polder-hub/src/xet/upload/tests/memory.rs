use polder_types::Role;

use super::*;

async fn memory<L: Contributes>(hub: &Hub, grant: &Grant<L>) -> String {
    let token = hub.xet_write_token(grant).await.expect("a token");
    token.memory.expect("a word")
}

/// What one account sent for one repository another must send again, and so must a token that reads less.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_remembered_only_where_it_may_be_named() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let own = memory(hub, &grant).await;
    assert!(is_xet_memory(&own) && own == memory(hub, &grant).await, "{own}");
    let narrow = TokenRequest {
        user: name("alice"),
        scope: Role::Write,
        repos: vec![repo("acme/open")],
        lifetime_seconds: None,
    };
    let narrow = hub.write(&fixture.login(narrow).await, &repo("acme/open")).await.expect("may write");
    let proposer = fixture.login(token("carol")).await;
    let proposer = hub.contribute(&proposer, &repo("acme/open"), Contribution::NewPull).await.expect("may");
    let mut words = vec![
        own,
        memory(hub, &fixture.writer("acme/closed").await).await,
        memory(hub, &narrow).await,
        memory(hub, &proposer).await,
    ];
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 4, "{words:?}");
    // What is only read is the same wherever it lies.
    assert_eq!(hub.xet_read_token(&grant.as_read()).memory, None);
}

/// Nobody saw it go, as after a backup is restored: one upload fails, the next begins without a memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_what_is_not_here_forgets_it() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"some bytes"]);
    let shard = shard(&[Said::of(&[(&xorb, 0..1)])], &[]);
    let before = memory(hub, &grant).await;
    let refused = accept(hub, &grant, &shard).await.expect_err("never sent");
    assert!(refused.message().contains("upload again"), "{}", refused.message());
    let after = memory(hub, &grant).await;
    assert_ne!(after, before);
    send(hub, &grant, &xorb).await.expect("taken");
    accept(hub, &grant, &shard).await.expect("accepted");
    assert_eq!(memory(hub, &grant).await, after, "what is here is remembered");
}
