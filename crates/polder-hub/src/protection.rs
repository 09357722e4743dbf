//! Protected branches: who may push to them, and whether they can be forced or deleted.

use polder_db::{Protection, RefUpdate};
use polder_types::{AccountId, AccountName, RepoName, Role};
use tokio::runtime::Handle;

use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::origin::Origin;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 255;
/// Most users and organisations that one rule names.
const PUSHERS_MAX: usize = 100;
/// How every refusal begins.
const PROTECTED: &str = "protected branch";

/// A rule for the branches that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRule {
    /// Branch names without `refs/heads/`; `*` stands for anything but `/`, `**` for anything.
    pub pattern: String,
    /// Whether history may be rewritten.
    pub allow_force: bool,
    /// Whether they may be deleted.
    pub allow_delete: bool,
    /// Who holds this role, or more, may push; `None`: nobody by role.
    pub push_role: Option<Role>,
    /// Who may push besides: users, and organisations for their members. They must be allowed to write
    /// to the repository all the same.
    pub push_accounts: Vec<AccountName>,
}

impl Hub {
    /// Protects the branches that a pattern matches, in place of its earlier rule.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown repository or account; [`Kind::Invalid`] for a bad pattern;
    /// [`Kind::Conflict`] for one rule too many.
    pub async fn protect(&self, name: &RepoName, rule: ProtectionRule) -> Result<()> {
        let repo = self.live_repo(name).await?;
        check_pattern(&rule.pattern)?;
        if rule.push_accounts.len() > PUSHERS_MAX {
            return Err(Error::invalid(format!("a rule names at most {PUSHERS_MAX} accounts")));
        }
        let mut push_accounts = Vec::with_capacity(rule.push_accounts.len());
        for name in &rule.push_accounts {
            let account = self.account(name).await?;
            push_accounts.push((account.id, account.name));
        }
        push_accounts.sort_by_key(|(id, _)| *id);
        push_accounts.dedup_by_key(|(id, _)| *id);
        let ProtectionRule { pattern, allow_force, allow_delete, push_role, .. } = rule;
        let row = Protection { pattern, allow_force, allow_delete, push_role, push_accounts };
        let entry =
            Entry::operator("repo.protect").on(repo.id, &repo.name).with("pattern", row.pattern.as_str());
        self.audited(entry).set_protection(repo.id, row).await.map_err(|error| match error {
            polder_db::Error::Conflict { what } => Error::new(Kind::Conflict, what),
            error => error.into(),
        })
    }

    /// Removes the rule of a pattern.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown repository, or when there is no such rule.
    pub async fn unprotect(&self, name: &RepoName, pattern: &str) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.unprotect").on(repo.id, &repo.name).with("pattern", pattern);
        self.audited(entry).remove_protection(repo.id, pattern.to_owned()).await.map_err(
            |error| match error {
                polder_db::Error::NotFound { .. } => {
                    Error::not_found(format!("`{name}` has no protected pattern `{pattern}`"))
                }
                error => error.into(),
            },
        )
    }

    /// The rules of a repository, by pattern.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown repository.
    pub async fn protection(&self, name: &RepoName) -> Result<Vec<ProtectionRule>> {
        let repo = self.live_repo(name).await?;
        Ok(self.db.protections(repo.id).await?.into_iter().map(rule).collect())
    }

    /// Notes on each update the rule that forbids it. What has no pusher is the operator's and free.
    /// Blocking.
    pub(crate) fn apply_protection(&self, origin: &Origin, updates: &mut [RefUpdate]) -> Result<()> {
        let Some(grant) = &origin.pusher else { return Ok(()) };
        let runtime = Handle::current();
        let rules = runtime.block_on(self.db.protections(origin.repo))?;
        if rules.is_empty() {
            return Ok(());
        }
        let pusher = runtime.block_on(async {
            let role = self.role(grant.principal(), grant.repo_row()).await?;
            let mut accounts: Vec<AccountId> = grant.actor().into_iter().collect();
            for (org, _) in rules.iter().flat_map(|rule| &rule.push_accounts) {
                if self.belongs_to(grant.actor(), *org).await? {
                    accounts.push(*org);
                }
            }
            Ok::<_, Error>(Pusher { role, accounts })
        })?;
        for update in updates.iter_mut().filter(|update| update.forbidden.is_none()) {
            update.forbidden = verdict(&rules, update, &pusher);
        }
        Ok(())
    }

    async fn belongs_to(&self, user: Option<AccountId>, org: AccountId) -> Result<bool> {
        let Some(user) = user else { return Ok(false) };
        Ok(self.members.get((org, user), self.db.member_role(org, user)).await?.is_some())
    }
}

/// Whether a refusal is one of these rules'.
pub(crate) fn is_protection(why: &str) -> bool {
    why.starts_with(PROTECTED)
}

fn rule(row: Protection) -> ProtectionRule {
    let Protection { pattern, allow_force, allow_delete, push_role, push_accounts } = row;
    let push_accounts = push_accounts.into_iter().map(|(_, name)| name).collect();
    ProtectionRule { pattern, allow_force, allow_delete, push_role, push_accounts }
}

/// What the rules know of who pushes.
struct Pusher {
    role: Option<Role>,
    /// The pusher's own account, and those of the rules' organisations that it belongs to.
    accounts: Vec<AccountId>,
}

/// Why a change must not happen. Where several patterns match, every rule must allow it.
fn verdict(rules: &[Protection], update: &RefUpdate, pusher: &Pusher) -> Option<String> {
    let branch = update.name.strip_prefix("refs/heads/")?;
    rules.iter().filter(|rule| matches(&rule.pattern, branch)).find_map(|rule| {
        let by_role = rule.push_role.is_some_and(|least| pusher.role >= Some(least));
        let by_name = rule.push_accounts.iter().any(|(account, _)| pusher.accounts.contains(account));
        let why = if !by_role && !by_name {
            "you may not push to it"
        } else if update.new.is_none() && !rule.allow_delete {
            "it cannot be deleted"
        } else if update.new.is_some() && update.rewinds && !rule.allow_force {
            "its history cannot be rewritten"
        } else {
            return None;
        };
        Some(format!("{PROTECTED}: {why} (rule `{}`)", rule.pattern))
    })
}

/// A pattern is a branch name in which `*` may stand for more.
fn check_pattern(pattern: &str) -> Result<()> {
    let named = format!("refs/heads/{}", pattern.replace('*', "x"));
    if pattern.len() > PATTERN_BYTES_MAX || polder_git::check_ref_name(&named).is_err() {
        return Err(Error::invalid(format!(
            "`{pattern}` is no pattern for branches; write such as `main`, `release/*` or `**`"
        )));
    }
    Ok(())
}

/// Whether `pattern` matches all of `name`: which of its beginnings match which beginnings of the name.
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.as_bytes();
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let anything = byte == b'*' && bytes.next_if_eq(&b'*').is_some();
        let mut next = vec![false; reached.len()];
        let mut open = false;
        for (at, (was, slot)) in reached.iter().zip(&mut next).enumerate() {
            let before = at.checked_sub(1).and_then(|before| name.get(before));
            if byte == b'*' {
                open = *was || (open && (anything || before != Some(&b'/')));
                *slot = open;
            } else {
                *slot = open && before == Some(&byte);
                open = *was;
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_types::ObjectId;

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        for (pattern, yes, no) in [
            ("main", vec!["main"], vec!["mai", "maint", "x/main", ""]),
            ("release/*", vec!["release/1", "release/v1.0"], vec!["release", "release/1/rc", "prerelease/1"]),
            ("release/**", vec!["release/1", "release/1/rc"], vec!["release", "releases/1"]),
            ("*", vec!["main", "x"], vec!["a/b"]),
            ("**", vec!["main", "a/b/c"], vec![]),
            ("v*.*", vec!["v1.0", "v1..", "v."], vec!["v1", "v1/.0", "w1.0"]),
            ("*a*b*", vec!["ab", "xaxbx", "aabb"], vec!["ba", "a/b"]),
            ("a/**/b", vec!["a/x/b", "a/x/y/b"], vec!["a/b", "a/x/c"]),
            ("模*", vec!["模型"], vec!["型模"]),
        ] {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
        let (stars, name) = ("*a".repeat(120), "a".repeat(1000));
        assert!(matches(&stars, &name) && !matches(&stars, &name.replace('a', "b")));
    }

    #[test]
    fn a_pattern_is_a_branch_name_with_stars() {
        for good in ["main", "release/*", "**", "feature/**/x", "模型*"] {
            assert!(check_pattern(good).is_ok(), "{good}");
        }
        for bad in ["", "/main", "a b", "a//b", "a..b", "main/", "x?", "[a]", "a\nb", &"a".repeat(256)] {
            assert_eq!(check_pattern(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_change_is_refused_by_the_first_rule_that_forbids_it() {
        const ADA: AccountId = AccountId(1);
        const ORG: AccountId = AccountId(2);
        let account = |id: AccountId| (id, "ada".parse().unwrap());
        let rule = |pattern: &str, push_role, push_accounts: Vec<AccountId>| Protection {
            pattern: pattern.to_owned(),
            allow_force: false,
            allow_delete: false,
            push_role,
            push_accounts: push_accounts.into_iter().map(account).collect(),
        };
        let change = |name: &str, old: bool, new: bool, rewinds| RefUpdate {
            name: name.to_owned(),
            old: old.then(|| ObjectId::new([1; 20])),
            new: new.then(|| ObjectId::new([2; 20])),
            peeled: None,
            rewinds,
            forbidden: None,
        };
        let rules = [
            rule("main", Some(Role::Write), vec![]),
            rule("release/*", Some(Role::Admin), vec![ORG]),
            rule("release/old", None, vec![ADA]),
            Protection { allow_force: true, allow_delete: true, ..rule("wip", Some(Role::Write), vec![]) },
        ];
        let writer = || Pusher { role: Some(Role::Write), accounts: vec![AccountId(9)] };
        let admin = || Pusher { role: Some(Role::Admin), ..writer() };
        let member = || Pusher { accounts: vec![AccountId(9), ORG], ..writer() };
        let ada = || Pusher { accounts: vec![ADA], ..admin() };
        let table = [
            (change("refs/heads/main", true, true, false), writer(), None),
            (change("refs/heads/main", true, true, true), admin(), Some("rewritten")),
            (change("refs/heads/main", true, false, true), admin(), Some("deleted")),
            (change("refs/heads/main", false, true, false), writer(), None),
            (change("refs/heads/topic", true, false, true), writer(), None),
            (change("refs/tags/main", true, false, true), writer(), None),
            (change("refs/heads/wip", true, true, true), writer(), None),
            (change("refs/heads/wip", true, false, true), writer(), None),
            (change("refs/heads/release/1", false, true, false), writer(), Some("may not push")),
            (change("refs/heads/release/1", true, false, true), writer(), Some("may not push")),
            (change("refs/heads/release/1", true, true, false), member(), None),
            (change("refs/heads/release/1", true, true, false), admin(), None),
            (change("refs/heads/release/old", true, true, false), admin(), Some("(rule `release/old`)")),
            (change("refs/heads/release/old", true, true, false), ada(), None),
        ];
        for (change, pusher, expected) in table {
            let found = verdict(&rules, &change, &pusher);
            let fits = match (&found, expected) {
                (Some(why), Some(expected)) => is_protection(why) && why.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(fits, "{change:?}: {found:?}");
        }
    }
}
