//! Telling in the own log that a namespace has moved away: who follows only this hub hears of it here.
//!
//! The operation is logged as its namespace signed it, with those before it that this log has not told of. Its
//! body says that it is from the log of another hub, as that of no other event may.

use std::collections::HashSet;

use polder_db::{Appended, LogAppend, LogBody};
use polder_log::Body;
use polder_types::Sha256;

use super::Lead;
use super::author::entry;
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Moves told of in one write.
const MOVES_MAX: i64 = 100;
/// Most operations of a namespace that are told of with the one that moves it.
const OPS_MAX: usize = 1_000;

impl Hub {
    /// Tells of some namespaces that are at home here no longer; false when there is nothing to tell.
    pub(super) async fn tell_moves(&self, id: i64, lead: Lead) -> Result<bool> {
        let mut entries = Vec::new();
        for (nsid, op) in self.db.untold_moves(id, MOVES_MAX).await? {
            let told = self.db.namespace_ops(id, nsid).await?;
            let told: HashSet<Sha256> = told.into_iter().map(|(_, sha256)| sha256).collect();
            if let Some(bodies) = self.ops_since(op, &told).await? {
                entries.extend(bodies.iter().map(entry));
            }
        }
        if entries.is_empty() {
            return Ok(false);
        }
        let log = self.db.log(id).await?.ok_or_else(|| Error::not_found("there is no log"))?;
        let append = LogAppend { sequenced: Some((lead.lease, log.fact_seq)), ..log.append(entries) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.sign(id).await?;
        Ok(true)
    }

    /// An operation and those before it, from the first that is not told of; `None` when one is not here.
    async fn ops_since(&self, op: Sha256, told: &HashSet<Sha256>) -> Result<Option<Vec<Body>>> {
        let (mut bodies, mut next) = (Vec::new(), Some(op));
        while let Some(sha256) = next.filter(|sha256| !told.contains(sha256)) {
            let LogBody::Held(bytes) = self.db.log_body(sha256).await? else { return Ok(None) };
            if bodies.len() >= OPS_MAX {
                return Ok(None);
            }
            let body = Body::decode(&bytes).map_err(Error::internal)?;
            next = body.prev;
            bodies.push(body);
        }
        bodies.reverse();
        Ok(Some(bodies))
    }
}
