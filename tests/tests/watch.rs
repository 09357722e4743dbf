//! What a person and a monitor see of a hub that follows another: real git and git-lfs, real hubs.
#![cfg(test)]

use polder_tests::{Pair, until};

/// A gauge of the followed hub, as the follower's monitor sees it.
fn gauge(pair: &Pair, name: &str, more: &str) -> Option<f64> {
    let origin = pair.upstream()["origin"].as_str()?.to_owned();
    let line = format!("{name}{{upstream=\"{origin}\"{more}}} ");
    let metrics = pair.follower.http().get("/metrics").send().expect(200).text();
    metrics.lines().find_map(|shown| shown.strip_prefix(&line)?.parse().ok())
}

fn mirrors_in(pair: &Pair, state: &str) -> Option<f64> {
    gauge(pair, "polder_mirrors", &format!(",state=\"{state}\""))
}

#[test]
fn a_monitor_sees_how_far_mirrors_are_and_how_long_they_are_behind() {
    let pair = Pair::start();
    pair.push(3_000_000);
    pair.follow(&["--budget", "1MB"]).ok();
    until("the monitor to see it behind", 60, || {
        (mirrors_in(&pair, "paused-quota") == Some(1.0)).then_some(())?;
        gauge(&pair, "polder_mirror_lag_seconds", "").filter(|seconds| *seconds >= 1.0)
    });
    assert_eq!((mirrors_in(&pair, "ready"), gauge(&pair, "polder_mirror_bytes", "")), (Some(0.0), Some(0.0)));
    assert_eq!(gauge(&pair, "polder_mirror_lag_events", ""), Some(0.0), "all is read");
    assert!(gauge(&pair, "polder_mirror_heard_seconds", "").is_some_and(|seconds| seconds < 120.0));
    let metrics = pair.follower.http().get("/metrics").send().expect(200).text();
    for name in ["polder_mirrors", "polder_mirror_lag_seconds", "polder_mirror_bytes"] {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name}");
        assert!(metrics.contains(&format!("# TYPE {name} gauge")), "{name}");
    }
    let listed = pair.upstream();
    assert!(listed["lag_seconds"].as_u64() >= Some(1) && listed["heard_seconds"].is_u64(), "{listed}");
    let shown = pair.follower.cli(&["mirrors"]).ok();
    assert!(shown.contains(" s behind") && shown.contains(" s ago"), "{shown}");

    pair.follow(&["--budget", "100MB"]).ok();
    until("the monitor to see it level", 60, || {
        (mirrors_in(&pair, "ready") == Some(1.0)).then_some(())?;
        (gauge(&pair, "polder_mirror_lag_seconds", "") == Some(0.0)).then_some(())
    });
    assert_eq!(mirrors_in(&pair, "paused-quota"), Some(0.0));
    assert!(gauge(&pair, "polder_mirror_bytes", "") >= Some(3_000_000.0));
    assert_eq!(pair.upstream()["lag_seconds"], 0);
}
