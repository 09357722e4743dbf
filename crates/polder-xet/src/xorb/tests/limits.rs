//! Bounds: what is more than an xorb may be is refused before it is kept.

use super::*;

fn push_all(frames: impl IntoIterator<Item = Vec<u8>>) -> Result<Xorb, XorbError> {
    let mut reader = XorbReader::default();
    for frame in frames {
        reader.push(&frame, &mut |_, _| {})?;
        assert!(reader.held_bytes() <= 4 * 262_144, "{}", reader.held_bytes());
    }
    reader.finish()
}

#[test]
fn chunks_and_bytes_are_bounded() {
    let one = frame(Scheme::Raw, 1, b"1");
    assert!(push_all(vec![one.clone(); 8192]).is_ok());
    assert_eq!(push_all(vec![one.clone(); 8193]), Err(XorbError::TooManyChunks));
    let most = frame(Scheme::Raw, 131_072, &vec![7; 131_072]);
    assert!(push_all((0..512).map(|_| most.clone())).is_ok());
    assert_eq!(push_all((0..513).map(|_| most.clone())), Err(XorbError::TooManyBytes));
    // 16 bytes in a block of 20: chunks that packing makes longer.
    let blocks = vec![(0x8000_0010, &[7; 16][..]); 8192];
    let long = frame(Scheme::Lz4, 131_072, &lz4_frame(&blocks));
    assert!(push_all([long.clone()]).is_ok());
    assert_eq!(push_all((0..500).map(|_| long.clone())), Err(XorbError::TooManyBytes));
}

#[test]
fn a_bomb_fills_no_more_than_its_chunk() {
    // 258 zeros for 255 in the last byte: a block of 1 KiB that unpacks to more than 128 KiB.
    let bomb = [&[0x1f, 0, 1, 0][..], &[255; 1000], &[0x00, 0x50, 0, 0, 0, 0, 0]].concat();
    let word = u32::try_from(bomb.len()).unwrap();
    for scheme in [Scheme::Lz4, Scheme::GroupedLz4] {
        for blocks in [1, 2, 100] {
            let frame = frame(scheme, 131_072, &lz4_frame(&vec![(word, &bomb[..]); blocks]));
            assert!(matches!(push_all([frame]), Err(XorbError::Packed(_))));
        }
    }
}

#[test]
fn a_frame_is_one_whole_frame_and_nothing_else() {
    let good = lz4_frame(&[(0x8000_0003, b"abc")]);
    let refused = |data: &[u8]| push_all([frame(Scheme::Lz4, 3, data)]).unwrap_err();
    assert!(push_all([frame(Scheme::Lz4, 3, &good)]).is_ok());
    let format = XorbError::Packed("is not one LZ4 frame");
    assert_eq!(refused(&[&good[..], &good].concat()), format);
    assert_eq!(refused(&[&good[..], b"\0"].concat()), format);
    assert_eq!(refused(&good[..good.len() - 4]), XorbError::Packed("is cut short"));
    // The client stops at an empty block as if it were the end.
    assert_eq!(refused(&lz4_frame(&[(0x8000_0000, b""), (0x8000_0003, b"abc")])), format);
    assert_eq!(refused(&lz4_frame(&[(1, b"\0"), (0x8000_0003, b"abc")])), format);
    let length = XorbError::Packed("has another length than its header says");
    assert_eq!(refused(&lz4_frame(&[(0x8000_0002, b"ab")])), length);
    assert_eq!(refused(&lz4_frame(&[(0x8000_0004, b"abcd")])), length);
    assert_eq!(refused(&lz4_frame(&[(0xffff_ffff, b"abc")])), XorbError::Packed("is cut short"));
    assert_eq!(refused(b"\x02\x21\x4c\x18abc"), format, "an old frame");
    assert_eq!(refused(b"\x50\x2a\x4d\x18\x00\x00\x00\x00"), format, "a frame to skip");
}

#[test]
fn headers_of_no_chunk_are_refused() {
    let header = |bytes: [u8; 8]| FrameHeader::decode(bytes);
    assert!(header([0, 5, 0, 0, 0, 5, 0, 0]).is_ok());
    assert!(header([0, 0, 0, 2, 0, 0, 0, 2]).is_ok_and(|header| header.size_bytes == 131_072));
    for bad in [
        [1, 5, 0, 0, 0, 5, 0, 0],
        [0, 5, 0, 0, 3, 5, 0, 0],
        [0, 5, 0, 0, 99, 5, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 5, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 5, 0, 0],
        [0, 5, 0, 0, 0, 6, 0, 0],
        [0, 1, 0, 2, 0, 1, 0, 2],
        [0, 5, 0, 0, 1, 1, 0, 2],
        [0, 1, 0, 4, 1, 5, 0, 0],
        *b"XETBLOB\0",
    ] {
        assert!(matches!(header(bad), Err(XorbError::Header(_))), "{bad:?}");
    }
}

#[test]
fn nothing_follows_an_xorb_but_its_own_footer() {
    let body = frame(Scheme::Raw, 5, b"hello");
    let other = frame(Scheme::Raw, 5, b"other");
    let xorb = push_all([body.clone()]).unwrap();
    let footer = xorb_footer(xorb.hash, &xorb.frames);
    assert_eq!(push_all([body.clone(), footer.clone()]).as_ref(), Ok(&xorb));
    let mut numbered = footer.clone();
    let free_at = footer.len() - 20;
    numbered[free_at..free_at + 4].copy_from_slice(b"once");
    assert_eq!(push_all([body.clone(), numbered]).as_ref(), Ok(&xorb));
    assert_eq!(push_all([other, footer.clone()]), Err(XorbError::Footer));
    assert_eq!(push_all([body.clone(), footer.clone(), vec![0]]), Err(XorbError::Trailing));
    assert_eq!(push_all([body.clone(), footer.clone(), body.clone()]), Err(XorbError::Trailing));
    assert_eq!(push_all([body, footer[..50].to_vec()]), Err(XorbError::CutShort));
    let none = xorb_footer(crate::XorbHash::new([0; 32]), &[]);
    assert_eq!(push_all([none]), Err(XorbError::Empty));
    assert_eq!(push_all([]), Err(XorbError::Empty));
}
