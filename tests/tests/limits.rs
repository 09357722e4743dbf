//! A follower that takes no more of another hub than it was told: real git and git-lfs, real hubs.
#![cfg(test)]

use polder_tests::{Pair, until};
use serde_json::Value;

fn in_state(pair: &Pair, state: &str) -> Value {
    until(&format!("the mirror to be {state}"), 60, || {
        let upstream = pair.upstream();
        (upstream["repositories"][0]["state"] == state).then_some(upstream)
    })
}

#[test]
fn a_mirror_over_its_budget_waits_until_that_is_raised() {
    let pair = Pair::start();
    pair.push(3_000_000);
    pair.follow(&["--budget", "1MB", "--window", "00:00-23:59", "--rate", "1TB/s"]).ok();
    let paused = in_state(&pair, "paused-quota");
    assert_eq!((&paused["budget_bytes"], &paused["held_bytes"]), (&1_000_000.into(), &0.into()));
    assert_eq!(paused["bytes_per_second"], 1_000_000_000_000_u64);
    assert_eq!(paused["window"], "00:00-23:59");
    let why = paused["repositories"][0]["error"].as_str().unwrap();
    assert!(why.contains("3000000 more would be over their budget of 1000000"), "{why}");
    let shown = pair.follower.cli(&["mirrors"]).ok();
    assert!(shown.contains("paused-quota") && shown.contains("00:00-23:59 UTC"), "{shown}");

    // What is not said stays; what is no limit is refused and changes nothing.
    for wrong in [["--rate", "0"], ["--window", "01:00-01:00"], ["--budget", "much"]] {
        let told = pair.follow(&wrong).fails();
        assert!(told.contains(wrong[0]), "{told}");
    }
    pair.follow(&["--window", "none"]).ok();
    let still = pair.upstream();
    assert_eq!((&still["budget_bytes"], &still["window"]), (&1_000_000.into(), &Value::Null));
    assert_eq!(still["repositories"][0]["state"], "paused-quota");
    pair.follow(&["--budget", "100MB"]).ok();
    let ready = in_state(&pair, "ready");
    let held = ready["held_bytes"].as_u64().unwrap();
    assert!((3_000_000..4_000_000).contains(&held), "{held}");
    pair.follower.fsck();
}

#[test]
fn large_objects_come_no_faster_than_they_may() {
    let pair = Pair::start();
    pair.push(4_000_000);
    let began = std::time::Instant::now();
    pair.follow(&["--rate", "1MB/s"]).ok();
    until("the object to be here", 60, || {
        let upstream = pair.upstream();
        let is_ready = upstream["repositories"][0]["state"] == "ready";
        (is_ready && upstream["held_bytes"].as_u64() >= Some(4_000_000)).then_some(())
    });
    let passed = began.elapsed();
    assert!(passed >= std::time::Duration::from_secs(4), "4 MB came in {passed:?}");
}
