//! Whether large objects and packs of an upstream may come now. Pure.

use polder_db::{FollowLimits, MirrorState};
use polder_types::{Hours, UnixMillis};

use crate::error::{Error, Kind};

/// Bytes that stay free for everything else that this hub writes.
pub(super) const FREE_BYTES_KEPT: u64 = 256 << 20;
/// When what is over the budget is looked at again, in seconds; a higher budget and news of it are heard of at
/// once.
const QUOTA_RECHECK_SECONDS: i64 = 3_600;
/// The same for a pack that was larger than any may be: it has come that far for nothing.
const PACK_RECHECK_SECONDS: i64 = 24 * 3_600;
/// The same for what there was no space for.
const DISK_RECHECK_SECONDS: i64 = 600;

/// What is to come, as far as it is known before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// Bytes that count.
    pub(super) counted: u64,
    /// Those of them that are to be written; the others are here.
    pub(super) written: u64,
}

/// Why nothing may come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Pause {
    /// It would be over the budget.
    #[error("its hub's mirrors hold {held} bytes; {more} more would be over their budget of {budget}")]
    Quota { held: u64, more: u64, budget: u64 },
    /// It is not the time.
    #[error("large things come from its hub in {hours} UTC only")]
    Window { hours: Hours, opens: UnixMillis },
    /// Git's answer is longer than any may be.
    #[error("more came of its git than the {most} bytes of the largest pack that is taken")]
    Pack { most: u64 },
    /// There is no space.
    #[error("{needed} bytes are to come and {free} are free, of which {FREE_BYTES_KEPT} stay so")]
    Disk { needed: u64, free: u64 },
}

/// Says whether what is `declared` may come `now`, when `held` bytes of its upstream are here or coming and `free`
/// ones are left on the disk.
pub(super) fn may_fetch(
    limits: &FollowLimits,
    held: u64,
    declared: Declared,
    now: UnixMillis,
    free: u64,
) -> Result<(), Pause> {
    if let Some(budget) = limits.budget_bytes.filter(|budget| held.saturating_add(declared.counted) > *budget)
    {
        return Err(Pause::Quota { held, more: declared.counted, budget });
    }
    if let Some((hours, opens)) = limits.hours.and_then(|hours| Some((hours, hours.opens(now)?))) {
        return Err(Pause::Window { hours, opens });
    }
    if declared.written.saturating_add(FREE_BYTES_KEPT) > free {
        return Err(Pause::Disk { needed: declared.written, free });
    }
    Ok(())
}

impl Pause {
    /// What made an error, if that was a pause.
    pub(super) fn of(error: &Error) -> Option<Self> {
        std::error::Error::source(error)?.downcast_ref().copied()
    }

    /// What a mirror is until then.
    pub(super) fn state(self) -> MirrorState {
        match self {
            Self::Quota { .. } | Self::Pack { .. } => MirrorState::PausedQuota,
            Self::Window { .. } => MirrorState::PausedWindow,
            Self::Disk { .. } => MirrorState::PausedDisk,
        }
    }
}

/// When to look again at a mirror that is paused, whatever limit it met.
pub(super) fn recheck(state: MirrorState, pause: Option<Pause>, now: UnixMillis) -> Option<UnixMillis> {
    match (state, pause) {
        (_, Some(Pause::Window { opens, .. })) => Some(opens),
        (_, Some(Pause::Pack { .. })) => Some(now.plus_seconds(PACK_RECHECK_SECONDS)),
        (MirrorState::PausedQuota, _) => Some(now.plus_seconds(QUOTA_RECHECK_SECONDS)),
        (MirrorState::PausedDisk, _) => Some(now.plus_seconds(DISK_RECHECK_SECONDS)),
        _ => None,
    }
}

impl From<Pause> for Error {
    fn from(pause: Pause) -> Self {
        let kind = match pause {
            Pause::Quota { .. } | Pause::Pack { .. } => Kind::OverQuota,
            Pause::Window { .. } => Kind::Unavailable,
            Pause::Disk { .. } => Kind::Full,
        };
        Self::new(kind, pause.to_string()).caused_by(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(budget: Option<u64>, hours: Option<&str>) -> FollowLimits {
        FollowLimits {
            budget_bytes: budget,
            hours: hours.map(|hours| hours.parse().unwrap()),
            ..FollowLimits::default()
        }
    }

    fn at(time: &str) -> UnixMillis {
        format!("2026-11-27T{time}:00Z").parse().unwrap()
    }

    #[test]
    fn what_is_over_the_budget_outside_of_the_hours_or_too_much_for_the_disk_waits() {
        let (plenty, kept) = (u64::MAX, FREE_BYTES_KEPT);
        let night = Some("22:00-04:00");
        let quota = Some(MirrorState::PausedQuota);
        let window = Some(MirrorState::PausedWindow);
        let disk = Some(MirrorState::PausedDisk);
        // Budget, hours, held, counted, written, time, free.
        for (budget, hours, held, counted, written, now, free, why) in [
            (None, None, u64::MAX, u64::MAX, 0, "12:00", kept, None),
            (Some(10), None, 4, 6, 6, "12:00", plenty, None),
            (Some(10), None, 4, 7, 7, "12:00", plenty, quota),
            (Some(10), None, 10, 0, 0, "12:00", plenty, None),
            (Some(10), None, 11, 0, 0, "12:00", plenty, quota),
            (Some(10), None, u64::MAX, u64::MAX, 0, "12:00", plenty, quota),
            (Some(0), None, 0, 1, 0, "12:00", plenty, quota),
            (None, night, 0, 1, 1, "21:59", plenty, window),
            (None, night, 0, 1, 1, "22:00", plenty, None),
            (None, night, 0, 1, 1, "03:59", plenty, None),
            (None, night, 0, 1, 1, "04:00", plenty, window),
            (None, None, 0, 9, 9, "12:00", kept + 9, None),
            (None, None, 0, 9, 9, "12:00", kept + 8, disk),
            (None, None, 0, 9, 0, "12:00", kept, None),
            (None, None, 0, 0, u64::MAX, "12:00", u64::MAX - 1, disk),
            // The budget is told first: no time makes room in it.
            (Some(1), night, 0, 2, 2, "12:00", 0, quota),
            (Some(2), night, 0, 2, 2, "12:00", 0, window),
        ] {
            let (limits, declared) = (limits(budget, hours), Declared { counted, written });
            let paused = may_fetch(&limits, held, declared, at(now), free).err().map(Pause::state);
            assert_eq!(paused, why, "{budget:?} {hours:?} {held} {declared:?} {now} {free}");
        }
    }

    #[test]
    fn a_pause_says_why_and_when_it_is_looked_at_again() {
        let now = at("12:00");
        let paused = |limits: &FollowLimits, free| {
            let declared = Declared { counted: 5, written: 5 };
            let error = Error::from(may_fetch(limits, 7, declared, now, free).unwrap_err());
            let pause = Pause::of(&error).expect("it is one");
            (error.message().to_owned(), recheck(pause.state(), Some(pause), now))
        };
        let (why, due) = paused(&limits(Some(10), None), u64::MAX);
        assert_eq!(why, "its hub's mirrors hold 7 bytes; 5 more would be over their budget of 10");
        assert_eq!(due, Some(at("13:00")));
        let (why, due) = paused(&limits(None, Some("22:00-04:00")), u64::MAX);
        assert_eq!(why, "large things come from its hub in 22:00-04:00 UTC only");
        assert_eq!(due, Some(at("22:00")));
        let (why, due) = paused(&limits(None, None), 4);
        assert_eq!(why, "5 bytes are to come and 4 are free, of which 268435456 stay so");
        assert_eq!(due, Some(at("12:10")));
        assert_eq!(Pause::of(&Error::unavailable("gone")), None);
        assert_eq!(recheck(MirrorState::Retry, None, now), None);
    }
}
