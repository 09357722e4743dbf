//! Packet lines, out of memory and out of a stream.

use polder_git::pkt_line::{DATA_BYTES_MAX, write_response_end};
use polder_git::pkt_line::{Packet, PacketReader, PacketSlice, write_data, write_delim, write_flush};

use crate::hand_made::OneByOne;

/// Both readers see the same packets and refuse in the same words; what they saw, written again, is what
/// they read.
pub(crate) fn run(input: &[u8]) {
    let mut slice = PacketSlice::new(input);
    let mut bytes = OneByOne(input);
    let mut stream = PacketReader::new(&mut bytes);
    let mut written = Vec::new();
    loop {
        let consumed = input.len() - slice.rest().len();
        assert!(input.get(..consumed).is_some_and(|read| read.eq_ignore_ascii_case(&written)));
        match (slice.next_packet(), stream.next_packet()) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other);
                match one {
                    None => return,
                    Some(Packet::Data(data)) => {
                        assert!(data.len() <= DATA_BYTES_MAX);
                        write_data(&mut written, data);
                    }
                    Some(Packet::Flush) => write_flush(&mut written),
                    Some(Packet::Delim) => write_delim(&mut written),
                    Some(Packet::ResponseEnd) => write_response_end(&mut written),
                }
            }
            (Err(one), Err(other)) => {
                assert_eq!(one.to_string(), other.to_string());
                return;
            }
            (one, other) => panic!("from memory {one:?}, from a stream {other:?}"),
        }
    }
}
