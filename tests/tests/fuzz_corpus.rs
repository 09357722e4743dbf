//! What the fuzzers have found stays found: their corpus, through the same targets, in an ordinary test.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use polder_tests::workspace_root;
use toml::Table;

/// A corpus is few and small inputs; more belongs in the machine that fuzzes.
const CORPUS_BYTES_MAX: u64 = 1 << 20;

fn corpus() -> PathBuf {
    workspace_root().join("fixtures/fuzz")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(corpus().join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    dir.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_every_promise() {
    for (name, target) in polder_fuzz::TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= 5, "{name} has {} inputs", inputs.len());
        for path in inputs {
            let input = std::fs::read(&path).unwrap();
            let kept = std::panic::catch_unwind(|| target(&input));
            assert!(kept.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn the_corpus_is_small_and_every_target_has_its_own() {
    let bytes: u64 = polder_fuzz::TARGETS
        .iter()
        .flat_map(|(name, _)| inputs(name))
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!(bytes < CORPUS_BYTES_MAX, "{bytes} bytes");

    let targets: BTreeSet<String> = polder_fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders: BTreeSet<String> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, targets);
    let manifest: Table =
        std::fs::read_to_string(workspace_root().join("tests/fuzz/Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap().iter();
    let bins: BTreeSet<String> = bins.map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(bins, targets, "tests/fuzz/Cargo.toml");
}
