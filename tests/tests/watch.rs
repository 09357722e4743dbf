//! What a person and a monitor see of a hub that follows another: real git and git-lfs, real hubs.
#![cfg(test)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use polder_tests::{Pair, Work, poll, program, until};
use serde_json::Value;

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

/// Bytes of the large object, more than come in minutes at [`SLOW`].
const LARGE_BYTES: u32 = 20_000_000;
const SLOW: &str = "100kB/s";

/// Has the follower fetch two small objects and a large one, and waits until that is coming.
fn under_way() -> Pair {
    let pair = Pair::start();
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    let large: Vec<u8> =
        (0..LARGE_BYTES / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for (path, content) in [("a.bin", &large[..1_000]), ("b.bin", &large[..2_000]), ("c.bin", &large[..])] {
        work.write(path, content);
    }
    work.commit("weights");
    work.ok(&["push", "-q", &pair.home.repo_url_as("acme/m", &pair.token), "main"]);
    pair.follow(&["--rate", SLOW]).ok();
    until("some of the large object", 60, || {
        let fetching = fetching(&pair);
        (fetching["objects_done"] == 2 && fetching["bytes_done"].as_u64() > Some(3_000)).then_some(())
    });
    pair
}

/// The one repository, as the follower lists it.
fn mirror(pair: &Pair) -> Value {
    pair.upstream()["repositories"][0].clone()
}

fn fetching(pair: &Pair) -> Value {
    mirror(pair)["fetching"].clone()
}

/// `polder sync --now` as typed at a terminal, and the file with what that shows.
fn sync_at_a_terminal(pair: &Pair) -> (Child, std::path::PathBuf) {
    let shown = pair.follower.data().with_extension("shown");
    let command = pair.follower.command(&["sync", "--now"]);
    let typed = [command.get_program()].into_iter().chain(command.get_args());
    let typed: Vec<String> = typed.map(|word| format!("'{}'", word.display())).collect();
    let mut script = program("/usr/bin/script");
    script.args(["-qefc", &typed.join(" ")]).arg(&shown).stdout(Stdio::null());
    (script.spawn().expect("script runs"), shown)
}

#[test]
fn a_fetch_is_shown_as_it_goes_on_whoever_watches_it_or_is_killed() {
    let pair = under_way();
    let listed = mirror(&pair);
    assert_eq!(listed["state"], "waiting");
    let at = &listed["fetching"];
    assert_eq!((&at["what"], &at["objects_done"], &at["objects"]), (&"objects".into(), &2.into(), &3.into()));
    assert_eq!(at["bytes"], LARGE_BYTES + 3_000);
    assert!(at["bytes_per_second"].as_u64() > Some(0), "{at}");
    let shown = pair.follower.cli(&["mirrors"]).ok();
    assert!(shown.contains("fetching objects 2/3, ") && shown.contains(" of 19 MiB, "), "{shown}");

    let mut watcher =
        pair.follower.command(&["sync", "--now"]).stderr(Stdio::piped()).spawn().expect("polder runs");
    let lines = BufReader::new(watcher.stderr.take().expect("a pipe")).lines();
    let status = lines.map_while(Result::ok).find(|line| line.contains("to go")).expect("a status");
    assert!(
        status.starts_with("1 mirror to go; acme.") && status.contains("fetching objects 2/3, "),
        "{status}"
    );
    watcher.kill().expect("it runs still");
    watcher.wait().expect("it is gone");
    let then = fetching(&pair)["bytes_done"].as_u64().expect("it goes on");
    until("more of it", 60, || (fetching(&pair)["bytes_done"].as_u64()? > then).then_some(()));
    assert_eq!(mirror(&pair)["state"], "waiting");

    let (mut terminal, shown) = sync_at_a_terminal(&pair);
    let anew = "\r\u{1b}[K\u{1b}[?7l1 mirror to go; acme.";
    let seen = || std::fs::read_to_string(&shown).unwrap_or_default();
    let drawn = poll(60, || (seen().matches(anew).count() > 1).then_some(()));
    assert!(drawn.is_some(), "no line is drawn anew: {}", seen());
    pair.follow(&["--rate", "none"]).ok();
    let ended = until("the sync to end", 120, || terminal.try_wait().expect("it can be asked"));
    assert!(ended.success() && seen().contains("\r\u{1b}[Kevery mirror serves the newest"), "{}", seen());
    assert_eq!((&mirror(&pair)["state"], fetching(&pair)), (&"ready".into(), Value::Null));
}

#[test]
fn a_sync_fails_with_the_reasons_why_mirrors_are_behind() {
    let mut pair = Pair::start();
    pair.push(3_000_000);
    pair.follow(&["--budget", "1MB"]).ok();
    let told = pair.follower.cli(&["sync", "--now"]).fails();
    assert!(
        told.contains("error: 1 are not up to date") && told.contains("  acme/m is paused-quota: "),
        "{told}"
    );
    pair.follow(&["--budget", "none"]).ok();
    let told = pair.follower.cli(&["sync", "--now"]).ok();
    assert!(told.contains("every mirror serves the newest"), "{told}");
    // Without a server the command does the work itself.
    pair.follower.stop();
    pair.push(1_000_000);
    let told = pair.follower.cli(&["sync", "--now"]);
    assert!(told.ok().contains("every mirror serves the newest"), "{told:?}");
    assert!(told.stderr.contains("acme/m: event "), "{told:?}");
    assert_eq!(mirror(&pair)["state"], "ready");
}
