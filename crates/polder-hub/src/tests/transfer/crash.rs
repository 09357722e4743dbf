//! A process that dies while an object comes, and what the next one still has to fetch.

use std::path::Path;

use polder_types::failpoint;

use super::*;
use crate::tests::deaths::{die_at, told};

const CHILD: &str = "tests::transfer::crash::child";
const SIZE: usize = 100 * MIB;

async fn opened(dir: &Path) -> (Hub, RepoId) {
    let hub = Hub::open(options_in(dir, Clock::System)).await.expect("opens");
    if hub.live_repo(&repo("acme/open")).await.is_err() {
        hub.add_user(&name("alice"), false).await.expect("added");
        hub.add_org(&name("acme"), &name("alice")).await.expect("added");
        hub.add_repo(&repo("acme/open"), Visibility::Public).await.expect("added");
    }
    let id = hub.live_repo(&repo("acme/open")).await.expect("there").id;
    (hub, id)
}

/// The child: runs only when the test below starts this executable again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the other test of this file"]
async fn child() {
    let (point, dir) = told();
    let (hub, repo) = opened(&dir).await;
    let object = Object::new(noise(30, SIZE));
    // The first save is before the first byte; the second is that of the first 64 MiB.
    failpoint::arm(&point, if point == "transfer.saved" { 2 } else { 1 }, None);
    let sources = all(&[&object.source("a", Honest)]);
    hub.fetch_object(object.wanted(repo), sources, patient()).await.expect("fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_dies_at_most_64_mib_are_fetched_again() {
    let object = Object::new(noise(30, SIZE));
    let all_but_saved = u64::try_from(SIZE - 64 * MIB).expect("small");
    for (point, left) in [
        ("transfer.saved", all_but_saved),
        ("transfer.whole", 0),
        ("transfer.linked", 0),
        ("transfer.published", 0),
    ] {
        let dir = tempfile::tempdir().expect("tempdir");
        die_at(CHILD, point, dir.path());
        let (hub, repo) = opened(dir.path()).await;
        let wanted = object.wanted(repo);
        assert!(hub.db.find_blob(&object.oid).await.expect("read").is_none(), "{point}");
        let sources = all(&[&object.source("a", Honest)]);
        let fetched = hub.fetch_object(wanted, sources, patient()).await.expect("fetched");
        assert!(fetched.fetched_bytes <= left, "{point}: {fetched:?}");
        let blob = hub.db.find_blob(&object.oid).await.expect("read").expect("there");
        assert!(fs::read(hub.store.blob_path(blob.id)).expect("read") == object.content, "{point}");
        let report = hub.fsck(FsckOptions { deep: true }, Arc::new(|_| {})).await.expect("checked");
        assert_eq!(report.problems, Vec::<String>::new(), "{point}");
        assert_eq!(hub.store.transfers().expect("listed"), [], "{point}");
    }
}
