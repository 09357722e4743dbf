//! Two `polder serve` processes on one database and one store: one hub.
#![cfg(test)]

use std::collections::BTreeMap;

use polder_tests::{Client, Git, Hub, LargeObject, Shared, Token, Work, have, poll, program, run};

struct Nodes {
    first: Hub,
    second: Hub,
    token: Token,
    shared: Shared,
}

impl Nodes {
    /// Two nodes, started at the same time on a new database and store.
    fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with more lines in the configuration of both.
    fn start_with(config: &str) -> Option<Self> {
        let shared = Shared::create()?;
        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(|| shared.node().config(config).start());
            (shared.node().config(config).start(), other.join().unwrap())
        });
        let token = first.acme();
        Some(Self { first, second, token, shared })
    }

    /// A repository with a commit on `main`, and the working repository it came from, whose remotes are
    /// `first` and `second`.
    fn work(&self, repo: &str) -> Work {
        self.first.repo(repo);
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        work.ok(&["remote", "add", "first", &self.first.repo_url_as(repo, &self.token)]);
        work.ok(&["remote", "add", "second", &self.second.repo_url_as(repo, &self.token)]);
        work.ok(&["push", "-q", "first", "main"]);
        work
    }
}

fn refs(work: &Work, remote: &str) -> BTreeMap<String, String> {
    let listed = work.ok(&["ls-remote", remote]);
    listed
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(id, name)| (name.into(), id.into()))
        .collect()
}

#[test]
fn what_is_pushed_to_one_node_is_cloned_from_the_other_at_once() {
    let Some(nodes) = Nodes::start() else { return };
    let work = nodes.work("acme/m");
    let git = Git::new(&work.path());
    // Both have it in memory from here on.
    assert_eq!(refs(&work, "first"), refs(&work, "second"));
    for n in 0..12 {
        let (to, from) = if n % 2 == 0 { ("first", "second") } else { ("second", "first") };
        let id = work.commit_file(&format!("file{n}"), format!("content {n}").as_bytes());
        work.ok(&["tag", "-a", "-m", "a tag", &format!("v{n}")]);
        let mut push = vec!["push", "-q", to, "main"];
        let (tag, gone) = (format!("v{n}"), format!(":refs/tags/v{}", n - 1));
        push.push(&tag);
        if n > 0 {
            push.push(&gone);
            work.ok(&["tag", "-d", &format!("v{}", n - 1)]);
        }
        work.ok(&push);
        let seen = refs(&work, from);
        assert_eq!(seen["refs/heads/main"], id);
        assert_eq!(seen.keys().filter(|name| name.contains("tags/")).count(), 2, "{seen:?}");
        assert_eq!(seen, refs(&work, to));
    }
    for node in [&nodes.first, &nodes.second] {
        let clone = work.beside(&format!("clone{}", node.pid()));
        git.ok(&work.path(), &["clone", "-q", "--mirror", &node.repo_url("acme/m"), clone.to_str().unwrap()]);
        assert_eq!(git.objects(&clone), git.objects(&work.path()));
        git.fsck(&clone);
        node.fsck();
    }
}

#[test]
fn large_objects_and_signed_links_of_one_node_are_good_on_the_other() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let Some(nodes) = Nodes::start() else { return };
    nodes.first.repo("acme/m");
    let object = LargeObject::random(7, 3 << 20);
    let upload = object.action(nodes.first.http(), "acme/m", "upload", Some(&nodes.token)).expect("a link");
    nodes.second.http().put(&upload, object.bytes.clone()).send().expect(200);
    let download = object.action(nodes.second.http(), "acme/m", "download", None).expect("a link");
    assert_eq!(nodes.first.http().get(&download).send().expect(200).body, object.bytes);

    let work = Work::with_lfs();
    work.ok(&["remote", "add", "origin", &nodes.second.repo_url_as("acme/m", &nodes.token)]);
    work.ok(&["lfs", "track", "*.bin"]);
    work.write("weights.bin", &object.bytes);
    work.commit("weights");
    work.ok(&["push", "-q", "origin", "main"]);
    let clone = work.beside("clone");
    work.ok(&["clone", "-q", &nodes.first.repo_url("acme/m"), clone.to_str().unwrap()]);
    work.git.ok(&clone, &["lfs", "install", "--local"]);
    work.git.ok(&clone, &["lfs", "pull"]);
    assert_eq!(std::fs::read(clone.join("weights.bin")).unwrap(), object.bytes);
    let keys: Vec<_> =
        [&nodes.first, &nodes.second].map(|node| node.http().get("/api/version").send().json()).into();
    assert_eq!(keys[0], keys[1], "one hub has one key");
}

#[test]
fn what_one_node_takes_away_is_gone_on_the_other_at_once() {
    let Some(nodes) = Nodes::start() else { return };
    let work = nodes.work("acme/m");
    let anonymous = |node: &Hub, repo: &str| {
        let target = format!("/{repo}.git/info/refs?service=git-upload-pack");
        node.http().get(&target).send().status
    };
    let status = |node: &Hub, token: &Token| {
        let request = node.http().get("/acme/m.git/info/refs?service=git-receive-pack");
        request.basic(&token.user, &token.secret).send().status
    };
    for (here, there) in [(&nodes.first, &nodes.second), (&nodes.second, &nodes.first)] {
        assert_eq!(anonymous(there, "acme/m"), 200);
        here.cli(&["repo", "visibility", "acme/m", "private"]).ok();
        assert_eq!(anonymous(there, "acme/m"), 401);
        here.cli(&["repo", "visibility", "acme/m", "public"]).ok();
        assert_eq!(anonymous(there, "acme/m"), 200);

        let one = here.token("ada", "write");
        assert_eq!(status(there, &one), 200);
        let tokens: serde_json::Value =
            serde_json::from_str(&here.cli(&["token", "list", "--json"]).ok()).unwrap();
        let newest = tokens.as_array().unwrap().last().unwrap()["id"].to_string();
        here.cli(&["token", "revoke", newest.trim_matches('"')]).ok();
        assert_eq!(status(there, &one), 401);
    }

    let bob = nodes.first.user("bob", "write");
    assert_eq!(status(&nodes.second, &bob), 403);
    nodes.first.cli(&["org", "member", "acme", "bob", "--role", "write"]).ok();
    assert_eq!(status(&nodes.second, &bob), 200);
    nodes.second.cli(&["org", "member", "acme", "bob", "--role", "read"]).ok();
    assert_eq!(status(&nodes.first, &bob), 403);

    nodes.first.cli(&["repo", "rename", "acme/m", "acme/n"]).ok();
    assert_eq!(anonymous(&nodes.second, "acme/n"), 200);
    work.ok(&["fetch", "-q", "second"]);
    nodes.second.cli(&["repo", "delete", "acme/n"]).ok();
    assert_eq!((anonymous(&nodes.first, "acme/n"), anonymous(&nodes.first, "acme/m")), (401, 401));
    assert!(nodes.first.cli(&["repo", "add", "acme/m"]).fails().contains("of a deleted repository"));
}

#[test]
fn of_pushes_through_two_nodes_to_one_branch_exactly_one_wins() {
    let Some(nodes) = Nodes::start() else { return };
    let work = nodes.work("acme/m");
    for round in 0..5 {
        let tip = work.ok(&["rev-parse", "main"]);
        let ids: Vec<String> = (0..4)
            .map(|n| {
                work.ok(&["checkout", "-q", "-B", &format!("side{n}"), &tip]);
                work.commit_file(&format!("round{round}"), format!("side {n}").as_bytes())
            })
            .collect();
        let pushed: Vec<bool> = std::thread::scope(|scope| {
            let push = |n: usize| {
                let remote = ["first", "second"][n % 2];
                let (work, refspec) = (&work, format!("side{n}:refs/heads/main"));
                scope.spawn(move || work.run(&["push", "-q", remote, &refspec]).success())
            };
            let running: Vec<_> = (0..4).map(push).collect();
            running.into_iter().map(|push| push.join().unwrap()).collect()
        });
        assert_eq!(pushed.iter().filter(|won| **won).count(), 1, "{pushed:?}");
        let winner = &ids[pushed.iter().position(|won| *won).unwrap()];
        assert_eq!(&refs(&work, "first")["refs/heads/main"], winner);
        assert_eq!(&refs(&work, "second")["refs/heads/main"], winner);
        work.ok(&["checkout", "-q", "-B", "main", winner]);
    }
    nodes.first.fsck();
}

/// Starts the first node so that it dies at `point` of the next request, not of its own work: its first
/// round of upkeep is over.
fn arm(nodes: &mut Nodes, point: &str) {
    for count in 1..20 {
        if nodes.first.try_serve(Some(&format!("{point}:{count}"))).is_ok() {
            // A node that dies meanwhile answers nothing.
            let rested = poll(30, || {
                let answer = nodes.first.http().get("/metrics").try_send().map(|answer| answer.text());
                let rests = answer.is_some_and(|text| text.contains("polder_upkeep_rounds_total 1"));
                (rests || !nodes.first.is_running()).then_some(rests)
            });
            if rested.expect("upkeep ends") {
                return;
            }
        }
        nodes.first.kill();
        // What a dead node had leased is free again for the next.
        nodes.shared.database().sql("DELETE FROM job");
    }
    panic!("the node cannot be started with {point} armed\n{}", nodes.first.log());
}

#[test]
fn a_node_that_dies_in_a_push_loses_nothing_and_the_other_goes_on() {
    // The log writes by itself, and would reach the points of the database first.
    let Some(mut nodes) = Nodes::start_with("[federation]\nenabled = false") else { return };
    let work = nodes.work("acme/m");
    nodes.first.stop();
    let points = [
        ("push.received", false),
        ("push.published", false),
        // In its turn: the other node must get the turn all the same.
        ("db.before_commit", false),
        ("db.after_commit", true),
        ("push.committed", true),
        ("push.before_report", true),
    ];
    for (number, (point, is_stored)) in (0..).zip(points) {
        let before = refs(&work, "second");
        let name = point.replace('.', "-");
        arm(&mut nodes, point);
        work.ok(&["remote", "set-url", "first", &nodes.first.repo_url_as("acme/m", &nodes.token)]);
        // Large enough for a pack with a file of its own. Writes of the start may have shared a commit, and
        // then a push more reaches the point.
        let branch = format!("main:refs/heads/{name}");
        let mut before = before;
        let id = (0..5).find_map(|again| {
            let bytes = LargeObject::random(number * 5 + again, 200 << 10).bytes;
            let id = work.commit_file(&name, &bytes);
            if work.run(&["push", "-q", "first", &branch]).success() {
                before.insert(format!("refs/heads/{name}"), id);
                assert_eq!(refs(&work, "second"), before, "{point}");
                return None;
            }
            Some(id)
        });
        let id = id.unwrap_or_else(|| panic!("{point} was not reached"));
        nodes.first.wait_crash();

        let mut expected = before;
        if is_stored {
            expected.insert(format!("refs/heads/{name}"), id.clone());
        }
        assert_eq!(refs(&work, "second"), expected, "{point}");
        work.ok(&["push", "-q", "second", &branch]);
        expected.insert(format!("refs/heads/{name}"), id);
        assert_eq!(refs(&work, "second"), expected, "{point}");
    }
    nodes.first.serve(None);
    work.ok(&["remote", "set-url", "first", &nodes.first.repo_url_as("acme/m", &nodes.token)]);
    assert_eq!(refs(&work, "first"), refs(&work, "second"));
    let clone = work.beside("clone");
    let git = Git::new(&work.path());
    git.ok(
        &work.path(),
        &["clone", "-q", "--mirror", &nodes.first.repo_url("acme/m"), clone.to_str().unwrap()],
    );
    git.fsck(&clone);
    nodes.first.fsck();
}

#[test]
fn a_node_with_another_store_is_refused() {
    let Some(nodes) = Nodes::start() else { return };
    let url = nodes.shared.database().url();
    let mut stray = Hub::builder().config(&format!("[database]\nurl = \"{url}\"")).prepare();
    assert!(stray.try_serve(None).is_err());
    assert!(stray.log().contains("store"), "{}", stray.log());
    // And has changed nothing: the sweep of the others is not held.
    assert_eq!(nodes.shared.database().sql("SELECT COUNT(*) FROM meta WHERE name = 'store_sweep_held'"), "0");
}

#[test]
fn a_dump_of_the_database_holds_no_credential() {
    let Some(nodes) = Nodes::start() else { return };
    nodes.work("acme/m");
    let dump = polder_cluster::bin_dir().unwrap().join("pg_dump");
    let dump = run(program(dump)
        .args(["-U", "polder", "-h"])
        .arg(nodes.shared.database().socket_dir())
        .arg(nodes.shared.database().name()));
    let text = dump.ok();
    assert!(text.contains("COPY public.token"), "{text}");
    let secret = &nodes.token.secret;
    assert!(!text.contains(secret.as_str()) && !text.contains("pld_"), "a token is in the dump");
    for name in ["hub.key", "url.key"] {
        let key = std::fs::read(nodes.shared.store().join(name)).unwrap();
        let digit = |four_bits: u8| char::from_digit(four_bits.into(), 16).unwrap();
        let hex: String = key.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
        assert!(key.len() == 32 && !text.contains(&hex), "{name} is in the dump");
    }
}
