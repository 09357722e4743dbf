use std::io::Cursor;
use std::time::Duration;

use polder_xet::{Chunk, ChunkHash, DedupShard, DedupWriter, Shard, ShardKey, xorb_hash};
use xet_core_structures::merklehash::{self, MerkleHash};
use xet_core_structures::metadata_shard::MDBShardInfo;
use xet_core_structures::metadata_shard::chunk_verification::range_hash_from_chunks;
use xet_core_structures::metadata_shard::file_structs::{
    FileDataSequenceEntry, FileDataSequenceHeader, FileMetadataExt, FileVerificationEntry, MDBFileInfo,
};
use xet_core_structures::metadata_shard::shard_in_memory::MDBInMemoryShard;
use xet_core_structures::metadata_shard::xorb_structs::{
    MDBXorbInfo, XorbChunkSequenceEntry, XorbChunkSequenceHeader,
};

use crate::{Random, theirs};

fn list(random: &mut Random) -> Vec<Chunk> {
    let count = random.below(300) + 1;
    (0..count)
        .map(|_| Chunk {
            hash: ChunkHash::of(&random.next().to_le_bytes()),
            size_bytes: u32::try_from(random.below(131_072) + 1).unwrap(),
        })
        .collect()
}

/// Xorbs with these chunks, and a file of each whole xorb.
fn shard(lists: &[Vec<Chunk>]) -> MDBInMemoryShard {
    let mut shard = MDBInMemoryShard::default();
    for list in lists.iter().map(|list| theirs(list)) {
        let mut offset = 0;
        let entry = |(hash, length): &(MerkleHash, u64)| {
            let entry = XorbChunkSequenceEntry::new(*hash, u32::try_from(*length).unwrap(), offset);
            offset += u32::try_from(*length).unwrap();
            entry
        };
        let chunks: Vec<_> = list.iter().map(entry).collect();
        let xorb = merklehash::xorb_hash(&list);
        let metadata = XorbChunkSequenceHeader::new(xorb, u32::try_from(list.len()).unwrap(), offset);
        let end = u32::try_from(list.len()).unwrap();
        shard.add_xorb_block(MDBXorbInfo { metadata, chunks }).unwrap();
        let hashes: Vec<MerkleHash> = list.iter().map(|(hash, _)| *hash).collect();
        let file = MDBFileInfo {
            metadata: FileDataSequenceHeader::new(merklehash::file_hash(&list), 1_usize, true, true),
            segments: vec![FileDataSequenceEntry::new(xorb, offset, 0_u32, end)],
            verification: vec![FileVerificationEntry::new(range_hash_from_chunks(&hashes))],
            metadata_ext: Some(FileMetadataExt::new(merklehash::file_hash(&list))),
        };
        shard.add_file_reconstruction_info(file).unwrap();
    }
    shard
}

#[test]
fn shards_that_the_client_writes_are_read_as_it_meant_them() {
    let mut random = Random(5);
    for _ in 0..100 {
        let lists: Vec<Vec<Chunk>> = (0..random.below(5) + 1).map(|_| list(&mut random)).collect();
        let bytes = shard(&lists).to_bytes().unwrap();
        let read = Shard::decode(&bytes).unwrap();
        assert_eq!((read.files().count(), read.xorbs().count()), (lists.len(), lists.len()));
        for list in &lists {
            let hash = xorb_hash(list.clone());
            let xorb = read.xorbs().find(|xorb| xorb.hash == hash).unwrap();
            assert!(xorb.chunks().zip(list).all(|(said, chunk)| {
                said.hash == *chunk.hash.as_bytes() && said.size_bytes == chunk.size_bytes
            }));
            let file =
                read.files().find(|file| file.hash.to_string() == merklehash::file_hash(&theirs(list)).hex());
            let file = file.unwrap();
            let terms: Vec<_> = file.terms().collect();
            assert_eq!(
                (terms.len(), terms[0].xorb, terms[0].chunks.end),
                (1, hash, u32::try_from(list.len()).unwrap())
            );
            assert_eq!(file.range_hashes().unwrap().next().unwrap(), polder_xet::RangeHash::of(list));
            assert!(file.sha256.is_some());
        }
    }
}

#[test]
fn hints_that_we_write_are_found_by_the_client_and_its_own_by_us() {
    let mut random = Random(6);
    for _ in 0..60 {
        let lists: Vec<Vec<Chunk>> = (0..random.below(4) + 1).map(|_| list(&mut random)).collect();
        let key: [u8; 32] = std::array::from_fn(|_| u8::try_from(random.below(255) + 1).unwrap());
        let mut writer = DedupWriter::new(ShardKey::new(key).unwrap());
        for list in &lists {
            writer.add(xorb_hash(list.clone()), list).unwrap();
        }
        let hint = writer.finish(1_000, 4_600);
        let read = MDBShardInfo::load_from_reader(&mut Cursor::new(&hint)).unwrap();
        assert_eq!(read.metadata.shard_key_expiry, 4_600);
        let xorbs = read.read_all_xorb_blocks_full(&mut Cursor::new(&hint)).unwrap();
        for (list, xorb) in lists.iter().zip(&xorbs) {
            assert_eq!(xorb.metadata.xorb_hash.hex(), xorb_hash(list.clone()).to_string());
            let keyed = theirs(list).into_iter().map(|(hash, _)| read.keyed_chunk_hash(hash));
            assert!(keyed.eq(xorb.chunks.iter().map(|chunk| chunk.chunk_hash)));
        }

        let plain = shard(&lists).to_bytes().unwrap();
        let info = MDBShardInfo::load_from_reader(&mut Cursor::new(&plain)).unwrap();
        let mut exported = Vec::new();
        let (from, key) = (&mut Cursor::new(&plain), MerkleHash::from_slice(&key).unwrap());
        info.export_as_keyed_shard(from, &mut exported, key, Duration::from_secs(60), false, false, false)
            .unwrap();
        let ours = DedupShard::decode(&exported).unwrap();
        for list in &lists {
            for (at, chunk) in list.iter().enumerate() {
                assert_eq!(
                    ours.find(chunk.hash),
                    Some((xorb_hash(list.clone()), u32::try_from(at).unwrap()))
                );
            }
        }
    }
}
