//! File names that some file system would take for `.git` and its kin.
//!
//! Source: git `path.c` (`is_ntfs_dotgit`, `is_ntfs_dot_generic`), `utf8.c` (`is_hfs_dot_generic`).

/// A control file whose look-alikes matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DotFile {
    /// `.gitmodules`
    Modules,
    /// `.gitattributes`
    Attributes,
}

impl DotFile {
    /// The name without its dot, and the hashed NTFS short name's first six characters.
    fn needles(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Modules => (b"gitmodules", b"gi7eba"),
            Self::Attributes => (b"gitattributes", b"gi7d29"),
        }
    }

    /// Whether HFS+ or NTFS would open this file under `name`.
    pub(super) fn matches(self, name: &[u8]) -> bool {
        is_hfs_dot(name, self.needles().0) || self.matches_ntfs(name)
    }

    /// Whether HFS+ or NTFS would open this file under `name` or below a folder that NTFS sees in it.
    pub(super) fn matches_any_part(self, name: &[u8]) -> bool {
        self.matches(name) || after_backslashes(name).any(|part| self.matches_ntfs(part))
    }

    /// Whether NTFS would open this file under `name`.
    pub(super) fn matches_ntfs(self, name: &[u8]) -> bool {
        let (word, hashed) = self.needles();
        if let Some(rest) =
            strip_prefix_ignoring_case(name, b".").and_then(|r| strip_prefix_ignoring_case(r, word))
        {
            return only_spaces_and_periods(rest);
        }
        let short = word.get(..6).unwrap_or(word);
        if let Some([b'~', b'1'..=b'4', rest @ ..]) = strip_prefix_ignoring_case(name, short) {
            return only_spaces_and_periods(rest);
        }
        is_hashed_short_name(name, hashed)
    }
}

/// NTFS takes a backslash for a separator, so what follows one is a name of its own.
pub(super) fn after_backslashes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'\\').filter_map(|(at, _)| name.get(at + 1..))
}

/// Whether HFS+ or NTFS would open `.git` under `name`.
pub(super) fn is_dot_git(name: &[u8]) -> bool {
    is_hfs_dot(name, b"git") || is_ntfs_dot_git(name)
}

/// Whether NTFS would open `.git` under `name`: also `git~1`, trailing dots, spaces, streams.
pub(super) fn is_ntfs_dot_git(name: &[u8]) -> bool {
    let Some(rest) =
        strip_prefix_ignoring_case(name, b".git").or_else(|| strip_prefix_ignoring_case(name, b"git~1"))
    else {
        return false;
    };
    match rest.iter().find(|byte| !matches!(byte, b'.' | b' ')) {
        None | Some(b'\\' | b'/' | b':') => true,
        Some(_) => false,
    }
}

fn only_spaces_and_periods(rest: &[u8]) -> bool {
    matches!(rest.iter().find(|byte| !matches!(byte, b'.' | b' ')), None | Some(b':'))
}

/// `gi7eba~1` and its relatives: a prefix of the hashed name, a tilde, a number, eight characters in all.
fn is_hashed_short_name(name: &[u8], hashed: &[u8]) -> bool {
    let Some((short, rest)) = name.split_at_checked(8) else { return false };
    let Some(tilde) = short.iter().position(|byte| *byte == b'~') else { return false };
    let (stem, number) = short.split_at(tilde);
    let stem_matches = hashed.get(..stem.len()).is_some_and(|prefix| stem.eq_ignore_ascii_case(prefix));
    let number_matches = match number {
        [b'~', b'1'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    stem_matches && number_matches && only_spaces_and_periods(rest)
}

fn is_hfs_dot(name: &[u8], word: &[u8]) -> bool {
    // git stops at the first malformed character and takes it for the end of the name.
    let valid = match str::from_utf8(name) {
        Ok(text) => text,
        Err(error) => {
            name.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default()
        }
    };
    let well_formed = valid.chars().take_while(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut seen = well_formed.filter(|c| !is_ignored_by_hfs(*c)).map(|c| c.to_ascii_lowercase());
    if seen.next() != Some('.') || !word.iter().all(|byte| seen.next() == Some(char::from(*byte))) {
        return false;
    }
    matches!(seen.next(), None | Some('/'))
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn strip_prefix_ignoring_case<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_of_dot_git_are_seen() {
        for name in [
            ".git",
            ".GIT",
            ".git ",
            ".git. .",
            "git~1",
            "GIT~1 ",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            ".git\\x",
        ] {
            assert!(is_dot_git(name.as_bytes()), "{name:?}");
        }
        for name in [".gitx", "git", "git~2", ".github", ".g it", ".gít", ""] {
            assert!(!is_dot_git(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn look_alikes_of_dot_gitmodules_are_seen() {
        for name in [
            ".gitmodules",
            ".GITMODULES .",
            "gitmod~1",
            "GI7EBA~1",
            "gi7eb~10",
            "gi7e~123",
            ".git\u{200d}modules",
            "~1000000",
        ] {
            assert!(DotFile::Modules.matches(name.as_bytes()), "{name:?}");
        }
        for name in [".gitmodulesx", "gitmod~5", "gi7d29~1", "gi7eba~", "gi7eba~0", "gi7eba12"] {
            assert!(!DotFile::Modules.matches(name.as_bytes()), "{name:?}");
        }
    }
}
