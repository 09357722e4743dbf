//! Where polder differs from git's own server on purpose, a test for each.

use super::super::fixture::{Source, gits};
use super::exchange::{Answer, ask_git, ask_polder};
use crate::Protocol;
use crate::pkt_line::{write_delim, write_flush, write_line};

/// The answers of polder and of git.
fn ask(source: &Source, arguments: &[String]) -> (Answer, Answer) {
    let mut body = Vec::new();
    write_line(&mut body, "command=fetch");
    write_delim(&mut body);
    for argument in arguments {
        write_line(&mut body, argument);
    }
    write_line(&mut body, "done");
    write_flush(&mut body);
    let dir = source.dir.path().join(".git");
    let ours = ask_polder(&source.snapshot(), Protocol::V2, &body, &dir);
    (ours, ask_git(&gits()[0], &dir, Protocol::V2, &body))
}

fn refusal(answer: &Answer) -> Option<&str> {
    answer.lines.iter().find_map(|line| line.strip_prefix("ERR "))
}

fn with_hidden() -> Source {
    let mut source = Source::with_history();
    source.git(&["checkout", "-q", "--detach"]);
    source.write("secret.txt", b"hidden content\n");
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.repack();
    source
}

/// storage.md §5: provably reachable from visible refs. Git's version 2 gives whatever is stored.
#[test]
fn what_no_visible_ref_reaches_is_refused_where_git_sends_it() {
    let source = with_hidden();
    for wanted in ["refs/polder/hidden", "refs/polder/hidden:secret.txt", "refs/polder/hidden^{tree}"] {
        let id = source.oid(wanted);
        let (ours, gits) = ask(&source, &[format!("want {id}")]);
        assert_eq!(refusal(&ours), Some(format!("upload-pack: not our ref {id}").as_str()));
        assert!(gits.pack.unwrap().objects.contains(&id), "{wanted}");
    }
}

/// storage.md §5: a have proves something only if visible refs reach it. Git takes it for common, so its
/// answer tells whether the hidden object is stored.
#[test]
fn a_have_that_is_hidden_counts_for_nothing_where_git_builds_on_it() {
    let source = with_hidden();
    let arguments =
        [format!("want {}", source.oid("main")), format!("have {}", source.oid("refs/polder/hidden"))];
    let (ours, gits) = ask(&source, &arguments);
    let all = source.git(&["rev-list", "--objects", "main"]).lines().count();
    assert_eq!(ours.pack.unwrap().objects.len(), all);
    assert_eq!(gits.pack.map_or(0, |pack| pack.objects.len()), 0);
}

/// storage.md §5: explicit wants are exempt; a partial clone lacks what its haves seem to imply.
#[test]
fn what_is_wanted_by_name_is_sent_whatever_the_haves_imply() {
    let source = Source::with_history();
    let (blob, main, have) = (source.oid("main~1:data/file-0.txt"), source.oid("main"), source.oid("main~1"));
    let arguments = [format!("want {blob}"), format!("want {main}"), format!("have {have}")];
    let (ours, gits) = ask(&source, &arguments);
    assert!(ours.pack.unwrap().objects.contains(&blob));
    assert!(!gits.pack.unwrap().objects.contains(&blob));
}

/// A combined filter lets through what each part lets through. Git's forgets an object that one part
/// took before another refused it, and never sends it: here a file that the
/// newer commit has too deep.
#[test]
fn each_part_of_a_combined_filter_decides_by_itself() {
    let mut source = Source::empty();
    source.write("top", b"small\n");
    source.commit("older");
    source.git(&["rm", "-q", "top"]);
    source.write("deep/er/copy", b"small\n");
    source.commit("newer");
    source.repack();
    let filter = "filter combine:blob:limit=30+tree:2".to_owned();
    let (ours, gits) = ask(&source, &[filter, format!("want {}", source.oid("main"))]);
    let blob = source.oid("main:deep/er/copy");
    assert!(ours.pack.unwrap().objects.contains(&blob));
    assert!(!gits.pack.unwrap().objects.contains(&blob));
}

/// Of commits of one second git walks those that are wanted first. One that proves to be the client's only
/// afterwards stays in its list, and it leaves out what is in that one's tree too. Polder walks the client's first,
/// and leaves out the trees of the parents of what it sends.
#[test]
fn what_git_leaves_out_by_the_order_of_its_walk_may_be_sent() {
    let mut source = Source::empty();
    source.write("file", b"content\n");
    source.commit("older");
    for message in ["newer", "newest"] {
        source.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }
    source.git(&["checkout", "-q", "--orphan", "other"]);
    source.git(&["commit", "-q", "-m", "of the same second"]);
    source.repack();
    let (older, newest, other) = (source.oid("main~2"), source.oid("main"), source.oid("other"));
    let arguments = [format!("want {older}"), format!("want {other}"), format!("have {newest}")];
    let (ours, gits) = ask(&source, &arguments);
    let tree = [other, source.oid("other^{tree}"), source.oid("other:file")];
    assert_eq!(ours.pack.unwrap().objects, tree.into());
    assert_eq!(gits.pack.unwrap().objects, [other].into());
}
