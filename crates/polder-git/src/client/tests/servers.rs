//! Real servers in every protocol.

use super::{Local, each_server, list};
use crate::upload_pack::fixture::Source;

#[test]
fn every_ref_and_object_arrives_from_each_server_in_each_protocol() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let expected = source.git(&["rev-list", "--objects", "--all"]).lines().count();
    each_server(&snapshot, source.dir.path(), |name, server| {
        let listed = list(server).unwrap();
        assert_eq!(listed.head.as_deref(), Some("refs/heads/main"), "{name}");
        let refs: Vec<_> = snapshot.visible_refs().cloned().collect();
        assert_eq!(listed.refs, refs, "{name}");
        let mut local = Local::empty();
        let received = local.mirror(server).unwrap();
        assert_eq!((received.len(), local.all().len()), (expected, expected), "{name}");
        assert!(
            local.said.iter().any(|line| line.starts_with("Enumerating objects")),
            "{name}: {:?}",
            local.said
        );
    });
}

#[test]
fn what_is_here_already_is_not_sent_again() {
    let mut source = Source::with_history();
    let before = source.snapshot();
    let mut locals = Vec::new();
    each_server(&before, source.dir.path(), |_, server| {
        let mut local = Local::empty();
        local.mirror(server).unwrap();
        locals.push(local);
    });
    source.commit_round(20);
    source.git(&["tag", "-a", "v3", "-m", "three"]);
    source.git(&["branch", "-D", "side"]);
    source.repack();
    let after = source.snapshot();
    let mut locals = locals.into_iter();
    each_server(&after, source.dir.path(), |name, server| {
        let mut local = locals.next().unwrap();
        // commit, 4 trees, 3 blobs; the tag
        assert_eq!(local.mirror(server).unwrap().len(), 9, "{name}");
        local.all();
        assert_eq!(local.mirror(server).unwrap().len(), 0, "{name}: nothing new");
    });
}

#[test]
fn a_force_push_brings_the_new_history_and_only_that() {
    let mut source = Source::with_history();
    let before = source.snapshot();
    let mut locals = Vec::new();
    each_server(&before, source.dir.path(), |_, server| {
        let mut local = Local::empty();
        local.mirror(server).unwrap();
        locals.push(local);
    });
    source.git(&["reset", "-q", "--hard", "main~4"]);
    source.commit_round(30);
    source.repack();
    let after = source.snapshot();
    let mut locals = locals.into_iter();
    each_server(&after, source.dir.path(), |name, server| {
        let mut local = locals.next().unwrap();
        // commit, 4 trees, 3 blobs: the new tip's parent is found among what is here
        assert_eq!(local.mirror(server).unwrap().len(), 8, "{name}");
        local.all();
    });
}

#[test]
fn an_empty_repository_has_no_refs_and_tells_its_branch_where_it_can() {
    let source = Source::empty();
    let snapshot = source.snapshot();
    each_server(&snapshot, source.dir.path(), |name, server| {
        let listed = list(server).unwrap();
        assert!(listed.refs.is_empty(), "{name}");
        let told = name.ends_with("V2").then(|| "refs/heads/main".to_owned());
        assert_eq!(listed.head, told, "{name}");
        assert_eq!(Local::empty().mirror(server).unwrap().len(), 0);
    });
}

#[test]
fn an_object_is_fetched_by_its_id() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let wanted = source.oid("main~5");
    let expected = source.git(&["rev-list", "--objects", "main~5"]).lines().count();
    each_server(&snapshot, source.dir.path(), |name, server| {
        let mut local = Local::empty();
        assert_eq!(local.fetch(server, &[wanted], Vec::new()).unwrap().len(), expected, "{name}");
        let absent = "12".repeat(20).parse().unwrap();
        let refused = local.fetch(server, &[absent], Vec::new()).unwrap_err().to_string();
        assert!(refused.contains("not our ref") || refused.contains("hung up"), "{name}: {refused}");
    });
}

#[test]
fn a_shallow_source_is_refused_by_name() {
    let source = Source::with_history();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", source.dir.path().display());
    source.git(&["clone", "-q", "--bare", "--depth", "2", &url, dir.path().to_str().unwrap()]);
    let snapshot = source.snapshot();
    each_server(&snapshot, dir.path(), |name, server| {
        if name.starts_with("polder") {
            return;
        }
        let refused = Local::empty().mirror(server).unwrap_err().to_string();
        assert!(refused.contains("is a shallow clone"), "{name}: {refused}");
    });
}

#[test]
fn a_sha256_source_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let source = Source::empty();
    let there = dir.path().to_str().unwrap();
    source.git(&["init", "-q", "--object-format=sha256", there]);
    source.git(&["-C", there, "commit", "-q", "--allow-empty", "-m", "x"]);
    let snapshot = source.snapshot();
    let mut asked = 0;
    each_server(&snapshot, dir.path(), |name, server| {
        if name.starts_with("polder") {
            return;
        }
        let refused = list(server).unwrap_err().to_string();
        assert!(refused.contains("SHA-256"), "{name}: {refused}");
        asked += 1;
    });
    assert!(asked >= 3);
}
