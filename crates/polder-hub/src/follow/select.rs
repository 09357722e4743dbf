//! Which events change which mirrors. Pure.

use polder_db::{FollowRule, MirrorMode, MirrorTarget};
use polder_log::{Body, EventType};
use polder_types::Visibility;

/// What an event makes of a mirror; `None` when it is about no repository, or none that a rule fits.
pub(crate) fn target(body: &Body, rules: &[FollowRule]) -> Option<MirrorTarget> {
    let (rid, meta) = (body.repo()?, body.meta.as_ref()?);
    let path = format!("{}{}", meta.kind.prefix(), meta.path);
    let hidden = match body.kind {
        EventType::RepoDelete => Some("deleted"),
        EventType::RepoTakedown => Some("takedown"),
        _ if meta.visibility == Visibility::Private => Some("private"),
        _ if meta.gated => Some("gated"),
        _ => None,
    };
    // What is hidden at home is hidden here, whatever the rules have become.
    let mode = match (mode(&path, rules), hidden) {
        (Some(mode), _) => mode,
        (None, Some(_)) => MirrorMode::Metadata,
        (None, None) => return None,
    };
    Some(MirrorTarget { rid, path, mode, rseq: body.rseq, body: body.sha256(), since: body.time, hidden })
}

pub(crate) fn mode(path: &str, rules: &[FollowRule]) -> Option<MirrorMode> {
    rules.iter().find(|rule| fits(&rule.pattern, path)).map(|rule| rule.mode)
}

/// Whether any rule may fit an id that begins so.
pub(super) fn may_fit(beginning: &str, rules: &[FollowRule]) -> bool {
    let beginning = beginning.to_ascii_lowercase();
    rules.iter().any(|rule| {
        let pattern = rule.pattern.to_ascii_lowercase();
        match pattern.split_once('*') {
            None => pattern.starts_with(&beginning),
            Some((first, _)) => first.starts_with(&beginning) || beginning.starts_with(first),
        }
    })
}

/// Whether a pattern fits an id, ignoring case; a star stands for anything.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.to_ascii_lowercase(), path.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_case_for_nothing() {
        for (pattern, path) in [
            ("*", "acme/m"),
            ("acme/*", "Acme/m"),
            ("datasets/*/d", "datasets/acme/d"),
            ("acme/m", "acme/M"),
            ("*e/*m", "acme/mm"),
            ("a*a*a", "aaa"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("acme/*", "datasets/acme/d"),
            ("acme/m", "acme/m2"),
            ("", "acme/m"),
            ("a*a*a", "aa"),
            ("*x", "acme/m"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_cannot_fit_is_known_by_its_beginning() {
        let rules = |pattern: &str| [FollowRule { pattern: pattern.to_owned(), mode: MirrorMode::Full }];
        for (pattern, beginning) in [
            ("*", "acme/"),
            ("acme/*", "Acme/"),
            ("acme/m", "acme/"),
            ("*/m", "acme/"),
            ("a*", "acme/"),
            ("acme/m*", "acme/"),
        ] {
            assert!(may_fit(beginning, &rules(pattern)), "{pattern} {beginning}");
        }
        for (pattern, beginning) in
            [("acme/*", "datasets/acme/"), ("acme/m", "acm/"), ("b*", "acme/"), ("", "acme/")]
        {
            assert!(!may_fit(beginning, &rules(pattern)), "{pattern} {beginning}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |pattern: &str, mode| FollowRule { pattern: pattern.to_owned(), mode };
        let rules = [rule("acme/big", MirrorMode::Metadata), rule("acme/*", MirrorMode::Full)];
        assert_eq!(mode("acme/big", &rules), Some(MirrorMode::Metadata));
        assert_eq!(mode("acme/m", &rules), Some(MirrorMode::Full));
        assert_eq!(mode("other/m", &rules), None);
    }
}
