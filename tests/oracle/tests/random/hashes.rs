use polder_xet::{Chunk, ChunkHash, FileHasher, RangeHash, ShardKey, xorb_hash};
use xet_core_structures::merklehash::{self, MerkleHash, compute_data_hash};
use xet_core_structures::metadata_shard::chunk_verification::range_hash_from_chunks;
use xet_core_structures::metadata_shard::constants::hash_is_global_dedup_eligible;

use crate::{Random, theirs};

#[test]
fn chunks_have_the_same_hashes_keyed_and_not() {
    let mut random = Random(1);
    for _ in 0..500 {
        let length = random.below(140_000);
        let bytes = random.bytes(length);
        let (ours, hash) = (ChunkHash::of(&bytes), compute_data_hash(&bytes));
        assert_eq!(ours.to_string(), hash.hex());
        assert_eq!(ours.is_sampled(), hash_is_global_dedup_eligible(&hash));
        let key: [u8; 32] = std::array::from_fn(|_| u8::try_from(random.below(255) + 1).unwrap());
        let keyed = hash.hmac(MerkleHash::from_slice(&key).unwrap());
        assert_eq!(ShardKey::new(key).unwrap().of(ours).as_bytes().as_slice(), keyed.as_bytes());
    }
}

#[test]
fn lists_of_chunks_have_the_same_hashes_of_xorb_file_and_range() {
    let mut random = Random(2);
    for _ in 0..400 {
        let count = match random.below(4) {
            0 => random.below(12),
            1 => random.below(100),
            2 => random.below(1000),
            _ => random.below(9000),
        };
        let made = |random: &mut Random| Chunk {
            hash: ChunkHash::of(&random.next().to_le_bytes()),
            size_bytes: u32::try_from(random.below(131_072) + 1).unwrap(),
        };
        let chunks: Vec<Chunk> = (0..count).map(|_| made(&mut random)).collect();
        let list = theirs(&chunks);
        let mut file = FileHasher::default();
        chunks.iter().for_each(|chunk| file.push(*chunk));
        assert_eq!(file.finish().to_string(), merklehash::file_hash(&list).hex(), "{count} chunks");
        assert_eq!(
            xorb_hash(chunks.clone()).to_string(),
            merklehash::xorb_hash(&list).hex(),
            "{count} chunks"
        );
        let hashes: Vec<MerkleHash> = list.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(RangeHash::of(&chunks).as_bytes().as_slice(), range_hash_from_chunks(&hashes).as_bytes());
    }
}
