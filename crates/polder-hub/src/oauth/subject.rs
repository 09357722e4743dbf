//! Whom of an issuer's one trusts: one subject to the letter, or all that begin alike.

use crate::error::{Error, Result};

/// Longest subject, in bytes.
pub(super) const SUBJECT_BYTES_MAX: usize = 512;
/// Fewest parts before the star. One part says only of what kind the subjects are, so that all the world's would
/// be trusted of an issuer that speaks for all the world.
const PARTS_MIN: usize = 2;

/// Refuses a pattern that is no subject and no such beginning.
pub(super) fn check_pattern(pattern: &str) -> Result<()> {
    if pattern.is_empty() || pattern.len() > SUBJECT_BYTES_MAX || pattern.chars().any(char::is_control) {
        let message =
            format!("a subject has 1 to {SUBJECT_BYTES_MAX} bytes, none of them a control character");
        return Err(Error::invalid(message));
    }
    let Some(beginning) = pattern.strip_suffix('*') else {
        return if pattern.contains('*') { Err(misplaced(pattern)) } else { Ok(()) };
    };
    if beginning.contains('*') || !beginning.ends_with([':', '/']) {
        return Err(misplaced(pattern));
    }
    let parts = beginning.split([':', '/']).filter(|part| !part.is_empty()).count();
    if parts < PARTS_MIN {
        let message = format!(
            "`{pattern}` would trust too many; say at least {PARTS_MIN} parts, such as `repo:acme/*`"
        );
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Whether a subject is one of those that a pattern means.
pub(super) fn fits(pattern: &str, subject: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => subject.len() > beginning.len() && subject.starts_with(beginning),
        None => subject == pattern,
    }
}

fn misplaced(pattern: &str) -> Error {
    Error::invalid(format!(
        "`{pattern}`: a star may only be the end, after `:` or `/`, such as `repo:acme/ci:*`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_for_what_follows_a_part_and_nothing_broader() {
        for good in [
            "repo:acme/ci:ref:refs/heads/main",
            "repo:acme/ci:*",
            "repo:acme/*",
            "project_path:acme/ci:ref_type:branch:ref:*",
            "system:serviceaccount:ci:*",
            "103851823",
        ] {
            check_pattern(good).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for broad in
            ["", "*", ":*", "/*", "://*", "repo:*", "repo::*", "https://*", "repo:acme*", "re*:acme/ci"]
        {
            assert!(check_pattern(broad).is_err(), "{broad}");
        }
        for odd in ["repo:acme/*:*", "repo:acme/**", "repo:acme/ci\n", &"x".repeat(SUBJECT_BYTES_MAX + 1)] {
            assert!(check_pattern(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_subject_fits_to_the_letter_or_by_its_beginning() {
        assert!(fits("repo:acme/ci:ref:refs/heads/main", "repo:acme/ci:ref:refs/heads/main"));
        assert!(fits("repo:acme/ci:*", "repo:acme/ci:ref:refs/heads/main"));
        assert!(fits("repo:acme/*", "repo:acme/other:environment:x"));
        for (pattern, subject) in [
            ("repo:acme/ci:*", "repo:acme/ci:"),
            ("repo:acme/ci:*", "repo:acme/ci"),
            ("repo:acme/ci:*", "repo:acme/ci-evil:ref:refs/heads/main"),
            ("repo:acme/ci:*", "Repo:acme/ci:ref:refs/heads/main"),
            ("repo:acme/ci:*", " repo:acme/ci:x"),
            ("repo:acme/ci", "repo:acme/ci:x"),
            ("repo:acme/ci", ""),
        ] {
            assert!(!fits(pattern, subject), "{pattern} {subject}");
        }
    }
}
