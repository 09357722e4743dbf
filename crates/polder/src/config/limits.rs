//! `[limits]`: how much the hub does at once, and how much may be stored.

use std::ops::RangeInclusive;
use std::time::Duration;

use polder_hub::Limits;
use serde::{Deserialize, Serialize};

use super::within;
use crate::Error;
use crate::size::parse_size_or_none;

/// `[limits]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsLayer {
    /// Fetches at once.
    pub fetches_max: Option<u64>,
    /// Pushes and commits at once.
    pub pushes_max: Option<u64>,
    /// LFS uploads at once.
    pub uploads_max: Option<u64>,
    /// Of each, for one repository.
    pub per_repository_max: Option<u64>,
    /// Of each, for one client.
    pub per_client_max: Option<u64>,
    /// Requests that wait, of each.
    pub queue_max: Option<u64>,
    /// How long they wait, in seconds.
    pub queue_seconds_max: Option<u64>,
    /// Memory for request bodies, in MiB.
    pub held_bodies_mib_max: Option<u64>,
    /// Wrong tokens from one address in a minute.
    pub failed_logins_max: Option<u64>,
    /// What a namespace may store.
    pub namespace_bytes: Option<String>,
    /// What one account may bring to a namespace where it may only propose changes.
    pub contributed_bytes: Option<String>,
}

impl LimitsLayer {
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            fetches_max: self.fetches_max.or(below.fetches_max),
            pushes_max: self.pushes_max.or(below.pushes_max),
            uploads_max: self.uploads_max.or(below.uploads_max),
            per_repository_max: self.per_repository_max.or(below.per_repository_max),
            per_client_max: self.per_client_max.or(below.per_client_max),
            queue_max: self.queue_max.or(below.queue_max),
            queue_seconds_max: self.queue_seconds_max.or(below.queue_seconds_max),
            held_bodies_mib_max: self.held_bodies_mib_max.or(below.held_bodies_mib_max),
            failed_logins_max: self.failed_logins_max.or(below.failed_logins_max),
            namespace_bytes: self.namespace_bytes.or(below.namespace_bytes),
            contributed_bytes: self.contributed_bytes.or(below.contributed_bytes),
        }
    }

    pub(super) fn every_key() -> Self {
        Self {
            fetches_max: Some(0),
            pushes_max: Some(0),
            uploads_max: Some(0),
            per_repository_max: Some(0),
            per_client_max: Some(0),
            queue_max: Some(0),
            queue_seconds_max: Some(0),
            held_bodies_mib_max: Some(0),
            failed_logins_max: Some(0),
            namespace_bytes: Some(String::new()),
            contributed_bytes: Some(String::new()),
        }
    }
}

/// What `layer` says, and the hub's own choice where it says nothing.
///
/// # Errors
/// When a value makes no sense; the message names its key.
pub(super) fn limits(layer: &LimitsLayer) -> Result<Limits, Error> {
    let usual = Limits::default();
    // Fetches and pushes each take a thread. Their sum and the hub's own work stay below the runtime's 512.
    let fetches_max = count("fetches-max", layer.fetches_max, usual.fetches_max, 1..=256)?;
    let pushes_max = count("pushes-max", layer.pushes_max, usual.pushes_max, 1..=96)?;
    let per_repository_max =
        count("per-repository-max", layer.per_repository_max, usual.per_repository_max, 1..=4_096)?;
    let queue_wait = match layer.queue_seconds_max {
        Some(seconds) => Duration::from_secs(within("limits.queue-seconds-max", seconds, 0, 600)?),
        None => usual.queue_wait,
    };
    let held_bodies_bytes_max = match layer.held_bodies_mib_max {
        Some(mib) => within("limits.held-bodies-mib-max", mib, 16, 1 << 20)? << 20,
        None => usual.held_bodies_bytes_max,
    };
    let contributed_bytes_max = match &layer.contributed_bytes {
        Some(text) => parse_size_or_none(text)
            .map_err(|problem| Error::plain(format!("limits.contributed-bytes: {problem}")))?,
        None => usual.contributed_bytes_max,
    };
    Ok(Limits {
        fetches_max,
        pushes_max,
        uploads_max: count("uploads-max", layer.uploads_max, usual.uploads_max, 1..=4_096)?,
        per_repository_max,
        per_client_max: count("per-client-max", layer.per_client_max, usual.per_client_max, 1..=4_096)?,
        queue_max: count("queue-max", layer.queue_max, usual.queue_max, 0..=4_096)?,
        queue_wait,
        held_bodies_bytes_max,
        failed_logins_max: count(
            "failed-logins-max",
            layer.failed_logins_max,
            usual.failed_logins_max,
            1..=1_000_000,
        )?,
        contributed_bytes_max,
    })
}

/// What a namespace may store that has no quota of its own, in bytes.
///
/// # Errors
/// When it is neither a size nor `none`.
pub(super) fn namespace_bytes(layer: &LimitsLayer) -> Result<Option<i64>, Error> {
    let Some(text) = &layer.namespace_bytes else { return Ok(None) };
    parse_size_or_none(text).map_err(|problem| Error::plain(format!("limits.namespace-bytes: {problem}")))
}

fn count(key: &str, value: Option<u64>, usual: usize, range: RangeInclusive<u64>) -> Result<usize, Error> {
    let Some(value) = value else { return Ok(usual) };
    let value = within(&format!("limits.{key}"), value, *range.start(), *range.end())?;
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}
