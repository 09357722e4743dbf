use super::*;

/// More than are linked at once.
const FILES: u32 = 1_001;

/// A shard of so many files is linked in more than one write. If the last of them fails, what was linked stays, like
/// large objects of a push that never came: whole, counted once, and in no way of the same shard when it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_linked_before_others_failed_are_whole_and_the_same_shard_completes_the_upload() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let contents: Vec<String> = (0..FILES).map(|n| format!("file {n:04}")).collect();
    let contents: Vec<&[u8]> = contents.iter().map(String::as_bytes).collect();
    let (xorb, bytes) = (Made::of(&contents), i64::try_from(contents.concat().len()).expect("small"));
    let files: Vec<Said> = (0..FILES).map(|n| Said::of(&[(&xorb, n..n + 1)])).collect();
    let all = shard(&files, std::slice::from_ref(&xorb));
    let oids: Vec<Sha256> = files.iter().map(|file| file.sha256.expect("said")).collect();
    let linked = async || hub.db.linked_blobs(grant.repo_id(), &oids).await.expect("read").len();
    let used = async || {
        let usage = hub.list_quotas(Some(&name("acme"))).await.expect("known").remove(0);
        (usage.blob_bytes, usage.reserved_bytes)
    };
    // Not one byte more than there is, all in all.
    hub.set_quota(&name("acme"), QuotaLimit::Bytes(bytes)).await.expect("set");
    send(hub, &grant, &xorb).await.expect("taken");
    hub.block(&BlockTarget::Object(oids[1_000]), "a test").await.expect("blocked");
    for _again in 0..2 {
        let refused = accept(hub, &grant, &all).await.expect_err("the last is blocked");
        assert_eq!(refused.kind(), Kind::Forbidden, "{refused}");
        assert_eq!((linked().await, stored(hub)), (1_000, (2_000, 1)), "the xorb waits on");
        assert_eq!(used().await, (bytes - 9, 0));
    }
    assert_eq!(read(hub, &grant, oids[0]).await.expect("whole"), contents[0]);
    let report = hub.fsck(FsckOptions::default(), silent()).await.expect("checked");
    assert_eq!(report.problems, [""; 0]);
    hub.unblock(&BlockTarget::Object(oids[1_000])).await.expect("let go");
    accept(hub, &grant, &all).await.expect("accepted");
    assert_eq!((linked().await, stored(hub), used().await), (1_001, (2_002, 0), (bytes, 0)));
}
