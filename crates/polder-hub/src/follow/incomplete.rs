//! Bodies of events that no source gave when their leaves were read: nothing newer is shown until they are found.

use polder_db::{LogBody, Mirror, MirrorState};
use polder_log::{check_next, open_body};

use super::sources::SourceSet;
use super::work::{Trouble, blocked};
use crate::Hub;
use crate::error::{Error, Kind};

/// Bodies looked for at a time.
const PAGE: i64 = 100;

impl Hub {
    /// Finds every body of a mirror's events that is missing. False when they make something else of the mirror
    /// than what it was claimed for.
    pub(super) async fn complete(&self, sources: &SourceSet, mirror: &Mirror) -> Result<bool, Trouble> {
        let gone = || Error::not_found("this hub is not followed");
        let log = self.db.log(mirror.log).await?.ok_or_else(gone)?;
        let selection = self.selection(mirror.log).await?;
        loop {
            let missing = self.db.missing_bodies(mirror.log, mirror.rid, PAGE).await?;
            if missing.is_empty() {
                return Ok(true);
            }
            for event in missing {
                let sha256 = event.leaf.body_sha256;
                let bytes = match self.db.log_body(sha256).await? {
                    LogBody::Held(bytes) => Some(bytes),
                    LogBody::Erased => None,
                    LogBody::Missing => {
                        let found = sources.find("the body of an event", sha256, |peer| peer.body(sha256));
                        Some(found.await.map_err(not_found)?)
                    }
                };
                let mut target = None;
                if let Some(bytes) = &bytes {
                    let body = open_body(&log.name, &event.leaf, bytes)
                        .and_then(|body| check_next(event.before, &body).map(|()| body));
                    let body =
                        body.map_err(|why| blocked(format!("its event {}: {why}", event.leaf.rseq)))?;
                    target = selection.target(&body);
                }
                let found = bytes.map(|bytes| (sha256, bytes));
                if !self.db.found_body(mirror, event.index, found, target).await? {
                    self.names.clear();
                    return Ok(false);
                }
            }
        }
    }
}

/// Where somebody sent something else, that is what is wrong; otherwise nobody has it, or nobody answers.
fn not_found(error: Error) -> Trouble {
    match error.kind() {
        Kind::NotFound | Kind::Unavailable => Trouble::new(MirrorState::Incomplete, error),
        _ => error.into(),
    }
}
