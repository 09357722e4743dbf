//! File locks: by git-lfs, by hand, and against a push that does not ask.

use std::os::unix::fs::PermissionsExt;

use polder_tests::{Client, Done, Hub, Request, Response, Token, Work, have, until};
use serde_json::{Value, json};

use crate::place::Place;

const LFS_JSON: &str = "application/vnd.git-lfs+json";

/// A hub where ada (owner), bob (writer) and rita (reader) share `acme/m`, which has one commit.
struct Team {
    place: Place,
    bob: Token,
    rita: Token,
    ada: Work,
}

impl Team {
    fn new() -> Self {
        Self::on(Hub::start())
    }

    fn on(hub: Hub) -> Self {
        let token = hub.acme();
        let place = Place { hub, token };
        let bob = place.hub.user("bob", "write");
        let rita = place.hub.user("rita", "write");
        for (user, role) in [("bob", "write"), ("rita", "read")] {
            place.hub.cli(&["org", "member", "acme", user, "--role", role]).ok();
        }
        place.hub.repo("acme/m");
        let ada = Work::new();
        ada.ok(&["remote", "add", "origin", &place.hub.repo_url_as("acme/m", &place.token)]);
        for path in ["weights.bin", "deep/er/weights.bin", "README.md"] {
            ada.write(path, path.as_bytes());
        }
        ada.commit("Begin");
        ada.ok(&["push", "-q", "origin", "main"]);
        Self { place, bob, rita, ada }
    }

    /// Bob's clone; git-lfs does not ask about locks before it pushes.
    fn bob_clone(&self) -> Work {
        let work = Work::new();
        work.ok(&["remote", "add", "origin", &self.place.hub.repo_url_as("acme/m", &self.bob)]);
        work.ok(&["config", "lfs.locksverify", "false"]);
        work.ok(&["pull", "-q", "origin", "main"]);
        work
    }

    fn post(&self, repo: &str, address: &str, body: &Value, token: &Token) -> Response {
        let target = format!("/{repo}.git/info/lfs/locks{address}");
        ask(self.place.hub.http().post(&target, body.to_string()), token)
    }

    fn lock(&self, repo: &str, path: &str, token: &Token) -> String {
        let made = self.post(repo, "", &json!({"path": path}), token).expect(201).json();
        made["lock"]["id"].as_str().expect("an id is text").to_owned()
    }

    fn unlock(&self, repo: &str, id: &str, force: bool, token: &Token) -> Response {
        self.post(repo, &format!("/{id}/unlock"), &json!({"force": force}), token)
    }

    fn list(&self, query: &str) -> Value {
        let target = format!("/acme/m.git/info/lfs/locks{query}");
        ask(self.place.hub.http().get(&target), &self.place.token).expect(200).json()
    }

    /// The paths of a listing.
    fn paths(&self, query: &str) -> Vec<String> {
        paths(&self.list(query)["locks"])
    }

    fn main(&self) -> String {
        self.ada.ok(&["ls-remote", "origin", "refs/heads/main"])
    }
}

fn ask(request: Request, token: &Token) -> Response {
    let request = request.header("Accept", LFS_JSON).header("Content-Type", LFS_JSON);
    request.basic(&token.user, &token.secret).send()
}

fn paths(locks: &Value) -> Vec<String> {
    let locks = locks.as_array().expect("a list");
    locks.iter().map(|lock| lock["path"].as_str().expect("a path").to_owned()).collect()
}

fn refused(done: &Done, words: &[&str]) {
    let told = done.clone().fails();
    for word in words {
        assert!(told.contains(word), "`{word}` is not in\n{told}");
    }
}

#[test]
fn git_lfs_locks_lists_verifies_and_unlocks() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let team = Team::new();
    let bob = team.bob_clone();
    team.ada.ok(&["lfs", "lock", "weights.bin"]);
    refused(&bob.run(&["lfs", "lock", "weights.bin"]), &["ada"]);
    bob.ok(&["lfs", "lock", "deep/er/weights.bin"]);
    let listed = bob.ok(&["lfs", "locks"]);
    for word in ["weights.bin", "ada", "deep/er/weights.bin", "bob"] {
        assert!(listed.contains(word), "{listed}");
    }
    let verified = bob.ok(&["lfs", "locks", "--verify"]);
    let own: Vec<&str> = verified.lines().filter(|line| line.starts_with('O')).collect();
    assert_eq!(own.len(), 1, "{verified}");
    assert!(own[0].contains("deep/er/weights.bin"), "{verified}");
    let one = bob.ok(&["lfs", "locks", "--path", "weights.bin", "--json"]);
    let one: Value = serde_json::from_str(&one).expect("JSON");
    assert_eq!((&one[0]["path"], &one[0]["owner"]["name"]), (&json!("weights.bin"), &json!("ada")));

    refused(&bob.run(&["lfs", "unlock", "weights.bin"]), &["ada"]);
    refused(&bob.run(&["lfs", "unlock", "--force", "weights.bin"]), &["administrator"]);
    bob.ok(&["lfs", "unlock", "deep/er/weights.bin"]);
    team.ada.ok(&["lfs", "unlock", "weights.bin"]);
    assert_eq!(bob.ok(&["lfs", "locks"]), "");
}

/// The owner of the organisation may end anyone's lock, but not by accident and not with a token that was
/// made for writing only.
#[test]
fn git_lfs_unlocks_by_force_for_an_administrator() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let team = Team::new();
    let bob = team.bob_clone();
    bob.ok(&["lfs", "lock", "weights.bin"]);
    refused(&team.ada.run(&["lfs", "unlock", "--force", "weights.bin"]), &["scope `admin`"]);
    let admin = team.place.hub.token("ada", "admin");
    team.ada.ok(&["remote", "set-url", "origin", &team.place.hub.repo_url_as("acme/m", &admin)]);
    refused(&team.ada.run(&["lfs", "unlock", "weights.bin"]), &["bob"]);
    team.ada.ok(&["lfs", "unlock", "--force", "weights.bin"]);
    assert!(team.paths("").is_empty());
}

/// Something done to a work tree.
type Change<'a> = &'a dyn Fn(&Work);

/// Bob's git-lfs has been told not to ask about locks, or Bob uses no git-lfs at all. The hub is the one
/// who says no: for a change, a deletion, a rename, a file put in a folder's place, and on a new branch too.
#[test]
fn a_push_that_changes_what_another_locked_is_refused_whether_or_not_the_client_asked() {
    let team = Team::new();
    let bob = team.bob_clone();
    team.lock("acme/m", "weights.bin", &team.place.token);
    team.lock("acme/m", "deep/er/weights.bin", &team.place.token);
    team.lock("acme/m", "planned.bin", &team.place.token);
    let before = team.main();
    let changes: [(&str, Change<'_>); 6] = [
        ("weights.bin", &|work| work.write("weights.bin", b"changed")),
        ("deep/er/weights.bin", &|work| work.write("deep/er/weights.bin", b"changed")),
        ("planned.bin", &|work| work.write("planned.bin", b"added")),
        ("weights.bin", &|work| drop(work.ok(&["rm", "-q", "weights.bin"]))),
        ("weights.bin", &|work| drop(work.ok(&["mv", "weights.bin", "other.bin"]))),
        ("deep/er/weights.bin", &|work| {
            work.ok(&["rm", "-q", "-r", "deep"]);
            work.write("deep", b"now a file");
        }),
    ];
    for (path, change) in changes {
        bob.ok(&["reset", "-q", "--hard", "origin/main"]);
        change(&bob);
        bob.commit("Change what ada works on");
        let reason = format!("`{path}` is locked by ada");
        refused(&bob.run(&["push", "origin", "main"]), &[&reason, "[remote rejected] main -> main"]);
        refused(&bob.run(&["push", "--force", "origin", "main"]), &[path]);
        refused(&bob.run(&["push", "origin", "main:refs/heads/aside"]), &[path]);
    }
    assert_eq!(team.main(), before);

    // What is not locked, a new branch of what is there, a tag and the end of a branch are Bob's to push.
    bob.ok(&["push", "-q", "origin", "origin/main:refs/heads/release", "origin/main:refs/tags/v1"]);
    bob.ok(&["push", "-q", "origin", ":refs/heads/release"]);
    bob.ok(&["reset", "-q", "--hard", "origin/main"]);
    bob.commit_file("README.md", b"Bob's words\n");
    bob.ok(&["push", "-q", "origin", "main"]);

    // Locks are no hindrance to their owner.
    team.ada.ok(&["pull", "-q", "origin", "main"]);
    team.ada.commit_file("weights.bin", b"ada's own change");
    team.ada.ok(&["push", "-q", "origin", "main"]);
    team.place.hub.fsck();
}

#[test]
fn one_locked_ref_does_not_hold_the_others_unless_the_push_is_atomic() {
    let team = Team::new();
    let bob = team.bob_clone();
    let id = team.lock("acme/m", "weights.bin", &team.place.token);
    bob.ok(&["branch", "free"]);
    bob.commit_file("weights.bin", b"changed");
    let atomic = bob.run(&["push", "--atomic", "origin", "main", "free"]);
    refused(&atomic, &["`weights.bin` is locked by ada", "atomic transaction failed"]);
    assert_eq!(bob.ok(&["ls-remote", "origin", "free"]), "");
    refused(&bob.run(&["push", "origin", "main", "free"]), &["`weights.bin` is locked by ada"]);
    assert!(bob.ok(&["ls-remote", "origin", "free"]).contains("refs/heads/free"));
    team.unlock("acme/m", &id, false, &team.place.token).expect(200);
    bob.ok(&["push", "-q", "origin", "main"]);
    team.place.hub.fsck();
}

/// Bob's push has passed every check and waits in a hook when Ada locks the file. She is told that it
/// is hers, so Bob's push must not land afterwards.
#[test]
fn a_lock_made_while_a_push_is_under_way_is_not_overrun() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let (waiting, go) = (dir.path().join("waiting"), dir.path().join("go"));
    let hook = dir.path().join("hook");
    let script = format!(
        "#!/bin/sh\nwhile read old new ref; do [ \"$ref\" = refs/heads/held ] || continue\n: >'{}'\n\
         until [ -e '{}' ]; do sleep 0.05; done; done\n",
        waiting.display(),
        go.display()
    );
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let config = format!("[hooks]\npre-receive = [\"{}\"]\n", hook.display());
    let team = Team::on(Hub::builder().config(&config).start());
    let bob = team.bob_clone();
    bob.commit_file("weights.bin", b"changed");
    std::thread::scope(|scope| {
        let push = scope.spawn(|| bob.run(&["push", "origin", "main:refs/heads/held"]));
        until("the push to wait in the hook", 30, || waiting.exists().then_some(()));
        team.lock("acme/m", "weights.bin", &team.place.token);
        std::fs::write(&go, b"").unwrap();
        refused(&push.join().expect("joined"), &["`weights.bin` is locked by ada"]);
    });
    assert_eq!(bob.ok(&["ls-remote", "origin", "held"]), "");
}

/// A06. A lock's id is a number that anyone can guess. Bob, who may write to his own repository, names
/// Ada's lock there and asks to end it, by force and as an administrator of *his* repository: he is told
/// that there is no such lock, and Ada's stays. In her repository he may write, but force is not his.
#[test]
fn a_lock_is_ended_in_its_own_repository_only_and_by_force_only_by_an_administrator() {
    let team = Team::new();
    team.place.hub.repo("bob/own");
    let id = team.lock("acme/m", "weights.bin", &team.place.token);
    let admin = team.place.hub.token("bob", "admin");
    for force in [false, true] {
        let answer = team.unlock("bob/own", &id, force, &admin).expect(404);
        assert!(answer.json()["message"].as_str().expect("text").contains("no lock"), "{}", answer.text());
        team.unlock("acme/m", &id, force, &team.bob).expect(403);
        team.unlock("acme/m", &id, force, &admin).expect(403);
        team.unlock("acme/m", &id, force, &team.rita).expect(403);
    }
    assert_eq!(team.paths(""), ["weights.bin"]);
    for unknown in ["0", "-1", "x", "99999999999999999999", "%00", "..%2F1"] {
        team.unlock("acme/m", unknown, true, &admin).expect(404);
    }
    let chief = team.place.hub.token("ada", "admin");
    let ended = team.unlock("acme/m", &id, true, &chief).expect(200).json();
    assert_eq!(ended["lock"]["path"], "weights.bin");
    team.unlock("acme/m", &id, true, &chief).expect(404);
}

#[test]
fn the_answers_are_those_of_the_locking_api() {
    let team = Team::new();
    let made = team.post("acme/m", "", &json!({"path": "a.bin", "ref": null}), &team.bob).expect(201);
    assert_eq!(made.header("content-type"), Some(LFS_JSON));
    let made = made.json();
    assert_eq!(made["lock"]["owner"], json!({"name": "bob"}));
    let at = made["lock"]["locked_at"].as_str().expect("text");
    assert!(at.len() == 20 && at.starts_with("20") && at.ends_with('Z'), "{at}");

    for token in [&team.place.token, &team.bob] {
        let taken = team.post("acme/m", "", &json!({"path": "a.bin"}), token).expect(409).json();
        assert_eq!(taken["lock"], made["lock"]);
        assert!(taken["message"].as_str().expect("text").contains("locked by bob"), "{taken}");
    }
    team.post("acme/m", "", &json!({"path": "b.bin"}), &team.rita).expect(403);
    team.post("acme/m", "/verify", &json!({}), &team.rita).expect(403);
    let seen = team.place.hub.http().get("/acme/m.git/info/lfs/locks").basic("rita", &team.rita.secret);
    assert_eq!(paths(&seen.send().expect(200).json()["locks"]), ["a.bin"], "a reader may look");

    let bad = ["", "/", "/abs", "../up", "a/../b", "a//b", "a/", ".git/config", "nul\0", "tab\t", "a\\b"];
    for path in bad.map(|path| json!({"path": path})).into_iter().chain([json!({}), json!({"path": 7})]) {
        team.post("acme/m", "", &path, &team.bob).expect(422);
    }
    assert_eq!(team.paths(""), ["a.bin"]);
    team.place.hub.cli(&["repo", "rename", "acme/m", "acme/n"]).ok();
    let after = team.place.hub.http().get("/acme/n.git/info/lfs/locks").basic("bob", &team.bob.secret);
    assert_eq!(after.send().expect(200).json()["locks"][0], made["lock"], "locks follow a rename");
}

#[test]
fn locks_are_found_by_path_id_and_ref_and_read_page_by_page() {
    let team = Team::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        let name = format!("refs/heads/{}", if n % 2 == 0 { "even" } else { "odd" });
        let body = json!({"path": format!("{n}.bin"), "ref": {"name": name}});
        let token = if n < 3 { &team.bob } else { &team.place.token };
        let made = team.post("acme/m", "", &body, token).expect(201).json();
        ids.push(made["lock"]["id"].as_str().expect("text").to_owned());
    }
    team.lock("acme/m", "any.bin", &team.bob);
    assert_eq!(team.paths("?path=3.bin"), ["3.bin"]);
    assert_eq!(team.paths("?path=none.bin"), Vec::<String>::new());
    assert_eq!(team.paths(&format!("?id={}", ids[1])), ["1.bin"]);
    assert_eq!(team.paths(&format!("?id={}&path=2.bin", ids[1])), Vec::<String>::new());
    assert_eq!(team.paths("?id=nonsense"), Vec::<String>::new());
    assert_eq!(team.paths("?path=&id=&cursor=&refspec=&limit=0").len(), 6, "empty is not given");
    assert_eq!(team.paths("?refspec=refs%2Fheads%2Fodd"), ["1.bin", "3.bin", "any.bin"]);
    assert_eq!(team.paths("?path=1.bin&refspec=refs/heads/even"), Vec::<String>::new());

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = team.list(&format!("?limit=4&cursor={cursor}"));
        seen.extend(paths(&page["locks"]));
        let Some(next) = page["next_cursor"].as_str() else { break };
        next.clone_into(&mut cursor);
        assert_eq!(seen.len(), 4);
    }
    assert_eq!(seen, ["0.bin", "1.bin", "2.bin", "3.bin", "4.bin", "any.bin"]);

    let body = json!({"limit": 4, "ref": {"name": "refs/heads/odd"}});
    let first = team.post("acme/m", "/verify", &body, &team.bob).expect(200).json();
    assert_eq!(paths(&first["ours"]), ["0.bin", "1.bin", "2.bin"]);
    assert_eq!(paths(&first["theirs"]), ["3.bin"], "whatever the ref: a push to any is held to all");
    let body = json!({"cursor": first["next_cursor"]});
    let rest = team.post("acme/m", "/verify", &body, &team.bob).expect(200).json();
    assert_eq!((paths(&rest["ours"]).len(), paths(&rest["theirs"]).len()), (1, 1));
    assert_eq!(rest.get("next_cursor"), None);
}
