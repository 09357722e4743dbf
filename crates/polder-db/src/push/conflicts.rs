//! Names that cannot stand side by side: `a` and `a/b`.

use std::collections::BTreeSet;
use std::ops::Bound;

/// The names that `name` would be a file in the directory of, `refs` excepted, which is none.
pub(super) fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at)).filter(|parent| *parent != "refs")
}

/// The open range of names below `name`.
pub(super) fn children(name: &str) -> (String, String) {
    // '0' follows '/' in ASCII.
    (format!("{name}/"), format!("{name}0"))
}

/// A name among `names` that `name` cannot stand beside.
pub(super) fn conflict(names: &BTreeSet<&str>, name: &str) -> Option<String> {
    let parent = parents(name).find(|parent| names.contains(parent)).map(str::to_owned);
    parent.or_else(|| {
        let (from, to) = children(name);
        let bounds = (Bound::Excluded(from.as_str()), Bound::Excluded(to.as_str()));
        names.range::<str, _>(bounds).next().map(|child| (*child).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_conflicts_with_its_directories_and_what_is_below_it_only() {
        let names = BTreeSet::from(["refs/heads/a", "refs/heads/b/c/d", "refs/heads/e-f", "refs/heads/e.f"]);
        for (name, with) in [
            ("refs/heads/a/b", Some("refs/heads/a")),
            ("refs/heads/a/b/c", Some("refs/heads/a")),
            ("refs/heads/b", Some("refs/heads/b/c/d")),
            ("refs/heads/b/c", Some("refs/heads/b/c/d")),
            ("refs/heads/b/c/d/e", Some("refs/heads/b/c/d")),
            ("refs/heads", Some("refs/heads/a")),
            ("refs/heads/e", None),
            ("refs/heads/ab", None),
            ("refs/heads/b/c/e", None),
            ("refs/tags/a", None),
        ] {
            assert_eq!(conflict(&names, name).as_deref(), with, "{name}");
        }
    }
}
