//! Answering LFS batch requests: which objects are here, and links for the rest.

use std::collections::HashMap;

use polder_db::Blob;
use polder_types::limits::LFS_OBJECT_BYTES_MAX;
use polder_types::{RepoId, Role, Sha256};

use crate::Hub;
use crate::access::{Contribute, Contributes, Grant, Principal, Read};
use crate::blocking::in_place;
use crate::error::{Error, Kind, Result};
use crate::lfs_multipart::{LfsParts, LfsTransfer};
use crate::lfs_transfer::DAMAGED;
use crate::signed_url::{Action, InParts, Link};

/// An object as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LfsObject {
    /// SHA-256 of its bytes.
    pub oid: Sha256,
    /// Its length in bytes, as the client claims.
    pub size_bytes: u64,
}

/// Where to send or fetch an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsAction {
    /// Path and signed query, to be put behind the public URL.
    pub path_and_query: String,
    /// How long the link can be used to start a transfer, in seconds.
    pub expires_in_seconds: i64,
}

/// The answer for one object of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsAnswer {
    /// The object asked for.
    pub object: LfsObject,
    /// What to do; for an upload, `None` without an error means that it is already here.
    pub action: Option<LfsAction>,
    /// Where an upload can be confirmed afterwards.
    pub verify: Option<LfsAction>,
    /// For an upload in parts: where they go. `action` is what puts them together then.
    pub parts: Option<LfsParts>,
    /// Status and message, as git-lfs `docs/api/batch.md` "Object-level errors" has them.
    pub error: Option<(u16, String)>,
}

impl LfsAnswer {
    /// Nothing needs to be done.
    fn here(object: LfsObject) -> Self {
        Self { object, action: None, verify: None, parts: None, error: None }
    }

    fn refused(object: LfsObject, status: u16, message: impl Into<String>) -> Self {
        Self { error: Some((status, message.into())), ..Self::here(object) }
    }
}

/// What git-lfs `docs/api/batch.md` has for "the server has insufficient storage".
const FULL_STATUS: u16 = 507;
const FULL: &str = "the hub has no space left for this object";

/// Most repositories looked at to find one that proves the caller may read an object already.
const PROOF_REPOS_MAX: i64 = 16;

impl Hub {
    /// Answers a batch download: a signed link for each object that this repository has or can get.
    ///
    /// # Errors
    /// When the database cannot be read; what is wrong with one object is in its own answer.
    pub async fn lfs_batch_download(
        &self,
        grant: &Grant<Read>,
        objects: &[LfsObject],
    ) -> Result<Vec<LfsAnswer>> {
        let repo = grant.repo_id();
        let linked = self.linked(repo, objects).await?;
        let is_here = |oid: &Sha256| linked.get(oid).is_some_and(|blob| !blob.damaged);
        let elsewhere: Vec<Sha256> =
            objects.iter().map(|object| object.oid).filter(|oid| !is_here(oid)).collect();
        let away = self.db.lazy_objects(repo, &elsewhere).await?;
        let away: HashMap<Sha256, i64> =
            away.into_iter().map(|object| (object.sha256, object.size_bytes)).collect();
        let answer = |object: &LfsObject| {
            let blob = linked.get(&object.oid);
            let size_bytes = blob.map(|blob| blob.size_bytes).or(away.get(&object.oid).copied());
            let Some(size_bytes) = size_bytes else {
                return LfsAnswer::refused(*object, 404, "this repository has no such object");
            };
            if u64::try_from(size_bytes) != Ok(object.size_bytes) {
                LfsAnswer::refused(*object, 422, format!("the object has {size_bytes} bytes"))
            } else if blob.is_some_and(|blob| blob.damaged) && !away.contains_key(&object.oid) {
                LfsAnswer::refused(*object, 503, DAMAGED)
            } else {
                let action = self.link(grant, *object, Action::Download, None);
                LfsAnswer { action: Some(action), ..LfsAnswer::here(*object) }
            }
        };
        let answers: Vec<LfsAnswer> = objects.iter().map(answer).collect();
        if answers.iter().any(|answer| answer.action.is_some()) {
            self.count_download(grant);
        }
        Ok(answers)
    }

    /// Answers a batch upload: a signed link for each object that this repository has not. Objects for
    /// which its namespace has no room are refused, each by itself.
    ///
    /// An object held for another repository is linked only if the caller may read it there;
    /// otherwise its bytes are asked for as if nobody had them (scorecard A04).
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn lfs_batch_upload<L: Contributes>(
        &self,
        grant: &Grant<L>,
        objects: &[LfsObject],
        transfer: LfsTransfer,
    ) -> Result<Vec<LfsAnswer>> {
        let grant = &grant.as_contributor();
        let linked = self.linked(grant.repo_id(), objects).await?;
        let oids: Vec<Sha256> = objects.iter().map(|object| object.oid).collect();
        let blocked = self.db.blocked_objects(&oids).await?;
        let mut room = self.room(self.bill(grant)).await?;
        let mut answers = Vec::with_capacity(objects.len());
        let mut over_quota = false;
        let mut free_bytes = in_place(|| self.store.free_bytes())?;
        for object in objects {
            if blocked.contains(&object.oid) {
                let why = Error::blocked(&format!("object `{}`", object.oid));
                answers.push(LfsAnswer::refused(*object, 403, why.message()));
                continue;
            }
            let answer = match self.present(grant, *object, linked.get(&object.oid)).await {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) if object.size_bytes > free_bytes => Err(Error::new(Kind::Full, FULL)),
                Ok(None) => match &mut room {
                    Some(room) => room.take(object.size_bytes),
                    None => Ok(()),
                }
                .map(|()| {
                    free_bytes = free_bytes.saturating_sub(object.size_bytes);
                    match transfer {
                        LfsTransfer::Basic => self.ask_at_once(grant, *object),
                        LfsTransfer::Multipart => self.ask_in_parts(grant, *object, objects.len()),
                    }
                }),
                Err(error) => Err(error),
            };
            answers.push(match answer {
                Err(error) if [Kind::OverQuota, Kind::Full].contains(&error.kind()) => {
                    over_quota |= error.kind() == Kind::OverQuota;
                    LfsAnswer::refused(*object, FULL_STATUS, error.message())
                }
                answer => answer?,
            });
        }
        if over_quota {
            self.record_over_quota(grant, &answers).await;
        }
        Ok(answers)
    }

    /// One row for all objects of a batch that there is no room for.
    async fn record_over_quota(&self, grant: &Grant<Contribute>, answers: &[LfsAnswer]) {
        let refused = answers.iter().filter_map(|answer| answer.error.as_ref());
        let refused: Vec<_> = refused.filter(|(status, _)| *status == FULL_STATUS).collect();
        let Some((_, message)) = refused.first() else { return };
        let error = Error::new(Kind::OverQuota, message.as_str());
        self.record_refusal(grant.entry("lfs.batch").with("objects", refused.len()), &error).await;
    }

    fn ask_at_once(&self, grant: &Grant<Contribute>, object: LfsObject) -> LfsAnswer {
        let action = Some(self.link(grant, object, Action::Upload, None));
        let verify = Some(self.link(grant, object, Action::Verify, None));
        LfsAnswer { action, verify, ..LfsAnswer::here(object) }
    }

    /// The answer for an object that need not or cannot be sent.
    async fn present(
        &self,
        grant: &Grant<Contribute>,
        object: LfsObject,
        linked: Option<&Blob>,
    ) -> Result<Option<LfsAnswer>> {
        if object.size_bytes > LFS_OBJECT_BYTES_MAX {
            let message = format!("an object may have at most {LFS_OBJECT_BYTES_MAX} bytes");
            return Ok(Some(LfsAnswer::refused(object, 422, message)));
        }
        let here = match linked {
            // Whoever has it may bring it again.
            Some(blob) if blob.damaged => None,
            Some(blob) => Some(blob.size_bytes),
            None => self.readable_elsewhere(grant, object).await?,
        };
        match here {
            Some(size) if u64::try_from(size) != Ok(object.size_bytes) => {
                Ok(Some(LfsAnswer::refused(object, 422, format!("the object of this hash has {size} bytes"))))
            }
            Some(_) => {
                if linked.is_none() {
                    let entry = grant.entry("lfs.link").with("oid", object.oid.to_string());
                    let db = self.bill(grant).counting(&self.audited(entry));
                    db.link_blob(grant.repo_id(), &object.oid).await?;
                }
                Ok(Some(LfsAnswer::here(object)))
            }
            None => Ok(None),
        }
    }

    /// Size of the object if it is here and the caller may read it in some repository.
    async fn readable_elsewhere(&self, grant: &Grant<Contribute>, object: LfsObject) -> Result<Option<i64>> {
        let found = self.db.find_blob(&object.oid).await?;
        let Some(blob) = found.filter(|blob| !blob.damaged) else { return Ok(None) };
        for repo in self.db.blob_repos(&object.oid, PROOF_REPOS_MAX).await? {
            if self.may_read(grant.principal(), repo).await? {
                return Ok(Some(blob.size_bytes));
            }
        }
        Ok(None)
    }

    async fn may_read(&self, principal: &Principal, repo: RepoId) -> Result<bool> {
        match self.db.repo(repo).await? {
            Some(repo) => Ok(self.role(principal, &repo).await? >= Some(Role::Read)),
            None => Ok(false),
        }
    }

    async fn linked(&self, repo: RepoId, objects: &[LfsObject]) -> Result<HashMap<Sha256, Blob>> {
        let oids: Vec<Sha256> = objects.iter().map(|object| object.oid).collect();
        let blobs = self.db.linked_blobs(repo, &oids).await?;
        Ok(blobs.into_iter().map(|blob| (blob.sha256, blob)).collect())
    }

    /// A link that needs nothing else. Downloads are anyone's who has the link; the rest is the caller's.
    pub(crate) fn link<L>(
        &self,
        grant: &Grant<L>,
        object: LfsObject,
        action: Action,
        in_parts: Option<InParts>,
    ) -> LfsAction {
        let link = Link {
            action,
            repo: grant.repo_id(),
            oid: object.oid,
            size_bytes: object.size_bytes,
            token: if action == Action::Download { None } else { grant.principal().token().map(|t| t.id) },
            in_parts,
            expires: self.clock.now().plus_seconds(action.lifetime_seconds()),
        };
        let query = link.query(&self.keys.url);
        let end = match action {
            Action::Download | Action::Upload => String::new(),
            Action::Verify => "/verify".to_owned(),
            Action::Complete => "/complete".to_owned(),
            Action::Part(number) => format!("/parts/{number}"),
        };
        LfsAction {
            path_and_query: format!("/{}.git/info/lfs/objects/{}{end}?{query}", grant.repo(), object.oid),
            expires_in_seconds: action.lifetime_seconds(),
        }
    }
}
