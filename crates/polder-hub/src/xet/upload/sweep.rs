//! Removing xorbs of which no file was made.

use polder_types::StagedXorbId;

use crate::Hub;
use crate::error::Result;

/// Most xorbs removed in one round of upkeep for their age.
const EXPIRED_MAX: i64 = 10_000;
/// A file that is younger may get its row yet, in seconds.
const ROW_SECONDS: i64 = 3_600;

impl Hub {
    /// Removes xorbs whose upload has ended without them, and files of xorbs that no row knows.
    pub(crate) async fn sweep_xorbs(&self) -> Result<()> {
        let now = self.clock.now();
        for id in self.db.expired_xorbs(now, EXPIRED_MAX).await? {
            if let Some((repo, sender)) = self.db.forget_expired_xorb(id, now).await? {
                self.forget_expired(repo, sender, now);
                self.remove_xorb_files(vec![id]).await?;
            }
        }
        let store = self.store.clone();
        for (id, since) in self.leaf.run(move || Ok(store.staged_xorbs()?)).await? {
            if since.plus_seconds(ROW_SECONDS) <= now && !self.db.is_xorb_staged(id).await? {
                self.forget_xorbs(vec![id]).await?;
            }
        }
        Ok(())
    }

    /// Rows first, as for uploads in parts.
    pub(super) async fn forget_xorbs(&self, ids: Vec<StagedXorbId>) -> Result<()> {
        self.db.forget_xorbs(ids.clone()).await?;
        polder_types::failpoint::hit("xet.xorbs_forgotten");
        self.remove_xorb_files(ids).await
    }

    async fn remove_xorb_files(&self, ids: Vec<StagedXorbId>) -> Result<()> {
        let store = self.store.clone();
        let remove = move || {
            for id in ids {
                store.remove_xorb(id)?;
            }
            Ok(())
        };
        self.leaf.run(remove).await
    }
}
