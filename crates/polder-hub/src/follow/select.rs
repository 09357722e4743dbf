//! Which events change which mirrors. Pure.

use polder_db::{FollowRule, MirrorMode, MirrorTarget};
use polder_log::{Body, EventType, Meta};
use polder_types::Visibility;

use crate::error::{Error, Result};

/// What rules look at.
pub(crate) struct Subject<'a> {
    pub(crate) path: String,
    license: Option<&'a str>,
    tags: &'a [String],
}

impl<'a> Subject<'a> {
    pub(crate) fn of(meta: &'a Meta) -> Self {
        let path = format!("{}{}", meta.kind.prefix(), meta.path);
        Self { path, license: meta.license.as_deref(), tags: &meta.tags }
    }

    /// One of which only the id is known: no rule fits it that asks for more.
    pub(crate) fn called(path: &str) -> Self {
        Self { path: path.to_owned(), license: None, tags: &[] }
    }
}

/// A condition of a rule: a rule is some of them with commas in between, all of which must be met.
enum Term<'a> {
    Id(&'a str),
    License(&'a str),
    Tag(&'a str),
}

impl<'a> Term<'a> {
    fn all(pattern: &'a str) -> impl Iterator<Item = Self> {
        pattern.split(',').map(|term| match term.split_once(':') {
            Some(("license", license)) => Self::License(license),
            Some(("tag", tag)) => Self::Tag(tag),
            _ => Self::Id(term),
        })
    }

    fn fits(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Id(id) => fits(id, &subject.path),
            Self::License(wanted) => subject.license.is_some_and(|license| fits(wanted, license)),
            Self::Tag(wanted) => subject.tags.iter().any(|tag| fits(wanted, tag)),
        }
    }
}

/// Checks that patterns mean something.
///
/// # Errors
/// [`crate::Kind::Invalid`], saying which does not.
pub(crate) fn check<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<()> {
    for pattern in patterns {
        let is_none = |term: Term<'_>| match term {
            Term::Id(id) => id.is_empty() || id.contains(':'),
            Term::License(value) | Term::Tag(value) => value.is_empty(),
        };
        if Term::all(pattern).any(is_none) {
            return Err(Error::invalid(format!(
                "`{pattern}` is no rule: one is an id as `acme/*`, `license:WORD` or `tag:WORD`, or several of these \
                 with commas between them"
            )));
        }
    }
    Ok(())
}

/// What an event makes of a mirror; `None` when it is about no repository, or none that a rule fits.
pub(crate) fn target(body: &Body, rules: &[FollowRule]) -> Option<MirrorTarget> {
    let target = unselected(body)?;
    match (mode(&Subject::of(body.meta.as_ref()?), rules), target.hidden) {
        (Some(mode), _) => Some(MirrorTarget { mode, ..target }),
        // What is hidden at home is hidden here, whatever the rules have become.
        (None, Some(_)) => Some(target),
        (None, None) => None,
    }
}

/// What an event makes of a mirror that no rule fits any more: it is known, and no more of it is taken.
pub(super) fn unselected(body: &Body) -> Option<MirrorTarget> {
    let (rid, meta) = (body.repo()?, body.meta.as_ref()?);
    let path = Subject::of(meta).path;
    let hidden = match body.kind {
        EventType::RepoDelete => Some("deleted"),
        EventType::RepoTakedown => Some("takedown"),
        _ if meta.visibility == Visibility::Private => Some("private"),
        _ if meta.gated => Some("gated"),
        _ => None,
    };
    let mode = MirrorMode::Metadata;
    Some(MirrorTarget { rid, path, mode, rseq: body.rseq, body: body.sha256(), since: body.time, hidden })
}

pub(crate) fn mode(subject: &Subject<'_>, rules: &[FollowRule]) -> Option<MirrorMode> {
    let fits = |rule: &&FollowRule| Term::all(&rule.pattern).all(|term| term.fits(subject));
    rules.iter().find(fits).map(|rule| rule.mode)
}

/// Whether any rule asks for more than an id.
pub(super) fn ask_for_more(rules: &[FollowRule]) -> bool {
    rules.iter().any(|rule| Term::all(&rule.pattern).any(|term| !matches!(term, Term::Id(_))))
}

/// Whether any rule may fit an id that begins so.
pub(super) fn may_fit(beginning: &str, rules: &[FollowRule]) -> bool {
    let beginning = beginning.to_ascii_lowercase();
    let may_fit = |term: Term<'_>| {
        let Term::Id(id) = term else { return true };
        let id = id.to_ascii_lowercase();
        match id.split_once('*') {
            None => id.starts_with(&beginning),
            Some((first, _)) => first.starts_with(&beginning) || beginning.starts_with(first),
        }
    };
    rules.iter().any(|rule| Term::all(&rule.pattern).all(may_fit))
}

/// Whether a pattern fits a text, ignoring case; a star stands for anything.
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
    use polder_types::RepoKind;

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
        let mode = |path| mode(&Subject::called(path), &rules);
        assert_eq!(mode("acme/big"), Some(MirrorMode::Metadata));
        assert_eq!(mode("acme/m"), Some(MirrorMode::Full));
        assert_eq!(mode("other/m"), None);
    }

    #[test]
    fn a_rule_may_ask_for_a_licence_and_tags_and_all_of_it_must_be_so() {
        let mut meta = Meta::new(RepoKind::Dataset, "acme/d".to_owned(), "refs/heads/main".to_owned());
        meta.license = Some("Apache-2.0".to_owned());
        meta.tags = vec!["language:en".to_owned(), "license:apache-2.0".to_owned()];
        let is_taken = |subject: &Subject<'_>, pattern: &str| {
            let rule = FollowRule { pattern: pattern.to_owned(), mode: MirrorMode::Full };
            mode(subject, &[rule]).is_some()
        };
        for pattern in [
            "license:apache-2.0",
            "license:apache-*",
            "tag:language:en",
            "tag:language:*,license:apache-2.0",
            "datasets/acme/*,license:apache-2.0",
            "license:apache-2.0,*",
        ] {
            assert!(is_taken(&Subject::of(&meta), pattern), "{pattern}");
            assert!(check([pattern.to_owned()].iter()).is_ok(), "{pattern}");
        }
        for pattern in
            ["license:mit", "tag:language:de", "acme/*,license:apache-2.0", "tag:language:en,tag:other"]
        {
            assert!(!is_taken(&Subject::of(&meta), pattern), "{pattern}");
        }
        assert!(!is_taken(&Subject::called("datasets/acme/d"), "datasets/acme/*,license:*"));
        for bad in ["licence:mit", "license:", "tag:", "acme/*,", ",tag:x", "a:b"] {
            let why = check([bad.to_owned()].iter()).expect_err(bad).message().to_owned();
            assert!(why.contains(bad) && why.contains("license:WORD"), "{why}");
        }
        let rule = |pattern: &str| [FollowRule { pattern: pattern.to_owned(), mode: MirrorMode::Full }];
        assert!(may_fit("acme/", &rule("license:mit")) && may_fit("acme/", &rule("tag:x,acme/*")));
        assert!(!may_fit("acme/", &rule("license:mit,other/*")));
        assert!(ask_for_more(&rule("acme/*,tag:x")) && !ask_for_more(&rule("acme/*")));
    }
}
