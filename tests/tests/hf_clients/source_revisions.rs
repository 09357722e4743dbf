//! One revision of a source: by git it keeps its id, and through a proxy of the API it is found by it.

use polder_tests::{GitServer, HubClient, LargeObject, Work};
use serde_json::json;

use crate::Place;
use crate::source::Two;

const SCRIPT: &str = include_str!("source_revisions.py");

impl Two {
    /// What a branch here is.
    fn branch(&self, id: &str, branch: &str) -> String {
        let listed = self.refs(&self.to.hub, id);
        let name = format!("refs/heads/{branch}");
        let line = listed.lines().find(|line| line.ends_with(&name)).unwrap_or_else(|| panic!("{listed}"));
        line.split_whitespace().next().unwrap().to_owned()
    }
}

#[test]
fn one_revision_of_a_hub_with_git_keeps_its_id() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let two = Two::new();
    two.from.create("model", "m");
    let object = LargeObject::random(1, 100_000);
    let first = two.commit("acme/m", &[("a.txt", "one")], &[("w.bin", &object)], &[]);
    let second = two.commit("acme/m", &[("a.txt", "two")], &[], &[]);
    let endpoint = two.from.hub.url("");
    let import = |revision: &str, id: &str| {
        two.import(&[&format!("hf:acme/m@{revision}"), id, "--endpoint", &endpoint])
    };
    import(&first, "acme/pinned").ok();
    assert_eq!(two.branch("acme/pinned", "main"), first);
    let told = import(&first, "acme/pinned").ok();
    assert!(told.contains("0 refs changed, 0 new objects"), "{told}");
    let into = two.to.dir.path().join("into");
    let args =
        ["download", "acme/pinned", "--revision", first.as_str(), "--local-dir", into.to_str().unwrap()];
    client.hf(two.to.hub.url("").trim_end_matches('/'), Some(&two.to.ada), two.to.dir.path(), &args).ok();
    assert_eq!(std::fs::read_to_string(into.join("a.txt")).unwrap(), "one");
    assert_eq!(std::fs::read(into.join("w.bin")).unwrap(), object.bytes);

    // On, and not back: what is here would be lost.
    import(&second, "acme/pinned").ok();
    assert_eq!(two.branch("acme/pinned", "main"), second);
    let told = import(&first, "acme/pinned").fails();
    assert!(told.contains("has commits that ") && told.contains("does not reach"), "{told}");
    // By a name, too.
    let work = Work::new();
    work.commit_file("s", b"side\n");
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    work.ok(&[
        "push",
        "-q",
        &two.from.hub.repo_url_as("acme/m", &two.from.ada),
        "main:refs/heads/side",
        "v1",
    ]);
    for name in ["side", "v1"] {
        let id = format!("acme/{name}");
        import(name, &id).ok();
        assert_eq!(two.branch(&id, "main"), work.ok(&["rev-parse", "HEAD"]));
    }
    let told = import("side", "acme/pinned").fails();
    assert!(told.contains("does not reach"), "{told}");
    two.to.hub.fsck();
}

#[test]
fn a_commit_that_no_ref_names_comes_with_the_branch_that_reaches_it() {
    let place = Place::new();
    let work = Work::new();
    let first = work.commit_file("a", b"one\n");
    work.commit_file("a", b"two\n");
    let root = place.dir.path().join("root");
    let bare = root.join("acme/m.git");
    work.ok(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let server = GitServer::start("/usr/bin/git", &root);
    let said = |sha: &str| Some(json!({"sha": sha, "private": false, "gated": false}).to_string());
    server.behave(|manners| (manners.unnamed, manners.api) = (Some(first.clone()), said(&first)));
    let source = format!("hf+{}@{first}", server.url("acme/m"));
    let done = place.hub.cli(&["repo", "import", &source]);
    assert!(done.stderr.contains("does not come by git"), "{}", done.stderr);
    done.ok();
    let listed = |id: &str| work.ok(&["ls-remote", &place.hub.repo_url(id), "main"]);
    assert!(listed("acme/m").starts_with(&first), "{}", listed("acme/m"));

    // What no branch reaches is for the API to give, which this one does not.
    let lost = work.git.ok(&bare, &["commit-tree", "-m", "lost", &format!("{first}^{{tree}}")]);
    server.behave(|manners| (manners.unnamed, manners.api) = (Some(lost.clone()), said(&lost)));
    let told =
        place.hub.cli(&["repo", "import", &format!("hf+{}@{lost}", server.url("acme/m")), "acme/lost"]);
    assert!(told.fails().contains("does not answer as servers of this API do"));
    // Another commit than the one that was named.
    server.behave(|manners| (manners.unnamed, manners.api) = (None, said(&first)));
    let told =
        place.hub.cli(&["repo", "import", &format!("hf+{}@{lost}", server.url("acme/m")), "acme/other"]);
    let told = told.fails();
    assert!(told.contains(&format!("is another commit there: {first}")), "{told}");
    assert_eq!(listed("acme/other"), "");
    place.hub.fsck();
}

#[test]
fn a_revision_that_came_through_a_proxy_is_found_by_the_id_that_it_has_at_the_source() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let two = Two::new();
    two.from.create("model", "m");
    let object = LargeObject::random(1, 100_000);
    let first = two.commit("acme/m", &[("a.txt", "one")], &[("w.bin", &object)], &[]);
    two.import(&["hf:acme/m"]).ok();
    let here = two.branch("acme/m", "main");
    assert_ne!(here, first);
    let second = two.commit("acme/m", &[("a.txt", "two")], &[], &[]);
    two.import(&["hf:acme/m"]).ok();
    let to = &two.to.hub;
    for version in ["2.4.0", "1.33.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { continue };
        let dir = tempfile::tempdir().unwrap();
        client.script(to, &two.to.ada, dir.path(), SCRIPT, &[&first]).ok();
    }
    let into = two.to.dir.path().join("into");
    let args = ["download", "acme/m", "--revision", second.as_str(), "--local-dir", into.to_str().unwrap()];
    client.hf(to.url("").trim_end_matches('/'), Some(&two.to.ada), two.to.dir.path(), &args).ok();
    assert_eq!(std::fs::read_to_string(into.join("a.txt")).unwrap(), "two");

    // Whoever may only read cannot say what an id means: pull requests do not count, other repositories neither.
    let bob = to.user("bob", "write");
    let body = json!({"title": "Forged", "description": "x", "pullRequest": true}).to_string();
    to.http().post("/api/models/acme/m/discussions", body).bearer(&bob.secret).send().expect(200);
    let work = Work::new();
    let forged = "e".repeat(40);
    for source in [&first, &forged] {
        work.write("a.txt", source.as_bytes());
        work.commit(&format!("Forged\n\nSource-Commit: {source}"));
    }
    work.ok(&["push", "-q", "--force", &to.repo_url_as("acme/m", &bob), "main:refs/pr/1"]);
    let ask = |id: &str, revision: &str| to.http().get(&format!("/{id}/resolve/{revision}/a.txt")).send();
    ask("acme/m", &forged).expect(404);
    assert_eq!(ask("acme/m", &first).expect(200).text(), "one");
    to.repo("acme/own");
    work.ok(&["push", "-q", &to.repo_url_as("acme/own", &two.to.ada), "main"]);
    ask("acme/own", &forged).expect(200);
    ask("acme/own", &second).expect(404);
}
