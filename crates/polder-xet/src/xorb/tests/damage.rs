//! Damaged bytes: an error, or nothing that matters.

use proptest::prelude::*;

use super::*;

/// The last frames of a fixture and its footer made anew, so that there are fewer bytes to damage.
fn small(whole: &[u8]) -> (Xorb, Vec<u8>) {
    let (xorb, _) = read(whole, whole.len()).unwrap();
    let end = |at: usize| usize::try_from(xorb.frames[at].body_end).unwrap();
    let body = &whole[end(2)..end(5)];
    let (xorb, _) = read(body, body.len()).unwrap();
    let footer = xorb_footer(xorb.hash, &xorb.frames);
    (xorb, [body, &footer].concat())
}

#[test]
fn an_xorb_cut_short_anywhere_is_another_or_none() {
    for whole in [LZ4, GROUPED] {
        let (xorb, bytes) = small(whole);
        let ends: Vec<usize> =
            xorb.frames.iter().map(|frame| usize::try_from(frame.body_end).unwrap()).collect();
        let body_bytes = ends[ends.len() - 1];
        for len in 0..bytes.len() {
            match read(&bytes[..len], bytes.len()) {
                Ok((read, _)) if len == body_bytes => assert_eq!(read, xorb),
                Ok((read, _)) => assert!(ends.contains(&len) && read.hash != xorb.hash),
                Err(error) if len == 0 => assert_eq!(error, XorbError::Empty),
                Err(error) => assert_eq!(error, XorbError::CutShort),
            }
        }
    }
}

/// What repeats can be packed in several ways, so some flips unpack to the same.
#[test]
fn a_flip_anywhere_is_found_or_does_not_matter() {
    for whole in [LZ4, GROUPED] {
        let (xorb, bytes) = small(whole);
        let free = bytes.len() - 20..bytes.len() - 4;
        for at in 0..bytes.len() {
            for flip in [1 << (at % 8), 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                match read(&bytes, bytes.len()) {
                    Ok((read, _)) => assert_eq!(read, xorb, "byte {at} by {flip}"),
                    Err(_) => assert!(!free.contains(&at)),
                }
            }
        }
    }
}

#[test]
fn without_footer_a_flipped_bit_gives_another_hash_at_best() {
    let (xorb, bytes) = small(LZ4);
    let body_bytes = usize::try_from(xorb.frames[2].body_end).unwrap();
    let mut others = 0;
    for at in 0..body_bytes {
        let mut body = bytes[..body_bytes].to_vec();
        body[at] ^= 1;
        let mut reader = XorbReader::default();
        if reader.push(&body, &mut |_, _| {}).is_ok() {
            let read = reader.finish_as(xorb.hash);
            others += usize::from(read == Err(XorbError::OtherHash));
            assert!(read.is_err() || read.as_ref() == Ok(&xorb), "byte {at}");
        }
    }
    assert!(others > 0, "no flip makes another xorb");
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        scheme in 0_u8..3,
        size in 1_u8..,
        from in any::<prop::sample::Index>(),
    ) {
        let data = &LINKED[from.index(LINKED.len())..];
        let mixed = [&LINKED[..7], &bytes, data].concat();
        for data in [&bytes[..], &mixed] {
            let [low, high, ..] = u32::try_from(data.len()).unwrap().to_le_bytes();
            let body = [&[0, low, high, 0, scheme, size, 0, 0][..], data].concat();
            drop(read(&body, 64));
            drop(read(data, 64));
        }
    }

    #[test]
    fn headers_that_are_read_are_written_the_same(bytes in any::<[u8; 8]>(), kind in 0_u8..3) {
        let [_, p0, p1, p2, _, s0, s1, s2] = bytes;
        for bytes in [bytes, [0, p0, p1, p2 & 3, kind, s0, s1, s2 & 1]] {
            if let Ok(header) = FrameHeader::decode(bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }
}
