//! Group commit: isolation, durability, and what happens when a commit fails.

use super::{Home, inline_pack, oid, open_at, push_of, update};
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Error, PushOutcome};

const SET: &str = "INSERT INTO meta (name, value) VALUES ($1, 'x')";

async fn set(db: &Db, name: String) -> crate::Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            tx.execute(SET, args![name]).await?;
            Ok(Verdict::Keep(()))
        })
    })
    .await
}

#[tokio::test]
async fn a_failing_write_takes_no_other_of_its_batch_with_it() {
    let home = Home::open().await;
    home.db.set_meta("7", "taken").await.unwrap();
    let mut tasks = Vec::new();
    // Queued before the writer runs (one thread), so that many share a batch.
    for n in 0..100 {
        let db = home.db.clone();
        tasks.push(tokio::spawn(async move {
            db.write(move |tx| {
                Box::pin(async move {
                    tx.execute(SET, args![format!("before-{n}")]).await?;
                    // Every third fails half-way, every third undoes itself.
                    if n % 3 == 0 {
                        tx.execute(SET, args!["7"]).await?;
                    }
                    let keep = n % 3 == 1;
                    tx.execute(SET, args![format!("after-{n}")]).await?;
                    Ok(if keep { Verdict::Keep(n) } else { Verdict::Discard(n) })
                })
            })
            .await
        }));
    }
    for (n, task) in tasks.into_iter().enumerate() {
        let answer = task.await.unwrap();
        match n % 3 {
            0 => assert!(matches!(answer, Err(Error::Conflict { .. })), "{n} {answer:?}"),
            _ => assert_eq!(answer.unwrap(), n),
        }
        for name in [format!("before-{n}"), format!("after-{n}")] {
            assert_eq!(home.db.meta(&name).await.unwrap().is_some(), n % 3 == 1, "{name}");
        }
    }
}

#[tokio::test]
async fn when_the_commit_fails_nobody_of_the_batch_is_told_ok() {
    let home = Home::open().await;
    // Queued before the writer runs (one thread), so that all are one batch.
    let good = |n| {
        let db = home.db.clone();
        tokio::spawn(async move { set(&db, format!("good-{n}")).await })
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
    set(&home.db, "good-1".to_owned()).await.unwrap();
    assert!(home.db.meta("good-1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_is_said_and_writing_goes_on_when_there_is_room() {
    let home = Home::open().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_pushes_to_one_branch_have_one_winner_and_to_many_branches_only_winners() {
    let mut home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let mut tasks = Vec::new();
    for n in 1..=32 {
        let mut push =
            push_of(&repo, vec![update("refs/heads/main", 0, n), update(&format!("refs/heads/b{n}"), 0, n)]);
        push.pack = Some(inline_pack(&home.db, n));
        let db = home.db.clone();
        tasks.push(tokio::spawn(async move { (n, db.commit_push(push).await.unwrap()) }));
    }
    let mut generations = Vec::new();
    let mut winners = Vec::new();
    for task in tasks {
        let (n, outcome) = task.await.unwrap();
        let PushOutcome::Done { generation, refs, .. } = outcome else { panic!("{outcome:?}") };
        generations.push(generation);
        assert_eq!(refs[1].result, Ok(()));
        if refs[0].result.is_ok() {
            winners.push(oid(n));
        }
    }
    generations.sort_unstable();
    assert_eq!(generations, (1..=32).collect::<Vec<i64>>());
    home.reopen().await;
    let state = home.db.load_repo_state(repo.id).await.unwrap().unwrap();
    assert_eq!((state.refs.len(), state.packs.len(), state.repo.generation), (33, 32, 32));
    let main = state.refs.iter().find(|row| row.name == "refs/heads/main").unwrap();
    assert_eq!(winners, vec![main.oid]);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_without_a_clean_close() {
    let mut home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    // Copies the files as they are, as a crash would leave them.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(home.dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let db = open_at(&copy, &home.millis).await;
    let state = db.load_repo_state(repo.id).await.unwrap().unwrap();
    assert_eq!((state.repo.generation, state.refs[0].oid), (1, oid(1)));
    db.close().await;
    home.reopen().await;
    assert_eq!(home.db.load_repo_state(repo.id).await.unwrap().unwrap(), state);
}

#[tokio::test]
async fn a_closed_database_takes_no_write_and_leaves_no_log() {
    let home = Home::open().await;
    home.repo("acme/a").await;
    home.db.close().await;
    assert!(set(&home.db, "late".to_owned()).await.is_err());
    assert!(home.db.meta("late").await.is_err());
    let log = std::fs::metadata(home.dir.path().join("polder.db-wal"));
    assert!(log.map_or(0, |log| log.len()) == 0);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let home = Home::open().await;
    home.db
        .write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE _sqlx_migrations SET version = 99", args![]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
        .unwrap();
    home.db.close().await;
    let before = std::fs::read(home.dir.path().join("polder.db")).unwrap();
    let clock = polder_types::Clock::System;
    let ids = std::sync::Arc::new(polder_types::IdSource::new(clock.clone(), 1));
    let refused = Db::open(home.dir.path(), clock, ids).await;
    assert!(matches!(refused, Err(Error::Newer { found: 99, known: 1 })), "{refused:?}");
    assert_eq!(std::fs::read(home.dir.path().join("polder.db")).unwrap(), before);
}

#[tokio::test]
async fn after_a_failed_sync_reads_go_on_and_writes_do_not() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.db.fail_storage("fsync: EIO");
    let refused = home.db.commit_push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    assert!(
        matches!(&refused, Err(Error::StorageFailed { reason }) if reason == "fsync: EIO"),
        "{refused:?}"
    );
    assert_eq!(home.db.storage_failed(), Some("fsync: EIO"));
    assert_eq!(home.db.repo(repo.id).await.unwrap(), Some(repo));
}

#[tokio::test]
async fn a_panic_in_the_writer_stops_writing_and_shows() {
    let home = Home::open().await;
    let broken = home.db.write::<(), _>(|_| Box::pin(async { panic!("a bug") })).await;
    assert!(broken.is_err());
    // The supervisor is told a moment later than the caller.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while home.db.storage_failed().is_none() {
        assert!(std::time::Instant::now() < deadline, "the panic went unseen");
        tokio::task::yield_now().await;
    }
    assert!(matches!(set(&home.db, "late".to_owned()).await, Err(Error::StorageFailed { .. })));
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing_it_took() {
    let home = Home::open().await;
    // More than the queue holds, all before the writer runs (one thread).
    let task = |n: usize| {
        let db = home.db.clone();
        tokio::spawn(async move { set(&db, format!("n-{n}")).await })
    };
    let tasks: Vec<_> = (0..1500).map(task).collect();
    let (mut kept, mut busy) = (0, 0);
    for (n, task) in tasks.into_iter().enumerate() {
        let answer = task.await.unwrap();
        let is_there = home.db.meta(&format!("n-{n}")).await.unwrap().is_some();
        match answer {
            Ok(()) => kept += usize::from(is_there),
            Err(Error::Busy) => busy += usize::from(!is_there),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(kept >= 1024 && busy > 0 && kept + busy == 1500, "{kept} kept, {busy} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_moved_into_the_file_while_writes_go_on() {
    let home = Home::open().await;
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
    let home = Home::open().await;
    assert_eq!(home.number("PRAGMA synchronous").await, 2);
    assert_eq!(home.number("PRAGMA foreign_keys").await, 1);
    assert_eq!(home.number("PRAGMA wal_autocheckpoint").await, 0);
    assert_eq!(home.number("SELECT COUNT(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'").await, 1);
}
