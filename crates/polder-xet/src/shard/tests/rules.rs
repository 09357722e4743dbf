//! Every rule, by a shard that breaks it and nothing else.

use super::build::{File, Xorb, upload};
use super::*;
use crate::RangeHash;

/// Two xorbs, and a file of parts of both.
struct Case {
    first: Vec<Chunk>,
    second: Vec<Chunk>,
    uploaded: Uploaded,
    file: File,
}

fn case() -> Case {
    let chunk = |n: u8, size_bytes| Chunk { hash: ChunkHash::of(&[n]), size_bytes };
    let first: Vec<Chunk> = (0..5).map(|n| chunk(n, 9000 + u32::from(n))).collect();
    let second: Vec<Chunk> = (5..8).map(|n| chunk(n, 8192)).collect();
    let mut uploaded = Uploaded::default();
    let (a, b) = (uploaded.add(first.clone()), uploaded.add(second.clone()));
    let file = File::of(&[(a, &first, 1..4), (b, &second, 0..3), (a, &first, 0..2)]);
    Case { first, second, uploaded, file }
}

impl Case {
    fn refusal(&mut self, files: &[File], xorbs: &[Xorb]) -> Option<Refused> {
        let bytes = upload(files, xorbs);
        let shard = Shard::decode(&bytes).unwrap();
        match accept(&shard, &mut self.uploaded, LIMITS) {
            Ok(proven) => {
                assert_eq!(proven.len(), files.len());
                None
            }
            Err(AcceptError::Refused(refused)) => Some(refused),
        }
    }

    /// Why the shard of the file is refused after a change.
    fn after(&mut self, change: impl Fn(&mut File)) -> Option<Refused> {
        let mut file = self.file.clone();
        change(&mut file);
        self.refusal(&[file], &[])
    }
}

#[test]
fn a_true_shard_is_accepted() {
    let mut case = case();
    let xorbs = [Xorb::of(&case.first), Xorb::of(&case.second)];
    let other = File::of(&[(xorbs[1].hash, &case.second, 2..3)]);
    let empty = File::of(&[]);
    assert_eq!(case.refusal(&[case.file.clone(), other, empty], &xorbs), None);
    assert_eq!(case.refusal(&[], &[]), None);
    let said = case.after(|file| file.flags = 1 << 31);
    assert_eq!(said, None, "a file without SHA-256 is read for it");
}

#[test]
fn chunks_that_the_xorb_does_not_have_are_refused() {
    let mut case = case();
    let refused = Some(Refused::NoSuchChunks(case.file.hash));
    for (start, end) in [(1, 6), (5, 6), (4, 4), (3, 1), (0, u32::MAX), (u32::MAX, 0)] {
        assert_eq!(case.after(|file| file.terms[0].chunks = start..end), refused, "{start}..{end}");
    }
}

#[test]
fn lengths_that_are_not_those_of_the_chunks_are_refused() {
    let mut case = case();
    let refused = Some(Refused::OtherLength(case.file.hash));
    assert_eq!(case.after(|file| file.terms[0].size_bytes += 1), refused);
    assert_eq!(case.after(|file| file.terms[2].size_bytes -= 1), refused);
    // Together they are right.
    assert_eq!(
        case.after(|file| {
            file.terms[0].size_bytes += 1;
            file.terms[1].size_bytes -= 1;
        }),
        refused
    );
}

#[test]
fn proofs_that_are_missing_or_others_are_refused() {
    let mut case = case();
    let hash = case.file.hash;
    assert_eq!(case.after(|file| file.flags = 1 << 30), Some(Refused::NotVerified(hash)));
    assert_eq!(case.after(|file| file.range_hashes.swap(0, 1)), Some(Refused::OtherRange(hash)));
    let other = RangeHash::new([1; 32]);
    assert_eq!(case.after(|file| file.range_hashes[2] = other), Some(Refused::OtherRange(hash)));
    // One file with proofs does not help another without.
    let without = File { flags: 0, ..File::of(&[(Xorb::of(&case.second).hash, &case.second, 0..1)]) };
    let refused = Some(Refused::NotVerified(without.hash));
    assert_eq!(case.refusal(&[case.file.clone(), without], &[]), refused);
}

#[test]
fn a_file_hash_is_that_of_the_chunks_in_their_order() {
    let mut case = case();
    assert_eq!(
        case.after(|file| {
            file.terms.swap(0, 1);
            file.range_hashes.swap(0, 1);
        }),
        Some(Refused::OtherHash(case.file.hash))
    );
    let other = FileHash::new([5; 32]);
    assert_eq!(case.after(|file| file.hash = other), Some(Refused::OtherHash(other)));
    // An empty file has the hash of zeros and no other; no other file has that.
    let none = File { hash: other, ..File::of(&[]) };
    assert_eq!(case.refusal(&[none], &[]), Some(Refused::OtherHash(other)));
    let zeros = FileHash::new([0; 32]);
    assert_eq!(case.after(|file| file.hash = zeros), Some(Refused::OtherHash(zeros)));
}

#[test]
fn only_xorbs_that_were_uploaded_and_are_the_same_are_named() {
    let mut case = case();
    let mine = Xorb::of(&case.first);
    let stranger = XorbHash::new([9; 32]);
    assert_eq!(case.after(|file| file.terms[1].xorb = stranger), Some(Refused::UnknownXorb(stranger)));
    let unknown = Xorb { hash: stranger, ..mine.clone() };
    assert_eq!(case.refusal(&[], &[unknown]), Some(Refused::UnknownXorb(stranger)));
    let refused = Some(Refused::OtherChunks(mine.hash));
    let mut changed = |change: &dyn Fn(&mut Xorb)| {
        let mut xorb = mine.clone();
        change(&mut xorb);
        case.refusal(&[], &[xorb])
    };
    assert_eq!(changed(&|_| {}), None);
    assert_eq!(changed(&|xorb| xorb.chunks.swap(0, 1)), refused);
    assert_eq!(changed(&|xorb| xorb.chunks.truncate(4)), refused);
    assert_eq!(changed(&|xorb| xorb.chunks.push(xorb.chunks[0])), refused);
    assert_eq!(changed(&|xorb| xorb.chunks[2].size_bytes += 1), refused);
    assert_eq!(changed(&|xorb| xorb.size_bytes += 1), refused);
    assert_eq!(changed(&|xorb| xorb.first_offset = 1), refused);
    assert_eq!(changed(&|xorb| xorb.chunks.clear()), refused);
}

#[test]
fn a_forged_sha256_is_found_when_the_bytes_were_read() {
    let mut case = case();
    let bytes = upload(&[File { sha256: [0; 32], ..case.file.clone() }], &[]);
    let shard = Shard::decode(&bytes).unwrap();
    let proven = accept(&shard, &mut case.uploaded, LIMITS).unwrap();
    assert_eq!(proven[0].settle([7; 32]), Err(Refused::OtherSha256(case.file.hash)));
    assert_eq!(proven[0].settle([0; 32]), Ok(()));
}

#[test]
fn a_file_is_named_once() {
    let mut case = case();
    let twice = [case.file.clone(), File { sha256: [8; 32], ..case.file.clone() }];
    assert_eq!(case.refusal(&twice, &[]), Some(Refused::SameFile(case.file.hash)));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_looked_up() {
    let mut case = case();
    let nobody_s = |size_bytes| Term { xorb: XorbHash::new([9; 32]), chunks: 0..1, size_bytes };
    let large = |terms: usize, seed: u8, size_bytes| File {
        hash: FileHash::new([seed; 32]),
        terms: vec![nobody_s(size_bytes); terms],
        range_hashes: vec![RangeHash::new([0; 32]); terms],
        ..case.file.clone()
    };
    let (half, over) = (large(2, 1, 1 << 19), large(1_000, 2, u32::MAX));
    let three: Vec<File> = (3..6).map(|seed| large(1, seed, 1 << 20)).collect();
    assert_eq!(case.refusal(&[half], &[]), Some(Refused::UnknownXorb(XorbHash::new([9; 32]))));
    assert_eq!(case.refusal(std::slice::from_ref(&over), &[]), Some(Refused::FileTooLarge(over.hash)));
    assert_eq!(case.refusal(&three, &[]), Some(Refused::FilesTooLarge));
}

#[test]
fn many_tiny_chunks_are_refused_before_they_are_hashed() {
    let mut case = case();
    let tiny = vec![Chunk { hash: ChunkHash::of(b"t"), size_bytes: 1 }; 8192];
    let xorb = case.uploaded.add(tiny.clone());
    let file = File::of(&[(xorb, &tiny, 0..8192), (xorb, &tiny, 0..8192)]);
    assert_eq!(case.refusal(std::slice::from_ref(&file), &[]), Some(Refused::TooManyChunks(file.hash)));
    let few = File::of(&[(xorb, &tiny, 0..1), (xorb, &tiny, 5..6)]);
    assert_eq!(case.refusal(&[few], &[]), None);
}
