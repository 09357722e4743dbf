//! LFS pointers.

use polder_types::LfsPointer;
use polder_types::limits::LFS_POINTER_BYTES_MAX;

/// What is read as a pointer is one that git-lfs would write and read as the same.
pub(crate) fn run(input: &[u8]) {
    let Some(pointer) = LfsPointer::parse(input) else { return };
    assert!(input.len() <= LFS_POINTER_BYTES_MAX);
    assert!(i64::try_from(pointer.size_bytes).is_ok());
    let written = pointer.to_string();
    assert_eq!(LfsPointer::parse(written.as_bytes()), Some(pointer));
    let text = String::from_utf8_lossy(input);
    assert!(text.contains(&format!("sha256:{}", pointer.oid)), "the id stands in the text");
}
