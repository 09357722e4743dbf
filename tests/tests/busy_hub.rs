//! The operator's commands while clients push and clone: each sees a whole repository or none.
#![cfg(test)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use polder_tests::{Hub, LargeObject, Token, Work};

/// Pushes commits of alternating size to `repo` until told to stop; how many went through.
fn push_until(stop: &AtomicBool, hub: &Hub, token: &Token, repo: &str) -> u32 {
    let work = Work::new();
    let mut done = 0;
    for n in 0..10_000_u64 {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let bytes = if n % 3 == 0 { 200_000 } else { 100 };
        work.commit_file("weights", &LargeObject::random(n, bytes).bytes);
        let tag = format!("HEAD:refs/tags/t{n}");
        done += u32::from(work.run(&["push", "-q", &hub.repo_url_as(repo, token), "main", &tag]).success());
    }
    done
}

/// Runs `task` while two repositories are pushed to.
fn under_load(hub: &Hub, token: &Token, task: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let pushed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for repo in ["acme/one", "acme/two"] {
            let (stop, pushed) = (&stop, &pushed);
            scope.spawn(move || pushed.fetch_add(push_until(stop, hub, token, repo), Ordering::SeqCst));
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(pushed.load(Ordering::SeqCst) > 2, "there was no load");
}

fn place() -> (Hub, Token) {
    let hub = Hub::start();
    let token = hub.acme();
    for repo in ["acme/one", "acme/two", "acme/three"] {
        hub.repo(repo);
    }
    (hub, token)
}

#[test]
fn fsck_finds_nothing_wrong_while_clients_push() {
    let (hub, token) = place();
    under_load(&hub, &token, || (0..8).for_each(|_| hub.fsck()));
    hub.fsck();
}

#[test]
fn an_export_under_load_is_a_sound_repository_every_time() {
    let (hub, token) = place();
    let work = Work::new();
    let out = work.beside("exported");
    under_load(&hub, &token, || {
        for _ in 0..6 {
            hub.cli(&["repo", "export", "acme/one", out.to_str().unwrap()]).ok();
            work.git.fsck(&out);
        }
    });
}

#[test]
fn clones_under_load_are_whole_every_time() {
    let (hub, token) = place();
    let work = Work::new();
    under_load(&hub, &token, || {
        for n in 0..8 {
            let name = format!("clone{n}");
            work.git.ok(&work.beside(""), &["clone", "-q", "--mirror", &hub.repo_url("acme/one"), &name]);
            work.git.fsck(&work.beside(&name));
        }
    });
}

#[test]
fn a_repository_that_is_renamed_hidden_or_deleted_under_load_is_there_or_not_never_half() {
    let (hub, token) = place();
    let work = Work::new();
    work.write("weights", &LargeObject::random(1, 300_000).bytes);
    work.commit("Weights");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/three", &token), "main"]);
    let tip = work.ok(&["rev-parse", "HEAD"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clones: Vec<_> = (0..3)
            .map(|n| {
                let (hub, stop, tip) = (&hub, &stop, &tip);
                scope.spawn(move || {
                    let reader = Work::new();
                    for m in 0..1000 {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let name = format!("clone{n}-{m}");
                        let args = ["clone", "-q", &hub.repo_url("acme/three"), &name];
                        if reader.git.run(&reader.beside(""), &args).success() {
                            let found = reader.git.ok(&reader.beside(&name), &["rev-parse", "HEAD"]);
                            assert_eq!(&found, tip);
                        }
                    }
                })
            })
            .collect();
        for round in 0..4 {
            let (from, to) = (format!("acme/three{round}"), format!("acme/three{}", round + 1));
            let from = if round == 0 { "acme/three" } else { &from };
            hub.cli(&["repo", "rename", from, &to]).ok();
            hub.cli(&["repo", "visibility", &to, "private"]).ok();
            hub.cli(&["repo", "visibility", &to, "public"]).ok();
        }
        hub.cli(&["repo", "delete", "acme/three4"]).ok();
        stop.store(true, Ordering::SeqCst);
        for clone in clones {
            clone.join().unwrap();
        }
    });
    let told = work.run(&["ls-remote", &hub.repo_url_as("acme/three", &token)]).fails();
    assert!(told.contains("not found"), "{told}");
    assert!(!hub.log().contains("panicked"), "{}", hub.log());
    hub.fsck();
}
