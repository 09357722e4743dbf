//! What a monitor sees of following, kept up to date so that a scrape asks nothing of the database.

use std::time::Duration;

use polder_db::MirrorState;

use crate::Hub;
use crate::error::Result;

/// Time between two looks.
const GAUGES_PERIOD: Duration = Duration::from_secs(15);
/// Most upstreams that are shown: those that were followed first.
const UPSTREAMS_SHOWN_MAX: usize = 100;

impl Hub {
    /// Keeps the gauges of what is followed up to date. Ends never.
    pub(crate) async fn keep_follow_gauges(&self) {
        describe();
        loop {
            if let Err(error) = self.set_follow_gauges().await {
                tracing::error!(error = %error.chain(), "cannot count what is followed");
            }
            tokio::time::sleep(GAUGES_PERIOD).await;
        }
    }

    async fn set_follow_gauges(&self) -> Result<()> {
        for upstream in self.db.list_upstreams().await?.into_iter().take(UPSTREAMS_SHOWN_MAX) {
            let Some(log) = self.db.log(upstream.log).await? else { continue };
            let standings = self.db.mirror_standings(upstream.log).await?;
            let sources = self.db.list_sources(upstream.log).await?;
            let lag = self.lag(&upstream, &log, &sources, &standings).await?;
            let origin = log.name.origin.to_string();
            for state in MirrorState::EVERY {
                let mirrors = standings.iter().find(|one| one.state == *state).map_or(0, |one| one.mirrors);
                metrics::gauge!("polder_mirrors", "upstream" => origin.clone(), "state" => state.as_str())
                    .set(figure(mirrors));
            }
            let set = |name: &'static str, value| {
                metrics::gauge!(name, "upstream" => origin.clone()).set(figure(value));
            };
            set("polder_mirror_lag_events", lag.events);
            set("polder_mirror_lag_seconds", lag.seconds);
            set("polder_mirror_bytes", self.db.upstream_bytes(upstream.log).await?);
            if let Some(seconds) = lag.heard_seconds {
                set("polder_mirror_heard_seconds", seconds);
            }
        }
        Ok(())
    }
}

fn describe() {
    metrics::describe_gauge!("polder_mirrors", "Repositories of a followed hub, by how far they are.");
    metrics::describe_gauge!("polder_mirror_lag_events", "Events that a followed hub signed, not read here.");
    metrics::describe_gauge!(
        "polder_mirror_lag_seconds",
        "Age of the oldest event of a followed hub that is not read, or whose outcome is not served, here."
    );
    metrics::describe_gauge!(
        "polder_mirror_heard_seconds",
        "Time since any source of a followed hub answered."
    );
    metrics::describe_gauge!(
        "polder_mirror_bytes",
        "Packs and large objects here of a followed hub's mirrors."
    );
}

fn figure(count: u64) -> f64 {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).map_or(0.0, f64::from);
    half(count >> 32) * (f64::from(u32::MAX) + 1.0) + half(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_any_size_are_figures() {
        for count in [0, 1, u64::from(u32::MAX), 5_000_000_000_001] {
            assert_eq!(figure(count).to_string(), count.to_string());
        }
    }
}
