//! A hub that can die and come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use polder_db::MirrorMode;
use polder_types::{Clock, LfsPointer, ObjectId, RepoName, Sha256, Visibility};

use crate::follow::hub_peer::HubPeer;
use crate::follow::rehearsal::follow;
use crate::tests::large_objects::put_into;
use crate::tests::moves::{move_refs, moved};
use crate::tests::{START, fill, options_in, repo, signature, write, writer};
use crate::{Change, CommitRequest, Hub, HubOptions, Principal};

pub(super) const HUBS: usize = 5;
pub(super) const NAMES: [&str; HUBS] = ["hub0", "hub1", "hub2", "hub3", "hub4"];

/// How long a hub that dies may still be at work.
const DYING_MAX: Duration = Duration::from_secs(30);

pub(super) struct Node {
    pub(super) at: usize,
    dir: tempfile::TempDir,
    pub(super) millis: Arc<AtomicI64>,
    hub: Option<Hub>,
    /// Its id for the log of each hub that it follows.
    pub(super) follows: BTreeMap<usize, i64>,
}

/// Hubs that have done nothing yet but follow one another, as they are on disk.
pub(super) struct Template {
    dir: tempfile::TempDir,
    follows: BTreeMap<usize, i64>,
}

/// Whom a hub follows, and who else than that hub itself may be asked.
pub(super) fn followed_by(hub: usize) -> [(usize, Option<usize>); 2] {
    let (next, second) = ((hub + 1) % HUBS, (hub + 2) % HUBS);
    [(next, None), (second, Some(next))]
}

pub(super) fn url(hub: usize) -> String {
    format!("http://{}.example", NAMES[hub])
}

fn origin(hub: usize) -> String {
    format!("{}.example.org", NAMES[hub])
}

fn options(at: usize, dir: &Path, millis: &Arc<AtomicI64>) -> HubOptions {
    let mut options = options_in(dir, Clock::Manual(Arc::clone(millis)));
    options.federation.origin = Some(origin(at));
    options
}

/// One of each hub.
pub(super) async fn templates() -> Vec<Template> {
    let mut hubs = Vec::new();
    for at in 0..HUBS {
        let dir = tempfile::tempdir().expect("tempdir");
        let hub = Hub::open(options(at, dir.path(), &Arc::new(AtomicI64::new(START)))).await.expect("opens");
        fill(&hub).await;
        hub.begin_log().await.expect("begun");
        hub.sequence_once().await.expect("sequenced");
        hubs.push((hub, dir));
    }
    let mut templates = Vec::new();
    for at in 0..HUBS {
        let mut follows = BTreeMap::new();
        for (other, between) in followed_by(at) {
            let log = follow(&hubs[other].0, &hubs[at].0, "*", MirrorMode::Full).await;
            let sources = between.into_iter().map(url).collect();
            hubs[at].0.db.name_sources(log, sources).await.expect("named");
            follows.insert(other, log);
        }
        templates.push(follows);
    }
    let mut done = Vec::new();
    for ((hub, dir), follows) in hubs.into_iter().zip(templates) {
        hub.close().await;
        done.push(Template { dir, follows });
    }
    done
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

impl Node {
    pub(super) async fn new(at: usize, template: &Template) -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        copy(template.dir.path(), dir.path());
        let millis = Arc::new(AtomicI64::new(START));
        let hub = Hub::open(options(at, dir.path(), &millis)).await.expect("opens");
        hub.begin_log().await.expect("goes on");
        Self { at, dir, millis, hub: Some(hub), follows: template.follows.clone() }
    }

    pub(super) fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it lives")
    }

    /// Dies where it is, and is there again.
    pub(super) async fn crash(&mut self) {
        self.hub = None;
        let began = std::time::Instant::now();
        self.hub = loop {
            match Hub::open(options(self.at, self.dir.path(), &self.millis)).await {
                Ok(hub) => break Some(hub),
                // What it was at is not over yet.
                Err(error) if error.kind() == crate::Kind::Conflict && began.elapsed() < DYING_MAX => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("hub {} does not come back: {}", self.at, error.chain()),
            }
        };
        self.hub().begin_log().await.expect("goes on");
    }

    /// Another hub with all that this one has, its key too.
    pub(super) async fn twin(&mut self) -> Self {
        self.hub.take().expect("it lives").close().await;
        let dir = tempfile::tempdir().expect("tempdir");
        copy(self.dir.path(), dir.path());
        let millis = Arc::new(AtomicI64::new(self.millis.load(Ordering::Relaxed)));
        let mut twin = Self { at: self.at, dir, millis, hub: None, follows: BTreeMap::new() };
        twin.crash().await;
        self.crash().await;
        twin
    }

    pub(super) fn pass(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// What it gives out of the log of a hub, its own or another's.
    pub(super) fn peer(&self, hub: usize) -> HubPeer {
        let of = (hub != self.at).then(|| origin(hub).parse().expect("an origin"));
        HubPeer { name: NAMES[self.at], of, ..HubPeer::new(self.hub()) }
    }

    /// Commits to the main branch: a line, or a large object, whose hash it says too.
    pub(super) async fn commit(
        &self,
        name: &str,
        line: &str,
        object: Option<&[u8]>,
    ) -> (ObjectId, Option<Sha256>) {
        let (change, object) = match object {
            None => (write("a", line), None),
            Some(bytes) => {
                let object = put_into(self.hub(), name, bytes).await;
                let pointer = LfsPointer { oid: object.oid, size_bytes: object.size_bytes };
                (Change::WritePointer { path: "weights".to_owned(), pointer }, Some(object.oid))
            }
        };
        let grant = writer(self.hub(), name).await;
        let request = CommitRequest {
            branch: "main".to_owned(),
            parent: None,
            changes: vec![change],
            author: signature(),
            message: line.to_owned(),
        };
        (self.hub().commit(&grant, request).await.expect("committed"), object)
    }

    /// Moves the main branch back to an earlier commit, or removes it.
    pub(super) async fn move_main(&self, name: &str, to: Option<ObjectId>) {
        let hub = self.hub();
        let id = hub.live_repo(&repo(name)).await.expect("there").id;
        let held = hub.held(id).await.expect("held");
        let old = held.snapshot.find_ref("refs/heads/main").map(|main| main.oid);
        move_refs(hub, id, vec![moved("refs/heads/main", old, to)]).await;
    }

    pub(super) async fn show(&self, name: &str, shown: bool) {
        let visibility = if shown { Visibility::Public } else { Visibility::Private };
        self.hub().set_visibility(&repo(name), visibility).await.expect("set");
    }

    /// The refs that anybody sees of a repository here.
    pub(super) async fn refs(&self, name: &RepoName) -> Option<Vec<String>> {
        let grant = self.hub().read(&Principal::ANONYMOUS, name).await.ok()?;
        let snapshot = self.hub().held(grant.repo_id()).await.expect("held").snapshot;
        Some(snapshot.visible_refs().map(|r| format!("{} {}", r.name, r.oid)).collect())
    }

    /// What `acme/…` of another hub is called here.
    pub(super) fn name_of(other: usize, name: &str) -> RepoName {
        let name = name.strip_prefix("acme/").expect("of acme");
        repo(&format!("acme.{}/{name}", origin(other)))
    }

    pub(super) async fn object(&self, oid: Sha256) -> Option<Vec<u8>> {
        let open = self.hub().public_object(oid).await.ok()?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut &*open.file, &mut bytes).expect("read");
        Some(bytes)
    }
}
