use std::io::Cursor;

use polder_xet::{FrameHeader, XorbReader, xorb_footer};
use xet_core_structures::merklehash::MerkleHash;
use xet_core_structures::xorb_object::{
    Chunk, CompressionScheme, RawXorbData, SerializedXorbObject, XorbObject,
};

use crate::Random;

fn chunks(random: &mut Random) -> Vec<Vec<u8>> {
    let count = random.below(40) + 1;
    (0..count)
        .map(|_| {
            let length = random.below(131_072) + 1;
            random.bytes(length)
        })
        .collect()
}

#[test]
fn xorbs_that_the_client_packs_are_read_as_it_meant_them() {
    let mut random = Random(3);
    let schemes = [
        CompressionScheme::None,
        CompressionScheme::LZ4,
        CompressionScheme::ByteGrouping4LZ4,
        CompressionScheme::Auto,
    ];
    for round in 0..120 {
        let pieces = chunks(&mut random);
        let theirs: Vec<Chunk> = pieces.iter().map(|bytes| Chunk::new(bytes.clone().into())).collect();
        let raw = RawXorbData::from_chunks(&theirs, vec![0]);
        let packed =
            SerializedXorbObject::from_xorb_with_compression(raw, schemes[round % 4], round % 3 == 0, 0)
                .unwrap();
        let (mut reader, mut read) = (XorbReader::default(), Vec::new());
        for some in packed.serialized_data.chunks(random.below(50_000) + 1) {
            reader.push(some, &mut |bytes, _| read.push(bytes.to_vec())).unwrap();
        }
        assert!(read == pieces);
        assert_eq!(reader.finish().unwrap().hash.to_string(), packed.hash.hex());
    }
}

#[test]
fn xorbs_that_we_write_are_what_the_client_says_is_valid() {
    let mut random = Random(4);
    for _ in 0..60 {
        let pieces = chunks(&mut random);
        let frame = |bytes: &Vec<u8>| [&FrameHeader::raw(bytes.len()).encode()[..], bytes].concat();
        let body: Vec<u8> = pieces.iter().flat_map(frame).collect();
        let mut reader = XorbReader::default();
        reader.push(&body, &mut |_, _| {}).unwrap();
        let xorb = reader.finish().unwrap();
        let whole = [&body[..], &xorb_footer(xorb.hash, &xorb.frames)].concat();
        let hash = MerkleHash::from_hex(&xorb.hash.to_string()).unwrap();
        assert!(XorbObject::validate_xorb_object(&mut Cursor::new(&whole), &hash).unwrap().is_some());
        let read = XorbObject::deserialize(&mut Cursor::new(&whole)).unwrap();
        assert!(read.get_all_bytes(&mut Cursor::new(&whole)).unwrap() == pieces.concat());
        let other = MerkleHash::from_hex(&"1".repeat(64)).unwrap();
        assert!(XorbObject::validate_xorb_object(&mut Cursor::new(&whole), &other).unwrap().is_none());
    }
}
