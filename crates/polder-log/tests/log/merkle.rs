//! The tree against another implementation of RFC 6962, at every size up to some.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use polder_log::{Frontier, Node, Plan, TileId, Tiles, consistency_roots, inclusion_root, leaf_hash};
use polder_types::Sha256;

const SIZE: u64 = 70;

fn at(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

/// A tree, every hash of its tiles, and the same tree by the other implementation.
#[derive(Default)]
struct Tree {
    ours: Frontier,
    roots: Vec<Sha256>,
    levels: Vec<Vec<u8>>,
    other: MemoryBackedTree<sha2::Sha256, Vec<u8>>,
}

impl Tree {
    fn push(&mut self, leaf: &[u8]) {
        let mut kept = Vec::new();
        self.ours.push(leaf_hash(leaf), |node, hash| kept.extend(node.kept().map(|place| (place, hash))));
        for ((level, tile, place), hash) in kept {
            let level = usize::from(level);
            self.levels.resize(self.levels.len().max(level + 1), Vec::new());
            assert_eq!(self.levels[level].len(), at(tile * 256 + place) * 32);
            self.levels[level].extend(hash.as_bytes());
        }
        self.roots.push(self.ours.root());
        self.other.push(leaf.to_vec());
    }

    fn of(size: u64) -> Self {
        let mut tree = Self::default();
        (0..size).for_each(|leaf| tree.push(&leaf.to_be_bytes()));
        tree
    }

    /// The path of `plan`, out of only the tiles it asks for, each cut to the width that it had.
    fn path(&self, plan: &Plan) -> Vec<Sha256> {
        let mut tiles = Tiles::default();
        for TileId { level, index, width } in plan.tiles() {
            let hashes = self.levels[usize::from(level)].chunks(256 * 32).nth(at(index)).unwrap();
            tiles.insert(level, index, hashes[..usize::from(width) * 32].to_vec());
        }
        plan.path(&tiles).unwrap()
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Sha256> {
        self.path(&Plan::inclusion(index, size).unwrap())
    }

    fn consistency(&self, old: u64, size: u64) -> Vec<Sha256> {
        self.path(&Plan::consistency(old, size).unwrap())
    }
}

fn bytes(path: &[Sha256]) -> Vec<u8> {
    path.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    // The leaves and roots that the tests of Google's certificate-transparency implementations share.
    let leaves: [&[u8]; 8] = [
        b"",
        &[0],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(
        tree.ours.root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (leaf, root) in leaves.into_iter().zip(roots) {
        tree.push(leaf);
        assert_eq!(tree.ours.root().to_string(), root);
    }
}

#[test]
fn another_implementation_agrees_with_every_root_and_proof() {
    let whole = Tree::of(SIZE);
    for size in 1..=SIZE {
        let tree = Tree::of(size);
        let root = tree.ours.root();
        assert_eq!(root.as_bytes()[..], tree.other.root().as_bytes()[..]);
        assert_eq!(tree.path(&Plan::root(size)), [root]);
        for index in 0..size {
            // Out of the tiles of a tree that has grown on, as a log serves them.
            let path = whole.inclusion(index, size);
            assert_eq!(bytes(&path), tree.other.prove_inclusion(at(index)).as_bytes());
            assert_eq!(inclusion_root(leaf_hash(&index.to_be_bytes()), index, size, &path), Ok(root));
        }
        for old in 1..size {
            let path = whole.consistency(old, size);
            let standard = if old.is_power_of_two() { &path[1..] } else { &path[..] };
            let theirs = tree.other.prove_consistency(at(size - old));
            assert_eq!(bytes(standard), theirs.as_bytes(), "{old} {size}");
            assert_eq!(consistency_roots(old, size, &path), Ok((whole.roots[at(old) - 1], root)));
        }
    }
}

#[test]
fn proofs_reach_over_levels_of_tiles() {
    let size = 256 * 256 + 256 * 3 + 7;
    let tree = Tree::of(size);
    assert_eq!(tree.levels.iter().map(|level| level.len() / 32).collect::<Vec<_>>(), [at(size), 259, 1]);
    for index in [0, 255, 256, 65_535, 65_536, size - 1] {
        let path = tree.inclusion(index, size);
        assert_eq!(inclusion_root(leaf_hash(&index.to_be_bytes()), index, size, &path), Ok(tree.ours.root()));
    }
    for old in [1, 255, 256, 257, 1000, 65_535, 65_536, 65_537, size - 1] {
        let roots = (tree.roots[at(old) - 1], tree.ours.root());
        assert_eq!(consistency_roots(old, size, &tree.consistency(old, size)), Ok(roots));
    }
    assert_eq!(TileId::holding(Node { height: 8, index: 258 }, size).unwrap().to_string(), "1/001.p/3");
    assert_eq!(TileId::holding(Node { height: 8, index: 259 }, size).unwrap().to_string(), "1/001.p/3");
    assert_eq!(TileId::holding(Node { height: 8, index: 600 }, size), None);
}

#[test]
fn a_wrong_proof_leads_to_another_root_or_nowhere() {
    let tree = Tree::of(SIZE);
    let root = tree.ours.root();
    for index in 0..SIZE {
        let (leaf, path) = (leaf_hash(&index.to_be_bytes()), tree.inclusion(index, SIZE));
        let is_root = |index, size, path: &[Sha256]| inclusion_root(leaf, index, size, path) == Ok(root);
        assert!(is_root(index, SIZE, &path));
        for place in 0..path.len() {
            let (mut flipped, mut short) = (path.clone(), path.clone());
            flipped[place] = leaf;
            short.remove(place);
            assert!(!is_root(index, SIZE, &flipped) && !is_root(index, SIZE, &short));
        }
        assert!(!is_root(index, SIZE, &[path.clone(), vec![root]].concat()));
        assert!((0..SIZE).all(|other| other == index || !is_root(other, SIZE, &path)));
        assert!(!is_root(index, index, &path));
    }
    for old in 1..SIZE {
        let path = tree.consistency(old, SIZE);
        let roots = (tree.roots[at(old) - 1], root);
        let are_roots = |old, size, path: &[Sha256]| consistency_roots(old, size, path) == Ok(roots);
        for place in 0..path.len() {
            let (mut flipped, mut short) = (path.clone(), path.clone());
            flipped[place] = leaf_hash(b"another");
            short.remove(place);
            assert!(!are_roots(old, SIZE, &flipped) && !are_roots(old, SIZE, &short));
        }
        assert!(!are_roots(old, SIZE, &[path.clone(), vec![root]].concat()));
        assert!((0..SIZE).all(|other| other == old || !are_roots(other, SIZE, &path)), "{old}");
    }
}
