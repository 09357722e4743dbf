//! What is selected of an upstream now: by its rules, and by those that came with a namespace which moved there.

use std::borrow::Cow;

use polder_db::{CarriedRule, FollowRule, Log, MirrorMode, MirrorTarget, UpstreamState};
use polder_log::Body;
use polder_types::{RepoKind, Sha256};

use super::select::{self, Subject};
use crate::Hub;
use crate::error::Result;

/// The rules for an upstream, the operator's first.
pub(super) struct Selection {
    rules: Vec<FollowRule>,
    carried: Vec<CarriedRule>,
}

impl Selection {
    /// What an event makes of a mirror, if it is about a repository that is selected.
    pub(super) fn target(&self, body: &Body) -> Option<MirrorTarget> {
        select::target(body, &self.rules_of(body.nsid))
    }

    /// How much is taken of such a repository in a namespace.
    pub(super) fn mode(&self, subject: &Subject<'_>, nsid: Option<Sha256>) -> Option<MirrorMode> {
        select::mode(subject, &self.rules_of(nsid))
    }

    /// Whether the id alone does not tell how much is taken: some rules ask for more, or it matters in which
    /// namespace it is.
    pub(super) fn asks_for_more(&self, path: &str) -> bool {
        let carried = || self.carried.iter().any(|one| select::ask_for_more(std::slice::from_ref(&one.rule)));
        select::ask_for_more(&self.rules)
            || carried()
            || !self.carried.is_empty() && select::mode(&Subject::called(path), &self.rules).is_none()
    }

    /// Whether any repository may be selected whose id begins so.
    pub(super) fn may_fit(&self, beginning: &str) -> bool {
        select::may_fit(beginning, &self.rules)
            || self.carried.iter().any(|one| select::may_fit(beginning, std::slice::from_ref(&one.rule)))
    }

    fn rules_of(&self, nsid: Option<Sha256>) -> Cow<'_, [FollowRule]> {
        let its = self.carried.iter().filter(|one| Some(one.nsid) == nsid).map(|one| &one.rule);
        let mut rules = Cow::Borrowed(self.rules.as_slice());
        for rule in its {
            rules.to_mut().push(rule.clone());
        }
        rules
    }
}

impl Hub {
    pub(super) async fn selection(&self, log: i64) -> Result<Selection> {
        Ok(Selection { rules: self.db.follow_rules(log).await?, carried: self.db.carried_rules(log).await? })
    }

    /// What is selected of a namespace as long as it is told of in a log: what its new home takes over. Of an
    /// own one that is everything; of one that is followed no longer, nothing.
    pub(super) async fn selected_of(&self, log: &Log, handle: &str, nsid: Sha256) -> Result<Vec<FollowRule>> {
        let beginnings = RepoKind::ALL.map(|kind| format!("{}{handle}/", kind.prefix()));
        if log.is_own {
            let all = |beginning| FollowRule { pattern: format!("{beginning}*"), mode: MirrorMode::Full };
            return Ok(beginnings.map(all).into());
        }
        let upstream = self.db.upstream(log.id).await?;
        if upstream.is_none_or(|upstream| upstream.state == UpstreamState::Unfollowed) {
            return Ok(Vec::new());
        }
        let Selection { mut rules, carried } = self.selection(log.id).await?;
        rules.extend(carried.into_iter().filter(|one| one.nsid == nsid).map(|one| one.rule));
        let may_fit = |rule: &FollowRule| {
            beginnings.iter().any(|beginning| select::may_fit(beginning, std::slice::from_ref(rule)))
        };
        rules.retain(may_fit);
        Ok(rules)
    }
}
