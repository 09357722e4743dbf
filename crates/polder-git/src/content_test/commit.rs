//! Commits written without a working tree, against those that git makes.

use std::collections::BTreeMap;

use bytes::Bytes;
use polder_types::{LfsPointer, ObjectId, PackId, Sha256};
use proptest::prelude::*;

use super::kit::{
    Hub, assert_sound, author, commit_all, delete, delete_folder, empty_snapshot, git, git_bytes, index,
    new_repo, oid, put, scratch, write,
};
use crate::{Change, Error, Ref, Snapshot, WrittenCommit, write_commit};

/// Kinds of the objects of a pack, as git counts them.
fn kinds(written: &WrittenCommit) -> String {
    let dir = scratch();
    let (_, index) = index(&written.whole_pack().unwrap(), dir.path());
    let said = git(dir.path(), &["verify-pack", "-v", index.to_str().unwrap()]);
    let mut kinds: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    kinds.retain(|kind| ["commit", "tree", "blob", "tag"].contains(kind));
    kinds.sort_unstable();
    kinds.join(" ")
}

fn executable(path: &str, content: &str) -> Change {
    Change::Write { path: path.to_owned(), content: Bytes::from(content.to_owned()), executable: true }
}

fn refusal(result: crate::Result<WrittenCommit>) -> String {
    match result {
        Err(Error::Refused { message }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_chain_of_commits_has_the_trees_that_git_makes() {
    let dir = new_repo();
    let path = dir.path();
    let mut hub = Hub::new();
    let pointer = LfsPointer { oid: Sha256::new([7; 32]), size_bytes: 12 };
    let first = [
        put("README.md", "# 模型\n"),
        put("a.b", "1"),
        put("a/x", "2"),
        put("a/deep/er/y z", "3"),
        put("a0", "4"),
        executable("run", "#!"),
        put("空 格/权重.bin", ""),
        Change::WritePointer { path: "big.safetensors".to_owned(), pointer },
    ];
    let written = hub.commit(&first).unwrap();
    for (name, content) in [
        ("README.md", "# 模型\n"),
        ("a.b", "1"),
        ("a/x", "2"),
        ("a/deep/er/y z", "3"),
        ("a0", "4"),
        ("run", "#!"),
    ] {
        write(path, name, content.as_bytes());
    }
    write(path, "空 格/权重.bin", b"");
    write(path, "big.safetensors", pointer.to_string().as_bytes());
    git(path, &["add", "-A"]);
    git(path, &["update-index", "--chmod=+x", "run"]);
    assert_eq!(written.tree_id.to_string(), git(path, &["write-tree"]));

    let changes = [
        delete("a/deep/er/y z"),
        delete("a.b"),
        put("a.b/now a folder", "5"),
        delete_folder("空 格/"),
        put("空 格", "now a file"),
        executable("a0", "4"),
        put("run", "plain"),
    ];
    let written = hub.commit(&changes).unwrap();
    std::fs::remove_file(path.join("a/deep/er/y z")).unwrap();
    std::fs::remove_file(path.join("a.b")).unwrap();
    std::fs::remove_dir_all(path.join("空 格")).unwrap();
    write(path, "a.b/now a folder", b"5");
    write(path, "空 格", b"now a file");
    write(path, "run", b"plain");
    git(path, &["add", "-A"]);
    git(path, &["update-index", "--chmod=+x", "a0"]);
    git(path, &["update-index", "--chmod=-x", "run"]);
    assert_eq!(written.tree_id.to_string(), git(path, &["write-tree"]));

    let all = [delete_folder("a"), delete_folder("a.b")];
    let rest = ["README.md", "a0", "run", "空 格", "big.safetensors"].map(delete);
    let written = hub.commit(&[all.as_slice(), rest.as_slice()].concat()).unwrap();
    assert_eq!(written.tree_id.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    hub.commit(&[put("again", "6")]).unwrap();

    let out = scratch();
    hub.export(out.path());
    assert_sound(out.path());
    assert_eq!(git(out.path(), &["rev-list", "--count", "main"]), "4");
    let text = git(out.path(), &["log", "-1", "--format=%an|%ae|%at|%cn|%s|%P", "main~3"]);
    assert_eq!(text, "王 A|a@example.org|1700000000|王 A|Change|");
}

#[test]
fn only_what_changed_is_written() {
    let mut hub = Hub::new();
    let many: Vec<Change> = (0..300).map(|n| put(&format!("d{}/e/f{n}", n % 3), &n.to_string())).collect();
    assert_eq!(kinds(&hub.commit(&many).unwrap()).matches("tree").count(), 7);
    let one = hub.commit(&[put("d1/e/f1", "new")]).unwrap();
    assert_eq!(kinds(&one), "blob commit tree tree tree");
    let renamed = hub.commit(&[delete("d1/e/f1"), put("d1/g", "new")]).unwrap();
    assert_eq!(kinds(&renamed), "commit tree tree tree");
    let mode_only = hub.commit(&[executable("d1/g", "new")]).unwrap();
    assert_eq!(kinds(&mode_only), "commit tree tree");
    let same_twice = hub.commit(&[put("d2/e/f2", "twin"), put("d2/h", "twin")]).unwrap();
    assert_eq!(kinds(&same_twice), "blob commit tree tree tree");
    let last_wins = hub.commit(&[put("d2/h", "lost"), put("d2/h", "kept")]).unwrap();
    assert_eq!(kinds(&last_wins), "blob commit tree tree");
}

#[test]
fn what_cannot_be_done_is_refused_and_says_what() {
    let mut hub = Hub::new();
    hub.commit(&[put("file", "1"), put("dir/inner", "2")]).unwrap();
    for (changes, words) in [
        (vec![put("dir", "x")], "`dir` is a folder"),
        (vec![put("file/x/y", "x")], "`file` is a file, so `file/x/y` cannot"),
        (vec![put("new", "x"), put("new/below", "x")], "`new` is a file"),
        (vec![], "nothing to commit"),
        (vec![put("file", "1")], "nothing to commit"),
        (vec![delete_folder("dir"), put("dir/inner", "2")], "nothing to commit"),
        (vec![put(".git/config", "x")], "`.git`"),
        (vec![put("a/../b", "x")], "`..`"),
    ] {
        let message = refusal(hub.commit(&changes));
        assert!(message.contains(words), "{changes:?}: {message}");
    }
    for change in [
        delete("nope"),
        delete("dir"),
        delete("dir/"),
        delete("dir/nope"),
        delete("file/x"),
        delete(""),
        delete_folder("nope"),
        delete_folder("file"),
        delete_folder(""),
        delete_folder("/"),
        delete_folder("dir/inner"),
    ] {
        let error = hub.commit(std::slice::from_ref(&change)).unwrap_err();
        let kind = if matches!(change, Change::Delete { .. }) { "file" } else { "folder" };
        let words = format!("A {kind} with this name doesn't exist");
        assert!(
            matches!(&error, Error::NotFound { what } if what.starts_with(&words)),
            "{change:?}: {error}"
        );
    }
    let twice = hub.commit(&[delete("file"), delete("file")]).unwrap_err();
    assert!(matches!(twice, Error::NotFound { .. }), "{twice}");
    let nobody = oid(&"3".repeat(40));
    let error =
        write_commit(&hub.snapshot, Some(nobody), &[put("a", "b")], None, &author(), "m").unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let first_and_empty = write_commit(&empty_snapshot(), None, &[], None, &author(), "m");
    assert!(refusal(first_and_empty).contains("nothing to commit"));
}

#[test]
fn a_file_too_large_for_git_is_refused_by_its_name() {
    let content =
        Bytes::from(vec![0; usize::try_from(polder_types::limits::GIT_OBJECT_BYTES_MAX).unwrap() + 1]);
    let change = Change::Write { path: "w.bin".to_owned(), content, executable: false };
    let error = write_commit(&empty_snapshot(), None, &[change], None, &author(), "m").unwrap_err();
    assert!(matches!(&error, Error::TooLarge { message } if message.contains("`w.bin`")), "{error}");
}

#[test]
fn historic_modes_become_todays_only_where_a_tree_is_touched() {
    let dir = new_repo();
    let path = dir.path();
    write(path, "kept/a", b"1");
    write(path, "touched/a", b"1");
    let head = commit_all(path, "base");
    let blob = git(path, &["rev-parse", "HEAD:kept/a"]);
    let mut old = b"100664 a\0".to_vec();
    old.extend_from_slice(oid(&blob).as_bytes());
    let tree_of = |data: &[u8]| {
        let made = git_bytes(path, &["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], data);
        oid(String::from_utf8(made).unwrap().trim())
    };
    let inner = tree_of(&old);
    let mut root = Vec::new();
    for name in ["kept", "touched"] {
        root.extend_from_slice(format!("040000 {name}\0").as_bytes());
        root.extend_from_slice(inner.as_bytes());
    }
    let root = tree_of(&root);
    let commit = git(path, &["commit-tree", "-p", &head.to_string(), "-m", "historic", &root.to_string()]);
    git(path, &["update-ref", "refs/heads/main", &commit]);
    let opened = super::kit::Opened::at(path);
    let changes = [put("touched/b", "2")];
    let written =
        write_commit(opened.snapshot(), Some(oid(&commit)), &changes, None, &author(), "m").unwrap();
    let out = scratch();
    std::fs::write(out.path().join("p"), written.whole_pack().unwrap()).unwrap();
    git_bytes(path, &["unpack-objects", "-q"], &written.whole_pack().unwrap());
    let listed = git(path, &["ls-tree", "-r", "-t", &written.commit_id.to_string()]);
    let modes: Vec<_> = listed.lines().map(|line| line.split([' ', '\t']).next().unwrap()).collect();
    // The untouched folder is the same object as before; git shows its file's mode as it reads it.
    assert_eq!(modes, ["040000", "100644", "040000", "100644", "100644"]);
    assert!(
        listed.contains(&format!("tree {inner}\tkept"))
            && !listed.contains(&format!("tree {inner}\ttouched"))
    );
    let raw = git_bytes(path, &["cat-file", "tree", &written.tree_id.to_string()], b"");
    assert!(raw.starts_with(b"40000 kept\0"));
}

#[test]
fn a_written_commit_is_accepted_as_a_push_is() {
    let mut hub = Hub::new();
    hub.commit(&[put("a/b", "1"), put("c", "2")]).unwrap();
    let parent = hub.snapshot.find_ref("refs/heads/main").map(|found| found.oid);
    let changes = [delete("a/b"), put("d", "1"), put("模型/w", "3")];
    let written = write_commit(&hub.snapshot, parent, &changes, None, &author(), "m").unwrap();
    let quarantine = scratch();
    let received = crate::index_pack(
        PackId(9),
        &mut written.whole_pack().unwrap().as_ref(),
        quarantine.path(),
        &crate::IndexLimits::default(),
        &mut |_| {},
    );
    let received = received.expect("indexes").expect("a pack");
    let checked =
        crate::check_push(&hub.snapshot, Some(&received), &[written.commit_id], crate::Severity::Push);
    assert_eq!(checked.expect("passes every check").warnings, Vec::<String>::new());
}

/// Paths that get into each other's way.
const PATHS: [&str; 10] = ["a", "a/b", "a/b/c", "a.b", "a0", "b/a", "b/a/d", "b/e", "模", "模/型"];

/// Receives the commit as the hub does.
fn land(snapshot: &Snapshot, written: &WrittenCommit) -> Snapshot {
    let dir = scratch();
    let limits = crate::IndexLimits::default();
    let received = crate::index_pack(
        PackId(1),
        &mut written.whole_pack().unwrap().as_ref(),
        dir.path(),
        &limits,
        &mut |_| {},
    );
    let tip = Ref { name: "refs/heads/main".to_owned(), oid: written.commit_id, peeled: None };
    let mut packs = snapshot.packs().to_vec();
    packs.push(received.expect("indexes").expect("a pack").pack);
    Snapshot::new(1, "refs/heads/main".to_owned(), vec![tip], packs)
}

/// What a commit should do to a flat list of files; `None` where it must fail.
fn model(files: &BTreeMap<String, String>, changes: &[Change]) -> Option<BTreeMap<String, String>> {
    let mut files = files.clone();
    for change in changes {
        match change {
            Change::Delete { path } => drop(files.remove(path)?),
            Change::DeleteFolder { path } => {
                let before = files.len();
                files.retain(|name, _| !name.starts_with(&format!("{path}/")));
                if files.len() == before {
                    return None;
                }
            }
            _ => {}
        }
    }
    for change in changes {
        if let Change::Write { path, content, .. } = change {
            files.insert(path.clone(), String::from_utf8(content.to_vec()).unwrap());
        }
    }
    let conflict = files.keys().any(|a| files.keys().any(|b| b.starts_with(&format!("{a}/"))));
    (!conflict).then_some(files)
}

fn change() -> impl Strategy<Value = Change> {
    (0..PATHS.len(), 0..4, "[xy]?").prop_map(|(path, what, content)| match what {
        0 => delete(PATHS[path]),
        1 => delete_folder(PATHS[path]),
        _ => put(PATHS[path], &content),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn edits_and_writing_afresh_give_the_same_tree(steps in prop::collection::vec(prop::collection::vec(change(), 1..4), 1..8)) {
        let mut files = BTreeMap::new();
        let mut snapshot = empty_snapshot();
        let mut tip: Option<(ObjectId, ObjectId)> = None;
        for changes in steps {
            let parent = tip.map(|(commit, _)| commit);
            let result = write_commit(&snapshot, parent, &changes, None, &author(), "m");
            let Some(after) = model(&files, &changes) else {
                prop_assert!(result.is_err(), "{changes:?} on {files:?}");
                continue;
            };
            let afresh: Vec<Change> = after.iter().map(|(path, content)| put(path, content)).collect();
            let expected = match write_commit(&empty_snapshot(), None, &afresh, None, &author(), "m") {
                Ok(written) => written.tree_id,
                Err(_) => oid("4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            };
            if tip.map(|(_, tree)| tree) == Some(expected) {
                let refused = matches!(result, Err(Error::Refused { .. }));
                prop_assert!(refused);
                continue;
            }
            let written = result.unwrap();
            prop_assert_eq!(written.tree_id, expected);
            snapshot = land(&snapshot, &written);
            tip = Some((written.commit_id, written.tree_id));
            files = after;
        }
    }
}
