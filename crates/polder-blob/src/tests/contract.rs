//! What every store must do, wherever it keeps its bytes.

use std::fs;

use bytes::Bytes;
use polder_types::{BlobId, PackId, UnixMillis};
use polder_xet::{Chunk, ChunkHash, ChunkList};

use super::{put, read, stores, write_pack};
use crate::{Error, FileKind, ListClaim, Store, SweepRules};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const DAY: i64 = 24 * 3600;

fn later(days: i64) -> UnixMillis {
    polder_types::Clock::System.now().plus_seconds(days * DAY)
}

#[test]
fn an_object_is_invisible_until_it_is_published_and_then_whole() {
    for (store, _keep) in stores() {
        let id = BlobId(42);
        let mut stage = store.stage(3).unwrap();
        stage.write(b"a").unwrap();
        stage.write(b"bc").unwrap();
        assert_eq!(stage.received_bytes(), 3);
        assert!(matches!(store.open_blob(id), Err(Error::NotFound { .. })));
        let staged = stage.finish().unwrap();
        assert_eq!((staged.sha256().to_string().as_str(), staged.size_bytes()), (ABC, 3));
        assert!(matches!(store.open_blob(id), Err(Error::NotFound { .. })));
        staged.publish(id).unwrap();
        assert_eq!(read(&store, id), b"abc");
        assert_eq!(store.hash_blob(id).unwrap(), (ABC.parse().unwrap(), 3));
    }
}

#[test]
fn chunks_of_any_shape_make_the_same_object() {
    let content: Vec<u8> = (0..20_000_017_u32).map(|n| n.to_be_bytes()[3] ^ n.to_be_bytes()[2]).collect();
    let whole = Bytes::from(content.clone());
    for (store, _keep) in stores() {
        put(&store, BlobId(1), &content).unwrap();
        let (expected, _) = store.hash_blob(BlobId(1)).unwrap();
        for (id, step) in [(2, 1_000), (3, 16_384), (4, 262_144), (5, 1_000_000), (6, 9_000_000)] {
            let chunks: Vec<Bytes> = (0..whole.len())
                .step_by(step)
                .map(|at| whole.slice(at..(at + step).min(whole.len())))
                .chain([Bytes::new()])
                .collect();
            let mut stage = store.stage(20_000_017).unwrap();
            stage.write_batch(&chunks).unwrap();
            let staged = stage.finish().unwrap();
            assert_eq!(*staged.sha256(), expected, "chunks of {step}");
            staged.publish(BlobId(id)).unwrap();
            assert_eq!(read(&store, BlobId(id)), content, "chunks of {step}");
        }
    }
}

#[test]
fn an_object_has_the_chunks_that_are_given_for_it() {
    let content: Vec<u8> = (0..900_000_u32).map(|n| n.to_be_bytes()[3] ^ n.to_be_bytes()[2]).collect();
    let pieces: Vec<&[u8]> = content.chunks(70_001).collect();
    let chunks: Vec<Chunk> = pieces
        .iter()
        .map(|piece| Chunk { hash: ChunkHash::of(piece), size_bytes: u32::try_from(piece.len()).unwrap() })
        .collect();
    for (store, _keep) in stores() {
        put(&store, BlobId(1), &content).unwrap();
        let (expected, _) = store.hash_blob(BlobId(1)).unwrap();
        let mut stage = store.stage_chunks(900_000).unwrap();
        // They may come before or after their bytes.
        for (at, piece) in content.chunks(250_000).enumerate() {
            stage.write(piece).unwrap();
            if at == 1 {
                stage.give(&chunks).unwrap();
            }
        }
        let staged = stage.finish().unwrap();
        assert_eq!(*staged.sha256(), expected);
        let file_hash = staged.cut().file_hash;
        staged.publish(BlobId(2)).unwrap();
        assert_eq!(read(&store, BlobId(2)), content);
        let list = ChunkList::decode(&fs::read(store.list_path(BlobId(2))).unwrap()).unwrap();
        assert_eq!((&list.chunks, list.header.file_hash), (&chunks, file_hash));
        let claim = ListClaim { sha256: expected, size_bytes: 900_000, file_hash };
        assert_eq!(store.check_list(BlobId(2), &claim, true).unwrap(), None);

        let mut stage = store.stage_chunks(900_000).unwrap();
        stage.write(&content).unwrap();
        stage.give(&chunks[1..]).unwrap();
        assert!(matches!(stage.finish(), Err(Error::Io { .. })), "they are chunks of something shorter");
    }
}

/// An object of many chunks under `id`, and what its list must say.
fn put_large(store: &Store, id: BlobId) -> ListClaim {
    let mut noise = 7_u32;
    let content = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    });
    let content = content.take(3_000_000).collect::<Vec<u8>>();
    let mut stage = store.stage(3_000_000).unwrap();
    content.chunks(70_000).for_each(|piece| stage.write(piece).unwrap());
    let staged = stage.finish().unwrap();
    let claim = ListClaim {
        sha256: *staged.sha256(),
        size_bytes: staged.size_bytes(),
        file_hash: staged.cut().file_hash,
    };
    staged.publish(id).unwrap();
    claim
}

#[test]
fn an_object_is_published_with_the_list_of_its_chunks() {
    for (store, _keep) in stores() {
        let claim = put_large(&store, BlobId(1));
        let bytes = fs::read(store.list_path(BlobId(1))).unwrap();
        let list = ChunkList::decode(&bytes).unwrap();
        assert_eq!(list.header.sha256, *claim.sha256.as_bytes());
        let content = read(&store, BlobId(1));
        let mut rest = content.as_slice();
        for chunk in &list.chunks {
            let (bytes, after) = rest.split_at(usize::try_from(chunk.size_bytes).unwrap());
            assert_eq!(ChunkHash::of(bytes), chunk.hash);
            rest = after;
        }
        assert!(rest.is_empty() && list.chunks.len() > 20);
        assert_eq!(store.open_list(BlobId(1)).unwrap().size_bytes, list.header.list_bytes());
        for deep in [false, true] {
            assert_eq!(store.check_list(BlobId(1), &claim, deep).unwrap(), None);
        }
        store.remove_blob(BlobId(1)).unwrap();
        assert!(matches!(store.open_list(BlobId(1)), Err(Error::NotFound { .. })));
    }
}

#[test]
fn a_list_that_is_lost_or_damaged_is_seen_and_made_again() {
    for (store, _keep) in stores() {
        let claim = put_large(&store, BlobId(1));
        let path = store.list_path(BlobId(1));
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[500] ^= 1;
        let damages: [(&[u8], bool); 4] =
            [(&good[..50], true), (&good[..good.len() - 36], true), (&flipped, false), (b"", true)];
        for (bytes, at_a_glance) in damages {
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            assert_eq!(store.check_list(BlobId(1), &claim, false).unwrap().is_some(), at_a_glance);
            assert!(store.check_list(BlobId(1), &claim, true).unwrap().is_some());
            let cut = store.make_list(BlobId(1), &claim.sha256).unwrap().unwrap();
            assert_eq!(cut.file_hash, claim.file_hash);
            assert_eq!(fs::read(&path).unwrap(), good);
        }
        fs::remove_file(&path).unwrap();
        assert!(store.check_list(BlobId(1), &claim, false).unwrap().is_some());
        let other = polder_types::Sha256::new([3; 32]);
        assert_eq!(store.make_list(BlobId(1), &other).unwrap(), None, "of other bytes no list is made");
        assert!(!path.exists());
    }
}

#[test]
fn a_list_from_elsewhere_is_taken_only_if_it_is_the_list_that_was_asked_for() {
    for (store, keep) in stores() {
        let claim = put_large(&store, BlobId(1));
        let (path, outside) = (store.list_path(BlobId(1)), keep.path().join("outside"));
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bad in [&flipped[..], &good[..good.len() - 36], &[&good[..], &[0; 36]].concat(), b""] {
            fs::write(&outside, bad).unwrap();
            assert!(
                store.take_list(BlobId(1), &claim, &fs::File::open(&outside).unwrap()).unwrap().is_some()
            );
            assert!(!path.exists());
        }
        fs::write(&outside, &good).unwrap();
        let other = ListClaim { size_bytes: 5, ..claim };
        assert!(store.take_list(BlobId(1), &other, &fs::File::open(&outside).unwrap()).unwrap().is_some());
        assert_eq!(store.take_list(BlobId(1), &claim, &fs::File::open(&outside).unwrap()).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[test]
fn an_empty_object_is_an_object() {
    for (store, _keep) in stores() {
        put(&store, BlobId(9), b"").unwrap();
        assert_eq!(read(&store, BlobId(9)), b"");
    }
}

#[test]
fn more_or_fewer_bytes_than_declared_are_refused() {
    for (store, _keep) in stores() {
        let mut stage = store.stage(3).unwrap();
        stage.write(b"ab").unwrap();
        let error = stage.write(b"cd").unwrap_err();
        assert!(matches!(error, Error::SizeMismatch { declared_bytes: 3, received_bytes: 4 }), "{error}");
        let error = stage.write_batch(&[Bytes::from_static(b"c"), Bytes::from_static(b"d")]).unwrap_err();
        assert!(matches!(error, Error::SizeMismatch { .. }), "{error}");
        let error = stage.finish().unwrap_err();
        assert!(matches!(error, Error::SizeMismatch { declared_bytes: 3, received_bytes: 2 }), "{error}");
    }
}

#[test]
fn a_published_object_is_never_replaced() {
    for (store, _keep) in stores() {
        put(&store, BlobId(5), b"first").unwrap();
        assert!(matches!(put(&store, BlobId(5), b"other"), Err(Error::Exists { .. })));
        assert_eq!(read(&store, BlobId(5)), b"first");
    }
}

#[test]
fn of_many_who_publish_one_id_at_once_exactly_one_succeeds() {
    for (store, _keep) in stores() {
        let contents: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; 100_000]).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let store = &store;
            let threads: Vec<_> =
                contents.iter().map(|content| scope.spawn(move || put(store, BlobId(1), content))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..8).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(read(&store, BlobId(1)), contents[winners[0]]);
        assert!(outcomes.iter().filter_map(|o| o.as_ref().err()).all(|e| matches!(e, Error::Exists { .. })));
    }
}

#[test]
fn a_pack_and_its_index_appear_together_or_not_at_all() {
    for (store, _keep) in stores() {
        let scratch = store.quarantine().unwrap();
        let (pack, index) = write_pack(&scratch, b"PACK", b"index");
        store.publish_pack(PackId(3), &pack, &index).unwrap();
        let (stored_pack, stored_index) = store.pack_paths(PackId(3));
        drop(scratch);
        assert_eq!(fs::read(&stored_pack).unwrap(), b"PACK");
        assert_eq!(fs::read(&stored_index).unwrap(), b"index");

        let scratch = store.quarantine().unwrap();
        let (pack, index) = write_pack(&scratch, b"other", b"other");
        assert!(matches!(store.publish_pack(PackId(3), &pack, &index), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&stored_pack).unwrap(), b"PACK");

        // Only the index's name is taken: the pack's is given back.
        store.remove_pack(PackId(3)).unwrap();
        fs::write(&stored_index, b"stranger").unwrap();
        assert!(matches!(store.publish_pack(PackId(3), &pack, &index), Err(Error::Exists { .. })));
        assert!(!stored_pack.exists());
        assert_eq!(fs::read(&stored_index).unwrap(), b"stranger");
    }
}

#[test]
fn removing_says_whether_there_was_something_and_open_files_stay_readable() {
    for (store, _keep) in stores() {
        put(&store, BlobId(8), b"text").unwrap();
        let open = store.open_blob(BlobId(8)).unwrap();
        assert!(store.remove_blob(BlobId(8)).unwrap());
        assert!(!store.remove_blob(BlobId(8)).unwrap());
        assert!(!store.remove_pack(PackId(8)).unwrap());
        assert_eq!(std::io::read_to_string(open.file.as_ref()).unwrap(), "text");
        // The id is free again only for the file system; the hub never uses one twice.
        assert!(matches!(store.open_blob(BlobId(8)), Err(Error::NotFound { .. })));
    }
}

#[test]
fn every_published_file_is_found_and_nothing_else() {
    for (store, _keep) in stores() {
        for id in 0..20 {
            put(&store, BlobId(id << 22), b"x").unwrap();
        }
        let scratch = store.quarantine().unwrap();
        let (pack, index) = write_pack(&scratch, b"PACK", b"index");
        store.publish_pack(PackId(77), &pack, &index).unwrap();
        let _unfinished = store.stage(5).unwrap();
        let mut kinds = Vec::new();
        store
            .for_each_file(&mut |file| {
                kinds.push(file.kind);
                Ok(())
            })
            .unwrap();
        kinds.sort();
        let ids = || (0..20).map(|id| BlobId(id << 22));
        let mut expected: Vec<_> = ids().map(FileKind::Blob).chain(ids().map(FileKind::List)).collect();
        expected.extend([FileKind::Pack(PackId(77)), FileKind::Index(PackId(77))]);
        assert_eq!(kinds, expected);
    }
}

#[test]
fn a_sweep_moves_only_what_is_unknown_and_old_and_deletes_it_two_weeks_later() {
    for (store, keep) in stores() {
        store.set_epoch("e1").unwrap();
        put(&store, BlobId(1), b"known").unwrap();
        put(&store, BlobId(2), b"unknown").unwrap();
        let mut is_known = |kind| [FileKind::Blob(BlobId(1)), FileKind::List(BlobId(1))].contains(&kind);
        let rules = |days| SweepRules { epoch: "e1".to_owned(), now: later(days) };

        let report = store.sweep(&rules(0), &mut is_known).unwrap();
        assert_eq!((report.seen, report.moved), (4, 0), "its row may be on the way");
        let report = store.sweep(&rules(2), &mut is_known).unwrap();
        assert_eq!((report.moved, report.moved_bytes, report.deleted), (2, 7 + 118, 0));
        assert_eq!(read(&store, BlobId(1)), b"known");
        assert!(matches!(store.open_blob(BlobId(2)), Err(Error::NotFound { .. })));
        let lost = || fs::read_dir(keep.path().join("lost")).unwrap().count();
        assert_eq!((store.sweep(&rules(15), &mut is_known).unwrap().deleted, lost()), (0, 2));
        assert_eq!((store.sweep(&rules(17), &mut is_known).unwrap().deleted, lost()), (2, 0));
    }
}

#[test]
fn a_restored_database_cannot_sweep_a_newer_store() {
    for (store, _keep) in stores() {
        let rules = SweepRules { epoch: "old".to_owned(), now: later(100) };
        put(&store, BlobId(1), b"newer than the backup").unwrap();
        for epoch in [None, Some("new")] {
            if let Some(epoch) = epoch {
                store.set_epoch(epoch).unwrap();
            }
            let error = store.sweep(&rules, &mut |_| false).unwrap_err();
            assert!(
                matches!(&error, Error::EpochMismatch { stored } if stored.as_deref() == epoch),
                "{error}"
            );
        }
        assert_eq!(read(&store, BlobId(1)), b"newer than the backup");
    }
}
