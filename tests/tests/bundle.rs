//! Bundles between hubs that do not reach each other: real git and git-lfs on both sides.
#![cfg(test)]

use std::path::PathBuf;
use std::time::SystemTime;

use polder_tests::{Git, Hub, Token, Work, until, until_followable};
use serde_json::Value;

/// A hub, another one that never reaches it, and what is carried between them.
struct Gap {
    home: Hub,
    token: Token,
    place: Hub,
    /// `acme`, with the origin of its home.
    namespace: String,
    key: String,
    carried: tempfile::TempDir,
    work: Work,
}

impl Gap {
    /// `acme/m` with a file and a large object.
    fn new() -> Self {
        let home = Hub::start();
        until_followable(&home);
        let shown: Value = serde_json::from_str(&home.cli(&["key", "show", "--json"]).ok()).unwrap();
        let key = shown["key"].as_str().unwrap().to_owned();
        let token = home.acme();
        let namespace = format!("acme.{}", home.address().to_string().replace(':', "_"));
        let carried = tempfile::tempdir().unwrap();
        let work = Work::with_lfs();
        work.ok(&["lfs", "track", "*.bin"]);
        work.write("model.bin", &weights(1));
        work.commit("weights");
        home.repo("acme/m");
        let gap = Self { home, token, place: Hub::start(), namespace, key, carried, work };
        gap.push();
        gap
    }

    /// Pushes, and waits until the log tells of it.
    fn push(&self) {
        let url = self.home.repo_url_as("acme/m", &self.token);
        let size = self.events();
        self.work.ok(&["push", "-q", &url, "main"]);
        until("the log to tell of it", 60, || (self.events() > size).then_some(()));
    }

    fn events(&self) -> u64 {
        let about = self.home.http().get("/.well-known/polder").send();
        serde_json::from_slice::<Value>(&about.body).unwrap()["size"].as_u64().unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.carried.path().join(name)
    }

    fn export(&self, to: &str, more: &[&str]) -> String {
        let dir = self.at(to);
        let args = [&["bundle", "export", dir.to_str().unwrap()][..], more].concat();
        self.home.cli(&args).ok()
    }

    fn import(&self, from: &str) -> String {
        self.place.cli(&["bundle", "import", self.at(from).to_str().unwrap(), "--key", &self.key]).ok()
    }

    /// What a clone from the other hub has of a file.
    fn cloned(&self, file: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (git, to) = (Git::new(dir.path()), dir.path().join("clone"));
        let url = self.place.repo_url(&format!("{}/m", self.namespace));
        git.ok(dir.path(), &["clone", "-q", &url, to.to_str().unwrap()]);
        git.ok(&to, &["lfs", "install", "--local"]);
        git.ok(&to, &["lfs", "pull"]);
        std::fs::read(to.join(file)).unwrap()
    }

    fn parts(&self, of: &str) -> Vec<(PathBuf, u64, SystemTime)> {
        let files = std::fs::read_dir(self.at(of)).unwrap().map(|file| file.unwrap());
        let parts = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "part"));
        let mut parts: Vec<_> = parts
            .map(|file| {
                let meta = file.metadata().unwrap();
                (file.path(), meta.len(), meta.modified().unwrap())
            })
            .collect();
        parts.sort();
        parts
    }
}

/// 4 MB that do not compress.
fn weights(seed: u32) -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|n| n.wrapping_add(seed).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn repositories_cross_an_air_gap_and_the_next_bundle_brings_only_what_is_new() {
    let mut gap = Gap::new();
    let told = gap.export("one", &["--file-size", "1MB"]);
    assert!(told.contains("bundled 1 repositories"), "{told}");
    let parts = gap.parts("one");
    assert!(parts.len() >= 5, "{parts:?}");
    assert!(parts.iter().rev().skip(1).all(|(_, bytes, _)| *bytes == 1_000_000), "{parts:?}");
    gap.work.commit_file("README.md", b"two\n");
    gap.push();
    let cursor = gap.at("one").join("cursor.json");
    let told = gap.export("two", &["--since", cursor.to_str().unwrap()]);
    assert!(told.contains("bundled 1 repositories and 1 events"), "{told}");
    let new: u64 = gap.parts("two").iter().map(|(_, bytes, _)| bytes).sum();
    assert!(new < 10_000, "{new}");

    // Nobody answers at the home's address from here on.
    gap.home.kill();
    let early =
        gap.place.cli(&["bundle", "import", gap.at("two").to_str().unwrap(), "--key", &gap.key]).fails();
    assert!(early.contains("a bundle before it is missing"), "{early}");
    let told = gap.import("one");
    assert!(told.contains("1 repositories up to date"), "{told}");
    assert!(gap.cloned("model.bin") == weights(1));
    let told = gap.import("two");
    assert!(told.contains("1 new events") && told.contains("1 repositories up to date"), "{told}");
    assert_eq!(gap.cloned("README.md"), b"two\n");
    gap.place.fsck();

    // Once the hubs reach each other, following goes on from where the bundles end.
    gap.home.serve(None);
    gap.work.commit_file("README.md", b"three\n");
    gap.push();
    let base = format!("http://{}", gap.home.address());
    let told = gap.place.cli(&["follow", &base, "--key", &gap.key]).ok();
    let events: u64 = told.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((1..5).contains(&events), "{told}");
    until("the mirror to be in step", 30, || (gap.cloned("README.md") == b"three\n").then_some(()));
}

#[test]
fn what_a_mirror_bundles_of_its_home_is_checked_against_the_home_and_what_it_lacks_comes_later() {
    let mut gap = Gap::new();
    let (large, mut between) = (Work::with_lfs(), Hub::start());
    until_followable(&between);
    large.ok(&["lfs", "track", "*.bin"]);
    large.write("model.bin", &[weights(2), weights(3), weights(4)].concat());
    large.commit("weights");
    gap.home.repo("acme/n");
    let size = gap.events();
    large.ok(&["push", "-q", &gap.home.repo_url_as("acme/n", &gap.token), "main"]);
    until("the log to tell of it", 60, || (gap.events() > size).then_some(()));
    let base = format!("http://{}", gap.home.address());
    between.cli(&["follow", &base, "--budget", "6MB"]).ok();
    let states = |between: &Hub, wanted: [&str; 2]| {
        until(&format!("the mirrors to be {wanted:?}"), 60, || {
            let listed: Value = serde_json::from_str(&between.cli(&["mirrors", "--json"]).ok()).unwrap();
            let state = |name: &str| {
                let all = listed[0]["repositories"].as_array()?;
                let one = all.iter().find(|mirror| mirror["id"] == name)?;
                one["state"].as_str().map(str::to_owned)
            };
            (state("acme/m")? == wanted[0] && state("acme/n")? == wanted[1]).then_some(())
        });
    };
    states(&between, ["ready", "paused-quota"]);
    let (one, two) = (gap.at("one"), gap.at("two"));
    let args = ["bundle", "export", one.to_str().unwrap(), "--origin", &base];
    let told = between.cli(&args).fails();
    assert!(
        told.contains("bundled 1 repositories") && told.contains("1 repositories are left out"),
        "{told}"
    );

    // What was left out is in the next bundle, though nothing happened to it.
    between.cli(&["follow", &base, "--budget", "100MB"]).ok();
    states(&between, ["ready", "ready"]);
    let cursor = one.join("cursor.json");
    let since = ["--since", cursor.to_str().unwrap(), "--origin", &base];
    let told = between.cli(&[&["bundle", "export", two.to_str().unwrap()][..], &since].concat()).ok();
    assert!(told.contains("bundled 1 repositories"), "{told}");

    // Neither of them is reached from here on, and only the home's key counts.
    let shown: Value = serde_json::from_str(&between.cli(&["key", "show", "--json"]).ok()).unwrap();
    let others = shown["key"].as_str().unwrap();
    gap.home.kill();
    between.kill();
    let refused = gap.place.cli(&["bundle", "import", one.to_str().unwrap(), "--key", others]).fails();
    assert!(refused.contains("key"), "{refused}");
    let told = gap.import("one");
    assert!(told.contains("1 repositories up to date"), "{told}");
    assert!(gap.cloned("model.bin") == weights(1));
    let there = gap.place.repo_url(&format!("{}/n", gap.namespace));
    gap.work.run(&["ls-remote", &there]).fails();
    gap.import("two");
    gap.work.ok(&["ls-remote", "--exit-code", &there]);
    assert!(gap.cloned("model.bin") == weights(1));
    gap.place.fsck();
}

#[test]
fn an_export_and_an_import_that_were_killed_go_on_where_they_were() {
    let mut gap = Gap::new();
    gap.home.kill();
    gap.home.serve(Some("bundle.part_done:3"));
    let dir = gap.at("one");
    gap.home.cli(&["bundle", "export", dir.to_str().unwrap(), "--file-size", "1MB"]).fails();
    gap.home.wait_crash();
    let before = gap.parts("one");
    assert_eq!(before.len(), 3, "{before:?}");
    assert!(!dir.join("bundle.json").exists());
    let early = gap.place.cli(&["bundle", "import", dir.to_str().unwrap(), "--key", &gap.key]).fails();
    assert!(early.contains("bundle.json"), "{early}");
    gap.home.serve(None);
    let other = gap.home.cli(&["bundle", "export", dir.to_str().unwrap(), "--file-size", "2MB"]).fails();
    assert!(other.contains("asked for something else"), "{other}");
    gap.export("one", &["--file-size", "1MB"]);
    let after = gap.parts("one");
    assert!(after.len() >= 5 && after.starts_with(&before[..2]), "{before:?} {after:?}");

    gap.place.kill();
    gap.place.serve(Some("transfer.whole"));
    gap.place.cli(&["bundle", "import", dir.to_str().unwrap(), "--key", &gap.key]).fails();
    gap.place.wait_crash();
    gap.place.serve(None);
    let told = gap.import("one");
    assert!(told.contains("1 repositories up to date"), "{told}");
    assert!(gap.cloned("model.bin") == weights(1));
    gap.place.fsck();
}
