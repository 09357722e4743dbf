//! Packs of objects that were made to hurt whoever reads them, each with the name git has for it.

use polder_fuzz::{Pack, object_id};
use polder_git::ObjectKind;
use polder_types::ObjectId;

use ObjectKind::{Blob, Commit, Tag, Tree};

pub(crate) const WHO: &str = "Ada <ada@example.org> 1767225600 +0000";

/// One malicious pack.
#[derive(Clone)]
pub(crate) struct Malicious {
    pub(crate) name: String,
    /// What `git fsck` calls it, and we.
    pub(crate) message: &'static str,
    /// The last one is what the push makes a ref of.
    pub(crate) objects: Vec<(ObjectKind, Vec<u8>)>,
}

impl Malicious {
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut pack = Pack::default();
        for (kind, content) in &self.objects {
            pack.whole(*kind, content);
        }
        pack.finish()
    }

    pub(crate) fn tip(&self) -> ObjectId {
        let (kind, content) = self.objects.last().unwrap();
        object_id(*kind, content)
    }

    pub(crate) fn ref_name(&self) -> &'static str {
        if self.objects.last().unwrap().0 == Tag { "refs/tags/bad" } else { "refs/heads/bad" }
    }
}

/// All of them.
pub(crate) fn every() -> Vec<Malicious> {
    [names(), shapes(), modules(), attributes(), commits(), identities(), tags()].concat()
}

fn entry(mode_and_name: &str, kind: ObjectKind, content: &[u8]) -> Vec<u8> {
    [mode_and_name.as_bytes(), b"\0", object_id(kind, content).as_bytes()].concat()
}

fn commit_of(tree: &[u8]) -> Vec<u8> {
    let tree = object_id(Tree, tree);
    format!("tree {tree}\nauthor {WHO}\ncommitter {WHO}\n\nm\n").into_bytes()
}

/// A commit of that tree, whose files are all `x`.
fn in_a_commit(name: impl Into<String>, message: &'static str, tree: Vec<u8>) -> Malicious {
    let commit = commit_of(&tree);
    let objects = vec![(Blob, b"x".to_vec()), (Tree, Vec::new()), (Tree, tree), (Commit, commit)];
    Malicious { name: name.into(), message, objects }
}

/// Names that a file system takes for `.git`, or for a way out.
fn names() -> Vec<Malicious> {
    let long = "n".repeat(4097);
    [
        (".", "hasDot"),
        ("..", "hasDotdot"),
        (".git", "hasDotgit"),
        (".GIT", "hasDotgit"),
        (".git ", "hasDotgit"),
        (".git. .", "hasDotgit"),
        ("git~1", "hasDotgit"),
        ("GIT~1", "hasDotgit"),
        (".git::$INDEX_ALLOCATION", "hasDotgit"),
        (".g\u{200c}it", "hasDotgit"),
        ("\u{feff}.git", "hasDotgit"),
        ("a\\.git", "hasDotgit"),
        ("a/b", "fullPathname"),
        ("/etc", "fullPathname"),
        ("../x", "fullPathname"),
        (&long, "largePathname"),
    ]
    .into_iter()
    .map(|(name, message)| {
        let shown: String = name.chars().take(30).collect();
        in_a_commit(format!("a file called {shown:?}"), message, entry(&format!("100644 {name}"), Blob, b"x"))
    })
    .collect()
}

/// Trees that different readers would read differently.
fn shapes() -> Vec<Malicious> {
    let file = |name: &str| entry(&format!("100644 {name}"), Blob, b"x");
    let folder = |name: &str| entry(&format!("40000 {name}"), Tree, b"");
    let nothing = [&b"100644 a\0"[..], &[0; 20]].concat();
    vec![
        in_a_commit("a name twice", "duplicateEntries", [file("a"), file("a")].concat()),
        in_a_commit("a file and a folder of one name", "duplicateEntries", [file("a"), folder("a")].concat()),
        in_a_commit(
            "the same with another between",
            "duplicateEntries",
            [file("a"), file("a-b"), folder("a")].concat(),
        ),
        in_a_commit("out of order", "treeNotSorted", [file("b"), file("a")].concat()),
        in_a_commit("a folder sorted as a file", "treeNotSorted", [folder("a"), file("a.b")].concat()),
        in_a_commit("no object", "nullSha1", nothing),
        in_a_commit("a zero before the mode", "zeroPaddedFilemode", entry("0100644 a", Blob, b"x")),
        in_a_commit("cut in the id", "badTree", file("a")[..20].to_vec()),
        in_a_commit("no name", "badTree", file("")),
        in_a_commit("no mode", "badTree", entry(" a", Blob, b"x")),
        in_a_commit("a mode that is no number", "badTree", entry("10x644 a", Blob, b"x")),
    ]
}

/// `.gitmodules` files that make `git clone --recursive` run or fetch what the attacker wants.
fn modules() -> Vec<Malicious> {
    let mut all: Vec<Malicious> = [
        ("[submodule \"n\"]\n\turl = -u./payload\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = \"-u./payload\"\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = https://example.org/%0ahost=evil.example\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = ../%0ahost=evil.example\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = https::http://x\n\turl = http:///no-host\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = ../../:evil\n", "gitmodulesUrl"),
        ("[submodule \"n\"]\n\turl = -x\n[broken", "gitmodulesUrl"),
        ("[submodule \"..\"]\n\turl = x\n", "gitmodulesName"),
        ("[submodule \"a/../../b\"]\n\turl = x\n", "gitmodulesName"),
        ("[submodule \"a\\\\..\\\\b\"]\n\turl = x\n", "gitmodulesName"),
        ("[submodule \"n\"]\n\tpath = -x\n", "gitmodulesPath"),
        ("[submodule \"n\"]\n\tupdate = !touch /tmp/x\n", "gitmodulesUpdate"),
    ]
    .into_iter()
    .map(|(text, message)| {
        let tree = entry("100644 .gitmodules", Blob, text.as_bytes());
        let commit = commit_of(&tree);
        let objects = vec![(Blob, text.as_bytes().to_vec()), (Tree, tree), (Commit, commit)];
        Malicious { name: format!(".gitmodules: {text:?}"), message, objects }
    })
    .collect();
    all.extend([".gitmodules", ".GITMODULES ", "gitmod~1", "gi7eba~1", ".gitmod\u{200d}ules"].map(|name| {
        let tree = entry(&format!("120000 {name}"), Blob, b"x");
        in_a_commit(format!("a link called {name:?}"), "gitmodulesSymlink", tree)
    }));
    all.push(in_a_commit("a folder .gitmodules", "gitmodulesBlob", entry("40000 .gitmodules", Tree, b"")));
    all
}

/// `.gitattributes` files that overran git's parser (CVE-2022-23521).
fn attributes() -> Vec<Malicious> {
    let text = format!("* {}\n", "a".repeat(3000));
    let tree = entry("100644 .gitattributes", Blob, text.as_bytes());
    let commit = commit_of(&tree);
    let objects = vec![(Blob, text.into_bytes()), (Tree, tree), (Commit, commit)];
    vec![
        Malicious {
            name: "a long line of attributes".to_owned(),
            message: "gitattributesLineLength",
            objects,
        },
        in_a_commit("a folder .gitattributes", "gitattributesBlob", entry("40000 .gitattributes", Tree, b"")),
    ]
}

fn lone_commit(name: &str, message: &'static str, headers: &str) -> Malicious {
    let objects = vec![(Tree, Vec::new()), (Commit, format!("{headers}\n\nm\n").into_bytes())];
    Malicious { name: name.to_owned(), message, objects }
}

fn commits() -> Vec<Malicious> {
    let tree = object_id(Tree, b"");
    let short = &tree.to_string()[..39];
    let who = format!("author {WHO}\ncommitter {WHO}");
    let mut all = vec![
        lone_commit("no tree", "missingTree", &who),
        lone_commit("a short tree id", "badTreeSha1", &format!("tree {short}\n{who}")),
        lone_commit("a parent that is no id", "badParentSha1", &format!("tree {tree}\nparent x\n{who}")),
        lone_commit("no author", "missingAuthor", &format!("tree {tree}\ncommitter {WHO}")),
        lone_commit("no committer", "missingCommitter", &format!("tree {tree}\nauthor {WHO}")),
        lone_commit("two authors", "multipleAuthors", &format!("tree {tree}\nauthor {WHO}\n{who}")),
        lone_commit("NUL in the header", "nulInHeader", &format!("tree {tree}\n{who}\nx\0y")),
    ];
    for (name, message, end) in
        [("no end of the header", "unterminatedHeader", ""), ("NUL in the text", "nulInCommit", "\n\na\0b")]
    {
        let text = format!("tree {tree}\n{who}{end}");
        let objects = vec![(Tree, Vec::new()), (Commit, text.into_bytes())];
        all.push(Malicious { name: name.to_owned(), message, objects });
    }
    all
}

fn identities() -> Vec<Malicious> {
    let tree = object_id(Tree, b"");
    [
        ("Ada 1767225600 +0000", "missingEmail"),
        ("Ada <ada@example.org 1767225600 +0000", "badEmail"),
        ("Ada ada> 1767225600 +0000", "badName"),
        ("<ada@example.org> 1767225600 +0000", "missingNameBeforeEmail"),
        ("Ada<ada@example.org> 1767225600 +0000", "missingSpaceBeforeEmail"),
        ("Ada <ada@example.org>1767225600 +0000", "missingSpaceBeforeDate"),
        ("Ada <ada@example.org> today +0000", "badDate"),
        ("Ada <ada@example.org> 99999999999999999999 +0000", "badDateOverflow"),
        ("Ada <ada@example.org> 01767225600 +0000", "zeroPaddedDate"),
        ("Ada <ada@example.org> 1767225600 +00", "badTimezone"),
    ]
    .into_iter()
    .map(|(who, message)| {
        lone_commit(&format!("author {who}"), message, &format!("tree {tree}\nauthor {who}\ncommitter {WHO}"))
    })
    .collect()
}

fn tags() -> Vec<Malicious> {
    let tree = object_id(Tree, b"");
    [
        ("no object", "missingObject", format!("type tree\ntag t\ntagger {WHO}\n\nm\n")),
        (
            "an object that is no id",
            "badObjectSha1",
            format!("object x\ntype tree\ntag t\ntagger {WHO}\n\nm\n"),
        ),
        ("no type", "missingTypeEntry", format!("object {tree}\ntag t\ntagger {WHO}\n\nm\n")),
        ("a type that is none", "badType", format!("object {tree}\ntype x\ntag t\ntagger {WHO}\n\nm\n")),
        ("no name", "missingTagEntry", format!("object {tree}\ntype tree\ntagger {WHO}\n\nm\n")),
        (
            "a tagger without a date",
            "badDate",
            format!("object {tree}\ntype tree\ntag t\ntagger A <a@example.org> x +0000\n\nm\n"),
        ),
    ]
    .into_iter()
    .map(|(name, message, text)| Malicious {
        name: format!("a tag with {name}"),
        message,
        objects: vec![(Tree, Vec::new()), (Tag, text.into_bytes())],
    })
    .collect()
}
