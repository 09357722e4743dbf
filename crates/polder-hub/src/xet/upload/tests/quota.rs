use super::*;

async fn used(hub: &Hub) -> (i64, i64) {
    let usage = hub.list_quotas(Some(&name("acme"))).await.expect("known").remove(0);
    (usage.blob_bytes, usage.reserved_bytes)
}

/// Bytes count while they wait and once as an object, and never twice.
#[tokio::test(flavor = "multi_thread")]
async fn xorbs_count_while_they_wait_and_their_files_in_their_place() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    hub.set_quota(&name("acme"), QuotaLimit::Bytes(250_000)).await.expect("set");
    let (first, second) = (Made::cut(&noise(1, 100_000)), Made::cut(&noise(2, 100_000)));
    send(hub, &grant, &first).await.expect("taken");
    send(hub, &grant, &first).await.expect("taken, and not counted again");
    send(hub, &grant, &second).await.expect("taken");
    assert_eq!(used(hub).await, (0, 200_000));
    let over = send(hub, &grant, &Made::cut(&noise(3, 100_000))).await.expect_err("over the quota");
    assert_eq!(over.kind(), Kind::OverQuota);
    assert_eq!(stored(hub).1, 2);

    let twice = Said::of(&[(&first, first.all()), (&second, second.all()), (&first, first.all())]);
    let over = accept(hub, &grant, &shard(&[twice], &[])).await.expect_err("over the quota");
    assert_eq!((over.kind(), used(hub).await, stored(hub)), (Kind::OverQuota, (0, 200_000), (0, 2)));
    let file = Said::of(&[(&first, first.all()), (&second, second.all())]);
    let forged = Said { sha256: Some(sha256(b"forged")), ..file.clone() };
    accept(hub, &grant, &shard(&[forged], &[])).await.expect_err("forged");
    assert_eq!((used(hub).await, stored(hub)), ((0, 200_000), (0, 2)), "they wait on");
    accept(hub, &grant, &shard(&[file], &[])).await.expect("accepted");
    assert_eq!((used(hub).await, stored(hub)), ((200_000, 0), (2, 0)));
    let (_, wrong) = hub.db.check_usage(None, 9).await.expect("checked");
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What one who may not write sends with Xet is bounded as it waits and as an object.
#[tokio::test(flavor = "multi_thread")]
async fn xorbs_of_who_may_not_write_count_for_them_while_they_wait_and_as_files() {
    const MAX: i64 = 250_000;
    let dir = tempfile::tempdir().expect("tempdir");
    let mut options = options_in(dir.path(), polder_types::Clock::System);
    options.limits.contributed_bytes_max = Some(MAX);
    let hub = &Hub::open(options).await.expect("opens");
    fill(hub).await;
    let secret = hub.add_token(token("carol")).await.expect("a token");
    let carol = hub.authenticate(Credentials::Token(secret), None).await.expect("valid");
    let grant = hub.contribute(&carol, &repo("acme/open"), Contribution::NewPull).await.expect("may propose");
    let account = grant.actor().expect("an account");
    let brought = async || hub.db.contributed(grant.repo_id(), account).await.expect("read").bytes;
    let (first, second) = (Made::cut(&noise(1, 100_000)), Made::cut(&noise(2, 100_000)));
    send(hub, &grant, &first).await.expect("taken");
    send(hub, &grant, &second).await.expect("taken");
    let over = send(hub, &grant, &Made::cut(&noise(3, 100_000))).await.expect_err("too much");
    assert_eq!((over.kind(), brought().await, stored(hub)), (Kind::OverQuota, 200_000, (0, 2)), "{over}");
    let twice = Said::of(&[(&first, first.all()), (&second, second.all()), (&first, first.all())]);
    let over = accept(hub, &grant, &shard(&[twice], &[])).await.expect_err("too much");
    assert_eq!((over.kind(), brought().await, stored(hub)), (Kind::OverQuota, 200_000, (0, 2)), "{over}");
    let file = Said::of(&[(&first, first.all()), (&second, second.all())]);
    accept(hub, &grant, &shard(&[file], &[])).await.expect("accepted");
    assert_eq!((brought().await, used(hub).await, stored(hub)), (200_000, (200_000, 0), (2, 0)));
}
