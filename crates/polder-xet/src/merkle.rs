//! The tree over the chunks: its root names a file, or a run of chunks.
//!
//! A level's nodes are grouped in turn: a group ends after its third or a later node whose last word
//! divides by four, after nine nodes, or at the end; each group is one node of the next level. The level
//! that has a single node ends it. Only the group under way of each level is kept.

use std::io::Write as _;

use crate::hash::{Chunk, FileHash, XorbHash, file_hash, last_word, node_hash, words};

const GROUP_NODES_MIN: usize = 3;
const GROUP_NODES_MAX: usize = 9;
const CUT: u64 = 4;
/// Bytes of the longest line of a node: hash, separator, length, end.
const LINE_BYTES_MAX: usize = 64 + 3 + 20 + 1;

#[derive(Debug, Clone, Copy)]
struct Node {
    hash: [u8; 32],
    size_bytes: u64,
}

#[derive(Debug, Clone, Default)]
struct Level {
    group: Vec<Node>,
    /// Whether a group of this level is complete, so that the level above has a node.
    has_more: bool,
}

/// Computes the hash of a file from its chunks in turn.
///
/// ```
/// use polder_xet::{Chunk, ChunkHash, FileHasher};
/// let mut file = FileHasher::default();
/// for text in ["a", "b", "c"] {
///     file.push(Chunk { hash: ChunkHash::of(text.as_bytes()), size_bytes: 1 });
/// }
/// assert_eq!(file.size_bytes(), 3);
/// assert_ne!(file.finish(), FileHasher::default().finish());
/// ```
#[derive(Debug, Clone, Default)]
pub struct FileHasher {
    levels: Vec<Level>,
    chunks: u64,
    size_bytes: u64,
}

impl FileHasher {
    /// Appends a chunk.
    pub fn push(&mut self, chunk: Chunk) {
        self.chunks += 1;
        self.size_bytes = self.size_bytes.saturating_add(u64::from(chunk.size_bytes));
        let node = Node { hash: *chunk.hash.as_bytes(), size_bytes: u64::from(chunk.size_bytes) };
        self.push_node(0, node);
    }

    /// Chunks so far.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Bytes of the chunks so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The hash of the file that has these chunks.
    pub fn finish(self) -> FileHash {
        self.root().map_or(FileHash::new([0; 32]), |root| file_hash(&root))
    }

    /// The hash of the run that has these chunks.
    pub(crate) fn finish_xorb(self) -> XorbHash {
        XorbHash::new(self.root().unwrap_or_default())
    }

    fn push_node(&mut self, level: usize, node: Node) {
        let mut carried = Some((level, node));
        while let Some((at, node)) = carried.take() {
            if at == self.levels.len() {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(at) else { return };
            level.group.push(node);
            let is_cut = level.group.len() >= GROUP_NODES_MIN && last_word(&node.hash).is_multiple_of(CUT);
            if is_cut || level.group.len() == GROUP_NODES_MAX {
                level.has_more = true;
                carried = Some((at + 1, merged(&level.group)));
                level.group.clear();
            }
        }
    }

    fn root(mut self) -> Option<[u8; 32]> {
        let mut at = 0;
        loop {
            let level = self.levels.get_mut(at)?;
            if let ([only], false) = (level.group.as_slice(), level.has_more) {
                return Some(only.hash);
            }
            if !level.group.is_empty() {
                let node = merged(&std::mem::take(&mut level.group));
                self.push_node(at + 1, node);
            }
            at += 1;
        }
    }
}

/// The hash of a run of chunks.
pub fn xorb_hash(chunks: impl IntoIterator<Item = Chunk>) -> XorbHash {
    let mut tree = FileHasher::default();
    chunks.into_iter().for_each(|chunk| tree.push(chunk));
    tree.finish_xorb()
}

fn merged(group: &[Node]) -> Node {
    let mut lines = Vec::with_capacity(LINE_BYTES_MAX * GROUP_NODES_MAX);
    let mut size_bytes = 0_u64;
    for node in group {
        let [a, b, c, d] = words(&node.hash);
        // Writing to memory does not fail.
        let written = writeln!(lines, "{a:016x}{b:016x}{c:016x}{d:016x} : {}", node.size_bytes);
        debug_assert!(written.is_ok());
        size_bytes = size_bytes.saturating_add(node.size_bytes);
    }
    Node { hash: node_hash(&lines), size_bytes }
}
