//! Everything between the ends of a shard is a record of 48 bytes: a hash and four numbers.

/// Bytes of a record.
pub(super) const RECORD_BYTES: usize = 48;

/// A record.
pub(super) type Record = [u8; RECORD_BYTES];

/// The hash and the numbers of a record.
pub(super) fn read(record: &Record) -> ([u8; 32], [u32; 4]) {
    let (mut hash, mut numbers) = ([0; 32], [0; 4]);
    if let Some((first, rest)) = record.split_first_chunk::<32>() {
        hash = *first;
        let (words, _) = rest.as_chunks::<4>();
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = u32::from_le_bytes(*word);
        }
    }
    (hash, numbers)
}

/// The record of a hash and four numbers.
pub(super) fn write(hash: &[u8; 32], numbers: [u32; 4]) -> Record {
    let mut record = [0; RECORD_BYTES];
    let bytes = hash.iter().copied().chain(numbers.into_iter().flat_map(u32::to_le_bytes));
    record.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    record
}

/// What ends a section.
pub(super) fn section_end() -> Record {
    write(&[0xff; 32], [0; 4])
}
