//! The large objects of a repository on another server, by its LFS batch API.
//!
//! Source: git-lfs `docs/api/batch.md`, `docs/api/basic-transfers.md`, `docs/api/server-discovery.md`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use polder_egress::{Allowance, Credential, Request, Response, Url};
use polder_git::NewPointer;
use polder_types::{RepoId, Sha256};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::exchange::require_ok;
use super::{Patience, PullSource};
use crate::Hub;
use crate::accept::Say;
use crate::error::{Error, Result};
use crate::transfer::{TransferOptions, TransferProgress};

/// Objects asked for at once.
const BATCH_OBJECTS: usize = 100;
/// Objects on their way at once.
pub(super) const TRANSFERS_MAX: usize = 4;
/// Largest answer to a batch request, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time between two lines for the person who waits.
const PROGRESS_PERIOD: Duration = Duration::from_secs(5);
/// Headers of an action that are the client's own business.
const OWN_HEADERS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "range", "accept-encoding", "te"];

const LFS_JSON: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");

/// Where the large objects of a source are.
#[derive(Debug, Clone)]
pub(crate) struct RemoteObjects {
    endpoint: Url,
    allowance: Allowance,
    credential: Option<Credential>,
    patience: Patience,
}

/// A large object that is needed.
#[derive(Debug, Clone)]
pub(super) struct Pointed {
    pub(super) oid: Sha256,
    pub(super) size_bytes: u64,
    /// A file that it is the content of.
    pub(super) path: String,
}

/// Where an object can be had.
pub(super) struct Download {
    pub(super) url: Url,
    pub(super) credential: Credential,
}

#[derive(Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    objects: Vec<ObjectAnswer>,
}

#[derive(Deserialize)]
struct ObjectAnswer {
    oid: String,
    #[serde(default)]
    actions: Actions,
    error: Option<ObjectError>,
}

#[derive(Default, Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: HashMap<String, String>,
}

#[derive(Deserialize)]
struct ObjectError {
    code: u16,
}

impl RemoteObjects {
    /// The LFS server that belongs to a git server's URL. What a `.lfsconfig` in the repository says is the
    /// pushers' word, not the operator's, and is not followed.
    pub(super) fn of(source: &PullSource, patience: &Patience) -> Result<Self> {
        let url = source.url();
        let suffix = if url.path().strip_suffix(".git").is_some() { "" } else { ".git" };
        let endpoint = format!("{url}{suffix}/info/lfs").parse()?;
        let (allowance, credential) = (source.allowance(), source.credential()?);
        Ok(Self { endpoint, allowance, credential, patience: patience.clone() })
    }

    pub(super) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Where each of these objects can be had; those that the server does not have are missing in it.
    async fn locate(&self, hub: &Hub, objects: &[Pointed]) -> Result<HashMap<Sha256, Download>> {
        let mut waits = self.patience.request()?;
        loop {
            let answer = self.ask(hub, objects).await?;
            match self.patience.wanted_rest(&answer) {
                Some(seconds) => waits.wait(&self.endpoint, seconds).await?,
                None => return self.read(answer, objects).await,
            }
        }
    }

    /// Asks for that.
    pub(super) async fn ask(&self, hub: &Hub, objects: &[Pointed]) -> Result<Response> {
        let listed: Vec<_> =
            objects.iter().map(|o| json!({"oid": o.oid.to_string(), "size": o.size_bytes})).collect();
        let body = json!({"operation": "download", "transfers": ["basic"], "objects": listed, "hash_algo": "sha256"});
        let url = self.endpoint.under("objects/batch")?;
        let request = Request::post(&url, &self.allowance, body.to_string())
            .header(ACCEPT, LFS_JSON)
            .header(CONTENT_TYPE, LFS_JSON)
            .credential(self.credential.clone());
        Ok(hub.egress.send(request).await?)
    }

    /// Reads the answer.
    pub(super) async fn read(
        &self,
        answer: Response,
        objects: &[Pointed],
    ) -> Result<HashMap<Sha256, Download>> {
        require_ok(&answer, &self.endpoint, self.credential.is_some())?;
        let answer = answer.bytes(ANSWER_BYTES_MAX).await?;
        let answer: BatchAnswer = serde_json::from_slice(&answer).map_err(|error| {
            Error::invalid(format!("`{}` does not answer as LFS servers do", self.endpoint)).caused_by(error)
        })?;
        let asked: HashSet<Sha256> = objects.iter().map(|wanted| wanted.oid).collect();
        let mut found = HashMap::new();
        for object in answer.objects {
            // Whatever the server adds was not asked for.
            let Some(oid) = object.oid.parse().ok().filter(|oid| asked.contains(oid)) else { continue };
            if let Some(download) = self.download(object)? {
                found.insert(oid, download);
            }
        }
        Ok(found)
    }

    fn download(&self, object: ObjectAnswer) -> Result<Option<Download>> {
        match (object.error, object.actions.download) {
            (Some(ObjectError { code: 404 | 410 }), _) | (None, None) => Ok(None),
            (Some(ObjectError { code }), _) => {
                Err(Error::unavailable(format!("`{}` answers {code} for `{}`", self.endpoint, object.oid)))
            }
            (None, Some(Action { href, header })) => {
                let url: Url = href.parse()?;
                let mut headers = HeaderMap::new();
                for (name, value) in header {
                    // Not shown: a value may be a password.
                    let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
                    else {
                        return Err(Error::invalid(format!(
                            "`{}` gives a header that none may send",
                            self.endpoint
                        )));
                    };
                    if !OWN_HEADERS.contains(&name.as_str()) {
                        headers.insert(name, value);
                    }
                }
                let same_origin = url.origin() == self.endpoint.origin();
                let credential = match &self.credential {
                    // Without an authorization of its own, the link wants that of the server it is on.
                    Some(own) if same_origin && headers.is_empty() => own.clone(),
                    _ => Credential::headers(&url, headers),
                };
                Ok(Some(Download { url, credential }))
            }
        }
    }
}

impl Hub {
    /// Fetches the objects that pointers need from another server: each is kept when it is here, whatever
    /// becomes of the others. Blocking.
    ///
    /// # Errors
    /// When one cannot be fetched. Those that the server does not have are left for the check that every
    /// pointer has its object, which names them all.
    pub(crate) fn fetch_objects(
        &self,
        repo: RepoId,
        from: &RemoteObjects,
        pointers: &[NewPointer],
        say: Say<'_>,
    ) -> Result<()> {
        Handle::current().block_on(async {
            let missing = self.not_linked(repo, pointers).await?;
            let bytes: u64 = missing.iter().map(|wanted| wanted.size_bytes).sum();
            if missing.is_empty() {
                return Ok(());
            }
            say(&format!("fetching {} large objects ({bytes} bytes)", missing.len()));
            let mut transfers = Transfers::new(missing.len(), bytes);
            for batch in missing.chunks(BATCH_OBJECTS) {
                let mut found = from.locate(self, batch).await?;
                for wanted in batch {
                    let Some(download) = found.remove(&wanted.oid) else {
                        say(&format!("the server does not have `{}` ({})", wanted.path, wanted.oid));
                        continue;
                    };
                    transfers.until(TRANSFERS_MAX - 1, say).await?;
                    let (hub, from, wanted) = (self.clone(), from.clone(), wanted.clone());
                    let options = transfers.options(wanted.oid);
                    transfers.spawn(async move {
                        hub.fetch_pointed(repo, &from, wanted, download, options).await
                    });
                }
            }
            transfers.until(0, say).await
        })
    }

    async fn not_linked(&self, repo: RepoId, pointers: &[NewPointer]) -> Result<Vec<Pointed>> {
        let oids: Vec<Sha256> = pointers.iter().map(|new| new.pointer.oid).collect();
        let linked = self.db.linked_blobs(repo, &oids).await?;
        let mut known: HashSet<Sha256> = linked.into_iter().map(|blob| blob.sha256).collect();
        let mut missing = Vec::new();
        for new in pointers.iter().filter(|new| known.insert(new.pointer.oid)) {
            let path = new.path.to_string();
            missing.push(Pointed { oid: new.pointer.oid, size_bytes: new.pointer.size_bytes, path });
        }
        Ok(missing)
    }
}

/// How much of each object is here.
type Came = Mutex<HashMap<Sha256, u64>>;

/// Objects on their way.
pub(super) struct Transfers {
    running: JoinSet<Result<Pointed>>,
    came: Arc<Came>,
    done: usize,
    of: usize,
    bytes: u64,
}

impl Transfers {
    /// None yet, of so many with so many bytes.
    pub(super) fn new(of: usize, bytes: u64) -> Self {
        Self { running: JoinSet::new(), came: Arc::default(), done: 0, of, bytes }
    }

    pub(super) fn spawn(&mut self, transfer: impl Future<Output = Result<Pointed>> + Send + 'static) {
        self.running.spawn(transfer);
    }

    /// How to fetch an object, so that it is seen how far it is.
    pub(super) fn options(&self, oid: Sha256) -> TransferOptions {
        let came = Arc::clone(&self.came);
        let count = move |progress: TransferProgress| {
            came.lock().unwrap_or_else(PoisonError::into_inner).insert(oid, progress.good_bytes);
        };
        TransferOptions { progress: Some(Arc::new(count)), ..TransferOptions::default() }
    }

    /// Waits until no more than `most` are on their way. When one fails, the others are given up.
    pub(super) async fn until(&mut self, most: usize, say: Say<'_>) -> Result<()> {
        while self.running.len() > most {
            match tokio::time::timeout(PROGRESS_PERIOD, self.running.join_next()).await {
                Ok(Some(ended)) => {
                    let wanted = ended.map_err(Error::internal)??;
                    self.done += 1;
                    say(&format!(
                        "stored {} ({} bytes), {} of {}",
                        wanted.path, wanted.size_bytes, self.done, self.of
                    ));
                }
                Ok(None) => return Ok(()),
                Err(_still_running) => {
                    let came: u64 = self.came.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
                    say(&format!(
                        "{came} of {} bytes, {} of {} large objects",
                        self.bytes, self.done, self.of
                    ));
                }
            }
        }
        Ok(())
    }
}
