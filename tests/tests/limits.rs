//! A follower that takes no more of another hub than it was told: real git and git-lfs, real hubs.
#![cfg(test)]

use polder_tests::{Hub, Token, Work, until};
use serde_json::Value;

/// A hub with `acme/m`, which points to one large object, and another hub that is to follow it.
struct Pair {
    home: Hub,
    token: Token,
    follower: Hub,
}

impl Pair {
    fn new() -> Self {
        let (home, follower) = (Hub::start(), Hub::start());
        for hub in [&home, &follower] {
            until("its log to begin", 15, || {
                (hub.http().get("/.well-known/polder").send().status == 200).then_some(())
            });
        }
        let token = home.acme();
        home.repo("acme/m");
        Self { home, token, follower }
    }

    /// Pushes an object that no compression makes smaller.
    fn push(&self, path: &str, bytes: u32) {
        let work = Work::with_lfs();
        work.ok(&["lfs", "track", "*.bin"]);
        let weights: Vec<u8> =
            (0..bytes / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        work.write(path, &weights);
        work.commit("weights");
        work.ok(&["push", "-q", "--force", &self.home.repo_url_as("acme/m", &self.token), "main"]);
    }

    fn follow(&self, more: &[&str]) -> polder_tests::Done {
        let url = format!("http://{}", self.home.address());
        self.follower.cli(&[&["follow", &url][..], more].concat())
    }

    /// What the follower says of the hub, with its one repository.
    fn upstream(&self) -> Value {
        let listed = self.follower.cli(&["mirrors", "--json"]).ok();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed[0].clone()
    }

    fn in_state(&self, state: &str) -> Value {
        until(&format!("the mirror to be {state}"), 60, || {
            let upstream = self.upstream();
            (upstream["repositories"][0]["state"] == state).then_some(upstream)
        })
    }
}

#[test]
fn a_mirror_over_its_budget_waits_until_that_is_raised() {
    let pair = Pair::new();
    pair.push("model.bin", 3_000_000);
    pair.follow(&["--budget", "1MB", "--window", "00:00-23:59", "--rate", "1TB/s"]).ok();
    let paused = pair.in_state("paused-quota");
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
    let ready = pair.in_state("ready");
    let held = ready["held_bytes"].as_u64().unwrap();
    assert!((3_000_000..4_000_000).contains(&held), "{held}");
    pair.follower.fsck();
}

#[test]
fn large_objects_come_no_faster_than_they_may() {
    let pair = Pair::new();
    pair.push("model.bin", 4_000_000);
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
