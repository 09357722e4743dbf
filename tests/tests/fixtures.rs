//! What `fixtures/` makes is what it says, with stock git as the judge.
#![cfg(test)]

use polder_tests::{Client, Git, fixtures, have, sha256_hex};

#[test]
fn every_fixture_is_a_sound_repository_with_its_large_objects() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let all = fixtures();
    for id in ["acme/tiny-llama", "acme/tiny-zh", "datasets/acme/poems", "acme/history", "acme/empty"] {
        let dir = all.join(format!("{id}.git"));
        git.fsck(&dir);
        let pointers = git.run(&dir, &["lfs", "ls-files", "--all", "--long"]).text();
        for line in pointers.lines() {
            let oid = line.split(' ').next().unwrap();
            let object = dir.join("lfs/objects").join(&oid[..2]).join(&oid[2..4]).join(oid);
            assert_eq!(sha256_hex(&std::fs::read(object).unwrap()), oid, "{id}");
        }
        let large = !pointers.is_empty();
        assert_eq!(large, dir.join("lfs/objects").exists(), "{id}");
    }
}

#[test]
fn fixtures_have_the_same_ids_every_time() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let git = Git::new(home.path());
    let tip = |id: &str| git.ok(&fixtures().join(format!("{id}.git")), &["rev-parse", "refs/heads/main"]);
    assert_eq!(tip("acme/tiny-llama"), "4068700690a92f8eff5b578ce721bcc1ca8d039a");
    assert_eq!(tip("acme/tiny-zh"), "b2d9ec99868f2f28664e37965a32d6839b6ec4e7");
    assert_eq!(tip("datasets/acme/poems"), "b3c8adefa6fb039e279d9301bf816ffa6427ceb3");
    assert_eq!(tip("acme/history"), "b6731a03220422810b2cdbcdfbe8c16930462dde");
}
