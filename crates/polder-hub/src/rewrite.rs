//! History without some large objects, in every branch, tag and pull request at once.

use std::collections::BTreeSet;
use std::io::Cursor;

use polder_types::Sha256;
use polder_types::limits::REF_UPDATES_PER_PUSH_MAX;

use crate::Hub;
use crate::access::{Grant, Write};
use crate::commit::Landed;
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;
use crate::origin::Origin;

/// What is done, as the audit log says it.
const REWRITE: &str = "history.rewrite";

impl Hub {
    /// Rewrites all of history without the files that are `gone`, as one push by force that must be allowed on every
    /// branch it moves. Whether some ref moves, or did meanwhile, so that it is worth looking again.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] where a rule protects a branch; [`Kind::Invalid`] for the tag of a file that goes;
    /// [`Kind::TooLarge`] for more history or more refs than one request rewrites.
    pub(crate) async fn rewrite_without(&self, grant: &Grant<Write>, gone: BTreeSet<Sha256>) -> Result<bool> {
        let held = self.held(grant.repo_id()).await?;
        let rewritten = self.writing(grant, REWRITE, move |hub, grant| {
            let rewritten = polder_git::rewrite_without(&held.snapshot, &gone).map_err(Error::from)?;
            if rewritten.commands.is_empty() {
                return Ok(false);
            }
            if rewritten.commands.len() > REF_UPDATES_PER_PUSH_MAX {
                let why = format!("more than {REF_UPDATES_PER_PUSH_MAX} branches and tags have these files");
                return Err(Error::new(Kind::TooLarge, why).into());
            }
            let origin = Origin { rewrites: true, ..Origin::of(grant, REWRITE) };
            let landed = hub.land_all(&origin, &rewritten.commands, &mut Cursor::new(rewritten.pack))?;
            Ok(matches!(landed, Landed::Done | Landed::Stale))
        });
        rewritten.await.map_err(OpenError::into_error)
    }
}
