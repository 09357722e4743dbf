//! `polder demo`: what it prints can be typed, and it leaves nothing behind.
#![cfg(test)]

use polder_tests::{Client, Hub, Token, Work, have};

#[test]
fn what_the_demo_prints_can_be_typed_and_nothing_is_left_behind() {
    if !have(&[Client::GitLfs, Client::Python]) {
        return;
    }
    let mut hub = Hub::builder().demo().start();
    let printed = hub.log();
    for id in ["acme/tiny-llama", "acme/tiny-zh", "datasets/acme/poems", "acme/history", "acme/empty"] {
        assert!(printed.contains(id), "{printed}");
    }
    let clone = printed.lines().find_map(|line| line.trim().strip_prefix("git clone http://127")).unwrap();
    let url = format!("http://127{clone}");
    let work = Work::with_lfs();
    let flags = ["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true"];
    work.git.ok(&work.beside(""), &[&["clone", "-q"], &flags[..], &[&url, "clone"]].concat());
    work.git.fsck(&work.beside("clone"));
    assert!(std::fs::metadata(work.beside("clone/model.safetensors")).unwrap().len() > 1000);

    let secret = printed.split_whitespace().rfind(|word| word.starts_with("pld_")).unwrap();
    let token = Token { user: "ada".to_owned(), secret: secret.to_owned() };
    work.commit_file("README.md", b"# Mine\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/empty", &token), "main"]);

    assert!(hub.stop().success(), "{}", hub.log());
    let left = std::fs::read_dir(hub.temporary()).unwrap().count();
    assert_eq!(left, 0, "the demo's data is gone with it");
}
