//! What must hold: the published client's chunks and hashes, however the bytes come; lists that lie refused.

use proptest::prelude::*;

use crate::*;

const VECTORS: &str = include_str!("../../../fixtures/xet/vectors.txt");

/// Little-endian words of splitmix64, as in `fixtures/xet/oracle.rs`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let (mut state, mut out) = (seed, Vec::with_capacity(len + 8));
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    out.truncate(len);
    out
}

fn input(kind: &str, number: u64, len: usize) -> Vec<u8> {
    match kind {
        "noise" => noise(number, len),
        "zeros" => vec![0; len],
        "stripes" => {
            let bytes = noise(number, len).into_iter().enumerate();
            bytes.map(|(at, byte)| if at / 300_000 % 2 == 1 { 0 } else { byte }).collect()
        }
        "period" => noise(1, usize::try_from(number).unwrap()).into_iter().cycle().take(len).collect(),
        other => panic!("{other}"),
    }
}

fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Chunk> {
    let (mut cutter, mut chunks) = (Cutter::default(), Vec::new());
    pieces.into_iter().for_each(|piece| cutter.push(piece, &mut |chunk| chunks.push(chunk)));
    chunks.extend(cutter.finish());
    chunks
}

fn list_of(bytes: &[u8]) -> ChunkList {
    let chunks = cut([bytes]);
    let mut file = FileHasher::default();
    for chunk in &chunks {
        file.push(*chunk);
    }
    ChunkList { header: ListHeader::of(file, [9; 32]).unwrap(), chunks }
}

#[test]
fn chunks_and_hashes_are_those_of_the_published_client() {
    let (mut chunks, mut inputs): (std::vec::IntoIter<Chunk>, _) = (Vec::new().into_iter(), 0);
    let mut list = list_of(b"");
    for line in VECTORS.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["input", kind, number, len] => {
                assert_eq!(chunks.next(), None, "before {line}");
                list = list_of(&input(kind, number.parse().unwrap(), len.parse().unwrap()));
                chunks = list.chunks.clone().into_iter();
                inputs += 1;
            }
            ["chunk", hash, len] => {
                let chunk = chunks.next().expect(line);
                assert_eq!(
                    (chunk.hash.to_string().as_str(), chunk.size_bytes.to_string().as_str()),
                    (hash, len)
                );
            }
            ["xorb", hash] => assert_eq!(xorb_hash(list.chunks.clone()).to_string(), hash),
            ["file", hash] => assert_eq!(list.header.file_hash.to_string(), hash),
            ["list", count, xorb, file] => {
                let made_up =
                    |i: u32| Chunk { hash: ChunkHash::of(i.to_string().as_bytes()), size_bytes: 1000 + i };
                let made_up = || (0..count.parse().unwrap()).map(made_up);
                let mut tree = FileHasher::default();
                made_up().for_each(|chunk| tree.push(chunk));
                assert_eq!(
                    (xorb_hash(made_up()).to_string().as_str(), tree.finish().to_string().as_str()),
                    (xorb, file)
                );
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!((chunks.next(), inputs), (None, 13));
}

#[test]
fn the_bytes_of_a_list_never_change() {
    let list = list_of(&noise(6, 150_000));
    let bytes = list.encode();
    assert_eq!(bytes.len(), HEADER_BYTES + ENTRY_BYTES * list.chunks.len());
    assert_eq!(u64::try_from(bytes.len()), Ok(list.header.list_bytes()));
    // "PLCK", version 1, algorithm 1, 150,000 bytes.
    assert_eq!(bytes[..14], *b"PLCK\x01\x01\0\0\0\0\0\x02\x49\xf0");
    assert_eq!(bytes[14..46], [9; 32]);
    assert_eq!(bytes[46..78], *list.header.file_hash.as_bytes());
    assert_eq!(bytes[78..82], u32::try_from(list.chunks.len()).unwrap().to_be_bytes());
    assert_eq!(bytes[82..114], *list.chunks[0].hash.as_bytes());
    assert_eq!(bytes[114..118], list.chunks[0].size_bytes.to_be_bytes());
    assert_eq!(
        ChunkHash::of(&bytes).to_string(),
        "d77da0e9e948bcac9862ab04e3deb9c2bb5624b7bd737825c4b33c49d8c3180b"
    );
}

#[test]
fn a_list_that_is_not_its_header_s_is_refused() {
    let list = list_of(&noise(7, 300_000));
    assert_eq!(ChunkList::decode(&list.encode()).as_ref(), Ok(&list));
    let refused = |change: &dyn Fn(&mut ChunkList)| {
        let mut list = list.clone();
        change(&mut list);
        assert!(ChunkList::decode(&list.encode()).is_err(), "{list:?}");
    };
    refused(&|list| list.header.size_bytes += 1);
    refused(&|list| list.header.chunks += 1);
    refused(&|list| list.header.chunks = u32::MAX);
    refused(&|list| list.header.file_hash = FileHash::new([1; 32]));
    refused(&|list| list.chunks.swap(0, 1));
    refused(&|list| list.chunks[0].hash = ChunkHash::of(b"other"));
    refused(&|list| list.chunks[0].size_bytes += 1);
    refused(&|list| list.chunks[1].size_bytes = 0);
    refused(&|list| list.chunks[1].size_bytes = 131_073);
    refused(&|list| {
        list.chunks.pop();
    });
    refused(&|list| list.chunks.push(list.chunks[0]));
}

#[test]
fn nodes_of_the_tree_pass_for_chunks_until_the_bytes_come() {
    // Why a list is only proven by its chunks: chunks and the nodes over them have the same root.
    let mut chunks: Vec<Chunk> =
        (0..100_u8).map(|i| Chunk { hash: ChunkHash::of(&[i]), size_bytes: 9000 }).collect();
    let mut groups: Vec<Vec<Chunk>> = vec![Vec::new()];
    for chunk in &chunks {
        groups.last_mut().unwrap().push(*chunk);
        let mut tree = FileHasher::default();
        groups.last().unwrap().iter().for_each(|chunk| tree.push(*chunk));
        let last = groups.last().unwrap().len();
        let cuts = crate::hash::last_word(chunk.hash.as_bytes()).is_multiple_of(4);
        if last == 9 || last >= 3 && cuts {
            groups.push(Vec::new());
        }
    }
    while groups.last().is_some_and(|group| group.len() < 2) {
        chunks.truncate(chunks.len() - groups.pop().unwrap().len());
    }
    let forged = groups.iter().map(|group| Chunk {
        hash: ChunkHash::new(*xorb_hash(group.clone()).as_bytes()),
        size_bytes: group.iter().map(|chunk| chunk.size_bytes).sum(),
    });
    assert_eq!(xorb_hash(forged), xorb_hash(chunks));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_list_is_the_same_whether_its_chunks_are_cut_or_given(
        seed in any::<u64>(),
        len in 0_usize..900_000,
        cuts in prop::collection::vec(1..=CHUNK_BYTES_MAX, 1..60),
    ) {
        let bytes = input("noise", seed, len);
        let given = |chunks: &[Chunk]| {
            let mut lister = Lister::of_given();
            lister.push(&bytes);
            chunks.chunks(3).for_each(|some| lister.give(some));
            lister.finish([9; 32]).unwrap()
        };
        let mut lister = Lister::default();
        lister.push(&bytes);
        prop_assert_eq!(lister.finish([9; 32]).unwrap(), given(&cut([bytes.as_slice()])));

        // Cut in any way.
        let (mut rest, mut chunks) = (bytes.as_slice(), Vec::new());
        for length in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            if piece.is_empty() {
                break;
            }
            chunks.push(Chunk { hash: ChunkHash::of(piece), size_bytes: u32::try_from(piece.len()).unwrap() });
            rest = after;
        }
        let (header, entries, _) = given(&chunks);
        if u64::from(header.chunks) <= chunks_max(header.size_bytes) {
            let list = ChunkList::decode(&[&header.encode()[..], &entries].concat()).unwrap();
            prop_assert_eq!(list.chunks, chunks);
        }
    }

    #[test]
    fn chunks_do_not_depend_on_how_the_bytes_come(
        seed in any::<u64>(),
        kind in prop::sample::select(vec!["noise", "stripes", "period"]),
        len in 0_usize..900_000,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let number = if kind == "period" { seed % 70_000 + 1 } else { seed };
        let bytes = input(kind, number, len);
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(len + 1)).collect();
        cuts.extend([0, len]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let whole = cut([bytes.as_slice()]);
        prop_assert_eq!(&cut(pieces), &whole);
        let mut at = 0;
        for (index, chunk) in whole.iter().enumerate() {
            let size = usize::try_from(chunk.size_bytes).unwrap();
            prop_assert_eq!(ChunkHash::of(&bytes[at..at + size]), chunk.hash);
            prop_assert!(size <= CHUNK_BYTES_MAX && (size >= CHUNK_BYTES_MIN || index + 1 == whole.len()));
            at += size;
        }
        prop_assert_eq!(at, len);
    }

    #[test]
    fn no_bytes_make_reading_a_list_panic_or_pass_unless_it_is_one(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let list = list_of(&noise(8, 400_000));
        let mut bytes = list.encode();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(read) = ChunkList::decode(&bytes) {
            // The SHA-256 is the one field that only the bytes of the object can check.
            prop_assert_eq!((read.header.file_hash, read.chunks), (list.header.file_hash, list.chunks));
        }
        prop_assert!(ChunkList::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

#[test]
fn a_list_made_in_one_pass_is_the_list_and_a_few_chunks_stand_for_it() {
    let bytes = noise(11, 30_000_000);
    let (mut lister, mut entries, mut most) = (Lister::default(), Vec::new(), 0);
    for piece in bytes.chunks(100_000) {
        lister.push(piece);
        most = most.max(lister.waiting_bytes());
        entries.extend(lister.take_entries());
    }
    let (header, rest, cut) = lister.finish([9; 32]).unwrap();
    entries.extend(rest);
    let list = ChunkList::decode(&[&header.encode()[..], &entries].concat()).unwrap();
    assert_eq!(list, list_of(&bytes));
    assert!(most <= 13 * ENTRY_BYTES, "100,000 bytes end at most 12 chunks and one begun before");
    assert_eq!((cut.file_hash, cut.key_chunks[0]), (header.file_hash, list.chunks[0].hash));
    let sampled = list.chunks.iter().skip(1).filter(|chunk| chunk.hash.is_sampled()).count();
    assert_eq!(cut.key_chunks.len(), 1 + sampled);
}

#[test]
fn chunks_made_to_be_sampled_do_not_flood_the_index() {
    let mut keys = KeyChunks::default();
    for n in 0..100_000_u32 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        keys.push(Chunk { hash: ChunkHash::new(hash), size_bytes: 8192 });
    }
    assert!(keys.finish().len() <= 100_000 / 256 + 17);
}

#[test]
fn an_edit_changes_only_the_chunks_around_it() {
    let before = noise(12, 3_000_000);
    let old = cut([before.as_slice()]);
    let mut fresh = 0;
    for edit in 0..50_u64 {
        let mut after = before.clone();
        let at = usize::try_from(edit * 59_999).unwrap();
        after.splice(at..at, noise(edit, 1_000));
        fresh += cut([after.as_slice()]).iter().filter(|chunk| !old.contains(chunk)).count();
    }
    // How soon boundaries fall together again is a matter of chance, but not over many edits.
    assert!(fresh <= 50 * 3, "{fresh} of {} chunks are new after 50 edits", 50 * old.len());
}
