//! Bytes grouped by their place in words of four, so that the alike bytes of weights come together.

/// Puts into `out` what was grouped into `grouped`: all first bytes of words, all second ones, and so on. Both
/// have the same length, of any remainder.
pub(super) fn ungroup(grouped: &[u8], out: &mut [u8]) {
    let mut rest = grouped;
    let groups: [&[u8]; 4] = std::array::from_fn(|place| {
        let (group, after) = rest.split_at_checked((grouped.len() + 3 - place) / 4).unwrap_or((rest, &[]));
        rest = after;
        group
    });
    let [first, second, third, fourth] = groups;
    let (words, rest) = out.as_chunks_mut::<4>();
    for ((((word, a), b), c), d) in words.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
        *word = [*a, *b, *c, *d];
    }
    for (to, last) in rest.iter_mut().zip(groups.iter().filter_map(|group| group.last())) {
        *to = *last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remainder_comes_back_in_order() {
        for len in 0..14_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let grouped: Vec<u8> = (0..4)
                .flat_map(|place| bytes.iter().copied().filter(move |byte| byte % 4 == place))
                .collect();
            let mut out = vec![0; bytes.len()];
            ungroup(&grouped, &mut out);
            assert_eq!(out, bytes);
        }
    }
}
