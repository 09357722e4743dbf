//! Listings against `git ls-tree`.

use std::path::Path;

use polder_types::{LfsPointer, ObjectId, Sha256};
use tempfile::TempDir;

use super::kit::{Opened, commit_all, git, git_bytes, new_repo, oid, rev, scratch, write};
use crate::{EntryKind, Error, Snapshot, TreeEntry, entry, list_files, list_tree, read_file};

/// Names that sort, quote or nest unusually; every kind of entry.
fn awkward() -> TempDir {
    let dir = new_repo();
    let path = dir.path();
    for name in ["a.b", "a/deep/er/x", "a0", "aa", "b c/d e", "模型/权重 1.bin", "é", "z"] {
        write(path, name, name.as_bytes());
    }
    write(path, "empty", b"");
    write(path, "large", &[b'x'; 5000]);
    write(path, "run", b"#!/bin/sh\n");
    git(path, &["add", "-A"]);
    git(path, &["update-index", "--chmod=+x", "run"]);
    std::os::unix::fs::symlink("a.b", path.join("link")).unwrap();
    git(path, &["add", "link"]);
    git(path, &["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", "1".repeat(40))]);
    git(path, &["commit", "-q", "-m", "awkward"]);
    dir
}

fn as_git_prints(entry: &TreeEntry) -> String {
    let (mode, kind) = match entry.kind {
        EntryKind::File => ("100644", "blob"),
        EntryKind::Executable => ("100755", "blob"),
        EntryKind::Symlink => ("120000", "blob"),
        EntryKind::Directory => ("040000", "tree"),
        EntryKind::Submodule => ("160000", "commit"),
    };
    let size = entry.size_bytes.map_or_else(|| "-".to_owned(), |size| size.to_string());
    format!("{mode} {kind} {} {size:>7}\t{}", entry.oid, entry.path)
}

fn all_pages(
    snapshot: &Snapshot,
    commit: ObjectId,
    path: &str,
    recursive: bool,
    limit: usize,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = list_tree(snapshot, commit, path, recursive, cursor.as_deref(), limit).expect("a page");
        assert!(page.entries.len() <= limit && (!page.entries.is_empty() || found.is_empty()));
        found.extend(page.entries.iter().map(as_git_prints));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

fn git_lists(dir: &Path, args: &[&str]) -> Vec<String> {
    let args = [&["ls-tree", "-l", "-z"], args].concat();
    let listed = String::from_utf8(git_bytes(dir, &args, b"")).unwrap();
    listed.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn listings_are_what_git_lists_on_pages_of_any_size() {
    let dir = awkward();
    for repack in [false, true] {
        if repack {
            git(dir.path(), &["repack", "-adq"]);
        }
        let opened = Opened::at(dir.path());
        let commit = rev(dir.path(), "HEAD");
        for limit in [1, 2, 3, 5, 1000] {
            let deep = all_pages(opened.snapshot(), commit, "", true, limit);
            assert_eq!(deep, git_lists(dir.path(), &["-r", "-t", "HEAD"]));
            let flat = all_pages(opened.snapshot(), commit, "", false, limit);
            assert_eq!(flat, git_lists(dir.path(), &["HEAD"]));
            let below = all_pages(opened.snapshot(), commit, "a", true, limit);
            let whole = git_lists(dir.path(), &["-r", "-t", "HEAD", "a/"]);
            assert_eq!(below, whole.into_iter().filter(|line| !line.ends_with("\ta")).collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_listed_path_is_found_by_its_name() {
    let dir = awkward();
    let opened = Opened::at(dir.path());
    let commit = rev(dir.path(), "HEAD");
    let page = list_tree(opened.snapshot(), commit, "", true, None, 1000).unwrap();
    assert!(page.entries.len() > 15);
    for listed in page.entries {
        assert_eq!(entry(opened.snapshot(), commit, &listed.path).unwrap(), listed);
    }
    let root = entry(opened.snapshot(), commit, "").unwrap();
    assert_eq!((root.kind, root.oid), (EntryKind::Directory, rev(dir.path(), "HEAD^{tree}")));
    for missing in ["nope", "a/", "/a", "a//deep", "a.b/x", "sub/x", "link/x", "a/deep/er/x/y", "\0", ".."] {
        let error = entry(opened.snapshot(), commit, missing).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{missing}: {error}");
    }
    for not_a_folder in ["a.b", "nope", "sub", "link"] {
        let error = list_tree(opened.snapshot(), commit, not_a_folder, true, None, 10).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{not_a_folder}: {error}");
    }
    let blob = rev(dir.path(), "HEAD:a.b");
    assert_eq!(&read_file(opened.snapshot(), blob).unwrap()[..], b"a.b");
    for not_a_blob in [root.oid, oid(&"2".repeat(40))] {
        assert!(matches!(read_file(opened.snapshot(), not_a_blob), Err(Error::NotFound { .. })));
        assert!(matches!(entry(opened.snapshot(), not_a_blob, ""), Err(Error::NotFound { .. })));
    }
}

#[test]
fn a_cursor_of_another_listing_is_refused() {
    let dir = awkward();
    let opened = Opened::at(dir.path());
    let commit = rev(dir.path(), "HEAD");
    let deep = list_tree(opened.snapshot(), commit, "", true, None, 3).unwrap().next.unwrap();
    for cursor in [deep.as_str(), "", "0", "zz", "é", "6e6f7065", "612f6e6f7065", "612e622f78"] {
        let error = list_tree(opened.snapshot(), commit, "", cursor != deep, Some(cursor), 3).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{cursor}: {error}");
    }
}

#[test]
fn names_that_are_not_text_are_listed_and_paged_past() {
    let dir = scratch();
    git(dir.path(), &["init", "-q", "--bare"]);
    let blob = String::from_utf8(git_bytes(dir.path(), &["hash-object", "-w", "--stdin"], b"x")).unwrap();
    let mut lines = Vec::new();
    for name in [b"\xff\xfe".as_slice(), b"\xc4\xa3\xd0\xcd.bin", b"plain"] {
        lines.extend_from_slice(format!("100644 blob {}\t", blob.trim()).as_bytes());
        lines.extend_from_slice(name);
        lines.push(0);
    }
    let tree = String::from_utf8(git_bytes(dir.path(), &["mktree", "-z"], &lines)).unwrap();
    let commit = git(dir.path(), &["commit-tree", "-m", "raw", tree.trim()]);
    git(dir.path(), &["update-ref", "refs/heads/main", &commit]);
    let opened = Opened::at(dir.path());
    let commit = oid(&commit);
    let whole = all_pages(opened.snapshot(), commit, "", true, 10);
    assert_eq!(whole.len(), 3);
    assert_eq!(all_pages(opened.snapshot(), commit, "", true, 1), whole);
    assert!(whole[2].ends_with("\t\u{fffd}\u{fffd}"), "{whole:?}");
    let page = list_tree(opened.snapshot(), commit, "", true, None, 10).unwrap();
    let asked: Vec<_> = page.entries.iter().filter(|entry| entry.can_be_asked_for()).collect();
    assert_eq!(asked.iter().map(|entry| &*entry.path).collect::<Vec<_>>(), ["plain"]);
    let files = list_files(opened.snapshot(), commit, 10, 10).unwrap();
    assert_eq!((files.files.iter().collect::<Vec<_>>(), files.is_whole), (asked, true));
}

#[test]
fn folders_do_not_count_as_files_and_a_list_says_whether_it_is_whole() {
    let dir = awkward();
    let opened = Opened::at(dir.path());
    let commit = rev(dir.path(), "HEAD");
    let listed = git_lists(dir.path(), &["-r", "HEAD"]);
    let expected: Vec<_> = listed.into_iter().filter(|line| !line.contains(" commit ")).collect();
    let entries = git_lists(dir.path(), &["-r", "-t", "HEAD"]).len();
    let list = |files_max, entries_max| {
        let list = list_files(opened.snapshot(), commit, files_max, entries_max).unwrap();
        (list.files.iter().map(as_git_prints).collect::<Vec<_>>(), list.is_whole)
    };
    let all = expected.len();
    assert!(entries > all + 5, "folders, and a submodule");
    assert_eq!(list(100, 100), (expected.clone(), true));
    assert_eq!(list(all, entries), (expected.clone(), true), "to the last one");
    assert_eq!(list(all - 1, entries), (expected[..all - 1].to_vec(), false));
    let (some, is_whole) = list(100, entries - 1);
    assert!(some.len() >= all - 1 && !is_whole, "{some:?}");
    assert_eq!(list(100, 0), (vec![], false));
}

#[test]
fn only_small_files_that_git_lfs_would_fetch_are_pointers() {
    let dir = new_repo();
    let pointer = LfsPointer { oid: Sha256::new([7; 32]), size_bytes: 12 };
    write(dir.path(), "pointer", pointer.to_string().as_bytes());
    write(dir.path(), "padded", format!("{pointer}{}", "\n".repeat(1024)).as_bytes());
    write(dir.path(), "text", b"version 2");
    std::os::unix::fs::symlink(pointer.to_string(), dir.path().join("link")).unwrap();
    let commit = commit_all(dir.path(), "pointers");
    let opened = Opened::at(dir.path());
    let pointer_at = |path| entry(opened.snapshot(), commit, path).unwrap().pointer;
    assert_eq!(pointer_at("pointer"), Some(pointer));
    for path in ["padded", "text", "link"] {
        assert_eq!(pointer_at(path), None, "{path}");
    }
}
