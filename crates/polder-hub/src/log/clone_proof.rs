//! What checks a clone: the newest event of a repository, its place in the signed log, its ref map.

use bytes::Bytes;
use polder_log::{Body, BodyProof, CloneProof};
use polder_types::{RepoName, Sha256};

use super::LogTip;
use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Result};

impl Hub {
    /// The proof of a repository that anyone may read, by its name here, from whichever log tells of it.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound), alike for what is not here, what may not be told and what no log
    /// has told of yet.
    pub async fn clone_proof(&self, name: &RepoName) -> Result<Bytes> {
        let none = || Error::not_found(format!("no proof of a public repository `{name}` is here"));
        let grant = self.read(&Principal::ANONYMOUS, name).await.map_err(|_hidden| none())?;
        let rid = Sha256::new(grant.repo_row().rid);
        let tip = self.telling_log(rid).await?.ok_or_else(none)?;
        let event = BodyProof::decode(&self.log_repo(&tip, rid).await?).map_err(Error::internal)?;
        let state = Body::decode(&event.body).map_err(Error::internal)?.state.ok_or_else(none)?;
        let refs = self.log_file(&tip, rid, state.refs_sha256, true).await?.to_vec();
        Ok(CloneProof { event, refs }.encode().map_err(Error::internal)?.into())
    }

    /// The end of the log that tells of a repository: this hub's, or one mirrored here.
    async fn telling_log(&self, rid: Sha256) -> Result<Option<LogTip>> {
        for log in self.db.list_logs().await? {
            if self.db.log_head(log.id, rid).await?.is_some() {
                return Ok(LogTip::of(&log));
            }
        }
        Ok(None)
    }
}
