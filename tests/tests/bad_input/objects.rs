//! Objects that git itself would refuse.

use polder_tests::{pack_exactly, pack_of, push_body, zero};

use crate::place::{CAPABILITIES, Place, refuses};

#[test]
fn objects_that_git_fsck_refuses_are_refused() {
    let place = Place::new();
    let work = &place.work;
    let blob = work.ok(&["hash-object", "-w", "README.md"]);
    let raw: Vec<u8> = (0..20).map(|n| u8::from_str_radix(&blob[2 * n..2 * n + 2], 16).unwrap()).collect();
    let entry = |mode: &str, name: &str| [format!("{mode} {name}\0").into_bytes(), raw.clone()].concat();
    let store = |kind: &str, bytes: &[u8]| {
        work.git
            .with_input(&work.path(), &["hash-object", "-t", kind, "-w", "--literally", "--stdin"], bytes)
            .ok()
    };
    let modules = store("blob", b"[submodule \"x\"]\n\tpath = x\n\turl = -upload-pack=evil\n");
    let module_raw: Vec<u8> =
        (0..20).map(|n| u8::from_str_radix(&modules[2 * n..2 * n + 2], 16).unwrap()).collect();

    let trees: Vec<(&str, Vec<u8>)> = vec![
        ("hasDotgit", entry("100644", ".git")),
        ("hasDotgit, other case", entry("100644", ".GIT")),
        ("hasDotgit, NTFS", entry("100644", "git~1")),
        ("hasDot", entry("100644", ".")),
        ("hasDotdot", entry("100644", "..")),
        ("fullPathname", entry("100644", "a/b")),
        ("emptyName", entry("100644", "")),
        ("duplicateEntries", [entry("100644", "a"), entry("100644", "a")].concat()),
        ("treeNotSorted", [entry("100644", "b"), entry("100644", "a")].concat()),
        ("gitmodulesSymlink", entry("120000", ".gitmodules")),
        ("gitmodulesUrl", [b"100644 .gitmodules\0".to_vec(), module_raw].concat()),
        ("a cut tree", entry("100644", "a")[..15].to_vec()),
    ];
    let who = "Ada <ada@example.org> 1767225600 +0000";
    for (what, bytes) in trees {
        let tree = store("tree", &bytes);
        let commit = store("commit", format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n").as_bytes());
        refuse_objects(&place, what, &commit, &[&commit, &tree, &blob, &modules]);
    }
    let tree = work.ok(&["rev-parse", "HEAD^{tree}"]);
    for (what, text) in [
        ("missingAuthor", format!("tree {tree}\ncommitter {who}\n\nx\n")),
        ("missingCommitter", format!("tree {tree}\nauthor {who}\n\nx\n")),
        ("missingTree", format!("author {who}\ncommitter {who}\n\nx\n")),
        ("badTimezone", format!("tree {tree}\nauthor Ada <a@b> 1 +00\ncommitter {who}\n\nx\n")),
        ("missingEmail", format!("tree {tree}\nauthor Ada 1767225600 +0000\ncommitter {who}\n\nx\n")),
        ("badParentSha1", format!("tree {tree}\nparent xyz\nauthor {who}\ncommitter {who}\n\nx\n")),
        ("empty", String::new()),
    ] {
        let commit = store("commit", text.as_bytes());
        refuse_objects(&place, what, &commit, &[&commit, &tree]);
    }
    // A branch must be a commit.
    for id in [&blob, &tree] {
        let body =
            push_body(&[(&zero(), id, "refs/heads/not-a-commit")], CAPABILITIES, &pack_of(work, &[id]));
        refuses("a branch that is no commit", &place.push(body));
    }
    place.is_unchanged();
}

/// Pushes exactly `ids` with a new branch at `commit`, which must be refused.
fn refuse_objects(place: &Place, what: &str, commit: &str, ids: &[&str]) {
    let body =
        push_body(&[(&zero(), commit, "refs/heads/bad")], CAPABILITIES, &pack_exactly(&place.work, ids));
    refuses(what, &place.push(body));
}
