//! What every engine must do. Each test opens a fresh database through [`Home`]: by itself on SQLite;
//! one test runs all of them once more on PostgreSQL.

mod access_requests;
mod accounts;
mod attachments;
mod audit;
mod behind;
mod blobs;
mod blocks;
mod catalog;
mod chunks;
mod collections;
mod commit;
mod contributed;
mod damage;
mod discussions;
mod dump;
mod follow;
mod jobs;
mod known_chunks;
mod lazy;
mod lfs_files;
mod limits;
mod locks;
mod log;
mod missing;
mod moving;
mod names;
mod oauth;
mod outbox;
mod protection;
mod publishers;
mod pull_mirrors;
mod push;
mod quota;
mod recent_tips;
mod remote_namespaces;
mod reselect;
mod standing;
mod takedown;
mod uploads;
mod webhooks;
mod xorbs;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use polder_types::{
    AccountId, Clock, IdSource, ObjectId, PackId, RepoId, RepoName, Sha256, UnixMillis, Visibility,
};

use crate::tx::Verdict;
use crate::value::args;
use crate::{Db, NewPack, NewRepo, PackClass, Push, PushOutcome, RefUpdate, Repo};

/// A moment after the ids' epoch, for clocks that stand still.
const NOW: i64 = 1_800_000_000_000;

/// Tells the tests of this binary to open PostgreSQL databases.
const ON_POSTGRES: &str = "POLDER_TEST_ON_POSTGRES";

#[expect(clippy::disallowed_methods, reason = "a test run tells its own second run apart")]
fn on_postgres() -> bool {
    std::env::var_os(ON_POSTGRES).is_some()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the tests run themselves once more")]
fn postgres_keeps_the_whole_contract() {
    if on_postgres() || polder_cluster::Database::create().is_none() {
        return;
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let done = again.args(["contract::", "sql::"]).env(ON_POSTGRES, "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let passed = said.split_once("test result: ok. ").and_then(|(_, rest)| rest.split_once(" passed"));
    let passed: usize = passed.expect("a summary").0.parse().unwrap();
    assert!(passed >= 40, "only {passed} tests ran on PostgreSQL");
}

/// A database in a directory of its own, with a clock that a test moves.
pub(crate) struct Home {
    pub(crate) db: Db,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) millis: Arc<AtomicI64>,
    /// Where the rows are, if not in the directory.
    pub(crate) postgres: Option<polder_cluster::Database>,
}

impl Home {
    pub(crate) async fn open() -> Self {
        let postgres =
            on_postgres().then(|| polder_cluster::Database::create().expect("PostgreSQL, as a moment ago"));
        Self::open_on(postgres).await
    }

    pub(crate) async fn open_on(postgres: Option<polder_cluster::Database>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let millis = Arc::new(AtomicI64::new(NOW));
        let db = open_at(dir.path(), &millis, 1, postgres.as_ref()).await.expect("opened");
        Self { db, dir, millis, postgres }
    }

    /// Closes and opens again.
    pub(crate) async fn reopen(&mut self) {
        self.db.close().await;
        self.millis.fetch_add(1, Ordering::Relaxed);
        let opened = open_at(self.dir.path(), &self.millis, 1, self.postgres.as_ref()).await;
        self.db = opened.expect("opened");
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(self.millis.load(Ordering::Relaxed))
    }

    pub(crate) async fn user(&self, name: &str) -> AccountId {
        self.db.add_user(&name.parse().expect("a name"), false).await.expect("added")
    }

    /// A public repository; its namespace is made when missing.
    pub(crate) async fn repo(&self, name: &str) -> Repo {
        let name: RepoName = name.parse().expect("a name");
        if self.db.find_account(&name.namespace().fold()).await.expect("read").is_none() {
            self.user(name.namespace().as_str()).await;
        }
        self.db.create_repo(new_repo(name, self.db.next_id())).await.expect("created")
    }

    /// Which git blob a repository's link names.
    async fn pointer(&self, repo: RepoId, sha256: Sha256) -> Option<ObjectId> {
        let args = args![repo, sha256];
        let row =
            self.db.row("SELECT pointer_oid FROM repo_blob WHERE repo = $1 AND sha256 = $2", args).await;
        row.expect("read").expect("linked").maybe_oid(0).expect("an id")
    }

    /// The one number that a statement answers, asked of the writer.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let read = self.db.write(move |tx| {
            Box::pin(async move {
                let row = tx.row(sql, args![]).await?.expect("one row");
                Ok(Verdict::Discard(row.read(0)?))
            })
        });
        read.await.expect("read")
    }

    pub(crate) async fn push(&self, push: Push) -> PushOutcome {
        self.db.commit_push(push).await.expect("committed or refused")
    }
}

pub(crate) async fn open_at(
    dir: &Path,
    millis: &Arc<AtomicI64>,
    node: u16,
    postgres: Option<&polder_cluster::Database>,
) -> crate::Result<Db> {
    let clock = Clock::Manual(Arc::clone(millis));
    let ids = Arc::new(IdSource::new(clock.clone(), node));
    match postgres {
        None => Db::open(dir, clock, ids).await,
        Some(database) => Db::connect(database.url(), dir, clock, ids).await,
    }
}

pub(crate) fn new_repo(name: RepoName, seed: i64) -> NewRepo {
    let mut rid = [0; 32];
    rid[..8].copy_from_slice(&seed.to_be_bytes());
    NewRepo { name, visibility: Visibility::Public, actor: None, rid, upstream: None }
}

pub(crate) fn oid(n: u8) -> ObjectId {
    ObjectId::new([n; 20])
}

pub(crate) fn sha(n: u8) -> Sha256 {
    Sha256::new([n; 32])
}

/// An update from `old` to `new`, where 0 is nothing.
pub(crate) fn update(name: &str, old: u8, new: u8) -> RefUpdate {
    let some = |n| (n > 0).then(|| oid(n));
    RefUpdate {
        name: name.to_owned(),
        old: some(old),
        new: some(new),
        peeled: None,
        rewinds: false,
        forbidden: None,
    }
}

pub(crate) fn push_of(repo: &Repo, updates: Vec<RefUpdate>) -> Push {
    Push {
        repo: repo.id,
        actor: None,
        expected_gc_epoch: repo.gc_epoch,
        expected_lock_gen: None,
        atomic: false,
        updates,
        new_head: None,
        exact_head: None,
        pack: None,
        pointers: Vec::new(),
        lazy: Vec::new(),
        catalog: None,
        mirror: None,
        proposal: None,
        proposed: Vec::new(),
    }
}

pub(crate) fn inline_pack(db: &Db, n: u8) -> NewPack {
    NewPack {
        id: PackId(db.next_id()),
        hash: oid(n),
        bytes: 4,
        objects: 1,
        class: PackClass::Push,
        data: Some((vec![n; 4].into(), vec![n; 8].into())),
    }
}
