//! Whether a clone's refs are those that the hub signed.

use std::collections::{BTreeMap, BTreeSet};

use polder_git::Ref;
use polder_log::RefMap;
use polder_types::ObjectId;

/// Where a clone notes the branches of the repository it came from.
const REMOTES: &str = "refs/remotes/";
const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// What comparing found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RefsFound {
    /// Refs of the clone that are as signed.
    pub(super) right: usize,
    /// Signed refs that the clone has not.
    pub(super) not_cloned: usize,
    /// What is wrong, in sentences.
    pub(super) problems: Vec<String>,
}

/// Compares every ref that came from elsewhere: all of a bare clone's; of another's the branches it notes
/// under `refs/remotes/` and the tags. `head`, what is checked out, must be where some signed ref is.
pub(super) fn compare(signed: &RefMap, cloned: &[Ref], is_bare: bool, head: Option<ObjectId>) -> RefsFound {
    let mut found = RefsFound::default();
    let signed_refs: BTreeMap<&str, ObjectId> =
        signed.refs().iter().map(|(name, oid)| (name.as_str(), *oid)).collect();
    let mut seen = BTreeSet::new();
    let mut tips: BTreeSet<ObjectId> = signed_refs.values().copied().collect();
    for reference in cloned {
        let Some(name) = signed_name(&reference.name, is_bare) else { continue };
        let (shown, oid) = (&reference.name, reference.oid);
        match signed_refs.get(name.as_str()) {
            Some(signed) if *signed == oid => {
                found.right += 1;
                tips.extend(reference.peeled);
            }
            Some(signed) => found.problems.push(format!("`{shown}` is {oid}; the hub signed {signed}")),
            None => found.problems.push(format!("`{shown}` is {oid}; the hub signed no `{name}`")),
        }
        seen.insert(name);
    }
    found.not_cloned = signed_refs.keys().filter(|name| !seen.contains(**name)).count();
    if let Some(head) = head.filter(|head| !tips.contains(head)) {
        found.problems.push(format!("what is checked out, {head}, is not where a signed branch or tag is"));
    }
    found
}

/// By which name the hub knows a ref of the clone; `None` for what the clone's owner made.
fn signed_name(name: &str, is_bare: bool) -> Option<String> {
    if is_bare || name.starts_with(TAGS) {
        return Some(name.to_owned());
    }
    let (_remote, branch) = name.strip_prefix(REMOTES)?.split_once('/')?;
    (branch != "HEAD").then(|| format!("{HEADS}{branch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(n: u8) -> ObjectId {
        ObjectId::new([n; 20])
    }

    fn signed() -> RefMap {
        let refs = [("refs/heads/dev", 2), ("refs/heads/main", 1), ("refs/tags/v1", 3)];
        let refs = refs.map(|(name, n)| (name.to_owned(), oid(n)));
        RefMap::new("refs/heads/main".to_owned(), refs.to_vec()).unwrap()
    }

    fn cloned(refs: &[(&str, u8)]) -> Vec<Ref> {
        refs.iter().map(|(name, n)| Ref { name: (*name).to_owned(), oid: oid(*n), peeled: None }).collect()
    }

    #[test]
    fn a_clone_is_compared_by_what_it_notes_of_the_hub() {
        let ordinary = cloned(&[
            ("refs/heads/main", 1),
            ("refs/heads/mine", 9),
            ("refs/remotes/origin/HEAD", 1),
            ("refs/remotes/origin/main", 1),
            ("refs/tags/v1", 3),
        ]);
        let found = compare(&signed(), &ordinary, false, Some(oid(1)));
        assert_eq!(found, RefsFound { right: 2, not_cloned: 1, problems: Vec::new() });
        let mirror = cloned(&[("refs/heads/dev", 2), ("refs/heads/main", 1), ("refs/tags/v1", 3)]);
        let found = compare(&signed(), &mirror, true, Some(oid(1)));
        assert_eq!(found, RefsFound { right: 3, not_cloned: 0, problems: Vec::new() });
    }

    #[test]
    fn a_ref_that_was_moved_added_or_checked_out_unsigned_is_named() {
        let wrong =
            |refs: &[(&str, u8)], head| compare(&signed(), &cloned(refs), false, Some(oid(head))).problems;
        assert_eq!(wrong(&[("refs/remotes/origin/main", 1)], 1), Vec::<String>::new());
        assert_eq!(wrong(&[("refs/remotes/origin/main", 7)], 1).len(), 1);
        assert_eq!(wrong(&[("refs/remotes/origin/evil", 7)], 1).len(), 1);
        assert_eq!(wrong(&[("refs/tags/v2", 3)], 1).len(), 1);
        assert_eq!(wrong(&[("refs/tags/v1", 1)], 1).len(), 1);
        assert_eq!(wrong(&[("refs/remotes/origin/main", 1), ("refs/heads/main", 7)], 7).len(), 1);
    }
}
