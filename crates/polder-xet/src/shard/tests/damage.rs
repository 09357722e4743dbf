//! Damaged bytes: an error, or nothing that matters.

use proptest::prelude::*;

use super::super::record::write;
use super::super::sections::header;
use super::*;

/// The byte after the second end of a section.
fn sections_bytes(shard: &[u8]) -> usize {
    let is_end = |record: &[u8]| record == super::super::record::section_end();
    let mut ends = (0..shard.len() / 48).filter(|at| is_end(&shard[48 * at..48 * at + 48]));
    48 * (ends.next_back().unwrap() + 1)
}

#[test]
fn a_shard_cut_short_anywhere_but_before_its_footer_is_none() {
    for whole in [UPLOAD, AT_REST, KEYED, KEYED_WHOLE] {
        let shard = Shard::decode_any(whole).unwrap();
        for len in 0..whole.len() {
            // Clients upload it without tables and footer.
            if let Ok(read) = Shard::decode_any(&whole[..len]) {
                assert_eq!((len, read.footer), (sections_bytes(whole), None));
                assert!(read.files().eq(shard.files()) && read.xorbs().eq(shard.xorbs()));
            }
        }
        assert!(Shard::decode_any(&[whole, b"\0"].concat()).is_err());
        assert!(Shard::decode_any(&[whole, &[0; 48]].concat()).is_err());
    }
}

/// What of a shard must be as it was.
fn meaning(bytes: &[u8], xorbs: &mut Uploaded) -> Option<String> {
    let shard = Shard::decode(bytes).ok()?;
    let proven = accept(&shard, xorbs, LIMITS).ok()?;
    let files = proven.iter().map(|file| (file.hash(), file.size_bytes, file.terms().collect::<Vec<_>>()));
    let named: Vec<XorbHash> = shard.xorbs().map(|xorb| xorb.hash).collect();
    Some(format!("{:?} {named:?}", files.collect::<Vec<_>>()))
}

#[test]
fn a_flip_anywhere_is_found_or_does_not_matter() {
    for whole in [UPLOAD, AT_REST] {
        let mut xorbs = believed(&Shard::decode(whole).unwrap());
        let before = meaning(whole, &mut xorbs);
        let mut found = 0;
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[at] ^= flip;
                let after = meaning(&bytes, &mut xorbs);
                assert!(after.is_none() || after == before, "byte {at} by {flip}");
                found += usize::from(after.is_none());
            }
        }
        assert!(found > whole.len(), "{found} of {} flips were found", 3 * whole.len());
    }
}

#[test]
fn counts_beyond_the_shard_are_refused_whatever_they_are() {
    for count in [1, 2, 1 << 20, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
        for flags in [0, 1 << 31, 1 << 30, 3 << 30] {
            let file = write(&[1; 32], [flags, count, 0, 0]);
            let bytes = [header(0), file].concat();
            assert_eq!(Shard::decode(&bytes), Err(ShardError::CutShort));
        }
        let xorb = write(&[1; 32], [0, count, 0, 0]);
        let bytes = [header(0), super::super::record::section_end(), xorb].concat();
        assert_eq!(Shard::decode(&bytes), Err(ShardError::CutShort));
    }
    let unknown = [header(0), write(&[1; 32], [1 << 29, 0, 0, 0])].concat();
    assert_eq!(Shard::decode(&unknown), Err(ShardError::UnknownFlags));
    assert_eq!(Shard::decode(&vec![0; SHARD_BYTES_MAX + 1]), Err(ShardError::TooLarge));
}

#[test]
fn an_answer_does_not_grow_beyond_what_a_client_reads() {
    let chunks = vec![Chunk { hash: ChunkHash::of(b"c"), size_bytes: 8192 }; 8192];
    let mut writer = DedupWriter::new(ShardKey::new([1; 32]).unwrap());
    let mut added = 0;
    while writer.add(XorbHash::new([2; 32]), &chunks).is_ok() {
        added += 1;
    }
    let bytes = writer.finish(1, 2);
    assert!(bytes.len() <= SHARD_BYTES_MAX && bytes.len() + 48 * 8193 > SHARD_BYTES_MAX);
    assert_eq!(DedupShard::decode(&bytes).unwrap().chunks().count(), added * 8192);
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(
        records in prop::collection::vec((any::<[u8; 32]>(), any::<[u32; 4]>(), 0_u8..4), 0..40),
        tail in prop::collection::vec(any::<u8>(), 0..250),
        has_footer in any::<bool>(),
    ) {
        let mut bytes = header(if has_footer { 200 } else { 0 }).to_vec();
        for (hash, numbers, kind) in records {
            let [flags, count, ..] = numbers;
            let record = match kind {
                0 => super::super::record::section_end(),
                1 => write(&hash, [flags & 3 << 30, count % 8, 0, 0]),
                2 => write(&hash, [0, count % 4, 1, 2]),
                _ => write(&hash, numbers),
            };
            bytes.extend_from_slice(&record);
        }
        bytes.extend_from_slice(&tail);
        if let Ok(shard) = Shard::decode_any(&bytes) {
            let terms: usize = shard.files().map(|file| file.terms().len()).sum();
            let chunks: usize = shard.xorbs().map(|xorb| xorb.chunks().len()).sum();
            prop_assert!((terms + chunks) * 48 <= bytes.len());
        }
    }
}
