//! What a page of events makes of mirrors: the newest target of each.

use std::collections::{HashMap, HashSet};

use polder_db::MirrorTarget;
use polder_log::Body;
use polder_types::Sha256;

use super::select;
use super::selection::Selection;

/// What one event makes of a mirror.
pub(super) enum Aim {
    /// It is taken as a rule says, or hidden.
    Taken(MirrorTarget),
    /// No rule fits it any more, if one did.
    Left(MirrorTarget),
}

impl Aim {
    pub(super) fn of(body: &Body, selection: &Selection) -> Option<Self> {
        match selection.target(body) {
            Some(target) => Some(Self::Taken(target)),
            None => select::unselected(body).map(Self::Left),
        }
    }
}

#[derive(Default)]
pub(super) struct Targets {
    taken: HashMap<Sha256, MirrorTarget>,
    left: HashMap<Sha256, MirrorTarget>,
}

impl Targets {
    /// What a later event makes of it counts.
    pub(super) fn add(&mut self, aim: Aim) {
        match aim {
            Aim::Taken(target) => {
                self.left.remove(&target.rid);
                let before = self.taken.get(&target.rid).filter(|before| before.hidden.is_none());
                let since = before.map_or(target.since, |before| before.since);
                self.taken.insert(target.rid, MirrorTarget { since, ..target });
            }
            Aim::Left(target) => {
                self.taken.remove(&target.rid);
                self.left.insert(target.rid, target);
            }
        }
    }

    /// Those that matter only where there is a mirror already.
    pub(super) fn left(&self) -> Vec<Sha256> {
        self.left.keys().copied().collect()
    }

    pub(super) fn hides(&self) -> bool {
        self.taken.values().any(|target| target.hidden.is_some())
    }

    /// All that matters, where these are mirrored.
    pub(super) fn into_vec(self, mirrored: &[Sha256]) -> Vec<MirrorTarget> {
        let mirrored: HashSet<&Sha256> = mirrored.iter().collect();
        let left = self.left.into_values().filter(|target| mirrored.contains(&target.rid));
        self.taken.into_values().chain(left).collect()
    }
}
