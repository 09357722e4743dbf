//! Repositories that are pulled by the clock.
#![cfg(test)]

use polder_tests::{Git, GitServer, Hub, LargeObject, Token, Work, until};

struct Place {
    hub: Hub,
    token: Token,
    git: Git,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        let dir = tempfile::tempdir().unwrap();
        Self { hub, token, git: Git::new(dir.path()), dir }
    }

    fn served(&self, id: &str) -> String {
        let listed = self.git.ok(self.dir.path(), &["ls-remote", "--refs", &self.hub.repo_url(id)]);
        let swap = |line: &str| line.split_once('\t').map(|(oid, name)| format!("{name} {oid}")).unwrap();
        listed.lines().map(swap).collect::<Vec<_>>().join("\n")
    }

    fn mirror(&self, url: &str, id: &str, more: &[&str]) -> String {
        let args = ["repo", "import", url, id, "--every", "10s"];
        self.hub.cli(&[args.as_slice(), more].concat()).ok()
    }

    fn listed(&self) -> String {
        self.hub.cli(&["repo", "mirrors"]).ok()
    }
}

fn serve(work: &Work) -> GitServer {
    GitServer::start("/usr/bin/git", work.path().parent().unwrap())
}

#[test]
fn a_mirror_follows_its_source_by_itself_and_takes_no_pushes() {
    let place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    work.ok(&["branch", "side"]);
    let server = serve(&work);
    place.mirror(&server.url("repo"), "acme/m", &["--safe"]);
    assert!(place.listed().contains(&server.url("repo")), "{}", place.listed());

    let clone = place.dir.path().join("clone");
    let url = place.hub.repo_url_as("acme/m", &place.token);
    place.git.ok(place.dir.path(), &["clone", "-q", &url, "clone"]);
    place.git.ok(&clone, &["config", "user.name", "A"]);
    place.git.ok(&clone, &["config", "user.email", "a@b"]);
    place.git.ok(&clone, &["commit", "-q", "--allow-empty", "-m", "x"]);
    let told = place.git.run(&clone, &["push", "-q", "origin", "HEAD"]).fails();
    assert!(told.contains("is a mirror: push to") || told.contains("403"), "{told}");

    // Rewritten, deleted and new there: the same here, and what is gone is kept for the operator.
    let (main, side) = (work.ok(&["rev-parse", "main"]), work.ok(&["rev-parse", "side"]));
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    work.ok(&["branch", "-D", "side"]);
    work.ok(&["branch", "new"]);
    until("the next pull", 40, || (place.served("acme/m") == place.git.refs(&work.path())).then_some(()));
    let exported = place.dir.path().join("m.git");
    place.hub.cli(&["repo", "export", "acme/m", exported.to_str().unwrap()]).ok();
    let kept: Vec<String> = place
        .git
        .refs(&exported)
        .lines()
        .filter(|line| line.contains("refs/polder/kept/"))
        .map(str::to_owned)
        .collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().any(|line| line.contains("/heads/main ") && line.ends_with(&main)), "{kept:?}");
    assert!(kept.iter().any(|line| line.contains("/heads/side ") && line.ends_with(&side)), "{kept:?}");
    assert!(!place.served("acme/m").contains("kept"));

    // What was lost there comes back: kept or not, it is checked like anything new.
    work.ok(&["reset", "-q", "--hard", &main]);
    until("the old history", 40, || (place.served("acme/m") == place.git.refs(&work.path())).then_some(()));

    place.hub.cli(&["repo", "mirrors", "--stop", "acme/m"]).ok();
    assert_eq!(place.listed(), "");
    place.git.ok(&clone, &["push", "-q", "--force", "origin", "HEAD:refs/heads/mine"]);
    place.hub.cli(&["repo", "mirrors", "--stop", "acme/m"]).fails();
    place.hub.fsck();
}

#[test]
fn a_source_that_hangs_or_fails_holds_up_no_other_mirror() {
    let place = Place::new();
    let (good, bad) = (Work::new(), Work::new());
    good.commit_file("a", b"a\n");
    bad.commit_file("a", b"a\n");
    let (well, ill) = (serve(&good), serve(&bad));
    for n in 0..8 {
        place.mirror(&ill.url("repo"), &format!("acme/bad-{n}"), &[]);
    }
    place.mirror(&well.url("repo"), "acme/good", &[]);
    // From now on nobody answers there.
    let address = ill.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    ill.behave(|manners| manners.hang = true);
    good.commit_file("b", b"b\n");
    until("the good mirror", 40, || {
        (place.served("acme/good") == place.git.refs(&good.path())).then_some(())
    });
    // The first four take 30 s to give up; those are the places of that server, and no others are taken.
    until("a failure of the bad one", 60, || place.listed().contains("did not answer in time").then_some(()));
    assert!(place.listed().contains(&address));
    let metrics = String::from_utf8(place.hub.http().get("/metrics").send().body).unwrap();
    assert!(metrics.contains("polder_pulls_total{result=\"worked\"}"), "{metrics}");
    assert!(metrics.contains("polder_egress_requests_total"), "{metrics}");
    good.commit_file("c", b"c\n");
    until("the good mirror again", 40, || {
        (place.served("acme/good") == place.git.refs(&good.path())).then_some(())
    });
}

#[test]
fn a_source_that_limits_rates_is_waited_for_by_git_and_by_its_large_objects_and_not_for_long_by_the_clock() {
    let place = Place::new();
    let work = Work::new();
    let object = LargeObject::random(1, 100_000);
    work.write("w.bin", object.pointer().as_bytes());
    let dir = format!(".git/lfs/objects/{}/{}", &object.oid[..2], &object.oid[2..4]);
    let dir = work.path().join(dir);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(&object.oid), &object.bytes).unwrap();
    work.commit("Add weights");
    let server = serve(&work);
    server.behave(|manners| manners.busy = Some((2, 1)));
    place.mirror(&server.url("repo"), "acme/m", &[]);
    assert_eq!(place.served("acme/m"), place.git.refs(&work.path()));
    place.hub.http().get("/acme/m/resolve/main/w.bin").send().expect(200);
    let seen = server.seen();
    for what in ["/info/refs", "/git-upload-pack", "/objects/batch", &format!("/objects/{}", object.oid)] {
        let count = seen.iter().filter(|line| line.contains(what)).count();
        assert!(count > 2, "{what}: {seen:?}");
    }

    // By the clock it is not waited for so long: others want the place.
    server.behave(|manners| manners.busy = Some((usize::MAX, 600)));
    until("a pull", 60, || place.listed().contains("wants to be left alone for 600 s").then_some(()));
    server.behave(|manners| manners.busy = None);
    place.hub.cli(&["repo", "import", &server.url("repo"), "acme/m"]).ok();
    place.hub.fsck();
}

#[test]
fn a_mirror_comes_back_with_its_source_and_after_a_crash() {
    let mut place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let server = serve(&work);
    place.mirror(&server.url("repo"), "acme/m", &[]);
    server.behave(|manners| manners.page = Some((503, "down".to_owned())));
    until("a failure", 40, || place.listed().contains("failed 1 times: ").then_some(()));
    assert!(place.listed().contains("answers 503"), "{}", place.listed());
    place.hub.kill();
    server.behave(|manners| manners.page = None);
    work.commit_file("b", b"b\n");
    place.hub.serve(None);
    until("the next pull", 90, || (place.served("acme/m") == place.git.refs(&work.path())).then_some(()));
    let json = place.hub.cli(&["repo", "mirrors", "--json"]).ok();
    assert!(json.contains("\"failures\": 0") && json.contains("refs changed"), "{json}");
}

#[test]
fn a_schedule_is_for_servers_only_and_not_too_tight() {
    let place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let server = serve(&work);
    let told = place.hub.cli(&["repo", "import", &server.url("repo"), "acme/m", "--every", "1s"]).fails();
    assert!(told.contains("10 seconds"), "{told}");
    let here = work.path();
    let told = place.hub.cli(&["repo", "import", here.to_str().unwrap(), "acme/m", "--every", "1h"]).fails();
    assert!(told.contains("is not an http:// or https:// URL"), "{told}");
}
