//! How an object is cut into parts, and how a completion names them.

use polder_db::UploadPart;
use polder_types::PartId;
use polder_types::limits::LFS_OBJECT_BYTES_MAX;

use super::ask::part_size;
use super::complete::in_turn;
use super::receive::part_length;
use super::tag;

const MIB: u64 = 1 << 20;

#[test]
fn an_object_has_at_most_a_thousand_parts_of_whole_mebibytes() {
    for (size, usual, parts_max, expected) in [
        (0, 256 * MIB, 1_000, 256 * MIB),
        (257 * MIB, 256 * MIB, 1_000, 256 * MIB),
        (LFS_OBJECT_BYTES_MAX, 256 * MIB, 1_000, 1_049 * MIB),
        (LFS_OBJECT_BYTES_MAX, 256 * MIB, 10, 104_858 * MIB),
        (3 * MIB + 1, MIB, 1, 4 * MIB),
    ] {
        let part = part_size(size, usual, parts_max);
        assert_eq!(part, expected, "{size}");
        let count = size.div_ceil(part);
        assert!(count <= parts_max);
        let lengths: Vec<u64> = (1..=count).map(|number| part_length(size, part, number)).collect();
        assert_eq!(lengths.iter().sum::<u64>(), size);
        assert!(lengths.iter().all(|length| *length > 0));
        assert_eq!(part_length(size, part, count + 1), 0);
    }
    assert_eq!(part_length(10, 4, u64::MAX), 0);
}

#[test]
fn a_completion_names_every_part_once_by_its_latest_tag() {
    let stored = [1, 2].map(|n| UploadPart { number: n, id: PartId(10 + n), size_bytes: 1 });
    let named = |list: &[(u64, i64)]| -> Vec<(u64, String)> {
        list.iter().map(|(number, id)| (*number, tag(PartId(*id)))).collect()
    };
    assert_eq!(in_turn(&stored, &named(&[(2, 12), (1, 11)]), 2).expect("in turn"), stored);
    let bare = [(1, "000000000000000b".to_owned()), (2, "\"000000000000000c\"".to_owned())];
    assert!(in_turn(&stored, &bare, 2).is_ok(), "with or without quotes");
    for bad in [
        &[(1, 11)][..],
        &[(1, 11), (1, 11)],
        &[(1, 11), (2, 13)],
        &[(1, 12), (2, 11)],
        &[(1, 11), (3, 12)],
        &[(1, 11), (2, 12), (3, 13)],
    ] {
        assert!(in_turn(&stored, &named(bad), 2).is_err(), "{bad:?}");
    }
    assert!(in_turn(&stored[..1], &named(&[(1, 11), (2, 12)]), 2).is_err());
}
