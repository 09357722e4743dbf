//! Xorbs, as clients upload them.

use polder_xet::{
    CHUNK_BYTES_MAX, Chunk, Piece, RawXorb, XORB_CHUNKS_MAX, Xorb, XorbError, XorbReader, xorb_footer,
};

/// It does not matter how the bytes come, limits hold, and what was read is the same when made of its raw chunks,
/// with and without footer.
pub(crate) fn run(input: &[u8]) {
    let Some((piece_bytes, body)) = input.split_first() else { return };
    let whole = read(body, body.len().max(1));
    assert_eq!(whole, read(body, usize::from(*piece_bytes) + 1));
    let Ok((xorb, object)) = whole else { return };
    let chunks: Vec<Chunk> = xorb.frames.iter().map(|frame| frame.chunk).collect();
    assert!(chunks.len() <= XORB_CHUNKS_MAX);
    let is_possible =
        |size: u32| usize::try_from(size).is_ok_and(|size| (1..=CHUNK_BYTES_MAX).contains(&size));
    assert!(chunks.iter().all(|chunk| is_possible(chunk.size_bytes)));

    let Ok(raw) = RawXorb::new(&chunks, 0) else { panic!("read, but cannot be served") };
    let mut body: Vec<u8> =
        raw.pieces(0..raw.body_bytes()).flat_map(|piece| bytes_of(piece, &object)).collect();
    let Ok((again, same)) = read(&body, body.len()) else { panic!("made, but cannot be read") };
    assert_eq!((again.hash, same), (xorb.hash, object));
    body.extend(xorb_footer(again.hash, &again.frames));
    assert_eq!(read(&body, body.len()).map(|(read, _)| read), Ok(again));
}

fn read(body: &[u8], piece_bytes: usize) -> Result<(Xorb, Vec<u8>), XorbError> {
    let (mut reader, mut object) = (XorbReader::default(), Vec::new());
    for piece in body.chunks(piece_bytes) {
        reader.push(piece, &mut |bytes, _| object.extend_from_slice(bytes))?;
    }
    Ok((reader.finish()?, object))
}

fn bytes_of(piece: Piece, object: &[u8]) -> Vec<u8> {
    let at = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    match piece {
        Piece::Header(bytes) => bytes,
        Piece::Object(range) => object.get(at(range.start)..at(range.end)).unwrap_or_default().to_vec(),
    }
}
