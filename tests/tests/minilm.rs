//! A real model, all-MiniLM-L6-v2: published with git and git-lfs, read back byte for byte.
#![cfg(test)]

use std::path::Path;

use polder_tests::{Client, Hub, Work, have, minilm, program, run, sha256_hex};

const WEIGHTS: &str = "model.safetensors";

/// Every file of the working tree: path and SHA-256.
fn hashes(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".git" {
                    open.push(path);
                }
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, sha256_hex(&std::fs::read(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn minilm_goes_in_and_comes_out_byte_for_byte() {
    if !have(&[Client::GitLfs, Client::Curl]) {
        return;
    }
    let source = minilm();
    let expected = hashes(&source);
    assert!(expected.iter().any(|(name, _)| name == WEIGHTS) && expected.len() > 10, "{expected:?}");

    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/all-MiniLM-L6-v2");
    let work = Work::with_lfs();
    let url = hub.repo_url_as("acme/all-MiniLM-L6-v2", &token);
    work.git.ok(&source, &["lfs", "push", "--all", &url]);
    work.git.ok(&source, &["push", "-q", &url, "main"]);

    let clone_and_compare = |id: &str, name: &str| {
        let flags = ["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true"];
        let url = hub.repo_url(id);
        work.git.ok(&work.beside(""), &[&["clone", "-q"], &flags[..], &[&url, name]].concat());
        assert_eq!(hashes(&work.beside(name)), expected, "{id}");
        work.git.fsck(&work.beside(name));
    };
    clone_and_compare("acme/all-MiniLM-L6-v2", "clone");

    let curl = |flags: &[&str], path: &str| {
        let url = hub.url(&format!("acme/all-MiniLM-L6-v2/resolve/main/{path}"));
        run(program("/usr/bin/curl").args(["-sfL", "--max-time", "60"]).args(flags).arg(url))
    };
    for (path, hash) in &expected {
        let done = curl(&[], path);
        assert!(done.success(), "{path}: {}", done.stderr);
        assert_eq!(&sha256_hex(&done.stdout), hash, "{path}");
    }
    // A download that was cut is resumed with a range.
    let weights = std::fs::read(source.join(WEIGHTS)).unwrap();
    let part = work.beside("part");
    std::fs::write(&part, &weights[..weights.len() / 3]).unwrap();
    let done = curl(&["-C", "-", "-o", part.to_str().unwrap()], WEIGHTS);
    assert!(done.success(), "{}", done.stderr);
    assert!(std::fs::read(&part).unwrap() == weights);

    hub.cli(&["repo", "rename", "acme/all-MiniLM-L6-v2", "acme/minilm"]).ok();
    clone_and_compare("acme/all-MiniLM-L6-v2", "by the old name");
    let old = curl(&["-o", "/dev/null", "-w", "%{http_code} %{num_redirects}"], "config.json");
    assert_eq!(old.ok(), "200 1", "curl is led to the new name");
    hub.fsck();
}
