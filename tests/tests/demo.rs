//! `polder demo`: what it prints can be typed, its mirror outlives its first hub, and nothing is left behind.
#![cfg(test)]

use polder_tests::{Client, Hub, Token, Work, have, until};

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

    // The mirror has what was just pushed, and goes on without the first hub.
    let mirror = printed.split_once("Another hub, ").unwrap().1.split_once(',').unwrap().0.to_owned();
    let head = work.ok(&["rev-parse", "HEAD"]);
    let at = |base: &str, id: &str| {
        work.git.run(&work.beside(""), &["ls-remote", &format!("{base}/{id}"), "HEAD"])
    };
    until("the mirror to have the push", 60, || {
        let there = at(&mirror, "acme/empty");
        (there.success() && there.text().starts_with(head.trim())).then_some(())
    });
    hub.press_enter();
    until("the first hub to end", 60, || (!at(&hub.url(""), "acme/empty").success()).then_some(()));
    let from = format!("{mirror}/acme/tiny-llama");
    work.git.ok(&work.beside(""), &[&["clone", "-q"], &flags[..], &[&from, "mirrored"]].concat());
    work.git.fsck(&work.beside("mirrored"));
    assert!(hub.is_running(), "{}", hub.log());

    assert!(hub.stop().success(), "{}", hub.log());
    let left = std::fs::read_dir(hub.temporary()).unwrap().count();
    assert_eq!(left, 0, "the demo's data is gone with it");
}
