//! Data of an older version goes on with this one, however its upgrade was interrupted; data of a newer
//! one is left alone.
#![cfg(test)]

use std::path::{Path, PathBuf};

use polder_tests::{Git, Hub, Token, Work, program, run, workspace_root};

/// A data directory as `fixtures/make-data-0001` made it with the first schema.
fn first_schema(hub: &Hub) -> Token {
    let archive = workspace_root().join("fixtures/data-0001.tar.gz");
    run(program("/usr/bin/tar").arg("-xzf").arg(archive).arg("-C").arg(hub.data().parent().unwrap())).ok();
    let secret = std::fs::read_to_string(hub.data().join("secret")).unwrap().trim().to_owned();
    Token { user: "ada".to_owned(), secret }
}

fn sql(data: &Path, statement: &str) -> String {
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
        print(db.execute(sys.argv[2]).fetchall()); db.commit()";
    run(program("/usr/bin/python3").args(["-c", script]).arg(data.join("polder.db")).arg(statement)).ok()
}

const STEPS: &str = "SELECT COUNT(*) FROM _sqlx_migrations";

fn works(hub: &Hub, token: &Token) {
    let work = Work::new();
    let git = Git::new(&work.beside(""));
    for repo in ["acme/tiny-llama", "acme/noise"] {
        let into: PathBuf = work.beside(&repo.replace('/', "-"));
        git.ok(
            &work.beside(""),
            &["clone", "-q", "--mirror", &hub.repo_url_as(repo, token), into.to_str().unwrap()],
        );
        git.fsck(&into);
    }
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/new", token), "main"]);
    // What the new version counts and records is there for what the old one stored, too.
    let quota = hub.cli(&["quota", "show", "acme", "--json"]).ok();
    let quota: serde_json::Value = serde_json::from_str(&quota).unwrap();
    assert!(quota[0]["blob_bytes"].as_i64() == Some(4232 + 2184), "{quota}");
    assert!(quota[0]["pack_bytes"].as_i64() > Some(140_000), "{quota}");
    hub.cli(&["audit", "verify"]).ok();
    let lists = || hub.stored_files().iter().filter(|name| name.ends_with(".chunks")).count();
    let listed = polder_tests::poll(30, || (lists() == hub.stored_objects().len()).then_some(()));
    assert!(listed.is_some(), "objects without a chunk list: {:?}", hub.stored_files());
    hub.fsck();
    let said = hub.cli(&["repo", "add", "acme/gone"]).fails();
    assert!(said.contains("not given out again"), "{said}");
}

#[test]
fn the_first_schema_goes_on_however_often_its_upgrade_is_killed() {
    let mut hub = Hub::builder().prepare();
    let token = first_schema(&hub);
    let (mut killed, mut steps) = (0, sql(hub.data(), STEPS));
    assert_eq!(steps, "[(1,)]");
    // Each start gets one step further and dies right after it.
    while hub.try_serve(Some("db.migrated")).is_err() {
        killed += 1;
        let now = sql(hub.data(), STEPS);
        assert_ne!(now, steps, "a start that dies after a step has made that step\n{}", hub.log());
        steps = now;
        assert!(killed < 50, "{}", hub.log());
    }
    assert!(killed >= 1, "there is something to upgrade");
    works(&hub, &token);
}

#[test]
fn the_first_schema_goes_on_in_one_go() {
    let mut hub = Hub::builder().prepare();
    let token = first_schema(&hub);
    hub.serve(None);
    works(&hub, &token);
}

#[test]
fn a_newer_schema_is_refused_with_a_reason_and_left_alone() {
    let mut hub = Hub::builder().prepare();
    first_schema(&hub);
    hub.serve(None);
    hub.stop();
    sql(
        hub.data(),
        "UPDATE _sqlx_migrations SET version = 99 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)",
    );
    let before = std::fs::read(hub.data().join("polder.db")).unwrap();
    hub.try_serve(None).expect_err("it must not start");
    assert!(hub.log().contains("schema 99"), "{}", hub.log());
    let said = hub.cli(&["repo", "list"]).fails();
    assert!(said.contains("schema 99"), "{said}");
    assert_eq!(std::fs::read(hub.data().join("polder.db")).unwrap(), before);
}
