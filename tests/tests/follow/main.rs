//! One hub follows another: real git and git-lfs on both.
#![cfg(test)]

mod damage;
mod history;
mod pair;
mod selection;

use polder_tests::{Hub, Work, until};
use serde_json::{Value, json};

use pair::Pair;

#[test]
fn a_followed_repository_is_cloned_from_the_mirror_under_both_its_names() {
    let pair = Pair::new();
    let work = Work::with_lfs();
    work.ok(&["lfs", "track", "*.bin"]);
    let weights: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    work.write("model.bin", &weights);
    work.commit("weights");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    until("the log to tell of it", 15, || {
        let about = pair.home.http().get("/.well-known/polder").send();
        let about: Value = serde_json::from_slice(&about.body).ok()?;
        about["size"].as_u64().filter(|size| *size >= 3)
    });
    pair.follow(&["--alias", "acme=friends"]);
    pair.in_step("m");
    for name in [format!("{}/m", pair.namespace), "friends/m".to_owned()] {
        let to = pair.dir.path().join(format!("clone-{}", name.len()));
        work.ok(&["clone", "-q", &pair.mirror.repo_url(&name), to.to_str().unwrap()]);
        pair.git.ok(&to, &["lfs", "install", "--local"]);
        pair.git.ok(&to, &["lfs", "pull"]);
        let got = std::fs::read(to.join("model.bin")).unwrap();
        assert!(got == weights, "{name}: {} bytes", got.len());
    }

    // What happens at home happens here: another branch, a rewritten one, a deleted one.
    work.commit_file("README.md", b"one\n");
    work.ok(&["branch", "side"]);
    pair.push(&work, "acme/m", &["main", "side"]);
    pair.in_step("m");
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    pair.push(&work, "acme/m", &["main", ":side"]);
    let refs = pair.in_step("m");
    assert!(!refs.contains("side"), "{refs}");

    // A push to the mirror is refused with the home's URL, in git's words and in those of LFS.
    let url = pair.mirror.repo_url("friends/m");
    let told = work.run(&["-c", "lfs.locksverify=false", "push", &url, "main:other"]).fails();
    assert!(told.contains(&format!("{}/acme/m", pair.base())), "{told}");
    pair.mirror.fsck();
}

/// The discussions themselves stay at home; the refs of pull requests are signed and mirrored like all others.
#[test]
fn a_mirror_has_the_commits_of_pull_requests_and_takes_none() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("README.md", b"one\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    let post = |hub: &Hub, name: &str, rest: &str, body: Value| {
        let path = format!("/api/models/{name}/{rest}");
        hub.http().post(&path, body.to_string()).bearer(&pair.token.secret).send()
    };
    let new = json!({"title": "Proposed", "description": "Please.", "pullRequest": true});
    assert_eq!(post(&pair.home, "acme/m", "discussions", new.clone()).expect(200).json()["num"], 1);
    let proposed = work.commit_file("proposed.txt", b"proposed\n");
    pair.push(&work, "acme/m", &["HEAD:refs/pr/1"]);
    pair.follow(&["--alias", "acme=friends"]);
    let refs = pair.in_step("m");
    assert!(refs.contains(&format!("{}\trefs/pr/1", proposed.trim())), "{refs}");
    let ask = |path: &str| pair.mirror.http().get(path).send();
    let file = ask("/friends/m/resolve/refs%2Fpr%2F1/proposed.txt").expect(200);
    assert_eq!(file.body, b"proposed\n");
    assert_eq!(ask("/api/models/friends/m/discussions").expect(200).json()["count"], 0);

    // What is merged at home is here too, and nobody opens, comments or pushes anything here.
    post(&pair.home, "acme/m", "discussions/1/merge", json!({})).expect(200);
    let refs = pair.in_step("m");
    assert!(refs.contains(&format!("{}\trefs/heads/main", proposed.trim())), "{refs}");
    let token = pair.mirror.user("ada", "write");
    let name = "friends/m";
    for (rest, body) in [
        ("discussions", new),
        ("discussions", json!({"title": "A word", "description": "x"})),
        ("discussions/1/comment", json!({"comment": "x"})),
    ] {
        let path = format!("/api/models/{name}/{rest}");
        let answer = pair.mirror.http().post(&path, body.to_string()).bearer(&token.secret).send();
        let told = answer.expect(403).text();
        assert!(told.contains(&format!("{}/acme/m", pair.base())), "{rest}: {told}");
    }
    let url = pair.mirror.repo_url_as(name, &token);
    let told = work.run(&["push", &url, "HEAD~:refs/pr/1"]).fails();
    assert!(told.contains(&format!("{}/acme/m", pair.base())), "{told}");
    pair.mirror.fsck();
}

#[test]
fn a_mirror_goes_on_serving_when_its_home_is_dead_and_catches_up_when_either_comes_back() {
    let mut pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    pair.home.repo("acme/m");
    pair.push(&work, "acme/m", &["main"]);
    pair.follow(&["--select", "acme/*"]);
    let before = pair.in_step("m");
    pair.mirror.kill();
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/m", &["main"]);
    pair.mirror.serve(None);
    let after = pair.in_step("m");
    assert_ne!(before, after);
    pair.home.kill();
    pair.mirror.kill();
    pair.mirror.serve(None);
    let served = pair.refs(&pair.mirror, &format!("{}/m", pair.namespace)).expect("served");
    assert_eq!(served, after);
    pair.mirror.fsck();
}

#[test]
fn what_is_hidden_or_deleted_at_home_is_hidden_here_and_what_is_not_selected_never_comes() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/kept", "acme/hidden", "acme/gone", "acme/other"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.follow(&["--select", "acme/kept", "--select", "acme/hidden", "--select", "acme/gone"]);
    for name in ["kept", "hidden", "gone"] {
        pair.in_step(name);
    }
    pair.home.cli(&["repo", "visibility", "acme/hidden", "private"]).ok();
    pair.home.cli(&["repo", "delete", "acme/gone"]).ok();
    for name in ["hidden", "gone"] {
        until("it to be hidden", 15, || {
            pair.refs(&pair.mirror, &format!("{}/{name}", pair.namespace)).is_none().then_some(())
        });
        assert_eq!(pair.state(&format!("acme/{name}")).as_deref(), Some("hidden"));
    }
    assert!(pair.refs(&pair.mirror, &format!("{}/other", pair.namespace)).is_none());
    pair.home.cli(&["repo", "visibility", "acme/hidden", "public"]).ok();
    pair.in_step("hidden");
    // A gate lets those in whom the home knows, so a mirror lets nobody in.
    pair.home.cli(&["repo", "gate", "acme/hidden", "auto"]).ok();
    until("it to be hidden behind a gate", 15, || {
        pair.refs(&pair.mirror, &format!("{}/hidden", pair.namespace)).is_none().then_some(())
    });
    pair.home.cli(&["repo", "gate", "acme/hidden", "off"]).ok();
    pair.in_step("hidden");

    let told = pair.mirror.cli(&["sync", "--now"]).ok();
    assert!(told.contains("every mirror serves the newest"), "{told}");
    pair.mirror.cli(&["unfollow", &pair.base()]).ok();
    work.commit_file("b", b"b\n");
    pair.push(&work, "acme/kept", &["main"]);
    pair.mirror.cli(&["unfollow", &pair.base()]).fails();
    assert_eq!(pair.mirrors()[0]["state"], "unfollowed");
    assert_eq!(pair.state("acme/kept").as_deref(), Some("ready"));
}

#[test]
fn a_hub_that_nobody_vouches_for_is_not_followed() {
    let pair = Pair::new();
    let port = pair.home.address().port();
    let told =
        pair.mirror.cli(&["follow", &format!("http://localhost:{port}"), "--mode", "everything"]).fails();
    assert!(told.contains("metadata, lazy, full, archive"), "{told}");
    let wrong = "hub.example.org+c9e3f6d1+AUH3Zb4bYG0f6WD1y1Cwbq0M4Xr4UO0Q0t7q5jzqIY3s";
    pair.mirror.cli(&["follow", &pair.base(), "--key", wrong]).fails();
    let told = pair.mirror.cli(&["follow", &format!("http://{}", pair.mirror.address())]).fails();
    assert!(told.contains("does not follow itself"), "{told}");
    assert_eq!(pair.mirrors(), Value::Array(Vec::new()));
}
