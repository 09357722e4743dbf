//! What the own log says of the logs that this hub follows.

use std::collections::HashMap;

use polder_db::{Appended, Attest, LogAppend, UpstreamState};
use polder_log::{Data, EventType, LogHead};

use super::author::{Author, entry};
use crate::Hub;
use crate::error::{Error, Kind, Result};

impl Hub {
    /// Says of every followed log that has grown since how long it is here and what its root is, so that who
    /// follows this hub can compare. Says of how many; of none where another process keeps the own log.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when another node appends to the log; when the database fails.
    pub(crate) async fn attest_once(&self) -> Result<usize> {
        let lead = self.own_log.lead.lock().await;
        let Some(held) = *lead else { return Ok(0) };
        let Some(own) = self.db.log(held.log).await? else { return Ok(0) };
        let said = self.db.attests().await?.into_iter().filter(|attest| attest.by == own.id);
        let said: HashMap<i64, u64> = said.map(|attest| (attest.log, attest.size)).collect();
        let author = Author { log: own.name.clone(), keys: self.keys.namespaces() };
        let (mut entries, mut attests) = (Vec::new(), Vec::new());
        for upstream in self.db.list_upstreams().await? {
            let Some(log) = self.db.log(upstream.log).await? else { continue };
            let (size, root) = (log.tree.size(), log.tree.root());
            if upstream.state != UpstreamState::Following || said.get(&log.id).copied().unwrap_or(0) >= size {
                continue;
            }
            let mut event = author.statement(EventType::Attest, self.clock.now())?;
            event.data = Data::Attest(LogHead { log: log.name, size, root });
            entries.push(entry(&event.seal(&[]).map_err(Error::internal)?));
            attests.push(Attest { log: log.id, by: own.id, size, root, contradicts: false });
        }
        let count = attests.len();
        if count == 0 {
            return Ok(0);
        }
        let append = LogAppend { sequenced: Some((held.lease, own.fact_seq)), ..own.append(entries) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.db.put_attests(attests).await?;
        self.sign(own.id).await?;
        Ok(count)
    }
}
