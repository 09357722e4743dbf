//! What must hold of xorbs: the published client's are read, ours are its own, and no bytes do harm.

mod damage;
mod golden;
mod limits;
mod raw;

use super::*;
use crate::tests::noise;
use crate::{Chunk, ChunkHash};

const VECTORS: &str = include_str!("../../../../../fixtures/xet/formats/vectors.txt");
const LZ4: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/lz4.xorb");
const GROUPED: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/bg4.xorb");
/// The last chunk, in an LZ4 frame with everything that frames can have.
const LINKED: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/linked.lz4");

/// The chunks of the fixtures, as in `fixtures/xet/formats.rs`.
fn chunks() -> Vec<Vec<u8>> {
    let period = |number, len| noise(1, number).into_iter().cycle().take(len).collect::<Vec<u8>>();
    let weights: Vec<u8> = noise(2, 1501).iter().flat_map(|byte| [*byte, byte & 3, 0x80, 0x3f]).collect();
    vec![
        noise(3, 300),
        period(500, 20_001),
        vec![0; 131_072],
        weights[..6002].to_vec(),
        vec![7],
        period(3, 8195),
        period(700, 70_000),
    ]
}

fn chunk(bytes: &[u8]) -> Chunk {
    Chunk { hash: ChunkHash::of(bytes), size_bytes: u32::try_from(bytes.len()).unwrap() }
}

/// The body of an xorb that comes in pieces of so many bytes.
fn read(body: &[u8], piece_bytes: usize) -> Result<(Xorb, Vec<Vec<u8>>), XorbError> {
    let (mut reader, mut raw) = (XorbReader::default(), Vec::new());
    for piece in body.chunks(piece_bytes) {
        reader.push(piece, &mut |bytes, of| {
            assert_eq!(chunk(bytes), of);
            raw.push(bytes.to_vec());
        })?;
    }
    Ok((reader.finish()?, raw))
}

/// A frame of a chunk with that header and data.
fn frame(scheme: Scheme, size_bytes: usize, data: &[u8]) -> Vec<u8> {
    let header = FrameHeader { scheme, packed_bytes: data.len(), size_bytes };
    [&header.encode()[..], data].concat()
}

/// An LZ4 frame of those blocks, each with the word before it, without checksums.
fn lz4_frame(blocks: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
    for (word, block) in blocks {
        out.extend_from_slice(&word.to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&[0; 4]);
    out
}
