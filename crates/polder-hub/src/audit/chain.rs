//! Putting rows into the chain, and writing the chain out.

use std::time::Duration;

use polder_db::AuditHead;
use serde_json::json;

use super::line::{hash_of, hashed_part, line, moment, signed_text};
use crate::Hub;
use crate::error::Result;

/// Rows put into the chain in one transaction, and read at a time.
const PAGE: i64 = 500;
/// Pause after a first new row, so that those after it come along.
const GATHER: Duration = Duration::from_secs(1);
/// Longest time between two looks, whether or not anything rang.
const LOOK_PERIOD: Duration = Duration::from_mins(1);

impl Hub {
    /// Keeps the chain up to date. Ends never; failures are logged and tried again.
    pub(crate) async fn keep_audit_chain(&self) {
        loop {
            self.settle_refusals().await;
            if let Err(error) = self.chain_audit().await {
                tracing::error!(error = %error.chain(), "the audit log is not chained yet");
            }
            // Ringing late is made up for by the next look.
            let _rang = tokio::time::timeout(LOOK_PERIOD, self.audit_bell.notified()).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Puts every row that has no place yet into the chain.
    pub(crate) async fn chain_audit(&self) -> Result<()> {
        let hash = |row: &polder_db::AuditRow, index, prev: &str| hash_of(&hashed_part(row, index, prev));
        while self.db.chain_audit(PAGE, hash).await? > 0 {}
        Ok(())
    }

    /// Drops what is older than the configured time from the beginning of the chain.
    pub(crate) async fn drop_old_audit(&self) -> Result<()> {
        let before = self.clock.now().plus_seconds(-self.audit_keep_seconds);
        while self.db.drop_audit(before).await? > 0 {}
        Ok(())
    }

    /// Begins to write the chain out, from the place `since` on and to where it ends now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn export_audit(&self, since: i64) -> Result<AuditExport> {
        self.chain_audit().await?;
        let head = self.db.audit_head().await?;
        // The hash before the first line comes from the line before it.
        let mut last = (head.gone_index, head.gone_hash.clone());
        if since - 1 > head.gone_index
            && let Some(before) = self.db.audit_after(since - 2, 1).await?.into_iter().next()
            && let Some(chain) = before.chain
        {
            last = chain;
        }
        Ok(AuditExport { hub: self.clone(), head, last, ended: false })
    }
}

/// The chain on its way out.
pub struct AuditExport {
    hub: Hub,
    head: AuditHead,
    /// Place and hash of the line before the next one.
    last: (i64, String),
    ended: bool,
}

impl AuditExport {
    /// The next lines of JSON, without their ends; the very last one is the chain's end, signed. None at
    /// the end.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for row in self.hub.db.audit_after(self.last.0, PAGE).await? {
            let Some((index, hash)) = row.chain.clone().filter(|(index, _)| *index <= self.head.index) else {
                break;
            };
            lines.push(line(&row, index, &self.last.1, &hash));
            self.last = (index, hash);
        }
        if lines.is_empty() && !self.ended {
            self.ended = true;
            lines.push(self.signed());
        }
        Ok(lines)
    }

    fn signed(&self) -> String {
        let (keys, AuditHead { index, hash, .. }) = (&self.hub.keys, &self.head);
        let time = moment(self.hub.clock.now());
        let signature = keys.sign(&signed_text(*index, hash, &time));
        let key = keys.public_key();
        json!({ "v": 1, "head": index, "hash": hash, "time": time, "key": key, "signature": signature })
            .to_string()
    }
}
