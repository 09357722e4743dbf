//! Which refs of a push change: a pure decision over what the repository has now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polder_types::ObjectId;
use polder_types::limits::REFS_PER_REPO_MAX;

use super::conflicts::conflict;
use super::{RefRefusal, RefUpdate};

/// One answer per update.
pub(super) type Results = Vec<Result<(), RefRefusal>>;

/// Decides every update.
///
/// `existing` has at least every ref that an update names, is below or above of; `ref_count` is how
/// many refs there are in all. Deletions make room for creations, whatever their order.
pub(super) fn decide(
    updates: &[RefUpdate],
    existing: &BTreeMap<String, ObjectId>,
    ref_count: i64,
    atomic: bool,
) -> Results {
    let mut results = compare(updates, existing);
    let mut names: BTreeSet<&str> = existing.keys().map(String::as_str).collect();
    let mut count = usize::try_from(ref_count).unwrap_or(0);
    for (update, result) in updates.iter().zip(&results) {
        if result.is_ok() && deletes(update) && names.remove(update.name.as_str()) {
            count = count.saturating_sub(1);
        }
    }
    for (update, result) in updates.iter().zip(&mut results) {
        if result.is_err() || !creates(update) {
            continue;
        }
        if let Some(with) = conflict(&names, &update.name) {
            *result = Err(RefRefusal::DirectoryFileConflict { with });
        } else if count >= REFS_PER_REPO_MAX {
            *result = Err(RefRefusal::TooManyRefs);
        } else {
            names.insert(&update.name);
            count += 1;
        }
    }
    if atomic && results.iter().any(Result::is_err) {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(RefRefusal::AtomicAborted);
        }
    }
    results
}

/// Compares each update's `old` with what the ref is. The second update of one ref is always late.
fn compare(updates: &[RefUpdate], existing: &BTreeMap<String, ObjectId>) -> Results {
    let mut changed: HashMap<&str, Option<ObjectId>> = HashMap::new();
    let mut results = Vec::with_capacity(updates.len());
    for update in updates {
        let name = update.name.as_str();
        let current = existing.get(name).copied();
        results.push(match changed.get(name) {
            Some(earlier) => Err(RefRefusal::Stale { current: *earlier }),
            None if current != update.old => Err(RefRefusal::Stale { current }),
            None => match &update.forbidden {
                Some(why) => Err(RefRefusal::Forbidden { why: why.clone() }),
                None => Ok(()),
            },
        });
        changed.entry(name).or_insert(if current == update.old { update.new } else { current });
    }
    results
}

/// Whether the update makes a difference, if it is accepted.
pub(super) fn changes(update: &RefUpdate) -> bool {
    update.old != update.new
}

pub(super) fn creates(update: &RefUpdate) -> bool {
    update.old.is_none() && update.new.is_some()
}

pub(super) fn deletes(update: &RefUpdate) -> bool {
    update.old.is_some() && update.new.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(n: u8) -> ObjectId {
        ObjectId::new([n; 20])
    }

    fn update(name: &str, old: u8, new: u8) -> RefUpdate {
        let some = |n| (n > 0).then(|| oid(n));
        RefUpdate {
            name: name.to_owned(),
            old: some(old),
            new: some(new),
            peeled: None,
            rewinds: false,
            forbidden: None,
        }
    }

    fn repo(refs: &[(&str, u8)]) -> BTreeMap<String, ObjectId> {
        refs.iter().map(|(name, n)| ((*name).to_owned(), oid(*n))).collect()
    }

    fn stale(n: u8) -> Result<(), RefRefusal> {
        Err(RefRefusal::Stale { current: (n > 0).then(|| oid(n)) })
    }

    fn conflict_with(name: &str) -> Result<(), RefRefusal> {
        Err(RefRefusal::DirectoryFileConflict { with: name.to_owned() })
    }

    #[test]
    fn each_ref_is_compared_and_swapped_by_itself() {
        let existing = repo(&[("refs/heads/a", 1), ("refs/heads/b", 2)]);
        let updates = [
            update("refs/heads/a", 1, 3),
            update("refs/heads/b", 1, 3),
            update("refs/heads/c", 0, 3),
            update("refs/heads/b", 0, 3),
            update("refs/heads/d", 1, 3),
            update("refs/heads/e", 0, 0),
            update("refs/heads/f", 1, 0),
        ];
        let expected = vec![Ok(()), stale(2), Ok(()), stale(2), stale(0), Ok(()), stale(0)];
        assert_eq!(decide(&updates, &existing, 2, false), expected);
    }

    #[test]
    fn one_refused_ref_aborts_an_atomic_push() {
        let existing = repo(&[("refs/heads/a", 1), ("refs/heads/b", 2)]);
        let updates = [update("refs/heads/a", 1, 3), update("refs/heads/b", 1, 3)];
        assert_eq!(decide(&updates, &existing, 2, true), vec![Err(RefRefusal::AtomicAborted), stale(2)]);
    }

    #[test]
    fn what_a_rule_forbids_is_refused_alone_or_with_all_of_an_atomic_push() {
        let existing = repo(&[("refs/heads/a", 1), ("refs/heads/b", 1)]);
        let mut updates = [update("refs/heads/a", 1, 2), update("refs/heads/b", 1, 2)];
        updates[0].forbidden = Some("rule".to_owned());
        let forbidden = || Err(RefRefusal::Forbidden { why: "rule".to_owned() });
        assert_eq!(decide(&updates, &existing, 2, false), vec![forbidden(), Ok(())]);
        assert_eq!(decide(&updates, &existing, 2, true), vec![forbidden(), Err(RefRefusal::AtomicAborted)]);
    }

    #[test]
    fn a_ref_named_twice_is_changed_once() {
        let updates = [update("refs/heads/a", 1, 2), update("refs/heads/a", 2, 3)];
        assert_eq!(decide(&updates, &repo(&[("refs/heads/a", 1)]), 1, false), vec![Ok(()), stale(2)]);
    }

    #[test]
    fn directory_and_file_conflict_with_what_is_there_and_within_the_push() {
        let existing = repo(&[("refs/heads/a", 1), ("refs/heads/d/e", 2)]);
        let updates = [
            update("refs/heads/a/b", 0, 3),
            update("refs/heads/d", 0, 3),
            update("refs/heads/x/y", 0, 3),
            update("refs/heads/x", 0, 3),
            update("refs/heads/x/y/z", 0, 3),
        ];
        let results = decide(&updates, &existing, 2, false);
        let with = ["refs/heads/a", "refs/heads/d/e", "", "refs/heads/x/y", "refs/heads/x/y"];
        for (result, with) in results.iter().zip(with) {
            assert_eq!(*result, if with.is_empty() { Ok(()) } else { conflict_with(with) });
        }
    }

    #[test]
    fn a_deletion_makes_room_for_a_creation_in_either_order() {
        let existing = repo(&[("refs/heads/a", 1)]);
        let mut updates = vec![update("refs/heads/a", 1, 0), update("refs/heads/a/b", 0, 2)];
        assert_eq!(decide(&updates, &existing, 1, true), vec![Ok(()), Ok(())]);
        updates.reverse();
        assert_eq!(decide(&updates, &existing, 1, true), vec![Ok(()), Ok(())]);
        // A deletion that is refused makes none.
        let updates = [update("refs/heads/a", 7, 0), update("refs/heads/a/b", 0, 2)];
        assert_eq!(decide(&updates, &existing, 1, false), vec![stale(1), conflict_with("refs/heads/a")]);
    }

    #[test]
    fn a_full_repository_takes_a_ref_only_for_a_ref() {
        let full = i64::try_from(REFS_PER_REPO_MAX).expect("small");
        let existing = repo(&[("refs/heads/a", 1)]);
        let create = update("refs/heads/b", 0, 2);
        let refused = decide(std::slice::from_ref(&create), &existing, full, false);
        assert_eq!(refused, vec![Err(RefRefusal::TooManyRefs)]);
        let swapped = decide(&[create, update("refs/heads/a", 1, 0)], &existing, full, false);
        assert_eq!(swapped, vec![Ok(()), Ok(())]);
    }
}
