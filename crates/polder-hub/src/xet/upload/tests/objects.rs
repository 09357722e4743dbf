use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_sent_xorbs_are_objects_like_any_other() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let (first, second) = (Made::cut(&noise(1, 700_000)), Made::cut(&noise(2, 500_000)));
    let small = Made::of(&[b"a small file"]);
    let files = [
        Said::of(&[(&first, first.all()), (&second, 1..second.all().end)]),
        Said::of(&[(&second, 0..1)]),
        Said::of(&[(&small, 0..1)]),
        Said::of(&[]),
    ];
    for xorb in [&first, &second, &small] {
        send(hub, &grant, xorb).await.expect("taken");
    }
    assert_eq!(stored(hub), (0, 3));
    let shard = shard(&files, &[first, second, small]);
    for _ in 0..2 {
        accept(hub, &grant, &shard).await.expect("accepted, and again");
        assert_eq!(stored(hub), (8, 0), "objects and lists; the xorbs are used up");
    }
    for file in &files {
        let oid = file.sha256.expect("said");
        assert!(read(hub, &grant, oid).await.expect("linked") == file.bytes);
        let blob = hub.db.find_blob(&oid).await.expect("a row").expect("live");
        assert_eq!(hub.store.hash_blob(blob.id).expect("read").0, oid);
    }
}

/// A client remembers for weeks what it sent.
#[tokio::test(flavor = "multi_thread")]
async fn xorbs_that_were_used_up_can_be_named_again_however_they_lie() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    // Cut as no chunker cuts, as those of other versions do.
    let bytes = noise(3, 90_000);
    let odd = Made::of(&[&bytes[..40_001], &bytes[40_001..70_000], &bytes[70_000..]]);
    let even = Made::cut(&noise(4, 600_000));
    for xorb in [&odd, &even] {
        send(hub, &grant, xorb).await.expect("taken");
    }
    let last = even.all().end - 1;
    let before = [
        Said::of(&[(&odd, 1..3), (&even, 0..2)]),
        Said::of(&[(&even, 2..last), (&odd, 0..2)]),
        Said::of(&[(&even, last..last + 1)]),
    ];
    accept(hub, &grant, &shard(&before, &[odd.clone(), even.clone()])).await.expect("accepted");
    assert_eq!(stored(hub).1, 0);
    let after = [
        Said::of(&[(&even, even.all()), (&odd, odd.all())]),
        Said::of(&[(&odd, 1..2), (&even, 1..3), (&odd, 0..1)]),
    ];
    accept(hub, &grant, &shard(&after, &[])).await.expect("accepted");
    for file in &after {
        assert!(read(hub, &grant, file.sha256.expect("said")).await.expect("linked") == file.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_file_has_of_an_xorb_waits_on_until_its_time_is_over() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let xorb = Made::of(&[b"first", b"second"]);
    send(hub, &grant, &xorb).await.expect("taken");
    let part = Said::of(&[(&xorb, 0..1)]);
    accept(hub, &grant, &shard(&[part], std::slice::from_ref(&xorb))).await.expect("accepted");
    assert_eq!(stored(hub).1, 1);
    let other = Said::of(&[(&xorb, 1..2)]);
    accept(hub, &grant, &shard(std::slice::from_ref(&other), &[])).await.expect("accepted");
    assert_eq!(read(hub, &grant, other.sha256.expect("said")).await.expect("linked"), b"second");

    let alone = Made::of(&[b"alone"]);
    send(hub, &grant, &alone).await.expect("taken");
    let pass = |seconds: i64| fixture.millis.fetch_add(seconds * 1000, std::sync::atomic::Ordering::Relaxed);
    hub.upkeep_once().await.expect("upkeep");
    assert!(stored(hub).1 >= 1, "its upload may go on");
    pass(25 * 3600);
    hub.upkeep_once().await.expect("upkeep");
    assert_eq!(stored(hub).1, 0);
    let late = accept(hub, &grant, &shard(&[Said::of(&[(&alone, 0..1)])], &[])).await;
    assert_eq!(late.expect_err("gone").kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_repository_has_is_not_read_again() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let bytes = noise(5, 300_000);
    let object = put(&fixture, "acme/open", &bytes).await;
    let xorb = Made::cut(&bytes);
    send(hub, &grant, &xorb).await.expect("taken");
    // Who reads it now reads something else.
    let (id, _) = hub.store.staged_xorbs().expect("listed")[0];
    let path = hub.data_dir.join("store/xorbs").join(format!("{:016x}", id.0));
    let mut altered = std::fs::read(&path).expect("read");
    altered[..bytes.len()].copy_from_slice(&noise(6, bytes.len()));
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, altered).expect("written");
    let said = Said::of(&[(&xorb, xorb.all())]);
    assert_eq!(said.sha256, Some(object.oid));
    let forged = Said { sha256: Some(sha256(b"other")), ..said.clone() };
    let refused = accept(hub, &grant, &shard(&[forged], &[])).await.expect_err("forged");
    assert!(refused.message().contains("another SHA-256"), "{refused}");
    accept(hub, &grant, &shard(&[said], &[])).await.expect("accepted");
    assert!(read(hub, &grant, object.oid).await.expect("linked") == bytes);
    assert_eq!(stored(hub), (2, 0));
}

/// What its sender may read elsewhere is told of, and linked without one byte of it coming or being read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_repository_is_told_of_and_linked_where_its_sender_may_read_it() {
    let fixture = fixture().await;
    let (hub, carol) = (&fixture.hub, carol(&fixture).await);
    let open = fixture.writer("acme/open").await;
    let bytes = noise(7, 300_000);
    let object = put(&fixture, "acme/closed", &bytes).await;
    let first = Made::cut(&bytes).chunks[0].hash;
    let hint = async |grant: &Grant<Write>, token: &str| {
        let told = hub.xet_hint(&grant.as_read(), &Secret::new(token), first).await.expect("asked");
        told.and_then(|told| DedupShard::decode(&told).expect("a shard").find(first).map(|(xorb, _)| xorb))
    };
    let xorb = hint(&open, "alice").await.expect("told of");
    assert_eq!(hint(&carol, "carol").await, None, "it is not hers to know");

    let said = Said::of(&[(&Made { hash: xorb, ..Made::cut(&bytes) }, Made::cut(&bytes).all())]);
    let forged = Said { sha256: Some(sha256(b"other")), ..said.clone() };
    assert_eq!(accept(hub, &open, &shard(&[forged], &[])).await.expect_err("forged").kind(), Kind::Invalid);
    let refused = accept(hub, &carol, &shard(std::slice::from_ref(&said), &[])).await;
    assert_eq!(refused.expect_err("not hers").kind(), Kind::Invalid);
    // Who reads it now reads something else.
    let path = hub.store.blob_path(hub.db.find_blob(&object.oid).await.expect("read").expect("there").id);
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, noise(8, bytes.len())).expect("written");
    accept(hub, &open, &shard(&[said], &[])).await.expect("accepted");
    assert_eq!(hub.db.linked_blobs(open.repo_id(), &[object.oid]).await.expect("read").len(), 1);
    assert_eq!(stored(hub), (2, 0));
}
