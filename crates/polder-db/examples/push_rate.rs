//! Measures durable pushes per second: `cargo run --release -p polder-db --example push_rate [WHERE]`.
//!
//! Sixteen tasks, each pushing one-commit packs of 1 KiB to a branch of its own repository as fast
//! as the answers come. WHERE is a directory (here, if not given), where a SQLite database is made and
//! removed afterwards, or the `postgres://` URL of an empty database.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use polder_db::{Db, NewPack, NewRepo, PackClass, Push, PushOutcome, RefUpdate};
use polder_types::{Clock, IdSource, ObjectId, PackId, RepoId, RepoName, Visibility};

const TASKS: u32 = 16;
const PUSHES_PER_TASK: u32 = 500;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let ids = Arc::new(IdSource::new(Clock::System, 0));
    let (_dir, db) = if place.starts_with("postgres://") {
        let dir = tempfile::tempdir()?;
        let db = Db::connect(&place, dir.path(), Clock::System, ids).await?;
        (dir, db)
    } else {
        let dir = tempfile::tempdir_in(place)?;
        let db = Db::open(dir.path(), Clock::System, ids).await?;
        (dir, db)
    };
    db.add_user(&"acme".parse()?, false).await?;

    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let repo = create(&db, task).await?;
        tasks.push(push_many(db.clone(), repo));
    }
    let start = Instant::now();
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in running {
        task.await??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let pushes = TASKS * PUSHES_PER_TASK;
    let rate = f64::from(pushes) / seconds;
    writeln!(std::io::stdout(), "{rate:.0} durable pushes/s ({pushes} in {seconds:.1} s, {TASKS} tasks)")?;
    db.close().await;
    Ok(())
}

async fn create(db: &Db, task: u32) -> Outcome<RepoId> {
    let name: RepoName = format!("acme/m{task}").parse()?;
    let mut rid = [0; 32];
    rid.iter_mut().zip(task.to_be_bytes()).for_each(|(to, from)| *to = from);
    Ok(db
        .create_repo(NewRepo { name, visibility: Visibility::Public, actor: None, rid, upstream: None })
        .await?
        .id)
}

async fn push_many(db: Db, repo: RepoId) -> Outcome<()> {
    let mut old = None;
    for n in 1..=PUSHES_PER_TASK {
        let new = commit_id(n);
        let update = RefUpdate {
            name: "refs/heads/main".to_owned(),
            old,
            new: Some(new),
            peeled: None,
            rewinds: false,
            forbidden: None,
        };
        let pack = NewPack {
            id: PackId(db.next_id()),
            hash: new,
            bytes: 1024,
            objects: 3,
            class: PackClass::Push,
            data: Some((vec![7; 1024].into(), vec![8; 1136].into())),
        };
        let push = Push {
            repo,
            actor: None,
            expected_gc_epoch: 0,
            expected_lock_gen: None,
            atomic: false,
            updates: vec![update],
            new_head: None,
            exact_head: None,
            pack: Some(pack),
            pointers: Vec::new(),
            lazy: Vec::new(),
            catalog: None,
            mirror: None,
            proposal: None,
            proposed: Vec::new(),
        };
        let outcome = db.commit_push(push).await?;
        if !matches!(&outcome, PushOutcome::Done { changed: true, .. }) {
            return Err(format!("{outcome:?}").into());
        }
        old = Some(new);
    }
    Ok(())
}

fn commit_id(n: u32) -> ObjectId {
    let mut bytes = [1; 20];
    bytes.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
    ObjectId::new(bytes)
}
