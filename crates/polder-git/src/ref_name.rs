//! Which ref names git allows, and which of them a push may touch.

use polder_types::limits::REF_NAME_BYTES_MAX;

use crate::snapshot::HIDDEN_PREFIX;

/// Refs that only the hub itself makes and removes: the heads of change proposals.
const PROPOSAL_PREFIX: &str = "refs/pr/";

/// Checks a full ref name by git's rules.
///
/// Exactly what `git check-ref-format <name>` accepts (so at least one `/`), at most
/// [`REF_NAME_BYTES_MAX`] bytes long. The error is a message for the client.
///
/// # Errors
/// When git would call the name invalid, or it is too long.
///
/// Source: git `refs.c` `check_refname_component`.
///
/// ```
/// assert!(polder_git::check_ref_name("refs/heads/main").is_ok());
/// assert!(polder_git::check_ref_name("refs/heads/a..b").is_err());
/// ```
pub fn check_ref_name(name: &str) -> Result<(), String> {
    if name.len() > REF_NAME_BYTES_MAX {
        return Err(format!("a ref name has at most {REF_NAME_BYTES_MAX} bytes"));
    }
    let is_component = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.strip_suffix(".lock").is_none()
            && !part.contains("..")
            && !part.contains("@{")
            && !part.bytes().any(is_forbidden)
    };
    let valid = name.contains('/') && !name.ends_with('.') && name.split('/').all(is_component);
    if valid { Ok(()) } else { Err("funny refname".to_owned()) }
}

fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, 0x7f | b' ' | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\')
}

/// The number of the change proposal whose head this ref is.
pub fn proposal_number(name: &str) -> Option<i64> {
    let text = name.strip_prefix(PROPOSAL_PREFIX)?;
    let number: i64 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}

/// Checks that a push may create, change or delete this ref.
///
/// Anything valid under `refs/` but what belongs to the hub: `refs/pr/` and `refs/polder/`. The error
/// is the reason after `ng <ref>`.
///
/// # Errors
/// When the name is invalid, outside `refs/`, or the hub's own.
///
/// Source: git `builtin/receive-pack.c` `update` ("funny refname", "deny updating a hidden ref").
pub fn check_pushable(name: &str) -> Result<(), String> {
    if !name.starts_with("refs/") {
        return Err("funny refname".to_owned());
    }
    check_ref_name(name)?;
    if name.starts_with(HIDDEN_PREFIX) || name.starts_with(PROPOSAL_PREFIX) {
        return Err("deny updating a hidden ref".to_owned());
    }
    if !name.trim_start_matches("refs/").contains('/') {
        return Err("funny refname: put it under refs/heads/ or refs/tags/".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
    fn git_accepts(name: &str) -> bool {
        Command::new("git").args(["check-ref-format", name]).status().unwrap().success()
    }

    /// Names made from the pieces in which git's rules are written.
    fn tricky_names() -> Vec<String> {
        let pieces = [
            "", "a", ".", "..", "/", "@", "{", "@{", ".lock", "lock", "~", "^", ":", "?", "*", "[", "]",
            "\\", " ", "\t", "\n", "\x7f", "\x1f", "é", "模型", "-", "%", "\u{feff}",
        ];
        let mut names: Vec<String> = Vec::new();
        for (at, first) in pieces.iter().enumerate() {
            names.extend([format!("refs/heads/{first}"), format!("{first}/x"), (*first).to_owned()]);
            for second in pieces.iter().skip(at % 3).step_by(3) {
                names.push(format!("refs/heads/{first}{second}"));
                names.push(format!("refs/{first}x{second}/y"));
            }
        }
        names
    }

    #[test]
    fn a_name_is_valid_exactly_when_git_says_so() {
        // git would take a leading dash for an option.
        for name in tricky_names().into_iter().filter(|name| !name.starts_with('-')) {
            assert_eq!(check_ref_name(&name).is_ok(), git_accepts(&name), "{name:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_difference_to_libgit2_on_random_names(tail in "[a@{}./~^:?*\\[\\]lock \\\\\u{1}-\u{7f}é]{0,12}") {
            let name = format!("refs/{tail}");
            proptest::prop_assert_eq!(check_ref_name(&name).is_ok(), git2::Reference::is_valid_name(&name), "{:?}", name);
        }
    }

    #[test]
    fn a_push_stays_out_of_the_hubs_own_refs() {
        for good in [
            "refs/heads/main",
            "refs/tags/v1",
            "refs/notes/commits",
            "refs/convert/parquet",
            "refs/heads/a/b",
        ] {
            assert_eq!(check_pushable(good), Ok(()), "{good}");
        }
        for bad in [
            "HEAD",
            "refs/pr/1",
            "refs/polder/x",
            "heads/main",
            "refs/../x",
            "refs/x",
            "refs/",
            "FETCH_HEAD",
            "main",
        ] {
            assert!(check_pushable(bad).is_err(), "{bad}");
        }
        assert_eq!(check_pushable("refs/polder/x").unwrap_err(), "deny updating a hidden ref");
        assert!(check_pushable(&format!("refs/heads/{}", "x".repeat(1024))).is_err());
    }
}
