//! The metrics of this process, in Prometheus' text format.

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};

use crate::Error;

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS_SECONDS: [f64; 14] =
    [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
/// How often recorded values are folded into the buckets.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Makes this process record metrics.
///
/// # Errors
/// When something else records them already.
pub(crate) fn start() -> Result<PrometheusHandle, Error> {
    PrometheusBuilder::new()
        .set_buckets(&BUCKETS_SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| Error::caused_by("cannot record metrics", error))
}

/// Keeps the memory of recorded values bounded. Ends never.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = interval(UPKEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}
