//! Object checks: the same verdict as git's own.

use super::*;
use crate::receive::hash_object;

const ID: &str = "A <a@example.org> 1700000000 +0000";

/// Packs by hand what git may refuse to pack, and compares the verdict of `git index-pack
/// --fsck-objects` (which is strict) with ours.
struct Judges {
    git: Git,
}

impl Judges {
    fn new() -> Self {
        Self { git: Git::new() }
    }

    fn compare(&self, name: &str, objects: &[(ObjectKind, &[u8])]) {
        let mut pack = Pack::new();
        for (kind, content) in objects {
            pack.entry(EntryKind::Whole(*kind), content);
        }
        let pack = pack.finish();
        let theirs = self.git.try_run(&["index-pack", "--fsck-objects", "--stdin"], &pack).err();
        let ours = push(&empty(), &pack, &[]).err();
        match (&theirs, &ours) {
            (None, None) => {}
            (Some(theirs), Some(ours)) => {
                let ours = ours.to_string();
                let id = ours.split(": ").nth(2).unwrap_or_default();
                // What git's parser cannot read at all never gets to its object checks.
                let same = theirs.contains(&format!(" {id}: ")) || theirs.contains("fatal: invalid ");
                assert!(same, "{name}: git says {theirs:?}, we say {ours:?}");
            }
            _ => panic!("{name}: git says {theirs:?}, we say {ours:?}"),
        }
    }
}

fn id_of(kind: ObjectKind, content: &[u8]) -> ObjectId {
    hash_object(kind, content).unwrap()
}

#[test]
fn commits_get_gits_verdict() {
    let judges = Judges::new();
    let tree = judges.git.tree(&[]);
    let root = judges.git.commit(tree, &[]);
    let commit = |headers: &str| format!("{headers}\n\nmessage\n");
    let person = |who: &str| commit(&format!("tree {tree}\nauthor {who}\ncommitter {ID}"));
    let mut cases = vec![
        commit(&format!("tree {tree}\nauthor {ID}\ncommitter {ID}")),
        commit(&format!("tree {tree}\nparent {root}\nauthor {ID}\ncommitter {ID}\nencoding x\ngpgsig y")),
        commit(&format!("tree {tree}\nauthor {ID}\nauthor {ID}\ncommitter {ID}")),
        commit(&format!("tree {tree}\ncommitter {ID}")),
        commit(&format!("tree {tree}\nauthor {ID}")),
        commit(&format!("author {ID}\ncommitter {ID}")),
        commit(&format!("tree {}\nauthor {ID}\ncommitter {ID}", &tree.to_string()[..39])),
        commit(&format!("tree {tree}\nparent zzz\nauthor {ID}\ncommitter {ID}")),
        format!("tree {tree}\nauthor {ID}\ncommitter {ID}"),
        format!("tree {tree}\nauthor {ID}\ncommitter {ID}\n"),
        format!("tree {tree}\nauthor {ID}\ncommitter {ID}\nx\0y\n\nm"),
        format!("tree {tree}\nauthor {ID}\ncommitter {ID}\n\nbody with \0"),
        String::new(),
        "\n\n".to_owned(),
    ];
    for who in [
        "A <a@b> 0 +0000",
        "A <a@b> 00 +0000",
        "A <a@b> 01 +0000",
        "A <a@b> -1 +0000",
        "A <a@b>  5 +0000",
        "A <a@b> 18446744073709551614 +0000",
        "A <a@b> 9223372036854775807 +0000",
        "A <a@b> 9223372036854775808 +0000",
        "A <a@b> 99999999999999999999999 +0000",
        "A <a@b> x +0000",
        "A <a@b> 5",
        "A <a@b> 5 ",
        "A <a@b> 5 0000",
        "A <a@b> 5 +000",
        "A <a@b> 5 +00000",
        "A <a@b> 5 +00a0",
        "A <a@b> 5 -1234",
        "A <a@b>5 +0000",
        "A a@b 5 +0000",
        "A <a@b 5 +0000",
        "A a@b> 5 +0000",
        "A<a@b> 5 +0000",
        "<a@b> 5 +0000",
        " <a@b> 5 +0000",
        "A <<a@b> 5 +0000",
        "A <a@b>> 5 +0000",
        "A > <a> 5 +0000",
        "A <> 5 +0000",
        "",
        " ",
        "A <a@b> 5\t+0000",
        "A <a@b>",
        "A <a@b> ",
    ] {
        cases.push(person(who));
    }
    for case in cases {
        judges.compare(&case, &[(ObjectKind::Commit, case.as_bytes())]);
    }
}

#[test]
fn tags_get_gits_verdict() {
    let judges = Judges::new();
    let tree = judges.git.tree(&[]);
    for case in [
        format!("object {tree}\ntype tree\ntag t\ntagger {ID}\n\nm\n"),
        format!("object {tree}\ntype tree\ntag t\n\nm\n"),
        format!("object {tree}\ntype tree\ntag t\ntagger A <a> x +0000\n\nm\n"),
        format!("object {tree}\ntype tree\ntag a..b\ntagger {ID}\n\nm\n"),
        format!("object {tree}\ntype tree\ntagger {ID}\n\nm\n"),
        format!("object {tree}\ntype treeish\ntag t\ntagger {ID}\n\nm\n"),
        format!("object {tree}\ntag t\ntagger {ID}\n\nm\n"),
        format!("object {tree}\ntype tree\n"),
        format!("object {tree}\n"),
        "object zz\ntype tree\ntag t\n\n".to_owned(),
        "type tree\ntag t\n\n".to_owned(),
        format!("object {tree}\ntype tree\ntag t"),
        format!("object {tree}\ntype tree\ntag \0\n\n"),
    ] {
        judges.compare(&case, &[(ObjectKind::Tag, case.as_bytes())]);
    }
}

#[test]
fn trees_get_gits_verdict() {
    let judges = Judges::new();
    let blob = judges.git.blob(b"x");
    let named = |name: &&str| tree_bytes(&[(&format!("100644 {name}"), blob)]);
    let mut cases: Vec<Vec<u8>> = TREE_NAMES.iter().map(named).collect();
    cases.extend(odd_trees(blob));
    let whole = tree_bytes(&[("100644 a", blob), ("100644 b", blob)]);
    cases.extend([1, 5, 9, 12, 28, 29, 35, 50].map(|cut| whole[..cut].to_vec()));
    for case in cases {
        judges.compare(&String::from_utf8_lossy(&case), &[(ObjectKind::Tree, &case)]);
    }
}

#[rustfmt::skip]
const TREE_NAMES: &[&str] = &[
    ".git", ".GIT", ".Git ", ".git.", ".git...", ".git . ", "git~1", "GIT~1", "git~2",
    ".git::$INDEX_ALLOCATION", ".g\u{200c}it", "\u{feff}.git", ".git\u{200d}", ".gi\u{206a}t", ".gît",
    ".", "..", "...", "a/b", "/", "a\\b", "\\.git", "a\\.git", "a\\git~1\\b", ".gitignore", "x.git",
    ".git\\x", ".git:x", "con", "a b", "模型.txt", "-x",
];

/// Orders, modes and repetitions that git would not write.
fn odd_trees(blob: ObjectId) -> Vec<Vec<u8>> {
    let zero = ObjectId::ZERO;
    let tables: [&[(&str, ObjectId)]; 27] = [
        &[],
        &[("100644 a", zero)],
        &[("0100644 a", blob)],
        &[("040000 a", blob)],
        &[("100664 a", blob)],
        &[("100600 a", blob)],
        &[("100755 a", blob), ("120000 b", blob), ("160000 c", blob)],
        &[("100644 b", blob), ("100644 a", blob)],
        &[("100644 a", blob), ("100644 a", blob)],
        &[("100644 a", blob), ("40000 a", blob)],
        &[("40000 a", blob), ("100644 a", blob)],
        &[("100644 a", blob), ("100644 a-b", blob), ("40000 a", blob)],
        &[("100644 a", blob), ("100644 a.b", blob), ("40000 a", blob)],
        &[
            ("100644 a", blob),
            ("100644 a-", blob),
            ("100644 a-b", blob),
            ("40000 a", blob),
            ("100644 a0", blob),
        ],
        &[("100644 a.b", blob), ("40000 a", blob), ("100644 a0", blob)],
        &[("40000 a", blob), ("100644 a.b", blob)],
        &[("100644 a", blob), ("100644 aa", blob), ("40000 a", blob)],
        &[("100644 ", blob)],
        &[("x a", blob)],
        &[("100648 a", blob)],
        &[(" a", blob)],
        &[("100644", blob)],
        &[("100644 .gitattributes", blob), ("100644 b", zero)],
        &[("120000 .gitmodules", blob)],
        &[("120000 .gitattributes", blob)],
        &[("120000 .GITMODULES ", blob)],
        &[("120000 gitmod~1", blob)],
    ];
    let long = |length: usize| tree_bytes(&[(&format!("100644 {}", "n".repeat(length)), blob)]);
    tables.iter().map(|entries| tree_bytes(entries)).chain([long(4096), long(4097)]).collect()
}

#[test]
fn submodule_settings_get_gits_verdict() {
    let judges = Judges::new();
    let module = |line: &str| format!("[submodule \"n\"]\n\t{line}\n");
    let mut modules = vec![
        "[submodule \"..\"]\n\turl = x\n".to_owned(),
        "[submodule \"a/../b\"]\n\turl = x\n".to_owned(),
        "[submodule \"a\\\\..\"]\n\turl = x\n".to_owned(),
        "[submodule \"a..b\"]\n\turl = x\n".to_owned(),
        "[submodule \"\"]\n\turl = x\n".to_owned(),
        "[submodule]\n\turl = -x\n".to_owned(),
        "[SUBMODULE.N]\n\tURL = -x\n".to_owned(),
        "[submodule \"n\"]\n\turl = -x\n[broken".to_owned(),
        "[broken\n[submodule \"n\"]\n\turl = -x\n".to_owned(),
        "not a config file".to_owned(),
        "[submodule \"n\"]\r\n\turl = \\\r\n-x\r\n".to_owned(),
        "[other \"..\"]\n\turl = -x\n".to_owned(),
    ];
    modules.extend(MODULE_SETTINGS.iter().map(|line| module(line)));
    for text in modules {
        let tree = tree_bytes(&[("100644 .gitmodules", id_of(ObjectKind::Blob, text.as_bytes()))]);
        judges.compare(&text, &[(ObjectKind::Tree, &tree), (ObjectKind::Blob, text.as_bytes())]);
    }
}

#[rustfmt::skip]
const MODULE_SETTINGS: &[&str] = &[
    "url = https://host/a", "url = ../a", "url = -u./x", "url = \"-x\"", "url = ../%0ahost=x",
    "url = ./a%0a", "url = https://h/%0a", "url = https::https://h/x", "url = http:///x",
    "url = https://", "url = https::x", "url = ../../:x", "url = ../:x", "url = ..//x", "url = .//x",
    "url = ..\\\\:x", "url = ssh://h/a%0a", "url = git@h:a%0a", "url = https://h:0/",
    "url = https://h:99999/", "url = https://h:x/", "url = https://h/%zz", "url = ftp://h/x",
    "url = https://[::1]:80/", "url = https://u:p@h/x", "url = https://@/x", "url = https://a b/x",
    "url", "url =", "path = -x", "path = x", "update = !cmd", "update = checkout", "update = none",
    "update", "key = !x", "url = HTTPS://", "url = https://h?x", "url = https://?x",
    "url = https://h#x",
];

#[test]
fn attribute_files_get_gits_verdict() {
    let judges = Judges::new();
    for length in [100, 2046, 2047, 2048, 2049, 5000] {
        for end in ["", "\n", "\nx y\n"] {
            let text = format!("a b\n{}{end}", "x".repeat(length));
            let tree = tree_bytes(&[("100644 .gitattributes", id_of(ObjectKind::Blob, text.as_bytes()))]);
            let objects = [(ObjectKind::Tree, &tree[..]), (ObjectKind::Blob, text.as_bytes())];
            judges.compare(&format!("a line of {length}, then {end:?}"), &objects);
        }
    }
    for name in ["40000 .gitmodules", "40000 .gitattributes"] {
        let tree = tree_bytes(&[(name, id_of(ObjectKind::Tree, b""))]);
        judges.compare(name, &[(ObjectKind::Tree, &tree), (ObjectKind::Tree, b"")]);
    }
}

#[test]
fn a_byte_order_mark_does_not_hide_a_bad_gitmodules_file() {
    // git's fsck stops at the mark, but the git that reads the checked-out file skips it.
    let git = Git::new();
    let blob = git.blob("\u{feff}[submodule \"n\"]\n\turl = -x\n".as_bytes());
    let tree = git.tree(&[("100644 .gitmodules", blob)]);
    let error = push(&empty(), &git.pack(&[tree, blob]), &[]).unwrap_err();
    assert!(error.to_string().contains("gitmodulesUrl"), "{error}");
}

#[test]
fn an_import_reports_old_blemishes_and_still_refuses_what_can_hurt() {
    let git = Git::new();
    let blob = git.blob(b"x");
    let padded = git.object("tree", &tree_bytes(&[("0100644 a", blob)]));
    let text = format!("tree {padded}\nauthor A <a> 5 +051800\ncommitter {ID}\n\nm");
    let commit = git.object("commit", text.as_bytes());
    let received = receive(&git.pack(&[commit, padded, blob])).unwrap();
    assert!(check_push(&empty(), Some(&received), &[commit], Severity::Push).is_err());
    let checked = check_push(&empty(), Some(&received), &[commit], Severity::Import).unwrap();
    let told = checked.warnings.join("\n");
    assert!(told.contains("zeroPaddedFilemode") && told.contains("badTimezone"), "{told}");

    let hostile = git.object("tree", &tree_bytes(&[("100644 .git", blob)]));
    let received = receive(&git.pack(&[hostile, blob])).unwrap();
    let error = check_push(&empty(), Some(&received), &[], Severity::Import).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("fsck error in pack: object {hostile}: hasDotgit: contains '.git'")
    );
}
