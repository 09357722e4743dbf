//! The rules of the workspace: arrows point down a floor, each mechanism stays in its crate.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use polder_tests::workspace_root;
use toml::{Table, Value};

/// Longest source file, in lines, without its tests.
const FILE_LINES_MAX: usize = 800;

struct Member {
    name: String,
    dir: PathBuf,
    manifest: Table,
}

impl Member {
    fn floor(&self) -> i64 {
        let floor = ["package", "metadata", "polder", "floor"]
            .iter()
            .try_fold(&Value::Table(self.manifest.clone()), |value, key| value.get(key))
            .and_then(Value::as_integer);
        floor.unwrap_or_else(|| panic!("{} has no [package.metadata.polder] floor", self.name))
    }

    fn dependencies(&self, section: &str) -> Vec<(String, Value)> {
        let table = self.manifest.get(section).and_then(Value::as_table).cloned().unwrap_or_default();
        table.into_iter().collect()
    }

    fn names(&self, sections: &[&str]) -> Vec<String> {
        sections.iter().flat_map(|section| self.dependencies(section)).map(|(name, _)| name).collect()
    }
}

const EVERY_SECTION: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn members() -> Vec<Member> {
    let root = workspace_root();
    let mut dirs: Vec<PathBuf> =
        std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.push(root.join("tests"));
    dirs.sort();
    dirs.into_iter()
        .map(|dir| {
            let text = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap();
            let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            Member { name, dir, manifest }
        })
        .collect()
}

#[test]
fn dependencies_point_down_a_floor() {
    let members = members();
    let floors: BTreeMap<&str, i64> = members.iter().map(|m| (m.name.as_str(), m.floor())).collect();
    for member in &members {
        for name in member.names(&EVERY_SECTION) {
            let Some(below) = floors.get(name.as_str()) else { continue };
            // The words that all share lie below even the other crates of the ground floor.
            let is_words = name == "polder-types";
            assert!(
                *below < member.floor() || is_words,
                "{} (floor {}) may not depend on {name} (floor {below})",
                member.name,
                member.floor()
            );
        }
    }
    let expected = [
        ("polder-types", 0),
        ("polder-xet", 0),
        ("polder-cluster", 0),
        ("polder-log", 0),
        ("polder-git", 1),
        ("polder-blob", 1),
        ("polder-db", 1),
        ("polder-egress", 1),
        ("polder-hub", 2),
        ("polder-http", 3),
        ("polder-smart", 4),
        ("polder-federation", 4),
        ("polder-hf", 4),
        ("polder-tls", 4),
        ("polder", 5),
        ("polder-bench", 5),
        ("polder-fuzz", 5),
        ("polder-tests", 6),
    ];
    for (name, floor) in expected {
        assert_eq!(floors.get(name), Some(&floor), "{name}");
    }
}

#[test]
fn each_mechanism_stays_in_its_crate() {
    for member in members() {
        for name in member.names(&["dependencies", "build-dependencies"]) {
            let allowed = match name.as_str() {
                "sqlx" => member.name == "polder-db",
                // libgit2 compares texts; in the tests it is a client too.
                "git2" => ["polder-git", "polder-tests"].contains(&member.name.as_str()),
                "gix" => false,
                name if name.starts_with("gix-") => member.name == "polder-git",
                "axum" => member.floor() >= 3,
                // What leaves the hub leaves through one client.
                "hyper" | "hyper-util" => member.floor() >= 3 || member.name == "polder-egress",
                "tower-service" => member.name == "polder-egress",
                name if name.contains("rustls") => {
                    ["polder-tls", "polder-egress"].contains(&member.name.as_str())
                }
                "clap" => member.floor() >= 5,
                _ => true,
            };
            assert!(allowed, "{} may not depend on {name}", member.name);
        }
    }
}

#[test]
fn there_is_one_list_of_versions_and_one_set_of_lints() {
    for member in members() {
        let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints, Some(&Value::Boolean(true)), "{}: [lints] workspace = true", member.name);
        for section in EVERY_SECTION {
            for (name, value) in member.dependencies(section) {
                assert_eq!(
                    value.get("workspace"),
                    Some(&Value::Boolean(true)),
                    "{}: {name} must be `workspace = true`",
                    member.name
                );
            }
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited = member.manifest["package"][key].get("workspace");
            assert_eq!(inherited, Some(&Value::Boolean(true)), "{}: package.{key}", member.name);
        }
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

fn every_source() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for member in members() {
        sources(&member.dir, &mut found);
    }
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn no_source_file_is_too_long() {
    for (path, text) in every_source() {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines: split it", path.display());
    }
}

#[test]
fn files_are_named_by_what_is_in_them() {
    for (path, _) in every_source() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        for vague in ["utils", "util", "helpers", "helper", "common", "misc"] {
            assert_ne!(stem, vague, "{}", path.display());
        }
    }
}

#[test]
fn no_lint_is_switched_off_and_no_stub_is_left() {
    // Put together at run time, so that this file does not contain what it looks for.
    let bans = [
        (["#[", "allow("].concat(), "write #[expect(lint, reason = …)]"),
        (["#![", "allow("].concat(), "write #![expect(lint, reason = …)]"),
        (["todo", "!("].concat(), "finish it"),
        (["unimplemented", "!("].concat(), "finish it"),
    ];
    for (path, text) in every_source() {
        for (ban, instead) in &bans {
            let line = text.lines().position(|line| line.contains(ban.as_str()));
            assert_eq!(line, None, "{}: `{ban}`: {instead}", path.display());
        }
    }
}

/// Where the product may do what `clippy.toml` forbids, beside tests.
const DOORS: &[&str] = &[
    "crates/polder-types/src/clock.rs",
    "crates/polder-cluster/src/cluster.rs",
    "crates/polder-cluster/src/database.rs",
    "crates/polder-db/src/contract/mod.rs",
    "crates/polder-hub/src/blocking.rs",
    "crates/polder-hub/src/hooks.rs",
    "crates/polder-http/src/file_body.rs",
    "crates/polder/src/demo/fixtures.rs",
];

#[test]
fn programs_time_and_threads_have_one_door_each() {
    for (path, text) in every_source() {
        let shown = path.strip_prefix(workspace_root()).unwrap().display().to_string();
        let exceptions: Vec<&str> = text.split("clippy::disallowed_methods").skip(1).collect();
        let product = shown.starts_with("crates/") && !shown.starts_with("crates/polder-bench/");
        if !product || shown.contains("/tests/") || DOORS.contains(&shown.as_str()) {
            continue;
        }
        for rest in exceptions {
            let reason = rest.split(']').next().unwrap_or_default();
            assert!(reason.contains("tests drive the real git"), "{shown} makes an exception: {reason}");
        }
    }
}

/// Versions below these have published holes (reference/security-reliability.md §5).
const VERSION_FLOORS: &[(&str, &str)] = &[
    ("gix-fs", "0.21.1"),
    ("gix-transport", "0.58.1"),
    ("gix-packetline", "0.21.5"),
    ("gix-pack", "0.77.0"),
    ("git2", "0.21.0"),
    ("h2", "0.4.16"),
    ("ammonia", "4.1.4"),
    ("tar", "0.4.45"),
    ("sqlx", "0.8.1"),
    ("tokio-postgres", "0.7.18"),
    ("quick-xml", "0.41.0"),
    ("bytes", "1.11.1"),
    ("time", "0.3.47"),
    ("rustls-webpki", "0.103.13"),
    ("lru", "0.18.2"),
    ("memmap2", "0.9.11"),
    ("crossbeam-epoch", "0.9.20"),
    ("idna", "1.0.3"),
    ("object_store", "0.10.2"),
    ("astral-tokio-tar", "0.6.1"),
    ("russh", "0.60.3"),
];

/// Crates that must not be in the server, beside those that `deny.toml` bans.
const DENIED: &[&str] = &[
    "gix-transport", // what leaves the hub leaves through one client
    "tokio-tar",
    "sha1-checked", // gix-hash detects collisions with sha1dc
    "reqwest",
];

fn version(text: &str) -> Vec<u64> {
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    plain.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

fn locked() -> Vec<Locked> {
    let text = std::fs::read_to_string(workspace_root().join("Cargo.lock")).unwrap();
    let lock: Table = text.parse().unwrap();
    let field = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let packages = lock["package"].as_array().unwrap();
    packages
        .iter()
        .map(|package| Locked {
            name: field(package, "name").unwrap(),
            version: field(package, "version").unwrap(),
            source: field(package, "source"),
        })
        .collect()
}

/// Every crate that a build of the server compiles here.
///
/// Asked of cargo, because the lock file also has what no chosen feature brings in (`ring`, by way of
/// rustls).
#[expect(clippy::disallowed_methods, reason = "cargo needs the environment that it was started in")]
fn in_the_server() -> BTreeSet<String> {
    let listed = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "polder", "--all-features"])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn no_dependency_is_below_its_floor_or_from_elsewhere() {
    for Locked { name, version: found, source, .. } in locked() {
        if let Some((_, floor)) = VERSION_FLOORS.iter().find(|(known, _)| *known == name) {
            assert!(version(&found) >= version(floor), "{name} {found} is below {floor}");
        }
        if let Some(source) = source {
            let official = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(source, official, "{name} {found}");
        }
    }
}

fn banned_by_deny_toml() -> Vec<String> {
    let text = std::fs::read_to_string(workspace_root().join("deny.toml")).unwrap();
    let deny: Table = text.parse().unwrap();
    let bans = deny["bans"]["deny"].as_array().unwrap().clone();
    bans.iter().map(|ban| ban["crate"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_server_is_built_without_what_it_must_not_have() {
    let server = in_the_server();
    assert!(server.contains("polder-hub") && server.contains("gix-pack"), "{server:?}");
    let banned = banned_by_deny_toml();
    for name in ["gix-worktree-state", "openssl", "openssl-sys", "native-tls", "ring"] {
        assert!(banned.iter().any(|ban| ban == name), "deny.toml does not ban {name}");
    }
    for name in banned.iter().map(String::as_str).chain(DENIED.iter().copied()) {
        assert!(!server.contains(name), "{name} is in the server's dependencies");
    }
}
