//! Import and export, compared with what stock git makes of the same repositories.
#![cfg(test)]

use std::path::{Path, PathBuf};

use polder_tests::{Client, Git, Hub, Work, fixtures, have};

const FIXTURES: [&str; 5] =
    ["acme/tiny-llama", "acme/tiny-zh", "datasets/acme/poems", "acme/history", "acme/empty"];

struct Place {
    hub: Hub,
    git: Git,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        hub.acme();
        let dir = tempfile::tempdir().unwrap();
        Self { hub, git: Git::new(dir.path()), dir }
    }

    fn import(&self, source: &Path, id: &str) {
        self.hub.cli(&["repo", "import", source.to_str().unwrap(), id]).ok();
    }

    fn export(&self, id: &str, name: &str) -> PathBuf {
        let dir = self.dir.path().join(name);
        self.hub.cli(&["repo", "export", id, dir.to_str().unwrap()]).ok();
        dir
    }

    /// The refs that the hub shows for `id`, in the form of [`Git::refs`].
    fn served(&self, id: &str) -> String {
        let listed = self.git.ok(self.dir.path(), &["ls-remote", "--refs", &self.hub.repo_url(id)]);
        let swap = |line: &str| line.split_once('\t').map(|(oid, name)| format!("{name} {oid}")).unwrap();
        listed.lines().map(swap).collect::<Vec<_>>().join("\n")
    }
}

/// Every file below `dir`, relative, with its content.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn assert_same_repository(git: &Git, ours: &Path, theirs: &Path) {
    assert_eq!(git.refs(ours), git.refs(theirs), "refs of {}", ours.display());
    assert_eq!(git.objects(ours), git.objects(theirs), "objects of {}", ours.display());
    let head = |dir: &Path| git.ok(dir, &["symbolic-ref", "HEAD"]);
    assert_eq!(head(ours), head(theirs));
    git.fsck(ours);
    let large = |dir: &Path| files(&dir.join("lfs/objects"));
    let names = |dir: &Path| large(dir).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs), "large objects of {}", ours.display());
    assert!(large(ours) == large(theirs), "large objects of {}", ours.display());
}

#[test]
fn what_is_imported_is_exported_clones_alike_and_survives_fsck() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    for id in FIXTURES {
        let source = fixtures().join(format!("{id}.git"));
        place.import(&source, id);
        assert_eq!(place.served(id), place.git.refs(&source), "{id}");
        let exported = place.export(id, &format!("{}.git", id.replace('/', "_")));
        assert_same_repository(&place.git, &exported, &source);
        assert_eq!(place.git.ok(&exported, &["rev-parse", "--is-bare-repository"]), "true");

        let name = format!("{}-clone", id.replace('/', "_"));
        place.git.ok(place.dir.path(), &["clone", "-q", "--mirror", &place.hub.repo_url(id), &name]);
        let clone = place.dir.path().join(&name);
        assert_eq!(place.git.objects(&clone), place.git.objects(&source), "{id}");
        place.git.fsck(&clone);
        // An exported repository is a source like any other.
        let again = format!("{id}-2");
        place.import(&exported, &again);
        assert_eq!(place.served(&again), place.git.refs(&source), "{id}");
    }
    place.hub.fsck();
}

#[test]
fn importing_again_updates_to_exactly_the_refs_of_the_source() {
    let place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    work.ok(&["branch", "gone"]);
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    let source = work.path();
    place.import(&source, "acme/m");
    assert_eq!(place.served("acme/m"), place.git.refs(&source));

    place.import(&source, "acme/m");
    assert_eq!(place.served("acme/m"), place.git.refs(&source), "nothing new is nothing changed");

    work.commit_file("b", b"b\n");
    work.ok(&["branch", "-D", "gone"]);
    work.ok(&["branch", "new"]);
    work.ok(&["tag", "-d", "v1"]);
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    work.ok(&["branch", "-m", "main", "trunk"]);
    place.import(&source, "acme/m");
    assert_eq!(place.served("acme/m"), place.git.refs(&source));
    let head = work.ok(&["ls-remote", "--symref", &place.hub.repo_url("acme/m"), "HEAD"]);
    assert!(head.starts_with("ref: refs/heads/trunk\tHEAD"), "HEAD is the source's too: {head}");
    place.hub.fsck();
}

#[test]
fn exporting_again_updates_and_removes_what_is_gone() {
    let place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    work.ok(&["branch", "gone"]);
    place.import(&work.path(), "acme/m");
    let exported = place.export("acme/m", "m.git");
    assert_eq!(place.git.refs(&exported), place.git.refs(&work.path()));
    for step in 0..3 {
        work.commit_file("b", format!("{step}\n").as_bytes());
        work.ok(&["branch", &format!("step{step}")]);
        let _absent = work.run(&["branch", "-D", "gone"]);
        place.import(&work.path(), "acme/m");
        place.export("acme/m", "m.git");
        assert_eq!(place.git.refs(&exported), place.git.refs(&work.path()));
        place.git.fsck(&exported);
    }
}

#[test]
fn import_leaves_the_refs_of_the_hub_itself_alone() {
    let place = Place::new();
    let work = Work::new();
    let tip = work.commit_file("a", b"a\n");
    work.ok(&["update-ref", "refs/pr/1", &tip]);
    work.ok(&["update-ref", "refs/polder/x", &tip]);
    work.ok(&["update-ref", "refs/notes/n", &tip]);
    place.import(&work.path(), "acme/m");
    assert_eq!(place.served("acme/m"), format!("refs/heads/main {tip}\nrefs/notes/n {tip}"));
}

#[test]
fn import_reads_every_shape_a_repository_has_on_disk() {
    let place = Place::new();
    let work = Work::new();
    for n in 0..20 {
        work.commit_file(&format!("file{n}"), format!("{n}\n").as_bytes());
    }
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    let expected = place.git.refs(&work.path());

    place.import(&work.path(), "acme/loose");
    work.ok(&["gc", "-q"]);
    assert!(work.path().join(".git/packed-refs").exists());
    place.import(&work.path(), "acme/packed");
    place.import(&work.path().join(".git"), "acme/dot-git");

    let tree = work.beside("linked tree");
    work.ok(&["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    place.import(&tree, "acme/worktree");
    let shared = work.beside("shared");
    let source = work.path().display().to_string();
    work.git.ok(&work.beside(""), &["clone", "-q", "--bare", "--shared", &source, "shared"]);
    place.import(&shared, "acme/alternates");
    let separate = work.beside("separate");
    let dir = work.beside("elsewhere.git").display().to_string();
    work.git.ok(&work.beside(""), &["clone", "-q", "--separate-git-dir", &dir, &source, "separate"]);
    place.import(&separate, "acme/git-file");

    for id in ["loose", "packed", "dot-git", "worktree", "alternates"] {
        assert_eq!(place.served(&format!("acme/{id}")), expected, "{id}");
    }
    assert!(place.served("acme/git-file").contains("refs/heads/main"));
    place.hub.fsck();
}

#[test]
fn import_refuses_by_name_what_it_cannot_hold() {
    if !have(&[Client::NewGit]) {
        return;
    }
    let place = Place::new();
    let work = Work::new();
    for n in 0..5 {
        work.commit_file("a", format!("{n}\n").as_bytes());
    }
    let url = format!("file://{}", work.path().display());
    work.ok(&["config", "uploadpack.allowFilter", "true"]);
    let beside = work.beside("");
    work.git.ok(&beside, &["clone", "-q", "--bare", "--depth", "1", &url, "shallow"]);
    work.git.ok(&beside, &["clone", "-q", "--bare", "--filter=blob:none", &url, "partial"]);
    work.git.ok(&beside, &["init", "-q", "--object-format=sha256", "sha256"]);
    let new = work.git.clone().with_binary("/usr/local/bin/git");
    new.ok(&beside, &["init", "-q", "--ref-format=reftable", "reftable"]);
    std::fs::create_dir(beside.join("nothing")).unwrap();

    for (name, word) in [
        ("shallow", "shallow"),
        ("partial", "partial"),
        ("sha256", "sha256"),
        ("reftable", "reftable"),
        ("nothing", "nothing"),
        ("missing", "missing"),
    ] {
        let source = beside.join(name);
        let told = place.hub.cli(&["repo", "import", source.to_str().unwrap(), "acme/x"]).fails();
        assert!(told.to_lowercase().contains(word), "{name}: {told}");
    }
    let list = place.hub.cli(&["repo", "list"]).ok();
    assert!(!list.contains("acme/x"), "what is refused makes no repository: {list}");
}

#[test]
fn import_names_the_large_objects_that_the_source_lacks() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let source = place.dir.path().join("incomplete.git");
    let from = fixtures().join("acme/tiny-llama.git");
    place.git.ok(place.dir.path(), &["clone", "-q", "--mirror", from.to_str().unwrap(), "incomplete.git"]);
    let told = place.hub.cli(&["repo", "import", source.to_str().unwrap(), "acme/m"]).fails();
    assert!(told.contains("model.safetensors"), "{told}");
    let oid = files(&from.join("lfs/objects"))[0].0.rsplit('/').next().unwrap().to_owned();
    assert!(told.contains(&oid) || told.contains(&files(&from.join("lfs/objects"))[1].0[6..]), "{told}");

    // Bytes that are not what their name says are not taken either.
    let copy = place.dir.path().join("forged.git");
    place.git.ok(place.dir.path(), &["clone", "-q", "--mirror", from.to_str().unwrap(), "forged.git"]);
    for (name, mut bytes) in files(&from.join("lfs/objects")) {
        let path = copy.join("lfs/objects").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        bytes[0] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    place.hub.cli(&["repo", "import", copy.to_str().unwrap(), "acme/m"]).fails();
    place.hub.fsck();
}

#[test]
fn import_and_export_work_without_a_running_server() {
    let mut place = Place::new();
    place.hub.stop();
    let source = fixtures().join("acme/history.git");
    place.import(&source, "acme/history");
    let exported = place.export("acme/history", "out.git");
    assert_same_repository(&place.git, &exported, &source);
    place.hub.fsck();
}
