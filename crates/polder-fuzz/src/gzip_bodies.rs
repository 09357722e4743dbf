//! Compressed request bodies.

use std::io::{ErrorKind, Read};

use polder_git::{Gunzip, gunzip};

use crate::hand_made::{OneByOne, Program, gzip};

/// Small, so that the limit is met often.
const PLAIN_BYTES_MAX: usize = 4096;

/// Any bytes are decoded within the limits or refused, however they arrive; members that a well-behaved
/// sender made come out as they went in.
pub(crate) fn run(input: &[u8]) {
    decode(input);
    let mut program = Program::new(input);
    let (mut plain, mut body) = (Vec::new(), Vec::new());
    while let Some(length) = program.byte() {
        let part = program.take(usize::from(length));
        plain.extend_from_slice(part);
        body.extend(gzip(part));
    }
    if !body.is_empty() {
        let decoded = decode(&body);
        assert_eq!(decoded.is_some(), plain.len() <= PLAIN_BYTES_MAX);
        assert!(decoded.is_none_or(|decoded| decoded == plain));
        // Cut anywhere, it is refused or is some of the members.
        let cut = body.len() - 1 - usize::from(input.first().copied().unwrap_or_default()) % body.len();
        assert!(decode(body.get(..cut).unwrap_or_default()).is_none_or(|part| plain.starts_with(&part)));
    }
}

fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let limit = u64::try_from(PLAIN_BYTES_MAX).unwrap_or_default();
    let whole = gunzip(body, limit).ok();
    assert!(whole.as_ref().is_none_or(|plain| plain.len() <= PLAIN_BYTES_MAX));

    let mut trickled = Vec::new();
    let read = Gunzip::new(OneByOne(body), limit).take(limit + 1).read_to_end(&mut trickled);
    match (&whole, read) {
        (Some(plain), Ok(_)) => assert_eq!(plain, &trickled),
        (None, Ok(_)) => assert!(trickled.len() > PLAIN_BYTES_MAX, "refused only when it is read at once"),
        (_, Err(error)) => {
            let kinds = [ErrorKind::InvalidData, ErrorKind::FileTooLarge];
            assert!(kinds.contains(&error.kind()), "{error}: not named as the sender's fault");
            assert!(whole.is_none() || body.len() > PLAIN_BYTES_MAX, "{error}: only byte by byte");
        }
    }
    whole
}
