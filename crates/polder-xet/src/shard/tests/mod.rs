//! What must hold of shards: the published client's are read and proven, lies are refused by name.

mod build;
mod damage;
mod golden;
mod rules;

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Deref;

use super::*;
use crate::tests::noise;
use crate::{Chunk, ChunkHash, Cutter, FileHash, FileHasher, XorbHash};

/// A shard as the published client uploads it: three files, one of which has a chunk three times over.
const UPLOAD: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/client.shard");
/// One with footer and tables, as it keeps them.
const AT_REST: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/plain.shard");
/// The same with keyed chunk hashes, without files and tables, and with both.
const KEYED: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/keyed.shard");
const KEYED_WHOLE: &[u8] = include_bytes!("../../../../../fixtures/xet/formats/keyed-lookups.shard");

const LIMITS: AcceptLimits = AcceptLimits { file_bytes: 1 << 20, files_bytes: 1 << 21 };

/// Xorbs that were uploaded.
#[derive(Debug, Default)]
struct Uploaded(HashMap<XorbHash, Vec<Chunk>>);

impl Uploaded {
    fn add(&mut self, chunks: Vec<Chunk>) -> XorbHash {
        let hash = crate::xorb_hash(chunks.clone());
        self.0.insert(hash, chunks);
        hash
    }
}

impl Xorbs for Uploaded {
    type Error = Infallible;

    fn chunks(&mut self, xorb: XorbHash) -> Result<Option<impl Deref<Target = [Chunk]>>, Infallible> {
        Ok(self.0.get(&xorb).map(Vec::as_slice))
    }
}

/// The xorbs that a shard names, believed.
fn believed(shard: &Shard<'_>) -> Uploaded {
    let mut uploaded = Uploaded::default();
    for xorb in shard.xorbs() {
        let chunks = xorb
            .chunks()
            .map(|chunk| Chunk { hash: ChunkHash::new(chunk.hash), size_bytes: chunk.size_bytes });
        assert_eq!(uploaded.add(chunks.collect()), xorb.hash);
    }
    uploaded
}

fn cut(bytes: &[u8]) -> Vec<Chunk> {
    let (mut cutter, mut chunks) = (Cutter::default(), Vec::new());
    cutter.push(bytes, &mut |chunk| chunks.push(chunk));
    chunks.extend(cutter.finish());
    chunks
}

fn file_hash(chunks: &[Chunk]) -> FileHash {
    let mut tree = FileHasher::default();
    for chunk in chunks {
        tree.push(*chunk);
    }
    tree.finish()
}
