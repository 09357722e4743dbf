//! A follower that takes no more of another hub than it was told: real git and git-lfs, real hubs.
#![cfg(test)]

use polder_tests::{Client, Hub, LargeObject, LoopFs, Pair, Work, have, program, run, until};
use serde_json::Value;

/// Bytes that a follower leaves free.
const KEPT: u64 = 256 << 20;
/// And those that it finds beside them.
const ROOM: u64 = 24 << 20;

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

#[test]
fn what_is_read_at_a_lazy_mirror_is_held_to_its_budget_and_its_rate() {
    let pair = Pair::start();
    pair.push(3_000_000);
    pair.follow(&["--mode", "lazy", "--budget", "1MB"]).ok();
    in_state(&pair, "ready");
    let name = format!("acme.{}/m", pair.home.address().to_string().replace(':', "_"));
    let read = || pair.follower.http().get(&format!("/{name}/resolve/main/model.bin")).within(60).send();
    let refused = read();
    assert!(refused.status >= 400 && refused.text().contains("budget of 1000000"), "{}", refused.text());
    assert!(pair.follower.stored_objects().is_empty());
    pair.follow(&["--budget", "10MB", "--rate", "1MB/s"]).ok();
    let began = std::time::Instant::now();
    assert_eq!(read().expect(200).body.len(), 3_000_000);
    let passed = began.elapsed();
    assert!(passed >= std::time::Duration::from_millis(2_500), "3 MB came in {passed:?}");
}

#[test]
fn what_the_disk_has_no_room_for_waits_and_comes_when_there_is_room() {
    if !have(&[Client::LoopMount]) {
        return;
    }
    let disk = LoopFs::ext4(600);
    let follower = Hub::builder().data(disk.path().join("data")).start();
    let pair = Pair::of(Hub::start(), follower);
    let free = run(program("df").args(["--output=avail", "-B1"]).arg(disk.path())).ok();
    let free: u64 = free.lines().last().unwrap().trim().parse().unwrap();
    let filler = disk.path().join("filler");
    run(program("fallocate").args(["-l", &(free - KEPT - ROOM).to_string()]).arg(&filler)).ok();
    // What is declared is refused before any of it comes, a pack when it has come too far.
    pair.push(60_000_000);
    pair.home.repo("acme/git");
    let work = Work::new();
    work.commit_file("noise", &LargeObject::random(5, 60_000_000).bytes);
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/git", &pair.token), "main"]);
    pair.follow(&[]).ok();
    let states = |wanted: &str| {
        until(&format!("both mirrors to be {wanted}"), 120, || {
            let upstream = pair.upstream();
            let all = upstream["repositories"].as_array()?;
            (all.len() == 2 && all.iter().all(|mirror| mirror["state"] == wanted)).then_some(upstream)
        })
    };
    let paused = states("paused-disk");
    for mirror in paused["repositories"].as_array().unwrap() {
        let why = mirror["error"].as_str().unwrap();
        assert!(why.contains("are free, of which 268435456 stay so"), "{why}");
    }
    assert_eq!(paused["held_bytes"], 0);
    assert!(pair.follower.stored_objects().is_empty());
    let after = run(program("df").args(["--output=avail", "-B1"]).arg(disk.path())).ok();
    let after: u64 = after.lines().last().unwrap().trim().parse().unwrap();
    assert!(after + (4 << 20) > KEPT + ROOM, "what came is gone: {after}");

    std::fs::remove_file(filler).unwrap();
    // News has them looked at again at once.
    work.commit_file("more", b"more");
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/git", &pair.token), "main"]);
    pair.push(60_000_004);
    states("ready");
    pair.follower.fsck();
}
