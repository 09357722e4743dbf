//! What is not true is refused, and changes nothing.

use serde_json::{Value, json};

use super::super::evil::{Asked, EvilHub, Said, large, small};
use super::{B, MAIN, Place, is_file, is_tree, usual};
use crate::Kind;
use crate::tests::transfer::sources::noise;

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
