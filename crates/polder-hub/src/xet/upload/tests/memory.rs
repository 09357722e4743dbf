use polder_types::Role;

use super::*;

pub(super) async fn memory<L: Contributes>(hub: &Hub, grant: &Grant<L>) -> String {
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

/// Only what may be due to a memory ends one; else each failure would have everything sent again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_whoever_sends_it_is_no_reason_to_forget() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"some bytes"]);
    send(hub, &grant, &xorb).await.expect("taken");
    let said = Said::of(&[(&xorb, 0..1)]);
    let before = memory(hub, &grant).await;
    let lies = Said { sha256: Some(sha256(b"others")), ..said.clone() };
    for wrong in [b"no shard".to_vec(), shard(&[lies], &[]), shard(&[said.clone(), said.clone()], &[])] {
        let refused = accept(hub, &grant, &wrong).await.expect_err("wrong");
        assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
        assert_eq!(memory(hub, &grant).await, before, "{refused}");
    }
    // Of a run that was longer here once, as where other files of its xorb were lost.
    let mut longer = said;
    longer.terms[0].2 = 0..2;
    accept(hub, &grant, &shard(&[longer], &[])).await.expect_err("not all of it is here");
    assert_ne!(memory(hub, &grant).await, before);
}

/// Mallory may propose changes to what is public, and keeps naming what was never sent. Only Mallory forgets.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_proposes_lets_nobody_else_forget() {
    let fixture = fixture().await;
    let (hub, writer) = (&fixture.hub, fixture.writer("acme/open").await);
    let login = fixture.login(token("carol")).await;
    let mallory = hub.contribute(&login, &repo("acme/open"), Contribution::NewPull).await.expect("may");
    let own = carol(&fixture).await;
    let (writers, elsewhere) = (memory(hub, &writer).await, memory(hub, &own).await);
    let xorb = Made::of(&[b"never sent"]);
    let shard = shard(&[Said::of(&[(&xorb, 0..1)])], &[]);
    let before = memory(hub, &mallory).await;
    accept(hub, &mallory, &shard).await.expect_err("never sent");
    let after = memory(hub, &mallory).await;
    assert_ne!(after, before, "all is sent next time");
    assert_eq!((memory(hub, &writer).await, memory(hub, &own).await), (writers, elsewhere));
    send(hub, &mallory, &xorb).await.expect("taken");
    accept(hub, &mallory, &shard).await.expect("accepted");
    assert_eq!(memory(hub, &mallory).await, after);
}

/// Mallory sends chunks, makes no file of them, and lets them expire, again and again. Nobody else could name them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proposer_never_finishes_lets_nobody_else_forget() {
    let fixture = fixture().await;
    let (hub, writer) = (&fixture.hub, fixture.writer("acme/open").await);
    let login = fixture.login(token("carol")).await;
    let mallory = hub.contribute(&login, &repo("acme/open"), Contribution::NewPull).await.expect("may");
    let expire = async || {
        fixture.pass_seconds(KEPT_SECONDS + 1);
        hub.sweep_xorbs().await.expect("swept");
        assert_eq!(stored(hub).1, 0);
    };
    let xorb = Made::of(&[b"no file's"]);
    send(hub, &mallory, &xorb).await.expect("taken");
    let (own, others) = (memory(hub, &mallory).await, memory(hub, &writer).await);
    expire().await;
    let after = memory(hub, &mallory).await;
    assert_ne!(after, own, "all is sent next time");
    assert_eq!(memory(hub, &writer).await, others);
    // Who may write is trusted with what all remember.
    send(hub, &writer, &xorb).await.expect("taken");
    expire().await;
    assert_ne!(memory(hub, &writer).await, others);
}
