//! Store and database each remember the other's epoch, so that a restored backup is noticed.
//!
//! A new epoch begins at every start: first the database says what comes, then the store takes it, then
//! the database confirms. Whatever the store has must be one of the two that the database knows. Nodes
//! that share a store start one after another.

use crate::Hub;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

const NOW: &str = "store_epoch";
const NEXT: &str = "store_epoch_next";
/// Set while store and database disagree: nothing is swept until the operator has looked.
const HELD: &str = "store_sweep_held";

impl Hub {
    /// Compares the epochs and begins a new one, unless they disagree.
    pub(crate) async fn check_epochs(&self) -> Result<()> {
        let stored = self.store.epoch()?;
        let (now, next) = (self.db.meta(NOW).await?, self.db.meta(NEXT).await?);
        if self.db.is_shared() && stored.is_none() && now.is_some() {
            return Err(Error::new(
                Kind::Conflict,
                "this database has been used with another store: every node needs the same `[store] dir`",
            ));
        }
        let agrees = stored == now || stored == next || (stored.is_none() && now.is_none());
        if !agrees {
            tracing::error!(
                "the database is older than the store (a restored backup?): nothing will be swept; run `polder fsck`"
            );
            return Ok(self.db.set_meta(HELD, "true").await?);
        }
        let fresh = format!("{:032x}", u128::from_be_bytes(random()?));
        self.db.set_meta(NEXT, &fresh).await?;
        self.store.set_epoch(&fresh)?;
        self.db.set_meta(NOW, &fresh).await?;
        Ok(())
    }

    /// The epoch under which the store may be swept.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] while store and database disagree.
    pub(crate) async fn sweep_epoch(&self) -> Result<String> {
        if self.db.meta(HELD).await?.is_some_and(|held| held == "true") {
            return Err(Error::new(Kind::Conflict, "the database is older than the store: nothing is swept"));
        }
        self.db.meta(NOW).await?.ok_or_else(|| Error::internal("the database has no epoch"))
    }
}
