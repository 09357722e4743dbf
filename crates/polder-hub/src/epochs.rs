//! Store and database each remember the other's epoch, so that a restored backup is noticed.
//!
//! A new epoch begins at every start: first the database says what comes, then the store takes it, then
//! the database confirms. Whatever the store has must be one of the two that the database knows. Nodes
//! that share a store start one after another.

use polder_blob::Store;
use polder_db::Db;

use crate::Hub;
use crate::audit::Entry;
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
                "the database is older than the store (a restored backup?): nothing will be swept; see `polder fsck`"
            );
            return Ok(self.db.set_meta(HELD, "true").await?);
        }
        begin(&self.db, &self.store).await
    }

    /// Takes the database as the truth although the store was newer: what only the store knows is moved to
    /// `lost/` by the next sweeps.
    ///
    /// # Errors
    /// When either cannot be written.
    pub async fn accept_database(&self) -> Result<()> {
        agree_anew(&self.db, &self.store).await?;
        self.record(Entry::operator("database.accept")).await;
        Ok(())
    }

    /// Whether store and database disagree.
    pub(crate) async fn is_older_than_store(&self) -> Result<bool> {
        Ok(self.db.meta(HELD).await?.is_some_and(|held| held == "true"))
    }

    /// The epoch under which the store may be swept.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] while store and database disagree.
    pub(crate) async fn sweep_epoch(&self) -> Result<String> {
        if self.is_older_than_store().await? {
            return Err(Error::new(Kind::Conflict, "the database is older than the store: nothing is swept"));
        }
        self.db.meta(NOW).await?.ok_or_else(|| Error::internal("the database has no epoch"))
    }
}

/// Begins an epoch of which both know.
async fn begin(db: &Db, store: &Store) -> Result<()> {
    let fresh = format!("{:032x}", u128::from_be_bytes(random()?));
    db.set_meta(NEXT, &fresh).await?;
    store.set_epoch(&fresh)?;
    Ok(db.set_meta(NOW, &fresh).await?)
}

/// Makes database and store agree, whatever they knew of each other.
pub(crate) async fn agree_anew(db: &Db, store: &Store) -> Result<()> {
    begin(db, store).await?;
    Ok(db.set_meta(HELD, "false").await?)
}
