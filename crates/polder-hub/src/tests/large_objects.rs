use polder_types::{LfsPointer, Sha256};
use sha2::Digest as _;

use super::*;

fn object(bytes: &[u8]) -> LfsObject {
    let oid = Sha256::new(sha2::Sha256::digest(bytes).into());
    LfsObject { oid, size_bytes: u64::try_from(bytes.len()).expect("small") }
}

fn query(answer: &LfsAnswer) -> String {
    let action = answer.action.as_ref().expect("an action");
    action.path_and_query.split_once('?').expect("a query").1.to_owned()
}

/// Asks where to send an object.
async fn ask(hub: &Hub, at: &str, object: LfsObject) -> String {
    let grant = writer(hub, at).await;
    let answers = hub.lfs_batch_upload(&grant, &[object], LfsTransfer::Basic).await;
    query(&answers.expect("answered")[0])
}

pub(crate) async fn put(fixture: &Fixture, at: &str, bytes: &[u8]) -> LfsObject {
    put_into(&fixture.hub, at, bytes).await
}

pub(crate) async fn put_into(hub: &Hub, at: &str, bytes: &[u8]) -> LfsObject {
    let object = object(bytes);
    let query = ask(hub, at, object).await;
    let upload = hub.lfs_upload(&repo(at), object.oid, &query, None, body(&[bytes])).await;
    upload.expect("stored");
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_announced_are_refused_and_leave_nothing() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let wanted = object(b"the right bytes");
    let answers =
        fixture.hub.lfs_batch_upload(&grant, &[wanted], LfsTransfer::Basic).await.expect("answered");
    let query = query(&answers[0]);
    let table: [(&[&[u8]], Option<u64>); 5] = [
        (&[b"the wrong bytes"], None),
        (&[b"short"], None),
        (&[b"the right bytes", b" and more"], None),
        (&[b"the right bytes"], Some(3)),
        (&[], None),
    ];
    for (parts, length) in table {
        let upload =
            fixture.hub.lfs_upload(&repo("acme/open"), wanted.oid, &query, length, body(parts)).await;
        assert_eq!(upload.expect_err("refused").kind(), Kind::Invalid, "{parts:?}");
        let verify = fixture.hub.lfs_verify(&grant, wanted).await.expect_err("absent");
        assert_eq!(verify.kind(), Kind::NotFound);
        assert!(fixture.hub.db.list_blobs(None, 10).await.expect("rows").is_empty());
    }
    let upload = fixture
        .hub
        .lfs_upload(&repo("acme/open"), wanted.oid, &query, Some(15), body(&[b"the right", b" bytes"]))
        .await;
    upload.expect("stored");
    fixture.hub.lfs_verify(&grant, wanted).await.expect("here");
    let again = fixture.hub.lfs_batch_upload(&grant, &[wanted], LfsTransfer::Basic).await.expect("answered");
    assert_eq!((&again[0].action, &again[0].error), (&None, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_an_object_of_another_repository_does_not_give_it_away() {
    let fixture = fixture().await;
    let secret = put(&fixture, "acme/closed", b"secret weights").await;
    fixture.hub.add_repo(&repo("carol/mine"), Visibility::Public).await.expect("added");
    let carol = fixture.login(token("carol")).await;
    let mine = fixture.hub.write(&carol, &repo("carol/mine")).await.expect("hers");
    let upload = fixture.hub.lfs_batch_upload(&mine, &[secret], LfsTransfer::Basic).await.expect("answered");
    assert!(upload[0].action.is_some(), "carol is asked for the bytes");
    let download = fixture.hub.lfs_batch_download(&mine.as_read(), &[secret]).await.expect("answered");
    assert_eq!(download[0].error.as_ref().map(|(status, _)| *status), Some(404));
    assert_eq!(
        fixture.hub.lfs_open(&mine.as_read(), secret.oid).await.expect_err("absent").kind(),
        Kind::NotFound
    );
    let pointer = LfsPointer { oid: secret.oid, size_bytes: secret.size_bytes };
    let commit = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![Change::WritePointer { path: "stolen.bin".to_owned(), pointer }],
        author: signature(),
        message: "mine now".to_owned(),
    };
    let error = fixture.hub.commit(&mine, commit).await.expect_err("refused");
    assert!(error.message().contains("stolen.bin"), "{error}");
    // Alice may read it already, so she need not send it again.
    let open = fixture.writer("acme/open").await;
    let upload = fixture.hub.lfs_batch_upload(&open, &[secret], LfsTransfer::Basic).await.expect("answered");
    assert_eq!((&upload[0].action, &upload[0].error), (&None, &None));
    fixture.hub.lfs_open(&open.as_read(), secret.oid).await.expect("linked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_for_one_object_one_repository_and_one_direction() {
    let fixture = fixture().await;
    let here = put(&fixture, "acme/open", b"weights").await;
    let grant = fixture.writer("acme/open").await;
    let answers = fixture.hub.lfs_batch_download(&grant.as_read(), &[here]).await.expect("answered");
    let download = query(&answers[0]);
    let opened = fixture.hub.lfs_download(&repo("acme/open"), here.oid, &download).await.expect("opens");
    assert_eq!(opened.size_bytes(), 7);
    let other = fixture.hub.lfs_download(&repo("acme/closed"), here.oid, &download).await;
    assert_eq!(other.expect_err("other repository").kind(), Kind::Forbidden);
    let upload =
        fixture.hub.lfs_upload(&repo("acme/open"), here.oid, &download, None, body(&[b"weights"])).await;
    assert_eq!(upload.expect_err("other direction").kind(), Kind::Forbidden);
    let gone = fixture.hub.lfs_download(&repo("acme/none"), here.oid, &download).await;
    assert_eq!(gone.expect_err("no such repository").kind(), Kind::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_object_sent_twice_at_once_is_stored_once() {
    let fixture = fixture().await;
    let twins = object(b"twins");
    // Both ask before either sends: who asks later has nothing to send.
    let links = [ask(&fixture.hub, "acme/open", twins).await, ask(&fixture.hub, "acme/closed", twins).await];
    let send = async |at: &str, link: &str| {
        fixture.hub.lfs_upload(&repo(at), twins.oid, link, None, body(&[b"twins"])).await.expect("stored");
    };
    tokio::join!(send("acme/open", &links[0]), send("acme/closed", &links[1]));
    assert_eq!(fixture.hub.db.list_blobs(None, 10).await.expect("rows").len(), 1);
    let mut files = 0;
    fixture
        .hub
        .store
        .for_each_file(&mut |_| {
            files += 1;
            Ok(())
        })
        .expect("listed");
    assert_eq!(files, 2, "the object and its chunk list");
}

/// A08: a link starts transfers for a quarter of an hour and not a second longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_lives_for_fifteen_minutes() {
    let fixture = fixture().await;
    let here = put(&fixture, "acme/open", b"weights").await;
    let grant = fixture.writer("acme/open").await.as_read();
    let answers = fixture.hub.lfs_batch_download(&grant, &[here]).await.expect("answered");
    let path = answers[0].action.as_ref().expect("an action").path_and_query.clone();
    let query = path.split_once('?').expect("a query").1;
    let open = async || fixture.hub.lfs_download(&repo("acme/open"), here.oid, query).await;
    fixture.millis.fetch_add(899_000, std::sync::atomic::Ordering::Relaxed);
    open().await.expect("a second is left");
    fixture.millis.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(open().await.expect_err("over").kind(), Kind::Forbidden);
}
