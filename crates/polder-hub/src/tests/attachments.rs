use std::io::Read as _;

use polder_db::Limit;

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";

async fn attach(hub: &Hub, who: &Principal, bytes: &[u8]) -> Result<String> {
    hub.attach(who, None, body(&[bytes])).await
}

/// The last part of an address.
fn last(url: &str) -> &str {
    url.strip_prefix("http://hub.example/uploads/").expect("an address of this hub")
}

async fn read(hub: &Hub, name: &str) -> Result<(Media, Vec<u8>)> {
    let (media, opened) = hub.open_attachment(name).await?;
    let mut bytes = Vec::new();
    opened.file.as_ref().read_to_end(&mut bytes).expect("read");
    Ok((media, bytes))
}

async fn stored(hub: &Hub) -> i64 {
    hub.db.list_usage("", 100).await.expect("listed").iter().map(polder_db::Usage::used_bytes).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_is_had_by_its_address_until_its_owner_deletes_it_and_is_swept_then() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let (alice, bob) = (fixture.login(token("alice")).await, fixture.login(token("bob")).await);
    let url = attach(hub, &alice, PNG).await.expect("attached");
    let again = attach(hub, &alice, PNG).await.expect("attached");
    assert_ne!(url, again, "each has an address of its own");
    let end = last(&url);
    assert_eq!(read(hub, end).await.expect("there"), (Media::Png, PNG.to_vec()));
    assert_eq!(stored(hub).await, i64::try_from(PNG.len()).expect("small"), "counted once");
    for wrong in [
        &end.replace(".png", ".gif"),
        &end.replace(".png", ""),
        &end.to_uppercase(),
        &end[1..],
        &format!("0{end}"),
        "../../etc/passwd.png",
        &"0".repeat(32),
    ] {
        assert_eq!(read(hub, wrong).await.expect_err(wrong).kind(), Kind::NotFound, "{wrong}");
    }
    // Its hash alone opens nothing.
    let sha256 = hub.open_attachment(end).await.expect("there").1.sha256;
    assert_eq!(hub.public_object(sha256).await.expect_err("no repository has it").kind(), Kind::NotFound);

    let day = 24 * 3600 * 1000;
    let rows = async || hub.db.list_blobs(None, 9).await.expect("rows").len();
    let sweep = async || {
        fixture.millis.fetch_add(8 * day, std::sync::atomic::Ordering::Relaxed);
        hub.upkeep_once().await.expect("swept");
    };
    for who in [&bob, &Principal::ANONYMOUS] {
        hub.delete_attachment(who, end).await.expect_err("another's");
    }
    hub.delete_attachment(&alice, end).await.expect("deleted");
    hub.delete_attachment(&alice, end).await.expect_err("deleted already");
    sweep().await;
    assert_eq!(read(hub, end).await.expect_err("deleted").kind(), Kind::NotFound);
    assert_eq!(read(hub, last(&again)).await.expect("there").1, PNG, "the other holds the object");
    hub.add_user(&name("zoe"), true).await.expect("added");
    let zoe = fixture.login(token("zoe")).await;
    hub.delete_attachment(&zoe, last(&again)).await.expect("an administrator");
    assert_eq!((rows().await, stored(hub).await), (1, 0));
    sweep().await;
    assert_eq!(rows().await, 0);
    let report = hub.fsck(FsckOptions { deep: true }, silent()).await.expect("checked");
    assert_eq!(report.problems, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_delete_is_recorded_and_what_is_not_here_is_not() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let (alice, bob) = (fixture.login(token("alice")).await, fixture.login(token("bob")).await);
    let url = attach(hub, &alice, PNG).await.expect("attached");
    let (end, (id, _kind)) = (last(&url), last(&url).split_once('.').expect("a kind"));
    let to_read = fixture.login(TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let for_one = fixture.login(TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
    for (who, name, kind) in [
        (&Principal::ANONYMOUS, end, Kind::Unauthenticated),
        (&to_read, end, Kind::Forbidden),
        (&for_one, end, Kind::Forbidden),
        // Another's is not here, for all that may be said.
        (&bob, end, Kind::NotFound),
        (&alice, &end.replace("png", "svg"), Kind::NotFound),
    ] {
        assert_eq!(hub.delete_attachment(who, name).await.expect_err("refused").kind(), kind);
    }
    hub.delete_attachment(&alice, end).await.expect("deleted");
    let query = AuditQuery { since: None, repo: None, user: None, limit: 100 };
    let rows = hub.list_audit(&query).await.expect("listed");
    let rows = rows.into_iter().filter(|row| row.action == "attachment.delete");
    let told: Vec<_> = rows
        .map(|row| {
            assert!(row.detail.contains(id), "{}", row.detail);
            [row.who, row.result]
        })
        .collect();
    let refused = [["anonymous", "refused"], ["alice", "refused"], ["alice", "refused"], ["alice", "ok"]];
    assert_eq!(told, refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_leaves_nothing() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let alice = fixture.login(token("alice")).await;
    let to_read = fixture.login(TokenRequest { scope: Role::Read, ..token("alice") }).await;
    let for_one = fixture.login(TokenRequest { repos: vec![repo("acme/open")], ..token("alice") }).await;
    let mut large = PNG.to_vec();
    large.resize(usize::try_from(ATTACHMENT_BYTES_MAX).expect("a size") + 1, 7);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for (who, bytes, kind) in [
        (&Principal::ANONYMOUS, PNG, Kind::Unauthenticated),
        (&to_read, PNG, Kind::Forbidden),
        (&for_one, PNG, Kind::Forbidden),
        (&alice, &svg[..], Kind::Invalid),
        (&alice, b"<html><script>alert(1)</script>", Kind::Invalid),
        (&alice, b"", Kind::Invalid),
        (&alice, &large, Kind::TooLarge),
    ] {
        assert_eq!(attach(hub, who, bytes).await.expect_err("refused").kind(), kind);
    }
    let announced = hub.attach(&alice, Some(ATTACHMENT_BYTES_MAX + 1), body(&[PNG])).await;
    assert_eq!(announced.expect_err("refused").kind(), Kind::TooLarge);
    hub.set_quota(&name("alice"), Limit::Bytes(10)).await.expect("set");
    assert_eq!(attach(hub, &alice, PNG).await.expect_err("refused").kind(), Kind::OverQuota);
    assert_eq!((hub.db.list_blobs(None, 9).await.expect("rows").len(), stored(hub).await), (0, 0));
    let mut files = Vec::new();
    hub.store
        .for_each_file(&mut |file| {
            files.push(format!("{file:?}"));
            Ok(())
        })
        .expect("listed");
    assert_eq!(files, [""; 0]);

    // As large as can be, and what the operator blocks.
    hub.set_quota(&name("alice"), Limit::None).await.expect("set");
    large.pop();
    let url = attach(hub, &alice, &large).await.expect("attached");
    let opened = hub.open_attachment(last(&url)).await.expect("there").1;
    let blocked = BlockTarget::Object(opened.sha256);
    hub.block(&blocked, "a claim").await.expect("blocked");
    assert_eq!(read(hub, last(&url)).await.expect_err("blocked").kind(), Kind::NotFound);
    assert_eq!(attach(hub, &alice, &large).await.expect_err("blocked").kind(), Kind::Forbidden);
    hub.unblock(&blocked).await.expect("unblocked");
    assert_eq!(read(hub, last(&url)).await.expect("there").1, large);
}
