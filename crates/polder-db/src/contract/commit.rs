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
async fn a_closed_database_takes_no_write() {
    let home = Home::open().await;
    home.repo("acme/a").await;
    home.db.close().await;
    assert!(set(&home.db, "late".to_owned()).await.is_err());
    assert!(home.db.meta("late").await.is_err());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let home = Home::open().await;
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
    let refused = open_at(home.dir.path(), &home.millis, 1, home.postgres.as_ref()).await;
    let known = crate::migrations::MAIN.last().unwrap().0;
    assert!(
        matches!(refused, Err(Error::Newer { found: 99, known: newest }) if newest == known),
        "{refused:?}"
    );
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
