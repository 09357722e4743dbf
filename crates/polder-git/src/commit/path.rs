//! Which paths a commit made here may write.

use crate::{Error, Result};

/// Longest path, in bytes (`PATH_MAX` of Linux).
const PATH_BYTES_MAX: usize = 4_096;
/// Longest part of a path, in bytes (`NAME_MAX` of common file systems).
const PART_BYTES_MAX: usize = 255;
/// Most parts of a path.
const PATH_PARTS_MAX: usize = 255;

/// Whether a commit made here may write a file at `path`.
///
/// ```
/// assert!(polder_git::check_path("模型/weights.bin").is_ok());
/// assert!(polder_git::check_path("../weights.bin").is_err());
/// ```
///
/// # Errors
/// [`Error::Refused`], saying what is wrong with it.
pub fn check_path(path: &str) -> Result<()> {
    split_for_write(path).map(drop)
}

/// Splits a path that is to be written.
///
/// Refuses what git refuses to check out on any system (`.git` and its spellings on NTFS and HFS+,
/// `..`), and what a client most likely did not mean: empty parts, control characters, `\`.
///
/// Source: git `read-cache.c` `verify_path`, `fsck.c`.
pub(crate) fn split_for_write(path: &str) -> Result<Vec<&str>> {
    let refuse = |problem: &str| {
        let shown: String = path
            .chars()
            .take(200)
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        Err(Error::refused(format!("`{shown}` cannot be the path of a file: {problem}")))
    };
    if path.is_empty() {
        return refuse("it is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return refuse("it has more than 4096 bytes");
    }
    if path.chars().any(char::is_control) {
        return refuse("it has a control character");
    }
    if path.contains('\\') {
        return refuse("it has a `\\`; parts are joined by `/`");
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > PATH_PARTS_MAX {
        return refuse("it has more than 255 parts");
    }
    for part in &parts {
        if part.is_empty() {
            return refuse("a part is empty (`/` at the start or end, or twice in a row)");
        }
        if part.len() > PART_BYTES_MAX {
            return refuse("a part has more than 255 bytes");
        }
        let options = gix_validate::path::component::Options {
            protect_windows: false,
            protect_hfs: true,
            protect_ntfs: true,
        };
        match gix_validate::path::component(part.as_bytes().into(), None, options) {
            Ok(_) => {}
            Err(gix_validate::path::component::Error::DotGitDir) => return refuse("a part is `.git`"),
            Err(gix_validate::path::component::Error::Relative) => return refuse("a part is `.` or `..`"),
            Err(other) => return refuse(&other.to_string()),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_some_system_would_mistake_are_refused() {
        let long = "x".repeat(256);
        let deep = vec!["d"; 256].join("/");
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "./a",
            ".git",
            "a/.git/hooks/x",
            ".GIT",
            "git~1",
            ".git.",
            ".git ",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "a\0b",
            "a\nb",
            "a\\b",
            "\u{7f}",
            &long,
            &deep,
        ] {
            assert!(matches!(split_for_write(bad), Err(Error::Refused { .. })), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_names_of_every_language_are_accepted() {
        for good in [
            "README.md",
            ".gitattributes",
            "模型/权重 1.safetensors",
            "a b/c",
            "é",
            "git",
            ".github/x",
            "a.git/b",
        ] {
            assert_eq!(split_for_write(good).expect(good).join("/"), good);
        }
    }
}
