//! Applying deltas.
//!
//! Source: git `Documentation/gitformat-pack.adoc`, "Deltified representation".

/// Splits a delta into the base's size, the result's size (bytes) and its instructions.
pub(crate) fn split_delta(delta: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (base, rest) = read_size(delta)?;
    let (result, rest) = read_size(rest)?;
    Some((base, result, rest))
}

fn read_size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut size = 0_u64;
    let mut shift = 0_u32;
    for (at, byte) in bytes.iter().enumerate() {
        if shift > 63 {
            return None;
        }
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((size, bytes.get(at + 1..)?));
        }
    }
    None
}

/// Builds the object that `delta` makes of `base`; `None` if it does not fit exactly.
///
/// The caller has bounded the result's size, which [`split_delta`] tells.
pub(crate) fn apply_delta(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let (base_size, result_size, mut rest) = split_delta(delta)?;
    let result_size = usize::try_from(result_size).ok()?;
    if u64::try_from(base.len()).ok()? != base_size {
        return None;
    }
    let mut out = Vec::with_capacity(result_size);
    while let Some((&command, after)) = rest.split_first() {
        let piece;
        (piece, rest) = if command & 0x80 != 0 {
            copy_from(base, command, after)?
        } else if command != 0 {
            after.split_at_checked(usize::from(command))?
        } else {
            return None;
        };
        if out.len() + piece.len() > result_size {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == result_size).then_some(out)
}

fn copy_from<'a>(base: &'a [u8], command: u8, mut rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut field = |bits: &[u8]| -> Option<usize> {
        let mut value = 0;
        for (at, bit) in bits.iter().enumerate() {
            if command & bit != 0 {
                let (&byte, after) = rest.split_first()?;
                value |= usize::from(byte) << (8 * at);
                rest = after;
            }
        }
        Some(value)
    };
    let offset = field(&[1, 2, 4, 8])?;
    let size = match field(&[16, 32, 64])? {
        0 => 0x1_0000,
        size => size,
    };
    Some((base.get(offset..offset.checked_add(size)?)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_inserts_make_the_result() {
        // base 6, result 7: copy 3 from 2, insert "xy", copy 2 from 0
        let delta = [6, 7, 0x91, 2, 3, 2, b'x', b'y', 0x90, 2];
        assert_eq!(apply_delta(b"abcdef", &delta).unwrap(), b"cdexyab");
    }

    #[test]
    fn a_delta_that_does_not_fit_exactly_is_refused() {
        for (base, delta) in [
            (&b"abcdef"[..], &[5, 1, 1, b'x'][..]), // another base
            (b"abcdef", &[6, 1, 2, b'x', b'y']),    // too long a result
            (b"abcdef", &[6, 3, 2, b'x', b'y']),    // too short a result
            (b"abcdef", &[6, 3, 0x91, 5, 3]),       // copy past the base
            (b"abcdef", &[6, 3, 0]),                // reserved command
            (b"abcdef", &[6, 3, 0x91, 5]),          // cut instruction
            (b"abcdef", &[6, 3, 9, b'x']),          // cut insert
            (b"abcdef", &[0x86]),                   // cut size
            (b"abcdef", &[0x86, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
        ] {
            assert_eq!(apply_delta(base, delta), None, "{delta:?}");
        }
    }
}
