//! Which repositories of its home a mirror has.

use polder_tests::Work;

use crate::Pair;

#[test]
fn other_rules_hold_for_what_was_heard_of_before() {
    let pair = Pair::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    for name in ["acme/one", "acme/two"] {
        pair.home.repo(name);
        pair.push(&work, name, &["main"]);
    }
    pair.follow(&["--select", "acme/one"]);
    pair.in_step("one");
    assert_eq!(pair.state("acme/two"), None);
    pair.follow(&["--select", "acme/*"]);
    pair.in_step("two");

    // What is no longer selected stays as it is; what is new, is not.
    pair.follow(&["--select", "acme/three"]);
    let before = pair.refs(&pair.mirror, &format!("{}/one", pair.namespace)).expect("it is here");
    work.commit_file("b", b"b\n");
    pair.home.repo("acme/three");
    for name in ["acme/one", "acme/three"] {
        pair.push(&work, name, &["main"]);
    }
    pair.in_step("three");
    assert_eq!(pair.refs(&pair.mirror, &format!("{}/one", pair.namespace)), Some(before));
    assert_eq!(pair.state("acme/one").as_deref(), Some("known"));
}

#[test]
fn a_hub_is_followed_by_licence_as_the_cards_say() {
    let pair = Pair::new();
    let refused = pair.mirror.cli(&["follow", &pair.base(), "--select", "licence:mit"]).fails();
    assert!(refused.contains("`licence:mit` is no rule"), "{refused}");
    let works = [("m", "mit"), ("n", "apache-2.0")].map(|(name, license)| {
        let work = Work::new();
        pair.home.repo(&format!("acme/{name}"));
        work.commit_file("README.md", format!("---\nlicense: {license}\n---\n").as_bytes());
        pair.push(&work, &format!("acme/{name}"), &["main"]);
        work
    });
    pair.follow(&["--select", "license:mit"]);
    pair.in_step("m");
    let other = format!("{}/n", pair.namespace);
    assert_eq!(pair.refs(&pair.mirror, &other), None);
    works[1].commit_file("README.md", b"---\nlicense: mit\n---\n");
    pair.push(&works[1], "acme/n", &["main"]);
    pair.in_step("n");
}
