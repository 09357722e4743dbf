use std::sync::atomic::Ordering;

use polder_blob::FileKind;
use polder_types::BlobId;

use super::large_objects::put;
use super::*;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

fn blobs(hub: &Hub) -> usize {
    let mut count = 0;
    let counted = hub.store.for_each_file(&mut |file| {
        count += usize::from(matches!(file.kind, FileKind::Blob(_)));
        Ok(())
    });
    counted.expect("listed");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_while_a_backup_is_made() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    put(&fixture, "acme/open", b"weights").await;
    hub.delete_repo(&repo("acme/open")).await.expect("deleted");
    fixture.millis.fetch_add(2 * DAY_MILLIS, Ordering::Relaxed);
    let until = (fixture.millis.load(Ordering::Relaxed) + DAY_MILLIS).to_string();
    hub.db.set_meta("backup_holds_until", &until).await.expect("held");
    hub.upkeep_once().await.expect("upkeep");
    assert_eq!(blobs(hub), 1, "its grace is over, but a backup may need it");
    // A backup that died holds for a day; one that ends says so.
    let dir = tempfile::tempdir().expect("tempdir");
    hub.backup(dir.path(), silent()).await.expect("made");
    hub.upkeep_once().await.expect("upkeep");
    assert_eq!(blobs(hub), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_accepted_database_does_not_know_is_moved_aside_and_not_before() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let now = Clock::System.now().0 + 2 * DAY_MILLIS;
    fixture.millis.store(now, Ordering::Relaxed);
    let mut stage = hub.store.stage(5).expect("staged");
    stage.write(b"newer").expect("written");
    stage.finish().expect("whole").publish(BlobId(hub.db.next_id())).expect("published");
    hub.db.set_meta("store_sweep_held", "true").await.expect("as a start over a newer store leaves it");
    assert_eq!(hub.upkeep_once().await.expect_err("held").kind(), Kind::Conflict);
    assert_eq!(blobs(hub), 1);
    let report = hub.fsck(FsckOptions::default(), silent()).await.expect("checked");
    assert!(report.problems.iter().any(|problem| problem.contains("--accept-database")), "{report:?}");

    hub.accept_database().await.expect("accepted");
    hub.upkeep_once().await.expect("upkeep");
    assert_eq!(blobs(hub), 0);
    let lost = std::fs::read_dir(hub.data_dir.join("store/lost")).expect("there").count();
    assert_eq!(lost, 2, "the object and its chunk list");
}
