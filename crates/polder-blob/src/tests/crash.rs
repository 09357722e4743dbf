//! A process that dies at each durable step, and what the next one finds.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use polder_types::{BlobId, PackId, failpoint};

use super::{files_under, put, read, write_pack};
use crate::{Error, ListClaim, Store};

const CRASH_AT: &str = "POLDER_BLOB_TEST_CRASH_AT";
const CRASH_IN: &str = "POLDER_BLOB_TEST_CRASH_IN";
const SIGABRT: i32 = 6;

/// The child: runs only when one of the tests below starts this executable again.
#[test]
#[ignore = "the child process of the other tests of this file"]
#[expect(clippy::disallowed_methods, reason = "how the parent tells its child what to do")]
fn child() {
    let (name, root) = (std::env::var(CRASH_AT).unwrap(), std::env::var_os(CRASH_IN).unwrap());
    failpoint::arm(&name, 1, None);
    let store = Store::open(Path::new(&root)).unwrap();
    if name.starts_with("lfs.") {
        put(&store, BlobId(1), b"content").unwrap();
    } else if name.starts_with("list.") {
        put(&store, BlobId(1), b"content").unwrap();
        std::fs::remove_file(store.list_path(BlobId(1))).unwrap();
        store.make_list(BlobId(1), &store.hash_blob(BlobId(1)).unwrap().0).unwrap();
    } else {
        let scratch = store.quarantine().unwrap();
        let (pack, index) = write_pack(&scratch, b"PACK", b"index");
        store.publish_pack(PackId(1), &pack, &index).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "starts this test again as the process that dies")]
fn die_at(name: &str, root: &Path) {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--ignored", "--nocapture"])
        .env(CRASH_AT, name)
        .env(CRASH_IN, root)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGABRT), "{name}: {status}");
}

#[test]
fn an_upload_that_dies_leaves_all_of_the_object_or_nothing() {
    let steps = [("lfs.fsynced", 0), ("lfs.listed", 1), ("lfs.renamed", 2), ("lfs.dir_synced", 2)];
    for (name, files) in steps {
        let root = tempfile::tempdir().unwrap();
        die_at(name, root.path());
        let store = Store::open(root.path()).unwrap();
        // The object has its chunk list before it is there itself.
        if files == 2 {
            assert_eq!(read(&store, BlobId(1)), b"content", "{name}");
        } else {
            assert!(matches!(store.open_blob(BlobId(1)), Err(Error::NotFound { .. })), "{name}");
        }
        assert_eq!(files_under(root.path()).len(), files, "{name}");
        // The client tries again, under a new id.
        put(&store, BlobId(2), b"content").unwrap();
        assert_eq!(read(&store, BlobId(2)), b"content");
    }
}

#[test]
fn a_list_made_later_that_dies_is_made_again() {
    for name in ["list.fsynced", "list.renamed"] {
        let root = tempfile::tempdir().unwrap();
        die_at(name, root.path());
        let store = Store::open(root.path()).unwrap();
        let (sha256, size_bytes) = store.hash_blob(BlobId(1)).unwrap();
        let cut = store.make_list(BlobId(1), &sha256).unwrap().unwrap();
        let claim = ListClaim { sha256, size_bytes, file_hash: cut.file_hash };
        assert_eq!(store.check_list(BlobId(1), &claim, true).unwrap(), None, "{name}");
        assert_eq!(files_under(root.path()).len(), 2, "{name}");
    }
}

#[test]
fn a_push_that_dies_leaves_both_files_of_the_pack_or_none() {
    for (name, files) in [("pack.fsynced", 0), ("pack.renamed", 2), ("pack.dir_synced", 2)] {
        let root = tempfile::tempdir().unwrap();
        die_at(name, root.path());
        drop(Store::open(root.path()).unwrap());
        assert_eq!(files_under(root.path()).len(), files, "{name}");
    }
}
