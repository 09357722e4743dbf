//! What only a local disk can show: instances, directories, space, syncs.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;

use bytes::Bytes;
use polder_types::{BlobId, PackId, PartId, UploadId};

use super::{files_under, put, read, write_pack};
use crate::{Disk, Error, Store};

fn quarantine_entries(root: &Path) -> usize {
    fs::read_dir(root.join("quarantine")).unwrap().count()
}

#[test]
fn what_a_dead_instance_left_goes_at_the_next_open_and_a_live_ones_stays() {
    let root = tempfile::tempdir().unwrap();
    let dead = root.path().join("quarantine/4000000-0");
    fs::create_dir_all(dead.join("work-1")).unwrap();
    fs::write(dead.join("work-1/pack"), b"half").unwrap();
    fs::write(root.path().join("quarantine/stray"), b"x").unwrap();

    let first = Store::open(root.path()).unwrap();
    assert!(!dead.exists());
    assert_eq!(quarantine_entries(root.path()), 1);
    let mut stage = first.stage(2).unwrap();
    stage.write(b"a").unwrap();

    let second = Store::open(root.path()).unwrap();
    assert_eq!(quarantine_entries(root.path()), 2);
    stage.write(b"b").unwrap();
    stage.finish().unwrap().publish(BlobId(1)).unwrap();
    assert_eq!(read(&second, BlobId(1)), b"ab");
    drop((first, second));
    assert_eq!(quarantine_entries(root.path()), 0);
}

#[test]
fn what_is_dropped_unpublished_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let mut stage = store.stage(10).unwrap();
    stage.write(b"half").unwrap();
    drop(stage);
    let scratch = store.quarantine().unwrap();
    write_pack(&scratch, b"a", b"b");
    drop(scratch);
    assert_eq!(files_under(root.path()), Vec::<String>::new());
}

#[test]
fn a_directory_that_was_written_to_is_never_handed_out_again() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let unused = store.quarantine().unwrap();
    let unused_path = unused.path().to_owned();
    drop(unused);
    let used = store.quarantine().unwrap();
    assert_eq!(used.path(), unused_path, "an empty one is as good as new");
    let other = store.quarantine().unwrap();
    assert_ne!(other.path(), used.path());
    fs::create_dir(used.path().join("view")).unwrap();
    drop(used);
    assert!(!unused_path.exists());
    assert_ne!(store.quarantine().unwrap().path(), unused_path);
}

#[test]
fn the_epoch_is_kept_across_opens() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    assert_eq!(store.epoch().unwrap(), None);
    store.set_epoch("one").unwrap();
    store.set_epoch("two").unwrap();
    assert!(store.set_epoch("").is_err());
    assert!(store.set_epoch(&"x".repeat(257)).is_err());
    drop(store);
    assert_eq!(Store::open(root.path()).unwrap().epoch().unwrap().as_deref(), Some("two"));
    assert_eq!(files_under(root.path()), ["epoch"]);
}

#[test]
fn published_files_cannot_be_written_by_others_or_by_mistake() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    put(&store, BlobId(1), b"x").unwrap();
    let mode = store.open_blob(BlobId(1)).unwrap().file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o440);
}

#[test]
fn after_one_failed_sync_nothing_more_is_written_and_reads_go_on() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    put(&store, BlobId(1), b"before").unwrap();
    let Store::Disk(Disk { inner }) = &store;
    // The kernel refuses to sync a pipe, as a broken disk refuses to sync a file.
    let (_reader, writer) = std::io::pipe().unwrap();
    let pipe = File::from(OwnedFd::from(writer));
    let error = inner.sync_file(&pipe, Path::new("pipe")).unwrap_err();
    assert!(error.is_fatal(), "{error}");

    assert!(store.has_sync_failed());
    assert!(matches!(store.stage(1), Err(Error::SyncFailed { .. })));
    assert!(matches!(store.quarantine(), Err(Error::SyncFailed { .. })));
    assert!(matches!(store.set_epoch("e"), Err(Error::SyncFailed { .. })));
    assert!(matches!(store.remove_blob(BlobId(1)), Err(Error::SyncFailed { .. })));
    let paths = (Path::new("a"), Path::new("b"));
    assert!(matches!(store.publish_pack(PackId(1), paths.0, paths.1), Err(Error::SyncFailed { .. })));
    assert_eq!(read(&store, BlobId(1)), b"before");
}

/// A small file system of its own, for as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    #[expect(clippy::disallowed_methods, reason = "mounting needs a program")]
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "unmounting needs a program")]
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_is_said_so_and_nothing_is_left_behind() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED a_full_disk_is_said_so_and_nothing_is_left_behind: needs to mount a tmpfs (root)");
        return;
    };
    let store = Store::open(disk.0.path()).unwrap();
    put(&store, BlobId(1), b"before").unwrap();
    let free_bytes = store.free_bytes().unwrap();
    let before = files_under(disk.0.path());

    assert!(matches!(put(&store, BlobId(2), &vec![1; 4 << 20]), Err(Error::Full { .. })));
    let chunk = bytes::Bytes::from(vec![1; 300_000]);
    let mut stage = store.stage(4 * 300_000).unwrap();
    let outcome = stage.write_batch(&[chunk.clone(), chunk.clone(), chunk.clone(), chunk]);
    assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
    drop(stage);

    assert_eq!(files_under(disk.0.path()), before);
    assert_eq!(store.free_bytes().unwrap(), free_bytes);
    assert_eq!(read(&store, BlobId(1)), b"before");
    put(&store, BlobId(3), b"after").unwrap();
    assert!(!store.has_sync_failed());
}

#[test]
fn parts_outlive_the_instance_that_received_them_and_go_with_their_upload() {
    let dir = tempfile::tempdir().unwrap();
    let (upload, part) = (UploadId(7), PartId(9));
    {
        let store = Store::open(dir.path()).unwrap();
        let mut stage = store.stage_part(5).unwrap();
        stage.write_batch(&[Bytes::from_static(b"he"), Bytes::from_static(b"llo")]).unwrap();
        assert!(stage.write_batch(&[Bytes::from_static(b"!")]).is_err(), "more than was declared");
        drop(stage);
        let mut stage = store.stage_part(5).unwrap();
        stage.write_batch(&[Bytes::from_static(b"hello")]).unwrap();
        stage.finish().unwrap().keep(upload, part).unwrap();
        let short = store.stage_part(5).unwrap().finish();
        assert!(matches!(short, Err(Error::SizeMismatch { .. })), "{short:?}");
        let quarantined = std::fs::read_dir(dir.path().join("quarantine")).unwrap().next().unwrap().unwrap();
        assert_eq!(std::fs::read_dir(quarantined.path()).unwrap().count(), 0);
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.open_part(upload, part).unwrap().size_bytes, 5);
    assert!(matches!(store.open_part(upload, PartId(8)), Err(Error::NotFound { .. })));
    assert_eq!(store.uploads().unwrap(), [upload]);
    assert!(store.remove_part(upload, part).unwrap());
    assert!(!store.remove_part(upload, part).unwrap());
    assert!(store.remove_upload(upload).unwrap());
    assert!(!store.remove_upload(upload).unwrap());
    assert!(store.uploads().unwrap().is_empty());
}

/// Long runs of zeros take no room, wherever they are, and read as what they are.
#[test]
fn zeros_are_holes() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let noise = |length: usize| (1..=length).map(|n| u8::try_from(n % 255 + 1).unwrap()).collect::<Vec<_>>();
    let contents = [
        [noise(300_000), vec![0; 4 << 20]].concat(),
        [vec![0; 4 << 20], noise(10)].concat(),
        [noise(5), vec![0; 4 << 20], noise(70_000), vec![0; 100], noise(3)].concat(),
        vec![0; 4 << 20],
    ];
    for (n, content) in (1..).zip(&contents) {
        let (whole, batches) = (BlobId(2 * n), BlobId(2 * n + 1));
        put(&store, whole, content).unwrap();
        let mut stage = store.stage(u64::try_from(content.len()).unwrap()).unwrap();
        for batch in content.chunks(600_000) {
            let pieces: Vec<_> = batch.chunks(9_000).map(bytes::Bytes::copy_from_slice).collect();
            stage.write_batch(&pieces).unwrap();
        }
        stage.finish().unwrap().publish(batches).unwrap();
        for id in [whole, batches] {
            assert!(read(&store, id) == *content);
            let taken = store.open_blob(id).unwrap().file.metadata().unwrap().blocks() * 512;
            assert!(taken < 1 << 20, "{taken} bytes taken");
        }
    }
}
