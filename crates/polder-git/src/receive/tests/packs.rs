//! Indexing: the same as git's, or a refusal.

use std::fmt::Write;

use super::*;
use crate::receive::Place;
use crate::receive::object_hash::hash_object;

/// A repository with deltas of every sort of object, a tag, and a blob over the inline size.
fn busy_repository() -> (Git, Vec<ObjectId>) {
    let git = Git::new();
    let mut noise = 1_u32;
    let big: Vec<u8> = (0..200_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .collect();
    let mut tips = Vec::new();
    let mut text = String::new();
    for round in 0..30 {
        writeln!(text, "line {round} of a file that grows").unwrap();
        let file = git.blob(text.as_bytes());
        let sub = git.tree(&[("100644 f.txt", file)]);
        let big = git.blob(&big);
        let entries = [("100644 big.bin", big), ("40000 sub", sub), ("120000 zlink", file)];
        let parents: Vec<ObjectId> = tips.last().copied().into_iter().collect();
        tips.push(git.commit(git.tree(&entries), &parents));
    }
    let head = *tips.last().unwrap();
    git.run(&["update-ref", "refs/heads/main", &head.to_string()], b"");
    git.run(&["tag", "-a", "-m", "t", "v1", &head.to_string()], b"");
    tips.push(git.oid(&["rev-parse", "refs/tags/v1"], b""));
    (git, tips)
}

fn index_of(git: &Git, pack: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (pack_path, index_path) = (dir.path().join("x.pack"), dir.path().join("x.idx"));
    std::fs::write(&pack_path, pack).unwrap();
    git.run(&["index-pack", "-o", index_path.to_str().unwrap(), pack_path.to_str().unwrap()], b"");
    std::fs::read(index_path).unwrap()
}

#[test]
fn the_index_is_byte_for_byte_gits_own_in_memory_and_on_disk() {
    let (git, tips) = busy_repository();
    let list = lines("", &tips);
    for extra in [&["--delta-base-offset"][..], &[], &["--depth=1"], &["--window=0"]] {
        let args = [&["pack-objects", "--stdout", "-q", "--revs"], extra].concat();
        let pack = git.run(&args, list.as_bytes());
        let expected = index_of(&git, &pack);

        let quarantine = tempfile::tempdir().unwrap();
        let on_disk =
            index_pack(PackId(7), &mut pack.as_slice(), quarantine.path(), &IndexLimits::PUSH, &mut |_| {});
        let on_disk = on_disk.unwrap().unwrap();
        let Place::Files { pack: pack_path, index } = &on_disk.place else { panic!("over the inline size") };
        assert_eq!(std::fs::read(index).unwrap(), expected);
        assert_eq!(std::fs::read(pack_path).unwrap(), pack);
        assert_eq!(on_disk.bytes, u64::try_from(pack.len()).unwrap());

        let roomy = IndexLimits { inline_bytes_max: 1 << 20, ..IndexLimits::PUSH };
        let in_memory = receive_with(&pack, &roomy).unwrap().unwrap();
        let Place::Memory { pack: bytes, index } = &in_memory.place else { panic!("below the inline size") };
        assert_eq!((&bytes[..], &index[..]), (&pack[..], &expected[..]));
        assert_eq!(in_memory.objects, on_disk.pack.object_count());

        let checked = check_push(&empty(), Some(&in_memory), &tips, Severity::Push).unwrap();
        assert_eq!(checked.warnings, Vec::<String>::new());
        assert_eq!(checked.peeled[tips.last().unwrap()], tips[tips.len() - 2]);
    }
}

#[test]
fn no_pack_and_an_empty_pack_are_nothing() {
    assert!(receive_with(b"", &IndexLimits::PUSH).unwrap().is_none());
    assert!(receive_with(&Git::new().pack(&[]), &IndexLimits::PUSH).unwrap().is_none());
}

#[test]
fn a_thin_pack_is_refused_whatever_its_base() {
    let (git, tips) = busy_repository();
    let list = format!("{}\n^{}\n", tips[29], tips[20]);
    let thin = git
        .run(&["pack-objects", "--thin", "--stdout", "-q", "--revs", "--delta-base-offset"], list.as_bytes());
    assert!(refusal(&thin).contains("unresolved delta"), "{}", refusal(&thin));

    let mut lone = Pack::new();
    lone.entry(EntryKind::RefDelta { base: tips[0] }, &append_byte(3, b'x'));
    assert!(refusal(&lone.finish()).starts_with("pack has 1 unresolved delta:"));
}

#[test]
fn every_cut_flip_and_addition_is_refused() {
    let git = Git::new();
    let blobs: Vec<ObjectId> =
        (0..6).map(|n| git.blob(format!("{}{n}", "text ".repeat(60)).as_bytes())).collect();
    let pack = git.pack(&blobs);
    assert_eq!(receive(&pack).unwrap().objects, 6);
    for end in 1..pack.len() {
        assert!(receive_with(&pack[..end], &IndexLimits::PUSH).is_err(), "cut at {end}");
    }
    for at in 0..pack.len() {
        let mut flipped = pack.clone();
        flipped[at] ^= 0x10;
        assert!(receive_with(&flipped, &IndexLimits::PUSH).is_err(), "flipped at {at}");
    }
    let mut longer = pack;
    longer.push(b'x');
    assert_eq!(refusal(&longer), "pack has junk at the end");
}

#[test]
fn a_reader_that_gives_one_byte_at_a_time_makes_no_difference() {
    struct Trickle<'a>(&'a [u8]);
    impl std::io::Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let room = buffer.len().min(1);
            std::io::Read::read(&mut self.0, &mut buffer[..room])
        }
    }
    let (git, tips) = busy_repository();
    let pack = git.push_pack(&tips, &[]);
    let quarantine = tempfile::tempdir().unwrap();
    let mut body = Trickle(&pack);
    let received = index_pack(PackId(1), &mut body, quarantine.path(), &IndexLimits::PUSH, &mut |_| {});
    assert_eq!(received.unwrap().unwrap().objects, receive(&pack).unwrap().objects);
}

#[test]
fn wrong_counts_sizes_and_types_are_refused() {
    let mut one = Pack::new();
    one.blob(b"x");
    assert!(receive(&Pack { bytes: one.bytes.clone(), count: 1 }.finish_counting(2)).is_err());
    assert!(receive(&Pack { bytes: one.bytes.clone(), count: 1 }.finish_counting(u32::MAX)).is_err());
    one.blob(b"y");
    assert!(receive(&Pack { bytes: one.bytes, count: 2 }.finish_counting(1)).is_err());

    for claimed in [0, 1, 3, 1 << 20] {
        let mut pack = Pack::new();
        pack.entry_claiming(EntryKind::Whole(ObjectKind::Blob), claimed, b"xy");
        let told = refusal(&pack.finish());
        assert!(told.contains("bad object at offset 12"), "{claimed}: {told}");
    }
    for byte in [0x01, 0x51] {
        let mut pack = Pack::new();
        pack.blob(&[b'x'; 100]);
        pack.bytes[12] = byte;
        assert!(refusal(&pack.finish()).contains("unknown object type"), "{byte:x}");
    }
    for start in [&b"PACK\0\0\0\x03\0\0\0\x01"[..], b"JUNK\0\0\0\x02\0\0\0\x01", b"PACK\0\0\0\x02"] {
        assert!(receive(start).is_err());
    }
}

#[test]
fn an_object_twice_is_refused() {
    let mut pack = Pack::new();
    pack.blob(b"same");
    pack.blob(b"same");
    assert!(refusal(&pack.finish()).ends_with("twice"));
    let mut pack = Pack::new();
    let base = pack.blob(b"same");
    pack.blob(b"samex");
    pack.delta_on(base, &append_byte(4, b'x'));
    assert!(refusal(&pack.finish()).ends_with("twice"));
}

#[test]
fn a_base_may_come_after_its_delta_by_id_but_never_be_itself() {
    let base = hash_object(ObjectKind::Blob, b"base").unwrap();
    let mut pack = Pack::new();
    pack.entry(EntryKind::RefDelta { base }, &append_byte(4, b'x'));
    pack.blob(b"base");
    let received = receive(&pack.finish()).unwrap();
    assert!(received.pack.contains(&hash_object(ObjectKind::Blob, b"basex").unwrap()));

    // Two deltas that name each other, one that names itself, offsets into nothing.
    let (one, two) = (ObjectId::new([1; 20]), ObjectId::new([2; 20]));
    let mut pack = Pack::new();
    pack.entry(EntryKind::RefDelta { base: two }, &append_byte(4, b'x'));
    pack.entry(EntryKind::RefDelta { base: one }, &append_byte(4, b'y'));
    assert!(refusal(&pack.finish()).contains("2 unresolved deltas"));
    for distance in [0, 1, 12, 13, 1 << 40] {
        let mut pack = Pack::new();
        pack.blob(b"base of some length");
        pack.entry(EntryKind::OffsetDelta { distance }, &append_byte(19, b'x'));
        assert!(receive(&pack.finish()).is_err(), "{distance}");
    }
}

#[test]
fn deltas_that_do_not_fit_their_base_are_refused() {
    for delta in [&[3, 1, 1, b'x'][..], &[4, 1, 0], &[4, 9, 1, b'x'], &[4, 2, 0x90, 9], &[4], &[]] {
        let mut pack = Pack::new();
        let base = pack.blob(b"base");
        pack.delta_on(base, delta);
        assert!(refusal(&pack.finish()).contains("failed to apply delta"), "{delta:?}");
    }
}

#[test]
fn an_id_that_is_stored_with_other_bytes_is_refused() {
    use crate::receive::index_file::{IndexLine, write_index};
    // A store whose index claims that an object is another one: what a collision would look like.
    let mut pack = Pack::new();
    let offset = pack.blob(b"first");
    let bytes = pack.finish();
    let id = hash_object(ObjectKind::Blob, b"second").unwrap();
    let hash = ObjectId::from_slice(&bytes[bytes.len() - 20..]).unwrap();
    let mut index = Vec::new();
    write_index(&[IndexLine { id, offset, crc32: 0 }], hash, &mut index).unwrap();
    let stored = crate::Pack::from_bytes(PackId(3), bytes.into(), index.into()).unwrap();
    let before = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), vec![stored.into()]);

    let mut pack = Pack::new();
    pack.blob(b"second");
    let error = push(&before, &pack.finish(), &[]).unwrap_err();
    assert_eq!(error.to_string(), format!("SHA1 COLLISION FOUND WITH {id} !"));
    assert_eq!(before.read(&id).unwrap().unwrap().data, &b"first"[..], "the stored one stays");
}
