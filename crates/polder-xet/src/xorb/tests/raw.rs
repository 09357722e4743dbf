//! Xorbs made on the way out.

use std::ops::Range;

use super::*;

/// What is sent of `xorb`, whose object is `object`.
pub(super) fn sent(xorb: &RawXorb<'_>, object: &[u8], range: Range<u64>) -> Vec<u8> {
    let at = |bytes: u64| usize::try_from(bytes).unwrap();
    let bytes = |piece| match piece {
        Piece::Header(bytes) => bytes,
        Piece::Object(range) => object[at(range.start)..at(range.end)].to_vec(),
    };
    xorb.pieces(range).flat_map(bytes).collect()
}

#[test]
fn every_range_is_that_part_of_the_whole() {
    let object: Vec<u8> = (0..40).collect();
    let chunks: Vec<Chunk> = [1..4, 4..5, 5..25].map(|range| chunk(&object[range])).to_vec();
    let xorb = RawXorb::new(&chunks, 1).unwrap();
    let whole = sent(&xorb, &object, 0..xorb.body_bytes());
    assert_eq!(u64::try_from(whole.len()), Ok(xorb.body_bytes()));
    assert_eq!(whole.len(), 24 + 3 * 8);
    assert_eq!(read(&whole, 5).unwrap().0.hash, crate::xorb_hash(chunks.clone()));
    for start in 0..whole.len() {
        for end in start..whole.len() + 2 {
            let range = u64::try_from(start).unwrap()..u64::try_from(end).unwrap();
            assert_eq!(sent(&xorb, &object, range), whole[start..end.min(whole.len())]);
        }
    }
    for start in 0..3 {
        for end in start + 1..=3 {
            let part = sent(&xorb, &object, xorb.body_range(start..end).unwrap());
            assert_eq!(read(&part, 3).unwrap().0.hash, crate::xorb_hash(chunks[start..end].to_vec()));
        }
    }
    assert_eq!(xorb.body_range(0..4), None);
    assert_eq!(xorb.body_range(Range { start: 2, end: 1 }), None);
}

#[test]
fn runs_cover_the_object_and_each_is_an_xorb() {
    let chunks: Vec<Chunk> = (0..5000_u32)
        .map(|n| Chunk { hash: ChunkHash::of(&n.to_le_bytes()), size_bytes: 1 + n % 3 * 65_535 })
        .collect();
    let (mut runs, mut cut) = (Runs::default(), Vec::new());
    for chunk in &chunks {
        cut.extend(runs.push(*chunk));
    }
    cut.extend(runs.finish());
    let (mut first, mut offset) = (0, 0);
    for run in &cut {
        assert_eq!((run.first, run.offset), (first, offset));
        let range = usize::try_from(run.first).unwrap()..usize::try_from(run.first + run.chunks).unwrap();
        let ours = &chunks[range];
        let xorb = RawXorb::new(ours, run.offset).unwrap();
        assert_eq!(run.hash, crate::xorb_hash(ours.to_vec()));
        assert_eq!(xorb.body_bytes(), run.size_bytes + 8 * run.chunks);
        assert!(run.chunks <= RUN_CHUNKS_MAX && run.size_bytes <= u64::from(XORB_BYTES_MAX));
        first += run.chunks;
        offset += run.size_bytes;
    }
    assert_eq!(first, 5000);
    assert!(cut[0].chunks < RUN_CHUNKS_MAX || cut.len() == 5, "{cut:?}");
    assert_eq!(Runs::default().finish(), None);
}

#[test]
fn a_run_ends_where_the_next_chunk_would_be_too_much() {
    let most = Chunk { hash: ChunkHash::of(b"most"), size_bytes: 131_072 };
    let (mut runs, mut cut) = (Runs::default(), Vec::new());
    for _ in 0..1025 {
        cut.extend(runs.push(most));
    }
    cut.extend(runs.finish());
    assert_eq!(cut.iter().map(|run| run.chunks).collect::<Vec<_>>(), [512, 512, 1]);
}

#[test]
fn more_than_an_xorb_may_have_is_none() {
    let one = Chunk { hash: ChunkHash::of(b"1"), size_bytes: 1 };
    let most = Chunk { size_bytes: 131_072, ..one };
    assert!(RawXorb::new(&vec![one; 8192], 0).is_ok());
    assert_eq!(RawXorb::new(&vec![one; 8193], 0).err(), Some(XorbError::TooManyChunks));
    assert!(RawXorb::new(&vec![most; 512], 0).is_ok());
    assert_eq!(RawXorb::new(&[vec![most; 512], vec![one]].concat(), 0).err(), Some(XorbError::TooManyBytes));
    assert_eq!(RawXorb::new(&[one], u64::MAX).err(), Some(XorbError::TooManyBytes));
    assert_eq!(RawXorb::new(&[], 0).err(), Some(XorbError::Empty));
}
