//! Imports from servers without git, most of which lie.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use polder_git::{EntryKind, Snapshot};
use serde_json::{Value, json};

use super::evil::{Asked, EvilHub, Has, Said, blob, large, pointer, program, small};
use crate::exchange::ImportReport;
use crate::pull::PullOptions;
use crate::tests::transfer::sources::noise;
use crate::tests::{Fixture, fixture, name, repo};
use crate::{Error, Kind, Result};

pub(super) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const C: &str = "cccccccccccccccccccccccccccccccccccccccc";
pub(super) const MAIN: &str = "refs/heads/main";

pub(super) struct Place {
    pub(super) fixture: Fixture,
    pub(super) evil: EvilHub,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Place {
    pub(super) async fn new(files: &[(&str, Has)]) -> Self {
        let evil = EvilHub::start();
        evil.set(MAIN, A, files);
        Self { fixture: fixture().await, evil, heard: Arc::default() }
    }

    pub(super) async fn pull(&self) -> Result<ImportReport> {
        self.pull_as("acme/m", false).await
    }

    async fn pull_as(&self, there: &str, keep: bool) -> Result<ImportReport> {
        let hub = &self.fixture.hub;
        let source = hub.pull_source(&format!("hf:{there}"), Some(&self.evil.url), None, None)?;
        let heard = Arc::clone(&self.heard);
        let progress = Arc::new(move |line: &str| heard.lock().expect("lock").push(line.to_owned()));
        let options = PullOptions { keep, stays_open: false };
        Ok(hub.pull(&source, &repo("acme/open"), options, progress).await?.report)
    }

    async fn refused(&self) -> Error {
        let error = self.pull().await.expect_err("refused");
        assert_eq!(self.snapshot().await.refs().len(), 0, "{error}");
        error
    }

    pub(super) async fn snapshot(&self) -> Arc<Snapshot> {
        let hub = &self.fixture.hub;
        let id = hub.live_repo(&repo("acme/open")).await.expect("there").id;
        hub.held(id).await.expect("held").snapshot
    }

    /// Path, kind and blob of everything at a ref, folders too.
    async fn files(&self, at: &str) -> Vec<(String, EntryKind, String)> {
        let snapshot = self.snapshot().await;
        let tip = snapshot.find_ref(at).expect(at).oid;
        let page = polder_git::list_tree(&snapshot, tip, "", true, None, 1_000).expect("listed");
        page.entries.into_iter().map(|entry| (entry.path, entry.kind, entry.oid.to_string())).collect()
    }

    pub(super) async fn tip(&self, at: &str) -> polder_git::CommitInfo {
        let snapshot = self.snapshot().await;
        polder_git::commit_info(&snapshot, snapshot.find_ref(at).expect(at).oid).expect("a commit")
    }
}

fn is_tree(asked: &Asked) -> bool {
    asked.path.contains("/tree/")
}

fn is_file(asked: &Asked) -> bool {
    asked.path.contains("/resolve/")
}

fn usual() -> Vec<(&'static str, Has)> {
    vec![
        ("README.md", small("hello\n")),
        ("empty", small("")),
        ("tools/run.sh", program("#!/bin/sh\n")),
        ("tools/read.me", small("hello\n")),
        ("weights.bin", large(noise(1, 3 << 20))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_without_git_shows_becomes_a_commit_and_nothing_new_is_two_requests() {
    let place = Place::new(&usual()).await;
    let report = place.pull().await.expect("imported");
    assert_eq!(report.refs, 1);
    let pointer = pointer(&noise(1, 3 << 20)).to_string();
    let at = |path: &str, kind, oid: String| (path.to_owned(), kind, oid);
    let files = place.files(MAIN).await;
    assert_eq!(files[0], at("README.md", EntryKind::File, blob(b"hello\n")));
    assert_eq!(files[1], at("empty", EntryKind::File, blob(b"")));
    assert_eq!(files[2].1, EntryKind::Directory);
    assert_eq!(files[3], at("tools/read.me", EntryKind::File, blob(b"hello\n")));
    assert_eq!(files[4], at("tools/run.sh", EntryKind::Executable, blob(b"#!/bin/sh\n")));
    assert_eq!(files[5], at("weights.bin", EntryKind::File, blob(pointer.as_bytes())));
    assert_eq!(files.len(), 6);
    let tip = place.tip(MAIN).await;
    assert_eq!(tip.title(), format!("Import of acme/m at {A}"));
    assert_eq!(tip.body(), format!("Source-Commit: {A}"));
    assert!(tip.parents.is_empty());
    // The same content comes once, and the empty file and the pointer not at all.
    let asked = place.evil.seen();
    assert_eq!(
        asked.iter().filter(|line| line.contains("GET") && line.contains("/tools/re")).count(),
        0,
        "{asked:?}"
    );

    let again = place.pull().await.expect("nothing");
    assert_eq!((again.refs, again.objects), (0, 0));
    assert_eq!(place.evil.seen(), ["GET /api/models/acme/m", "GET /api/models/acme/m/refs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_there_is_a_child_here_and_only_what_changed_comes() {
    let place = Place::new(&usual()).await;
    place.pull().await.expect("imported");
    let first = place.tip(MAIN).await.commit_id;
    place.evil.seen();
    let mut files = usual();
    files.retain(|(path, _)| *path != "tools/run.sh" && *path != "empty");
    files[0].1 = small("changed\n");
    files.push(("more.bin", large(noise(2, 1 << 20))));
    // A folder where a file was.
    files.push(("empty/not", small("more\n")));
    place.evil.set(MAIN, B, &files);
    place.pull().await.expect("imported");
    let tip = place.tip(MAIN).await;
    assert_eq!(tip.parents, [first]);
    let paths: Vec<String> = place.files(MAIN).await.into_iter().map(|(path, ..)| path).collect();
    assert_eq!(
        paths,
        ["README.md", "empty", "empty/not", "more.bin", "tools", "tools/read.me", "weights.bin"]
    );
    let asked = place.evil.seen();
    let mut fetched: Vec<&str> =
        asked.iter().filter_map(|line| line.split(B).nth(1)?.strip_prefix('/')).collect();
    fetched.retain(|path| !path.is_empty());
    fetched.sort_unstable();
    fetched.dedup();
    assert_eq!(fetched, ["README.md", "empty/not", "more.bin"], "{asked:?}");

    // Another commit with the same files, and one without any.
    place.evil.set(MAIN, C, &files);
    place.pull().await.expect("imported");
    assert_eq!(place.tip(MAIN).await.parents, [tip.commit_id]);
    place.evil.seen();
    place.pull().await.expect("nothing");
    assert_eq!(place.evil.seen().len(), 2);
    place.evil.set(MAIN, &A.replace('a', "d"), &[]);
    place.pull().await.expect("imported");
    assert_eq!(place.files(MAIN).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_tags_come_move_and_go_and_one_revision_is_one() {
    let place = Place::new(&[("a", small("main\n"))]).await;
    place.evil.set("refs/heads/dev", B, &[("a", small("dev\n"))]);
    place.evil.set("refs/tags/v1", A, &[("a", small("main\n"))]);
    place.pull().await.expect("imported");
    let snapshot = place.snapshot().await;
    let oid = |snapshot: &Snapshot, at: &str| snapshot.find_ref(at).map(|r| r.oid);
    assert_eq!(snapshot.head(), MAIN);
    assert_eq!(oid(&snapshot, "refs/tags/v1"), oid(&snapshot, MAIN));
    assert_ne!(oid(&snapshot, "refs/heads/dev"), oid(&snapshot, MAIN));

    place.evil.set("refs/tags/v1", B, &[("a", small("dev\n"))]);
    place.evil.drop_ref("refs/heads/dev");
    place.pull_as("acme/m", true).await.expect("imported");
    let after = place.snapshot().await;
    assert_eq!(oid(&after, "refs/tags/v1"), oid(&snapshot, "refs/heads/dev"));
    assert_eq!(oid(&after, "refs/heads/dev"), None);
    // The moved tag and the deleted branch are kept, as from git.
    assert_eq!(after.refs().iter().filter(|r| r.name.starts_with("refs/polder/kept/")).count(), 2);

    // Of a server that tells no refs, the default branch.
    place.evil.tell_no_refs();
    place.evil.set(MAIN, C, &[("a", small("third\n"))]);
    place.pull().await.expect("imported");
    assert_eq!(place.tip(MAIN).await.body(), format!("Source-Commit: {C}"));
    assert!(place.snapshot().await.find_ref("refs/tags/v1").is_some());
    place.pull_as(&format!("acme/m@{A}"), false).await.expect("imported");
    assert_eq!(place.tip(MAIN).await.body(), format!("Source-Commit: {A}"));
}

fn tampered(asked: &Asked, said: Said, matches: fn(&Asked) -> bool, change: fn(Said) -> Said) -> Said {
    if matches(asked) { change(said) } else { said }
}

/// What each says in place of the truth, and how that is refused.
type Attack = (&'static str, fn(&Asked) -> bool, fn(Said) -> Said, &'static str);

fn first_path(path: &'static str) -> impl FnOnce(&mut Value) {
    move |page| {
        if let Some(entry) = page.get_mut(0) {
            entry["path"] = json!(path);
        }
    }
}

const ATTACKS: &[Attack] = &[
    ("climbs", is_tree, |said| said.changed(first_path("../x")), "`.` or `..`"),
    ("git folder", is_tree, |said| said.changed(first_path("a/.GIT/config")), "`.git`"),
    ("absolute", is_tree, |said| said.changed(first_path("/etc/passwd")), "empty"),
    (
        "twice",
        is_tree,
        |said| {
            said.changed(|page| {
                let first = page[0].clone();
                page.as_array_mut().expect("list").push(first);
            })
        },
        "twice",
    ),
    (
        "file in a file",
        is_tree,
        |said| {
            said.changed(|page| {
                let mut more = page[0].clone();
                more["path"] = json!("a.txt/x");
                page.as_array_mut().expect("list").push(more);
            })
        },
        "a.txt",
    ),
    ("submodule", is_tree, |said| said.changed(|page| page[0]["type"] = json!("commit")), "which is a"),
    ("no id", is_tree, |said| said.changed(|page| page[0]["oid"] = json!("../../x")), "does not answer as"),
    ("too large", is_tree, |said| said.changed(|page| page[0]["size"] = json!(1_u64 << 40)), "more than"),
    ("not JSON", is_tree, |said| Said { body: b"<html>".to_vec(), ..said }, "does not answer as"),
    (
        "endless",
        is_tree,
        |said| Said { body: b"[]".to_vec(), ..said }.header("Link", "</x?cursor=0>; rel=\"next\""),
        "pages",
    ),
    ("again and again", is_tree, |said| said.header("Link", "</x?cursor=0>; rel=\"next\""), "twice"),
    (
        "leads away",
        is_tree,
        |said| said.header("Link", "<https://other.example/x>; rel=\"next\""),
        "no next page",
    ),
    (
        "left out",
        is_tree,
        |said| {
            said.changed(|page| {
                page.as_array_mut().expect("list").pop();
            })
        },
        "does not list it",
    ),
    (
        "other commit",
        |asked| asked.path.contains("/revision/"),
        |said| said.changed(|info| info["sha"] = json!(B)),
        "another commit",
    ),
    (
        "no commit",
        |asked| asked.path.ends_with("/refs"),
        |said| said.changed(|refs| refs["branches"][0]["targetCommit"] = json!("../..")),
        "no commit",
    ),
    (
        "bad branch",
        |asked| asked.path.ends_with("/refs"),
        |said| said.changed(|refs| refs["branches"][0]["name"] = json!("a..b")),
        "bad name",
    ),
    ("other file's commit", is_file, |said| said.header("X-Repo-Commit", B), "another commit"),
    ("shorter", is_file, |said| Said { body: b"hell".to_vec(), ..said }, "sends 4"),
    ("longer", is_file, |said| Said { body: b"hello\nhello\n".to_vec(), ..said }, "more than it may"),
    ("other bytes", is_file, |said| Said { body: b"HELLO\n".to_vec(), ..said }, "is not blob"),
    (
        "sent to a private place",
        is_file,
        |_| Said::status(302).header("Location", "http://127.0.0.2:1/x"),
        "not at a public address",
    ),
    ("sent in circles", is_file, |_| Said::status(302).header("Location", "?x"), "redirect"),
    ("gone", is_file, |_| Said::status(404).header("X-Error-Code", "EntryNotFound"), "does not have it"),
    (
        "too long an answer",
        |asked| asked.path.ends_with("/refs"),
        |said| Said { body: vec![b' '; 33 << 20], ..said },
        "more than it may",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_refused_and_changes_nothing() {
    let place = Place::new(&[("a.txt", small("hello\n")), ("weights.bin", small("small\n"))]).await;
    let mut surprises = Vec::new();
    for (attack, matches, change, told) in ATTACKS {
        place.evil.lie(|asked, said| tampered(asked, said, *matches, *change));
        let error = place.refused().await;
        if !error.message().contains(told) {
            surprises.push(format!("{attack}: {error}"));
        }
    }
    assert_eq!(surprises, Vec::<String>::new());
    place.evil.be_honest();
    place.pull().await.expect("imported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_what_its_name_says_or_does_not_come() {
    let place = Place::new(&[("weights.bin", large(noise(1, 100_000)))]).await;
    place.evil.lie(|asked, mut said| {
        if asked.range.is_some()
            && let Some(byte) = said.body.first_mut()
        {
            *byte ^= 1;
        }
        said
    });
    let error = place.refused().await;
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    for size in [99_999, 100_001] {
        place.evil.lie(move |asked, said| {
            if is_tree(asked) { said.changed(|page| page[0]["lfs"]["size"] = json!(size)) } else { said }
        });
        let error = place.refused().await;
        assert!(matches!(error.kind(), Kind::Unavailable | Kind::Invalid), "{size}: {error}");
    }
    place.evil.be_honest();
    place.pull().await.expect("imported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_another_server_is_not_followed_there() {
    let place = Place::new(&usual()).await;
    let other = EvilHub::start();
    let elsewhere = other.url.clone();
    let own = place.evil.url.clone();
    // As a proxy that passes on what the server behind it says.
    place.evil.lie(move |_, mut said| {
        for (_, value) in &mut said.headers {
            *value = value.replace(&own, &elsewhere);
        }
        said
    });
    place.pull().await.expect("imported");
    assert_eq!(place.files(MAIN).await.len(), 6);
    assert_eq!(other.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_a_large_file_is_sent_to_is_asked_until_its_link_expires() {
    let bytes = noise(3, 34 << 20);
    let place = Place::new(&[("weights.bin", large(bytes.clone()))]).await;
    let links = AtomicUsize::new(0);
    let served = AtomicUsize::new(0);
    place.evil.lie(move |asked, said| {
        if is_file(asked) && asked.method == "GET" {
            let link = format!("/cdn/{}", links.fetch_add(1, Ordering::SeqCst));
            return Said::status(302).header("Location", link);
        }
        let (Some(_), Some((from, to))) = (asked.path.strip_prefix("/cdn/"), asked.range) else {
            return said;
        };
        // The third answer is that the link has expired.
        if served.fetch_add(1, Ordering::SeqCst) == 2 {
            return Said::status(403);
        }
        let said = Said { body: bytes[from..=to].to_vec(), ..Said::status(206) };
        said.header("Content-Range", format!("bytes {from}-{to}/{}", bytes.len()))
    });
    place.pull().await.expect("imported");
    let asked = place.evil.seen();
    let count =
        |what: &str| asked.iter().filter(|line| line.starts_with("GET") && line.contains(what)).count();
    // Those that begin at once ask at once.
    assert!(count("/resolve/") < count("/cdn/") && count("/resolve/") >= 2, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_limits_rates_is_waited_for_and_one_in_trouble_tried_again() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| match (asked.before, is_file(asked)) {
        (0, true) if asked.path.ends_with("weights.bin") && asked.method == "GET" => {
            Said::status(429).header("Retry-After", 1)
        }
        (0, _) => Said::status(429).header("RateLimit", "\"api\";r=0;t=1"),
        (1, false) => Said::status(503),
        _ => said,
    });
    place.pull().await.expect("imported");
    assert_eq!(place.files(MAIN).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_left_alone_for_long_or_fails_for_good_is_not_asked_on() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|_, _| Said::status(429).header("Retry-After", 86_400));
    let error = place.refused().await;
    assert_eq!((error.kind(), error.retry_after_seconds()), (Kind::Throttled, Some(86_400)));
    // Who may read it was asked for first, and once.
    assert_eq!(place.evil.seen().len(), 1);
    place.evil.lie(|asked, said| if asked.path.contains("/api/") { Said::status(500) } else { said });
    let error = place.refused().await;
    assert!(error.message().contains("answers 500"), "{error}");
    assert_eq!(place.evil.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_repository_says_where_to_ask_and_is_asked_for_once() {
    for files in [usual(), vec![("README.md", small("hello\n"))]] {
        let place = Place::new(&files).await;
        place.evil.lie(|asked, said| {
            if is_file(asked) { Said::status(403).header("X-Error-Code", "GatedRepo") } else { said }
        });
        let error = place.refused().await;
        assert_eq!(error.kind(), Kind::Forbidden);
        assert!(
            error.message().contains(&format!("ask for access at {}/acme/m ", place.evil.url)),
            "{error}"
        );
        let asked = place.evil.seen();
        assert_eq!(asked.iter().filter(|line| line.contains("/resolve/")).count(), 1, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_is_given_up() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| if is_tree(asked) { Said { stops_after: Some(1), ..said } } else { said });
    let begun = std::time::Instant::now();
    let error = place.refused().await;
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_namespace_has_no_room_for_is_not_begun() {
    let place = Place::new(&usual()).await;
    place.fixture.hub.set_quota(&name("acme"), polder_db::Limit::Bytes(1 << 20)).await.expect("set");
    let error = place.refused().await;
    assert_eq!(error.kind(), Kind::OverQuota, "{error}");
    assert!(place.evil.seen().iter().all(|line| !line.contains("/resolve/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_modes_nothing_explains_comes_with_a_warning() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| {
        if !is_tree(asked) {
            return said;
        }
        said.changed(|page| {
            for entry in page.as_array_mut().expect("a list") {
                if entry["type"] == "directory" {
                    entry["oid"] = json!(A);
                }
            }
        })
    });
    place.pull().await.expect("imported");
    let heard = place.heard.lock().expect("lock").join("\n");
    assert!(heard.contains("which files of `tools` may be run"), "{heard}");
}
