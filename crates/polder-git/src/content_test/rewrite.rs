//! Rewriting history, with `git filter-branch` as the oracle.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use polder_types::{ObjectId, Sha256};

use super::kit::{
    Opened, assert_sound, branch, commit_all, git, git_bytes, new_repo, oid, pointer, rev, write,
};
use crate::{Error, Rewritten, rewrite_without};

/// The large object whose hash is this digit over and over.
fn object(digit: &str) -> BTreeSet<Sha256> {
    BTreeSet::from([digit.repeat(64).parse().unwrap()])
}

fn rewrite(dir: &Path, digit: &str) -> crate::Result<Rewritten> {
    rewrite_without(Opened::at(dir).snapshot(), &object(digit))
}

/// Where each ref is once the new history is there.
fn refs(dir: &Path) -> Vec<(String, ObjectId)> {
    let all = git(dir, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"]);
    let pair = |line: &str| line.split_once(' ').map(|(name, id)| (name.to_owned(), oid(id)));
    all.lines().filter_map(pair).collect()
}

/// Gives a repository the new objects and refs.
fn apply(dir: &Path, rewritten: &Rewritten) {
    git_bytes(dir, &["unpack-objects", "-q"], &rewritten.pack);
    for command in &rewritten.commands {
        git(dir, &["update-ref", &command.name, &command.new.to_string(), &command.old.to_string()]);
    }
}

/// A history of two branches that were merged, with the pointer `a` at several places, alone in a folder, and
/// gone from one path; a signed commit at its end, and tags.
fn history(dir: &Path) {
    write(dir, "README.md", b"1\n");
    commit_all(dir, "before");
    git(dir, &["tag", "-a", "-m", "before", "v0"]);
    write(dir, "w.bin", pointer("a").as_bytes());
    write(dir, "deep/er/w.bin", pointer("a").as_bytes());
    write(dir, "kept.bin", pointer("b").as_bytes());
    commit_all(dir, "add");
    branch(dir, "other", "main", |dir| write(dir, "deep/text", b"2\n"));
    git(dir, &["checkout", "-q", "main"]);
    write(dir, "w.bin", pointer("b").as_bytes());
    commit_all(dir, "another");
    git(dir, &["merge", "-q", "--no-edit", "other"]);
    git(dir, &["tag", "-a", "-m", "merged\n\nin two lines", "v1"]);
    let commit = git(dir, &["cat-file", "commit", "HEAD"]);
    let signature = "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n wsBz\n -----END PGP SIGNATURE-----\n\n";
    let signed = commit.replacen("\n\n", signature, 1);
    let signed = git_bytes(dir, &["hash-object", "-t", "commit", "-w", "--stdin"], signed.as_bytes());
    let signed = String::from_utf8(signed).unwrap();
    git(dir, &["update-ref", "refs/heads/signed", signed.trim()]);
}

#[test]
fn history_is_rewritten_as_git_does_it() {
    let (ours, theirs) = (new_repo(), new_repo());
    for dir in [&ours, &theirs] {
        history(dir.path());
    }
    assert_eq!(refs(ours.path()), refs(theirs.path()));
    let blob = rev(theirs.path(), "other:w.bin");
    let filter = format!(
        "git ls-files -s | awk '$2 == \"{blob}\" {{print $4}}' | xargs -r git rm -q --cached --ignore-unmatch --"
    );
    // It waits ten seconds for second thoughts, unless told not to.
    let alias = "alias.rewrite=!FILTER_BRANCH_SQUELCH_WARNING=1 git filter-branch";
    let options = ["--index-filter", &filter, "--tag-name-filter", "cat", "--", "--all"];
    git(theirs.path(), &[&["-c", alias, "rewrite"][..], &options].concat());

    let before = refs(ours.path());
    let rewritten = rewrite(ours.path(), "a").unwrap();
    apply(ours.path(), &rewritten);
    assert_eq!(refs(ours.path()), refs(theirs.path()));
    assert_sound(ours.path());
    let moved: HashSet<&str> = rewritten.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(
        moved,
        HashSet::from(["refs/heads/main", "refs/heads/other", "refs/heads/signed", "refs/tags/v1"])
    );
    assert!(before.contains(&("refs/tags/v0".to_owned(), rev(ours.path(), "v0"))));
    assert_eq!(rewrite(ours.path(), "a").unwrap().commands, []);
}

#[test]
fn a_commit_of_nothing_but_the_file_keeps_its_place_with_an_empty_tree() {
    let repo = new_repo();
    write(repo.path(), "w.bin", pointer("a").as_bytes());
    commit_all(repo.path(), "only");
    apply(repo.path(), &rewrite(repo.path(), "a").unwrap());
    assert_eq!(git(repo.path(), &["ls-tree", "-r", "main"]), "");
    assert_eq!(git(repo.path(), &["log", "--format=%s", "main"]), "only");
    assert_sound(repo.path());
}

#[test]
fn the_tag_of_a_file_that_goes_is_named_and_a_signed_tag_is_signed_no_more() {
    let repo = new_repo();
    write(repo.path(), "w.bin", pointer("a").as_bytes());
    let commit = commit_all(repo.path(), "one");
    let signed = format!(
        "object {commit}\ntype commit\ntag v1\ntagger A <a@example.org> 1700000000 +0000\n\nfirst\n\
         -----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"
    );
    let tag = git_bytes(repo.path(), &["hash-object", "-t", "tag", "-w", "--stdin"], signed.as_bytes());
    git(repo.path(), &["update-ref", "refs/tags/v1", String::from_utf8(tag).unwrap().trim()]);
    let rewritten = rewrite(repo.path(), "a").unwrap();
    let blob = rev(repo.path(), "main:w.bin").to_string();
    git(repo.path(), &["tag", "file", &blob]);
    let refused = rewrite(repo.path(), "a").unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { message } if message.contains("refs/tags/file")),
        "{refused:?}"
    );
    git(repo.path(), &["tag", "-d", "file"]);
    apply(repo.path(), &rewritten);
    let text = git(repo.path(), &["cat-file", "tag", "v1"]);
    assert!(text.ends_with("\n\nfirst") && !text.contains(&commit.to_string()), "{text}");
}
