//! What is PostgreSQL's own: several processes at once, connections that break, databases that will not do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use polder_cluster::Database;
use polder_types::BlobId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use crate::contract::{Home, inline_pack, new_repo, oid, open_at, push_of, sha, update};
use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, Error, NewJob, PushOutcome, Repo};

/// A database with two nodes on it, or nothing where there is no PostgreSQL.
async fn two_nodes() -> Option<(Home, Db)> {
    let home = Home::open_on(Some(Database::create()?)).await;
    let beside = home.dir.path().join("beside");
    std::fs::create_dir(&beside).unwrap();
    let other = open_at(&beside, &home.millis, 2, home.postgres.as_ref()).await.unwrap();
    Some((home, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_through_two_nodes_to_one_branch_have_one_winner_and_facts_have_one_order() {
    let Some((home, other)) = two_nodes().await else { return };
    let repo = home.repo("acme/a").await;
    let mut tasks = Vec::new();
    for n in 1..=32 {
        let db = if n % 2 == 0 { home.db.clone() } else { other.clone() };
        let updates = vec![update("refs/heads/main", 0, n), update(&format!("refs/heads/b{n}"), 0, n)];
        let mut push = push_of(&repo, updates);
        push.pack = Some(inline_pack(&db, n));
        tasks.push(tokio::spawn(async move { (n, db.commit_push(push).await.unwrap()) }));
    }
    let (mut generations, mut winners) = (Vec::new(), Vec::new());
    for task in tasks {
        let (n, outcome) = task.await.unwrap();
        let PushOutcome::Done { generation, refs, .. } = outcome else { panic!("{outcome:?}") };
        generations.push(generation);
        if refs[0].result.is_ok() {
            winners.push(oid(n));
        }
    }
    generations.sort_unstable();
    assert_eq!(generations, (1..=32).collect::<Vec<i64>>());
    for db in [&home.db, &other] {
        let state = db.load_repo_state(repo.id).await.unwrap().unwrap();
        assert_eq!((state.refs.len(), state.packs.len(), state.repo.generation), (33, 32, 32));
        let main = state.refs.iter().find(|row| row.name == "refs/heads/main").unwrap();
        assert_eq!(winners, vec![main.oid]);
        let events = db.list_events(0, 100).await.unwrap();
        let numbers: Vec<_> = events.iter().map(|event| (event.seq, event.rseq)).collect();
        assert_eq!(numbers, (1..=33).map(|n| (n, n)).collect::<Vec<_>>());
    }
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_name_is_given_once_however_many_nodes_ask() {
    let Some((home, other)) = two_nodes().await else { return };
    let nodes = [home.db.clone(), other.clone()];
    let (mut users, mut repos) = (Vec::new(), Vec::new());
    for (n, db) in (0_i64..).zip(nodes.iter().cycle().take(16).cloned()) {
        users.push(tokio::spawn(async move { db.add_user(&"ada".parse().unwrap(), n == 0).await }));
    }
    let added = all(users).await;
    assert_eq!(added.iter().filter(|one| one.is_ok()).count(), 1, "{added:?}");
    for (n, db) in (0_i64..).zip(nodes.iter().cycle().take(16).cloned()) {
        repos.push(tokio::spawn(async move { db.create_repo(new_repo("ada/m".parse().unwrap(), n)).await }));
    }
    let made = all(repos).await;
    assert_eq!(made.iter().filter(|one| one.is_ok()).count(), 1, "{made:?}");
    let refused = made.iter().filter_map(|one| one.as_ref().err());
    for error in refused {
        assert!(matches!(error, Error::Conflict { what } if what == "`ada/m` exists"), "{error:?}");
    }
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_linked_on_one_node_while_the_other_deletes_its_last_holder_is_kept_or_refused() {
    let Some((home, other)) = two_nodes().await else { return };
    let keeper = home.repo("acme/keeper").await;
    for n in 1..=20 {
        let last: Repo = home.repo(&format!("acme/last{n}")).await;
        home.db.publish_blob(BlobId(home.db.next_id()), sha(n), 10, last.id, None).await.unwrap();
        let (db, node) = (home.db.clone(), other.clone());
        let delete = tokio::spawn(async move { db.delete_repo(last.id, None).await.unwrap() });
        let link = tokio::spawn(async move { node.link_blob(keeper.id, &sha(n)).await.unwrap() });
        let (deleted, linked) = (delete.await.unwrap(), link.await.unwrap());
        assert_eq!(deleted.blobs, u64::from(!linked));
        assert_eq!(home.db.find_blob(&sha(n)).await.unwrap().is_some(), linked);
    }
    assert_eq!(home.db.dangling_links(10).await.unwrap(), []);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_is_claimed_by_one_node() {
    let Some((home, other)) = two_nodes().await else { return };
    for n in 0..40 {
        let (kind, dedup) = ("work".to_owned(), format!("work-{n}"));
        let job = NewJob { kind, dedup, payload: "{}".to_owned(), due: home.now() };
        assert!(home.db.enqueue_job(job).await.unwrap());
    }
    let mut tasks = Vec::new();
    let nodes = [home.db.clone(), other.clone()];
    for node in nodes.iter().cycle().take(16) {
        let db = node.clone();
        tasks.push(tokio::spawn(async move { db.claim_jobs(&["work"], 60, 4).await }));
    }
    let claimed: Vec<_> = all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 40);
    assert!(claimed.iter().all(|job| job.attempt == 1), "{claimed:?}");
    other.close().await;
}

async fn all<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_together_migrate_once() {
    let Some(database) = Database::create() else { return };
    let dir = tempfile::tempdir().unwrap();
    let millis = std::sync::Arc::default();
    let dirs: Vec<PathBuf> = (0..4).map(|n| dir.path().join(n.to_string())).collect();
    for dir in &dirs {
        std::fs::create_dir(dir).unwrap();
    }
    let open = |n: u16| open_at(&dirs[usize::from(n)], &millis, n, Some(&database));
    let (a, b, c, d) = tokio::join!(open(0), open(1), open(2), open(3));
    for db in [a, b, c, d] {
        let db = db.unwrap();
        assert_eq!(db.count_accounts().await.unwrap(), 0);
        db.close().await;
    }
}

#[tokio::test]
async fn a_database_that_sorts_otherwise_or_commits_too_early_is_refused() {
    let Some(plain) = Database::create() else { return };
    let icu = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LC_COLLATE 'C' LC_CTYPE 'C'";
    for (options, why) in [(icu, "collation"), ("ENCODING 'LATIN1' LOCALE 'C'", "encoding")] {
        let Some(database) = Database::with(options) else { return };
        assert_eq!(
            refusal(&database).await.as_deref().map(|said| said.contains(why)),
            Some(true),
            "{options}"
        );
    }
    plain.sql(&format!("ALTER DATABASE {} SET synchronous_commit = off", plain.name()));
    let said = refusal(&plain).await.expect("refused");
    assert!(said.contains("synchronous_commit"), "{said}");
    plain.sql(&format!("ALTER DATABASE {} SET synchronous_commit = local", plain.name()));
    assert_eq!(refusal(&plain).await, None);
}

/// Why a database is refused, with all causes.
async fn refusal(database: &Database) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    match open_at(dir.path(), &std::sync::Arc::default(), 1, Some(database)).await {
        Ok(db) => {
            db.close().await;
            None
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            Some(format!("{error}: {}", cause.unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn sessions_that_the_server_ends_are_replaced() {
    let Some(database) = Database::create() else { return };
    let home = Home::open_on(Some(database)).await;
    let repo = home.repo("acme/a").await;
    for n in 1..=3 {
        home.postgres.as_ref().unwrap().sql(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        assert_eq!(home.db.repo(repo.id).await.unwrap().unwrap().generation, i64::from(n) - 1);
        let pushed = home.db.commit_push(push_of(&repo, vec![update("refs/heads/main", n - 1, n)])).await;
        assert!(matches!(pushed, Ok(PushOutcome::Done { changed: true, .. })), "{pushed:?}");
    }
}

#[tokio::test]
async fn a_constraint_checked_at_the_end_fails_the_batch_and_writing_goes_on() {
    let Some(database) = Database::create() else { return };
    let home = Home::open_on(Some(database)).await;
    home.postgres.as_ref().unwrap().sql("CREATE TABLE late (a INT UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    let failed = home.db.write(|tx| {
        Box::pin(async move {
            tx.execute("INSERT INTO late VALUES (1), (1)", args![]).await?;
            Ok(Verdict::Keep(()))
        })
    });
    let failed = failed.await;
    assert!(matches!(failed, Err(Error::Other { doing: "committing", .. })), "{failed:?}");
    home.db.set_meta("after", "x").await.unwrap();
    assert_eq!(home.db.storage_failed(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_neither_acknowledged_nor_refused() {
    let Some(database) = Database::create() else { return };
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join(".s.PGSQL.5432");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = database.socket_dir().join(".s.PGSQL.5432");
    let between = tokio::spawn(stand_between(listener, server));
    let url = database
        .url()
        .replace(&database.socket_dir().display().to_string(), &dir.path().display().to_string());
    let clock = polder_types::Clock::System;
    let ids = std::sync::Arc::new(polder_types::IdSource::new(clock.clone(), 1));
    let db = Db::connect(&url, dir.path(), clock, ids).await.unwrap();
    db.set_meta("before", "x").await.unwrap();

    // The marks tell the one between when to cut: before the COMMIT arrives, or before its answer does.
    let lost = db.set_meta("cut", "the commit").await;
    assert!(matches!(lost, Err(Error::Undecided { .. })), "{lost:?}");
    assert_eq!(db.meta("cut").await.unwrap(), None);
    let lost = db.set_meta("cut", "the answer").await;
    assert!(matches!(lost, Err(Error::Undecided { .. })), "{lost:?}");
    assert_eq!(db.meta("cut").await.unwrap().as_deref(), Some("the answer"));
    // A statement that is cut before any COMMIT is a clean refusal.
    let refused = db.set_meta("cut", "the statement").await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(db.meta("cut").await.unwrap().as_deref(), Some("the answer"));

    assert_eq!(db.storage_failed(), None);
    db.set_meta("after", "x").await.unwrap();
    db.close().await;
    between.abort();
}

/// Passes bytes between clients and the server, and cuts a connection as its own bytes ask for.
async fn stand_between(listener: UnixListener, server: PathBuf) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        tokio::spawn(pass(client, server.clone()));
    }
}

async fn pass(client: UnixStream, server: impl AsRef<Path>) {
    let server = UnixStream::connect(server).await.unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let hide = AtomicBool::new(false);
    // The first to end ends both connections.
    tokio::select! {
        () = ask(from_client, to_server, &hide) => {}
        () = answer(from_server, to_client, &hide) => {}
    }
}

/// Passes what the client says. After a mark, its COMMIT is swallowed, or its answer is.
async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hide: &AtomicBool) {
    let has = |said: &[u8], word: &str| said.windows(word.len()).any(|part| part == word.as_bytes());
    let (mut before, mut after) = (false, false);
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let said = &buffer[..read];
        let commits = has(said, "COMMIT");
        if has(said, "the statement") || before && commits {
            return;
        }
        hide.fetch_or(after && commits, Ordering::SeqCst);
        before |= has(said, "the commit");
        after |= has(said, "the answer");
        if to.write_all(said).await.is_err() {
            return;
        }
    }
}

/// Passes what the server says, until it must not be heard.
async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hide: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if hide.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
