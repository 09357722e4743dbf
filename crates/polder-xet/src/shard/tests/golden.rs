//! The published client's shards.

use super::*;

/// The files that the client uploaded, as in `fixtures/xet/client`, with their SHA-256.
fn files() -> [(Vec<u8>, &'static str); 3] {
    let weights = noise(2, 30_000).iter().flat_map(|byte| [*byte, byte & 3, 0x80, 0x3f]).collect();
    [
        (b"hello".to_vec(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        (
            noise(1, 50_000).into_iter().cycle().take(300_000).collect(),
            "4db410c86f4c1c7d7b9c94f41826511c0f8d92f08c3f5e211e0a0ea0fad940b4",
        ),
        (weights, "6e67219b024bf174d09b35955c443f99ac549800ba6d24451550272de18f8b87"),
    ]
}

fn bytes_of(hex: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

/// The shard of those files that a client uploads; the xorb is known, whether or not the shard has it.
fn proves_the_files(upload: &[u8], xorb: Vec<Chunk>) {
    let shard = Shard::decode(upload).unwrap();
    let mut xorbs = Uploaded::default();
    xorbs.add(xorb);
    let proven = accept(&shard, &mut xorbs, LIMITS).unwrap();
    assert_eq!(proven.len(), 3);
    for (bytes, sha256) in files() {
        let chunks = cut(&bytes);
        let file = proven.iter().find(|file| file.hash() == file_hash(&chunks)).unwrap();
        let sizes = (u64::try_from(bytes.len()).unwrap(), u64::try_from(chunks.len()).unwrap());
        assert_eq!((file.size_bytes, file.chunks), sizes);
        let named: Vec<Chunk> = file
            .terms()
            .flat_map(|term| {
                let at = |chunk: u32| usize::try_from(chunk).unwrap();
                xorbs.0[&term.xorb][at(term.chunks.start)..at(term.chunks.end)].to_vec()
            })
            .collect();
        assert_eq!(named, chunks);
        assert_eq!(file.settle(bytes_of(sha256)), Ok(()));
        assert_eq!(file.settle([0; 32]), Err(Refused::OtherSha256(file.hash())));
    }
}

/// The chunks of the one xorb that a shard has.
fn only_xorb(shard: &[u8]) -> Vec<Chunk> {
    let xorbs = believed(&Shard::decode(shard).unwrap()).0;
    assert_eq!(xorbs.len(), 1);
    xorbs.into_values().next().unwrap()
}

#[test]
fn what_the_client_uploads_is_proven_and_is_its_files() {
    assert_eq!(Shard::decode(UPLOAD).unwrap().footer, None);
    proves_the_files(UPLOAD, only_xorb(UPLOAD));
}

#[test]
fn so_is_what_earlier_clients_upload() {
    // With the header of a shard that has a footer, but without one.
    let middle = include_bytes!("../../../../../fixtures/xet/formats/client-1.1.10.shard");
    assert_eq!(Shard::decode(middle).unwrap().footer, None);
    proves_the_files(middle, only_xorb(middle));
    // With footer and tables, and without the xorb.
    let first = include_bytes!("../../../../../fixtures/xet/formats/client-1.1.0.shard");
    let shard = Shard::decode(first).unwrap();
    assert_eq!((shard.xorbs().count(), shard.footer.map(|footer| footer.files_bytes)), (0, Some(420_005)));
    let [(small, _), (period, _), (weights, _)] = files();
    let mut xorb: Vec<Chunk> = Vec::new();
    for chunk in [cut(&period), cut(&weights), cut(&small)].concat() {
        if !xorb.contains(&chunk) {
            xorb.push(chunk);
        }
    }
    proves_the_files(first, xorb);
}

#[test]
fn a_shard_at_rest_is_read_with_its_tables_and_footer() {
    let shard = Shard::decode(AT_REST).unwrap();
    let footer = shard.footer.unwrap();
    let xorbs_bytes = 300 + 20_001 + 131_072 + 6002 + 1 + 8195 + 70_000 + 9000;
    let files_bytes = xorbs_bytes - 9000 + 8195 + 70_000 + 9000;
    assert_eq!((footer.files_bytes, footer.xorbs_bytes), (files_bytes, xorbs_bytes));
    assert_eq!((footer.key, footer.made, footer.expires), (None, 0, u64::MAX));
    let proven = accept(&shard, &mut believed(&shard), LIMITS).unwrap();
    assert_eq!(proven.iter().map(|file| file.size_bytes).sum::<u64>(), files_bytes);
    // The client's own file hashes, and its two made-up SHA-256.
    let vectors = include_str!("../../../../../fixtures/xet/formats/vectors.txt");
    for (name, sha256) in
        vectors.lines().filter_map(|line| line.strip_prefix("file ")).zip([[1; 32], [2; 32]])
    {
        let file = proven.iter().find(|file| file.hash().to_string() == name).unwrap();
        assert_eq!(file.settle(sha256), Ok(()));
    }
}

#[test]
fn what_a_hub_answers_is_what_the_client_itself_makes_of_it() {
    let at_rest = Shard::decode(AT_REST).unwrap();
    let xorbs = believed(&at_rest);
    let key = ShardKey::new(*ChunkHash::of(b"key").as_bytes()).unwrap();
    let theirs = DedupShard::decode(KEYED).unwrap();
    let mut ours = DedupWriter::new(key);
    for xorb in at_rest.xorbs() {
        ours.add(xorb.hash, &xorbs.0[&xorb.hash]).unwrap();
    }
    assert_eq!(ours.bytes(), KEYED.len());
    assert_eq!(ours.finish(theirs.made, theirs.expires), KEYED);
    assert!(theirs.expires - theirs.made >= 3599 && theirs.made > 1_790_000_000);
    let whole = DedupShard::decode(KEYED_WHOLE).unwrap();
    assert!(whole.chunks().eq(theirs.chunks()));
    for (hash, chunks) in &xorbs.0 {
        for (place, chunk) in (0..).zip(chunks) {
            assert_eq!(theirs.find(chunk.hash), Some((*hash, place)));
        }
    }
    assert_eq!(theirs.find(ChunkHash::of(b"another")), None);
}

#[test]
fn keyed_hashes_are_never_taken_for_chunk_hashes() {
    assert_eq!(Shard::decode(KEYED), Err(ShardError::Keyed));
    assert_eq!(Shard::decode(KEYED_WHOLE), Err(ShardError::Keyed));
    assert_eq!(DedupShard::decode(AT_REST), Err(ShardError::Keyed));
    assert_eq!(DedupShard::decode(UPLOAD), Err(ShardError::Keyed));
    assert_eq!(ShardKey::new([0; 32]), None);
}
