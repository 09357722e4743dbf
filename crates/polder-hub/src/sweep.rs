//! Upkeep: what deleted repositories leave is removed after a day; what nobody knows is moved aside.

use std::time::Duration;

use polder_blob::{FileKind, SweepRules};
use polder_db::RowState;
use polder_types::{BlobId, PackId};

use crate::Hub;
use crate::error::Result;

/// How long condemned bytes stay, for transfers that still read them, in seconds.
const CONDEMNED_SECONDS: i64 = 24 * 3600;
/// Time between two rounds.
const UPKEEP_PERIOD: Duration = Duration::from_hours(1);
/// Rows read at a time.
const PAGE: i64 = 1_000;
/// Most jobs finished in one round.
const JOBS_MAX: i64 = 1_000;

impl Hub {
    /// Does upkeep now and every hour, keeps the audit log's chain, lists the chunks of older objects, pulls
    /// mirrors, describes what no push has, reads everything again in time and tells other hubs what is new.
    /// Ends never; failures are logged and tried again.
    pub async fn upkeep(&self) {
        tokio::join!(
            self.upkeep_hourly(),
            self.keep_audit_chain(),
            self.keep_listing_chunks(),
            self.keep_catalog(),
            self.keep_pulling(),
            self.keep_scrubbing(),
            self.keep_log(),
            self.keep_snapshots(),
            self.keep_following(),
            self.keep_downloads(),
            self.keep_telling_downloads(),
            self.keep_follow_gauges(),
            self.keep_telling_webhooks(),
        );
    }

    async fn upkeep_hourly(&self) {
        loop {
            match self.upkeep_once().await {
                Ok(()) => metrics::counter!("polder_upkeep_rounds_total").increment(1),
                Err(error) => tracing::error!(error = %error.chain(), "upkeep failed"),
            }
            if let Err(error) = self.log_upkeep_once().await {
                tracing::error!(error = %error.chain(), "upkeep of the log failed");
            }
            tokio::time::sleep(UPKEEP_PERIOD).await;
        }
    }

    /// One round for the logs: drops what is old, compares what hubs say of them, and says how long they are.
    pub(crate) async fn log_upkeep_once(&self) -> Result<()> {
        self.prune_own_log().await?;
        self.prune_mirrored_logs().await?;
        self.compare_attests().await?;
        self.attest_once().await.map(drop)
    }

    /// One round of upkeep.
    ///
    /// # Errors
    /// When rows or files cannot be read or removed.
    pub async fn upkeep_once(&self) -> Result<()> {
        let jobs = self.db.claim_jobs(&["sweep"], UPKEEP_PERIOD.as_secs().cast_signed(), JOBS_MAX).await?;
        self.purge_mirrors().await?;
        let (packs, blobs) = self.remove_condemned().await?;
        self.move_unknown(packs, blobs).await?;
        self.sweep_uploads().await?;
        self.sweep_xorbs().await?;
        self.sweep_transfers().await?;
        self.db.release_lapsed(self.clock.now()).await?;
        self.db.sweep_logins().await?;
        self.drop_old_audit().await?;
        self.drop_old_downloads().await?;
        for job in jobs {
            self.db.finish_job(&job).await?;
        }
        Ok(())
    }

    /// Removes condemned bytes whose grace is over; answers the ids of all others.
    async fn remove_condemned(&self) -> Result<(Vec<PackId>, Vec<BlobId>)> {
        let due = self.clock.now().plus_seconds(-CONDEMNED_SECONDS);
        let is_due = |state: RowState| matches!(state, RowState::Condemned(since) if since <= due);
        let (mut packs, mut blobs) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.db.list_packs(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let held = self.is_sweep_held().await?;
            for row in page {
                if !held && is_due(row.state) {
                    let (store, id) = (self.store.clone(), row.id);
                    self.leaf.run(move || Ok(store.remove_pack(id)?)).await?;
                    self.db.forget_pack(row.id).await?;
                } else {
                    packs.push(row.id);
                }
            }
        }
        let mut after = None;
        loop {
            let page = self.db.list_blobs(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let held = self.is_sweep_held().await?;
            for row in page {
                if !held && is_due(row.state) {
                    let (store, id) = (self.store.clone(), row.id);
                    self.leaf.run(move || Ok(store.remove_blob(id)?)).await?;
                    self.db.forget_blob(row.id).await?;
                } else {
                    blobs.push(row.id);
                }
            }
        }
        Ok((packs, blobs))
    }

    /// Moves files that no row names to `lost/`. The store leaves files younger than a day alone, so a
    /// row written since the ids were read is never missed.
    async fn move_unknown(&self, mut packs: Vec<PackId>, mut blobs: Vec<BlobId>) -> Result<()> {
        packs.sort_unstable();
        blobs.sort_unstable();
        let rules = SweepRules { epoch: self.sweep_epoch().await?, now: self.clock.now() };
        let store = self.store.clone();
        let report = self.leaf.run(move || {
            let mut is_known = |kind: FileKind| match kind {
                FileKind::Pack(id) | FileKind::Index(id) => packs.binary_search(&id).is_ok(),
                FileKind::Blob(id) | FileKind::List(id) => blobs.binary_search(&id).is_ok(),
                FileKind::Stranger => false,
            };
            Ok(store.sweep(&rules, &mut is_known)?)
        });
        let report = report.await?;
        if report.moved > 0 || report.deleted > 0 {
            tracing::warn!(moved = report.moved, deleted = report.deleted, "swept the store");
        }
        Ok(())
    }
}
