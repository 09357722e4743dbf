//! The sum of all request bodies that are held whole in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Each body may have this much for nothing, in bytes: nearly all need no more.
const FREE_BYTES: usize = 64 << 10;
/// What is counted, in bytes.
const UNIT_BYTES: usize = 4 << 10;

/// Memory for bodies.
#[derive(Clone)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

/// What one body has of it; given back when dropped.
pub(crate) struct Reserved {
    budget: BodyBudget,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let units = usize::try_from(bytes_max).unwrap_or(usize::MAX) / UNIT_BYTES;
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// For a body that has nothing yet.
    pub(crate) fn open(&self) -> Reserved {
        Reserved { budget: self.clone(), permit: None }
    }
}

impl Reserved {
    /// Sees to it that a body of `bytes` is paid for. Nobody waits here: two half-read bodies that wait
    /// for one another's memory would wait for ever.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when other bodies have it all.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<()> {
        let units = bytes.saturating_sub(FREE_BYTES).div_ceil(UNIT_BYTES);
        let more = units.saturating_sub(self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more == 0 {
            return Ok(());
        }
        let budget = Arc::clone(&self.budget.0);
        let permit = u32::try_from(more).ok().and_then(|more| budget.try_acquire_many_owned(more).ok());
        let permit = permit.ok_or_else(|| {
            metrics::counter!("polder_bodies_refused_total").increment(1);
            Error::unavailable("the hub has no memory left for large requests; try again in a moment")
        })?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }
}
