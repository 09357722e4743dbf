//! What comes of each upstream at once, held to its limits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polder_db::FollowLimits;
use polder_types::UnixMillis;
use tokio::time::Instant;

use super::limits::{Declared, Pause, may_fetch};
use crate::error::{Error, Result};
use crate::{Hub, Rate};

/// What this process takes of each upstream, by the local ids of their logs.
#[derive(Debug, Default)]
pub(crate) struct Intakes(Mutex<HashMap<i64, Arc<Intake>>>);

/// What this process takes of one upstream.
#[derive(Debug)]
struct Intake {
    /// How fast, for all that comes.
    rate: Arc<Rate>,
    /// Held while it is found out whether more may come.
    door: tokio::sync::Mutex<()>,
    /// Bytes that may come and are not counted yet.
    coming: AtomicU64,
}

/// Something large that may come, counted as coming until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    intake: Arc<Intake>,
    coming: AtomicU64,
    /// When it must stop, and the pause that it then makes.
    until: Option<(Instant, Pause)>,
    /// Bytes that were here or coming before, and the budget.
    budget: Option<(u64, u64)>,
}

impl Intakes {
    fn of(&self, log: i64) -> Arc<Intake> {
        let new = || Intake {
            rate: Arc::new(Rate::unlimited()),
            door: tokio::sync::Mutex::default(),
            coming: 0.into(),
        };
        let mut intakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(intakes.entry(log).or_insert_with(|| Arc::new(new())))
    }

    /// The rate that all large things of an upstream share.
    pub(super) fn rate(&self, log: i64) -> Arc<Rate> {
        Arc::clone(&self.of(log).rate)
    }
}

impl Admitted {
    /// So many bytes of it are counted now.
    pub(super) fn arrived(&self, bytes: u64) {
        let still = self.coming.load(Ordering::Relaxed).min(bytes);
        self.coming.fetch_sub(still, Ordering::Relaxed);
        self.intake.coming.fetch_sub(still, Ordering::Relaxed);
    }

    /// How fast it may come.
    pub(crate) fn rate(&self) -> &Arc<Rate> {
        &self.intake.rate
    }

    /// Bytes that there is room for besides; `None` for any number.
    pub(super) fn room(&self) -> Option<u64> {
        let coming = self.coming.load(Ordering::Relaxed);
        self.budget.map(|(held, budget)| budget.saturating_sub(held).saturating_sub(coming))
    }

    /// The pause when more came than there was room for.
    pub(super) fn over(&self) -> Pause {
        let (held, budget) = self.budget.unwrap_or((u64::MAX, u64::MAX));
        Pause::Quota { held, more: budget.saturating_sub(held).saturating_add(1), budget }
    }

    /// When it must stop.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.map(|(until, _)| until)
    }

    /// Why something failed: that its time was over, if it was.
    pub(super) fn blame(&self, error: Error) -> Error {
        match self.until {
            Some((until, pause)) if Instant::now() >= until => pause.into(),
            _ => error,
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.arrived(u64::MAX);
    }
}

impl Hub {
    /// Lets something large of an upstream come, if its limits allow it.
    ///
    /// # Errors
    /// What [`Pause::of`] knows, when they do not; when the database or the store cannot be read.
    pub(super) async fn admit(&self, log: i64, declared: Declared) -> Result<Admitted> {
        self.admit_within(log, &self.limits_of(log).await?, declared).await
    }

    /// The same at any hour, for what somebody waits for, or what has come already.
    ///
    /// # Errors
    /// As [`Hub::admit`].
    pub(super) async fn admit_at_any_hour(&self, log: i64, declared: Declared) -> Result<Admitted> {
        let limits = FollowLimits { hours: None, ..self.limits_of(log).await? };
        self.admit_within(log, &limits, declared).await
    }

    /// The same for what replaces bytes that are damaged, and counted: no budget keeps it out.
    ///
    /// # Errors
    /// As [`Hub::admit`].
    pub(crate) async fn admit_repair(&self, log: i64, written: u64) -> Result<Admitted> {
        let limits = FollowLimits { hours: None, budget_bytes: None, ..self.limits_of(log).await? };
        self.admit_within(log, &limits, Declared { counted: 0, written }).await
    }

    async fn limits_of(&self, log: i64) -> Result<FollowLimits> {
        Ok(self.db.upstream(log).await?.map(|upstream| upstream.limits).unwrap_or_default())
    }

    async fn admit_within(&self, log: i64, limits: &FollowLimits, declared: Declared) -> Result<Admitted> {
        let intake = self.intakes.of(log);
        intake.rate.set(limits.bytes_per_second);
        let store = self.store.clone();
        let free = self.leaf.run(move || Ok(store.free_bytes()?)).await?;
        let door = intake.door.lock().await;
        // First what comes: what is counted in between is then counted twice, never not at all.
        let coming = intake.coming.load(Ordering::Relaxed);
        let held = match limits.budget_bytes {
            Some(_) => self.db.upstream_bytes(log).await?.saturating_add(coming),
            None => 0,
        };
        let now = self.clock.now();
        may_fetch(limits, held, declared, now, free)?;
        intake.coming.fetch_add(declared.counted, Ordering::Relaxed);
        drop(door);
        let budget = limits.budget_bytes.map(|budget| (held, budget));
        Ok(Admitted { intake, coming: declared.counted.into(), until: end(limits, now), budget })
    }
}

/// When the hours that this is within end, on the machine's own clock, and the pause until they begin again.
fn end(limits: &FollowLimits, now: UnixMillis) -> Option<(Instant, Pause)> {
    let hours = limits.hours?;
    let closes = hours.closes(now)?;
    let left = Duration::from_millis(u64::try_from(closes.0.saturating_sub(now.0)).ok()?);
    Some((Instant::now() + left, Pause::Window { hours, opens: hours.opens(closes)? }))
}
