//! Packs that are small to send and large to open.

use super::*;
use crate::Error;

fn too_large(pack: &[u8], limits: &IndexLimits) -> String {
    match receive_with(pack, limits) {
        Err(Error::TooLarge { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_large_file_is_refused_with_advice_before_it_is_inflated() {
    let mut pack = Pack::new();
    pack.entry_claiming(EntryKind::Whole(ObjectKind::Blob), 65 << 20, b"never looked at");
    let message = too_large(&pack.finish(), &IndexLimits::PUSH);
    assert!(message.contains("Git LFS") && message.contains("64 MiB"), "{message}");

    let mut pack = Pack::new();
    let base = pack.blob(b"base");
    let mut delta = delta_size(4);
    delta.extend(delta_size(65 << 20));
    delta.extend([1, b'x']);
    pack.delta_on(base, &delta);
    assert!(too_large(&pack.finish(), &IndexLimits::PUSH).contains("Git LFS"));
}

#[test]
fn limits_on_bytes_and_objects_hold() {
    let mut pack = Pack::new();
    pack.blob(b"one");
    pack.blob(b"two");
    let pack = pack.finish();
    let few = IndexLimits { objects_max: 1, ..IndexLimits::PUSH };
    assert!(too_large(&pack, &few).contains("at most 1"));
    let short = IndexLimits { pack_bytes_max: 30, ..IndexLimits::PUSH };
    assert!(too_large(&pack, &short).contains("larger than 30 bytes"));
}

#[test]
fn many_deltas_on_one_large_object_run_out_of_budget() {
    let mut pack = Pack::new();
    let base = pack.blob(&vec![0; 60_000]);
    for n in 0..200_u8 {
        pack.delta_on(base, &append_byte(60_000, n));
    }
    let pack = pack.finish();
    let tight = IndexLimits { inflated_bytes_free: 1 << 20, inflated_per_byte_max: 10, ..IndexLimits::PUSH };
    assert!(too_large(&pack, &tight).contains("inflates to more than"));
    assert_eq!(receive(&pack).unwrap().objects, 201);
}

#[test]
fn a_chain_of_deltas_may_be_as_long_as_git_makes_them_and_no_longer() {
    let chain = |length: usize| {
        let mut pack = Pack::new();
        let mut base = pack.blob(b"");
        for size in 0..length {
            base =
                pack.delta_on(base, &if size == 0 { vec![0, 1, 1, b'a'] } else { append_byte(size, b'a') });
        }
        pack.finish()
    };
    assert_eq!(receive(&chain(4095)).unwrap().objects, 4096);
    assert!(refusal(&chain(4096)).contains("chain of more than 4095 deltas"));
}

#[test]
fn forgotten_bases_are_made_again() {
    // A comb: each link of the chain has a leaf and a further branch; more bases than memory keeps.
    let mut pack = Pack::new();
    let size = 3 << 20;
    let mut content = vec![b'a'; size];
    let mut base = pack.blob(&content);
    let mut expected = vec![content.clone()];
    let keep_and_append = |size: usize, byte: u8| {
        let mut delta = delta_size(size);
        delta.extend(delta_size(size + 1));
        let mut at = 0;
        while at < size {
            let length = (size - at).min(0xff_ffff);
            let offset = u32::try_from(at).unwrap().to_le_bytes();
            delta.push(0xff);
            delta.extend(offset);
            delta.extend(&u32::try_from(length).unwrap().to_le_bytes()[..3]);
            at += length;
        }
        delta.extend([1, byte]);
        delta
    };
    let mut later = Vec::new();
    for link in 0..30_u8 {
        later.push((base, content.clone()));
        let next = pack.delta_on(base, &keep_and_append(content.len(), link));
        content.push(link);
        expected.push(content.clone());
        base = next;
    }
    // Second branches, each two deltas long so that none is a leaf.
    for (base, mut content) in later {
        let branch = pack.delta_on(base, &keep_and_append(content.len(), b'X'));
        content.push(b'X');
        expected.push(content.clone());
        pack.delta_on(branch, &keep_and_append(content.len(), b'Y'));
        content.push(b'Y');
        expected.push(content);
    }
    let received = receive(&pack.finish()).unwrap();
    assert_eq!(usize::try_from(received.objects).unwrap(), expected.len());
    for content in expected {
        let id = super::super::object_hash::hash_object(ObjectKind::Blob, &content).unwrap();
        assert!(received.pack.contains(&id));
    }
}

#[test]
fn padding_inside_a_deflated_entry_is_refused() {
    let mut pack = Pack::new();
    write_header(&mut pack.bytes, EntryKind::Whole(ObjectKind::Blob), 1);
    pack.bytes.extend([0x78, 0x01]);
    for _ in 0..40_000 {
        pack.bytes.extend([0, 0, 0, 0xff, 0xff]);
    }
    pack.bytes.extend([1, 1, 0, 0xfe, 0xff, b'x', 0, 0x79, 0, 0x79]);
    pack.count = 1;
    assert!(refusal(&pack.finish()).contains("another size than it claims"));
}
