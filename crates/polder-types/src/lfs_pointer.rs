//! The small text file that stands in git for a large object.

use crate::Sha256;
use crate::limits::LFS_POINTER_BYTES_MAX;

/// A parsed LFS pointer.
///
/// Source: git-lfs `docs/spec.md`, "The Pointer".
///
/// ```
/// use polder_types::{LfsPointer, Sha256};
/// let pointer = LfsPointer { oid: Sha256::new([7; 32]), size_bytes: 12 };
/// assert_eq!(LfsPointer::parse(pointer.to_string().as_bytes()), Some(pointer));
/// assert_eq!(LfsPointer::parse(b"just a file"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LfsPointer {
    /// Hash of the large object.
    pub oid: Sha256,
    /// Its length in bytes.
    pub size_bytes: u64,
}

const VERSIONS: [&str; 3] = [
    "version https://git-lfs.github.com/spec/v1",
    "version http://git-media.io/v/2",
    "version https://hawser.github.com/spec/v1",
];

impl LfsPointer {
    /// Reads a pointer the way the git-lfs client does: a version line it knows, then an `oid
    /// sha256:` and a `size` line among others it ignores, in at most 1024 bytes.
    ///
    /// Anything the client would smudge must be a pointer here too, or a push could hide one.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if content.len() > LFS_POINTER_BYTES_MAX {
            return None;
        }
        let text = str::from_utf8(content).ok()?.trim();
        let mut lines = text.lines().map(str::trim_end);
        if !VERSIONS.contains(&lines.next()?) {
            return None;
        }
        let (mut oid, mut size_bytes) = (None, None);
        for line in lines {
            match line.split_once(' ')? {
                ("oid", value) => oid = Some(value.strip_prefix("sha256:")?.parse().ok()?),
                ("size", value) => size_bytes = Some(value.parse::<u64>().ok()?),
                _ => {}
            }
        }
        let size_bytes = size_bytes.filter(|size| i64::try_from(*size).is_ok())?;
        Some(Self { oid: oid?, size_bytes })
    }
}

impl std::fmt::Display for LfsPointer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [version, ..] = VERSIONS;
        write!(out, "{version}\noid sha256:{}\nsize {}\n", self.oid, self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_would_smudge_is_a_pointer() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let plain = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
        let extended = format!(
            "version https://git-lfs.github.com/spec/v1\next-0-foo sha256:{oid}\noid sha256:{oid}\nsize 12345"
        );
        for text in [plain.clone(), plain.replace('\n', "\r\n"), extended] {
            let pointer = LfsPointer::parse(text.as_bytes()).expect("a pointer");
            assert_eq!((pointer.oid.to_string().as_str(), pointer.size_bytes), (oid, 12345));
        }
        let negative = plain.replace("12345", "-1");
        let padded = plain.clone() + &" ".repeat(2000);
        for text in ["", "version 2", &negative, &padded, &plain.replace("sha256:", "md5:")] {
            assert_eq!(LfsPointer::parse(text.as_bytes()), None, "{text}");
        }
    }
}
