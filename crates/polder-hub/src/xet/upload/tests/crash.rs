//! A process that dies while an upload comes in, and what is left to be done for its client.

use std::path::Path;
use std::sync::Arc;

use polder_types::{Clock, failpoint};

use super::*;
use crate::tests::deaths::{die_at, told};
use crate::tests::{fill, options_in, writer};

const CHILD: &str = "xet::upload::tests::crash::child";

/// Two xorbs, and the two files made of them.
fn upload() -> ([Made; 2], [Said; 2]) {
    let xorbs = [Made::cut(&noise(1, 300_000)), Made::cut(&noise(2, 300_000))];
    let [first, second] = &xorbs;
    let files = [Said::of(&[(first, first.all()), (second, 0..1)]), Said::of(&[(second, second.all())])];
    (xorbs, files)
}

async fn opened(dir: &Path) -> (Hub, Grant<Write>) {
    let hub = Hub::open(options_in(dir, Clock::System)).await.expect("opens");
    if hub.live_repo(&repo("acme/open")).await.is_err() {
        fill(&hub).await;
        hub.set_quota(&name("acme"), QuotaLimit::Bytes(1 << 20)).await.expect("set");
    }
    let grant = writer(&hub, "acme/open").await;
    (hub, grant)
}

/// The child: runs only when the test below starts this executable again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the other test of this file"]
async fn child() {
    let (point, dir) = told();
    let (hub, grant) = opened(&dir).await;
    let (xorbs, files) = upload();
    if point == "xet.xorb_kept" {
        failpoint::arm(&point, 1, None);
    }
    for xorb in &xorbs {
        send(&hub, &grant, xorb).await.expect("taken");
    }
    failpoint::arm(&point, 1, None);
    accept(&hub, &grant, &shard(&files, &xorbs)).await.expect("accepted");
}

/// X15: what was acknowledged is there, the same requests again complete the rest, and nothing is left over.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_dies_the_shard_alone_completes_the_upload() {
    let (xorbs, files) = upload();
    for point in [
        "xet.xorb_kept",
        "lfs.renamed",
        "lfs.dir_synced",
        "xet.file_placed",
        "xet.files_placed",
        "db.before_commit",
        "db.after_commit",
        "xet.files_linked",
        "xet.pieces_written",
        "xet.xorbs_forgotten",
    ] {
        let dir = tempfile::tempdir().expect("tempdir");
        die_at(CHILD, point, dir.path());
        let (hub, grant) = opened(dir.path()).await;
        if point == "xet.xorb_kept" {
            for xorb in &xorbs {
                send(&hub, &grant, xorb).await.expect("taken");
            }
        }
        accept(&hub, &grant, &shard(&files, &xorbs)).await.expect(point);
        for file in &files {
            let oid = file.sha256.expect("said");
            assert!(read(&hub, &grant, oid).await.expect(point) == file.bytes, "{point}");
        }
        let usage = hub.list_quotas(Some(&name("acme"))).await.expect("known").remove(0);
        let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
        assert_eq!((usage.blob_bytes, usage.reserved_bytes), (i64::try_from(bytes).unwrap(), 0), "{point}");
        let report = hub.fsck(FsckOptions { deep: true }, Arc::new(|_| {})).await.expect("checked");
        assert_eq!(report.problems, Vec::<String>::new(), "{point}");
    }
}
