//! What a `.gitattributes` file says about storing files with LFS.
//!
//! Source: git `Documentation/gitattributes.adoc`, `attr.c`; git-lfs `docs/man/git-lfs-track.adoc`.

use std::collections::HashMap;

use gix_glob::Pattern;
use gix_glob::pattern::Case;

/// Longest line that is read, in bytes (git `ATTR_MAX_LINE_LENGTH`).
const LINE_BYTES_MAX: usize = 2_048;
/// Longest file that is read, in bytes (git `ATTR_MAX_FILE_SIZE` is 100 MiB; this is a listing of files, no more).
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 20;
/// Most `*` in a pattern: matching takes time that grows with their number.
pub(crate) const STARS_MAX: usize = 16;
/// What git-lfs writes after a pattern.
const LFS: &str = "filter=lfs diff=lfs merge=lfs -text";

/// The rules of one `.gitattributes` file about the `filter` attribute, for paths below its folder.
///
/// ```
/// let rules = polder_git::Attributes::parse(b"*.bin filter=lfs -text\n/keep.bin -filter\n");
/// assert_eq!(rules.is_lfs("a/b.bin"), Some(true));
/// assert_eq!(rules.is_lfs("keep.bin"), Some(false));
/// assert_eq!(rules.is_lfs("README.md"), None);
/// ```
#[derive(Debug, Default)]
pub struct Attributes {
    /// Rules for one path each, with their place among all.
    exact: HashMap<String, (usize, bool)>,
    globs: Vec<(usize, Pattern, bool)>,
}

impl Attributes {
    /// Reads a file; what git would not understand is skipped, as git does.
    pub fn parse(content: &[u8]) -> Self {
        let mut rules = Self::default();
        let text = String::from_utf8_lossy(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content));
        for (at, line) in text.lines().enumerate() {
            if line.len() <= LINE_BYTES_MAX {
                rules.read(at, line.trim_matches([' ', '\t', '\r']));
            }
        }
        rules
    }

    fn read(&mut self, at: usize, line: &str) {
        if line.starts_with('#') || line.starts_with("[attr]") {
            return;
        }
        let Some((pattern, attributes)) = split_pattern(line) else { return };
        let Some(is_lfs) = attributes.split_ascii_whitespace().filter_map(filter).next_back() else { return };
        // A negative pattern is forbidden here.
        if pattern.starts_with('!') || pattern.bytes().filter(|byte| *byte == b'*').count() > STARS_MAX {
            return;
        }
        if let Some(path) = literal(&pattern) {
            self.exact.insert(path, (at, is_lfs));
        } else if let Some(parsed) = Pattern::from_bytes_without_negation(pattern.as_bytes()) {
            self.globs.push((at, parsed, is_lfs));
        }
    }

    /// Whether the file at `path`, relative to the folder of the rules, is stored with LFS; `None` when
    /// they do not say.
    pub fn is_lfs(&self, path: &str) -> Option<bool> {
        let exact = self.exact.get(path).copied();
        let globs = self.globs.iter().rev();
        let glob = globs
            .take_while(|(at, ..)| exact.is_none_or(|(exact, _)| *at > exact))
            .find(|(_, pattern, _)| matches(pattern, path, false));
        glob.map(|(_, _, is_lfs)| *is_lfs).or(exact.map(|(_, is_lfs)| is_lfs))
    }
}

/// Whether a pattern, anchored at the root of `path`, matches it.
pub(crate) fn matches(pattern: &Pattern, path: &str, is_folder: bool) -> bool {
    let name = path.rfind('/').map(|slash| slash + 1);
    let mode = gix_glob::wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
    pattern.matches_repo_relative_path(path.as_bytes().into(), name, Some(is_folder), Case::Sensitive, mode)
}

/// The pattern, without its quotes, and what follows it.
fn split_pattern(line: &str) -> Option<(String, &str)> {
    let Some(quoted) = line.strip_prefix('"') else {
        let (pattern, rest) = line.split_once([' ', '\t'])?;
        return Some((pattern.to_owned(), rest));
    };
    let mut pattern = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((pattern, quoted.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => pattern.push('\n'),
                't' => pattern.push('\t'),
                other => pattern.push(other),
            },
            char => pattern.push(char),
        }
    }
    None
}

/// What one attribute says about LFS.
fn filter(attribute: &str) -> Option<bool> {
    match attribute {
        "filter=lfs" => Some(true),
        "-filter" | "!filter" | "filter" => Some(false),
        other => other.starts_with("filter=").then_some(false),
    }
}

/// The one path that an anchored pattern without wildcards matches.
fn literal(pattern: &str) -> Option<String> {
    let anchored = pattern.strip_prefix('/').or_else(|| pattern.contains('/').then_some(pattern))?;
    let is_plain = !anchored.ends_with('/') && !anchored.contains(['*', '?', '[', '\\']);
    is_plain.then(|| anchored.to_owned())
}

/// The line that git-lfs would write for exactly this path.
///
/// Source: git-lfs `commands/command_track.go`, `escapeAttrPattern`.
pub(crate) fn lfs_line(path: &str) -> String {
    let mut pattern = String::from("/");
    for char in path.chars() {
        match char {
            ' ' => pattern.push_str("[[:space:]]"),
            '*' | '?' | '[' | ']' | '\\' => pattern.extend(['\\', char]),
            char => pattern.push(char),
        }
    }
    format!("{pattern} {LFS}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_counts() {
        let rules = Attributes::parse(
            "\u{feff}# *.md filter=lfs\n*.bin filter=lfs diff=lfs merge=lfs -text\r\n/a/x.bin !filter\n\
             data/** filter=lfs\n*.txt text eol=lf\ndata/small/*.json -filter\n\"with space.pt\" filter=lfs\n\
             !*.h5 filter=lfs\nfolder/ filter=lfs\n/exact.dat filter=lfs\n/exact.dat filter=other\n"
                .as_bytes(),
        );
        for (path, expected) in [
            ("m.bin", Some(true)),
            ("deep/er/m.bin", Some(true)),
            ("a/x.bin", Some(false)),
            ("b/a/x.bin", Some(true)),
            ("data/small/x.json", Some(false)),
            ("data/small/deep/x.json", Some(true)),
            ("with space.pt", Some(true)),
            ("x/with space.pt", Some(true)),
            ("README.md", None),
            ("a.txt", None),
            ("a.h5", None),
            ("folder/x", None),
            ("exact.dat", Some(false)),
            ("x/exact.dat", None),
        ] {
            assert_eq!(rules.is_lfs(path), expected, "{path}");
        }
    }

    #[test]
    fn a_written_line_matches_its_path_and_no_other() {
        for path in ["a", "a b/c#d.bin", "x[1].bin", "星*?.bin", "a\\b", "!x", "#x", "\"q\""] {
            let rules = Attributes::parse(lfs_line(path).as_bytes());
            assert_eq!(rules.is_lfs(path), Some(true), "{path}");
            for other in ["other", "x1.bin", "星ab.bin", &format!("sub/{path}")] {
                assert_eq!(rules.is_lfs(other), None, "{path} {other}");
            }
        }
    }

    #[test]
    fn a_pattern_that_would_take_long_is_skipped() {
        let rules = Attributes::parse(format!("{}b filter=lfs\n", "a*".repeat(40)).as_bytes());
        assert_eq!(rules.is_lfs(&"a".repeat(200)), None);
    }
}
