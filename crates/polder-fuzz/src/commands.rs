//! The command section of a push.

use polder_git::{check_pushable, check_ref_name, read_push};
use polder_types::limits::{REF_NAME_BYTES_MAX, REF_UPDATES_PER_PUSH_MAX};

use crate::hand_made::OneByOne;

/// However the bytes arrive, the same is read and the same is left; every limit holds.
pub(crate) fn run(input: &[u8]) {
    let (mut whole, mut trickle) = (input, OneByOne(input));
    match (read_push(&mut whole), read_push(&mut trickle)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            assert_eq!(whole, trickle.0, "the pack begins in the same place");
            let Some(request) = one else { return };
            assert!((1..=REF_UPDATES_PER_PUSH_MAX).contains(&request.commands.len()));
            for command in &request.commands {
                assert!(command.name.len() <= REF_NAME_BYTES_MAX);
                if check_pushable(&command.name).is_ok() {
                    assert!(check_ref_name(&command.name).is_ok() && command.name.starts_with("refs/"));
                }
            }
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("at once {one:?}, byte by byte {other:?}"),
    }
}
