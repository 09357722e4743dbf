//! Which paths a `.gitignore` file leaves out.
//!
//! Source: git `Documentation/gitignore.adoc`.

use gix_glob::Pattern;

use crate::attributes::{STARS_MAX, matches};

/// Most patterns that are looked at.
const PATTERNS_MAX: usize = 10_000;

/// The rules of a `.gitignore` file at the root.
///
/// ```
/// let rules = polder_git::Ignore::parse("*.tmp\n!keep.tmp\n/build/\n");
/// assert!(rules.ignores("a/b.tmp") && rules.ignores("build/x"));
/// assert!(!rules.ignores("keep.tmp") && !rules.ignores("src/build"));
/// ```
#[derive(Debug, Default)]
pub struct Ignore(Vec<Pattern>);

impl Ignore {
    /// Reads a file.
    pub fn parse(content: &str) -> Self {
        let lines = content.lines().map(trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let short = lines.filter(|line| line.bytes().filter(|byte| *byte == b'*').count() <= STARS_MAX);
        Self(short.filter_map(|line| Pattern::from_bytes(line.as_bytes())).take(PATTERNS_MAX).collect())
    }

    /// Whether the file at `path` is left out, by its own name or by a folder's.
    pub fn ignores(&self, path: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let folders = path.match_indices('/').filter_map(|(slash, _)| path.get(..slash));
        folders.into_iter().any(|folder| self.last_word(folder, true)) || self.last_word(path, false)
    }

    fn last_word(&self, path: &str, is_folder: bool) -> bool {
        let found = self.0.iter().rev().find(|pattern| matches(pattern, path, is_folder));
        found.is_some_and(|pattern| !pattern.is_negative())
    }
}

/// Spaces at the end do not count, unless a `\` stands before them.
fn trim(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    let trimmed = line.trim_end_matches(' ');
    if trimmed.ends_with('\\') && trimmed.len() < line.len() {
        return line.get(..=trimmed.len()).unwrap_or(line);
    }
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_git_reads_them() {
        let rules = Ignore::parse(
            "# c\n\n*.log\n!important.log\n/only-root\ndocs/*.txt\n__pycache__/\na/**/z\nsp\\ \n",
        );
        for (path, expected) in [
            ("x.log", true),
            ("d/x.log", true),
            ("d/important.log", false),
            ("only-root", true),
            ("d/only-root", false),
            ("docs/a.txt", true),
            ("docs/sub/a.txt", false),
            ("__pycache__/x.pyc", true),
            ("m/__pycache__/d/x", true),
            ("__pycache__", false),
            ("a/b/c/z", true),
            ("a/z", true),
            ("sp ", true),
            ("README.md", false),
        ] {
            assert_eq!(rules.ignores(path), expected, "{path}");
        }
    }

    #[test]
    fn what_a_folder_hides_cannot_be_brought_back() {
        assert!(Ignore::parse("out/\n!out/keep").ignores("out/keep"));
        assert!(!Ignore::parse("").ignores("x"));
    }
}
