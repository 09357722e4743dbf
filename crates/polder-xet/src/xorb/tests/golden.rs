//! The published client's bytes.

use super::*;

fn vector(name: &str) -> (String, String) {
    let line = VECTORS.lines().find_map(|line| line.strip_prefix(&format!("xorb {name} "))).unwrap();
    let (hash, bytes) = line.split_once(' ').unwrap();
    (hash.to_owned(), bytes.to_owned())
}

#[test]
fn what_the_client_packs_is_read() {
    for (name, bytes) in [("lz4", LZ4), ("bg4", GROUPED)] {
        let (hash, of_bytes) = vector(name);
        assert_eq!(ChunkHash::of(bytes).to_string(), of_bytes);
        let (xorb, raw) = read(bytes, bytes.len()).unwrap();
        assert_eq!((xorb.hash.to_string(), &raw), (hash, &chunks()));
        let body_bytes = usize::try_from(xorb.frames.last().unwrap().body_end).unwrap();
        assert_eq!(xorb_footer(xorb.hash, &xorb.frames), bytes[body_bytes..]);
        // Clients upload it without the footer.
        assert_eq!(read(&bytes[..body_bytes], usize::MAX), Ok((xorb, raw)));
    }
}

#[test]
fn what_is_made_of_raw_chunks_is_what_the_client_makes() {
    let object = chunks().concat();
    let chunks: Vec<Chunk> = chunks().iter().map(|bytes| chunk(bytes)).collect();
    let raw = RawXorb::new(&chunks, 0).unwrap();
    let body = raw::sent(&raw, &object, 0..raw.body_bytes());
    let (xorb, _) = read(&body, body.len()).unwrap();
    let whole = [body, xorb_footer(xorb.hash, &xorb.frames)].concat();
    assert_eq!((xorb.hash.to_string(), ChunkHash::of(&whole).to_string()), vector("none"));
}

#[test]
fn it_does_not_matter_how_the_bytes_come() {
    let whole = read(GROUPED, GROUPED.len());
    assert!(whole.is_ok());
    for piece_bytes in [1, 2, 7, 8, 9, 100, 5000] {
        assert_eq!(read(GROUPED, piece_bytes), whole);
    }
}

#[test]
fn frames_with_checksums_and_blocks_that_look_back_are_read() {
    let last = chunks().pop().unwrap();
    let body = frame(Scheme::Lz4, last.len(), LINKED);
    assert_eq!(read(&body, body.len()).unwrap().1, std::slice::from_ref(&last));
    for at in 0..LINKED.len() {
        let mut data = LINKED.to_vec();
        data[at] ^= 1;
        let body = frame(Scheme::Lz4, last.len(), &data);
        assert!(read(&body, body.len()).is_err(), "flipped at {at}");
    }
}
