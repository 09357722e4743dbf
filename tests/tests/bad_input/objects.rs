//! Objects that git itself would refuse.

use polder_fuzz::object_id;
use polder_tests::{Client, Git, Work, have, pack_of, push_body, zero};

use crate::malicious::{Malicious, every};
use crate::place::{CAPABILITIES, Place, refuses};

/// Distinct malicious packs that the suite is known to hold (attack A18 asks for 40).
const PACKS_MIN: usize = 70;

#[test]
fn every_malicious_pack_is_refused_by_the_name_git_has_for_it() {
    if !have(&[Client::OldGit, Client::NewGit]) {
        return;
    }
    let place = Place::new();
    let all = every();
    assert!(all.len() >= PACKS_MIN, "{}", all.len());
    let judges = ["/usr/bin/git", "/usr/local/bin/git"].map(|binary| Judge::new(binary, &all));
    for case in &all {
        for judge in &judges {
            judge.refuses(case);
        }
        let tip = case.tip().to_string();
        let body = push_body(&[(&zero(), &tip, case.ref_name())], CAPABILITIES, &case.pack());
        let answer = place.push(body);
        refuses(&case.name, &answer);
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(told.contains(&format!(": {}: ", case.message)), "{}: {told}", case.name);
        place.is_unchanged();
    }
    place.hub.fsck();
}

/// Git 2.39 does not know these yet, and takes them.
const NEWER: &[&str] = &["largePathname"];

/// One version of git, and what its `fsck --strict` says of every pack's objects.
struct Judge {
    git: Git,
    is_new: bool,
    dir: tempfile::TempDir,
    checked: String,
}

impl Judge {
    fn new(binary: &str, all: &[Malicious]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(dir.path()).with_binary(binary);
        git.ok(dir.path(), &["init", "-q", "--bare", "."]);
        for case in all {
            // Without checks, as a careless server would take it.
            git.with_input(dir.path(), &["unpack-objects", "-q"], &case.pack()).ok();
        }
        let checked = git.run(dir.path(), &["fsck", "--strict", "--no-dangling"]).fails();
        Self { git, is_new: binary == "/usr/local/bin/git", dir, checked }
    }

    /// Both commands refuse it, in the words of the message.
    fn refuses(&self, case: &Malicious) {
        if !self.is_new && NEWER.contains(&case.message) {
            return;
        }
        let name = format!("{}: {}", self.git.label(), case.name);
        let id = format!("{}: ", case.message);
        let args = ["index-pack", "--strict", "--fsck-objects", "--stdin"];
        let indexed = self.git.with_input(self.dir.path(), &args, &case.pack()).fails();
        let ids: Vec<String> =
            case.objects.iter().map(|(kind, data)| object_id(*kind, data).to_string()).collect();
        let about = |line: &&str| ids.iter().any(|id| line.contains(id.as_str()));
        let checked: Vec<&str> = self.checked.lines().filter(about).collect();
        assert!(!checked.is_empty(), "{name}: fsck says nothing");
        if indexed.contains(&id) || checked.iter().any(|line| line.contains(&id)) {
            return;
        }
        // What its parser cannot read at all does not get as far as the checks.
        assert!(checked.iter().any(|line| line.contains("could not be parsed")), "{name}: {checked:?}");
        if self.is_new {
            let (kind, content) = case.objects.last().unwrap();
            let args = ["hash-object", "-t", kind.as_str(), "--stdin"];
            let hashed = self.git.with_input(self.dir.path(), &args, content).fails();
            assert!(hashed.contains(&id), "{name}: {indexed} {checked:?} {hashed}");
        }
    }
}

#[test]
fn a_branch_must_be_a_commit() {
    let place = Place::new();
    let work: &Work = &place.work;
    for object in ["HEAD:README.md", "HEAD^{tree}"] {
        let id = work.ok(&["rev-parse", object]);
        let pack = pack_of(work, &[&id]);
        let body = push_body(&[(&zero(), &id, "refs/heads/not-a-commit")], CAPABILITIES, &pack);
        refuses("a branch that is no commit", &place.push(body));
    }
    place.is_unchanged();
}
