//! What is SQLite's own: its files, its settings, its full disk.

use super::super::contract::{Home, inline_pack, oid, open_at, push_of, update};
use crate::tx::Verdict;
use crate::value::args;
use crate::{Error, PushOutcome};

async fn sqlite() -> Home {
    Home::open_on(None).await
}

#[tokio::test]
async fn when_the_commit_fails_nobody_of_the_batch_is_told_ok() {
    let home = sqlite().await;
    // Queued before the writer runs (one thread), so that all are one batch.
    let good = |n| {
        let db = home.db.clone();
        tokio::spawn(async move { db.set_meta(&format!("good-{n}"), "x").await })
    };
    let db = home.db.clone();
    let first = good(1);
    let bad = tokio::spawn(async move {
        db.write(|tx| {
            Box::pin(async move {
                tx.control("PRAGMA defer_foreign_keys = ON").await?;
                tx.execute("INSERT INTO member (org, user_id, role) VALUES (1, 2, 'read')", args![]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    });
    let last = good(2);
    for task in [first, bad, last] {
        let answer = task.await.unwrap();
        assert!(matches!(answer, Err(Error::Other { doing: "committing", .. })), "{answer:?}");
    }
    assert_eq!(home.db.meta("good-1").await.unwrap(), None);
    assert_eq!(home.db.storage_failed(), None);
    // And the writer goes on.
    home.db.set_meta("good-1", "x").await.unwrap();
    assert!(home.db.meta("good-1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_is_said_and_writing_goes_on_when_there_is_room() {
    let home = sqlite().await;
    let repo = home.repo("acme/a").await;
    let limit = |pages: &'static str| {
        home.db.write(move |tx| {
            Box::pin(async move {
                tx.control(pages).await?;
                Ok(Verdict::Keep(()))
            })
        })
    };
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1)]);
    let mut pack = inline_pack(&home.db, 1);
    pack.data = Some((vec![1; 128 << 10].into(), vec![1; 1 << 10].into()));
    push.pack = Some(pack);
    let full = home.db.commit_push(push.clone()).await;
    assert!(matches!(full, Err(Error::Full)), "{full:?}");
    assert_eq!(home.db.load_repo_state(repo.id).await.unwrap().unwrap().repo, repo);
    limit("PRAGMA max_page_count = 1000000").await.unwrap();
    assert!(matches!(home.push(push).await, PushOutcome::Done { changed: true, .. }));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_without_a_clean_close() {
    let mut home = sqlite().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    // Copies the files as they are, as a crash would leave them.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(home.dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let db = open_at(copy.path(), &home.millis, 1, None).await.unwrap();
    let state = db.load_repo_state(repo.id).await.unwrap().unwrap();
    assert_eq!((state.repo.generation, state.refs[0].oid), (1, oid(1)));
    db.close().await;
    home.reopen().await;
    assert_eq!(home.db.load_repo_state(repo.id).await.unwrap().unwrap(), state);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_moved_into_the_file_while_writes_go_on() {
    let home = sqlite().await;
    let repo = home.repo("acme/a").await;
    let file = home.dir.path().join("polder.db");
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    // The first checkpoint is due after some 32 MiB.
    for n in 0..1000 {
        let mut push = push_of(&repo, vec![update(&format!("refs/heads/b{n}"), 0, 1)]);
        let mut pack = inline_pack(&home.db, 1);
        pack.data = Some((vec![1; 128 << 10].into(), vec![2; 4 << 10].into()));
        push.pack = Some(pack);
        assert!(matches!(home.push(push).await, PushOutcome::Done { changed: true, .. }));
        if std::fs::metadata(&file).unwrap().len() > 16 << 20 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "no checkpoint after {n} pushes");
    }
    panic!("no checkpoint after 125 MiB");
}

#[tokio::test]
async fn the_writer_syncs_every_commit_and_holds_references_true() {
    let home = sqlite().await;
    assert_eq!(home.number("PRAGMA synchronous").await, 2);
    assert_eq!(home.number("PRAGMA foreign_keys").await, 1);
    assert_eq!(home.number("PRAGMA wal_autocheckpoint").await, 0);
    assert_eq!(home.number("SELECT COUNT(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'").await, 1);
}

#[tokio::test]
async fn a_closed_database_leaves_no_log() {
    let home = sqlite().await;
    home.repo("acme/a").await;
    home.db.close().await;
    let log = std::fs::metadata(home.dir.path().join("polder.db-wal"));
    assert!(log.map_or(0, |log| log.len()) == 0);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let home = sqlite().await;
    home.db
        .write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE _sqlx_migrations SET version = 99 WHERE version = 4", args![]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
        .unwrap();
    home.db.close().await;
    let before = std::fs::read(home.dir.path().join("polder.db")).unwrap();
    let refused = open_at(home.dir.path(), &home.millis, 1, None).await;
    assert!(matches!(refused, Err(Error::Newer { found: 99, .. })), "{refused:?}");
    assert_eq!(std::fs::read(home.dir.path().join("polder.db")).unwrap(), before);
}
