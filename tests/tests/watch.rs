//! What a person and a monitor see of a hub that follows another: real git and git-lfs, real hubs.
#![cfg(test)]

use polder_tests::{Hub, Token, Work, until};
use serde_json::Value;

/// A hub with `acme/m`, and another hub that is to follow it.
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

    /// Pushes a large object.
    fn push(&self, path: &str, bytes: usize) {
        let work = Work::with_lfs();
        work.ok(&["lfs", "track", "*.bin"]);
        work.write(path, &vec![7; bytes]);
        work.commit("weights");
        work.ok(&["push", "-q", "--force", &self.home.repo_url_as("acme/m", &self.token), "main"]);
    }

    fn follow(&self, more: &[&str]) {
        let url = format!("http://{}", self.home.address());
        self.follower.cli(&[&["follow", &url][..], more].concat()).ok();
    }

    /// What the follower says of the hub, with its one repository.
    fn upstream(&self) -> Value {
        let listed: Value = serde_json::from_str(&self.follower.cli(&["mirrors", "--json"]).ok()).unwrap();
        listed[0].clone()
    }

    /// A gauge of the followed hub, as the follower's monitor sees it.
    fn gauge(&self, name: &str, more: &str) -> Option<f64> {
        let origin = self.upstream()["origin"].as_str()?.to_owned();
        let line = format!("{name}{{upstream=\"{origin}\"{more}}} ");
        let metrics = self.follower.http().get("/metrics").send().expect(200).text();
        metrics.lines().find_map(|shown| shown.strip_prefix(&line)?.parse().ok())
    }

    fn mirrors_in(&self, state: &str) -> Option<f64> {
        self.gauge("polder_mirrors", &format!(",state=\"{state}\""))
    }
}

#[test]
fn a_monitor_sees_how_far_mirrors_are_and_how_long_they_are_behind() {
    let pair = Pair::new();
    pair.push("model.bin", 3_000_000);
    pair.follow(&["--budget", "1MB"]);
    until("the monitor to see it behind", 60, || {
        (pair.mirrors_in("paused-quota") == Some(1.0)).then_some(())?;
        pair.gauge("polder_mirror_lag_seconds", "").filter(|seconds| *seconds >= 1.0)
    });
    assert_eq!((pair.mirrors_in("ready"), pair.gauge("polder_mirror_bytes", "")), (Some(0.0), Some(0.0)));
    assert_eq!(pair.gauge("polder_mirror_lag_events", ""), Some(0.0), "all is read");
    assert!(pair.gauge("polder_mirror_heard_seconds", "").is_some_and(|seconds| seconds < 120.0));
    let metrics = pair.follower.http().get("/metrics").send().expect(200).text();
    for name in ["polder_mirrors", "polder_mirror_lag_seconds", "polder_mirror_bytes"] {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name}");
        assert!(metrics.contains(&format!("# TYPE {name} gauge")), "{name}");
    }
    let listed = pair.upstream();
    assert!(listed["lag_seconds"].as_u64() >= Some(1) && listed["heard_seconds"].is_u64(), "{listed}");
    let shown = pair.follower.cli(&["mirrors"]).ok();
    assert!(shown.contains(" s behind") && shown.contains(" s ago"), "{shown}");

    pair.follow(&["--budget", "100MB"]);
    until("the monitor to see it level", 60, || {
        (pair.mirrors_in("ready") == Some(1.0)).then_some(())?;
        (pair.gauge("polder_mirror_lag_seconds", "") == Some(0.0)).then_some(())
    });
    assert_eq!(pair.mirrors_in("paused-quota"), Some(0.0));
    assert!(pair.gauge("polder_mirror_bytes", "") >= Some(3_000_000.0));
    assert_eq!(pair.upstream()["lag_seconds"], 0);
}
