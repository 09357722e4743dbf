//! Shards, as clients upload them and hubs answer them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Deref;

use polder_xet::{
    AcceptLimits, Chunk, ChunkHash, DedupShard, Shard, XorbHash, Xorbs, accept, chunks_max, xorb_hash,
};

/// Bytes of a record: what is read is no more than what was sent.
const RECORD_BYTES: usize = 48;
const LIMITS: AcceptLimits = AcceptLimits { file_bytes: 1 << 30, files_bytes: 1 << 32 };

/// What a shard names is in its bytes; what it proves keeps the limits, adds up, and is proven again.
pub(crate) fn run(input: &[u8]) {
    if let Ok(answer) = DedupShard::decode(input) {
        assert!(answer.chunks().count() * RECORD_BYTES < input.len());
        assert!(Shard::decode(input).is_err(), "keyed and not");
    }
    let Ok(shard) = Shard::decode(input) else { return };
    let terms: usize = shard.files().map(|file| file.terms().len()).sum();
    let chunks: usize = shard.xorbs().map(|xorb| xorb.chunks().len()).sum();
    assert!((terms + chunks) * RECORD_BYTES < input.len());

    let mut believed = Believed::of(&shard);
    let Ok(proven) = accept(&shard, &mut believed, LIMITS) else { return };
    let mut files_bytes = 0;
    for file in &proven {
        let size_bytes: u64 = file.terms().map(|term| u64::from(term.size_bytes)).sum();
        assert_eq!(size_bytes, file.size_bytes);
        assert!(file.size_bytes <= LIMITS.file_bytes && file.chunks <= chunks_max(file.size_bytes));
        files_bytes += file.size_bytes;
    }
    assert!(files_bytes <= LIMITS.files_bytes);
    assert_eq!(accept(&shard, &mut believed, LIMITS).as_ref(), Ok(&proven));
}

/// The xorbs that a shard names under their own hash.
struct Believed(HashMap<XorbHash, Vec<Chunk>>);

impl Believed {
    fn of(shard: &Shard<'_>) -> Self {
        let mut xorbs = HashMap::new();
        for xorb in shard.xorbs() {
            let chunks = xorb
                .chunks()
                .map(|chunk| Chunk { hash: ChunkHash::new(chunk.hash), size_bytes: chunk.size_bytes });
            let chunks: Vec<Chunk> = chunks.collect();
            if xorb_hash(chunks.clone()) == xorb.hash {
                xorbs.insert(xorb.hash, chunks);
            }
        }
        Self(xorbs)
    }
}

impl Xorbs for Believed {
    type Error = Infallible;

    fn chunks(&mut self, xorb: XorbHash) -> Result<Option<impl Deref<Target = [Chunk]>>, Infallible> {
        Ok(self.0.get(&xorb).map(Vec::as_slice))
    }
}
